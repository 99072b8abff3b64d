"""Training to rank: samplers of pairs of items, and the compiled epoch of their loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.training._data import RatingData
from skrecsec.training._plans import plan_pairs
from skrecsec.utils._compiling import fast_jit
from skrecsec.utils._memory import aligned_copy, check_memory

# So often an item is drawn anew that the user has rated, before the sample is left out.
_MAX_DRAWS = 32


class RankingPlan(NamedTuple):
    """What an epoch visits: users, an item that each has rated, and another that they have not."""

    users: np.ndarray
    items: np.ndarray
    others: np.ndarray  # -1 where none was found


def plan_comparisons(data: RatingData, rng: np.random.Generator, pool: np.ndarray) -> RankingPlan:
    """Draw a pass over the ratings in random order, each with an item that its user has not rated.

    Others are drawn from `pool`, in which an item may stand more than once.
    """
    users, items, _ = plan_pairs(data, rng)
    words = rng.integers(1, 2**64, size=users.size, dtype=np.uint64)
    others = draw_unrated(words, users, data.indptr, data.train.items, pool)
    return RankingPlan(users, items, others)


@fast_jit
def draw_unrated(words, users, indptr, items, pool):
    """Draw for each user an item from the pool that is not among their sorted items, else -1."""
    drawn = np.empty(users.size, np.int32)
    for t in range(users.size):
        start, stop = indptr[users[t]], indptr[users[t] + 1]
        state = words[t]
        drawn[t] = -1
        for _ in range(_MAX_DRAWS):
            # Marsaglia's xorshift, whose state is never 0.
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            item = pool[((state >> np.uint64(32)) * np.uint64(pool.size)) >> np.uint64(32)]
            low, high = start, stop
            while low < high:
                middle = (low + high) // 2
                if items[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            if low == stop or items[low] != item:
                drawn[t] = item
                break
    return drawn


@fast_jit
def sgd_comparisons(user_factors, item_factors, biases, users, items, others, learning_rate, reg):
    """Visit comparisons in order; after each one update the factors of its user and items.

    The loss is -log of the logistic function of p . (q_i - q_j) + b_i - b_j, plus `reg` / 2 times
    the squares of what is updated. Factors are one model's, float32.
    """
    one = np.float32(1)
    n_factors = user_factors.shape[1]
    decay = one - learning_rate * reg
    for t in range(users.size):
        if others[t] < 0:
            continue
        u, i, j = np.int64(users[t]), np.int64(items[t]), np.int64(others[t])
        difference = biases[i] - biases[j]
        for k in range(n_factors):
            difference += user_factors[u, k] * (item_factors[i, k] - item_factors[j, k])
        step = learning_rate / (one + np.exp(difference))
        for k in range(n_factors):
            p, q_i, q_j = user_factors[u, k], item_factors[i, k], item_factors[j, k]
            user_factors[u, k] = decay * p + step * (q_i - q_j)
            item_factors[i, k] = decay * q_i + step * p
            item_factors[j, k] = decay * q_j - step * p
        biases[i] = decay * biases[i] + step
        biases[j] = decay * biases[j] - step


@fast_jit
def sgd_perturbed_comparisons(
    user_factors,
    item_factors,
    biases,
    users,
    items,
    others,
    learning_rate,
    reg,
    epsilons,
    weight,
):
    """As `sgd_comparisons`, on the loss plus `weight` times that under perturbed factors.

    The perturbation of each row is the unit vector in which the loss grows fastest, times the
    user's of the `epsilons` (n_users,), and constant in the gradient; biases are not perturbed.
    """
    one = np.float32(1)
    n_factors = user_factors.shape[1]
    decay = one - learning_rate * reg
    p_moved = np.empty(n_factors, np.float32)
    gap_moved = np.empty(n_factors, np.float32)  # between the items
    for t in range(users.size):
        if others[t] < 0:
            continue
        u, i, j = np.int64(users[t]), np.int64(items[t]), np.int64(others[t])
        difference = biases[i] - biases[j]
        perturbed = difference
        p_square = np.float32(1e-30)
        gap_square = np.float32(1e-30)
        for k in range(n_factors):
            p, gap = user_factors[u, k], item_factors[i, k] - item_factors[j, k]
            difference += p * gap
            p_square += p * p
            gap_square += gap * gap
        # The loss falls with the difference: p moves against the gap, the items along p or against.
        epsilon = epsilons[u]
        p_scale = epsilon / np.sqrt(gap_square)
        gap_scale = np.float32(2) * epsilon / np.sqrt(p_square)
        for k in range(n_factors):
            p, gap = user_factors[u, k], item_factors[i, k] - item_factors[j, k]
            p_moved[k] = p - p_scale * gap
            gap_moved[k] = gap - gap_scale * p
            perturbed += p_moved[k] * gap_moved[k]
        step = learning_rate / (one + np.exp(difference))
        perturbed_step = weight * learning_rate / (one + np.exp(perturbed))
        for k in range(n_factors):
            p, q_i, q_j = user_factors[u, k], item_factors[i, k], item_factors[j, k]
            user_factors[u, k] = decay * p + step * (q_i - q_j) + perturbed_step * gap_moved[k]
            move = step * p + perturbed_step * p_moved[k]
            item_factors[i, k] = decay * q_i + move
            item_factors[j, k] = decay * q_j - move
        biases[i] = decay * biases[i] + step + perturbed_step
        biases[j] = decay * biases[j] - step - perturbed_step


@fast_jit
def mean_losses(user_factors, item_factors, biases, users, items, others):
    """Return the mean loss of each user's comparisons, NaN for who has none."""
    sums = np.zeros(user_factors.shape[0])
    counts = np.zeros(user_factors.shape[0])
    for t in range(users.size):
        if others[t] < 0:
            continue
        u, i, j = np.int64(users[t]), np.int64(items[t]), np.int64(others[t])
        difference = biases[i] - biases[j]
        for k in range(user_factors.shape[1]):
            difference += user_factors[u, k] * (item_factors[i, k] - item_factors[j, k])
        # The softplus of minus the difference, without overflow.
        sums[u] += np.log1p(np.exp(-np.abs(difference))) + max(-difference, np.float32(0))
        counts[u] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)


