"""Features of profiles that compare them with all others: similarity and overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.utils._compiling import jit

NEIGHBORS = (
    "degsim", "degsim_discounted", "overlap_1", "overlap_5", "overlap_20", "overlap_drop_30",
    "overlap_drop_60",
)  # fmt: skip
# Fewer common items than this count for proportionally less in the discounted similarity.
_FULL_TRUST = 50
_OVERLAPS = np.array([1, 5, 20])
_DROPS = np.array([30, 60])
# Variances below this share of the mean square are rounding.
_LEAST_SPREAD = 1e-9


class Raters(NamedTuple):
    """The ratings of a crowd by item, and how many each user has."""

    indptr: np.ndarray
    users: np.ndarray
    ratings: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, X) -> Raters:
        """Return the raters of the items of a rating matrix (CSR)."""
        by_item = X.tocsc()
        return cls(
            by_item.indptr.astype(np.int64), by_item.indices.astype(np.int64),
            by_item.data.astype(np.float64), np.diff(X.indptr).astype(np.int64),
        )  # fmt: skip


def compare(X, raters: Raters, n_neighbors: int) -> dict[str, np.ndarray]:
    """Return `NEIGHBORS` of profiles (CSR).

    One user of the crowd whose ratings are exactly those of the profile is taken for the profile
    itself, and not for a neighbor of it.

    Notes
    -----
    Time is O(sum of the numbers of raters of the profiles' ratings), memory O(n_users).
    """
    result = np.zeros((X.shape[0], len(NEIGHBORS)))
    _compare(
        X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data.astype(np.float64),
        *raters, n_neighbors, _OVERLAPS, _DROPS, result,
    )  # fmt: skip
    return dict(zip(NEIGHBORS, result.T, strict=True))


@jit
def _compare(
    indptr, items, ratings, by_item, users, others, lengths, n_neighbors, overlaps, drops, result
):
    # Of a user met at common items: how many, how many of them rated alike, and the sums of the
    # own rating, of the other one, of their squares and of their product.
    met = np.zeros((lengths.size, 7))
    who = np.empty(lengths.size, dtype=np.int64)
    similar, discounted = np.empty(lengths.size), np.empty(lengths.size)
    overlap = np.empty(lengths.size)
    for u in range(indptr.size - 1):
        length = indptr[u + 1] - indptr[u]
        n_met = 0
        for x in range(indptr[u], indptr[u + 1]):
            mine = ratings[x]
            for y in range(by_item[items[x]], by_item[items[x] + 1]):
                v, other = users[y], others[y]
                if met[v, 0] == 0:
                    who[n_met] = v
                    n_met += 1
                met[v, 0] += 1
                met[v, 1] += mine == other
                met[v, 2] += mine
                met[v, 3] += other
                met[v, 4] += mine * mine
                met[v, 5] += other * other
                met[v, 6] += mine * other
        n_others, n_compared = lengths.size, 0
        for place in range(n_met):
            v = who[place]
            common = met[v, 0]
            if n_others == lengths.size and met[v, 1] == length and length == lengths[v]:
                n_others -= 1  # the profile itself
            else:
                w = _pearson(met[v])
                similar[n_compared] = w
                discounted[n_compared] = w * min(1.0, common / _FULL_TRUST)
                overlap[n_compared] = common / (length + lengths[v] - common)
                n_compared += 1
            met[v] = 0
        if length == 0 or n_others == 0:
            continue
        best = _largest(similar, n_compared, n_others, n_neighbors)
        result[u, 0] = best.sum() / best.size
        best = _largest(discounted, n_compared, n_others, n_neighbors)
        result[u, 1] = best.sum() / best.size
        best = _largest(overlap, n_compared, n_others, drops[-1])
        for number, k in enumerate(overlaps):
            result[u, 2 + number] = best[:k].mean()
        near = best[:5].mean()
        for number, k in enumerate(drops):
            if near > 0:
                far = best[min(k, best.size) - 1]
                result[u, 2 + overlaps.size + number] = 1 - far / near


@jit
def _pearson(met):
    """Return the correlation over common items; 0 where one of both ratings does not vary."""
    n, x, y, xx, yy, xy = met[0], met[2], met[3], met[4], met[5], met[6]
    x_spread, y_spread = xx - x * x / n, yy - y * y / n
    if x_spread <= _LEAST_SPREAD * xx or y_spread <= _LEAST_SPREAD * yy:
        return 0.0
    return (xy - x * y / n) / np.sqrt(x_spread * y_spread)


@jit
def _largest(values, n_values, n_others, k):
    """Return the largest k, in descending order, of the values and of zeros for all others."""
    k = min(k, n_others)
    n = n_values + min(k, n_others - n_values)
    values[n_values:n] = 0
    return np.sort(np.partition(values[:n], n - k)[n - k :])[::-1]
