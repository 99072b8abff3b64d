"""Crowds: more profiles that share items with their look-alikes than chance explains.

Of the users of clean ratings about one has positive evidence of balls. Where many have, they are a
crowd, and what they share are its items; whoever gave the level to these, too, is more suspect.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.detection._counts import log_ratio
from skrecsec.detection._groups import LIFT

# In nats: how surprising the number of members has to be, and the items that they share.
_LEAST_CROWD, _LEAST_ITEM = 6.0, 3.0


class Crowd(NamedTuple):
    """Profiles that share items with look-alikes.

    Parameters
    ----------
    items : ndarray of int of shape (n_items_shared,)
        Which items they share, ascending; none where there is no crowd.

    n_shared : ndarray of int of shape (n_users,)
        To how many of them each user gave the level, at most two counted.

    bonus : ndarray of shape (n_users,)
        How rare it is to have given it to as many, in nats.

    surprise : float
        How surprising the number of members is, in nats.
    """

    items: np.ndarray
    n_shared: np.ndarray
    bonus: np.ndarray
    surprise: float


def find_crowd(B, balls, *, n_attackable: int, max_items: int) -> Crowd:
    """Find the crowd of a pattern (CSR, ones), given the evidence of balls of each user."""
    n_users = B.shape[0]
    nobody = np.zeros(n_users, dtype=np.int64)
    members = np.flatnonzero(balls > 0)
    surprise = float(log_ratio(np.array([members.size]), np.array([1.0]))[0])
    nothing = Crowd(np.empty(0, dtype=np.int64), nobody, np.zeros(n_users), 0.0)
    if surprise <= _LEAST_CROWD:
        return nothing
    shared = np.bincount(B[members].indices, minlength=B.shape[1])
    n_given = np.bincount(B.indices, minlength=B.shape[1])
    expected = LIFT * shared.sum() / B.nnz * n_given
    evidence = log_ratio(shared, expected) - np.log(max(n_attackable, 1))
    items = np.flatnonzero(evidence > _LEAST_ITEM)
    if items.size == 0:
        return nothing
    # Those that surprise as much as the first that is left out are left out too.
    least = np.sort(evidence[items])[::-1][max_items] if items.size > max_items else -np.inf
    items = items[evidence[items] > least]
    n_shared = np.minimum(np.asarray(B[:, items].sum(axis=1)).ravel(), 2).astype(np.int64)
    share = np.array([1.0, *((n_shared >= k).mean() for k in (1, 2))])
    bonus = -np.log(np.maximum(share, 1 / n_users))[n_shared]
    return Crowd(items, n_shared, bonus, surprise)
