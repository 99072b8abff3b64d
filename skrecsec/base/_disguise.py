"""How fake profiles are made less conspicuous: what of the targets each rates, and how long it is.

All of it is drawn or decided from the known profiles and the budget, whatever attack crafts the
fillers, and never exceeds the budget.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.base._threat import Budget, add_targets, check_fillers, find_profile_size
from skrecsec.utils._ranking import row_blocks
from skrecsec.utils._rating_statistics import rating_statistics

OBFUSCATIONS = ("noise", "user-shifting", "popular")

# How many rating levels, counted from the extreme one, there have to be.
_N_LEVELS = {"top": 1, "near-top": 2, "mixed": 2}

# Popular items are this share of those that anybody known has rated.
_POPULAR = 0.2


class Disguise(NamedTuple):
    """The settings, as the parameters of `BaseAttackTransformer` name them."""

    targets_per_profile: int | str | None = None
    target_rating: str | int = "top"
    profile_lengths: str = "fixed"
    obfuscation: str | None = None

    def n_targets_each(self, n_targets: int) -> int:
        """Return how many of the targets a profile rates."""
        asked = self.targets_per_profile
        return n_targets if asked in (None, "all") else min(int(asked), n_targets)


def make_budget(
    disguise: Disguise, *, known, knowledge, n_profiles, n_fillers, targets, goal, levels, rng
) -> Budget:
    """Return the budget of an attack: all that is decided before fillers are crafted."""
    n_targets = targets.size
    n_each = disguise.n_targets_each(n_targets)
    size = find_profile_size(n_fillers, known, n_each, n_targets - n_each)
    chosen = extreme_levels(disguise.target_rating, goal, levels)
    ratings = None
    if n_each < n_targets or not np.array_equal(chosen, extreme_levels("top", goal, levels)):
        ratings = rate_targets(share_out(n_profiles, n_targets, n_each), chosen, rng)
    budget = Budget(
        n_profiles=n_profiles,
        profile_size=size,
        target_items=targets,
        target_rating=levels[-1] if goal == "push" else levels[0],
        rating_levels=levels,
        target_ratings=ratings,
        knowledge=knowledge,
    )
    if disguise.profile_lengths == "fixed":
        return budget
    most = known.shape[1] - n_targets + n_each
    sizes = draw_lengths(known, budget, most, rng)
    return budget._replace(profile_size=int(sizes.max()), profile_sizes=sizes)


def extreme_levels(target_rating: str | int, goal: str, levels: np.ndarray) -> np.ndarray:
    """Return the levels that targets are rated with, the extreme one first."""
    n_wanted = _N_LEVELS[target_rating] if isinstance(target_rating, str) else int(target_rating)
    if n_wanted > levels.size:
        levels_there = "there is one level only" if levels.size == 1 else f"there are {levels.size}"
        raise ValueError(
            f"target_rating={target_rating!r} needs {n_wanted} rating levels, and {levels_there}, "
            f"from {levels[0]:g} to {levels[-1]:g}."
        )
    chosen = levels[::-1][:n_wanted] if goal == "push" else levels[:n_wanted]
    return chosen[1:] if target_rating == "near-top" else chosen


def share_out(n_profiles: int, n_targets: int, n_each: int) -> np.ndarray:
    """Return which targets each profile rates, bool (n_profiles, n_targets).

    Each profile takes the targets that the fewest have taken before; of these those that were least
    often together with what it has, and of equal ones the first. So the numbers of profiles of two
    targets never differ by more than one. O(n_profiles^2 n_each n_targets) time.
    """
    is_rated = np.zeros((n_profiles, n_targets), dtype=bool)
    if n_each == n_targets:
        return ~is_rated
    counts = np.zeros(n_targets, dtype=np.int64)
    for row in range(n_profiles):
        taken = is_rated[row]
        n_shared = np.zeros(row, dtype=np.int64)  # with each of the profiles before
        for _ in range(n_each):
            together = n_shared @ is_rated[:row]
            target = np.lexsort((together, counts, taken))[0]
            taken[target] = True
            n_shared += is_rated[:row, target]
        counts += taken
    return is_rated


def rate_targets(is_rated: np.ndarray, levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the ratings of the targets, 0 where there is none.

    Each target gets every level from as equal a number of profiles as possible.
    """
    ratings = np.zeros(is_rated.shape)
    for target in range(is_rated.shape[1]):
        raters = np.flatnonzero(is_rated[:, target])
        ratings[raters, target] = rng.permutation(np.resize(levels, raters.size))
    return ratings


