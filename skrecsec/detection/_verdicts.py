"""Verdicts: the evidence of one level added up, what the automatic rule makes of it, and why."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.base import SuspiciousGroup
from skrecsec.detection._balls import largest_of_rows
from skrecsec.detection._counts import pattern_of_ratings, rows_of
from skrecsec.detection._crowds import Crowd, find_crowd
from skrecsec.detection._groups import FEWEST_PER_ITEM, Groups, best_nets, disjoint, members
from skrecsec.detection._items import ItemEvidence

# The evidence of groups against who is in none.
NO_GROUP = -20.0
_LEAST_SHARED = -2.0
# In nats: items of such groups are odd because of the group.
_EXPLAINS = 3.0


class Level(NamedTuple):
    """What was found at one level: the pattern of its ratings, and the evidence of each kind."""

    level: float
    or_more: bool
    cost: float
    pattern: sp.csr_array
    items: ItemEvidence | None
    groups: Groups | None
    scores: np.ndarray
    verdicts: np.ndarray  # what the automatic rule compares with its threshold
    by_item: np.ndarray  # the item that speaks most against each user, -1 where groups do
    crowd: Crowd
    are_campaigns: bool = False


class Pattern(NamedTuple):
    """The ratings of one level among ratings in which each row has some."""

    X: sp.csr_array
    at_level: np.ndarray
    level: float
    or_more: bool
    cost: float
    is_extreme: bool

    def ones(self):
        """Return ones at the ratings of the level."""
        return pattern_of_ratings(self.X, self.at_level)


def add_up(
    pattern, B, items, groups, group_scores, shared, bursts, *, max_items, are_campaigns=False
):
    """Add the evidence of one level up: scores, what the automatic rule compares, and why."""
    without = shared.min() if B.nnz else 0.0
    balls = largest_of_rows(B, shared, empty=without)
    n_attackable = (np.bincount(B.indices, minlength=B.shape[1]) >= FEWEST_PER_ITEM).sum()
    crowd = find_crowd(B, balls, n_attackable=n_attackable, max_items=max_items)
    balls = balls + crowd.bonus
    scores = _joined(group_scores, balls)
    of_groups = group_scores if are_campaigns else _verdicts_of_groups(groups, B)
    verdicts = _positive(of_groups) + _positive(balls)
    by_item = np.full(B.shape[0], -1)
    if items is not None and B.nnz:
        item_scores = items.combined - np.log(max(n_attackable, 1))
        single = largest_of_rows(B, item_scores[B.indices] + shared + bursts, empty=-np.inf)
        scores = np.maximum(scores, single)
        explained = _explained_away(groups, B) | _explained_by_crowd(crowd, B, balls, items)
        counts = items.mostly_fake & ~explained & pattern.is_extreme
        counted = np.where(counts, _positive(item_scores), 0.0)[B.indices] + bursts
        each = counted + _positive(shared)
        single = largest_of_rows(B, each, empty=-np.inf)
        rows = rows_of(B)
        # Who is under suspicion because of an item: by the first that is as bad as the worst.
        because = (single > verdicts) | (group_scores <= 0)
        worst = (each == single[rows]) & because[rows]
        by_item[rows[worst][::-1]] = B.indices[worst][::-1]
        verdicts = np.maximum(verdicts, single)
    # Attackers want the highest level or the lowest: in the order of users others count less.
    price = pattern.cost if pattern.is_extreme else 2 * pattern.cost
    return Level(
        pattern.level, pattern.or_more, pattern.cost, B, items, groups, scores - price,
        verdicts - pattern.cost, by_item, crowd, are_campaigns,
    )  # fmt: skip


def _verdicts_of_groups(groups, B):
    """Return the net of the groups of each user, of those that share no item with better ones."""
    if groups is None:
        return np.full(B.shape[0], NO_GROUP)
    places = disjoint(groups)
    nets = best_nets(Groups(*(values[places] for values in groups)), B)
    return np.where(np.isfinite(nets), nets, NO_GROUP)


def _explained_by_crowd(crowd, B, balls, items):
    """Return which items are odd because of a crowd: of their other raters many are genuine."""
    members = np.flatnonzero(balls > _EXPLAINS)
    given = np.bincount(B[members].indices, minlength=B.shape[1])
    others = np.bincount(B.indices, minlength=B.shape[1]) - given
    too_many = others - items.expected
    is_in_crowd = np.isin(np.arange(B.shape[1]), crowd.items)
    return is_in_crowd & (too_many < 2 / 3 * others)


def _explained_away(groups, B):
    """Return which items are odd because of a group: then nobody else is blamed for them."""
    is_in_group = np.zeros(B.shape[1], dtype=bool)
    for place in disjoint(groups) if groups is not None else []:
        if groups.net[place] > _EXPLAINS:
            is_in_group[groups.items[place][groups.items[place] >= 0]] = True
    return is_in_group


def explained(found, fake, blamed, rated):
    """Yield the groups of one level that have fake profiles among their members.

    Single items are named for those who are blamed at this level, and because of the item; crowds
    for those of them who are blamed, and in no group.
    """

    def group(users, items, *facts):
        return SuspiciousGroup(rated[users], items, float(found.level), *facts, found.or_more)

    is_named = np.zeros(fake.size, dtype=bool)
    for place in disjoint(found.groups) if found.groups is not None else []:
        items = np.sort(found.groups.items[place][found.groups.items[place] >= 0])
        _, j, n_users, expected, net = (values[place] for values in found.groups)
        users = members(found.pattern, items, j)
        if fake[users].any():
            is_named[users] = True
            yield group(
                users, items, int(j), int(n_users), float(expected), float(net - found.cost)
            )
    names, numbers, n_blamed = np.unique(
        found.by_item[blamed & (found.by_item >= 0)], return_inverse=True, return_counts=True
    )
    verdicts = found.verdicts[blamed & (found.by_item >= 0)]
    for number in np.flatnonzero(n_blamed > 1):
        users = members(found.pattern, names[[number]], 1)
        is_named[users] = True
        expected = float(found.items.expected[names[number]])
        score = float(verdicts[numbers == number].max())
        yield group(users, names[[number]], 1, users.size, expected, score)
    unnamed = np.flatnonzero(blamed & (found.crowd.n_shared > 0) & ~is_named)
    if unnamed.size:
        # By chance one user in all looks as much like others who share an item.
        j = int(found.crowd.n_shared[unnamed].min())
        users = np.flatnonzero(fake & (found.crowd.n_shared >= j))
        score = float(found.crowd.surprise - found.cost)
        yield group(users, found.crowd.items, j, users.size, 1.0, score)


def ordered(scores, is_fake, threshold):
    """Return scores in the same order within fakes, above the threshold, and within others."""
    # A softplus: far from the threshold it is the score itself.
    excess = np.maximum(np.logaddexp(0, scores - threshold), 1e-9)
    deficit = np.maximum(np.logaddexp(0, threshold - scores), 1e-9)
    return np.where(is_fake, threshold + excess, threshold - deficit)


def cost(number, n_levels):
    """Return what looking at a level costs: the log of what else there was to look at."""
    if number == n_levels - 1:
        return 0.0
    return (1 if number == 0 else 2) * np.log(n_levels)


def _joined(group_scores, balls):
    """Return the sum of the evidence of groups and of balls.

    A group that stands by itself is not refuted by members that look genuine: they may be copies.
    """
    floor = _LEAST_SHARED + 0.1 * (balls - _LEAST_SHARED)
    return group_scores + np.where(group_scores > _EXPLAINS, np.maximum(balls, floor), balls)


def _positive(values):
    return np.maximum(values, 0)
