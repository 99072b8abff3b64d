"""The co-training attacks."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    GCoAttackTransformer,
    MFRecommender,
)
from skrecsec.attacks._filter_game import FilterGame
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score
from skrecsec.training import RatingData
from skrecsec.training._terms import AttackTerm

both = pytest.mark.parametrize("cls", [CoAttackTransformer, GCoAttackTransformer])


def make_term(known, targets, k):
    return AttackTerm(sp.csr_array(known), np.array(targets), k, 0.2, 1, 1.0)


def test_last_items_by_hand():
    """Items 0 to 4 are scored 5, 4, 3, 2, 1; the third user has rated all but one."""
    known = np.array([[0, 0, 0, 0, 0], [3, 0, 0, 3, 0], [3, 3, 0, 3, 3]])
    P, Q = np.ones((3, 1), np.float32), np.arange(5, 0, -1, dtype=np.float32)[:, None]
    assert_array_equal(make_term(known, [4], 2).last_items(P, Q), [1, 2, 2])
    assert_array_equal(make_term(known, [4], 99).last_items(P, Q), [4, 4, 2])


def test_a_user_who_rated_everything_has_no_last_item():
    P, Q = np.ones((1, 1), np.float32), np.ones((3, 1), np.float32)
    assert_array_equal(make_term([[1, 2, 3]], [0], 2).last_items(P, Q), [-1])


@both
@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_profiles_keep_to_the_budget_exactly(cls, goal, ratings):
    attack = cls(n_factors=8, target_items=[4, 9], n_fillers=15, goal=goal, random_state=0)
    poison = attack.fit(ratings).poison_
    assert (np.diff(poison.indptr) == 15).all()
    assert (poison[:, [4, 9]].toarray() == (5 if goal == "push" else 1)).all()
    assert attack.n_iter_ == attack.max_iter
    assert 1 <= attack.n_distinct_profiles_ <= poison.shape[0]


def test_distinct_profiles_are_counted(ratings):
    attack = AverageAttackTransformer(
        target_items=[3, 5], n_fillers=2, attack_size=7, random_state=0
    )
    assert attack.fit(ratings).n_distinct_profiles_ == 1  # nothing but the targets
    assert attack.set_params(n_fillers=30).fit(ratings).n_distinct_profiles_ == 7


@both
def test_a_profile_may_consist_of_targets_alone(cls, ratings):
    attack = cls(n_factors=4, target_items=[4, 9], n_fillers=2, random_state=0).fit(ratings)
    assert attack.poison_.nnz == 2 * attack.poison_.shape[0]


@both
@pytest.mark.parametrize("seed", [0, 1])
def test_the_attack_is_stronger_than_average(cls, seed, target_hr):
    X = make_ratings(random_state=seed)
    options = {"attack_size": 0.01, "random_state": seed}
    average = target_hr(AverageAttackTransformer(**options), X)
    assert target_hr(cls(**options), X) > average + 0.15


@both
def test_nuke_takes_targets_out_of_lists(cls, target_hr):
    """Targets that a clean model recommends widely."""
    X = make_ratings(random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    targets = items[np.argsort(-counts)[:5]]
    scores = clean.user_factors_ @ clean.item_factors_.T
    before = target_hit_ratio_score(scores, targets, seen=X)
    attack = cls(target_items=targets, goal="nuke", attack_size=0.1, random_state=0)
    assert target_hr(attack, X) < before - 0.1


@both
def test_the_attack_loss_matters(cls, ratings):
    without = cls(n_factors=8, attack_weight=0, random_state=0).fit(ratings).poison_
    with_it = cls(n_factors=8, random_state=0).fit(ratings).poison_
    assert (without != with_it).nnz > 0


@pytest.mark.parametrize(
    ("cls", "solver", "max_iter"),
    [
        (CoAttackTransformer, "adam", 30),
        (CoAttackTransformer, "adadelta", 30),
        (GCoAttackTransformer, "adadelta", 5),
    ],
)
def test_mini_batches_make_a_strong_attack_too(cls, solver, max_iter, target_hr):
    X = make_ratings(random_state=0)
    options = {"attack_size": 0.01, "random_state": 0}
    average = target_hr(AverageAttackTransformer(**options), X)
    assert target_hr(cls(solver=solver, max_iter=max_iter, **options), X) > average + 0.15


@both
@pytest.mark.parametrize("parameter", [{"output": "linear"}, {"solver": "adam"}])
def test_output_and_solver_make_a_difference(cls, parameter, ratings):
    options = {"n_factors": 8, "max_iter": 4, "n_fillers": 12, "random_state": 0}
    changed = cls(**options, **parameter).fit(ratings).poison_
    assert (changed != cls(**options).fit(ratings).poison_).nnz > 0


def test_the_batch_size_belongs_to_the_mini_batch_solvers(ratings):
    options = {"n_factors": 8, "max_iter": 4, "n_fillers": 12, "random_state": 0}

    def differs(solver):
        small, large = (
            CoAttackTransformer(solver=solver, batch_size=b, **options).fit(ratings).poison_
            for b in (16, 4096)
        )
        return (small != large).nnz > 0

    assert (differs("sgd"), differs("adam")) == (False, True)


def test_sum_is_mean_times_the_number_of_pairs(ratings):
    mean = CoAttackTransformer(n_factors=8, target_items=[4, 9], random_state=0).fit(ratings)
    n_pairs = mean.known_users_.size * 2
    total = CoAttackTransformer(
        n_factors=8,
        target_items=[4, 9],
        attack_reduction="sum",
        attack_weight=1 / n_pairs,
        random_state=0,
    ).fit(ratings)
    assert (mean.poison_ != total.poison_).nnz == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_factors": 0}, "'n_factors'"),
        ({"n_pretrain_iter": -1}, "'n_pretrain_iter'"),
        ({"n_pretrain_iter": 3, "max_iter": 3}, "n_pretrain_iter=3 must leave"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"attack_weight": -1}, "'attack_weight'"),
        ({"attack_reduction": "max"}, "'attack_reduction'"),
        ({"margin": -0.1}, "'margin'"),
        ({"k": 0}, "'k'"),
        ({"learning_rate": 1e8}, "surrogate diverged"),
    ],
)
@both
def test_bad_parameters(cls, parameters, message, ratings):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        cls(**parameters).fit(ratings)


def test_bad_pseudo_label_ratio(ratings):
    with pytest.raises(ValueError, match="'pseudo_label_ratio'"):
        GCoAttackTransformer(pseudo_label_ratio=0).fit(ratings)


# --- the game against a filter --------------------------------------------------------------------


class Judge(BaseEstimator):
    """Flags the rows that it is told to among the last `n_last`, in one call after another."""

    rounds: list = []

    def __init__(self, n_last=3, random_state=None):
        self.n_last = n_last
        self.random_state = random_state

    def fit_predict(self, X, y=None):
        labels = np.ones(X.shape[0], dtype=int)
        if Judge.rounds:
            labels[X.shape[0] - self.n_last + np.array(Judge.rounds.pop(0), dtype=int)] = -1
        return labels


class Solver:
    """What a game needs of a solver."""

    data = None


def test_a_round_by_hand():
    """Item 0 is the target; of two known and three fake users, some are flagged in each round."""
    known = sp.csr_array([[0, 3, 0, 2], [0, 0, 4, 1.0]])
    initial = sp.csr_array([[5, 1, 0, 0], [5, 0, 2, 0], [5, 0, 0, 3.0]])
    levels = np.arange(1.0, 6)
    everything = sp.csr_array(sp.vstack([known, initial]))
    data = RatingData.from_matrix(everything, 0.0, np.random.default_rng(0), levels=levels)
    budget = Budget(3, 2, np.array([0]), 5.0, levels)

    def predict(user_factors, item_factors):
        return sp.csr_array(user_factors[:, [0]] * np.array([[0, 1.0, 0, 0]]))

    Judge.rounds = [[0, 1, 2], [0, 1], [0, 1, 2]]
    game, solver = FilterGame(Judge(), known, data, budget, predict, 0), Solver()
    game.play(solver, np.array([[0, 0, 1, 2, 3.0]]).T, None)
    # Fake users 0, 1 and 2 are rows 2, 3 and 4.
    assert_array_equal(np.unique(solver.data.train.users), [0, 1])
    assert_array_equal(solver.data.indptr, [0, 2, 4, 4, 4, 4])
    game.play(solver, np.array([[0, 0, 3, 2, 4.0]]).T, None)
    assert_array_equal(np.unique(solver.data.train.users), [0, 1, 4])
    assert_array_equal(solver.data.train.items[4:], [0, 3])
    last = predict(np.array([[5, 5, 5.0]]).T, None)
    # Only fake user 2 has ever passed, with a 4.
    assert_array_equal(game.answer(last).toarray()[:, 1], [5, 5, 4])


def test_leaving_out_users_leaves_a_csr_matrix():
    X = sp.csr_array([[1, 2, 0], [0, 3, 0], [4, 0, 5.0]])
    data = RatingData.from_matrix(X, 0.0, np.random.default_rng(0))
    part = data.without_users(np.array([False, True, False]))
    assert_array_equal(part.indptr, [0, 2, 2, 4])
    assert_array_equal(part.train.users, [0, 0, 2, 2])
    assert_array_equal(part.train.ratings * 5, [1, 2, 4, 5])
    assert part.n_users == data.n_users == 3


def gco(X, **parameters):
    options = {"n_factors": 4, "max_iter": 3, "attack_size": 3, "n_fillers": 12, "random_state": 0}
    return GCoAttackTransformer(**{**options, **parameters}).fit(X)


def test_tcd_is_the_default(ratings):
    expected = gco(ratings).poison_
    for same in ("tcd", ["tcd"], ("tcd",)):
        assert (gco(ratings, defense=same).poison_ != expected).nnz == 0


@pytest.mark.parametrize("with_tcd", [False, True])
def test_who_is_flagged_does_not_count(with_tcd, ratings):
    def poison(rounds):
        Judge.rounds = list(rounds)
        judge = Judge(n_last=60)
        defense = ["tcd", judge] if with_tcd else judge
        return gco(ratings, defense=defense, attack_size=60).poison_

    # Flagged in all rounds but the last, in which everybody passes.
    free, flagged = poison([]), poison([range(60)] * 2)
    assert (free != flagged).nnz > 0
    assert_array_equal(np.diff(free.indptr), np.diff(flagged.indptr))


def test_without_tcd_there_is_one_model():
    assert GCoAttackTransformer(defense=Judge())._n_models == 1
    assert GCoAttackTransformer(defense=[Judge(), "tcd"])._n_models == 3


@pytest.mark.parametrize("defense", [[], ["tcd", "tcd"], [Judge(), Judge()], ["tcd", 3]])
def test_bad_defenses(defense, ratings):
    with pytest.raises(ValueError, match="defense must be 'tcd', a detector, or a list"):
        gco(ratings, defense=defense)


class Everybody(BaseEstimator):
    def fit_predict(self, X, y=None):
        return np.full(X.shape[0], -1)


@pytest.mark.parametrize("with_tcd", [False, True])
def test_a_filter_that_leaves_nothing_is_not_heeded(with_tcd, ratings):
    def poison(detector):
        return gco(ratings, defense=["tcd", detector] if with_tcd else detector).poison_

    Judge.rounds = []
    assert (poison(Everybody()) != poison(Judge(n_last=3))).nnz == 0


def test_one_round_without_anybody_does_not_end_the_game(ratings):
    n_profiles = round(0.4 * ratings.shape[0]) + 3
    Judge.rounds = [range(n_profiles)]
    heedless = gco(ratings, defense=Judge(n_last=n_profiles), max_iter=5, n_pretrain_iter=1)
    assert len(Judge.rounds) == 0
    assert heedless.poison_.shape[0] == 3


def test_defenses_are_called_by_no_name_but_tcd(ratings):
    with pytest.raises(ValueError, match="'defense'"):
        gco(ratings, defense="lockstep")
