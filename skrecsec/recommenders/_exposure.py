"""How often items may be listed: the largest scores of each column, in one pass over blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrecsec.utils._compiling import jit
from skrecsec.utils._ranking import mask_seen, score_blocks

# Models score a profile the same in any company, but for the last digits: this share of a score.
_PRECISION = 1e-9


def exposure_budgets(counts: np.ndarray, max_exposure: float, n_users: int) -> np.ndarray:
    """Return to how many users each item may be listed, ints of shape (n_items,)."""
    return np.minimum(np.floor(max_exposure * counts), n_users).astype(np.int64)


def column_thresholds(score: Callable[[object], np.ndarray], X, n_above: np.ndarray) -> np.ndarray:
    """Return, for each item, the score that so many of the profiles without it exceed, at most.

    Parameters
    ----------
    score : callable
        Returns the scores of a block of profiles, a float64 array of its own.

    X : csr_array of shape (n_profiles, n_items)
        Profiles with ratings.

    n_above : ndarray of int of shape (n_items,)
        The threshold of item t is the (n_above[t] + 1)-th largest score among the profiles that
        have not rated it, rounded up by a billionth of the scores.

    Returns
    -------
    thresholds : ndarray of shape (n_items,)
        -inf where no more than n_above[t] profiles have not rated t.

    Notes
    -----
    O(n_profiles n_items) time beyond the scores, and a logarithm for what is kept; memory for one
    block and sum(n_above) scores.
    """
    n_unrated = X.shape[0] - np.bincount(X.indices, minlength=X.shape[1])
    sizes = np.where(n_above < n_unrated, n_above + 1, 0)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    heaps = np.full(starts[-1], -np.inf)
    entry = np.where(sizes > 0, -np.inf, np.inf)
    for rows in score_blocks(*X.shape):
        scores = score(X[rows])
        mask_seen(scores, X[rows])  # there are enough others, so that these do not count
        if np.isnan(scores.max(initial=-np.inf)):
            raise ValueError("Scores contain NaN, so that items cannot be ranked.")
        _keep_largest(scores, starts, heaps, entry)
    thresholds = np.full(X.shape[1], -np.inf)
    kept = np.flatnonzero(sizes)
    thresholds[kept] = lowest = heaps[starts[kept]]
    highest = np.maximum.reduceat(heaps, starts[kept]) if kept.size else lowest
    finite = np.isfinite(lowest) & np.isfinite(highest)
    size = np.maximum(np.abs(lowest), np.abs(highest))[finite]
    thresholds[kept[finite]] += _PRECISION * size
    return thresholds


@jit
def _keep_largest(scores, starts, heaps, entry):
    """Let the scores of each column into its heap, which has its lowest score at the root.

    `entry` holds the roots side by side, inf for a column without a heap: most scores are turned
    away, and the roots themselves lie far apart.
    """
    for row in range(scores.shape[0]):
        for item in range(scores.shape[1]):
            score = scores[row, item]
            if score <= entry[item]:
                continue
            start, end = starts[item], starts[item + 1]
            parent = start
            while True:
                child = 2 * parent - start + 1
                if child >= end:
                    break
                if child + 1 < end and heaps[child + 1] < heaps[child]:
                    child += 1
                if heaps[child] >= score:
                    break
                heaps[parent] = heaps[child]
                parent = child
            heaps[parent] = score
            entry[item] = heaps[start]
