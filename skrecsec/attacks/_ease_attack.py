"""Fake profiles by the gradient through the closed form of EASE."""

from __future__ import annotations

from skrecsec.attacks._ease_surrogate import EASESurrogate, simulated_inverse
from skrecsec.attacks._selecting import BaseSelectionAttackTransformer
from skrecsec.attacks._trials import count_users
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._memory import check_memory
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("attack", "ease")
@complete
class EASEAttackTransformer(BaseSelectionAttackTransformer):
    r"""Attack on models of implicit feedback, by the gradient through the closed form of EASE.

    EASE predicts a target by a ridge regression of who has rated it, which can be written down for
    any fake profiles, and differentiated. The items of the fake profiles descend that gradient
    until the targets are on as many lists as possible. What is made for EASE works on other models
    of implicit feedback, too.

    Parameters
    ----------
    reg : float, default=300.0
        Penalty of the surrogates, as of :class:`~skrecsec.recommenders.EASERecommender`.

    %(selection)s

    See Also
    --------
    RevAdvAttackTransformer : By the gradient through the training of a factorisation.
    PGAAttackTransformer : Made for models that are fitted to ratings.

    Notes
    -----
    %(appends_rows)s

    %(selection.notes)s

    With X the interactions of the genuine users and H those of the fake ones, the weights of EASE
    are :math:`-Q_{it} / Q_{tt}`, where :math:`Q = (X^\top X + \lambda I + H^\top H)^{-1}`. With
    :math:`P = (X^\top X + \lambda I)^{-1}`, computed once, and :math:`A = H P`, Woodbury's identity
    gives :math:`Q = P - A^\top (I + A H^\top)^{-1} A`, of which only the columns of the targets
    are needed. With D the derivatives of the loss by these, its derivative by H is

    .. math:: -(H Q_T (Q D)^\top + H Q D \, Q_T^\top).

    The attacker needs to know some profiles; nothing about the victim. A surrogate takes
    O(n_items^3 + sum of squared profile lengths) time once, a step O(n_fake_profiles n_fillers
    n_items + n_targets n_items^2 + n_ratings n_targets), and thresholds O(n_ratings n_items +
    n_fake_profiles n_items^2), ratings being the known ones. Memory is O(n_surrogates n_items^2 +
    n_fake_profiles n_items), and one block of scores.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
       :doi:`10.1145/3308558.3313710`

    %(attack.example)s
    >>> attack = EASEAttackTransformer(reg=30.0, random_state=0).fit(X)
    >>> attack.poison_.shape, attack.profile_size_
    ((3, 80), 15)
    """

    _parameter_constraints: dict = {
        **BaseSelectionAttackTransformer._parameter_constraints,
        "reg": [Number(0, None, closed="neither")],
        "n_surrogates": [Count()],
        "shrinkage": [Number(0, 1, closed="both")],
    }

    def __init__(self, *, reg=300.0, n_surrogates=4, shrinkage=0.3, **search):
        super().__init__(**search)
        self.reg = reg
        self.n_surrogates = n_surrogates
        self.shrinkage = shrinkage

    def _make_surrogates(self, known, budget, rng):
        n_known, n_items = known.shape
        n_unknown = count_users(known, budget) - n_known
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
