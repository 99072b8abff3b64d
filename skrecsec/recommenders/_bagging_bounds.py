"""What remains of a bagged ensemble's lists after fake profiles joined: plain combinatorics.

An ensemble of all subsets of `max_users` profiles lists an item with the probability with which a
random subset's model does. With n profiles and n' fakes beside them, a random subset is free of
fakes with probability c, and is then one of the subsets without fakes, all of them equally likely.
So an item's probability p becomes c p + (1 - c) q, where q is whatever the fakes want; but as
lists have N' places, the q of all items add up to N' at most.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def clean_share(n_users: int, max_users: int, n_fakes) -> np.ndarray:
    """Return the probability c that a random subset holds no fake."""
    n_fakes = np.asarray(n_fakes, dtype=float)
    total = n_users + n_fakes
    logs = gammaln(n_users + 1) - gammaln(n_users - max_users + 1)
    logs = logs - gammaln(total + 1) + gammaln(total - max_users + 1)
    return np.minimum(np.exp(logs), 1.0)


def confidence_bounds(n_trials: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Clopper and Pearson's bounds of a probability, for 0 to `n_trials` successes.

    Each is wrong with a probability of at most `alpha`.
    """
    from scipy.stats import beta  # slow to import

    successes = np.arange(n_trials + 1)
    lower, upper = np.zeros(n_trials + 1), np.ones(n_trials + 1)
    lower[1:] = beta.ppf(alpha, successes[1:], n_trials - successes[1:] + 1)
    upper[:-1] = beta.isf(alpha, successes[:-1] + 1, n_trials - successes[:-1])
    return lower, upper


def kept_items(listed, others, share, n_places: int) -> np.ndarray:
    """Return how many of chosen items are in a list of k, whatever the fakes do.

    Parameters
    ----------
    listed : ndarray of shape (n_rows, k)
        Lower bounds of the probabilities of the k best of the chosen items, descending: those
        listed without fakes, say, or those held out.

    others : ndarray of shape (n_rows, k)
        Upper bounds of those of the k best other items, descending.

    share : float
        The probability that a subset holds no fake.

    n_places : int
        Number of items in the list of each model, N'.

    Returns
    -------
    n_kept : ndarray of int of shape (n_rows,)
        At least so many are listed.

    Notes
    -----
    If fewer than r stay, w = k - r + 1 others are listed, and of w items that are not, the best is
    at least the r-th. Each of the others then reaches `share` times its probability; so does the
    mean of those w' among the w that had the lowest, which is at most
    (`share` times the sum of their probabilities + (1 - `share`) min(w', N')) / w'.
    """
    n_rows, k = listed.shape
    sums = np.concatenate([np.zeros((n_rows, 1)), np.cumsum(others, axis=1)], axis=1)
    n_kept = np.zeros(n_rows, dtype=np.int64)
    for r in range(1, k + 1):
        w = k - r + 1
        parts = np.arange(1, w + 1)
        tails = sums[:, [w]] - sums[:, w - parts]
        reached = (share * tails + (1 - share) * np.minimum(parts, n_places)) / parts
        stays = share * listed[:, r - 1] > reached.min(axis=1)
        n_kept[stays] = r
    return n_kept


def safe_fakes(threshold, target, shares) -> np.ndarray:
    """Return up to how many fakes cannot list an item.

    Parameters
    ----------
    threshold : ndarray
        Lower bounds of the k-th highest probability of the other items.

    target : ndarray
        Upper bounds of the probability of the item.

    shares : ndarray of shape (n_sizes,)
        The probability that a subset holds no fake, for 0 fakes, 1 fake and so on; descending.

    Returns
    -------
    n_fakes : ndarray of int
        -1 where the item may be listed without fakes.
    """
    # share * threshold > share * target + 1 - share
    needed = 1 / np.maximum(1 + threshold - target, 1e-300)
    return np.searchsorted(-shares, -needed, side="left") - 1
