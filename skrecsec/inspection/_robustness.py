"""Accuracy against robustness, for many recommenders at once."""

from __future__ import annotations

import numpy as np

from skrecsec.inspection._base import BaseDisplay, as_list, in_study
from skrecsec.inspection._style import axes_for
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.utils._signatures import complete


@complete
class RobustnessDisplay(BaseDisplay):
    """Hit ratio of what users want against that of what an attacker wants, with the Pareto front.

    The best recommenders are at the top left: they find the held-out items and leave the targets
    where they were. Those on the front are better than each other one in at least one of the two.

    Parameters
    ----------
    points : dict of dict
        By name, `test_hr` and `target_hr`; optionally `test_hr_interval` and `target_hr_interval`,
        pairs of the limits of confidence intervals.

    k : int, default=50
        Length of the lists, for the labels.

    Attributes
    ----------
    points : dict of dict
        As given.

    k : int
        As given.

    %(display.attributes)s

    %(display.styles_)s

    artists_ : dict of matplotlib Artist
        By name, the markers.

    front_ : list of str
        Names of the recommenders on the Pareto front, by rising hit ratio of targets.

    See Also
    --------
    skrecsec.experiments.robustness_study : Measures what is shown.

    Examples
    --------
    >>> from skrecsec.inspection import RobustnessDisplay
    >>> display = RobustnessDisplay(
    ...     {
    ...         "MF": {"test_hr": 0.23, "target_hr": 0.68},
    ...         "TCD": {"test_hr": 0.43, "target_hr": 0.08},
    ...     }
    ... )
    >>> display.front()
    ['TCD']
    """

    def __init__(self, points, *, k=50):
        self.points = points
        self.k = k

    @classmethod
    def from_study(cls, study, attack, *, recommenders=None, ax=None, **plot_options):
        """Plot the recommenders of a study under an attack.

        Parameters
        ----------
        %(study)s

        attack : str
            Name of the attack, ``"clean"`` for the ratings without one.

        %(study.recommenders)s

        Returns
        -------
        display : RobustnessDisplay
            With 95% confidence intervals of the means.

        Raises
        ------
        ValueError
            If there is no such attack or recommender.
        """
        (attack,) = as_list("attack", str(attack), study.attacks)
        names = as_list("recommenders", recommenders, study.recommenders)
        points = {name: {} for name in names}
        for metric in ("test_hr", "target_hr"):
            for row in study.summary(metric):
                if row["attack"] == attack and row["recommender"] in points:
                    point = points[row["recommender"]]
                    point[metric] = row["mean"]
                    point[f"{metric}_interval"] = (row["ci_low"], row["ci_high"])
        return cls(points, k=study.k).plot(ax=ax, **in_study(study, points, plot_options))

    @classmethod
    def from_estimator(cls, estimators, X, y, *, target_items=None, k=50, ax=None, **plot_options):
        """Plot fitted estimators.

        Parameters
        ----------
        estimators : dict of recommenders
            By name, fitted recommenders, or pipelines that end with one.

        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Profiles of genuine users, without the held-out ratings.

        y : array-like of int of shape (n_users,) or sparse matrix of shape (n_users, n_items)
            The held-out items, as scorers take them.

        target_items : array-like of int, default=None
            The attacked items; None reads them from each pipeline's attack step.

        k : int, default=50
            Length of the lists.

        %(plot_options)s

        Returns
        -------
        display : RobustnessDisplay
            With a point per estimator.

        Raises
        ------
        ValueError
            If `X` or `y` is invalid, or `target_items` is None and an estimator has no attack step.
        """
        scorers = {
            "test_hr": HitRatioScorer(k=k),
            "target_hr": TargetHitRatioScorer(target_items, k=k),
        }
        points = {
            name: {metric: scorer(estimator, X, y) for metric, scorer in scorers.items()}
            for name, estimator in estimators.items()
        }
        return cls(points, k=k).plot(ax=ax, **plot_options)

    def front(self) -> list[str]:
        """Return the names of the recommenders on the Pareto front.

        Returns
        -------
        names : list of str
            Those to which no other one is superior: at least as good in both hit ratios, and better
            in one; by rising hit ratio of the targets.
        """

        def key(name):
            return self.points[name]["target_hr"], -self.points[name]["test_hr"]

        front, best = [], (-np.inf, np.inf)  # the best test HR so far, at which target HR
        for name in sorted(self.points, key=key):
            target_hr, test_hr = self.points[name]["target_hr"], self.points[name]["test_hr"]
            if test_hr > best[0] or (test_hr, target_hr) == best:
                front.append(name)
                best = test_hr, target_hr
        return front

    def plot(self, ax=None, *, styles=None, title: str | None = None):
        """Plot the recommenders and the Pareto front.

        %(plot)s
        """
        ax = axes_for(ax)
        self._set_styles("points", styles)
        self.front_ = self.front()
        corners = [self.points[name] for name in self.front_]
        x, y = ([point[metric] for point in corners] for metric in ("target_hr", "test_hr"))
        if len(set(zip(x, y, strict=True))) > 1:
            ax.step(x, y, where="post", color="#7F7F7F", linewidth=1, label="Pareto front")
        self.artists_ = {}
        for name, point in self.points.items():
            style = self.styles_[name]
            self.artists_[name] = ax.errorbar(
                point["target_hr"], point["test_hr"],
                xerr=_margins(point, "target_hr"), yerr=_margins(point, "test_hr"),
                marker=style["marker"], color=style["color"], linestyle="none", markersize=9,
                capsize=3, label=name,
            )  # fmt: skip
        # Not set_xlim, which would end the scaling of axes that share theirs.
        ax.margins(x=0.06, y=0.15)
        ax.legend()
        return self._finish(
            ax,
            title=title,
            xlabel=f"HR@{self.k} of targets (share of users and targets; left: robust)",
            ylabel=f"HR@{self.k} of held-out items (share of users)",
        )


def _margins(point, metric):
    """Return the distances to the limits of the interval, as matplotlib takes them."""
    low, high = point.get(f"{metric}_interval", (np.nan, np.nan))
    if np.isnan([low, high]).any():
        return None
    return [[point[metric] - low], [high - point[metric]]]