class RankingSolver:
    """Stochastic gradient descent on comparisons, by a compiled kernel on one core."""

    def __init__(self, user_factors, item_factors, biases, *, learning_rate, reg):
        self.user_factors = user_factors
        self.item_factors = item_factors
        self.biases = biases
        self._options = np.float32(learning_rate), np.float32(reg)

    @classmethod
    def draw(cls, data: RatingData, n_factors: int, rng: np.random.Generator, **options):
        """Start from small random factors, and biases of 0.

        Raises a MemoryError if these, or systems of as many equations, are too much.
        """
        n_numbers = n_factors * (2 * (data.n_users + data.n_items) + 2 * n_factors)
        check_memory(8 * n_numbers, f"n_factors={n_factors} are too many")

        def factors(n_rows):
            return aligned_copy(rng.uniform(-0.5, 0.5, (n_rows, n_factors)) / n_factors)

        user_factors, item_factors = factors(data.n_users), factors(data.n_items)
        return cls(user_factors, item_factors, np.zeros(data.n_items, np.float32), **options)

    def run(self, plan: RankingPlan) -> None:
        """Visit the comparisons of a plan. O(n_ratings n_factors)."""
        sgd_comparisons(*self._parameters, *plan, *self._options)

    def run_perturbed(self, plan: RankingPlan, epsilons: np.ndarray, weight: float) -> None:
        """Visit the comparisons of a plan, with factors that are moved, too.

        Those of a comparison by the one of the `epsilons` that is its user's.
        """
        options = (*self._options, epsilons.astype(np.float32), np.float32(weight))
        sgd_perturbed_comparisons(*self._parameters, *plan, *options)

    def user_losses(self, plan: RankingPlan) -> np.ndarray:
        """Return the mean loss of each user's comparisons in a plan, NaN for who has none."""
        return mean_losses(*self._parameters, *plan)

    def is_finite(self) -> bool:
        """Return whether training has not diverged."""
        return all(bool(np.isfinite(array).all()) for array in self._parameters)

    @property
    def _parameters(self):
        return self.user_factors, self.item_factors, self.biases