def draw_lengths(known, budget: Budget, most: int, rng: np.random.Generator) -> np.ndarray:
    """Draw lengths of profiles from those of known ones, (n_profiles,).

    Where all of them would have more ratings than the budget allows, the longest are cut to the
    highest equal length at which they have not.
    """
    genuine = np.diff(known.indptr)
    lengths = rng.choice(genuine[genuine > 0], budget.n_profiles)
    lengths = np.clip(lengths, budget.n_targets_each, most)
    allowed = budget.n_profiles * budget.profile_size
    # With the longest ones at a cap, all have sum(shorter) + cap * n_longer ratings.
    ordered = np.sort(lengths)
    before = np.concatenate([[0], np.cumsum(ordered)[:-1]])
    n_longer = np.arange(ordered.size, 0, -1)
    over = np.flatnonzero(before + ordered * n_longer > allowed)
    if over.size == 0:
        return lengths
    first = over[0]
    return np.minimum(lengths, (allowed - before[first]) // n_longer[first])


def disguised(
    fillers,
    budget: Budget,
    known,
    obfuscation: str | None,
    are_ranked: bool,
    rng: np.random.Generator,
):
    """Return the fake profiles (CSR) of crafted fillers.

    Where profiles are shortened, fillers are given up at random, or, if their ratings rank them,
    those with the lowest.
    """
    n_items = known.shape[1]
    rows, items, ratings = check_fillers(fillers, n_items, budget)
    keys = -ratings if are_ranked else rng.random(rows.size)
    if obfuscation == "noise":
        ratings = ratings + rng.normal(0, known.data.std(), rows.size)
    elif obfuscation == "user-shifting":
        ratings = ratings + rng.normal(0, _spread_of_users(known), budget.n_profiles)[rows]
    elif obfuscation == "popular":
        rows, items, ratings = _popular_fillers(np.bincount(rows, minlength=1), known, budget, rng)
        keys = rng.random(rows.size)
    if budget.profile_sizes is not None:
        kept = _first_of_rows(rows, keys, budget.planned_fillers())
        rows, items, ratings = rows[kept], items[kept], ratings[kept]
    return add_targets(rows, items, ratings, n_items, budget)


def _spread_of_users(known):
    """Return the standard deviation of the users' mean ratings."""
    counts = np.diff(known.indptr)
    rows = np.repeat(np.arange(counts.size), counts)
    sums = np.bincount(rows, known.data, minlength=counts.size)
    return (sums[counts > 0] / counts[counts > 0]).std()


def _popular_fillers(n_fillers, known, budget, rng):
    """Draw so many popular items for each profile, rated as they are by those who are known."""
    statistics = rating_statistics(known)
    counts = statistics.item_counts.copy()
    n_popular = max(int(_POPULAR * np.count_nonzero(counts)), n_fillers.max())
    counts[budget.target_items] = -1
    popular = np.argsort(-counts, kind="stable")[: min(n_popular, np.count_nonzero(counts >= 0))]
    rows, items = [], []
    for block in row_blocks(n_fillers.size, max(popular.size, 1)):
        order = np.argsort(rng.random((n_fillers[block].size, popular.size)), axis=1)
        row, place = np.nonzero(np.arange(popular.size) < n_fillers[block, np.newaxis])
        rows.append(row + block.start)
        items.append(popular[order[row, place]])
    rows, items = np.concatenate(rows), np.concatenate(items)
    ratings = rng.normal(statistics.item_means[items], statistics.item_stds[items])
    return rows, items, ratings


def _first_of_rows(rows, keys, n_kept):
    """Return the places of the so many elements of each row with the lowest keys, ascending."""
    order = np.lexsort((keys, rows))
    counts = np.bincount(rows, minlength=n_kept.size)
    starts = np.cumsum(counts) - counts
    places = np.arange(rows.size) - starts[rows[order]]
    return np.sort(order[places < n_kept[rows[order]]])
