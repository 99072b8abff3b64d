"""The compiled defense that trains a model on a profile's neighbors before it is asked."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit


@fast_jit
def vicinal_scores(
    user_factors,
    item_factors,
    profiles,
    neighbors,
    indptr,
    indices,
    ratings,
    own_indptr,
    own_indices,
    own_ratings,
    n_iter,
    learning_rate,
):
    """Return the scores of all items for profiles, each by a model of its own, float64.

    That of profile x is trained for `n_iter` epochs of stochastic gradient descent on the ratings
    of the training rows `neighbors[x]`, the most similar last, -1 for none, and on those of the
    profile itself, whose factors start at `profiles[x]`. Each row is computed by itself. Factors
    are float64 and left as they are; training ratings are CSR, and so are those of the profiles.
    """
    n_profiles, n_items, n_factors = profiles.shape[0], item_factors.shape[0], profiles.shape[1]
    scores = np.empty((n_profiles, n_items))
    for x in range(n_profiles):
        Q = item_factors.copy()
        p_own = profiles[x].copy()
        P = np.empty((neighbors.shape[1], n_factors))
        for y in range(neighbors.shape[1]):
            P[y] = user_factors[max(neighbors[x, y], 0)]
        for _ in range(n_iter):
            for y in range(neighbors.shape[1]):
                v = neighbors[x, y]
                if v >= 0:
                    _descend(P[y], Q, indices, ratings, indptr[v], indptr[v + 1], learning_rate)
            start, stop = own_indptr[x], own_indptr[x + 1]
            _descend(p_own, Q, own_indices, own_ratings, start, stop, learning_rate)
        for i in range(n_items):
            total = 0.0
            for k in range(n_factors):
                total += p_own[k] * Q[i, k]
            scores[x, i] = total
    return scores


@fast_jit
def _descend(p, Q, indices, ratings, start, stop, learning_rate):
    """Visit the ratings of one row in their order."""
    for t in range(start, stop):
        i = indices[t]
        error = ratings[t]
        for k in range(p.size):
            error -= p[k] * Q[i, k]
        step = learning_rate * error
        for k in range(p.size):
            p_k, q_k = p[k], Q[i, k]
            p[k] = p_k + step * q_k
            Q[i, k] = q_k + step * p_k
