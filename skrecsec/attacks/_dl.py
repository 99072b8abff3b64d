"""The attack on deep recommenders by a poison model, one fake user at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from skrecsec.attacks._attack_loss import BaseAttackLossTransformer
from skrecsec.attacks._fillers import filler_candidates, profiles_from_fillers
from skrecsec.base import complete_profiles
from skrecsec.training import (
    Epoch,
    RatingData,
    SGDSolver,
    finite_scores,
    initial_factors,
    plan_pairs,
    train,
)
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._ranking import top_k
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("attack", "dl")
@complete
class DLAttackTransformer(BaseAttackLossTransformer):
    r"""DL attack: one fake user after another rates what a poisoned model predicts for it.

    A new fake user has rated the targets only. A surrogate recommender, the poison model, is
    trained on the known profiles and the fake ones made so far, on training loss and attack loss
    together. The fake user then rates the items with the highest predictions, weighted by selection
    probabilities that fall each time an item is used, so that profiles differ.

    Parameters
    ----------
    selection_decay : float, default=0.9
        Factor, in (0, 1], by which an item's selection probability is multiplied each time that a
        fake user rates it. Lower values spread the fillers over more items.

    reuse_model : bool, default=True
        Whether the poison model of one fake user is trained on for the next one. If False, one is
        trained from the start for each fake user, as originally: that takes many times as long.

    n_update_iter : int, default=3
        Number of epochs that the poison model is trained on for each fake user after the first one.
        Ignored if `reuse_model` is False.

    learning_rate : float, default=0.02
        Step size of the poison model's stochastic gradient descent.

    n_factors : int, default=128
        Number of latent factors of the poison model.

    n_pretrain_iter : int, default=1
        Number of epochs, for a new poison model, on the training loss alone, before the attack loss
        is added.

    max_iter : int, default=30
        Number of epochs in all for a new poison model.

    %(attack_loss)s

    %(attack)s

    n_iter_ : int
        Number of epochs of all poison models together.

    See Also
    --------
    CoAttackTransformer : Trains one such model for all fake users at once.

    Notes
    -----
    %(appends_rows)s

    With :math:`h(u, i)` the output of the poison model, U the known users, T the targets and
    :math:`i_u` the last of the k best items that u has not rated, the attack loss is

    .. math:: \frac{1}{|U| |T|} \sum_{u \in U} \sum_{t \in T}
        \max\{\log h(u, i_u) - \log h(u, t), -\kappa\}

    over the pairs whose target is not rated; for a nuke attack :math:`i_u` and t change places.
    All selection probabilities start at 1. When all have fallen below 1 they are reset to 1.

    The original attacks neural recommenders with implicit feedback. What is different here:

    - The poison model is a matrix factorisation, :math:`h(u, i) = \sigma(p_u \cdot q_i)`, trained
      on the squared error of ratings divided by the highest level. The logistic function keeps
      outputs in (0, 1), as the original's are, so that they have logarithms.
    - The attack loss is a mean instead of a sum, unless `attack_reduction` says otherwise.
    - Fillers are rated as predicted, on the scale of the data. Ratings drawn around the mean of
      each item make for a much weaker attack.
    - The poison model is kept, unless `reuse_model` is False. The next fake user then starts from
      the mean of the factors of the known users: random ones would be in the way of what a few
      epochs teach. On MovieLens-100K this is as strong as new models and takes a seventh of the
      time; on FilmTrust it is much stronger, since the model goes on learning.

    The outputs for items at the end of a list start near 0.5. A small `margin`, such as 0.2, is
    therefore passed after a few epochs, and then the attack loss teaches nothing more; with 1 it
    goes on for long, which makes for a stronger attack where ratings are few.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. An
    epoch takes O((n_ratings + n_known_users n_items) n_factors) time, with the ratings of known
    and fake users. There are `max_iter` epochs for the first fake user and `n_update_iter` for each
    other one, or `max_iter` for each if `reuse_model` is False. Lists are drawn up in blocks of
    users; memory besides these is O(n_ratings + (n_known_users + n_fake_profiles + n_items)
    n_factors).

    References
    ----------
    .. [1] H. Huang, J. Mu, N. Z. Gong, Q. Li, B. Liu, M. Xu, "Data Poisoning Attacks to Deep
       Learning Based Recommender Systems", NDSS 2021. :doi:`10.14722/ndss.2021.24525`

    %(attack.example)s
    >>> attack = DLAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _ranks_fillers = True

    _parameter_constraints: dict = {
        **BaseAttackLossTransformer._parameter_constraints,
        "selection_decay": [Number(0, 1, closed="right")],
        "reuse_model": ["boolean"],
        "n_update_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        selection_decay=0.9,
        reuse_model=True,
        n_update_iter=3,
        max_iter=30,
        learning_rate=0.02,
        margin=1.0,
        **surrogate,
    ):
        super().__init__(max_iter=max_iter, margin=margin, **surrogate)
        self.selection_decay = selection_decay
        self.reuse_model = reuse_model
        self.n_update_iter = n_update_iter
        self.learning_rate = learning_rate

    def _craft_profiles(self, known, budget, rng):
        self._check_pretraining()
        n_known, n_items = known.shape
        candidates = filler_candidates(n_items, budget)
        probabilities = np.ones(candidates.size)
        fillers = np.empty((budget.n_profiles, budget.n_fillers), dtype=np.int64)
        filler_ratings = np.empty(fillers.shape)
        factors = None
        self.n_iter_ = 0
        with single_threaded():
            for row in range(budget.n_profiles):
                made = profiles_from_fillers(fillers[:row], filler_ratings[:row], n_items)
                ratings = _training_matrix(known, made, budget)
                factors = self._train(known, ratings, n_known + row, factors, budget, rng)
                predictions = _predict(n_known + row, factors)[candidates]
                chosen = _most_likely(predictions * probabilities, budget.n_fillers)
                fillers[row] = candidates[chosen]
                filler_ratings[row] = predictions[chosen] * budget.rating_levels[-1]
                _lower_probabilities(probabilities, chosen, self.selection_decay)
        return profiles_from_fillers(fillers, filler_ratings, n_items)

    def _train(self, known, ratings, user, factors, budget, rng):
        """Return the factors of a new poison model, or those given, trained on in place."""
        if factors is None or not self.reuse_model:
            factors = initial_factors(1, *ratings.shape, self.n_factors, rng)
            n_iter, n_pretrain_iter = self.max_iter, self.n_pretrain_iter
        else:
            user_factors = factors[0][0]
            # A user without a past is best taken for an average one.
            user_factors[user] = user_factors[: known.shape[0]].mean(axis=0)
            n_iter, n_pretrain_iter = self.n_update_iter, 0
        data = RatingData.from_matrix(ratings, 0.0, rng, levels=budget.rating_levels)
        solver = SGDSolver(data, *factors, learning_rate=self.learning_rate, sigmoid=True)
        term = self._attack_term(known, budget, ratings.nnz)

        def run(attack):
            solver.run_pairs(plan_pairs(data, rng), attack, rng)

        terms = [None if epoch < n_pretrain_iter else term for epoch in range(n_iter)]
        train(solver, (Epoch(partial(run, attack)) for attack in terms))
        self.n_iter_ += n_iter
        return factors


