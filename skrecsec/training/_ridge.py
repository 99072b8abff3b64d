"""Ridge matrix factorisation, the surrogate of attacks that differentiate through a fit."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.training._linalg import fold_in_rows, solve_rows
from skrecsec.utils._compiling import jit
from skrecsec.utils._memory import check_memory

_N_POWER_ITERATIONS = 20


def ill_conditioned() -> ValueError:
    """Return the error for systems that cannot be solved in floating point."""
    return ValueError(
        "The surrogate cannot be fitted: ratings differ too much in size. Remove outliers, take "
        "np.log1p of counts, or increase reg."
    )


def draw_item_factors(n_users, n_items, n_factors, rng, *, n_systems=1):
    """Draw item factors to start from, (n_items, n_factors).

    Raises a MemoryError if `n_systems` systems of equations, and four arrays of factors, are too
    much.
    """
    n_numbers = n_factors * (4 * (n_users + n_items) + n_systems * n_factors)
    check_memory(8 * n_numbers, f"n_factors={n_factors} are too many for the surrogate")
    return rng.normal(0, 0.1, (n_items, n_factors))


class RidgeFactorization:
    """Matrix factorisation by alternating ridge solves, and its derivatives.

    Raises a ValueError where a system is so ill-conditioned that it has no finite solution.

    `fit` leaves the factors where first-order conditions hold for the items, and, once it has
    converged, for the users as well.
    """

    def __init__(self, item_factors, reg):
        self.item_factors = item_factors
        self.reg = float(reg)

    def fit(self, ratings, n_sweeps):
        """Run alternating sweeps, users first, from the current item factors."""
        self._by_user = csr_arrays(ratings)
        self._by_item = csr_arrays(sp.csr_array(ratings.T))
        for _ in range(n_sweeps):
            self.user_factors = fold_in_rows(self.item_factors, *self._by_user, self.reg)
            self.item_factors = fold_in_rows(self.user_factors, *self._by_item, self.reg)
        if not (np.isfinite(self.user_factors).all() and np.isfinite(self.item_factors).all()):
            raise ill_conditioned()

    def adjoints(self, user_gradient, item_gradient, n_sweeps):
        """Solve H z = gradient, H being the Hessian of half the penalised squared error.

        Block Gauss-Seidel from zero, items first: the transpose of as many sweeps of `fit`.
        """
        P, Q = self.user_factors, self.item_factors
        user_adjoints = np.zeros_like(P)
        for _ in range(n_sweeps):
            coupling = _coupling(Q, P, user_adjoints, *self._by_item)
            item_adjoints = item_gradient - coupling
            solve_rows(P, *self._by_item[:2], self.reg, item_adjoints)
            coupling = _coupling(P, Q, item_adjoints, *self._by_user)
            user_adjoints = user_gradient - coupling
            solve_rows(Q, *self._by_user[:2], self.reg, user_adjoints)
        return user_adjoints, item_adjoints


def csr_arrays(ratings):
    """Return CSR ratings as the arrays that the kernels take."""
    return ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32), ratings.data


def largest_singular_value(ratings):
    """Return the largest singular value of a matrix without negative entries, by power iteration.

    It is the smallest penalty with which zero is a local minimum of the factorisation: the Hessian
    of half its penalised squared error there has the penalty on the diagonal and minus the ratings
    off it. O(n_ratings).
    """
    vector = np.ones(ratings.shape[1])
    for _ in range(_N_POWER_ITERATIONS):
        vector /= np.linalg.norm(vector)
        vector = ratings.T @ (ratings @ vector)
        if not 0 < np.linalg.norm(vector) < np.inf:
            raise ill_conditioned()
    return np.sqrt(np.linalg.norm(vector))


@jit
def _coupling(own, other, adjoints, indptr, indices, ratings):
    """Return the off-diagonal blocks of the Hessian times the adjoints of the other side.

    For row u with factors p, and factors q, adjoints z and errors e = r - p . q on the other side,
    the sum over what u rates of (p . z) q - e z.
    """
    result = np.zeros_like(own)
    n_factors = own.shape[1]
    for u in range(indptr.size - 1):
        for x in range(indptr[u], indptr[u + 1]):
            i = indices[x]
            error = ratings[x]
            product = 0.0
            for k in range(n_factors):
                error -= own[u, k] * other[i, k]
                product += own[u, k] * adjoints[i, k]
            for k in range(n_factors):
                result[u, k] += product * other[i, k] - error * adjoints[i, k]
    return result
