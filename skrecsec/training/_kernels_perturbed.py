"""The compiled epoch of adversarial training."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit


@fast_jit
def sgd_perturbed_pairs(
    user_factors,
    item_factors,
    users,
    items,
    ratings,
    learning_rate,
    reg,
    epsilon,
    directions,
    choice,
):
    """As `sgd_pairs`, on the squared error plus that under perturbed factors (one model).

    The perturbation of p is `epsilon` times a unit vector: the direction in which the squared error
    grows fastest, or, where there are any, row `choice[t, 0]` of `directions`; of q accordingly
    with `choice[t, 1]`. Perturbations are constants in the gradient.
    """
    n_factors = user_factors.shape[1]
    adversarial = directions.shape[0] == 0
    decay = learning_rate * reg
    delta_p = np.empty(n_factors, np.float32)
    delta_q = np.empty(n_factors, np.float32)
    for t in range(ratings.size):
        u = np.int64(users[t])
        i = np.int64(items[t])
        score = np.float32(0)
        p_square = np.float32(1e-30)
        q_square = np.float32(1e-30)
        for k in range(n_factors):
            score += user_factors[u, k] * item_factors[i, k]
            p_square += user_factors[u, k] * user_factors[u, k]
            q_square += item_factors[i, k] * item_factors[i, k]
        error = ratings[t] - score
        if adversarial:
            sign = np.float32(1) if error < 0 else np.float32(-1)
            p_scale = sign * epsilon / np.sqrt(q_square)
            q_scale = sign * epsilon / np.sqrt(p_square)
            for k in range(n_factors):
                delta_p[k] = p_scale * item_factors[i, k]
                delta_q[k] = q_scale * user_factors[u, k]
        else:
            for k in range(n_factors):
                delta_p[k] = epsilon * directions[choice[t, 0], k]
                delta_q[k] = epsilon * directions[choice[t, 1], k]
        perturbed_score = np.float32(0)
        for k in range(n_factors):
            perturbed_score += (user_factors[u, k] + delta_p[k]) * (item_factors[i, k] + delta_q[k])
        step = learning_rate * error
        perturbed_step = learning_rate * (ratings[t] - perturbed_score)
        for k in range(n_factors):
            p = user_factors[u, k]
            q = item_factors[i, k]
            user_factors[u, k] = p + step * q + perturbed_step * (q + delta_q[k]) - decay * p
            item_factors[i, k] = q + step * p + perturbed_step * (p + delta_p[k]) - decay * q