def _training_matrix(known, made, budget):
    """Stack known profiles, fake ones made so far, a new one of targets alone, and empty ones.

    The rows of fake users to come are there from the start, so that the shape never changes.
    """
    n_items = known.shape[1]
    n_fake = made.shape[0] + 1
    fake = sp.vstack([made, sp.csr_array((1, n_items))])
    fake = complete_profiles(fake, n_items, budget.of_profiles(0, n_fake))
    to_come = sp.csr_array((budget.n_profiles - n_fake, n_items))
    return sp.csr_array(sp.vstack([known, fake, to_come], format="csr"))


def _predict(user, factors):
    """Return the outputs of the poison model for one user, float64."""
    user_factors, item_factors = factors
    scores = finite_scores(user_factors[0, [user]], item_factors[0])
    return expit(scores[0].astype(np.float64))


def _most_likely(scores, n_chosen):
    """Return the positions of the highest scores; none may be asked for."""
    return top_k(scores[np.newaxis], n_chosen)[0] if n_chosen else np.empty(0, dtype=np.int64)


def _lower_probabilities(probabilities, chosen, decay):
    """Lower the chosen ones in place; once none is left at 1, all start again."""
    probabilities[chosen] *= decay
    if (probabilities < 1).all():
        probabilities[:] = 1
