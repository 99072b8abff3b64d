"""How much of a profile somebody else has rated in exactly the same way: what copies give away.

Genuine tastes meet, but no two people rate the same dozens of items and give each the same rating.
Fake profiles that are cut out of a genuine one do, and their original can be told from the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.utils._compiling import jit
from skrecsec.utils.validation import find_rating_levels, project_to_levels

NAMES = ("copied_weight", "copied_weight_lead", "copied_count", "copied_count_lead")
# What the most similar profile has in common is held against what the sixth has.
_RANK = 5


class Originals(NamedTuple):
    """The ratings of a crowd by item: who may have been copied."""

    indptr: np.ndarray
    users: np.ndarray
    numbers: np.ndarray  # of the rating levels
    lengths: np.ndarray
    weights: np.ndarray  # (n_items, n_levels): how rare it is to give an item a level, in nats
    levels: np.ndarray

    @classmethod
    def of(cls, X) -> Originals:
        """Return the ratings of a matrix (CSR) by item."""
        levels = find_rating_levels(X.data)
        by_item = X.tocsc()
        numbers = _numbers(by_item.data, levels)
        cells = np.repeat(np.arange(X.shape[1]), np.diff(by_item.indptr)) * levels.size + numbers
        n_given = np.bincount(cells, minlength=X.shape[1] * levels.size)
        weights = np.log(X.shape[0] / np.maximum(n_given, 1)).reshape(X.shape[1], levels.size)
        return cls(
            by_item.indptr.astype(np.int64), by_item.indices.astype(np.int64), numbers,
            np.diff(X.indptr).astype(np.int64), weights, levels,
        )  # fmt: skip


def copied_shares(X, originals: Originals) -> np.ndarray:
    """Return `NAMES` of profiles (CSR): shares of each that one other profile has rated alike.

    The shares are of the ratings, and of their weights, by which rare ratings count more; the lead
    is that of the best other profile over the sixth. One user of the crowd whose ratings are those
    of the profile is taken for the profile itself.

    Notes
    -----
    Time is O(sum of the numbers of raters of the profiles' ratings), memory O(n_users).
    """
    result = np.zeros((X.shape[0], len(NAMES)))
    _compare(
        X.indptr.astype(np.int64), X.indices.astype(np.int64), _numbers(X.data, originals.levels),
        *originals[:-1], _RANK, result,
    )  # fmt: skip
    return result


def _numbers(ratings, levels):
    return np.searchsorted(levels, project_to_levels(ratings, levels)).astype(np.int64)


@jit
def _compare(indptr, items, numbers, by_item, users, others, lengths, weights, rank, result):
    # Of each user met at common items: how many were rated alike, and what these weigh.
    n_met, n_alike = np.zeros(lengths.size, np.int64), np.zeros(lengths.size)
    weight = np.zeros(lengths.size)
    who = np.empty(lengths.size, dtype=np.int64)
    for u in range(indptr.size - 1):
        length, n_found, total = indptr[u + 1] - indptr[u], 0, 0.0
        for x in range(indptr[u], indptr[u + 1]):
            worth = weights[items[x], numbers[x]]
            total += worth
            for y in range(by_item[items[x]], by_item[items[x] + 1]):
                v = users[y]
                if n_met[v] == 0:
                    who[n_found] = v
                    n_found += 1
                n_met[v] += 1
                if others[y] == numbers[x]:
                    n_alike[v] += 1
                    weight[v] += worth
        if length > 0:
            _leave_out_itself(who[:n_found], n_alike, weight, length, lengths)
            best, rest = _leading(weight, who[:n_found], rank)
            if total > 0:
                result[u, 0], result[u, 1] = best / total, (best - rest) / total
            best, rest = _leading(n_alike, who[:n_found], rank)
            result[u, 2], result[u, 3] = best / length, (best - rest) / length
        for place in range(n_found):
            n_met[who[place]], n_alike[who[place]], weight[who[place]] = 0, 0.0, 0.0


@jit
def _leave_out_itself(who, n_alike, weight, length, lengths):
    for v in who:
        if n_alike[v] == length and lengths[v] == length:
            n_alike[v], weight[v] = 0.0, 0.0
            return


@jit
def _leading(values, who, rank):
    """Return the largest of the values of some users, and that with `rank` others before it."""
    if who.size == 0:
        return 0.0, 0.0
    ordered = np.sort(values[who])[::-1]
    return ordered[0], ordered[rank] if who.size > rank else 0.0
