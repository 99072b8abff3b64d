"""What all displays have in common: where they are drawn, and in which colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# The palette of Okabe and Ito, which people with colour blindness can tell apart, without its
# yellow, which fades on paper. Markers and dashes tell the curves apart in black and white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


class Style(NamedTuple):
    """How one of several curves is drawn."""

    color: str
    linestyle: str
    marker: str


def style_of(number: int) -> Style:
    """Return the style of a curve by its number, from 0."""
    # With a step of their own, dashes differ where colours come round again.
    return Style(
        COLORS[number % len(COLORS)],
        DASHES[(number + number // len(COLORS)) % len(DASHES)],
        MARKERS[number % len(MARKERS)],
    )


def styles_for(names: Iterable[str], styles: Mapping | None = None) -> dict[str, dict[str, str]]:
    """Return how each name is drawn: as given, and else as no given name is.

    Parameters
    ----------
    names : iterable of str
        What is to be drawn, in order.

    styles : mapping of mapping, default=None
        By name, `color`, `linestyle` and `marker`, or some of them. Names that are not among
        `names` are kept, so that the result serves for the next display.

    Returns
    -------
    styles : dict of dict
        By name, `color`, `linestyle` and `marker`.

    Raises
    ------
    ValueError
        If `styles` is something else.
    """
    given = _check_styles(styles)
    names = [*(name for name in names if name not in given), *given]
    colors = {style.get("color") for style in given.values()}
    # The styles of which the colour is not taken, then those that differ in dashes only.
    numbers = sorted(range(2 * len(names)), key=lambda n: style_of(n).color in colors)
    own = (style for n in numbers if (style := style_of(n)._asdict()) not in given.values())
    return {
        name: given[name] if len(given.get(name, ())) == 3 else {**next(own), **given.get(name, {})}
        for name in names
    }


def _check_styles(styles):
    if styles is None:
        return {}
    if isinstance(styles, Mapping) and all(
        isinstance(style, Mapping) and set(style) <= set(Style._fields) for style in styles.values()
    ):
        return {name: dict(style) for name, style in styles.items()}
    raise ValueError(
        f"styles must be a dict of dict: by name, {', '.join(Style._fields)} or some of them; got "
        f"{styles!r}."
    )


def axes_for(ax):
    """Return the given axes, or those of a new figure.

    Raises an ImportError that names the extra if matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            "Displays need matplotlib, which comes with an extra: "
            'python -m pip install "skrecsec[plots]".'
        ) from None
    if ax is not None:
        return ax
    _, ax = plt.subplots(layout="constrained")
    return ax
