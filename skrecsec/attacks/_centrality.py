"""Who is influential: similarities of profiles, and what they say of each of them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._ranking import row_blocks, top_k

# Similarities on fewer common ratings are scaled down, in proportion.
_TRUSTED_OVERLAP = 50


def influence(ratings, method: str, n_neighbors: int) -> np.ndarray:
    """Return how influential each row of a rating matrix (CSR) is, the higher the more.

    `method` is "in_degree", "n_ratings" or "similarity". O(n_ratings) for the number of ratings;
    for the others O(sum of squared column counts + n_rows^2), in blocks of rows.
    """
    if method == "n_ratings":
        return np.diff(ratings.indptr).astype(float)
    scores = np.zeros(ratings.shape[0])
    for rows in row_blocks(ratings.shape[0], ratings.shape[0]):
        similarities = pearson_similarities(ratings, rows)
        if method == "similarity":
            scores += np.where(np.isfinite(similarities), similarities, 0).sum(axis=0)
        else:
            neighbors = top_k(similarities, min(n_neighbors, ratings.shape[0]))
            scores += np.bincount(neighbors[neighbors >= 0], minlength=scores.size)
    return scores


def most_influential(ratings, method: str, n_neighbors: int, n_wanted: int) -> np.ndarray:
    """Return the most influential rows that have ratings, best first, ties by more ratings.

    After these the lower index comes first.
    """
    scores = influence(ratings, method, n_neighbors)
    sizes = np.diff(ratings.indptr)
    order = np.lexsort((-sizes, -scores))
    return order[sizes[order] > 0][:n_wanted]


def pearson_similarities(ratings, rows: slice) -> np.ndarray:
    """Return Pearson's correlations of a block of rows with all rows, -inf where there is none.

    They are taken over common ratings, times min(n_common, 50) / 50. There is none with less than
    two common ratings, without a variance, and of a row with itself.
    """
    ratings = sp.csr_array(ratings, dtype=np.float64)
    # On the scale of the data, squares and their sums could overflow.
    ratings.data = ratings.data / ratings.data.max(initial=np.finfo(float).tiny)
    squares, ones = ratings.copy(), ratings.copy()
    squares.data = ratings.data**2
    ones.data = np.ones(ratings.nnz)
    others, other_ones = ratings.T, ones.T
    common = (ones[rows] @ other_ones).toarray()
    n = np.maximum(common, 1)
    sums, other_sums = (ratings[rows] @ other_ones).toarray(), (ones[rows] @ others).toarray()
    covariances = (ratings[rows] @ others).toarray() - sums * other_sums / n
    variances = (squares[rows] @ other_ones).toarray() - sums**2 / n
    other_variances = (ones[rows] @ squares.T).toarray() - other_sums**2 / n
    # Rounding leaves something of variances that are none.
    defined = (common >= 2) & (variances > 1e-12 * n) & (other_variances > 1e-12 * n)
    defined[np.arange(common.shape[0]), np.arange(rows.start, rows.stop)] = False
    scale = np.sqrt(np.where(defined, variances * other_variances, 1.0))
    similarities = covariances / scale * np.minimum(common, _TRUSTED_OVERLAP) / _TRUSTED_OVERLAP
    return np.where(defined, similarities, -np.inf)
