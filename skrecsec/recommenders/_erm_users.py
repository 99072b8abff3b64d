"""Users that are made up so that a factorisation errs less, for adversarial poisoning training."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsqr

from skrecsec.training import RatingData, Triplets, pair_derivative, pair_gradient, pair_residuals
from skrecsec.utils.validation import project_to_levels

# Influences are those on the users with the smallest profiles, so many of them.
_N_REFERENCE_USERS = 10
# Iterations of least squares, each of which costs about as much as an epoch of training.
_N_ITERATIONS = 10
# Penalty of a step, in squared errors of ratings.
_DAMPING = 1.0


def item_influences(user_factors, item_factors, data: RatingData) -> np.ndarray:
    r"""Return by how much the empirical risk changes where small profiles rate an item higher.

    By influence functions that is :math:`-\nabla L^\top H^{-1} \partial_r \nabla \ell`, with L the
    squared error of the training ratings, H its Hessian, of which the Gauss-Newton part is taken,
    and l that of a profile on all items. The product of the first two is the step of least squares
    from where the factors are; so an item has a negative influence, (n_items,), where that step
    raises what small profiles are predicted to rate it. O(n_ratings n_factors).
    """
    user_step, item_step = _least_squares_step(user_factors, item_factors, data.train)
    squares = np.bincount(data.train.users, np.square(data.train.ratings), minlength=data.n_users)
    rated = np.flatnonzero(squares)
    reference = rated[np.argsort(squares[rated], kind="stable")[:_N_REFERENCE_USERS]]
    rises = item_factors @ user_step[reference].sum(axis=0)
    rises += item_step @ user_factors[reference].sum(axis=0)
    return -rises


def _least_squares_step(user_factors, item_factors, pairs):
    """Return the changes of the factors that, to first order, reduce the squared error best."""
    n_users, n_factors = user_factors.shape
    n_rows = n_users + item_factors.shape[0]
    factors = np.concatenate([user_factors, item_factors])
    rows = pairs.users.astype(np.int64), pairs.items.astype(np.int64) + n_users
    jacobian = LinearOperator(
        (pairs.ratings.size, n_rows * n_factors),
        matvec=lambda step: pair_derivative(factors, step.reshape(n_rows, n_factors), *rows),
        rmatvec=lambda values: pair_gradient(factors, values.ravel(), *rows).ravel(),
        dtype=np.float64,
    )
    residuals = pair_residuals(user_factors, item_factors, *pairs).astype(np.float64)
    step = lsqr(jacobian, residuals, damp=_DAMPING**0.5, iter_lim=_N_ITERATIONS)[0]
    return np.split(step.reshape(n_rows, n_factors), [n_users])


class ERMUsers:
    """Draws the profiles of users who rate what lowers the empirical risk, as others rate it."""

    def __init__(self, data: RatingData, n_users, n_ratings, sharpness, rating_shift):
        self.n_users = n_users
        self.sharpness = sharpness
        self.rating_shift = rating_shift
        if n_ratings == "auto":
            n_ratings = max(1, round(4 * data.train.ratings.size / data.n_users))
        self.n_ratings = n_ratings
        self.first_row = data.n_users
        self._levels = data.levels
        self._means, self._stds = _item_moments(data)

    def draw(self, influences: np.ndarray, rng: np.random.Generator) -> Triplets:
        """Return their ratings: of items that are drawn without replacement, by influence."""
        helpful = np.flatnonzero(influences < 0)
        n_rated = min(self.n_ratings, helpful.size)
        if n_rated == 0:
            return Triplets(*(np.empty(0, dtype) for dtype in (np.int32, np.int32, np.float32)))
        gains = -influences[helpful]
        gains = (gains - gains.min()) / max(np.ptp(gains), np.finfo(float).tiny)
        # The largest of logits with Gumbel noise are such a draw.
        logits = self.sharpness * gains + rng.gumbel(size=(self.n_users, helpful.size))
        drawn = np.argpartition(logits, -n_rated, axis=1)[:, -n_rated:]
        items = helpful[np.sort(drawn, axis=1)].ravel()
        values = rng.normal(self._means[items], self._stds[items]).clip(0, 1) + self.rating_shift
        users = self.first_row + np.repeat(np.arange(self.n_users), n_rated)
        ratings = project_to_levels(values, self._levels).astype(np.float32)
        return Triplets(users.astype(np.int32), items.astype(np.int32), ratings)


def _item_moments(data):
    """Return the mean and standard deviation of each item's ratings; of all, if it has none."""
    items, ratings = data.train.items, data.train.ratings.astype(np.float64)
    counts = np.bincount(items, minlength=data.n_items)
    sums = np.bincount(items, ratings, minlength=data.n_items)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), ratings.mean())
    squares = np.bincount(items, np.square(ratings - means[items]), minlength=data.n_items)
    stds = np.where(counts > 0, np.sqrt(squares / np.maximum(counts, 1)), ratings.std())
    return means, stds
