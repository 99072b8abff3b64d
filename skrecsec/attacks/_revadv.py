"""Fake profiles by the gradient through the training of a weighted factorisation."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._selecting import BaseSelectionAttackTransformer
from skrecsec.attacks._trials import count_users
from skrecsec.training import WeightedFactorization, draw_item_factors
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# The first fit of a surrogate starts from nothing, later ones from the last.
_N_INITIAL_SWEEPS = 10


@register("attack", "revadv")
@complete
class RevAdvAttackTransformer(BaseSelectionAttackTransformer):
    r"""Attack on models of implicit feedback, through the training of a weighted factorisation.

    A surrogate, weighted matrix factorisation, is fitted to genuine and fake profiles by
    alternating least squares, the last sweeps of which are differentiated. The items of the fake
    profiles descend that gradient until the targets are on as many lists as possible.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors of the surrogates, at most that of items.

    reg : float, default=10.0
        Penalty on the squared factors of the surrogates.

    zero_weight : float, default=1.0
        Weight, in (0, 1], of what was not rated against what was. 1 is fastest, and what
        `implicit` fits where all interactions are alike.

    n_sweeps : int, default=2
        Number of alternating sweeps in each step: so many to fit a surrogate again, and so many to
        differentiate through.

    %(selection)s

    See Also
    --------
    EASEAttackTransformer : By the gradient through a model in closed form.
    PGAAttackTransformer : Made for models that are fitted to ratings.

    Notes
    -----
    %(appends_rows)s

    %(selection.notes)s

    With :math:`x_{ui}` 1 for interactions and 0 else, and weights :math:`c_{ui}` of 1 and
    :math:`w_0`, a surrogate minimises

    .. math:: \sum_{u, i} c_{ui} (x_{ui} - p_u \cdot q_i)^2
        + \lambda \Bigl(\sum_u \|p_u\|^2 + \sum_i \|q_i\|^2\Bigr).

    An interaction of a fake profile moves both its :math:`x_{fi}` and its :math:`c_{fi}`; the
    derivative by it is

    .. math:: (1 - (1 - w_0) \, p_f \cdot q_i)(y_f \cdot q_i + p_f \cdot y_i),

    where y solves the linear system of the Hessian with the gradient of the loss on the right, by
    `n_sweeps` sweeps of block Gauss-Seidel from zero. That is the same as differentiating through
    the last `n_sweeps` sweeps of the fit.

    The idea of [1]_ is that the training of a surrogate that ranks has to be differentiated
    through, of which the last steps suffice. What differs: the surrogate is fitted by alternating
    least squares and goes on from the factors of the step before; the loss counts lists of k items;
    there are several surrogates with guessed unknown users; and the length of profiles may be free.

    The attacker needs to know some profiles; nothing about the victim. A step takes
    O(n_sweeps (n_ratings + (n_users + n_items) n_factors) n_factors), and, if `zero_weight` is not
    1, n_factors times that; with the thresholds O(n_users n_items n_factors) more. Memory is
    O(n_surrogates ((n_users + n_items) n_factors + n_ratings) + n_fake_profiles n_items), and one
    block of scores.

    References
    ----------
    .. [1] J. Tang, H. Wen, K. Wang, "Revisiting Adversarially Learned Injection Attacks Against
       Recommender Systems", RecSys 2020. :doi:`10.1145/3383313.3412243`

    %(attack.example)s
    >>> attack = RevAdvAttackTransformer(n_factors=8, reg=1.0, random_state=0).fit(X)
    >>> attack.poison_.shape, attack.profile_size_
    ((3, 80), 15)
    """

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
        n_unknown = count_users(known, budget) - n_known
        # More factors than items are no other model.
        n_factors = min(self.n_factors, n_items)
        surrogates = []
        for _ in range(self.n_surrogates if n_unknown > 0 else 1):
            users = sp.vstack(
                [known, simulated_users(known, n_unknown, self.shrinkage, rng)], format="csr"
            )
            factors = draw_item_factors(users.shape[0] + budget.n_profiles, n_items, n_factors, rng)
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
