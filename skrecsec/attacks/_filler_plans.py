"""Ways to craft fake profiles as points of a cube, so that a search can move among them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import (
    candidates_by_popularity,
    keep_first,
    rating_statistics,
    without_targets,
)

# What the coordinates of a plan mean; each lies in [0, 1].
COORDINATES = (
    "size",  # number of fillers, on a logarithmic scale, of those that the budget allows
    "copied",  # share of the fillers that are copied from known profiles
    "length",  # how long the copied profiles are, among the known ones
    "kept",  # how much popular items are preferred, when a profile is cut
    "pool",  # number of most popular items that the other fillers are drawn from, logarithmic
    "shared",  # share of these that all profiles have
    "height",  # where ratings of fillers lie between the mean of the item and the highest level
)

# Attacks that are known to work, as plans.
STARTING_PLANS = np.array(
    [
        [0.40, 1.0, 0.5, 1.0, 0.5, 0.0, 0.0],  # the most popular items of a copied profile
        [1.00, 1.0, 0.0, 0.0, 0.5, 0.0, 0.0],  # the shortest profiles, whole
        [1.00, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0],  # those of long profiles, as many as allowed
        [0.40, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0],  # a few popular items
        [1.00, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0],  # random items: the average attack
        [0.83, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0],  # the most popular items, rated highest by all
    ]
)

# Popular items are preferred by up to this power of their number of ratings.
_HIGHEST_POWER = 4.0
# The profiles that are copied come from so many times as many known ones of like length.
_CHOICE = 3


class FillerPlanner:
    """Crafts the fillers of fake profiles by a plan; known profiles (CSR) are looked at once."""

    def __init__(self, known, budget):
        self._budget = budget
        self._fillers = without_targets(known, budget)
        self._statistics = rating_statistics(known)
        sizes = np.diff(self._fillers.indptr)
        order = np.argsort(sizes, kind="stable")
        self._users = order[sizes[order] > 0]
        self._items = candidates_by_popularity(self._statistics.item_counts, budget)

    def craft(self, plan: np.ndarray, rng: np.random.Generator) -> sp.csr_array:
        """Return fillers, (n_profiles, n_items). O(n_ratings log n_ratings + n_items)."""
        size, copied, length, kept, pool, shared, height = plan
        n_fillers = _logarithmic(size, self._budget.n_fillers)
        n_copied = round(copied * n_fillers) if self._users.size else 0
        copies = self._copy(n_copied, length, kept, rng)
        others = self._draw(n_fillers - n_copied, pool, shared, rng)
        profiles = self._join(copies, others)
        means = self._statistics.item_means[profiles.indices]
        stds = self._statistics.item_stds[profiles.indices]
        drawn = rng.normal(means, stds)
        highest = self._budget.rating_levels[-1]
        rated = np.where(profiles.data > 0, profiles.data, drawn)
        profiles.data = rated + height * np.maximum(highest - rated, 0)
        return profiles

    def _copy(self, n_kept, length, kept, rng):
        """Return ratings of known profiles, of a certain length among these."""
        n_profiles = self._budget.n_profiles
        n_candidates = min(self._users.size, _CHOICE * n_profiles)
        if n_kept == 0:
            return self._fillers[:0]
        first = round(length * (self._users.size - n_candidates))
        users = rng.permutation(self._users[first : first + n_candidates])
        fillers = self._fillers[np.resize(users, n_profiles)]
        counts = self._statistics.item_counts[fillers.indices]
        times = rng.standard_exponential(fillers.nnz)
        # The logarithm of a time at a rate that is a power of the count: no overflow.
        keys = np.log(times) - kept * _HIGHEST_POWER * np.log(np.maximum(counts, 1))
        return keep_first(fillers, keys, n_kept)

    def _draw(self, n_drawn, pool, shared, rng):
        """Return popular items, (n_profiles, n_drawn), some of them the same for all profiles."""
        n_profiles = self._budget.n_profiles
        n_drawn = min(n_drawn, self._items.size)
        n_pool = max(n_drawn, _logarithmic(pool, self._items.size))
        n_shared = round(shared * n_drawn)
        keys = rng.random((n_profiles, n_pool))
        keys[:, rng.permutation(n_pool)[:n_shared]] = -1
        return self._items[np.argsort(keys, axis=1, kind="stable")[:, :n_drawn]]

    def _join(self, copies, items):
        """Return copied ratings and drawn items, whose rating is -1 for yet to be given."""
        n_profiles, n_items = self._budget.n_profiles, self._fillers.shape[1]
        drawn = np.full(items.size, -1.0)
        rows = np.repeat(np.arange(n_profiles), items.shape[1])
        drawn = sp.csr_array((drawn, (rows, items.ravel())), shape=(n_profiles, n_items))
        if copies.shape[0] == 0:
            return drawn
        # What is copied and drawn is copied.
        pattern = sp.csr_array((np.ones(copies.nnz), copies.indices, copies.indptr), copies.shape)
        drawn = drawn - drawn.multiply(pattern)
        profiles = sp.csr_array(copies + drawn)
        profiles.eliminate_zeros()
        return profiles


def _logarithmic(coordinate, highest):
    """Return an integer between 0 and `highest`, on a logarithmic scale."""
    return min(highest, round(np.expm1(coordinate * np.log1p(highest))))
