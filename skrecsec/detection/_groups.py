"""Groups of items that more users have given one level together than chance explains.

A group is (T, j): the users who gave at least j items of T the level. Chance knows how often each
user gives the level and how often each item gets it, and that tastes meet, by a lift. Tastes make
groups all the same, of sequels for example; what they do not make is that all who rate the items
agree, which `_agreement` looks at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.detection._counts import log_choices, log_ratio
from skrecsec.utils._compiling import fast_jit, jit
from skrecsec.utils._ranking import row_blocks

# Pairs of items meet so many times as often as chance says, since tastes do.
LIFT = 2.0
LIFTS = (2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0)
# The lift is the least at which at most so many disjoint groups stand out by so much.
_MOST_GROUPS, _NOTABLE = 3, 3.0
# More disjoint groups at such a lift, of mostly other users, are no matter of taste, but campaigns;
# each has to stand out by so much more then.
_MOST_TASTE, _MOST_GROUPS_OF_TASTE, _COST_OF_CAMPAIGNS = 7.0, 5, 4.0
# Of those who rate the items of a campaign, at whatever level, so many give the level; of those who
# share a taste about half do.
_LEAST_OF_RATERS = 0.75
# Kinds of groups: all items of T (0), at least two of them, at least three.
_KINDS = np.array([0, 2, 3])
FEWEST_IN_PAIR = 4
# Groups are grown from the pairs of so many suspicious items, too.
_N_SUSPICIOUS = 25
# So many users have to give an item the level before it counts as one that could be attacked.
FEWEST_PER_ITEM = 3
_PATIENCE = 3


class Groups(NamedTuple):
    """Groups that were found, by net surprise in descending order.

    Parameters
    ----------
    items : ndarray of int of shape (n_groups, max_items)
        Their items; the end of a row is -1.

    min_items : ndarray of int of shape (n_groups,)
        How many of them a member has given the level, at least.

    n_users : ndarray of int of shape (n_groups,)
        How many users have.

    expected : ndarray of shape (n_groups,)
        How many would by chance.

    net : ndarray of shape (n_groups,)
        Surprise in nats, less the cost of the search.
    """

    items: np.ndarray
    min_items: np.ndarray
    n_users: np.ndarray
    expected: np.ndarray
    net: np.ndarray


class Search(NamedTuple):
    """How groups were found.

    Parameters
    ----------
    lift : float
        How much tastes are taken to add to what chance brings together.

    floor : float
        What pairs of items had to surpass, in nats, for groups to grow from them.

    found : Groups
        The groups.

    are_campaigns : bool
        Whether there are many groups whatever the lift, more than tastes explain.
    """

    lift: float
    floor: float
    found: Groups
    are_campaigns: bool


def search(
    B, surprise, *, n_seeds: int, max_items: int, n_to_come: int = 0, ratings=None
) -> Search:
    """Find groups in a pattern (CSR, ones), and say how.

    The lift is the least at which few of them stand out: tastes make them by the dozen, an attack
    one or two. It is as if so many groups were to come. The more users there are, the more groups
    tastes make: among `ratings`, of all levels (CSR), those who rate a campaign's items give the
    level.
    """
    pairs, floor = _most_surprising_pairs(B, n_seeds)
    groups = grow_groups(
        B, surprise, np.vstack([pairs, _suspicious_pairs(surprise)]), max_items=max_items
    )
    beyond_taste = at_lift(groups, _MOST_TASTE)
    are_many = _n_of_other_users(beyond_taste, B) > _MOST_GROUPS_OF_TASTE
    if are_many and ratings is not None:
        are_many = _n_of_other_users(beyond_taste, B, ratings) > _MOST_GROUPS_OF_TASTE
    if are_many:
        return Search(LIFT, floor, groups._replace(net=groups.net - _COST_OF_CAMPAIGNS), True)
    for lift in LIFTS:
        weighed = at_lift(groups, lift)
        if len(disjoint(weighed, _NOTABLE)) + n_to_come <= _MOST_GROUPS:
            break
    return Search(lift, floor, weighed, False)


def at_lift(groups, lift) -> Groups:
    """Return groups that grew at `LIFT` with what is expected at another, the best first."""
    expected = groups.expected * (lift / LIFT) ** (groups.min_items - 1)
    before = log_ratio(groups.n_users, groups.expected)
    net = groups.net - before + log_ratio(groups.n_users, expected)
    order = np.argsort(-net, kind="stable")
    groups = groups._replace(expected=expected, net=net)
    return Groups(*(values[order] for values in groups))


def disjoint(groups: Groups, least: float = 0.0) -> list[int]:
    """Return the groups with a larger net, the best first, that share no item with better ones."""
    taken: set[int] = set()
    kept = []
    for place in range(int(np.searchsorted(-groups.net, -least))):
        items = {int(item) for item in groups.items[place] if item >= 0}
        if not items & taken:
            kept.append(place)
            taken |= items
    return kept


def _n_of_other_users(groups, B, ratings=None) -> int:
    """Count disjoint groups that stand out, of which half of the members are in no better one.

    Profiles that share many items make many groups, and are one campaign. With all ratings, groups
    do not count if too few of those who rate as many of the items are members.
    """
    is_member = np.zeros(B.shape[0], dtype=bool)
    n_groups = 0
    for place in disjoint(groups, _NOTABLE):
        items = groups.items[place][groups.items[place] >= 0]
        users = members(B, items, groups.min_items[place])
        if ratings is not None:
            n_rated = np.diff(sp.csr_array(ratings[:, items]).indptr)
            n_raters = np.count_nonzero(n_rated >= groups.min_items[place])
            if users.size < _LEAST_OF_RATERS * n_raters:
                continue
        n_groups += bool(2 * (~is_member[users]).sum() >= users.size)
        is_member[users] = True
    return n_groups


def best_nets(groups: Groups, B) -> np.ndarray:
    """Return the largest net of a group that each user is in, -inf for none."""
    by_item = B.tocsc()
    best = np.full(B.shape[0], -np.inf)
    _fill_best(groups.items, groups.min_items, groups.net, by_item.indptr, by_item.indices, best)
    return best


def members(B, items, min_items) -> np.ndarray:
    """Return the users who gave at least so many of these items the level."""
    return np.flatnonzero(np.asarray(B[:, items].sum(axis=1)).ravel() >= min_items)


def _most_surprising_pairs(B, n):
    """Return the pairs of items (n_pairs, 2) with the most surprising raters, and what others have.

    The expected number is the bound without the cap of probabilities at 1. Pairs as surprising as
    the first that is left out are left out too: what is kept depends on no order. The latter's
    surprise comes second, 0 if there is none.
    """
    r, c = np.diff(B.indptr).astype(float), np.bincount(B.indices, minlength=B.shape[1])
    chance = (r**2).sum() / r.sum() ** 2
    # Others are in no such pair, and there may be many.
    usable_items = np.flatnonzero(c >= FEWEST_IN_PAIR)
    B = B[:, usable_items]
    by_item = sp.csr_array(B.T)
    surprises, best, floor = np.empty(0), np.empty((0, 2), dtype=np.int64), 0.0
    for rows in row_blocks(B.shape[1], B.shape[1]):
        pairs = (by_item[rows] @ B).tocoo()
        first, second = usable_items[pairs.row + rows.start], usable_items[pairs.col]
        kept = (pairs.data >= FEWEST_IN_PAIR) & (first < second)
        first, second, together = first[kept], second[kept], pairs.data[kept]
        # Whole numbers first: whichever item is the first, pairs as surprising are equal.
        surprise = log_ratio(together, LIFT * chance * (c[first] * c[second]))
        # What ties with a pair that an earlier block left out is left out, too.
        usable = surprise > floor
        best = np.vstack([best, np.column_stack([first[usable], second[usable]])])
        surprises = np.concatenate([surprises, surprise[usable]])
        if surprises.size > n:
            floor = float(np.partition(surprises, -n - 1)[-n - 1])
            kept = surprises > floor
            surprises, best = surprises[kept], best[kept]
    return best, floor


def _suspicious_pairs(surprise):
    """Return the pairs of the items that surprise most by themselves.

    Profiles that share the targets out have few pairs in common.
    """
    n = min(_N_SUSPICIOUS, surprise.size - 1)
    least = np.partition(surprise, surprise.size - n - 1)[surprise.size - n - 1] if n > 0 else 0
    items = np.flatnonzero(surprise > max(least, 0))
    first, second = np.triu_indices(items.size, 1)
    return np.column_stack([items[first], items[second]])


def grow_groups(B, surprise, pairs, *, max_items: int, lift: float = LIFT) -> Groups:
    """Grow groups greedily from pairs of items (n_pairs, 2)."""
    by_item = B.tocsc()
    c = np.diff(by_item.indptr)
    usable = c >= FEWEST_PER_ITEM
    sizes = np.arange(max_items + 1)
    n_usable = max(int(usable.sum()), max_items)
    costs = log_choices(n_usable, sizes) + np.log(3)
    n_groups = len(pairs) * _KINDS.size
    items = np.full((n_groups, max_items), -1, dtype=np.int64)
    min_items, n_members = np.zeros((2, n_groups), dtype=np.int64)
    expected, net = np.zeros(n_groups), np.full(n_groups, -np.inf)
    _grow(
        np.ascontiguousarray(pairs, dtype=np.int64), _KINDS, B.indptr, B.indices, by_item.indptr,
        by_item.indices, np.diff(B.indptr).astype(float), c.astype(float), usable,
        np.maximum(surprise - 3, 0), lift, costs, items, min_items, n_members, expected, net,
    )  # fmt: skip
    order = np.argsort(-net, kind="stable")
    order = order[np.isfinite(net[order])]
    return Groups(items[order], min_items[order], n_members[order], expected[order], net[order])


@fast_jit
def _grow(
    pairs, kinds, indptr, indices, item_indptr, item_users, r, c, usable, bonus, lift, costs,
    items, min_items, n_members, expected, net,
):  # fmt: skip
    n_users, n_items = r.size, c.size
    total = r.sum()
    counts = np.zeros(n_users, dtype=np.int64)
    chances = np.empty((3, n_users))  # of 0, 1 and 2 items; of all in the first, for kind 0
    gains = np.zeros(n_items, dtype=np.int64)
    touched = np.empty(n_items, dtype=np.int64)
    chosen = np.empty(items.shape[1], dtype=np.int64)
    n_choices, last_met = 0, np.zeros(n_users, dtype=np.int64)  # so that nobody is counted twice
    max_items = items.shape[1]
    for seed in range(pairs.shape[0]):
        third = -1
        for kind_number in range(kinds.size):
            group = seed * kinds.size + kind_number
            j = kinds[kind_number]
            if j > max_items or (j == 3 and third < 0):
                continue
            chances[0] = 1.0
            chances[1:] = 0.0
            size, n_here, expected_here, boost = 0, 0, 0.0, 0.0
            best_size, n_fruitless = 0, 0
            next_item = pairs[seed, 0]
            while next_item >= 0:
                # Add an item, exactly.
                chosen[size] = next_item
                size += 1
                boost += bonus[next_item]
                for x in range(item_indptr[next_item], item_indptr[next_item + 1]):
                    counts[item_users[x]] += 1
                    if j > 0 and counts[item_users[x]] == j:
                        n_here += 1
                rate = c[next_item] / total
                added = 0.0
                if j == 0:
                    for u in range(n_users):
                        chances[0, u] *= min(r[u] * rate, 1.0)
                        added += chances[0, u]
                    expected_here = added * lift ** (size - 1)
                    n_here = 0
                    for x in range(item_indptr[next_item], item_indptr[next_item + 1]):
                        n_here += counts[item_users[x]] == size
                else:
                    for u in range(n_users):
                        p = min(r[u] * rate, 1.0)
                        added += chances[j - 1, u] * p
                        chances[2, u] += (chances[1, u] - chances[2, u]) * p
                        chances[1, u] += (chances[0, u] - chances[1, u]) * p
                        chances[0, u] *= 1 - p
                    expected_here += added * lift ** (j - 1)
                # Is it the best so far?
                if size >= max(j, 2):
                    if expected_here > n_here / 3:
                        break
                    value = n_here * np.log(n_here / expected_here) - (n_here - expected_here)
                    value += boost - costs[size]
                    if best_size == 0 or value > net[group]:
                        best_size, n_fruitless = size, 0
                        net[group] = value
                        expected[group], n_members[group] = expected_here, n_here
                    else:
                        n_fruitless += 1
                if size == max_items or n_fruitless == _PATIENCE:
                    break
                if size == 1:
                    next_item = pairs[seed, 1]
                    continue
                if size == 2 and j == 3:
                    next_item = third
                    continue
                # Choose the next one, by a bound from above of what is expected.
                needed = size if j == 0 else j - 1
                n_touched = 0
                n_choices += 1
                for place in range(size):
                    item = chosen[place]
                    for x in range(item_indptr[item], item_indptr[item + 1]):
                        u = item_users[x]
                        if counts[u] != needed or last_met[u] == n_choices:
                            continue
                        last_met[u] = n_choices
                        for y in range(indptr[u], indptr[u + 1]):
                            other = indices[y]
                            if gains[other] == 0:
                                touched[n_touched] = other
                                n_touched += 1
                            gains[other] += 1
                    if j == 0:
                        break  # who has all has the first
                rate = 0.0
                for u in range(n_users):
                    rate += (chances[0, u] if j == 0 else chances[j - 1, u]) * r[u]
                rate *= lift ** (size if j == 0 else j - 1) / total
                for place in range(size):
                    gains[chosen[place]] = 0
                next_item, best_value, best_bonus = -1, -np.inf, 0.0
                for place in range(n_touched):
                    item = touched[place]
                    n_gained = gains[item]
                    gains[item] = 0
                    if n_gained == 0 or not usable[item]:
                        continue
                    n_then = n_gained if j == 0 else n_here + n_gained
                    expected_then = rate * c[item] + (0.0 if j == 0 else expected_here)
                    if expected_then > n_then / 3:
                        continue
                    value = n_then * np.log(n_then / expected_then) - (n_then - expected_then)
                    value += bonus[item]
                    if value > best_value or (
                        value == best_value and (bonus[item], -item) > (best_bonus, -next_item)
                    ):
                        next_item, best_value, best_bonus = item, value, bonus[item]
                if j == 0 and size == 2:
                    third = next_item
            for place in range(size):
                item = chosen[place]
                for x in range(item_indptr[item], item_indptr[item + 1]):
                    counts[item_users[x]] = 0
            if best_size > 0:
                items[group, :best_size] = chosen[:best_size]
                min_items[group] = best_size if j == 0 else j


@jit
def _fill_best(items, min_items, net, item_indptr, item_users, best):
    counts = np.zeros(best.size, dtype=np.int64)
    for group in range(net.size):
        for place in range(items.shape[1]):
            item = items[group, place]
            if item < 0:
                break
            for x in range(item_indptr[item], item_indptr[item + 1]):
                u = item_users[x]
                counts[u] += 1
                if counts[u] >= min_items[group]:
                    best[u] = max(best[u], net[group])
        for place in range(items.shape[1]):
            item = items[group, place]
            if item < 0:
                break
            for x in range(item_indptr[item], item_indptr[item + 1]):
                counts[item_users[x]] = 0
