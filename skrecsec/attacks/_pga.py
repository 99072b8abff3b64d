"""Projected gradient ascent on fake ratings, through the optimum of a matrix factorisation."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import average_profiles, highest_fillers, profiles_from_fillers
from skrecsec.attacks._selection import pattern
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.training import (
    RidgeFactorization,
    WeightedFactorization,
    draw_item_factors,
    ill_conditioned,
    largest_singular_value,
)
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._memory import check_memory
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# The first fit of the surrogate starts from nothing, later ones from the last.
_N_INITIAL_SWEEPS = 10

# The fake users' ratings, gradients and what comes in between: arrays of numbers for all items.
_BYTES_PER_CELL = 56


@register("attack", "pga")
@complete
class PGAAttackTransformer(BaseAttackTransformer):
    r"""Projected gradient ascent attack on the alternating least squares of a factorisation.

    A surrogate, ridge matrix factorisation, is fitted to the known profiles and the fake ones. The
    fake ratings climb the gradient of the targets' predicted ratings, which is taken through the
    first-order conditions of the fit; then the surrogate is fitted again. At the end the largest
    ratings of each fake user are kept.

    Parameters
    ----------
    %(ridge_surrogate)s

    max_iter : int, default=20
        Number of gradient steps.

    learning_rate : float, default=0.05
        Root mean square of the changes of the ratings in a step, on the [0, 1] scale.

    n_sweeps : int, default=2
        Number of alternating sweeps of ridge solves in each step: so many to fit the surrogate
        again, and so many to differentiate through.

    surrogate : {"rating", "ranking"}, default="rating"
        What the surrogate is fitted to: the ratings, or, as models of implicit feedback are, ones
        where there are ratings and zeros where there are none.

    %(attack)s

    n_iter_ : int
        Number of gradient steps.

    See Also
    --------
    CoAttackTransformer : Trains a surrogate towards its goal and rates what that predicts.
    AverageAttackTransformer : The profiles from which the ascent starts.

    Notes
    -----
    %(appends_rows)s

    With ratings :math:`x_{ui}` on the [0, 1] scale, the factors of the surrogate satisfy

    .. math:: \Bigl(\lambda I + \sum_i v_i v_i^\top\Bigr) p_u = \sum_i x_{ui} v_i, \qquad
        \Bigl(\lambda I + \sum_u p_u p_u^\top\Bigr) v_i = \sum_u x_{ui} p_u,

    the sums being over the ratings of a user or an item. The objective is the original's integrity
    utility, the mean over the known users U of :math:`\sum_{t \in T} p_u \cdot v_t`, with its sign
    turned for a nuke attack. By the implicit function theorem its derivative with respect to the
    rating of item i by fake user f is :math:`z_f \cdot v_i + p_f \cdot z_i`, where z solves the
    linear system of the Hessian of the penalised squared error with the gradient of the objective
    on the right. The system is solved by `n_sweeps` sweeps of block Gauss-Seidel from zero, items
    first. That is the same as differentiating through the last `n_sweeps` sweeps of alternating
    least squares; as `n_sweeps` grows it becomes the derivative of the optimum. Fits start from
    the factors of the step before, and meet the conditions as far as they have converged.

    Differences from [1]_:

    - It differentiates item factors only, with all user factors held:
      :math:`\partial v_i / \partial x_{fi} = (\lambda I + \sum_u p_u p_u^\top)^{-1} p_f`. For the
      objective above that leaves no gradient on fillers, because :math:`v_t` depends on the ratings
      of t alone. One sweep adds the path from a filler by way of the fake user's factors to the
      target's; two add those by way of the filler's factors to the known users'.
    - Ratings are not centred. The ascent moves a number for each fake user and item, zero where
      the item is not rated to begin with, and the surrogate sees the projection to the budget: the
      largest numbers of each user, within the lowest and the highest level. As with dual averaging,
      the numbers themselves are not projected, so that those which reach the highest level remain
      ordered.
    - The gradient is scaled to unit root mean square and the penalty to the data, so that one
      choice of parameters serves large and small data.

    It starts from the profiles of the average attack, which differ from one another; from equal
    profiles the gradients would be equal as well.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. A step
    takes O(n_sweeps (n_ratings n_factors^2 + (n_users + n_items) n_factors^3) + n_fake_profiles
    n_items n_factors) time, users and ratings being the known and the fake ones. Memory is
    O((n_users + n_items) n_factors + n_ratings + n_fake_profiles n_items).

    References
    ----------
    .. [1] B. Li, Y. Wang, A. Singh, Y. Vorobeychik, "Data Poisoning Attacks on Factorization-Based
       Collaborative Filtering", NeurIPS 2016. :doi:`10.48550/arXiv.1608.08182`

    %(attack.example)s
    >>> attack = PGAAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "n_factors": [Count()],
        "reg": [Number(0, 1, closed="neither")],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "n_sweeps": [Count()],
        "surrogate": [StrOptions({"rating", "ranking"})],
    }

    def __init__(
        self,
        *,
        n_factors=16,
        reg=0.05,
        max_iter=20,
        learning_rate=0.05,
        n_sweeps=2,
        surrogate="rating",
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.n_factors = n_factors
        self.reg = reg
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.n_sweeps = n_sweeps
        self.surrogate = surrogate

    def _craft_profiles(self, known, budget, rng):
        self.n_iter_ = self.max_iter
        n_items = known.shape[1]
        highest = budget.rating_levels[-1]
        check_memory(
            _BYTES_PER_CELL * budget.n_profiles * n_items,
            f"Gradients for {budget.n_profiles} fake profiles and {n_items} items; lower "
            f"attack_size",
        )
        start = complete_profiles(average_profiles(known, budget, rng), n_items, budget)
        known, values = known / highest, start.toarray() / highest
        n_users = known.shape[0] + budget.n_profiles
        item_factors = draw_item_factors(n_users, n_items, self.n_factors, rng)
        step = self.learning_rate if self.goal == "push" else -self.learning_rate
        to_fit, make = (lambda ratings: ratings), RidgeFactorization
        if self.surrogate == "ranking":
            to_fit, make = pattern, WeightedFactorization
        with single_threaded():
            surrogate = make(item_factors, self.reg * largest_singular_value(to_fit(known)))
            n_sweeps = _N_INITIAL_SWEEPS
            for _ in range(self.max_iter):
                fakes = complete_profiles(_largest(values, budget) * highest, n_items, budget)
                ratings = sp.vstack([known, fakes / highest], format="csr")
                surrogate.fit(to_fit(ratings), n_sweeps)
                n_sweeps = self.n_sweeps
                values += step * _unit_rms(
                    _fake_gradient(surrogate, known.shape[0], budget.target_items, self.n_sweeps)
                )
            return _largest(values, budget) * highest


def _fake_gradient(surrogate, n_known, targets, n_sweeps):
    """Differentiate the targets' mean prediction with respect to the fake ratings.

    The objective is the mean, over users 0 to n_known - 1, of the sum of the predictions for the
    targets; the other users are fake. Returns (n_fakes, n_items), 0 for the targets. The derivative
    is also given for ratings that are not there, as if they had an infinitesimal weight, by which
    it is divided.
    """
    P, Q = surrogate.user_factors, surrogate.item_factors
    user_gradient, item_gradient = np.zeros_like(P), np.zeros_like(Q)
    user_gradient[:n_known] = Q[targets].sum(axis=0) / n_known
    item_gradient[targets] = P[:n_known].mean(axis=0)
    user_adjoints, item_adjoints = surrogate.adjoints(user_gradient, item_gradient, n_sweeps)
    gradient = user_adjoints[n_known:] @ Q.T
    gradient += P[n_known:] @ item_adjoints.T
    gradient[:, targets] = 0
    return gradient


def _unit_rms(gradient):
    """Scale in place to unit root mean square; zeros, from a surrogate that is zero, stay."""
    largest = max(gradient.max(), -gradient.min())
    if not np.isfinite(largest):
        raise ill_conditioned()
    if largest > 0:
        gradient /= largest  # so that squares do not underflow
        gradient /= np.sqrt((gradient**2).mean())
    return gradient


def _largest(values, budget):
    """Return the largest values of each fake user as profiles of fillers, targets left out."""
    items = highest_fillers(values, budget)
    return profiles_from_fillers(items, np.take_along_axis(values, items, axis=1), values.shape[1])
