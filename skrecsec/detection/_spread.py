"""Suspicion that spreads: by the items that users share, and to who looks like them.

Where fake profiles push many items, some together, each piece of evidence is weak: what a user's
items have against them is added up, and handed on to who rates the same items, and to look-alikes.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_N_ROUNDS, _N_LOOK_ALIKES = 6, 20


def spread_suspicion(B, A, surprise, neighbors) -> np.ndarray:
    """Return how suspicious users are by their items, and by who shares these (n_users,).

    Parameters
    ----------
    B, A : csr_array of shape (n_users, n_items)
        Patterns, ones: of the ratings of a level, and of all ratings, at least one in each row.

    surprise : ndarray of shape (n_items,)
        How surprising an item is by itself, in nats.

    neighbors : ndarray of int of shape (n_users, n_neighbors) or None
        Look-alikes of each user.
    """
    lengths = np.diff(A.indptr)
    own = (B @ surprise) / np.sqrt(lengths)
    own /= max(own.max(), 1e-12)
    by_item = sp.csr_array(B.T)
    n_given = np.diff(by_item.indptr)
    suspicion = own
    for _ in range(_N_ROUNDS):
        of_items = (by_item @ suspicion) / (n_given + 1)
        suspicion = 0.5 * own + 0.5 * (A @ of_items) / lengths
    if neighbors is None or neighbors.shape[1] == 0:
        return suspicion
    return suspicion + 0.5 * suspicion[neighbors[:, :_N_LOOK_ALIKES]].mean(axis=1)
