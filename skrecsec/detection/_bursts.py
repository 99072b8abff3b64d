"""Bursts: ratings of an item that came within a short time."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from skrecsec.detection._balls import origin_and_scale
from skrecsec.utils._compiling import jit

# Runs of so many ratings are looked at, growing by a third.
_FEWEST, _MOST, _GROWTH = 4, 1000, 1.34


def burst_evidence(indices, times, n_items: int) -> np.ndarray:
    """Return for each rating of a pattern how surprising the burst is that it is in, in nats.

    0 is where the most surprising burst of one item in all is expected, or no burst.

    Parameters
    ----------
    indices : ndarray of int of shape (n_ratings,)
        The items of the ratings.

    times : ndarray of shape (n_ratings,)
        Their times, as shares of all ratings that came before: then ratings come at an even rate.

    n_items : int
        Number of items.
    """
    order = np.lexsort((times, indices))
    starts = np.searchsorted(indices[order], np.arange(n_items + 1))
    sizes = _sizes()
    surprise = np.zeros(indices.size)
    _fill_bursts(starts, times[order], sizes, 1 / max(times.size, 1), surprise)
    largest = np.zeros(n_items)
    np.maximum.at(largest, indices[order], surprise)
    evidence = np.zeros(indices.size)
    usable = np.diff(starts) >= _FEWEST
    if usable.any():
        origin, scale = origin_and_scale(largest[usable])
        evidence[order] = np.maximum((surprise - origin) / scale, 0)
    return evidence


def as_shares(times) -> np.ndarray:
    """Return which share of all ratings came before each."""
    return (rankdata(times) - 0.5) / max(times.size, 1)


def _sizes():
    sizes = [_FEWEST]
    while sizes[-1] < _MOST:
        sizes.append(math.ceil(sizes[-1] * _GROWTH))
    return np.array(sizes)


@jit
def _fill_bursts(starts, times, sizes, shortest, surprise):
    for item in range(starts.size - 1):
        begin, end = starts[item], starts[item + 1]
        n = end - begin
        for size in sizes:
            if size > n:
                break
            # The shortest time in which so many came; equal ones count alike.
            least = np.inf
            for first in range(begin, end - size + 1):
                least = min(least, times[first + size - 1] - times[first])
            expected = n * max(least, shortest)
            if expected >= size:
                continue
            value = size * np.log(size / expected) - (size - expected) - np.log(n)
            for first in range(begin, end - size + 1):
                if times[first + size - 1] - times[first] <= least:
                    for x in range(first, first + size):
                        surprise[x] = max(surprise[x], value)
