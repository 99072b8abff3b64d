"""Features of profiles that need no neighbors: ratings, deviations, fillers, popularity."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from skrecsec.utils.validation import find_rating_levels, project_to_levels

# Shrunk means and spreads of items are taken with so many ratings of the crowd.
_SHRINKAGE = 3
_N_DIRECTIONS = 16
# Spreads below this share of what they are the spread of are rounding.
_LEAST_SPREAD = 1e-9


class Crowd(NamedTuple):
    """What is known of the users and items that profiles are held against.

    An item that nobody has rated counts as rated once, with the mean of all ratings.
    """

    n_ratings: int
    is_rated: np.ndarray
    counts: np.ndarray  # ratings of an item, at least 1
    means: np.ndarray
    shrunk_means: np.ndarray
    spreads: np.ndarray  # standard deviations of the ratings of an item, shrunk
    levels: np.ndarray
    mean_length: float
    scatter: float  # sum of squared deviations from the mean length
    target_shares: dict[str, np.ndarray]  # of the suspected targets of all users

    @classmethod
    def of(cls, X) -> Crowd:
        """Return what is known of the rows of a rating matrix (CSR)."""
        n = np.bincount(X.indices, minlength=X.shape[1])
        counts = np.maximum(n, 1)
        overall = X.data.mean()
        sums = np.bincount(X.indices, X.data, minlength=n.size)
        means = np.where(n > 0, sums / counts, overall)
        squares = np.bincount(X.indices, (X.data - means[X.indices]) ** 2, minlength=n.size)
        variances = (squares + _SHRINKAGE * X.data.var()) / (n + _SHRINKAGE)
        lengths = np.diff(X.indptr)
        levels = find_rating_levels(X.data)
        crowd = cls(
            X.nnz, n > 0, counts, means, (sums + _SHRINKAGE * overall) / (n + _SHRINKAGE),
            np.sqrt(variances), levels, lengths.mean(),
            ((lengths - lengths.mean()) ** 2).sum(), {},
        )  # fmt: skip
        profiles = Profiles(X, crowd)
        for goal in GOALS:
            targets = np.bincount(X.indices, profiles.are_targets(goal), minlength=n.size)
            crowd.target_shares[goal] = targets / targets.sum()
        return crowd


class Profiles:
    """Profiles (CSR), and sums over the ratings of each."""

    def __init__(self, X, crowd: Crowd):
        self.lengths = np.diff(X.indptr)
        self.rows = np.repeat(np.arange(X.shape[0]), self.lengths)
        self.indptr, self.items, self.ratings = X.indptr, X.indices, X.data
        self.counts = crowd.counts[X.indices]
        nearest = project_to_levels(X.data, crowd.levels)
        self.levels = np.searchsorted(crowd.levels, nearest)

    def sum(self, values):
        """Return the sums of what each rating has."""
        return np.bincount(self.rows, values, minlength=self.lengths.size)

    def mean(self, values, among=None):
        """Return the means of what each rating has, or some ratings have; 0 of nothing."""
        if among is None:
            return self.sum(values) / np.maximum(self.lengths, 1)
        n = self.sum(among)
        return self.sum(np.where(among, values, 0)) / np.maximum(n, 1)

    def variance(self, values, among=None):
        """Return the variances of what each rating has, or some ratings have."""
        return self.mean((values - self.mean(values, among)[self.rows]) ** 2, among)

    def largest(self, values):
        """Return the largest of what each rating has; 0 of nothing."""
        largest = np.zeros(self.lengths.size)
        filled = np.flatnonzero(self.lengths)
        if filled.size:
            largest[filled] = np.maximum.reduceat(values, self.indptr[filled])
        return largest

    def quantiles(self, values, shares):
        """Return quantiles of what each rating has, interpolated; 0 of nothing."""
        values = values[np.lexsort((values, self.rows))]
        filled = np.flatnonzero(self.lengths)
        found = np.zeros((len(shares), self.lengths.size))
        for quantile, share in zip(found, shares, strict=True):
            place = share * (self.lengths[filled] - 1)
            below = np.floor(place).astype(np.int64)
            low = values[self.indptr[filled] + below]
            high = values[self.indptr[filled] + np.ceil(place).astype(np.int64)]
            quantile[filled] = low + (place - below) * (high - low)
        return found

    def are_targets(self, goal):
        """Return which ratings have the highest level of their profile, or the lowest."""
        if goal == "push":
            return self.levels == self.largest(self.levels)[self.rows]
        return -self.levels == self.largest(-self.levels)[self.rows]


# ----------------------------------------------------------------------------- ratings as they are


def _of_ratings(profiles, crowd):
    n, n_levels = profiles.lengths, crowd.levels.size
    at = profiles.rows * n_levels + profiles.levels
    shares = np.bincount(at, minlength=n.size * n_levels).reshape(n.size, n_levels)
    shares = shares / np.maximum(n, 1)[:, np.newaxis]
    mean = profiles.mean(profiles.ratings)
    nearest = np.searchsorted(crowd.levels, project_to_levels(mean, crowd.levels))
    second = min(1, n_levels - 1)
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    return {
        "log_length": np.log(np.maximum(n, 1)),
        "length_variance": np.where(n > 0, np.abs(n - crowd.mean_length), 0)
        / (crowd.scatter if crowd.scatter > 0 else 1),
        "mean_rating": mean,
        "rating_variance": profiles.variance(profiles.ratings),
        "entropy": np.abs((shares * logs).sum(axis=1)),
        "share_highest": shares[:, -1],
        "share_second_highest": shares[:, -1 - second],
        "share_second_lowest": shares[:, second],
        "share_lowest": shares[:, 0],
        "share_average": shares[np.arange(n.size), nearest],
    }


# ---------------------------------------------------------------------------- deviations from items


def _of_deviations(profiles, crowd):
    items = profiles.items
    distance = np.abs(profiles.ratings - crowd.means[items])
    shrunk = profiles.ratings - crowd.shrunk_means[items]
    standardized = shrunk / np.where(crowd.spreads > 0, crowd.spreads, 1)[items]
    return {
        "rdma": profiles.mean(distance / profiles.counts),
        "wda": profiles.sum(distance / profiles.counts),
        "wdma": profiles.mean(distance / profiles.counts**2),
        "mean_deviation": profiles.mean(shrunk),
        "mean_absolute_deviation": profiles.mean(np.abs(shrunk)),
        "highest_z": profiles.largest(standardized),
        "lowest_z": -profiles.largest(-standardized) + 0.0,
    }


# -------------------------------------------------------------------- suspected targets and fillers


def _of_targets(goal):
    def of_targets(profiles, crowd):
        target = profiles.are_targets(goal)
        filler = ~target
        ratings, means = profiles.ratings, crowd.means[profiles.items]
        gap = profiles.mean(ratings, target) - profiles.mean(ratings, filler)
        has_fillers = profiles.sum(filler) > 0
        frequency = np.where(target, crowd.target_shares[goal][profiles.items], 0)
        return {
            f"fmtd_{goal}": np.where(has_fillers, np.abs(gap), 0),
            f"fmv_{goal}": profiles.mean((ratings - means) ** 2, filler),
            f"fmd_{goal}": profiles.mean(np.abs(ratings - means), filler),
            f"fac_{goal}": _correlation(profiles, ratings, means, filler),
            f"tmf_{goal}": profiles.largest(frequency),
        }

    return of_targets


def _correlation(profiles, x, y, among):
    """Return the correlations of what some ratings have, 0 where one of both does not vary."""
    rows = profiles.rows
    dx, dy = x - profiles.mean(x, among)[rows], y - profiles.mean(y, among)[rows]
    xx, yy, xy = (profiles.mean(product, among) for product in (dx * dx, dy * dy, dx * dy))
    varies = _varies(xx, profiles.mean(x**2, among)) & _varies(yy, profiles.mean(y**2, among))
    return np.where(varies, xy, 0) / np.where(varies, np.sqrt(xx * yy), 1)


def _varies(variance, square):
    return variance > _LEAST_SPREAD * square


# --------------------------------------------------------------------------------------- popularity


def _of_degrees(profiles, crowd):
    counts = profiles.counts.astype(float)
    low, quartile, median, high = profiles.quantiles(counts, (0.1, 0.25, 0.5, 0.9))
    return {
        "mud": profiles.mean(counts),
        "rud": profiles.largest(counts) + profiles.largest(-counts),
        "qud": quartile,
        "popularity_q10": low,
        "popularity_median": median,
        "popularity_q90": high,
    }


def _of_log_popularity(profiles, crowd):
    logs = np.log(profiles.counts)
    return {
        "log_popularity_mean": profiles.mean(logs),
        "log_popularity_std": np.sqrt(profiles.variance(logs)),
        "mean_inverse_popularity": profiles.mean(1 / profiles.counts),
    }


# --------------------------------------------------------------------------------------- directions


def leading_directions(X, crowd: Crowd) -> np.ndarray:
    """Return the leading right singular vectors (n_items, n_directions) of a pattern.

    Rows and columns are divided by the roots of their numbers of ratings.
    """
    n_directions = min(_N_DIRECTIONS, min(X.shape) - 1)
    if n_directions <= 1:
        return np.zeros((X.shape[1], 0))
    normal = _normal(X, crowd)
    if min(X.shape) <= 2 * _N_DIRECTIONS:
        return _by_gram(normal, n_directions)
    start = np.random.default_rng(0).random(min(X.shape))
    return svds(normal, k=n_directions, v0=start)[2].T


def _normal(X, crowd):
    lengths = np.diff(X.indptr)
    values = 1 / np.sqrt(np.repeat(lengths, lengths) * crowd.counts[X.indices])
    return sp.csr_array((values, X.indices, X.indptr), shape=X.shape)


def _by_gram(normal, n_directions):
    """Return the leading right singular vectors of a matrix of few rows or few columns."""
    is_wide = normal.shape[0] < normal.shape[1]
    gram = (normal @ normal.T if is_wide else normal.T @ normal).toarray()
    squares, directions = np.linalg.eigh(gram)
    squares, directions = squares[-n_directions:], directions[:, -n_directions:]
    if not is_wide:
        return directions
    is_there = squares > _LEAST_SPREAD * squares[-1]
    return (normal.T @ directions[:, is_there]) / np.sqrt(squares[is_there])


def of_directions(X, crowd: Crowd, directions) -> dict[str, np.ndarray]:
    """Return the shares of rows (CSR) in the first singular direction, and in the next ones."""
    normal = _normal(X, crowd)
    lengths = np.diff(X.indptr)
    rows = np.repeat(np.arange(lengths.size), lengths)
    energy = np.bincount(rows, normal.data**2, minlength=lengths.size)
    energy = np.where(lengths > 0, energy, 1)
    # The first pair of directions is known: the roots of the numbers of ratings.
    n_known = np.bincount(rows, crowd.is_rated[X.indices], minlength=lengths.size)
    first = n_known**2 / np.maximum(lengths, 1) / crowd.n_ratings / energy
    if directions.shape[1] == 0:
        return {"energy_first": first, "energy_next": np.zeros_like(first)}
    together = ((normal @ directions) ** 2).sum(axis=1) / energy
    return {"energy_first": first, "energy_next": np.maximum(together - first, 0)}


GOALS = ("push", "nuke")
_TARGETS = ("fmtd", "fmv", "fmd", "fac", "tmf")

# What is computed together: the names, and the function of profiles and crowd that returns them.
FAMILIES: dict[tuple[str, ...], Callable] = {
    (
        "log_length", "length_variance", "mean_rating", "rating_variance", "entropy",
        "share_highest", "share_second_highest", "share_second_lowest", "share_lowest",
        "share_average",
    ): _of_ratings,
    (
        "rdma", "wda", "wdma", "mean_deviation", "mean_absolute_deviation", "highest_z",
        "lowest_z",
    ): _of_deviations,
    **{tuple(f"{name}_{goal}" for name in _TARGETS): _of_targets(goal) for goal in GOALS},
    ("mud", "rud", "qud", "popularity_q10", "popularity_median", "popularity_q90"): _of_degrees,
    ("log_popularity_mean", "log_popularity_std", "mean_inverse_popularity"): _of_log_popularity,
}  # fmt: skip
DIRECTIONS = ("energy_first", "energy_next")
# By which profiles look alike.
LOOK_ALIKE = (
    "log_length", "mean_rating", "rating_variance", "mean_deviation", "mean_absolute_deviation",
    "log_popularity_mean", "log_popularity_std", "mean_inverse_popularity", "share_highest",
    *DIRECTIONS,
)  # fmt: skip


def describe(X, crowd: Crowd, directions, names) -> dict[str, np.ndarray]:
    """Return at least the named features of profiles (CSR), and only those that come with them."""
    profiles = Profiles(X, crowd)
    found: dict[str, np.ndarray] = {}
    for together, function in FAMILIES.items():
        if not set(together).isdisjoint(names):
            found |= function(profiles, crowd)
    if not set(DIRECTIONS).isdisjoint(names):
        found |= of_directions(X, crowd, directions)
    return found
