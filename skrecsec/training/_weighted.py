"""Weighted matrix factorisation of implicit feedback, and its derivatives."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.training._linalg import solve_weighted_rows
from skrecsec.training._ridge import csr_arrays, ill_conditioned
from skrecsec.utils._compiling import jit


class WeightedFactorization:
    """Factorisation of ones and zeros by alternating ridge solves, and its derivatives.

    It minimises half the squared error of all cells, 1 where there is an interaction and 0 where
    there is none, the latter weighted with `zero_weight`, plus half the penalty on the squared
    factors. Raises a ValueError where a system has no finite solution.

    `fit` leaves the factors where first-order conditions hold for the items, and, once it has
    converged, for the users as well. A sweep takes O(n_ratings n_factors^2 + (n_users + n_items)
    n_factors^3) time, and O((n_ratings + (n_users + n_items) n_factors) n_factors) if all cells
    weigh the same.
    """

    def __init__(self, item_factors, reg, zero_weight=1.0):
        self.item_factors = item_factors
        self.reg = float(reg)
        self.zero_weight = float(zero_weight)

    def fit(self, interactions, n_sweeps):
        """Run alternating sweeps, users first, from the current item factors."""
        self._by_user = interactions
        self._by_item = sp.csr_array(interactions.T)
        for _ in range(n_sweeps):
            Q = self.item_factors
            self.user_factors = self._solve(Q, self._by_user, self._by_user @ Q)
            P = self.user_factors
            self.item_factors = self._solve(P, self._by_item, self._by_item @ P)
        if not (np.isfinite(self.user_factors).all() and np.isfinite(self.item_factors).all()):
            raise ill_conditioned()

    def adjoints(self, user_gradient, item_gradient, n_sweeps):
        """Solve H z = gradient, H being the Hessian of what is minimised.

        Block Gauss-Seidel from zero, items first: the transpose of as many sweeps of `fit`.
        """
        P, Q = self.user_factors, self.item_factors
        user_adjoints = np.zeros_like(P)
        for _ in range(n_sweeps):
            right = item_gradient - self._coupling(Q, P, user_adjoints, self._by_item)
            item_adjoints = self._solve(P, self._by_item, right)
            right = user_gradient - self._coupling(P, Q, item_adjoints, self._by_user)
            user_adjoints = self._solve(Q, self._by_user, right)
        return user_adjoints, item_adjoints

    def fake_gradient(self, user_adjoints, item_adjoints, rows):
        """Return the derivative of what the adjoints are of by the interactions of some users.

        An interaction that is not there has a weight of 0, and one that is a weight of 1; so an
        interaction moves its cell's target from 0 to 1 and its weight from `zero_weight` to 1.
        """
        P, Q = self.user_factors[rows], self.item_factors
        moved = user_adjoints[rows] @ Q.T + P @ item_adjoints.T
        if self.zero_weight != 1:
            moved *= 1 - (1 - self.zero_weight) * (P @ Q.T)
        return moved

    def _solve(self, factors, interactions, right):
        """Solve the systems of rows that interact with what has the factors."""
        base = self.zero_weight * (factors.T @ factors)
        base.flat[:: base.shape[0] + 1] += self.reg
        if self.zero_weight == 1:  # then one system serves all
            try:
                return np.linalg.solve(base, right.T).T.copy()
            except np.linalg.LinAlgError as error:
                raise ill_conditioned() from error
        indptr, indices, _ = csr_arrays(interactions)
        right = np.ascontiguousarray(right)
        solve_weighted_rows(factors, indptr, indices, 1 - self.zero_weight, base, right)
        return right

    def _coupling(self, own, other, adjoints, interactions):
        """Return the off-diagonal blocks of the Hessian times the adjoints of the other side."""
        background = own @ (adjoints.T @ other) + own @ (other.T @ adjoints)
        if self.zero_weight == 1:  # then interactions move the targets of cells only
            return background - interactions @ adjoints
        indptr, indices, _ = csr_arrays(interactions)
        observed = _observed_coupling(own, other, adjoints, indptr, indices, 1 - self.zero_weight)
        return self.zero_weight * background + observed


@jit
def _observed_coupling(own, other, adjoints, indptr, indices, weight):
    """Return what interactions add to the coupling of cells without any.

    For row u with factors p, and factors q and adjoints z on the other side, the sum over its
    interactions of w (p . z) q - (1 - w p . q) z, w being how much more an interaction weighs.
    """
    result = np.zeros_like(own)
    n_factors = own.shape[1]
    for u in range(indptr.size - 1):
        for x in range(indptr[u], indptr[u + 1]):
            i = indices[x]
            score = 0.0
            product = 0.0
            for k in range(n_factors):
                score += own[u, k] * other[i, k]
                product += own[u, k] * adjoints[i, k]
            for k in range(n_factors):
                change = weight * product * other[i, k]
                result[u, k] += change - (1 - weight * score) * adjoints[i, k]
    return result
