"""EASE of fewer users than items: weights by way of the users, and never written down.

With B the interactions of few users, K = B B' + reg I and d the diagonal of B' K^-1 B, the inverse
of B' B + reg I is (I - B' K^-1 B) / reg, by Woodbury's identity. So the weights off the diagonal
are those of B' T with T = K^-1 B / (1 - d), and a profile's scores (profile B') T: of its overlaps
with the users. On the diagonal, where a weight has to be 0, that is d / (1 - d) too much.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack


class FewUsersWeights:
    """The weights of EASE, as a product.

    Parameters
    ----------
    B : csr_array of shape (n_users, n_items)
        Interactions, each of a user's times the root of the user's weight.

    reg : float
        Penalty.

    Raises
    ------
    ValueError
        If they cannot be computed in double precision.

    Notes
    -----
    O(n_users^2 n_items) time, O(n_users n_items) memory; BLAS should be held at one thread.
    """

    def __init__(self, B: sp.csr_array, reg: float):
        dense = B.toarray()
        products = (B @ B.T).toarray()
        products.flat[:: products.shape[0] + 1] += reg
        factor, failed = lapack.dpotrf(products, lower=True, overwrite_a=True)
        table, failed_too = lapack.dpotrs(factor, dense, lower=True)
        own = np.einsum("ui,ui->i", dense, table)
        if failed or failed_too or (own >= 1).any():
            raise ValueError("The weights cannot be computed in double precision: increase reg.")
        self.by_item = sp.csr_array(B.T)
        self.table = np.ascontiguousarray(table / (1 - own), dtype=np.float32)
        self.own = (own / (1 - own)).astype(np.float32)

    def dense(self) -> np.ndarray:
        """Return all weights, (n_items, n_items) float32."""
        weights = (self.by_item @ self.table).astype(np.float32)
        np.fill_diagonal(weights, 0)
        return weights
