"""Files: tables as CSV and Markdown, figures as PNG and SVG, and what they were made with."""

from __future__ import annotations

import csv
import io
import json
import platform

import numpy as np

from skrecsec.experiments._tables import markdown_table
from skrecsec.metrics import DETECTION_METRICS
from skrecsec.utils._figures import as_bytes, figure_without_window
from skrecsec.utils._versions import package_versions, processor

_PACKAGES = ("scikit-learn", "numpy", "scipy", "numba", "torch", "joblib")


def rows_as_csv(rows: list[dict]) -> str:
    """Return rows as CSV; floats have six significant digits, NaN is empty.

    Examples
    --------
    >>> from skrecsec.experiments.paper._output import rows_as_csv
    >>> print(rows_as_csv([{"attack": "DL", "mean": 1 / 3, "p": float("nan")}]))
    attack,mean,p
    DL,0.333333,
    <BLANKLINE>
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _as_text(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _as_text(value):
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.6g}"
    return value


def table_as_markdown(name: str, rows: list[dict]) -> str:
    """Return a table as the paper lays it out, cells "paper / ours"; stars are explained below."""
    if name == "table2":
        lines = [[row["statistic"], f"{row['paper']:g}", f"{row['ours']:.10g}"] for row in rows]
        return markdown_table(["statistic", "paper", "ours"], lines) + "\n"
    across, down = ("attack", "method")
    if name in ("table3", "table3b"):
        across, down = ("knowledge", "attack")
    parts = []
    for title, chosen in panels(name, rows):
        columns = list(dict.fromkeys(row[across] for row in chosen))
        cells = {(row[down], row[across]): row for row in chosen}
        heading = [title, *map(_as_heading, columns)]
        lines = [
            [str(line), *(_as_cell(cells.get((line, column))) for column in columns)]
            for line in dict.fromkeys(row[down] for row in chosen)
        ]
        parts.append(markdown_table(heading, lines))
    note = "Cells: paper / mean ± half of the 95% confidence interval; * p < 0.05."
    if name == "detection":
        note = "Cells: mean ± half of the 95% confidence interval."
    return "\n\n".join([*parts, note]) + "\n"


def panels(name: str, rows: list[dict]):
    """Return titles and rows of what is set apart: kinds of targets, recommenders, metrics."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        title = f"{row['targets']} targets"
        if name == "table3b":
            title = f"{row['method']}, {title}"
        if name == "detection":
            title = f"{DETECTION_METRICS[row['metric']].title}, {title}"
        found.setdefault(title, []).append(row)
    return found.items()


def _as_heading(column):
    return f"{column:g}" if isinstance(column, float) else str(column or "none")


def _as_cell(row):
    if row is None:
        return ""
    cell = f"{row['mean']:.4f}"
    if row["n"] > 1:
        cell += f" ± {row['ci_high'] - row['mean']:.4f}"
    if "paper" not in row:
        return cell
    paper = "-" if np.isnan(row["paper"]) else f"{row['paper']:.4f}"
    return f"{paper} / {cell}" + ("*" if row["p"] < 0.05 else "")


def draw_panels(title: str, panels) -> dict[str, bytes]:
    """Return a figure with the panels side by side, as PNG and SVG by suffix."""
    figure, axes = figure_without_window(len(panels), (6.4 * len(panels), 4.8))
    for panel, ax in zip(panels, axes, strict=True):
        panel.draw(ax)
    figure.suptitle(title, fontweight="bold")
    return {f".{file_format}": as_bytes(figure, file_format) for file_format in ("png", "svg")}


def provenance(command: str, **settings) -> str:
    """Return, as JSON, what results come from: command, settings, versions and processor."""
    source = {
        "command": command,
        **settings,
        "versions": package_versions(*_PACKAGES) | {"python": platform.python_version()},
        "processor": processor(),
    }
    return json.dumps(source, indent=2) + "\n"
