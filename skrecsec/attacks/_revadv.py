"""Fake profiles by the gradient through the training of a weighted factorisation."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._selecting import BaseSelectionAttackTransformer
from skrecsec.training import WeightedFactorization, draw_item_factors
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# The first fit of a surrogate starts from nothing, later ones from the last.
_N_INITIAL_SWEEPS = 10


@register("attack", "revadv")
@complete
class RevAdvAttackTransformer(BaseSelectionAttackTransformer):
    """TODO"""

    _parameter_constraints: dict = {
        **BaseSelectionAttackTransformer._parameter_constraints,
        "n_factors": [Count()],
        "reg": [Number(0, None, closed="neither")],
        "zero_weight": [Number(0, 1, closed="right")],
        "n_sweeps": [Count()],
        "n_surrogates": [Count()],
        "shrinkage": [Number(0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        n_factors=64,
        reg=10.0,
        zero_weight=1.0,
        n_sweeps=2,
        n_surrogates=4,
        shrinkage=0.3,
        **search,
    ):
        super().__init__(**search)
        self.n_factors = n_factors
        self.reg = reg
        self.zero_weight = zero_weight
        self.n_sweeps = n_sweeps
        self.n_surrogates = n_surrogates
        self.shrinkage = shrinkage

    def _make_surrogates(self, known, budget, rng):
        n_known, n_items = known.shape
        n_unknown = max(0, round(n_known / self.knowledge) - n_known)
        surrogates = []
        for _ in range(self.n_surrogates if n_unknown > 0 else 1):
            users = sp.vstack(
                [known, simulated_users(known, n_unknown, self.shrinkage, rng)], format="csr"
            )
            factors = draw_item_factors(
                users.shape[0] + budget.n_profiles, n_items, self.n_factors, rng
            )
            model = WeightedFactorization(factors, self.reg, self.zero_weight)
            surrogates.append(
                FactorizationSurrogate(model, users, n_known, budget.target_items, self.n_sweeps)
            )
        return surrogates


class FactorizationSurrogate:
    """A weighted factorisation that follows fake profiles, with its derivative.

    Parameters
    ----------
    model : WeightedFactorization
        Not fitted yet.

    users : csr_array of shape (n_users, n_items)
        Interactions of genuine users, of whom the first `n_asked` are asked what they are
        recommended.

    n_asked : int
        How many that are.

    target_items : ndarray of shape (n_targets,)
        Items of whose scores the derivative is taken.

    n_sweeps : int
        So many to fit the model again, and so many to differentiate through.
    """

    def __init__(self, model, users, n_asked, target_items, n_sweeps):
        self.model = model
        self.users = users
        self.n_asked = n_asked
        self.target_items = target_items
        self.n_sweeps = n_sweeps
        self._is_fitted = False

    def update(self, fakes):
        """Fit to other fake profiles, CSR of ones, and compute `target_scores`."""
        n_sweeps = self.n_sweeps if self._is_fitted else _N_INITIAL_SWEEPS
        self.model.fit(sp.vstack([self.users, fakes], format="csr"), n_sweeps)
        self._is_fitted = True
        asked = self.model.user_factors[: self.n_asked]
        self.target_scores = asked @ self.model.item_factors[self.target_items].T

    def score_rows(self, rows) -> np.ndarray:
        """Return the scores of all items for some of the users, (n_rows, n_items)."""
        return self.model.user_factors[: self.n_asked][rows] @ self.model.item_factors.T

    def release(self):
        """Nothing is held that is large."""

    def gradient(self, slopes) -> np.ndarray:
        """Return the derivative by the fake profiles, (n_fakes, n_items), of a function of scores.

        `slopes` are its derivatives by `target_scores`.
        """
        P, Q = self.model.user_factors, self.model.item_factors
        user_gradient, item_gradient = np.zeros_like(P), np.zeros_like(Q)
        user_gradient[: self.n_asked] = slopes @ Q[self.target_items]
        item_gradient[self.target_items] = slopes.T @ P[: self.n_asked]
        adjoints = self.model.adjoints(user_gradient, item_gradient, self.n_sweeps)
        return self.model.fake_gradient(*adjoints, slice(self.users.shape[0], None))


def simulated_users(known, n_users, shrinkage, rng) -> sp.csr_array:
    """Return interactions of users who resemble known ones, CSR of ones, (n_users, n_items).

    Profiles are drawn with replacement, and of their items a share, such that `shrinkage` of the
    pairs are broken up, is replaced by items drawn as often as they are known.
    """
    drawn = known[rng.integers(known.shape[0], size=n_users)]
    replaced = rng.random(drawn.nnz) > np.sqrt(1 - shrinkage)
    items = drawn.indices.copy()
    items[replaced] = rng.choice(known.indices, replaced.sum())
    result = sp.csr_array((np.ones(items.size), items, drawn.indptr.copy()), shape=drawn.shape)
    result.sum_duplicates()
    result.data[:] = 1
    return result
