"""The attack loss that surrogates are trained on, beside that of the ratings."""

from __future__ import annotations

from numbers import Integral, Real

import scipy.sparse as sp

from skrecsec.recommenders._solver import AttackTerm
from skrecsec.utils._compat import Interval, StrOptions


class AttackLossMixin:
    """The parameters of a surrogate that is trained on ratings and on the attack loss."""

    _parameter_constraints: dict = {
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "n_pretrain_iter": [Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "attack_weight": [Interval(Real, 0, None, closed="left")],
        "attack_reduction": [StrOptions({"mean", "sum"})],
        "margin": [Interval(Real, 0, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left")],
    }

    def _check_pretraining(self):
        if self.n_pretrain_iter >= self.max_iter:
            raise ValueError(
                f"n_pretrain_iter={self.n_pretrain_iter} must leave at least one of the "
                f"max_iter={self.max_iter} epochs for the attack."
            )

    def _attack_term(self, known, budget, n_ratings):
        # The squared error is averaged over the ratings. Gradient steps on single ratings amount to
        # n_ratings / 2 times the loss, so the steps on single pairs have to as well.
        weight = self.attack_weight * n_ratings / 2
        if self.attack_reduction == "mean":
            weight /= known.shape[0] * budget.target_items.size
        return AttackTerm(
            known=sp.csr_array(known),
            target_items=budget.target_items,
            k=self.k,
            margin=self.margin,
            goal=1 if self.goal == "push" else -1,
            weight=weight,
        )
