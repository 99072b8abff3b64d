"""EASE as a function of fake profiles, with its derivative, in closed form."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from skrecsec.training import ill_conditioned


class EASESurrogate:
    """EASE, fitted to genuine users once and for all, as fake profiles come and go.

    With P the inverse of the genuine users' Gram matrix plus the penalty, and fake profiles H, the
    inverse for both is, by Woodbury's identity, P - A^T (I + A H^T)^-1 A with A = H P. Only the
    columns of the targets are computed, but for `score_rows`.

    Parameters
    ----------
    inverse : ndarray of shape (n_items, n_items)
        P, symmetric.

    profiles : csr_array of shape (n_users, n_items)
        Ones, of the users that are asked what they are recommended.

    target_items : ndarray of shape (n_targets,)
        Items of whose scores the derivative is taken.
    """

    def __init__(self, inverse, profiles, target_items):
        self.inverse = inverse
        self.profiles = profiles
        self.target_items = target_items
        self._transposed = sp.csr_array(profiles.T)

    def update(self, fakes):
        """Let the fake profiles, CSR of ones, be these, and compute `target_scores`."""
        self.fakes = fakes
        self._products = fakes @ self.inverse
        system = np.eye(fakes.shape[0]) + fakes @ self._products.T
        self._system = np.linalg.inv((system + system.T) / 2)
        columns = self._columns(self.inverse[:, self.target_items], self.target_items)
        self._poisoned_columns = columns
        self._diagonal = columns[self.target_items, np.arange(columns.shape[1])]
        self.target_scores = self.profiles @ self._weights(columns, self.target_items)

    def _columns(self, columns, items):
        """Return columns of the poisoned inverse from those of the genuine one."""
        return columns - self._products.T @ (self._system @ self._products[:, items])

    @staticmethod
    def _weights(columns, items):
        places = items, np.arange(items.size)
        weights = columns / -columns[places]
        weights[places] = 0
        return weights

    def score_rows(self, rows) -> np.ndarray:
        """Return the scores of all items for some of the users, (n_rows, n_items)."""
        if getattr(self, "_weights_for", None) is not self.fakes:
            items = np.arange(self.inverse.shape[0])
            self._all_weights = self._weights(self._columns(self.inverse, items), items)
            self._weights_for = self.fakes
        return self.profiles[rows] @ self._all_weights

    def release(self):
        """Forget the weights of all items, which are as large as the inverse."""
        self._all_weights = self._weights_for = None

    def gradient(self, slopes) -> np.ndarray:
        """Return the derivative by the fake profiles, (n_fakes, n_items), of a function of scores.

        `slopes` are its derivatives by `target_scores`. An item that a fake profile does not have
        is one with a weight of 0.

        With Q the poisoned inverse, a change dH of the fakes changes it by -Q (dH^T H + H^T dH) Q.
        With D the derivatives by the targets' columns of Q, the result is
        -(H Q_T (Q D)^T + H Q D Q_T^T), of rank twice the number of targets at most.
        """
        columns, places = self._poisoned_columns, np.arange(self.target_items.size)
        by_weights = self._transposed @ slopes
        by_weights[self.target_items, places] = 0
        by_columns = by_weights / -self._diagonal
        by_columns[self.target_items, places] = (by_weights * columns).sum(axis=0) / (
            self._diagonal**2
        )
        solved = self.inverse @ by_columns
        solved -= self._products.T @ (self._system @ (self._products @ by_columns))
        fakes = self.fakes
        return -((fakes @ columns) @ solved.T + (fakes @ solved) @ columns.T)


def simulated_inverse(known, n_unknown, reg, shrinkage, rng) -> np.ndarray:
    """Return (G + reg I)^-1, G being a guess of the Gram matrix of all genuine users.

    It is that of the known users, CSR of ones, and of `n_unknown` users drawn from them with
    replacement. Of what the latter rate together, a share of `shrinkage` is replaced by what users
    would who rate each item independently of others, as often as the known users do. O(n_items^3 +
    sum of squared profile lengths).
    """
    n_known, n_items = known.shape
    own = known.T @ known
    drawn = np.bincount(rng.integers(n_known, size=n_unknown), minlength=n_known)
    weighted = sp.diags_array(drawn.astype(float)) @ known
    gram = (own + (1 - shrinkage) * (known.T @ weighted)).toarray()
    if shrinkage > 0 and n_unknown > 0:
        shares = own.diagonal() / n_known
        diagonal = gram.diagonal() + shrinkage * n_unknown * shares
        gram += np.multiply.outer(shrinkage * n_unknown * shares, shares)
        np.fill_diagonal(gram, diagonal)
    gram.flat[:: n_items + 1] += reg
    factor, failed = lapack.dpotrf(gram.T, lower=False, overwrite_a=True, clean=False)
    inverse, failed_too = lapack.dpotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise ill_conditioned()
    inverse = np.triu(inverse)
    inverse += np.triu(inverse, 1).T
    return np.ascontiguousarray(inverse)
