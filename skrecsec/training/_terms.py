"""What a loss can have besides the error of ratings: an attack, perturbed factors, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._ranking import mask_seen, row_blocks, top_k


class PairWeights(NamedTuple):
    """How much ratings count, float32, aligned with them.

    What a user's factors learn and what an item's do is weighted apart: a profile that is not to be
    believed may still have factors of its own.
    """

    users: np.ndarray
    items: np.ndarray

    def take(self, which: np.ndarray) -> PairWeights:
        """Return the weights of the ratings at the given positions."""
        return PairWeights(self.users[which], self.items[which])


@dataclass(frozen=True)
class Perturbation:
    """How the factors are perturbed in adversarial training.

    Each row is moved by `epsilon` times a unit vector: along the gradient of the loss if
    `directions` is empty, else one of `directions` (n_directions, n_factors), drawn by `rng`.
    """

    epsilon: float
    directions: np.ndarray
    rng: np.random.Generator

    @property
    def is_adversarial(self) -> bool:
        """Whether rows move along the gradient."""
        return self.directions.shape[0] == 0

    def choose(self, shape) -> np.ndarray:
        """Draw which of the directions are taken."""
        return self.rng.integers(max(1, self.directions.shape[0]), size=shape, dtype=np.int32)


@dataclass(frozen=True)
class AttackTerm:
    """The attack loss of the paper's Eq. 3, over users 0 to n_known - 1 and the target items.

    For user u and target t it is max(log h(u, i) - log h(u, t), -margin), where i is the last item
    of the list of the k best items that u has not rated; pairs of which the target is rated are
    left out. `goal` -1 turns it round. `weight` is that of one pair, in units of half the squared
    error of one rating.
    """

    known: sp.csr_array
    target_items: np.ndarray
    k: int
    margin: float
    goal: int
    weight: float

    def draw(self, user_factors, item_factors, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the known users in random order, the last items of their lists, and a mask.

        The mask, (n_known, n_targets), says which pairs are left out.
        """
        users = rng.permutation(self.known.shape[0])
        last_items = self.last_items(user_factors[: users.size], item_factors)[users]
        masked = self.known[:, self.target_items].toarray()[users] > 0
        # A user who has rated everything has no list.
        masked |= (last_items < 0)[:, np.newaxis]
        return users, last_items, masked

    def last_items(self, user_factors, item_factors) -> np.ndarray:
        """Return the last item of each known user's list, in blocks of users.

        O(n_known n_items n_factors) time, memory for one block of scores.
        """
        last = np.empty(self.known.shape[0], dtype=np.int64)
        for rows in row_blocks(*self.known.shape):
            scores = finite_scores(user_factors[rows], item_factors)
            mask_seen(scores, self.known[rows])
            items = top_k(scores, min(self.k, scores.shape[1]))
            n_listed = np.maximum((items >= 0).sum(axis=1), 1)
            last[rows] = items[np.arange(items.shape[0]), n_listed - 1]
        return last


def finite_scores(user_factors, item_factors) -> np.ndarray:
    """Return p . q for all pairs of rows, or say that the surrogate of an attack has diverged."""
    with np.errstate(over="ignore", invalid="ignore"):
        scores = user_factors @ item_factors.T
    if not np.isfinite(scores).all():
        raise ValueError("The surrogate diverged: lower learning_rate or attack_weight.")
    return scores
