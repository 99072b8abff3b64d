"""Suspects: profiles that a classifier finds odd, and items that too many of them agree on.

Who is odd is no proof: some genuine users are. That the odd ones meet at an item, at its highest or
its lowest level, is what an attack looks like, and chance says how often that happens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.detection._balls import look_alikes, shared_items
from skrecsec.detection._counts import average_ranks, log_ratio, rows_of
from skrecsec.detection._groups import FEWEST_PER_ITEM, LIFT
from skrecsec.detection._items import examine_items
from skrecsec.detection._verdicts import Pattern, cost

# How many of the oddest are looked at, as shares of the users, and at least.
_SHARES = (0.005, 0.01, 0.02, 0.04, 0.08)
_FEWEST_ODD = 5
# So many of them have to meet at an item.
_FEWEST_MET = 3
NOTHING = -50.0


class Meeting(NamedTuple):
    """At which items of one level the oddest profiles meet.

    Parameters
    ----------
    level : float
        The rating level.

    pattern : csr_array of shape (n_users, n_items)
        Ones at the ratings of the level.

    evidence : ndarray of shape (n_items,)
        How surprising it is that so many meet there, in nats, 0 where it is not.

    items : ndarray of shape (n_items,)
        That, what is odd about the item itself, and the costs of looking at many.

    n_oddest : ndarray of int of shape (n_items,)
        How many of the oddest were looked at, where most surprising.

    n_met, expected : ndarray of shape (n_items,)
        How many of these gave it the level, and would have by chance.

    scores, verdicts : ndarray of shape (n_users,)
        What speaks most against each user, and what the automatic rule compares.

    by_item : ndarray of int of shape (n_users,)
        The item that the verdict is about, -1 if none.
    """

    level: float
    pattern: object
    evidence: np.ndarray
    items: np.ndarray
    n_oddest: np.ndarray
    n_met: np.ndarray
    expected: np.ndarray
    scores: np.ndarray
    verdicts: np.ndarray
    by_item: np.ndarray


def ranks_of(oddness) -> np.ndarray:
    """Return 1 for the oddest profile, 2 for the next; means of ranks for equal ones."""
    return average_ranks(-np.round(oddness, 9))


def find_meetings(X, numbers, levels, ranks) -> list[Meeting]:
    """Return where the oddest profiles meet, at the highest and at the lowest level.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings, at least one in each row.

    numbers : ndarray of int of shape (n_ratings,)
        Places of the ratings among the levels.

    levels : ndarray of shape (n_levels,)
        Rating levels.

    ranks : ndarray of shape (n_users,)
        Of the oddness of profiles, 1 the oddest.
    """
    top = levels.size - 1
    neighbors = look_alikes(X, numbers == top)
    return [
        _find_meeting(
            Pattern(X, numbers == number, levels[number], False, cost(number, levels.size), True),
            ranks,
            neighbors,
        )
        for number in sorted({top, 0}, reverse=True)
    ]


def _find_meeting(pattern, ranks, neighbors):
    B = pattern.ones()
    rows = rows_of(B)
    evidence, n_oddest, n_met, expected = _surprise(B, rows, ranks)
    n_attackable = (np.bincount(B.indices, minlength=B.shape[1]) >= FEWEST_PER_ITEM).sum()
    price = np.log(max(n_attackable, 1)) + pattern.cost
    items = examine_items(pattern.X, pattern.at_level).combined + evidence - price
    given = B.indices
    against = items[given] + shared_items(B, neighbors) - np.log(ranks[rows])
    scores = np.full(B.shape[0], NOTHING)
    np.maximum.at(scores, rows, np.where(evidence[given] > 0, against, NOTHING))
    blamed = (evidence[given] > 0) & (ranks[rows] <= n_oddest[given])
    verdicts, by_item = np.full(B.shape[0], NOTHING), np.full(B.shape[0], -1)
    each = np.where(blamed, items[given], NOTHING)
    np.maximum.at(verdicts, rows, each)
    worst = blamed & (each == verdicts[rows])
    by_item[rows[worst][::-1]] = given[worst][::-1]
    return Meeting(
        float(pattern.level), B, evidence, items, n_oddest, n_met, expected, scores, verdicts,
        by_item,
    )  # fmt: skip


def _surprise(B, rows, ranks):
    """Return how surprising it is that the oddest meet, at how many of them, and the counts."""
    n_users, n_items = B.shape
    c, r = np.bincount(B.indices, minlength=n_items), np.diff(B.indptr)
    evidence, best_expected = np.zeros(n_items), np.zeros(n_items)
    n_oddest, best_met = np.zeros(n_items, dtype=np.int64), np.zeros(n_items, dtype=np.int64)
    looks = sorted({max(_FEWEST_ODD, round(share * n_users)) for share in _SHARES})
    for n in looks:
        is_odd = ranks <= n
        met = np.bincount(B.indices[is_odd[rows]], minlength=n_items)
        expected = LIFT * c * r[is_odd].sum() / max(B.nnz, 1)
        surprise = np.where(met >= _FEWEST_MET, log_ratio(met, expected), 0.0)
        better = surprise > evidence
        evidence[better], n_oddest[better] = surprise[better], n
        best_met[better], best_expected[better] = met[better], expected[better]
    # Several numbers of the oddest were tried.
    return np.maximum(evidence - np.log(len(looks)), 0), n_oddest, best_met, best_expected


def ranks_among(known, oddness) -> np.ndarray:
    """Return the ranks that new profiles have among known ones, 1 if they are odder than all."""
    ordered = np.sort(-np.round(known, 9))
    values = -np.round(oddness, 9)
    less = np.searchsorted(ordered, values, side="left")
    return 1 + (less + np.searchsorted(ordered, values, side="right")) / 2


def judge_new(X, meeting: Meeting, ranks):
    """Return scores and verdicts of new profiles (CSR), by where the oddest of a crowd meet."""
    rows = rows_of(X)
    at = np.isclose(X.data, meeting.level) & (meeting.evidence[X.indices] > 0)
    rows, given = rows[at], X.indices[at]
    scores, verdicts = np.full(X.shape[0], NOTHING), np.full(X.shape[0], NOTHING)
    np.maximum.at(scores, rows, meeting.items[given] - np.log(ranks[rows]))
    blamed = ranks[rows] <= meeting.n_oddest[given]
    np.maximum.at(verdicts, rows[blamed], meeting.items[given[blamed]])
    return scores, verdicts
