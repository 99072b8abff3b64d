"""Balls: profiles that look alike, and share an item more often than chance explains."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from skrecsec.detection._counts import average_ranks, rows_of
from skrecsec.detection._feature_statistics import (
    LOOK_ALIKE,
    Crowd,
    describe,
    leading_directions,
)
from skrecsec.utils._compiling import jit

RADII = (5, 10, 20, 40)
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
    from sklearn.neighbors import NearestNeighbors  # slow to import

    n_neighbors = min(RADII[-1], X.shape[0] - 1)
    if n_neighbors == 0:
        return np.empty((X.shape[0], 0), dtype=np.int64)
    features = _whitened(profile_features(X, at_top))
    # It is asked about its own points, which it then does not count as neighbours of themselves.
    index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="kd_tree", n_jobs=1).fit(features)
    return index.kneighbors(return_distance=False)


def profile_features(X, at_top) -> np.ndarray:
    """Return eleven features of each profile: size, ratings, popularity, directions."""
    crowd = Crowd.of(X)
    found = describe(X, crowd, leading_directions(X, crowd), LOOK_ALIKE)
    rows = rows_of(X)
    found["share_highest"] = np.bincount(rows, at_top) / np.diff(X.indptr)
    return np.column_stack([found[name] for name in LOOK_ALIKE])


def _whitened(features):
    """Return normal scores of features, rotated to be uncorrelated, and scaled alike."""
    # What differs by rounding only is equal, so that the order of rows does not decide.
    features = np.round(features, 9)
    ranks = np.array([average_ranks(feature) for feature in features.T]).T
    normal = ndtri((ranks - 0.5) / features.shape[0])
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
