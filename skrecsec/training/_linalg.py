"""Small positive definite systems, one per row: folding in, and the sweeps of ridge factorisation.

Each row is computed by itself: its bits do not depend on the others.
"""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit, jit
from skrecsec.utils._sparse import check_compressed


def fold_in(item_factors, X, ratings, reg: float) -> np.ndarray:
    """Return the factors of profiles, by ridge regression of their ratings on the item factors.

    Parameters
    ----------
    item_factors : ndarray of shape (n_items, n_factors)
        Of a fitted model.

    X : csr_array or csr_matrix of shape (n_profiles, n_items)
        Says which items the profiles rate.

    ratings : ndarray of shape (n_ratings,)
        How, on the scale of the model, in the order of ``X.data``.

    reg : float
        Penalty.

    Returns
    -------
    profiles : ndarray of shape (n_profiles, n_factors), dtype float64
        Each computed by itself.

    Raises
    ------
    ValueError
        If an item has no factors.

    Notes
    -----
    O(n_ratings n_factors^2 + n_profiles n_factors^3) at most.
    """
    item_factors = np.ascontiguousarray(item_factors, dtype=np.float64)
    if item_factors.ndim != 2:
        raise ValueError(f"item_factors_ must be 2-D, got shape {item_factors.shape}.")
    shape = X.shape[0], item_factors.shape[0]
    check_compressed(
        X.indptr, X.indices, ratings.size, shape, "The matrix of profiles", ("user", "item")
    )
    return fold_in_rows(
        item_factors, X.indptr.astype(np.int64), X.indices.astype(np.int32), ratings, float(reg)
    )


@fast_jit
def fold_in_rows(item_factors, indptr, indices, ratings, reg):
    """Solve each profile against the item factors by ridge regression.

    For profile u with ratings r on items with factors A, the solution of
    (A^T A + reg I) p = A^T r; where u has fewer ratings than there are factors, by way of the
    smaller system (A A^T + reg I) a = r, p = A^T a. Returns float64 (n_profiles, n_factors).
    Each row is computed by itself: its bits do not depend on the others.
    """
    n_profiles = indptr.size - 1
    n_factors = item_factors.shape[1]
    profiles = np.zeros((n_profiles, n_factors))
    for u in range(n_profiles):
        items = indices[indptr[u] : indptr[u + 1]]
        r = ratings[indptr[u] : indptr[u + 1]]
        A = np.empty((items.size, n_factors))
        for x in range(items.size):
            A[x] = item_factors[items[x]]
        if items.size < n_factors:
            gram = _row_products(A)
            _add_to_diagonal(gram, reg)
            _add_combination(A, _solve_positive_definite(gram, r.copy()), profiles[u])
        else:
            gram = _column_products(A)
            _add_to_diagonal(gram, reg)
            right = np.zeros(n_factors)
            _add_combination(A, r, right)
            profiles[u] = _solve_positive_definite(gram, right)
    return profiles


@fast_jit
def _row_products(A):
    """Return the lower triangle of A A^T."""
    gram = np.zeros((A.shape[0], A.shape[0]))
    for x in range(A.shape[0]):
        for y in range(x + 1):
            total = 0.0
            for k in range(A.shape[1]):
                total += A[x, k] * A[y, k]
            gram[x, y] = total
    return gram


