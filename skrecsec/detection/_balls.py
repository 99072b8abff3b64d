"""Balls: profiles that look alike, and share an item more often than chance explains."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from skrecsec.utils._compiling import jit

RADII = (5, 10, 20, 40)
_N_DIRECTIONS = 16
# Means of items' ratings are taken with so many ratings of the overall mean.
_SHRINKAGE = 3
_LEAST_EIGENVALUE = 0.05
# Neighbours share tastes: so many times the raters are expected that chance would bring.
_LIFT = 2.0


def look_alikes(X, at_top) -> np.ndarray:
    """Return the nearest other profiles (n_users, n_neighbors) by eleven features, nearest first.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings, at least one in each row.

    at_top : ndarray of bool of shape (n_ratings,)
        Which of them have the highest level.
    """
    n_neighbors = min(RADII[-1], X.shape[0] - 1)
    if n_neighbors == 0:
        return np.empty((X.shape[0], 0), dtype=np.int64)
    features = _whitened(profile_features(X, at_top))
    # It is asked about its own points, which it then does not count as neighbours of themselves.
    index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="kd_tree", n_jobs=1).fit(features)
    return index.kneighbors(return_distance=False)


def profile_features(X, at_top) -> np.ndarray:
    """Return eleven features of each profile: size, ratings, popularity, directions."""
    lengths = np.diff(X.indptr)
    rows = np.repeat(np.arange(X.shape[0]), lengths)
    c = np.bincount(X.indices, minlength=X.shape[1])
    sums = np.bincount(X.indices, X.data, minlength=X.shape[1])
    means = (sums + _SHRINKAGE * X.data.mean()) / (c + _SHRINKAGE)
    deviation = X.data - means[X.indices]
    popularity = np.log(c[X.indices])

    def mean(values):
        return np.bincount(rows, values, minlength=lengths.size) / lengths

    def spread(values):
        return np.sqrt(np.maximum(mean((values - mean(values)[rows]) ** 2), 0))

    first, others = _energies(X, rows, lengths, c)
    return np.column_stack([
        np.log(lengths), mean(X.data), spread(X.data), mean(deviation), mean(np.abs(deviation)),
        mean(popularity), spread(popularity), mean(1 / c[X.indices]), mean(at_top.astype(float)),
        first, others,
    ])  # fmt: skip


def _energies(X, rows, lengths, c):
    """Return the shares of rows that lie in the first singular direction, and in the next ones.

    Rows and columns are divided by the roots of their numbers of ratings.
    """
    values = 1 / np.sqrt(lengths[rows] * c[X.indices])
    normal = sp.csr_array((values, X.indices, X.indptr), shape=X.shape)
    energy = np.bincount(rows, values**2, minlength=lengths.size)
    first = lengths / X.nnz / energy  # the first pair of directions is known: the roots
    n_directions = min(_N_DIRECTIONS, min(X.shape) - 1)
    if n_directions <= 1:
        return first, np.zeros_like(first)
    if min(X.shape) <= 2 * _N_DIRECTIONS:
        components = _by_gram(normal, n_directions)
    else:
        start = np.random.default_rng(0).random(min(X.shape))
        left, sizes, _ = svds(normal, k=n_directions, v0=start)
        components = left * sizes
    all_directions = (components**2).sum(axis=1) / energy
    return first, np.maximum(all_directions - first, 0)


def _by_gram(normal, n_directions):
    """Return the first components of the rows of a matrix of few rows or few columns."""
    is_wide = normal.shape[0] < normal.shape[1]
    gram = (normal @ normal.T if is_wide else normal.T @ normal).toarray()
    sizes, directions = np.linalg.eigh(gram)
    sizes, directions = sizes[-n_directions:], directions[:, -n_directions:]
    return directions * np.sqrt(np.maximum(sizes, 0)) if is_wide else normal @ directions


def _whitened(features):
    """Return normal scores of features, rotated to be uncorrelated, and scaled alike."""
    # What differs by rounding only is equal, so that the order of rows does not decide.
    features = np.round(features, 9)
    normal = ndtri((rankdata(features, axis=0) - 0.5) / features.shape[0])
    normal -= normal.mean(axis=0)
    deviations = normal.std(axis=0)
    normal = normal[:, deviations > 1e-9] / deviations[deviations > 1e-9]
    if normal.shape[1] == 0:
        return np.zeros((features.shape[0], 1))
    sizes, directions = np.linalg.eigh(normal.T @ normal / normal.shape[0])
    kept = sizes >= _LEAST_EIGENVALUE
    return normal @ directions[:, kept] / np.sqrt(sizes[kept])


def shared_items(B, neighbors) -> np.ndarray:
    """Return, for each entry of a pattern (CSR), how surprising it is among look-alikes.

    In nats: 0 is where the most surprising entry of one user in all is expected by chance, and each
    unit more is as much rarer as e. Both are estimated by quantiles over users.
    """
    r, c = np.diff(B.indptr), np.bincount(B.indices, minlength=B.shape[1])
    ratios = np.zeros(B.nnz)
    if neighbors.shape[1] > 0 and B.nnz > 0:
        radii = np.array([k for k in RADII if k <= neighbors.shape[1]] or [neighbors.shape[1]])
        _fill_ratios(B.indptr, B.indices, neighbors, radii, r, c, ratios)
    origin, scale = _origin_and_scale(largest_of_rows(B, ratios))
    return (ratios - origin) / scale


def largest_of_rows(B, values, empty=0.0) -> np.ndarray:
    """Return the largest of the values of a pattern's entries in each row."""
    largest = np.full(B.shape[0], empty)
    filled = np.flatnonzero(np.diff(B.indptr))
    if filled.size:
        largest[filled] = np.maximum.reduceat(values, B.indptr[filled])
    return largest


def _origin_and_scale(largest):
    """Return where one of the users is expected, and the unit, of an exponential tail."""
    median, ninth_decile = np.quantile(largest, [0.5, 0.9])
    scale = max((ninth_decile - median) / np.log(5), 0.5)
    return median + scale * np.log(max(largest.size, 2) / 2), scale


@jit
def _fill_ratios(indptr, indices, neighbors, radii, r, c, ratios):
    total = float(indices.size)
    counts = np.zeros(c.size, dtype=np.int64)
    for u in range(r.size):
        n_met, begin = 0.0, 0
        for radius in radii:
            for v in neighbors[u, begin:radius]:
                n_met += r[v]
                for x in range(indptr[v], indptr[v + 1]):
                    counts[indices[x]] += 1
            begin = radius
            for x in range(indptr[u], indptr[u + 1]):
                observed = counts[indices[x]]
                expected = _LIFT * n_met * (c[indices[x]] - 1) / total
                if observed > expected > 0:
                    ratio = observed * np.log(observed / expected) - (observed - expected)
                    ratios[x] = max(ratios[x], ratio)
        for v in neighbors[u, :begin]:
            for x in range(indptr[v], indptr[v + 1]):
                counts[indices[x]] = 0
