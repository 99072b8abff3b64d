"""Ratings as training sees them, on the [0, 1] scale, and initial factors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from skrecsec.utils._compiling import jit, prefetch
from skrecsec.utils._memory import aligned_copy, check_memory
from skrecsec.utils.validation import find_rating_levels

# Drawn in double precision, trained in single, and kept once more.
_BYTES_PER_FACTOR = 16

# So many ratings before they are taken, what is of them is fetched into the cache.
_AHEAD = 32


class Triplets(NamedTuple):
    """Ratings as three aligned arrays; `ratings` are on the [0, 1] scale."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    def take(self, which: np.ndarray | slice) -> Triplets:
        """Return the ratings at the given positions, or where a mask is true."""
        if isinstance(which, np.ndarray) and which.dtype == np.int32:
            return Triplets(*_take(self.users, self.items, self.ratings, which))
        return Triplets(self.users[which], self.items[which], self.ratings[which])

    def join(self, others: Triplets) -> Triplets:
        """Return these ratings and others behind them."""
        return Triplets(*(np.concatenate(columns) for columns in zip(self, others, strict=True)))


@jit
def _take(users, items, ratings, which):
    """Take ratings at positions, in half of the time that indexing three arrays takes."""
    users_taken = np.empty(which.size, users.dtype)
    items_taken = np.empty(which.size, items.dtype)
    ratings_taken = np.empty(which.size, ratings.dtype)
    last = which.size - 1
    for t in range(which.size):
        later = np.int64(which[min(t + _AHEAD, last)])
        prefetch(users, later)
        prefetch(items, later)
        prefetch(ratings, later)
        e = np.uint64(which[t])
        users_taken[t] = users[e]
        items_taken[t] = items[e]
        ratings_taken[t] = ratings[e]
    return users_taken, items_taken, ratings_taken


@dataclass(frozen=True)
class RatingData:
    """What a fit sees of the rating matrix: training and validation ratings, and the levels.

    The training ratings are sorted by user, so that `indptr` makes them a CSR matrix as well.
    """

    n_users: int
    n_items: int
    train: Triplets
    validation: Triplets
    indptr: np.ndarray
    levels: np.ndarray  # on the [0, 1] scale
    midpoints: np.ndarray

    @classmethod
    def from_matrix(
        cls, X, validation_fraction: float, rng: np.random.Generator, levels=None
    ) -> RatingData:
        """Split the ratings of a CSR matrix at random and scale them by the highest level.

        The levels are found in the ratings unless they are given.
        """
        if levels is None:
            levels = find_rating_levels(X.data)
        n_users, n_items = X.shape
        n_validation = int(validation_fraction * X.nnz)
        in_train = np.ones(X.nnz, dtype=bool)
        in_train[rng.permutation(X.nnz)[:n_validation]] = False
        users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(X.indptr))
        ratings = Triplets(users, X.indices.astype(np.int32), _as_float32(X.data / levels[-1]))
        train = ratings.take(in_train)
        counts = np.bincount(train.users, minlength=n_users)
        levels = _as_float32(levels / levels[-1])
        return cls(
            n_users=n_users,
            n_items=n_items,
            train=train,
            validation=ratings.take(~in_train),
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            levels=levels,
            midpoints=(levels[1:] + levels[:-1]) / 2,
        )

    def without_users(self, is_left_out: np.ndarray) -> RatingData:
        """Return the same without the training ratings of some users, who stay as empty rows."""
        train = self.train.take(~is_left_out[self.train.users])
        counts = np.bincount(train.users, minlength=self.n_users)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return replace(self, train=train, indptr=indptr)

    def with_rows(self, n_more: int) -> RatingData:
        """Return the same ratings, with rows for more users, who have none."""
        indptr = np.concatenate([self.indptr, np.full(n_more, self.indptr[-1])])
        return replace(self, n_users=self.n_users + n_more, indptr=indptr)


def _as_float32(values) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def initial_factors(n_models, n_users, n_items, n_factors, rng):
    """Draw user and item factors, (n_models, n_rows, n_factors), from Xavier's uniform law.

    Raises a MemoryError if they, and the copy that is kept of the best epoch, are too many.
    """
    n_rows = n_models * (n_users + n_items)
    check_memory(
        n_rows * n_factors * _BYTES_PER_FACTOR,
        f"n_factors={n_factors} are too many for {n_rows} rows",
    )

    def draw(n_rows):
        bound = np.sqrt(6 / (n_rows + n_factors))
        return aligned_copy(rng.uniform(-bound, bound, (n_models, n_rows, n_factors)))

    return draw(n_users), draw(n_items)


def vote_thresholds(data: RatingData, sigmoid: bool) -> np.ndarray:
    """Return the values of p . q at which its projection changes from one level to the next.

    With `sigmoid`, votes are taken before the logistic function: where it takes the midpoints.
    """
    return logit(data.midpoints) if sigmoid else data.midpoints
