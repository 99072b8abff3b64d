"""The classical attacks: random, average and bandwagon."""

from __future__ import annotations

from skrecsec.attacks._fillers import (
    average_profiles,
    candidates_by_popularity,
    profiles_from_fillers,
    profiles_with_selected_items,
    random_fillers,
    rating_statistics,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Number
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("attack", "random")
@complete
class RandomAttackTransformer(BaseAttackTransformer):
    """Random attack: random filler items, rated around the mean of all ratings.

    Parameters
    ----------
    %(attack)s

    See Also
    --------
    AverageAttackTransformer : Rates each filler around the mean of that item.
    BandwagonAttackTransformer : Also rates popular items, and rates them high.

    Notes
    -----
    %(appends_rows)s

    Ratings are drawn from a normal distribution with the mean and standard deviation of all known
    ratings and projected to the nearest level. Time and memory are O(n_ratings + n_items +
    n_fake_profiles n_fillers).

    References
    ----------
    .. [1] S. K. Lam, J. Riedl, "Shilling recommender systems for fun and profit", WWW 2004.
       :doi:`10.1145/988672.988726`

    %(attack.example)s
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


@register("attack", "average")
@complete
class AverageAttackTransformer(BaseAttackTransformer):
    """Average attack: random filler items, each rated around its own mean.

    Parameters
    ----------
    %(attack)s

    See Also
    --------
    RandomAttackTransformer : Rates all fillers around the mean of all ratings.
    BandwagonAttackTransformer : Also rates popular items, and rates them high.

    Notes
    -----
    %(appends_rows)s

    A filler's rating is drawn from a normal distribution with the mean and standard deviation of
    the known ratings of that item and projected to the nearest level; where an item has no known
    rating (for the standard deviation: fewer than two), the figures of all ratings stand in. Time
    and memory are O(n_ratings + n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] S. K. Lam, J. Riedl, "Shilling recommender systems for fun and profit", WWW 2004.
       :doi:`10.1145/988672.988726`

    %(attack.example)s
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


@register("attack", "bandwagon")
@complete
class BandwagonAttackTransformer(BaseAttackTransformer):
    """Bandwagon attack: some fillers are the most popular items, rated highest.

    Fake profiles thereby resemble many genuine ones. The other fillers are those of the random
    attack.

    Parameters
    ----------
    popular_fraction : float, default=0.1
        Share of the fillers, in [0, 1], that are the most popular items, rated with the highest
        level whatever the goal.

    %(attack)s

    See Also
    --------
    RandomAttackTransformer : Random filler items only.
    SegmentAttackTransformer : Rates the items highest that a group of users likes.
    ReverseBandwagonAttackTransformer : Demotes targets in the company of disliked items.

    Notes
    -----
    %(appends_rows)s

    Popularity is the number of ratings among the known profiles. Ties are broken by the lower
    index. Time and memory are O(n_ratings + n_items log n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] R. Burke, B. Mobasher, C. Williams, R. Bhaumik, "Classification features for attack
       detection in collaborative recommender systems", KDD 2006.
       :doi:`10.1145/1150402.1150465`

    %(attack.example)s
    >>> attack = BandwagonAttackTransformer(popular_fraction=0.5, random_state=0).fit(X)
    >>> attack.poison_.shape
    (3, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "popular_fraction": [Number(0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        popular_fraction=0.1,
        **threat_model,
    ):
        super().__init__(**threat_model)
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
