"""Agreement: whether those who rated a group's items give them the level more often than others.

People who share a taste rate the same items, but not all of them alike: a sequel is rated by those
who saw what it follows, and liked by some of them. Profiles that were made to push items all give
them the level. A group is a surprise where many rate its items together; it is an accusation only
where those who do agree, too.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.detection._groups import Groups
from skrecsec.detection._items import beta_binomial_surprise
from skrecsec.utils._compiling import jit

# Who gave the level to one item of a group is so much of the way to giving it to the next.
CORRELATION = 0.75
# Groups differ by so much in how far their raters agree; its share lies within these bounds.
_VARIANCE, _LOWEST_SHARE, _HIGHEST_SHARE = 0.02, 0.03, 0.97
# In nats: a group whose raters agree less is a matter of taste, and has less net surprise.
LEAST, _MORE_PER_ITEM, _TASTE = 5.4, 0.35, 3.0


def as_agreed(X, at_level, groups, a, b) -> Groups:
    """Return groups with less net surprise where raters of the items disagree, the best first."""
    net = weigh(groups.net, agreement(X, at_level, groups, a, b), groups.min_items)
    order = np.argsort(-net, kind="stable")
    return Groups(*(values[order] for values in groups._replace(net=net)))


def weigh(net, agreed, min_items):
    """Return the net surprise of groups whose raters agree so far, in nats."""
    least = least_agreement(min_items)
    return np.where(agreed >= least, net, np.minimum(net - _TASTE, _TASTE * agreed / least))


def least_agreement(min_items):
    """Return how far raters have to agree, in nats, who have given a level to so many items.

    The more items there are to choose, the likelier are some on which all agree.
    """
    return LEAST + _MORE_PER_ITEM * (min_items - 2)


def agreement_of(n_members, n_raters, share):
    """Return how surprising it is that so many of the raters agree, given how many usually do."""
    share = np.clip(share, _LOWEST_SHARE, _HIGHEST_SHARE)
    variance = np.full(share.shape, _VARIANCE)
    return beta_binomial_surprise(n_members, n_raters, share, variance, fewest=1)


def agreement(X, at_level, groups, a, b) -> np.ndarray:
    """Return how surprising it is that raters of the items of each group agree, in nats.

    Of the users who rated at least `min_items` of a group's items, so many gave the level to as
    many; the expected number takes the share of an item's other raters who gave it, with a beta
    prior, and tastes that go together.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings.

    at_level : ndarray of bool of shape (n_ratings,)
        Which of them have the level.

    groups : Groups
        Groups of items.

    a, b : ndarray of shape (n_items,)
        Beta prior of the share of the level among the ratings of each item.
    """
    by_item = sp.csr_array((at_level.astype(np.int8) + 1, X.indices, X.indptr), X.shape).tocsc()
    n_groups = groups.net.size
    n_raters, n_members = np.zeros((2, n_groups), dtype=np.int64)
    expected = np.zeros(n_groups)
    _count_raters(
        groups.items, groups.min_items, by_item.indptr, by_item.indices, by_item.data == 2, a, b,
        X.shape[0], n_raters, n_members, expected,
    )  # fmt: skip
    return agreement_of(n_members, n_raters, expected / np.maximum(n_raters, 1))


@jit
def _count_raters(
    items, min_items, indptr, users, at_level, a, b, n_users, all_raters, all_members, all_expected
):
    n_rated = np.zeros(n_users, dtype=np.int64)
    n_given = np.zeros(n_users, dtype=np.int64)
    shares, chances = np.empty(items.shape[1]), np.empty(items.shape[1] + 1)
    order = np.empty(items.shape[1], dtype=np.int64)
    touched = np.empty(n_users, dtype=np.int64)
    is_rated = np.zeros((n_users, items.shape[1]), dtype=np.bool_)
    for group in range(min_items.size):
        j, size, n_touched = min_items[group], 0, 0
        while size < items.shape[1] and items[group, size] >= 0:
            item = items[group, size]
            for x in range(indptr[item], indptr[item + 1]):
                u = users[x]
                if n_rated[u] == 0:
                    touched[n_touched] = u
                    n_touched += 1
                n_rated[u] += 1
                n_given[u] += at_level[x]
                is_rated[u, size] = True
            size += 1
        # The share of each item among those who are not members of the group.
        for place in range(size):
            item = items[group, place]
            given, others = a[item], a[item] + b[item]
            for x in range(indptr[item], indptr[item + 1]):
                if n_given[users[x]] < j:
                    others += 1
                    given += at_level[x]
            shares[place] = given / others
        order[:size] = np.argsort(-shares[:size])
        n_raters, n_members, expected = 0, 0, 0.0
        whole = -1.0
        for t in range(n_touched):
            u = touched[t]
            if n_rated[u] < j:
                continue
            n_raters += 1
            n_members += n_given[u] >= j
            if n_rated[u] == size and whole >= 0:
                expected += whole
                continue
            # Of how many of them, one after the other: the next is more likely after a first.
            chances[:] = 0.0
            chances[0] = 1.0
            n_met = 0
            for place in order[:size]:
                if not is_rated[u, place]:
                    continue
                n_met += 1
                first = shares[place]
                later = first + CORRELATION * (1 - first)
                for k in range(n_met, 1, -1):
                    chances[k] = chances[k] * (1 - later) + chances[k - 1] * later
                chances[1] = chances[1] * (1 - later) + chances[0] * first
                chances[0] *= 1 - first
            chance = chances[j:].sum()
            expected += chance
            if n_rated[u] == size:
                whole = chance
        all_raters[group], all_members[group], all_expected[group] = n_raters, n_members, expected
        for t in range(n_touched):
            n_rated[touched[t]] = 0
            n_given[touched[t]] = 0
            is_rated[touched[t]] = False
