"""Figures that are made for files rather than for a screen."""

from __future__ import annotations

import io


def figure_without_window(n_panels: int, figsize: tuple[float, float]):
    """Return a figure to be saved, whatever the backend in use, and its axes side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=figsize, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, n_panels, squeeze=False)[0])


def as_bytes(figure, file_format: str) -> bytes:
    """Return a figure as a PNG or SVG file, the same bytes each time."""
    import matplotlib as mpl

    # No date, and names of elements from a fixed salt.
    metadata = {"png": {"Software": None}, "svg": {"Date": None}}[file_format]
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "skrecsec"}):
        figure.savefig(buffer, format=file_format, dpi=150, metadata=metadata)
    return buffer.getvalue()
