"""Bursts: ratings of one level that an item got within a short time, and few others then.

Films have their season, so that ratings come in bursts anyway. Where a level that is rare otherwise
makes up the burst, somebody is behind it.
"""

from __future__ import annotations

import math

import numpy as np

from skrecsec.detection._agreement import LEAST
from skrecsec.detection._counts import average_ranks
from skrecsec.detection._items import beta_binomial_surprise
from skrecsec.utils._compiling import jit

# Runs of so many ratings are looked at, growing by a third.
_FEWEST, _MOST, _GROWTH = 4, 1000, 1.34
# Of so many ratings at a time the share of the level varies by that.
_VARIANCE = 0.02


def burst_evidence(X, at_level, times, a, b) -> np.ndarray:
    """Return for each rating of a level how surprising the burst is that it is in, in nats.

    Less what the search over items costs; 0 for none.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings.

    at_level : ndarray of bool of shape (n_ratings,)
        Which of them have the level.

    times : ndarray of shape (n_ratings,)
        Their times, as shares of all ratings that came before: then ratings come at an even rate.

    a, b : ndarray of shape (n_items,)
        Beta prior of the share of the level among the ratings of each item.
    """
    order = np.lexsort((times, X.indices))
    starts = np.searchsorted(X.indices[order], np.arange(X.shape[1] + 1))
    sizes = _sizes()
    # One window for each item and size: the shortest; where it begins, and what is in it.
    shape = (X.shape[1], sizes.size)
    begin, end, n_given = np.zeros((3, *shape), dtype=np.int64)
    haste, share = np.zeros((2, *shape))
    _find_windows(
        starts, times[order], at_level[order], sizes, a, b, 1 / max(X.nnz, 1), begin, end, n_given,
        haste, share,
    )  # fmt: skip
    found = haste > 0
    value = np.zeros(shape)
    purity = beta_binomial_surprise(
        n_given[found],
        (end - begin)[found],
        np.clip(share[found], 0.03, 0.97),
        np.full(found.sum(), _VARIANCE),
    )
    # Each item that could have a burst is one try.
    cost = np.log(max((np.bincount(X.indices[at_level]) >= _FEWEST).sum(), 1))
    value[found] = np.where(purity >= LEAST, np.maximum(haste[found] - cost, 0), 0)
    surprise = np.zeros(X.nnz)
    _fill(begin, end, value, at_level[order], surprise)
    evidence = np.zeros(X.nnz)
    evidence[order] = surprise
    return evidence[at_level]


def unexplained(bursts, B, is_explained) -> np.ndarray:
    """Return bursts, but those of which half are users who are fake anyway speak against no other.

    Profiles that are made within a day make bursts at all of their items, and genuine users have
    rated these on that day.

    Parameters
    ----------
    bursts : ndarray of shape (n_given,)
        Evidence of bursts, for each one of the pattern.

    B : csr_array of shape (n_users, n_items)
        Pattern of the ratings of the level.

    is_explained : ndarray of bool of shape (n_users,)
        Which users other evidence calls fake.
    """
    explains = np.repeat(is_explained, np.diff(B.indptr))
    n_then, n_explained = (
        np.bincount(B.indices[mask], minlength=B.shape[1])
        for mask in (bursts > 0, (bursts > 0) & explains)
    )
    is_explained_item = 2 * n_explained >= np.maximum(n_then, 1)
    return np.where(is_explained_item[B.indices] & ~explains, 0.0, bursts)


def as_shares(times) -> np.ndarray:
    """Return which share of all ratings came before each."""
    return (average_ranks(times) - 0.5) / max(times.size, 1)


def _sizes():
    sizes = [_FEWEST]
    while sizes[-1] < _MOST:
        sizes.append(math.ceil(sizes[-1] * _GROWTH))
    return np.array(sizes)


@jit
def _find_windows(
    starts, times, at_level, sizes, a, b, shortest, window_begin, window_end, n_inside, haste, share
):
    places = np.empty(times.size, dtype=np.int64)
    for item in range(starts.size - 1):
        begin, end = starts[item], starts[item + 1]
        n_given = 0
        for x in range(begin, end):
            if at_level[x]:
                places[n_given] = x
                n_given += 1
        for number in range(sizes.size):
            size = sizes[number]
            if size > n_given:
                break
            least, chosen = np.inf, 0
            for first in range(n_given - size + 1):
                width = times[places[first + size - 1]] - times[places[first]]
                if width < least:
                    least, chosen = width, first
            expected = n_given * max(least, shortest)
            if expected >= size:
                continue
            since, until = places[chosen], places[chosen + size - 1]
            # All that came at the same time belong to it, whatever their order.
            while since > begin and times[since - 1] == times[since]:
                since -= 1
            while until < end - 1 and times[until + 1] == times[until]:
                until += 1
            inside = at_level[since : until + 1].sum()
            window_begin[item, number], window_end[item, number] = since, until + 1
            n_inside[item, number] = inside
            haste[item, number] = (
                inside * np.log(inside / expected) - (inside - expected) - np.log(n_given)
            )
            # The level among the ratings at other times.
            share[item, number] = (a[item] + n_given - inside) / (
                a[item] + b[item] + end - begin - (until + 1 - since)
            )


@jit
def _fill(begin, end, value, at_level, surprise):
    for item in range(value.shape[0]):
        for number in range(value.shape[1]):
            if value[item, number] > 0:
                for x in range(begin[item, number], end[item, number]):
                    if at_level[x]:
                        surprise[x] = max(surprise[x], value[item, number])
