"""The surrogate of Leg-UP: how the ratings of fake profiles move targets in the lists of users."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.training import (
    RidgeFactorization,
    draw_item_factors,
    ill_conditioned,
    largest_singular_value,
)
from skrecsec.utils._compiling import jit
from skrecsec.utils._ranking import mask_seen, row_blocks

# The first fit of the surrogate starts from nothing, later ones from the last.
_N_INITIAL_SWEEPS = 10
# What scores between 0 and 1 are multiplied with before exponentials are taken: as if of 1 to 5.
_SHARPNESS = 5.0


class ListSurrogate:
    """Ridge factorisation that follows fake profiles, with the derivative of a loss of lists.

    Parameters
    ----------
    known : csr_array of shape (n_known_users, n_items)
        Known ratings on the [0, 1] scale.

    target_items : ndarray of shape (n_targets,)
        The targets.

    n_fakes : int
        Number of fake profiles.

    sign : {1, -1}
        1 to promote the targets, -1 to demote them.

    n_factors : int
        Number of latent factors.

    reg : float
        Penalty, as a fraction of the largest singular value of the known ratings.

    n_sweeps : int
        So many to fit the model again, and so many to differentiate through.

    rng : Generator
        Draws the factors to start from.
    """

    def __init__(self, known, target_items, n_fakes, sign, *, n_factors, reg, n_sweeps, rng):
        self._known = known
        self._target_items = target_items
        self._sign = sign
        self._n_sweeps = n_sweeps
        n_users, n_items = known.shape
        item_factors = draw_item_factors(n_users + n_fakes, n_items, n_factors, rng)
        self._model = RidgeFactorization(item_factors, reg * largest_singular_value(known))
        self._is_fitted = False

    def slopes(self, fakes, rows, items) -> tuple[float, np.ndarray]:
        """Fit to fake profiles, CSR on the [0, 1] scale, and differentiate the loss.

        Returns the loss, and its derivative by the ratings of the given fake users and items.
        """
        n_sweeps = self._n_sweeps if self._is_fitted else _N_INITIAL_SWEEPS
        model = self._model
        model.fit(sp.vstack([self._known, fakes], format="csr"), n_sweeps)
        self._is_fitted = True
        loss, *gradients = list_loss(
            model.user_factors, model.item_factors, self._known, self._target_items, self._sign
        )
        user_adjoints, item_adjoints = model.adjoints(*gradients, self._n_sweeps)
        places = self._known.shape[0] + rows
        slopes = (user_adjoints[places] * model.item_factors[items]).sum(axis=1)
        slopes += (model.user_factors[places] * item_adjoints[items]).sum(axis=1)
        if not np.isfinite(slopes).all():
            raise ill_conditioned()
        return loss, slopes


def list_loss(user_factors, item_factors, known, targets, sign):
    """Return the loss of the lists of the known users, and its derivatives by all factors.

    It is the mean, over known users and the targets that they have not rated, of the negative
    logarithm of the target's share of the exponentials of scores, among the items that the user has
    not rated and that are scored as high as the target or higher (to demote, as low or lower). The
    known users are the first rows. Works in blocks of users.
    """
    user_gradient, item_gradient = np.zeros_like(user_factors), np.zeros_like(item_factors)
    unseen = known[:, targets].toarray() == 0
    n_pairs = max(1, int(np.count_nonzero(unseen)))
    scale = sign * _SHARPNESS
    loss = 0.0
    for rows in row_blocks(*known.shape):
        users = user_factors[: known.shape[0]][rows]
        scores = scale * (users @ item_factors.T)
        mask_seen(scores, known[rows])
        loss += _list_slopes(scores, targets)
        slopes = scores * (scale / n_pairs)
        user_gradient[: known.shape[0]][rows] = slopes @ item_factors
        item_gradient += slopes.T @ users
    return loss / n_pairs, user_gradient, item_gradient


@jit
def _list_slopes(scores, targets):
    """Return the sum of the losses, and replace scores by the derivatives of that sum.

    Scores of -inf are those of items that are left out.
    """
    n_users, n_items = scores.shape
    loss = 0.0
    exponentials = np.empty(n_items)
    for u in range(n_users):
        highest = scores[u].max()
        for i in range(n_items):
            exponentials[i] = np.exp(scores[u, i] - highest) if scores[u, i] > -np.inf else 0.0
        slopes = np.zeros(n_items)
        for t in targets:
            bound = scores[u, t]
            if bound == -np.inf:
                continue
            total = 0.0
            for i in range(n_items):
                if scores[u, i] >= bound:
                    total += exponentials[i]
            loss += np.log(total) - (bound - highest)
            for i in range(n_items):
                if scores[u, i] >= bound:
                    slopes[i] += exponentials[i] / total
            slopes[t] -= 1
        scores[u] = slopes
    return loss
