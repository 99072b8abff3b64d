"""Folding profiles into models that have learned to rank, not to rate."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._threads import single_threaded


def learn_fold_in(user_factors: np.ndarray, item_factors: np.ndarray, X, reg: float) -> np.ndarray:
    """Return the matrix (n_factors, n_factors) that makes factors of profiles of what they rate.

    A model that learns to rank has no use for a rating of one, so that the usual regression on the
    item factors misses what it has learned. But it has factors of the training profiles: by ridge
    regression with penalty `reg`, these are predicted from the sums of the factors of the profiles'
    items, less their mean, divided by the root of their number.
    O(n_ratings n_factors + n_users n_factors^2).
    """
    with single_threaded():
        sums = _sums(item_factors, X)
        gram = sums.T @ sums
        gram.flat[:: gram.shape[0] + 1] += reg
        return np.linalg.solve(gram, sums.T @ np.asarray(user_factors, dtype=np.float64))


def fold_into_ranking(item_factors: np.ndarray, X, matrix: np.ndarray) -> np.ndarray:
    """Return the factors of profiles, by a matrix that has been learned."""
    with single_threaded():
        return _sums(item_factors, X) @ matrix


def _sums(item_factors, X):
    item_factors = np.asarray(item_factors, dtype=np.float64)
    sums = X @ (item_factors - item_factors.mean(axis=0))
    return sums / np.sqrt(np.maximum(np.diff(X.indptr), 1))[:, np.newaxis]


class RankFoldIn:
    """Folds profiles into factors that have learned to rank.

    Where the factors of all users are one, those of the items are biases.
    """

    def __init__(self, user_factors, item_factors, X, reg: float):
        user_factors, item_factors = (
            np.asarray(factors, dtype=np.float64) for factors in (user_factors, item_factors)
        )
        is_bias = (user_factors == 1).all(axis=0)
        self.item_biases = item_factors[:, is_bias].sum(axis=1)
        self.item_factors = item_factors[:, ~is_bias]
        self.matrix = learn_fold_in(user_factors[:, ~is_bias], self.item_factors, X, reg)

    def __call__(self, X) -> np.ndarray:
        """Return the scores of all items for profiles."""
        profiles = fold_into_ranking(self.item_factors, X, self.matrix)
        return profiles @ self.item_factors.T + self.item_biases