@fast_jit
def _column_products(A):
    """Return the lower triangle of A^T A; above it there may be anything.

    Four rows at a time, to touch the result less often, and two rows of the result, to touch A less
    often; each entry is added up in the same order wherever it stands.
    """
    n_rows, n_columns = A.shape
    gram = np.zeros((n_columns, n_columns))
    n_paired = n_columns - n_columns % 2
    for x in range(0, n_rows - n_rows % 4, 4):
        for a in range(0, n_paired, 2):
            a0, b0 = A[x, a], A[x, a + 1]
            a1, b1 = A[x + 1, a], A[x + 1, a + 1]
            a2, b2 = A[x + 2, a], A[x + 2, a + 1]
            a3, b3 = A[x + 3, a], A[x + 3, a + 1]
            for c in range(a + 2):
                c0, c1, c2, c3 = A[x, c], A[x + 1, c], A[x + 2, c], A[x + 3, c]
                gram[a, c] += a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3
                gram[a + 1, c] += b0 * c0 + b1 * c1 + b2 * c2 + b3 * c3
        for a in range(n_paired, n_columns):
            a0, a1, a2, a3 = A[x, a], A[x + 1, a], A[x + 2, a], A[x + 3, a]
            for c in range(a + 1):
                gram[a, c] += a0 * A[x, c] + a1 * A[x + 1, c] + a2 * A[x + 2, c] + a3 * A[x + 3, c]
    for x in range(n_rows - n_rows % 4, n_rows):
        for a in range(n_columns):
            for b in range(a + 1):
                gram[a, b] += A[x, a] * A[x, b]
    return gram


@fast_jit
def _add_to_diagonal(gram, reg):
    for a in range(gram.shape[0]):
        gram[a, a] += reg


@fast_jit
def _add_combination(A, weights, out):
    """Add weights^T A to `out`."""
    for x in range(A.shape[0]):
        w = weights[x]
        for k in range(A.shape[1]):
            out[k] += w * A[x, k]


@fast_jit
def _solve_positive_definite(L, x):
    """Solve in place by Cholesky; `L` holds the lower triangle, `x` the right-hand side."""
    n = L.shape[0]
    for a in range(n):
        for b in range(a + 1):
            total = L[a, b]
            for k in range(b):
                total -= L[a, k] * L[b, k]
            L[a, b] = np.sqrt(total) if a == b else total / L[b, b]
    for a in range(n):
        total = x[a]
        for k in range(a):
            total -= L[a, k] * x[k]
        x[a] = total / L[a, a]
    for a in range(n - 1, -1, -1):
        x[a] /= L[a, a]
        for k in range(a):
            x[k] -= L[a, k] * x[a]
    return x


@jit
def solve_rows(factors, indptr, indices, reg, right):
    """Solve (A^T A + reg I) x = right in place for each row, A being the factors that it rates."""
    for u in range(indptr.size - 1):
        items = indices[indptr[u] : indptr[u + 1]]
        A = np.empty((items.size, factors.shape[1]))
        for x in range(items.size):
            A[x] = factors[items[x]]
        gram = _column_products(A)
        _add_to_diagonal(gram, reg)
        _solve_positive_definite(gram, right[u])


@jit
def solve_weighted_rows(factors, indptr, indices, weight, base, right):
    """Solve (weight A^T A + base) x = right in place for each row, A as in `solve_rows`."""
    n_factors = factors.shape[1]
    for u in range(indptr.size - 1):
        items = indices[indptr[u] : indptr[u + 1]]
        A = np.empty((items.size, n_factors))
        for x in range(items.size):
            A[x] = factors[items[x]]
        gram = _column_products(A)
        for a in range(n_factors):
            for b in range(a + 1):
                gram[a, b] = weight * gram[a, b] + base[a, b]
        _solve_positive_definite(gram, right[u])


@jit
def user_products(user_factors, indptr, indices, items):
    """Return the sum of p p^T over the users who rated an item, for each of `items`."""
    n_factors = user_factors.shape[1]
    products = np.zeros((items.size, n_factors, n_factors))
    for x in range(items.size):
        users = indices[indptr[items[x]] : indptr[items[x] + 1]]
        factors = np.empty((users.size, n_factors))
        for y in range(users.size):
            factors[y] = user_factors[users[y]]
        lower = _column_products(factors)
        for a in range(n_factors):
            for b in range(a + 1):
                products[x, a, b] = products[x, b, a] = lower[a, b]
    return products
