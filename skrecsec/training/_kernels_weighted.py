"""Ratings that do not count alike: their compiled epoch, residuals, and derivatives of these."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit


@fast_jit
def sgd_weighted_pairs(
    user_factors,
    item_factors,
    users,
    items,
    ratings,
    user_weights,
    item_weights,
    learning_rate,
    reg,
):
    """As `sgd_pairs`, for one model, with steps that are multiplied by weights.

    Rating t moves the factors of its user by `user_weights[t]` times what it otherwise would, and
    those of its item by `item_weights[t]` times that.
    """
    n_factors = user_factors.shape[1]
    decay = learning_rate * reg
    for t in range(ratings.size):
        u = np.int64(users[t])
        i = np.int64(items[t])
        score = np.float32(0)
        for k in range(n_factors):
            score += user_factors[u, k] * item_factors[i, k]
        step = learning_rate * (ratings[t] - score)
        user_step = user_weights[t] * step
        item_step = item_weights[t] * step
        for k in range(n_factors):
            p = user_factors[u, k]
            q = item_factors[i, k]
            user_factors[u, k] = p + user_step * q - decay * p
            item_factors[i, k] = q + item_step * p - decay * q


@fast_jit
def pair_residuals(user_factors, item_factors, users, items, ratings):
    """Return r - p . q of each rating, for one model, float32."""
    residuals = np.empty(ratings.size, np.float32)
    for t in range(ratings.size):
        u = np.int64(users[t])
        i = np.int64(items[t])
        score = np.float32(0)
        for k in range(user_factors.shape[1]):
            score += user_factors[u, k] * item_factors[i, k]
        residuals[t] = ratings[t] - score
    return residuals


@fast_jit
def pair_derivative(factors, step, users, items):
    """Return by how much p . q changes with a step, to first order, for pairs of rows, float64."""
    result = np.empty(users.size)
    for t in range(users.size):
        u, i = users[t], items[t]
        total = 0.0
        for k in range(factors.shape[1]):
            total += factors[u, k] * step[i, k] + step[u, k] * factors[i, k]
        result[t] = total
    return result


@fast_jit
def pair_gradient(factors, values, users, items):
    """Return the gradient of sum(values * p . q) over pairs of rows: the transpose of the above."""
    result = np.zeros(factors.shape)
    for t in range(users.size):
        u, i, value = users[t], items[t], values[t]
        for k in range(factors.shape[1]):
            result[u, k] += value * factors[i, k]
            result[i, k] += value * factors[u, k]
    return result
