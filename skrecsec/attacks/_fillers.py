"""Filler items and what is known of their ratings: shared by the attacks."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._compiling import jit
from skrecsec.utils._ranking import row_blocks, top_k
from skrecsec.utils._rating_statistics import RatingStatistics, rating_statistics

__all__ = [
    "RatingStatistics",
    "average_profiles",
    "candidates_by_popularity",
    "filler_candidates",
    "first_places",
    "highest_fillers",
    "profiles_from_fillers",
    "profiles_with_selected_items",
    "random_fillers",
    "rated_around_means",
    "rating_statistics",
    "sample_items",
]


def sample_items(candidates, n_profiles: int, n_draws: int, rng) -> np.ndarray:
    """Draw, for each profile, distinct items from the candidates, uniformly.

    Returns an int array of shape (n_profiles, n_draws). O(n_candidates + n_profiles n_draws).
    """
    if n_draws > candidates.size:
        raise ValueError(f"Cannot draw {n_draws} distinct items from {candidates.size}.")
    return _partial_shuffles(candidates.copy(), rng.random((n_profiles, n_draws)))


@jit
def _partial_shuffles(candidates, uniforms):
    """Fisher-Yates, stopped after as many swaps as items are wanted.

    The next profile starts from the order that the last one left: any order is as good.
    """
    n_profiles, n_draws = uniforms.shape
    items = np.empty((n_profiles, n_draws), dtype=candidates.dtype)
    for f in range(n_profiles):
        for x in range(n_draws):
            y = x + int(uniforms[f, x] * (candidates.size - x))
            candidates[x], candidates[y] = candidates[y], candidates[x]
            items[f, x] = candidates[x]
    return items


def profiles_from_fillers(items, ratings, n_items: int, n_kept=None) -> sp.csr_array:
    """Return fake profiles as CSR from (n_profiles, n_fillers) arrays of items and ratings.

    `n_kept`, (n_profiles,), is how many of its fillers, from the first on, a profile gets; all if
    it is None.
    """
    rows, places = first_places(items.shape, n_kept)
    shape = items.shape[0], n_items
    return sp.csr_array((ratings[rows, places], (rows, items[rows, places])), shape=shape)


def first_places(shape, n_kept=None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the first `n_kept` cells of each row, or of all, row by row."""
    n_rows, n_columns = shape
    n_kept = np.full(n_rows, n_columns) if n_kept is None else n_kept
    rows, columns = np.nonzero(np.arange(n_columns) < n_kept[:, np.newaxis])
    return rows, columns


def filler_candidates(n_items: int, budget) -> np.ndarray:
    """Return the items that may be fillers: all but the targets."""
    return np.setdiff1d(np.arange(n_items), budget.target_items)


def candidates_by_popularity(item_counts, budget) -> np.ndarray:
    """Return the items that may be fillers, those with most known ratings first.

    Of equal ones the lower index comes first.
    """
    candidates = filler_candidates(item_counts.size, budget)
    return candidates[np.argsort(-item_counts[candidates], kind="stable")]


def highest_fillers(scores, budget) -> np.ndarray:
    """Return each profile's filler items with the highest scores, (n_profiles, n_fillers).

    Targets are left out; of equal ones the lower index comes first. Works in blocks of rows.
    """
    items = np.empty((scores.shape[0], budget.n_fillers), dtype=np.int64)
    if budget.n_fillers > 0:
        for rows in row_blocks(*scores.shape):
            block = scores[rows].copy()
            block[:, budget.target_items] = -np.inf
            items[rows] = top_k(block, budget.n_fillers)
    return items


def random_fillers(n_items: int, budget, rng) -> np.ndarray:
    """Draw filler items uniformly, (n_profiles, n_fillers)."""
    candidates = filler_candidates(n_items, budget)
    return sample_items(candidates, budget.n_profiles, budget.n_fillers, rng)


def keep_first(ratings, keys, n_kept) -> sp.csr_array:
    """Return the `n_kept` ratings of each row with the lowest keys, or all where there are fewer.

    `n_kept` is a number, or an array of one for each row; `keys` has one for each stored rating of
    a CSR matrix. Of equal ones the lower index comes first. O(n_ratings log n_ratings).
    """
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    order = np.lexsort((ratings.indices, keys, rows))
    places = np.arange(ratings.nnz) - ratings.indptr[rows]
    kept = order[places < np.broadcast_to(n_kept, ratings.shape[:1])[rows]]
    return sp.csr_array((ratings.data[kept], (rows[kept], ratings.indices[kept])), ratings.shape)


def without_targets(ratings, budget) -> sp.csr_array:
    """Return the ratings, CSR, without those of target items. O(n_ratings)."""
    is_filler = np.ones(ratings.shape[1], dtype=bool)
    is_filler[budget.target_items] = False
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    kept = is_filler[ratings.indices]
    return sp.csr_array(
        (ratings.data[kept], (rows[kept], ratings.indices[kept])), shape=ratings.shape
    )


def profiles_with_selected_items(
    selected, level: float, rate_others, n_items: int, budget, rng
) -> sp.csr_array:
    """Return profiles that all rate the selected items with a level, and random others.

    `rate_others` returns the ratings of an (n_profiles, n_others) array of items.
    """
    candidates = np.setdiff1d(filler_candidates(n_items, budget), selected)
    n_others = budget.n_fillers - selected.size
    items = sample_items(candidates, budget.n_profiles, n_others, rng)
    ratings = rate_others(items)
    items = np.hstack([np.tile(selected, (budget.n_profiles, 1)), items])
    levels = np.full((budget.n_profiles, selected.size), level)
    return profiles_from_fillers(items, np.hstack([levels, ratings]), n_items)


def rated_around_means(items, known, rng, n_kept=None) -> sp.csr_array:
    """Return profiles of the items, (n_profiles, n_fillers), each rated as known users rate it.

    Ratings are drawn from the normals of the items' known ratings; `n_kept` is that of
    `profiles_from_fillers`.
    """
    statistics = rating_statistics(known)
    ratings = rng.normal(statistics.item_means[items], statistics.item_stds[items])
    return profiles_from_fillers(items, ratings, known.shape[1], n_kept)


def average_profiles(known, budget, rng) -> sp.csr_array:
    """Return profiles of random fillers, each rated from the normal of its known ratings."""
    return rated_around_means(random_fillers(known.shape[1], budget, rng), known, rng)
