"""What the displays share."""

from __future__ import annotations

from skrecsec.inspection._style import styles_for


class BaseDisplay:
    """How a display draws its names, and what it leaves behind."""

    def _set_styles(self, attribute, styles):
        """Set `styles_` for the names that the dict of this name holds."""
        names = getattr(self, attribute)
        if not names:
            raise ValueError(f"There is nothing to plot: {attribute} is empty.")
        self.styles_ = styles_for(names, styles)

    def _finish(self, ax, **settings):
        """Set titles and labels, draw a faint grid behind the data, and return the display."""
        ax.set(**settings)
        ax.grid(alpha=0.3)
        ax.set_axisbelow(True)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def in_study(study, names, plot_options) -> dict:
    """Return the options of a plot of a study, with the styles of what it is about.

    Recommenders have their style by their place in the study, and so have attacks and detectors:
    all displays of a study draw them alike, however few of them are shown.
    """
    styles = plot_options.get("styles")
    records = [*study.records, *study.detections]
    for kind in ("recommender", "attack", "detector"):
        known = dict.fromkeys(record[kind] for record in records if kind in record)
        known.pop("clean", None)
        if set(names) <= set(known):
            styles = styles_for(known, styles)
            break
    return {**plot_options, "styles": styles}


def as_list(parameter: str, names, choices) -> list:
    """Return the names that were chosen: one, several, or all of them for None.

    Raises a ValueError for a name that is no choice.
    """
    if names is None:
        return list(choices)
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in choices:
            raise ValueError(
                f"{parameter}: {name!r} is not one of {', '.join(map(repr, choices))}."
            )
    return names
