"""The compiled epoch of ratings that do not count alike, and what is wrong with each of them."""

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
