"""How strong fake profiles are, as far as the attacker can see: what searches compare."""

from __future__ import annotations

import numpy as np

# Ranks are known as far as lists of this many times the length go.
REACH = 10
# What a rank beyond the list counts, against a hit.
_NEARNESS = 0.1


def count_users(known, budget) -> int:
    """Return how many genuine users there are, known and unknown, as far as the attacker knows."""
    return round(known.shape[0] / budget.knowledge)


def crowd(known, budget):
    """Return known profiles, CSR, repeated to the number of all users."""
    return known[np.resize(np.arange(known.shape[0]), count_users(known, budget))]


class Promotion:
    """Measures how far lists promote the targets.

    Parameters
    ----------
    known : csr_array of shape (n_users, n_items)
        Profiles of the users whose lists are looked at.

    target_items : ndarray of shape (n_targets,)
        The targets.

    k : int
        Length of a list.
    """

    def __init__(self, known, target_items, k):
        self._target_items = target_items
        self._k = k
        self._unseen = known[:, target_items].toarray() == 0

    def __call__(self, lists) -> tuple[float, float]:
        """Return the hit ratio of the targets, and the strength that a search looks for.

        `lists` are the best items of each user, (n_users, up to `REACH` times k).
        """
        credits = np.zeros(self._unseen.shape)
        for target, item in enumerate(self._target_items):
            users, places = np.nonzero(lists == item)
            credits[users, target] = np.minimum(1, self._k / (places + 1)) ** 2
        n_pairs = max(1, int(np.count_nonzero(self._unseen)))
        hit_ratio = int(np.count_nonzero((credits == 1) & self._unseen)) / n_pairs
        nearness = credits[self._unseen].sum() / n_pairs
        return hit_ratio, float(hit_ratio + _NEARNESS * nearness)
