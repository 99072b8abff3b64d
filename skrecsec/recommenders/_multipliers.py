"""Bounds of how many users a bounded push can win, by Lagrange multipliers."""

from __future__ import annotations

import numpy as np
import scipy.linalg

# Directions that the multipliers are chosen by; the bound itself is computed with all of them.
_N_DIRECTIONS = 150


def least_bound(costs, roots, budgets, multipliers=None) -> tuple[float, np.ndarray]:
    """Return the least bound found of the number of users who can be won, and its multipliers.

    It is, for multipliers d >= 0 of each user and block, the sum over users of (1 - min over
    places of sum_b d_b costs_b)+, plus that over blocks of budget_b times the largest eigenvalue of
    roots_b^T diag(d_b) roots_b. Whatever the multipliers, that is a bound; they are sought with
    the eigenvalues smoothed, over the largest directions.
    """
    from scipy.optimize import minimize  # slow to import

    n_users = roots[0].shape[0]
    smoothings = (0.1, 0.02)
    if multipliers is None:
        multipliers = np.full((len(costs), n_users), 0.5)
        smoothings = (0.3, *smoothings)
    best = float(n_users), multipliers
    if n_users == 0:
        return best
    leading = [np.ascontiguousarray(root[:, -_N_DIRECTIONS:]) for root in roots]
    for smoothing in smoothings:
        widths = [
            max(smoothing * _largest_eigenvalue(part, d), 1e-12)
            for part, d in zip(leading, multipliers, strict=True)
        ]
        result = minimize(
            _objective,
            multipliers.ravel(),
            args=(costs, leading, budgets, widths),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1e3)] * multipliers.size,
            options={"maxiter": 40, "maxcor": 20, "ftol": 1e-5},
        )
        multipliers = result.x.reshape(multipliers.shape)
    bound = _bound(multipliers, costs, roots, budgets)
    return min(best, (bound, multipliers), key=lambda found: found[0])


def _bound(multipliers, costs, roots, budgets):
    """Return the bound that multipliers give, with all directions."""
    reached, _ = _reached(multipliers, costs)
    total = np.maximum(1 - reached, 0).sum()
    for d, root, budget in zip(multipliers, roots, budgets, strict=True):
        total += budget * _largest_eigenvalue(root, d) * (1 + 1e-9)
    return float(total)


def _largest_eigenvalue(root, multipliers):
    form = root.T @ (multipliers[:, np.newaxis] * root)
    return scipy.linalg.eigvalsh(form, subset_by_index=[form.shape[0] - 1] * 2)[0]


def _reached(multipliers, costs):
    """Return the least of the weighted costs of each user over the places, and where it is."""
    total = sum(d[:, np.newaxis] * cost for d, cost in zip(multipliers, costs, strict=True))
    place = np.argmin(total, axis=1)
    return np.take_along_axis(total, place[:, np.newaxis], axis=1).ravel(), place


def _objective(flat, costs, roots, budgets, widths):
    """Return the smoothed bound and its gradient."""
    multipliers = flat.reshape(len(costs), -1)
    reached, place = _reached(multipliers, costs)
    value = np.maximum(1 - reached, 0).sum()
    gradient = np.empty_like(multipliers)
    users = np.arange(reached.size)
    for block, (root, budget, width) in enumerate(zip(roots, budgets, widths, strict=True)):
        form = root.T @ (multipliers[block][:, np.newaxis] * root)
        values, vectors = np.linalg.eigh(form)
        powers = np.exp((values - values[-1]) / width)
        value += budget * (values[-1] + width * np.log(powers.sum()))
        weights = powers / powers.sum()
        kept = weights > 1e-12
        slopes = (root @ vectors[:, kept]) ** 2 @ weights[kept]
        gradient[block] = budget * slopes - costs[block][users, place] * (reached < 1)
    return value, gradient.ravel()
