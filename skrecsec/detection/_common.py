"""What a set of users has in common, for detectors that give no account of chance themselves.

The account is that of `LockstepDetector`: u has i with probability r_u c_i / S, by the number of
ratings of each, and that many users have so many of the items is as surprising as a Poisson tail.
"""

from __future__ import annotations

import numpy as np

from skrecsec.base import SuspiciousGroup
from skrecsec.detection._counts import log_choices, log_ratio, pattern_of_ratings

# Items that so many of the users have are common to them, and so many of these are named.
_SHARE, _MOST_ITEMS = 0.5, 8


def common_items(B, users) -> np.ndarray:
    """Return the items that half of the users have, the eight most surprising, ascending."""
    r, c = np.diff(B.indptr), np.bincount(B.indices, minlength=B.shape[1])
    n_having = np.bincount(B[users].indices, minlength=B.shape[1])
    expected = r[users].sum() * c / max(B.nnz, 1)
    values = log_ratio(n_having, expected)
    usable = np.flatnonzero((n_having >= max(_SHARE * len(users), 2)) & (values > 0))
    best = usable[np.lexsort((usable, -np.round(values[usable], 9)))]
    return np.sort(best[:_MOST_ITEMS])


def describe_group(X, B, users, items) -> SuspiciousGroup:
    """Return a group of users and items, with what chance says of it.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings.

    B : csr_array of shape (n_users, n_items)
        Ones at those ratings that count.

    users, items : ndarray of int
        Who and what, ascending; some user has some of the items.
    """
    from scipy.stats import poisson  # slow to import

    c = np.bincount(B.indices, minlength=B.shape[1])
    n_held = np.asarray(B[:, items].sum(axis=1)).ravel()
    held = n_held[users]
    least = int(max(np.sort(held)[held.size // 4], 1))  # three quarters have so many, or more
    n_users = int((n_held >= least).sum())
    rates = np.diff(B.indptr) * c[items].sum() / B.nnz
    expected = float(poisson.sf(least - 1, rates).sum())
    cost = log_choices(max(int((c > 0).sum()), len(items)), len(items))
    block = X[users][:, items].multiply(B[users][:, items]).tocsr()
    values, counts = np.unique(block.data[block.data > 0], return_counts=True)
    return SuspiciousGroup(
        users, items, float(values[counts.argmax()]), least, n_users, expected,
        float(log_ratio(n_users, expected) - cost),
    )  # fmt: skip


def explain(X, users, labels) -> list[SuspiciousGroup]:
    """Return these users and what they have in common as a group, if any of them is called fake."""
    if users.size < 2 or not (labels[users] == -1).any():
        return []
    B = pattern_of_ratings(X)
    items = common_items(B, users)
    return [describe_group(X, B, users, items)] if items.size else []
