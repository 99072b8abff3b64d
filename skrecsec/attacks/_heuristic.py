"""The classical attacks: random, average and bandwagon."""

from __future__ import annotations

from numbers import Real

from skrecsec.attacks._fillers import (
    average_profiles,
    candidates_by_popularity,
    profiles_from_fillers,
    profiles_with_selected_items,
    random_fillers,
    rating_statistics,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Interval


class RandomAttackTransformer(BaseAttackTransformer):
    """Random attack: random filler items, rated around the mean of all ratings.

    Parameters
    ----------
    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    AverageAttackTransformer : Rates each filler around the mean of that item.
    BandwagonAttackTransformer : Also rates popular items, and rates them high.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    Ratings are drawn from a normal distribution with the mean and standard deviation of all known
    ratings and projected to the nearest level. Time and memory are O(n_ratings + n_items +
    n_fake_profiles n_fillers).

    References
    ----------
    .. [1] S. K. Lam, J. Riedl, "Shilling recommender systems for fun and profit", WWW 2004.
       :doi:`10.1145/988672.988726`

    Examples
    --------
    >>> from skrecsec.attacks import RandomAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = RandomAttackTransformer(attack_size=0.05, random_state=0)
    >>> attack.fit_transform(X).shape
    (105, 80)
    >>> attack.transform(X).shape
    (100, 80)
    """

    def _craft_profiles(self, known, budget, rng):
        items = random_fillers(known.shape[1], budget, rng)
        statistics = rating_statistics(known)
        ratings = rng.normal(statistics.mean, statistics.std, items.shape)
        return profiles_from_fillers(items, ratings, known.shape[1])


class AverageAttackTransformer(BaseAttackTransformer):
    """Average attack: random filler items, each rated around its own mean.

    Parameters
    ----------
    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    RandomAttackTransformer : Rates all fillers around the mean of all ratings.
    BandwagonAttackTransformer : Also rates popular items, and rates them high.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    A filler's rating is drawn from a normal distribution with the mean and standard deviation of
    the known ratings of that item and projected to the nearest level; where an item has no known
    rating (for the standard deviation: fewer than two), the figures of all ratings stand in. Time
    and memory are O(n_ratings + n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] S. K. Lam, J. Riedl, "Shilling recommender systems for fun and profit", WWW 2004.
       :doi:`10.1145/988672.988726`

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = AverageAttackTransformer(target_items=[3, 7], attack_size=5, random_state=0)
    >>> attack.fit(X).poison_[:, [3, 7]].toarray()
    array([[5., 5.],
           [5., 5.],
           [5., 5.],
           [5., 5.],
           [5., 5.]])
    """

    def _craft_profiles(self, known, budget, rng):
        return average_profiles(known, budget, rng)


class BandwagonAttackTransformer(BaseAttackTransformer):
    """Bandwagon attack: some fillers are the most popular items, rated highest.

    Fake profiles thereby resemble many genuine ones. The other fillers are those of the random
    attack.

    Parameters
    ----------
    popular_fraction : float, default=0.1
        Share of the fillers, in [0, 1], that are the most popular items, rated with the highest
        level whatever the goal.

    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    RandomAttackTransformer : Random filler items only.
    SegmentAttackTransformer : Rates the items highest that a group of users likes.
    ReverseBandwagonAttackTransformer : Demotes targets in the company of disliked items.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    Popularity is the number of ratings among the known profiles. Ties are broken by the lower
    index. Time and memory are O(n_ratings + n_items log n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] R. Burke, B. Mobasher, C. Williams, R. Bhaumik, "Classification features for attack
       detection in collaborative recommender systems", KDD 2006.
       :doi:`10.1145/1150402.1150465`

    Examples
    --------
    >>> from skrecsec.attacks import BandwagonAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = BandwagonAttackTransformer(popular_fraction=0.5, random_state=0).fit(X)
    >>> attack.poison_.shape
    (3, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "popular_fraction": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        popular_fraction=0.1,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        super().__init__(
            target_items=target_items,
            n_targets=n_targets,
            attack_size=attack_size,
            n_fillers=n_fillers,
            knowledge=knowledge,
            goal=goal,
            random_state=random_state,
        )
        self.popular_fraction = popular_fraction

    def _craft_profiles(self, known, budget, rng):
        statistics = rating_statistics(known)
        n_popular = round(self.popular_fraction * budget.n_fillers)
        return profiles_with_selected_items(
            candidates_by_popularity(statistics.item_counts, budget)[:n_popular],
            budget.rating_levels[-1],
            lambda items: rng.normal(statistics.mean, statistics.std, items.shape),
            known.shape[1],
            budget,
            rng,
        )
