"""Whom to look at when a group of profiles is shown: some members, and genuine users like them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# A genuine rater of the group's items is taken before others whose logarithm of the number of
# ratings is nearer by less than this.
_HEAD_START = 0.5


class Shown(NamedTuple):
    """Rows of a rating matrix to be shown side by side.

    Parameters
    ----------
    members : ndarray of int of shape (n_shown,)
        Members of the group, who are called fake first, and of these the most suspicious.

    others : ndarray of int of shape (at most n_shown,)
        For each of them a user of like length who is not called fake, as long as there are any.
    """

    members: np.ndarray
    others: np.ndarray


def members_and_others(X, group, scores, labels, n_shown: int) -> Shown:
    """Return some members of a group, and genuine users to compare them with.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings.

    group : SuspiciousGroup
        Who acts alike, on which items.

    scores, labels : ndarray of shape (n_users,)
        What a detector has found: `profile_scores_` and `labels_`.

    n_shown : int
        How many members, at most.

    Notes
    -----
    O(n_shown n_users) time.
    """
    users = np.asarray(group.users)
    order = np.lexsort((users, scores[users], labels[users]))
    members = users[order[:n_shown]]
    size = np.log1p(np.diff(X.indptr))
    is_rater = np.diff(X[:, group.items].indptr) > 0
    handicap = np.where(is_rater, 0.0, _HEAD_START)
    is_taken = labels == -1
    is_taken[users] = True
    is_taken[size == 0] = True
    others = []
    for member in members[: np.sum(~is_taken)]:
        distance = np.where(is_taken, np.inf, np.abs(size - size[member]) + handicap)
        others.append(int(np.argmin(distance)))
        is_taken[others[-1]] = True
    return Shown(members, np.array(others, dtype=np.int64))
