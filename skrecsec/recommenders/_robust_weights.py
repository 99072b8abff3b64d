"""How much ratings count that fit badly: the weights of robust losses, and trimming."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrecsec.training import PairWeights

# The standard deviation of a normal law, in medians of its absolute values.
_STD_PER_MEDIAN = 1.4826
# The tuning constants, in standard deviations, at which a normal law costs 5% of efficiency.
_HUBER_CONSTANT = 1.345
_WELSCH_CONSTANT = 2.985
# Residuals and norms count as at least this share of the typical one: no rating weighs all.
_LOWEST_SHARE = 0.1


def robust_weights(residuals: np.ndarray, users: np.ndarray, loss: str) -> PairWeights:
    """Return the weights by which reweighted least squares minimise a loss of the residuals.

    They have a mean of 1 over the ratings, which leaves the step size what it is.
    """
    if loss == "r1":
        # The user's own weight drops out of what their factors learn.
        return PairWeights(np.ones_like(residuals), _mean_one(_row_weights(residuals, users)))
    weights = _mean_one(_LOSSES[loss](np.abs(residuals)))
    return PairWeights(weights, weights)


def _huber(sizes):
    limit = _HUBER_CONSTANT * _scale(sizes)
    return np.minimum(1, limit / np.maximum(sizes, limit))


def _welsch(sizes):
    return np.exp(-np.square(sizes / (_WELSCH_CONSTANT * _scale(sizes))))


def _l1(sizes):
    return 1 / np.maximum(sizes, _LOWEST_SHARE * _scale(sizes))


_LOSSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "squared": np.ones_like,
    "huber": _huber,
    "welsch": _welsch,
    "l1": _l1,
}
LOSSES = (*_LOSSES, "r1")


def _scale(sizes):
    """Return a standard deviation that outliers leave alone; positive."""
    return max(_STD_PER_MEDIAN * float(np.median(sizes)), 1e-6)


def _row_weights(residuals, users):
    """Return for each rating one over the norm of its user's residuals."""
    norms = np.sqrt(np.bincount(users, np.square(residuals)))
    typical = np.median(norms[np.bincount(users) > 0])
    return 1 / np.maximum(norms, max(_LOWEST_SHARE * typical, 1e-6))[users]


def _mean_one(weights):
    return (weights / weights.mean(dtype=np.float64)).astype(np.float32)


def trim_ratings(weights: PairWeights, residuals: np.ndarray, share: float) -> PairWeights:
    """Give no weight to the share of the ratings that fit worst."""
    kept = ~_largest(np.abs(residuals), share)
    return PairWeights(weights.users * kept, weights.items * kept)


def trim_users(
    weights: PairWeights, residuals: np.ndarray, users: np.ndarray, share: float
) -> PairWeights:
    """Let items learn nothing of the share of the users whose ratings fit worst.

    The factors of these users go on learning, so that they can come back.
    """
    counts = np.bincount(users)
    losses = np.bincount(users, np.square(residuals)) / np.maximum(counts, 1)
    rated = np.flatnonzero(counts)
    kept = np.ones(counts.size, dtype=bool)
    kept[rated] = ~_largest(losses[rated], share)
    return PairWeights(weights.users, weights.items * kept[users])


def _largest(values, share):
    """Return which values are the given share of largest ones, rounded down."""
    mask = np.zeros(values.size, dtype=bool)
    n_largest = int(share * values.size)
    if n_largest:
        mask[np.argpartition(values, -n_largest)[-n_largest:]] = True
    return mask
