"""Attacks on a segment of the users, and attacks made to demote items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import (
    candidates_by_popularity,
    filler_candidates,
    profiles_from_fillers,
    profiles_with_selected_items,
    random_fillers,
    rating_statistics,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Number, StrOptions
from skrecsec.utils._items import check_item_indices
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("attack", "segment")
@complete
class SegmentAttackTransformer(BaseAttackTransformer):
    """Segment attack: the targets in the company of what a group of users likes.

    Fake profiles rate the items of a segment, such as the films of a genre, with the highest level,
    like the targets, and random other items with the lowest. Users who like the segment thereby
    find the targets among what is liked by those who share their taste.

    Parameters
    ----------
    segment_items : "similar" or array-like of int, default="similar"
        The items that the segment likes. An attacker who knows the catalogue names them; targets
        among them are rated as targets. ``"similar"`` takes the most rated item and those with the
        most similar known ratings, see Notes.

    segment_fraction : float, default=0.1
        With ``"similar"``, the share of the fillers, in [0, 1], that are items of the segment.

    %(attack)s

    segment_items_ : ndarray of shape (n_segment_items,)
        Sorted indices of the items of the segment.

    See Also
    --------
    BandwagonAttackTransformer : Rates popular items highest, whoever likes them.

    Notes
    -----
    %(appends_rows)s

    With ``segment_items="similar"`` items are compared by the cosine of their known ratings, an
    absent rating counting as 0, to those of the item that most known users have rated; of equal
    ones the lower index comes first. Segment items are rated with the highest level and other
    fillers with the lowest whatever the goal.

    Time and memory are O(n_ratings + n_items log n_items + n_fake_profiles n_fillers).

    References
    ----------
    .. [1] R. Burke, B. Mobasher, R. Bhaumik, C. Williams, "Segment-based injection attacks against
       collaborative filtering recommender systems", ICDM 2005. :doi:`10.1109/ICDM.2005.127`

    %(attack.example)s
    >>> attack = SegmentAttackTransformer(
    ...     segment_items=[2, 5], target_items=[3, 7], attack_size=2, random_state=0
    ... )
    >>> attack.fit(X).poison_[:, [2, 3, 5, 7]].toarray()
    array([[5., 5., 5., 5.],
           [5., 5., 5., 5.]])
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "segment_items": [StrOptions({"similar"}), "array-like"],
        "segment_fraction": [Number(0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        segment_items="similar",
        segment_fraction=0.1,
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.segment_items = segment_items
        self.segment_fraction = segment_fraction

    def _craft_profiles(self, known, budget, rng):
        self.segment_items_ = self._choose_segment(known, budget)
        lowest, highest = budget.rating_levels[[0, -1]]
        return profiles_with_selected_items(
            self.segment_items_,
            highest,
            lambda items: np.full(items.shape, lowest),
            known.shape[1],
            budget,
            rng,
        )

    def _choose_segment(self, known, budget):
        if isinstance(self.segment_items, str):
            n_segment = round(self.segment_fraction * budget.n_fillers)
            return similar_items(known, n_segment, budget)
        items = check_item_indices(self.segment_items, known.shape[1], name="segment_items")
        items = np.setdiff1d(items, budget.target_items)
        if items.size > budget.n_fillers:
            raise ValueError(
                f"segment_items has {items.size} items that are not targets; a fake profile has "
                f"{budget.n_fillers} fillers only. Name fewer, or increase n_fillers."
            )
        return items


@register("attack", "lovehate")
@complete
class LoveHateAttackTransformer(BaseAttackTransformer):
    """Love-hate attack: the targets are rated lowest, random fillers highest.

    It needs no knowledge of the ratings at all, and demotes items well. With ``goal="push"`` both
    are turned round: the targets are rated highest, the fillers lowest.

    Parameters
    ----------
    %(attack)s

    See Also
    --------
    ReverseBandwagonAttackTransformer : Demotes targets in the company of disliked items.
    RandomAttackTransformer : Rates fillers around the mean of all ratings.

    Notes
    -----
    %(appends_rows)s

    Time and memory are O(n_ratings + n_items + n_fake_profiles n_fillers).

    References
    ----------
    %(mobasher)s

    %(attack.example)s
    >>> attack = LoveHateAttackTransformer(target_items=[3, 7], random_state=0).fit(X)
    >>> attack.poison_[:, [3, 7]].max(), attack.poison_.max()
    (np.float64(1.0), np.float64(5.0))
    """

    def __init__(self, *, goal="nuke", **threat_model):
        super().__init__(goal=goal, **threat_model)

    def _craft_profiles(self, known, budget, rng):
        items = random_fillers(known.shape[1], budget, rng)
        lowest, highest = budget.rating_levels[[0, -1]]
        opposite = lowest if budget.target_rating == highest else highest
        return profiles_from_fillers(items, np.full(items.shape, opposite), known.shape[1])


@register("attack", "reversebandwagon")
@complete
class ReverseBandwagonAttackTransformer(BaseAttackTransformer):
    """Reverse bandwagon attack: the targets in the company of what is widely disliked.

    Fake profiles rate the targets and some well-known items with low mean ratings with the lowest
    level, so that the targets appear to be of their kind. The other fillers are those of the random
    attack.

    Parameters
    ----------
    disliked_fraction : float, default=0.1
        Share of the fillers, in [0, 1], that are disliked items, rated with the lowest level
        whatever the goal.

    %(attack)s

    disliked_items_ : ndarray of shape (n_disliked,)
        Sorted indices of the disliked items.

    See Also
    --------
    LoveHateAttackTransformer : Demotes targets without any knowledge.
    BandwagonAttackTransformer : Promotes targets in the company of popular items.

    Notes
    -----
    %(appends_rows)s

    Disliked are the items with the lowest means of known ratings among those with at least as many
    of these as an item has on average; if they are too few, the next most rated ones follow. Ties
    are broken by the lower index. Time and memory are O(n_ratings + n_items log n_items +
    n_fake_profiles n_fillers).

    References
    ----------
    %(mobasher)s

    %(attack.example)s
    >>> attack = ReverseBandwagonAttackTransformer(disliked_fraction=0.3, random_state=0).fit(X)
    >>> attack.poison_[:, attack.disliked_items_].max()
    np.float64(1.0)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "disliked_fraction": [Number(0, 1, closed="both")],
    }

    def __init__(self, *, disliked_fraction=0.1, goal="nuke", **threat_model):
        super().__init__(goal=goal, **threat_model)
        self.disliked_fraction = disliked_fraction

    def _craft_profiles(self, known, budget, rng):
        statistics = rating_statistics(known)
        n_disliked = round(self.disliked_fraction * budget.n_fillers)
        self.disliked_items_ = disliked_items(statistics, n_disliked, budget)
        return profiles_with_selected_items(
            self.disliked_items_,
            budget.rating_levels[0],
            lambda items: rng.normal(statistics.mean, statistics.std, items.shape),
            known.shape[1],
            budget,
            rng,
        )


def similar_items(known, n_wanted: int, budget) -> np.ndarray:
    """Return the most rated item and those most similar to it, sorted; targets are left out."""
    counts = np.bincount(known.indices, minlength=known.shape[1])
    candidates = candidates_by_popularity(counts, budget)
    if candidates.size == 0:
        return candidates
    seed = sp.csc_array(known)[:, candidates[:1]]
    products = (known.T @ seed).toarray().ravel()
    norms = np.sqrt(np.bincount(known.indices, known.data**2, minlength=known.shape[1]))
    cosines = products / np.where(norms > 0, norms, 1)  # times the norm of the seed
    cosines[candidates[0]] = np.inf
    candidates = np.sort(candidates)
    return np.sort(candidates[np.argsort(-cosines[candidates], kind="stable")[:n_wanted]])


def disliked_items(statistics, n_wanted: int, budget) -> np.ndarray:
    """Return well-known items with the lowest mean ratings, sorted; targets are left out."""
    counts = statistics.item_counts
    candidates = filler_candidates(counts.size, budget)
    is_known = counts >= counts.mean()
    # Of the well-known ones the mean decides, of the others the number of ratings.
    key = np.where(is_known, statistics.item_means, -counts)
    order = np.lexsort((key[candidates], ~is_known[candidates]))
    return np.sort(candidates[order[:n_wanted]])
