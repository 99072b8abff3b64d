"""Curves over a setting, such as the strength of attacks over their knowledge or size."""

from __future__ import annotations

import numpy as np

from skrecsec.inspection._base import BaseDisplay, in_study
from skrecsec.inspection._style import axes_for
from skrecsec.metrics import DETECTION_METRICS, METRICS
from skrecsec.utils._signatures import complete


@complete
class AttackCurveDisplay(BaseDisplay):
    """A metric over a setting of attacks or defenses, with confidence bands.

    Parameters
    ----------
    curves : dict of dict
        By name, a curve: `x`, `mean`, `low` and `high`, arrays of shape (n_points,). `low` and
        `high` are the limits of the confidence band, NaN where there is none.

    xlabel : str
        What varies, with its unit.

    ylabel : str
        What is measured.

    Attributes
    ----------
    curves : dict of dict
        As given.

    %(display.attributes)s

    %(display.styles_)s

    lines_ : dict of matplotlib Line2D
        By name, the curves of the means.

    bands_ : dict of matplotlib Collection
        By name, the bands, where there are any.

    See Also
    --------
    skrecsec.experiments.robustness_study : Measures what is shown.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.inspection import AttackCurveDisplay
    >>> curve = {
    ...     "x": np.array([0.01, 0.03]),
    ...     "mean": np.array([0.3, 0.7]),
    ...     "low": np.array([0.2, 0.6]),
    ...     "high": np.array([0.4, 0.8]),
    ... }
    >>> display = AttackCurveDisplay(
    ...     {"CoAttack": curve}, xlabel="Attack size", ylabel="Target HR@50"
    ... )
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, curves, *, xlabel, ylabel):
        self.curves = curves
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_study(
        cls,
        study,
        curves,
        *,
        metric="target_hr",
        recommender=None,
        min_effect=0.02,
        xlabel="Setting",
        ax=None,
        **plot_options,
    ):
        """Plot curves through the means of a study.

        Parameters
        ----------
        study : RobustnessStudy
            What :func:`~skrecsec.experiments.robustness_study` returned, for attacks or
            recommenders that differ in the setting.

        curves : dict of dict
            By name, a curve: for each x the name of the attack in the study, or a pair of the names
            of an attack and a recommender; of a detector, with a metric of detectors.

        metric : str, default="target_hr"
            The key of a figure in the records of the study, or in its detections.

        recommender : str, default=None
            Name of the recommender where curves name attacks only; None takes the baseline. With a
            metric of detectors it is the name of a detector, and None takes the first. Refused
            where all curves name recommenders themselves.

        min_effect : float, default=0.02
            With ``metric="ri"``, points are left out at which the attack moves the hit ratio of the
            targets on the baseline by less than this in any repeat, or not always in the same
            direction. RI divides by that effect, so that a repeat without any makes the mean of
            all. 0 keeps all points.

        xlabel : str, default="Setting"
            What varies, with its unit.

        %(plot_options)s

        Returns
        -------
        display : AttackCurveDisplay
            With 95% confidence intervals of the means as bands.

        Raises
        ------
        ValueError
            If the study has no such metric, attack or recommender, if `min_effect` is negative, or
            no curve is in need of `recommender`.
        """
        if not min_effect >= 0:
            raise ValueError(f"min_effect must be at least 0, got {min_effect!r}.")
        named = {p for points in curves.values() for p in points.values() if isinstance(p, str)}
        if recommender is not None and not named:
            raise ValueError(
                f"All curves name their recommenders, so that recommender={recommender!r} has no "
                f"effect: leave it out."
            )
        of_detectors = metric in DETECTION_METRICS
        rows = {
            (row["attack"], row["detector" if of_detectors else "recommender"]): row
            for row in study.summary(metric)
        }
        if recommender is None:
            recommender = study.detectors[0] if of_detectors else study.baseline
        weak = _weak_attacks(study, min_effect) if metric == "ri" else set()
        found = {}
        for name, points in curves.items():
            keys = [(p, recommender) if isinstance(p, str) else tuple(p) for p in points.values()]
            for key in keys:
                if key not in rows:
                    raise ValueError(
                        f"curves[{name!r}] names the attack and the "
                        f"{'detector' if of_detectors else 'recommender'} {key}, which the "
                        f"study does not have together."
                    )
            found[name] = {"x": np.array(list(points), dtype=float)} | {
                field: np.array([np.nan if key[0] in weak else rows[key][column] for key in keys])
                for field, column in (("mean", "mean"), ("low", "ci_low"), ("high", "ci_high"))
            }
        ylabel = metric_label(metric, study.k)
        display = cls(found, xlabel=xlabel, ylabel=ylabel)
        return display.plot(ax=ax, **in_study(study, found, plot_options))

    def plot(self, ax=None, *, styles=None, title: str | None = None):
        """Plot the curves.

        %(plot)s
        """
        ax = axes_for(ax)
        self._set_styles("curves", styles)
        self.lines_, self.bands_ = {}, {}
        for name, curve in self.curves.items():
            style = self.styles_[name]
            (self.lines_[name],) = ax.plot(
                curve["x"], curve["mean"], label=name, markersize=5, **style
            )
            if np.isfinite(curve["low"]).any():
                self.bands_[name] = ax.fill_between(
                    curve["x"], curve["low"], curve["high"],
                    color=style["color"], alpha=0.12, linewidth=0,
                )  # fmt: skip
        xs = np.unique(np.concatenate([curve["x"] for curve in self.curves.values()]))
        if xs.size <= 8:
            ax.set_xticks(xs, [f"{x:g}" for x in xs])
        if len(self.curves) > 5:  # beside the axes, since it would cover curves
            ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        else:
            ax.legend()
        return self._finish(ax, title=title, xlabel=self.xlabel, ylabel=self.ylabel)


def _weak_attacks(study, min_effect):
    """Return the attacks that move the hit ratio of the targets on the baseline by too little.

    What counts is the repeat in which they move it least, and nothing if they move it up in some
    repeats and down in others.
    """
    ratios: dict = {}
    for record in study.records:
        if record["recommender"] == study.baseline:
            ratios.setdefault(record["attack"], {})[record["repeat"]] = record["target_hr"]
    weak = set()
    for attack, of_repeat in ratios.items():
        moved = np.array([ratio - ratios["clean"][repeat] for repeat, ratio in of_repeat.items()])
        if max(moved.min(), -moved.max(), 0.0) < min_effect:
            weak.add(attack)
    return weak


def metric_label(metric: str, k: int) -> str:
    """Return what axes call a metric of a study."""
    label = (METRICS | DETECTION_METRICS)[metric].name(k)
    unit = {"test_hr": " (share of users)", "target_hr": " (share of users and targets)"}
    return label[0].upper() + label[1:] + unit.get(metric, "")
