"""Fake profiles by the gradient through the closed form of EASE."""

from __future__ import annotations

import numpy as np

from skrecsec.attacks._ease_surrogate import EASESurrogate, simulated_inverse
from skrecsec.attacks._selecting import BaseSelectionAttackTransformer
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._memory import check_memory
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("attack", "ease")
@complete
class EASEAttackTransformer(BaseSelectionAttackTransformer):
    """TODO"""

    def __init__(self, *, reg=300.0, n_surrogates=4, shrinkage=0.3, **search):
        super().__init__(**search)
        self.reg = reg
        self.n_surrogates = n_surrogates
        self.shrinkage = shrinkage

    _parameter_constraints: dict = {
        **BaseSelectionAttackTransformer._parameter_constraints,
        "reg": [Number(0, None, closed="neither")],
        "n_surrogates": [Count()],
        "shrinkage": [Number(0, 1, closed="both")],
    }

    def _make_surrogates(self, known, budget, rng):
        n_known, n_items = known.shape
        n_unknown = max(0, round(n_known / self.knowledge) - n_known)
        n_surrogates = self.n_surrogates if n_unknown > 0 else 1
        check_memory(
            8 * (n_surrogates + 2) * n_items**2,
            f"Surrogates with weights between {n_items} items; lower n_surrogates",
        )
        return [
            EASESurrogate(
                simulated_inverse(known, n_unknown, self.reg, self.shrinkage, rng),
                known,
                budget.target_items,
            )
            for _ in range(n_surrogates)
        ]
