"""The paper's own attacks: co-training, alone and as a game against the defence."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from skrecsec.attacks._attack_loss import AttackLossMixin
from skrecsec.attacks._fillers import average_profiles, highest_fillers, profiles_from_fillers
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.recommenders._factorization import import_minibatch
from skrecsec.recommenders._solver import (
    RatingData,
    SGDSolver,
    finite_scores,
    initial_factors,
    plan_pairs,
    plan_tiles,
)
from skrecsec.utils._compat import Interval, StrOptions
from skrecsec.utils._threads import single_threaded

_LEARNING_RATES = {"sgd": 0.02, "adam": 1e-3, "adadelta": 20.0}


class CoAttackTransformer(AttackLossMixin, BaseAttackTransformer):
    r"""Co-training attack, Algorithm 2 of the paper.

    A surrogate recommender is trained on the known profiles and initial fake ones, on training loss
    and attack loss together, so that it comes to be what the attacker wants the victim to become.
    The fake users then rate the items that this surrogate predicts highest for them.

    Parameters
    ----------
    n_factors : int, default=128
        Number of latent factors of the surrogate.

    n_pretrain_iter : int, default=1
        Number of epochs on the training loss alone, before the attack loss is added.

    max_iter : int, default=15
        Number of epochs in all.

    solver : {"sgd", "adam", "adadelta"}, default="sgd"
        How the surrogate is trained: ``"sgd"`` one rating, and then one known user, at a time, in
        compiled code; ``"adam"`` and ``"adadelta"`` in mini-batches, each with its share of the
        attack loss.

    learning_rate : float or "auto", default="auto"
        Step size of the surrogate's solver. ``"auto"`` is 0.02 for ``"sgd"``, 0.001 for ``"adam"``
        and 20 for ``"adadelta"``.

    batch_size : int, default=2048
        Number of ratings of a mini-batch; not used by ``"sgd"``.

    output : {"sigmoid", "linear"}, default="sigmoid"
        Whether the surrogate predicts ratings by the logistic function of p . q or by p . q itself.
        The attack loss takes the logistic function in either case.

    attack_weight : float, default=1.0
        Weight of the attack loss against the mean squared error of the ratings.

    attack_reduction : {"mean", "sum"}, default="mean"
        Whether the attack loss is averaged over known users and targets or added up. The paper
        writes a sum; the mean makes for far stronger attacks, and with a sum `attack_weight` has to
        be small for the descent to be stable.

    margin : float, default=0.2
        The threshold :math:`\kappa`: how far, in logarithms of the predicted rating, a target is
        pushed beyond the last item of a list.

    k : int, default=50
        Length of the lists that targets are pushed into.

    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_iter_ : int
        Number of epochs of the surrogate.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    GCoAttackTransformer : The same against a surrogate that defends itself.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

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

    Examples
    --------
    >>> from skrecsec.attacks import CoAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = CoAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _n_models = 1

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        **AttackLossMixin._parameter_constraints,
        "solver": [StrOptions({"sgd", "adam", "adadelta"})],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "output": [StrOptions({"sigmoid", "linear"})],
    }

    def __init__(
        self,
        *,
        n_factors=128,
        n_pretrain_iter=1,
        max_iter=15,
        solver="sgd",
        learning_rate="auto",
        batch_size=2048,
        output="sigmoid",
        attack_weight=1.0,
        attack_reduction="mean",
        margin=0.2,
        k=50,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        super().__init__(
            target_items=target_items,
            n_targets=n_targets,
            attack_size=attack_size,
            n_fillers=n_fillers,
            knowledge=knowledge,
            goal=goal,
            random_state=random_state,
        )
        self.n_factors = n_factors
        self.n_pretrain_iter = n_pretrain_iter
        self.max_iter = max_iter
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.output = output
        self.attack_weight = attack_weight
        self.attack_reduction = attack_reduction
        self.margin = margin
        self.k = k

    def _craft_profiles(self, known, budget, rng):
        self._check_pretraining()
        self.n_iter_ = self.max_iter
        n_known, n_items = known.shape
        initial = complete_profiles(average_profiles(known, budget, rng), n_items, budget)
        ratings = sp.csr_array(sp.vstack([known, initial], format="csr"))
        data = RatingData.from_matrix(ratings, 0.0, rng, levels=budget.rating_levels)
        factors = initial_factors(self._n_models, *ratings.shape, self.n_factors, rng)
        term = self._attack_term(known, budget, ratings.nnz)
        make_solver = self._solver_class()
        with single_threaded():
            solver = make_solver(data, *factors)
            for epoch in range(self.max_iter):
                if epoch < self.n_pretrain_iter:
                    solver.run_pairs(plan_pairs(data, rng))
                else:
                    self._run_epoch(solver, term, rng)
            user_factors, item_factors = solver.factors()
            return _highest_predictions(
                user_factors[0, n_known:], item_factors[0], budget, self.output == "sigmoid"
            )

    def _solver_class(self):
        """Return the solver with its options; torch is imported here, if it is needed."""
        learning_rate = self.learning_rate
        if learning_rate == "auto":
            learning_rate = _LEARNING_RATES[self.solver]
        options = {"learning_rate": learning_rate, "sigmoid": self.output == "sigmoid"}
        if self.solver == "sgd":
            return partial(SGDSolver, **options)
        return partial(
            import_minibatch().MinibatchSolver,
            optimiser=self.solver,
            batch_size=self.batch_size,
            reg=0.0,
            **options,
        )

    def _run_epoch(self, solver, term, rng):
        """Train the surrogate for an epoch on training loss and attack loss."""
        solver.run_pairs(plan_pairs(solver.data, rng), term, rng)


class GCoAttackTransformer(CoAttackTransformer):
    r"""Game-based co-training attack, Algorithm 3 of the paper.

    As :class:`CoAttackTransformer`, but against a surrogate that defends itself: three models that
    label data for one another, as in :class:`~skrecsec.recommenders.TCDRecommender`. What the fake
    users rate is taken from the first model.

    Parameters
    ----------
    pseudo_label_ratio : float, default=1.0
        Random share of the cells, in (0, 1], that are looked at for pseudo-ratings in each epoch.

    n_factors : int, default=128
        Number of latent factors of the surrogate.

    n_pretrain_iter : int, default=1
        Number of epochs on the training loss alone, before the attack loss is added.

    max_iter : int, default=30
        Number of epochs in all.

    solver : {"sgd", "adam", "adadelta"}, default="sgd"
        How the surrogate is trained: ``"sgd"`` one rating, and then one known user, at a time, in
        compiled code; ``"adam"`` and ``"adadelta"`` in mini-batches, each with its share of the
        attack loss.

    learning_rate : float or "auto", default="auto"
        Step size of the surrogate's solver. ``"auto"`` is 0.02 for ``"sgd"``, 0.001 for ``"adam"``
        and 20 for ``"adadelta"``.

    batch_size : int, default=2048
        Number of ratings of a mini-batch; not used by ``"sgd"``.

    output : {"sigmoid", "linear"}, default="sigmoid"
        Whether the surrogate predicts ratings by the logistic function of p . q or by p . q itself.
        The attack loss takes the logistic function in either case.

    attack_weight : float, default=1.0
        Weight of the attack loss against the mean squared error of the ratings.

    attack_reduction : {"mean", "sum"}, default="mean"
        Whether the attack loss is averaged over known users and targets or added up. The paper
        writes a sum; the mean makes for far stronger attacks, and with a sum `attack_weight` has to
        be small for the descent to be stable.

    margin : float, default=0.2
        The threshold :math:`\kappa`: how far, in logarithms of the predicted rating, a target is
        pushed beyond the last item of a list.

    k : int, default=50
        Length of the lists that targets are pushed into.

    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_iter_ : int
        Number of epochs of the surrogate.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    CoAttackTransformer : The same against an undefended surrogate.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    In each epoch and for each of the three models, the cells on which the two others agree become
    pseudo-ratings; the model is trained on ratings and pseudo-ratings in tiles, and then on the
    attack loss. An epoch takes O((n_known_ratings + n_known_users n_items) n_factors) time, with a
    larger constant than the attack without a game.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, Algorithm 3. :doi:`10.1007/s11280-023-01214-7`

    Examples
    --------
    >>> from skrecsec.attacks import GCoAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = GCoAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _n_models = 3

    _parameter_constraints: dict = {
        **CoAttackTransformer._parameter_constraints,
        "pseudo_label_ratio": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        *,
        pseudo_label_ratio=1.0,
        n_factors=128,
        n_pretrain_iter=1,
        max_iter=30,
        solver="sgd",
        learning_rate="auto",
        batch_size=2048,
        output="sigmoid",
        attack_weight=1.0,
        attack_reduction="mean",
        margin=0.2,
        k=50,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        super().__init__(
            n_factors=n_factors,
            n_pretrain_iter=n_pretrain_iter,
            max_iter=max_iter,
            solver=solver,
            learning_rate=learning_rate,
            batch_size=batch_size,
            output=output,
            attack_weight=attack_weight,
            attack_reduction=attack_reduction,
            margin=margin,
            k=k,
            target_items=target_items,
            n_targets=n_targets,
            attack_size=attack_size,
            n_fillers=n_fillers,
            knowledge=knowledge,
            goal=goal,
            random_state=random_state,
        )
        self.pseudo_label_ratio = pseudo_label_ratio

    def _run_epoch(self, solver, term, rng):
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
