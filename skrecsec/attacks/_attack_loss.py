"""The attack loss that surrogates are trained on, beside that of the ratings."""

from __future__ import annotations

import scipy.sparse as sp

from skrecsec.base import BaseAttackTransformer
from skrecsec.training import AttackTerm, check_pretraining
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._signatures import complete


@complete
class BaseAttackLossTransformer(BaseAttackTransformer):
    """Base class of attacks whose surrogate is trained on ratings and on the attack loss."""

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "n_factors": [Count()],
        "n_pretrain_iter": [Count(0)],
        "max_iter": [Count()],
        "attack_weight": [Number(0, None, closed="left")],
        "attack_reduction": [StrOptions({"mean", "sum"})],
        "margin": [Number(0, None, closed="left")],
        "k": [Count()],
    }

    def __init__(
        self,
        *,
        n_factors=128,
        n_pretrain_iter=1,
        max_iter=15,
        attack_weight=1.0,
        attack_reduction="mean",
        margin=0.2,
        k=50,
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.n_factors = n_factors
        self.n_pretrain_iter = n_pretrain_iter
        self.max_iter = max_iter
        self.attack_weight = attack_weight
        self.attack_reduction = attack_reduction
        self.margin = margin
        self.k = k

    def _check_pretraining(self):
        check_pretraining(self.n_pretrain_iter, self.max_iter, "the attack")

    def _attack_term(self, known, budget, n_ratings):
        # The squared error is averaged over the ratings. Gradient steps on single ratings amount to
        # n_ratings / 2 times the loss, so the steps on single pairs have to as well.
        weight = float(self.attack_weight) * n_ratings / 2
        if self.attack_reduction == "mean":
            weight /= known.shape[0] * budget.target_items.size
        return AttackTerm(
            known=sp.csr_array(known),
            target_items=budget.target_items,
            k=self.k,
            margin=float(self.margin),
            goal=1 if self.goal == "push" else -1,
            weight=weight,
        )
