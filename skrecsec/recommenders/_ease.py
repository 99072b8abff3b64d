"""EASE: an item-to-item model in closed form."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._compat import Number
from skrecsec.utils._memory import available_memory
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# The Gram matrix in float64, inverted in place, and its copy in float32.
_BYTES_PER_PAIR = 12


@register("recommender", "ease", title="EASE")
@complete
class EASERecommender(BaseInteractionRecommender):
    r"""Embarrassingly shallow autoencoder: linear weights between items, in closed form.

    A user's score of an item is the sum of the weights that it has from the items that the user has
    rated. There is one parameter, nothing is drawn at random, and few models rank better.

    Parameters
    ----------
    reg : float, default=300.0
        Penalty :math:`\lambda` on the squared weights. It belongs to the data: where ratings are
        few, smaller ones rank better and resist attacks better (30 to 100 on FilmTrust).

    %(interaction_model)s

    item_weights_ : ndarray of shape (n_items, n_items), dtype float32
        Weights from the rated item (row) to the scored one (column), 0 on the diagonal.

    See Also
    --------
    ItemKNNRecommender : Weights between items that need no inversion, for many items.

    Notes
    -----
    With B the matrix of interactions, the weights minimise :math:`\|B - B W\|^2 + \lambda \|W\|^2`
    with a diagonal of zeros. With :math:`P = (B^\top B + \lambda I)^{-1}` they are
    :math:`W_{ij} = -P_{ij} / P_{jj}`.

    Fitting takes O(n_items^3 + sum of squared profile lengths) time and 12 bytes times n_items^2 of
    memory, 4 of them to keep; whether that is to be had is checked before. A prediction takes
    O(n_ratings n_items). It reads which items were rated, not how.

    Raising what a few fake profiles rate takes them far less far than with models of squared error:
    what they add to a target's weights is bounded, see the user guide.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
       :doi:`10.1145/3308558.3313710`

    %(recommender.example)s
    >>> EASERecommender(reg=50.0).fit(X).recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "reg": [Number(0, None, closed="neither")],
    }

    def __init__(self, reg=300.0, *, interactions="all"):
        self.reg = reg
        self.interactions = interactions

    def _fit_interactions(self, X):
        _check_memory(X.shape[1])
        gram = self._gram(X).toarray()
        gram.flat[:: gram.shape[0] + 1] += self.reg
        with single_threaded():
            self.item_weights_ = _weights(gram)

    def _gram(self, X):
        return X.T @ X

    def _score_profiles(self, X):
        return (X.astype(np.float32) @ self.item_weights_).astype(np.float64)


def _weights(gram):
    """Return -P_ij / P_jj off the diagonal, P being the inverse of a matrix that is overwritten."""
    # The transpose is in Fortran's order, so that LAPACK works in place; it is symmetric anyway.
    factor, failed = lapack.dpotrf(gram.T, lower=False, overwrite_a=True, clean=False)
    inverse, failed_too = lapack.dpotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise ValueError("The weights cannot be computed in double precision: increase reg.")
    weights = np.triu(inverse).astype(np.float32)
    weights += np.triu(inverse, 1).T.astype(np.float32)
    diagonal = weights.diagonal().copy()
    weights /= -diagonal
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights)


def _check_memory(n_items):
    needed, available = _BYTES_PER_PAIR * n_items**2, available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"EASERecommender needs {needed / 2**30:.1f} GiB for {n_items} items, of which "
            f"{available / 2**30:.1f} GiB are available: drop items with few ratings, or use "
            f"ItemKNNRecommender."
        )
