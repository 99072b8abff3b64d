"""The paper's own attacks: co-training, alone and as a game against the defense."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from skrecsec.attacks._attack_loss import BaseAttackLossTransformer
from skrecsec.attacks._fillers import average_profiles, highest_fillers, profiles_from_fillers
from skrecsec.attacks._filter_game import FilterGame
from skrecsec.base import complete_profiles
from skrecsec.training import (
    SOLVERS,
    Epoch,
    RatingData,
    finite_scores,
    import_solver,
    initial_factors,
    make_solver,
    plan_pairs,
    plan_tiles,
    train,
)
from skrecsec.utils._compat import Count, HasMethods, Number, StrOptions
from skrecsec.utils._memory import check_memory
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# What the surrogate predicts for the fake users, and a block of it.
_BYTES_PER_CELL = 8


@register("attack", "coattack")
@complete
class CoAttackTransformer(BaseAttackLossTransformer):
    r"""Co-training attack, Algorithm 2 of the paper.

    A surrogate recommender is trained on the known profiles and initial fake ones, on training loss
    and attack loss together, so that it comes to be what the attacker wants the victim to become.
    The fake users then rate the items that this surrogate predicts highest for them.

    Parameters
    ----------
    %(surrogate)s

    See Also
    --------
    GCoAttackTransformer : The same against a surrogate that defends itself.

    Notes
    -----
    %(appends_rows)s

    The surrogate is a matrix factorisation with output :math:`h(u, i) = \sigma(p_u \cdot q_i)`.
    With U the known users, T the targets and :math:`i_u` the last of the k best items that u has
    not rated, the attack loss is

    .. math:: \frac{1}{|U| |T|} \sum_{u \in U} \sum_{t \in T}
        \max\{\log h(u, i_u) - \log h(u, t), -\kappa\}

    over the pairs whose target is not rated; for a nuke attack :math:`i_u` and t change places.
    In each epoch every rating and then every known user is visited once, in random order.

    The default of `max_iter` is what works best against an undefended victim, whatever is known;
    with 30 epochs the attack is stronger against a :class:`~skrecsec.recommenders.TCDRecommender`
    and, if more than 40% of the users are known, somewhat weaker against others. A linear `output`
    makes for weaker attacks.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. An
    epoch takes O((n_known_ratings + n_known_users n_items) n_factors) time; lists are drawn up in
    blocks of users.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, Algorithm 2. :doi:`10.1007/s11280-023-01214-7`

    %(attack.example)s
    >>> attack = CoAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _n_models: int = 1
    _ranks_fillers = True

    _parameter_constraints: dict = {
        **BaseAttackLossTransformer._parameter_constraints,
        "solver": [StrOptions(set(SOLVERS))],
        "learning_rate": [StrOptions({"auto"}), Number(0, None, closed="neither")],
        "batch_size": [Count()],
        "output": [StrOptions({"sigmoid", "linear"})],
    }

    def __init__(
        self,
        *,
        solver="sgd",
        learning_rate="auto",
        batch_size=2048,
        output="sigmoid",
        **surrogate,
    ):
        super().__init__(**surrogate)
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.output = output

    def _craft_profiles(self, known, budget, rng):
        self._check_pretraining()
        self.n_iter_ = self.max_iter
        n_known, n_items = known.shape
        check_memory(
            _BYTES_PER_CELL * budget.n_profiles * n_items,
            f"Predictions for {budget.n_profiles} fake profiles and {n_items} items; lower "
            f"attack_size",
        )
        initial = complete_profiles(average_profiles(known, budget, rng), n_items, budget)
        ratings = sp.csr_array(sp.vstack([known, initial], format="csr"))
        data = RatingData.from_matrix(ratings, 0.0, rng, levels=budget.rating_levels)
        factors = initial_factors(self._n_models, *ratings.shape, self.n_factors, rng)
        term = self._attack_term(known, budget, ratings.nnz)
        game = self._filter_game(known, data, budget, rng)
        import_solver(self.solver)
        with single_threaded():
            solver = make_solver(
                self.solver,
                data,
                factors,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                sigmoid=self.output == "sigmoid",
            )
            surrogate = train(solver, self._schedule(solver, term, game, rng))
            fillers = self._predict_fillers(
                surrogate.user_factors[0, n_known:], surrogate.item_factors[0], budget
            )
            return fillers if game is None else game.answer(fillers)

    def _predict_fillers(self, user_factors, item_factors, budget):
        return _highest_predictions(user_factors, item_factors, budget, self.output == "sigmoid")

    def _filter_game(self, known, data, budget, rng):
        """Return the game against a filter, if there is one."""
        return

    def _schedule(self, solver, term, game, rng):
        def pretrain():
            solver.run_pairs(plan_pairs(solver.data, rng))

        def attack():
            if game is not None:
                user_factors, item_factors = solver.factors()
                game.play(solver, user_factors[0], item_factors[0])
            self._run_epoch(solver, term, rng)

        for epoch in range(self.max_iter):
            yield Epoch(pretrain if epoch < self.n_pretrain_iter else attack)

    def _run_epoch(self, solver, term, rng):
        """Train the surrogate for an epoch on training loss and attack loss."""
        solver.run_pairs(plan_pairs(solver.data, rng), term, rng)


