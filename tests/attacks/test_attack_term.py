"""What the co-training attacks hand to the training core, and what they make of its factors."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from skrecsec import CoAttackTransformer, GCoAttackTransformer
from skrecsec.attacks._cotraining import _highest_predictions
from skrecsec.base import Budget
from skrecsec.training._data import RatingData
from skrecsec.training._sgd import SGDSolver
from skrecsec.training._terms import AttackTerm

both = pytest.mark.parametrize("cls", [CoAttackTransformer, GCoAttackTransformer])


def make_budget(*, targets=(1,), profile_size=3, levels=(1.0, 2.0, 3.0, 4.0, 5.0)):
    return Budget(
        n_profiles=2,
        profile_size=profile_size,
        target_items=np.array(targets),
        target_rating=levels[-1],
        rating_levels=np.array(levels),
    )


@pytest.mark.parametrize("goal", [1, -1])
def test_every_known_user_is_visited_once_in_random_order(goal):
    rng = np.random.default_rng(0)
    n_known, n_items, targets = 12, 15, np.array([3, 8])
    known = rng.integers(1, 6, (n_known, n_items)) * (rng.random((n_known, n_items)) < 0.3)
    known[2] = 4  # this user has rated everything
    known = sp.csr_array(known.astype(float))
    P, Q = (rng.normal(0, 0.5, (1, n, 4)).astype(np.float32) for n in (n_known + 3, n_items))
    data = RatingData.from_matrix(known, 0.0, rng)
    solver = SGDSolver(data, P.copy(), Q.copy(), learning_rate=0.1, sigmoid=True)
    term = AttackTerm(known, targets, k=4, margin=0.2, goal=goal, weight=0.5)
    solver.run_attack(0, term, np.random.default_rng(7))

    scores = np.where(known.toarray() > 0, -np.inf, P[0, :n_known] @ Q[0].T)
    lists = np.argsort(-scores, axis=1)
    n_unrated = (known.toarray() == 0).sum(axis=1)
    p, q = P[0].astype(float), Q[0].astype(float)
    for u in np.random.default_rng(7).permutation(n_known):
        if n_unrated[u] == 0:
            continue
        last = lists[u, min(4, n_unrated[u]) - 1]
        for target in targets:
            if known[u, target] or target == last:
                continue
            h_last, h_target = expit(p[u] @ q[last]), expit(p[u] @ q[target])
            if goal * np.log(h_last / h_target) <= -0.2:
                continue
            pull, push = goal * 0.05 * (1 - h_target), goal * 0.05 * (1 - h_last)
            step_p = pull * q[target] - push * q[last]
            q[target], q[last] = q[target] + pull * p[u], q[last] - push * p[u]
            p[u] = p[u] + step_p
    assert np.abs(p - P[0]).max() > 0.01
    assert_allclose(solver.user_factors[0], p, rtol=1e-4, atol=1e-5)
    assert_allclose(solver.item_factors[0], q, rtol=1e-4, atol=1e-5)


@both
@pytest.mark.parametrize(("goal", "sign"), [("push", 1), ("nuke", -1)])
def test_the_goal_decides_the_direction(cls, goal, sign):
    known = sp.csr_array(np.ones((4, 6)))
    attack = cls(goal=goal, k=7, margin=0.5)
    term = attack._attack_term(known, make_budget(targets=[1, 2]), 100)
    assert (term.goal, term.k, term.margin) == (sign, 7, 0.5)
    assert_array_equal(term.target_items, [1, 2])


@pytest.mark.parametrize(("reduction", "n_pairs"), [("mean", 8), ("sum", 1)])
def test_the_weight_is_in_units_of_a_step_on_a_rating(reduction, n_pairs):
    """Steps on 100 single ratings descend 50 times their mean squared error."""
    known = sp.csr_array(np.ones((4, 6)))
    attack = CoAttackTransformer(attack_weight=3.0, attack_reduction=reduction)
    term = attack._attack_term(known, make_budget(targets=[1, 2]), 100)
    assert term.weight == pytest.approx(3.0 * 50 / n_pairs)


def test_fillers_are_the_items_predicted_highest_with_their_predictions():
    Q = np.array([[3.0], [9.0], [-1.0], [0.5], [2.0]], dtype=np.float32)
    P = np.array([[1.0], [-1.0]], dtype=np.float32)
    fillers = _highest_predictions(P, Q, make_budget(), True).toarray()
    expected = np.zeros((2, 5))
    expected[0, [0, 4]] = 5 * expit([3.0, 2.0])
    expected[1, [2, 3]] = 5 * expit([1.0, -0.5])
    assert_allclose(fillers, expected, rtol=1e-6)


@both
def test_ratings_are_scaled_by_the_highest_level_even_if_no_known_user_gives_it(cls):
    """Everybody rates 4, but for one user whom the attacker does not know."""
    X = np.full((40, 12), 4.0)
    options = {
        "n_factors": 4,
        "target_items": [0],
        "n_fillers": 6,
        "goal": "nuke",
        "learning_rate": 0.5,
        "attack_weight": 0,
        "random_state": 0,
    }
    stranger = np.setdiff1d(np.arange(40), cls(**options).fit(X).known_users_)[0]
    X[stranger, 0], X[stranger, 1] = 1, 5
    poison = cls(**options).fit(X).poison_.toarray()
    assert_array_equal(np.unique(poison[:, 1:]), [0, 4])


@both
def test_the_attack_loss_sets_in_after_pretraining(cls, ratings):
    """One epoch of it, in the end, makes a difference to none."""
    options = {"n_factors": 8, "n_pretrain_iter": 9, "max_iter": 10, "random_state": 0}
    if cls is GCoAttackTransformer:
        options["pseudo_label_ratio"] = 0.5
    one = cls(attack_weight=20, **options).fit(ratings).poison_
    none = cls(attack_weight=0, **options).fit(ratings).poison_
    assert (one != none).nnz > 0
