"""The compiled epochs of stochastic gradient descent: ratings, and the attack loss.

Factors are float32 arrays with a leading model axis, (n_models, n_rows, n_factors).
"""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit, prefetch
from skrecsec.utils._memory import CACHE_LINE

LINE = CACHE_LINE // 4  # float32 numbers that a processor fetches at once
_AHEAD = 4  # ratings


@fast_jit
def _logistic(score):
    return np.float32(1) / (np.float32(1) + np.exp(-score))


@fast_jit
def step_size(target, score, learning_rate, sigmoid):
    """Return half the negative gradient of the squared error in the score; 0 without a target."""
    if sigmoid:
        if target <= 0:
            return np.float32(0)
        output = _logistic(score)
        return learning_rate * (target - output) * output * (np.float32(1) - output)
    # Without a branch: which cells of a tile have a target cannot be foreseen.
    step = learning_rate * (target - score)
    return step if target > 0 else np.float32(0)


@fast_jit
def sgd_pairs(user_factors, item_factors, users, items, ratings, learning_rate, reg, sigmoid):
    """Visit ratings in the given order; after each one update the factors of its user and item.

    Ratings are predicted by p . q or, if `sigmoid`, by its logistic function.
    """
    n_models, _, n_factors = user_factors.shape
    decay = learning_rate * reg
    for j in range(n_models):
        P = user_factors[j]
        Q = item_factors[j]
        for t in range(ratings.size):
            u = np.int64(users[t])
            i = np.int64(items[t])
            # Users and items come at random, and a later rating's while there is work on this one.
            ahead = min(t + _AHEAD, ratings.size - 1)
            next_user = np.int64(users[ahead]) * n_factors
            next_item = np.int64(items[ahead]) * n_factors
            for k in range(0, n_factors, LINE):
                prefetch(P, next_user + k)
                prefetch(Q, next_item + k)
            score = np.float32(0)
            for k in range(n_factors):
                score += P[u, k] * Q[i, k]
            step = step_size(ratings[t], score, learning_rate, sigmoid)
            for k in range(n_factors):
                p = P[u, k]
                q = Q[i, k]
                P[u, k] = p + step * q - decay * p
                Q[i, k] = q + step * p - decay * q


@fast_jit
def squared_error(user_factors, item_factors, users, items, ratings):
    """Return the mean squared error of one model, (n_rows, n_factors) factors, on ratings."""
    total = 0.0
    for t in range(ratings.size):
        score = np.float32(0)
        for k in range(user_factors.shape[1]):
            score += user_factors[users[t], k] * item_factors[items[t], k]
        total += (ratings[t] - score) ** 2
    return total / ratings.size


@fast_jit
def sgd_attack(
    user_factors, item_factors, users, last_items, target_items, masked, goal, learning_rate, margin
):
    """Descend the attack loss user by user; return how many (user, target) pairs took a step.

    The loss of a user and a target is max(log h(last) - log h(target), -margin), with h the
    logistic function of p . q and `last` the last item of the user's list; for `goal` -1 instead of
    1 (nuke), its two items change places. `user_factors` and `item_factors` are one model's,
    `last_items` (n_users,) and `masked` (n_users, n_targets) go with `users`.
    """
    n_factors = user_factors.shape[1]
    n_steps = 0
    for x in range(users.size):
        u = np.int64(users[x])
        i = np.int64(last_items[x])
        for y in range(target_items.size):
            t = np.int64(target_items[y])
            if masked[x, y] or t == i:
                continue
            last_score = np.float32(0)
            target_score = np.float32(0)
            for k in range(n_factors):
                last_score += user_factors[u, k] * item_factors[i, k]
                target_score += user_factors[u, k] * item_factors[t, k]
            last = _logistic(last_score)
            target = _logistic(target_score)
            if goal * (np.log(last) - np.log(target)) <= -margin:
                continue
            n_steps += 1
            # d log h / d score = 1 - h
            pull = goal * learning_rate * (np.float32(1) - target)
            push = goal * learning_rate * (np.float32(1) - last)
            for k in range(n_factors):
                p = user_factors[u, k]
                q_last = item_factors[i, k]
                q_target = item_factors[t, k]
                user_factors[u, k] = p + pull * q_target - push * q_last
                item_factors[t, k] = q_target + pull * p
                item_factors[i, k] = q_last - push * p
    return n_steps
