"""Patterns of ratings, and how surprising counts are: what all detectors count with."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

_TINY = 1e-300


def pattern_of_ratings(X, kept=None) -> sp.csr_array:
    """Return ones at the ratings (CSR), or at those kept."""
    if kept is None:
        return sp.csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape)
    indptr = np.concatenate([[0], np.cumsum(kept)])[X.indptr].astype(X.indptr.dtype)
    return sp.csr_array((np.ones(indptr[-1]), X.indices[kept], indptr), shape=X.shape)


def rows_of(X) -> np.ndarray:
    """Return the row of each rating (CSR)."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


def log_ratio(observed, expected):
    """Return how surprising counts above the expected ones are, in nats, and 0 for others."""
    observed, expected = np.asarray(observed, float), np.maximum(expected, _TINY)
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = observed * np.log(observed / expected) - (observed - expected)
    return np.where(observed > expected, surprise, 0.0)


def average_ranks(values) -> np.ndarray:
    """Return 1 for the least of some numbers, 2 for the next; means of ranks for equal ones.

    As `scipy.stats.rankdata` does, which is slow to import. O(n log n).
    """
    order = np.argsort(values)
    in_order = values[order]
    is_first = np.concatenate([[True], in_order[1:] != in_order[:-1]])[: order.size]
    bounds = np.append(np.flatnonzero(is_first), order.size)
    ranks = np.empty(order.size)
    ranks[order] = ((bounds[:-1] + bounds[1:] + 1) / 2)[np.cumsum(is_first) - 1]
    return ranks


def log_choices(n, k):
    """Return the log of the number of sets of k among n."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
