"""The distribution of rank shifts of the targets."""

from __future__ import annotations

import numpy as np

from skrecsec.inspection._base import BaseDisplay, as_list, in_study
from skrecsec.inspection._style import axes_for
from skrecsec.metrics import rank_shift
from skrecsec.utils._scoring import profiles_for, shifts_of_ranks, steps_of
from skrecsec.utils._signatures import complete


@complete
class RankShiftDisplay(BaseDisplay):
    """Distributions of the places by which an attack moves its targets up.

    An attack that works moves its distribution to the right of 0, a defense that works brings it
    back. Make one with `from_study`, `from_predictions` or `from_estimator`.

    Parameters
    ----------
    distributions : dict of tuple of ndarray
        By name, the distinct rank shifts, sorted, and how often each occurred.

    means : dict of float, default=None
        By name, the means that the legend shows; None, or a name that is missing: those of the
        distributions.

    Attributes
    ----------
    distributions : dict of tuple of ndarray
        As given.

    means : dict of float or None
        As given.

    %(display.attributes)s

    %(display.styles_)s

    artists_ : dict of matplotlib Artist
        By name, the outline of the histogram.

    See Also
    --------
    skrecsec.metrics.rank_shift : The rank shift of each target for each user.

    Notes
    -----
    Shifts are of users who have not rated the target; for them the rank before is at most the
    number of items that they have not rated. Histograms show the share of pairs of users and
    targets, in bins shared by all distributions.

    Of a study the histograms show the pairs of all repeats together. The means in the legend are
    those of its tables, over repeats of the means over pairs: where the number of pairs differs
    from one repeat to the next, that is not quite the mean of all pairs.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, figures 4 and 7. :doi:`10.1007/s11280-023-01214-7`

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.inspection import RankShiftDisplay
    >>> display = RankShiftDisplay({"MF": (np.array([-3, 0, 40]), np.array([1, 5, 2]))})
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, distributions, *, means=None):
        self.distributions = distributions
        self.means = means

    @classmethod
    def from_study(cls, study, attacks=None, recommenders=None, *, ax=None, **plot_options):
        """Plot rank shifts that a study found.

        Parameters
        ----------
        %(study)s

        attacks : str or list of str, default=None
            Names of attacks; None takes all.

        %(study.recommenders)s

        Returns
        -------
        display : RankShiftDisplay
            With a distribution for each attack and recommender, named after what varies.

        Raises
        ------
        ValueError
            If there is no such attack or recommender.
        """
        attacks = as_list("attacks", attacks, study.attacks[1:])
        recommenders = as_list("recommenders", recommenders, study.recommenders)
        figures = {
            (row["attack"], row["recommender"]): row["mean"] for row in study.summary("rank_shift")
        }
        distributions, means = {}, {}
        for attack in attacks:
            for recommender in recommenders:
                name = f"{recommender}, {attack}"
                if len(attacks) == 1:
                    name = recommender
                elif len(recommenders) == 1:
                    name = attack
                distributions[name] = study.rank_shifts(attack, recommender)
                means[name] = figures[attack, recommender]
        display = cls(distributions, means=means)
        return display.plot(ax=ax, **in_study(study, distributions, plot_options))

    @classmethod
    def from_predictions(
        cls, before, after, target_items, *, seen=None, name=None, ax=None, **plot_options
    ):
        """Plot the rank shifts between two arrays of predicted ratings.

        Parameters
        ----------
        before, after : array-like of shape (n_users, n_items)
            Predicted ratings of genuine users without and with the attack.

        target_items : array-like of int of shape (n_targets,)
            The attacked items.

        seen : {sparse matrix, array-like} of shape (n_users, n_items), default=None
            Items that users have rated, which are left out of the ranking.

        name : str, default=None
            What the legend calls it; None makes no legend.

        %(one_distribution)s

        Raises
        ------
        ValueError
            If shapes do not match or an index is out of range.
        """
        distribution = _distribution(rank_shift(before, after, target_items, seen=seen))
        return cls({"" if name is None else name: distribution}).plot(ax=ax, **plot_options)

    @classmethod
    def from_estimator(
        cls, clean, attacked, X, target_items, *, name=None, ax=None, **plot_options
    ):
        """Plot the rank shifts between two fitted recommenders.

        Parameters
        ----------
        clean, attacked : recommender
            Fitted without and with the attack; recommenders, or pipelines that end with one.

        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Profiles of genuine users.

        target_items : array-like of int or str of shape (n_targets,)
            The attacked items; their names if `X` is a data frame.

        name : str, default=None
            What the legend calls it; None takes the class of the recommender.

        %(one_distribution)s

        Raises
        ------
        ValueError
            If `X` is invalid or an index is out of range.

        Notes
        -----
        What a pipeline does to `X` before its recommender is done here as well, and the items that
        are left out of a ranking are those that reach the recommender. Works in blocks of rows
        bounded by scikit-learn's ``working_memory``.
        """
        if name is None:
            name = type(steps_of(attacked)[-1]).__name__
        before, after = (
            profiles_for(estimator, X).target_ranks(target_items) for estimator in (clean, attacked)
        )
        distribution = _distribution(shifts_of_ranks(before, after))
        return cls({name: distribution}).plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, bins=60, styles=None, title: str | None = None):
        """Plot the distributions.

        Parameters
        ----------
        %(ax)s

        bins : int or array-like of shape (n_bins + 1,), default=60
            Number of bins of the histograms, all of the same width, or their edges, which make the
            heights of several plots comparable.

        %(styles)s

        %(title)s

        %(plotted)s
        """
        ax = axes_for(ax)
        self._set_styles("distributions", styles)
        edges = bins
        if np.ndim(bins) == 0:
            edges = _edges([shifts for shifts, _ in self.distributions.values()], bins)
        self.artists_ = {}
        for name, (shifts, counts) in self.distributions.items():
            style = self.styles_[name]
            heights, _ = np.histogram(shifts, edges, weights=counts / max(1, counts.sum()))
            ax.stairs(heights, edges, fill=True, color=style["color"], alpha=0.2)
            mean = (self.means or {}).get(name)
            if mean is None:
                mean = np.average(shifts, weights=counts) if counts.sum() else np.nan
            self.artists_[name] = ax.stairs(
                heights, edges, color=style["color"], linestyle=style["linestyle"], linewidth=1.8,
                label=f"{name} (mean {mean:+.0f})" if name else None,
            )  # fmt: skip
        ax.axvline(0, color="black", linewidth=0.8)
        ax.margins(x=0)
        if any(self.distributions):
            ax.legend()
        return self._finish(
            ax,
            title=title,
            xlabel="Rank shift of targets (places; right of 0: promoted)",
            ylabel="Share of users and targets",
        )


def _distribution(shifts):
    return np.unique(shifts[~np.isnan(shifts)], return_counts=True)


def _edges(shifts, bins):
    """Return the edges of bins from the lowest to the highest shift, one of them at 0."""
    values = np.concatenate([*shifts, [0]])
    width = max(1, np.ceil((values.max() - values.min() + 1) / bins))
    first = np.floor(values.min() / width)
    last = np.floor(values.max() / width) + 1
    return np.arange(first, last + 1) * width