@register("attack", "gcoattack")
@complete
class GCoAttackTransformer(CoAttackTransformer):
    r"""Game-based co-training attack, Algorithm 3 of the paper.

    As :class:`CoAttackTransformer`, but against a surrogate that defends itself: three models that
    label data for one another, as in :class:`~skrecsec.recommenders.TCDRecommender`. What the fake
    users rate is taken from the first model. Or the surrogate defends itself by a filter.

    Parameters
    ----------
    defense : "tcd", detector or list of both, default="tcd"
        How the surrogate defends itself: as the paper's defense does, by a detector, any estimator
        whose `fit_predict` returns -1 for fake profiles, which is cloned, or by both. As with
        `evade`, it may name rows only with ``knowledge=1``.

    pseudo_label_ratio : float, default=1.0
        Random share of the cells, in (0, 1], that are looked at for pseudo-ratings in each epoch;
        without ``"tcd"`` it is not used.

    %(surrogate)s

    See Also
    --------
    CoAttackTransformer : The same against an undefended surrogate.

    Notes
    -----
    %(appends_rows)s

    In each epoch and for each of the three models, the cells on which the two others agree become
    pseudo-ratings; the model is trained on ratings and pseudo-ratings in tiles, and then on the
    attack loss. An epoch takes O((n_known_ratings + n_known_users n_items) n_factors) time, with a
    larger constant than the attack without a game.

    The game against a detector is our own. Before each epoch with an attack loss it judges the
    known profiles and those that the fake users would have by now; the ratings of those that it
    flags do not count in the epoch; if it flags all profiles with ratings, which would leave
    nothing to learn from, all of them count. In the end a fake user whose profile is flagged takes
    the last one that was not. Without ``"tcd"`` the surrogate is that of
    :class:`CoAttackTransformer`. The detector is fitted in every epoch.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, Algorithm 3. :doi:`10.1007/s11280-023-01214-7`

    %(attack.example)s
    >>> attack = GCoAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        **CoAttackTransformer._parameter_constraints,
        "defense": [StrOptions({"tcd"}), HasMethods(["fit_predict"]), list, tuple],
        "pseudo_label_ratio": [Number(0, 1, closed="right")],
    }

    def __init__(self, *, defense="tcd", pseudo_label_ratio=1.0, max_iter=30, **surrogate):
        super().__init__(max_iter=max_iter, **surrogate)
        self.defense = defense
        self.pseudo_label_ratio = pseudo_label_ratio

    @property
    def _n_models(self):
        return 3 if self._defenses()[0] else 1

    def _defenses(self):
        """Return whether there is TCD, and the detector, or None."""
        is_list = isinstance(self.defense, (list, tuple))
        parts = list(self.defense) if is_list else [self.defense]
        detectors = [part for part in parts if hasattr(part, "fit_predict")]
        has_tcd = any(isinstance(part, str) and part == "tcd" for part in parts)
        if not parts or len(detectors) > 1 or len(parts) != has_tcd + len(detectors):
            raise ValueError(
                f"defense must be 'tcd', a detector, or a list of one or both, got "
                f"{self.defense!r}."
            )
        return has_tcd, detectors[0] if detectors else None

    def _detectors(self):
        _, detector = self._defenses()
        more = {} if detector is None else {"defense": detector}
        return {**super()._detectors(), **more}

    def _filter_game(self, known, data, budget, rng):
        _, detector = self._defenses()
        if detector is None:
            return None
        predict = partial(self._predict_fillers, budget=budget)
        seed = int(rng.integers(np.iinfo(np.int32).max))
        return FilterGame(detector, known, data, budget, predict, seed)

    def _run_epoch(self, solver, term, rng):
        if self._n_models == 1:
            super()._run_epoch(solver, term, rng)
            return
        for model in range(3):
            plan = plan_tiles(solver.data, self.pseudo_label_ratio, solver.tile_side, rng)
            solver.run_tiles(model, plan, term, rng)


def _highest_predictions(user_factors, item_factors, budget, sigmoid):
    """Return each fake user's best items with their predicted ratings, targets left out."""
    scores = finite_scores(user_factors, item_factors)
    items = highest_fillers(scores, budget)
    ratings = np.take_along_axis(scores, items, axis=1).astype(np.float64)
    if sigmoid:
        ratings = expit(ratings)
    return profiles_from_fillers(items, ratings * budget.rating_levels[-1], scores.shape[1])
