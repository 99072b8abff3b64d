"""Projected gradient ascent on the fake ratings."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import AverageAttackTransformer, MFRecommender, RandomAttackTransformer
from skrecsec.attacks._pga import (
    PGAAttackTransformer,
    _fake_gradient,
    _largest,
    _unit_rms,
)
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score
from skrecsec.training._linalg import solve_rows
from skrecsec.training._ridge import RidgeFactorization, largest_singular_value

N_KNOWN, N_FAKES, N_ITEMS, TARGETS = 9, 2, 7, np.array([1, 4])


def tiny_ratings():
    """Return ratings of known users, most cells empty, and of fake users, who rate the targets."""
    rng = np.random.default_rng(3)
    ratings = rng.uniform(0.2, 1, (N_KNOWN + N_FAKES, N_ITEMS))
    ratings[rng.random(ratings.shape) < 0.5] = 0
    ratings[N_KNOWN:, TARGETS] = 1
    ratings[N_KNOWN:, [2, 5]] = [0.6, 0.9]  # fillers in common
    ratings[0] = 0  # a user without ratings
    return sp.csr_array(ratings)


def surrogate_of(ratings, n_sweeps, item_factors=None):
    if item_factors is None:
        item_factors = np.random.default_rng(0).normal(0, 0.5, (N_ITEMS, 2))
    surrogate = RidgeFactorization(item_factors, 0.3)
    surrogate.fit(ratings, n_sweeps)
    return surrogate


def objective(surrogate):
    predictions = surrogate.user_factors[:N_KNOWN] @ surrogate.item_factors[TARGETS].T
    return predictions.sum() / N_KNOWN


def differences(ratings, item_factors, n_sweeps, h=1e-5):
    """Return central differences of the objective for each stored fake rating."""
    result = np.zeros((N_FAKES, N_ITEMS))
    for f in range(N_FAKES):
        for i in ratings[[N_KNOWN + f]].indices:
            sides = []
            for change in (h, -h):
                moved = ratings.toarray()
                moved[N_KNOWN + f, i] += change
                sides.append(objective(surrogate_of(sp.csr_array(moved), n_sweeps, item_factors)))
            result[f, i] = (sides[0] - sides[1]) / (2 * h)
    return result


def check_gradient(n_sweeps, n_sweeps_of_differences):
    ratings = tiny_ratings()
    surrogate = surrogate_of(ratings, 5000)
    gradient = _fake_gradient(surrogate, N_KNOWN, TARGETS, n_sweeps)
    expected = differences(ratings, surrogate.item_factors, n_sweeps_of_differences)
    assert_array_equal(gradient[:, TARGETS], 0)
    stored = ratings[N_KNOWN:].toarray() > 0
    stored[:, TARGETS] = False
    assert stored.sum() >= 4
    assert np.abs(expected[stored]).min() > 1e-4  # far above the error of differences
    assert_allclose(gradient[stored], expected[stored], rtol=1e-4, atol=1e-8)
    return gradient


@pytest.mark.parametrize("n_sweeps", [1, 2, 3])
def test_gradient_is_that_of_the_last_sweeps(n_sweeps):
    """At the optimum, as many sweeps are differentiated through as are asked for."""
    check_gradient(n_sweeps, n_sweeps)


def test_many_sweeps_give_the_gradient_of_the_optimum():
    full = check_gradient(2000, 2000)
    truncated = _fake_gradient(surrogate_of(tiny_ratings(), 5000), N_KNOWN, TARGETS, 1)
    assert np.abs(truncated - full).max() > 1e-3  # one sweep is not all there is


def test_surrogate_meets_the_first_order_conditions():
    ratings = tiny_ratings()
    surrogate = surrogate_of(ratings, 5000)
    P, Q = surrogate.user_factors, surrogate.item_factors
    errors = np.where(ratings.toarray() > 0, ratings.toarray() - P @ Q.T, 0)
    assert_allclose(errors @ Q, 0.3 * P, atol=1e-9)
    assert_allclose(errors.T @ P, 0.3 * Q, atol=1e-9)
    assert np.abs(P).max() > 0.3
    assert_array_equal(P[0], 0)


def test_solve_rows_against_numpy():
    ratings = tiny_ratings()
    rng = np.random.default_rng(0)
    factors, right = rng.normal(size=(N_ITEMS, 3)), rng.normal(size=(ratings.shape[0], 3))
    solution = right.copy()
    indptr, indices = ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32)
    solve_rows(factors, indptr, indices, 0.7, solution)
    for u in range(ratings.shape[0]):
        A = factors[ratings[[u]].indices]
        assert_allclose(solution[u], np.linalg.solve(A.T @ A + 0.7 * np.eye(3), right[u]))


def test_the_largest_singular_value_is_the_penalty_that_leaves_nothing(ratings):
    X = ratings / 5
    largest = largest_singular_value(X)
    assert largest == pytest.approx(np.linalg.norm(X.toarray(), 2), rel=1e-4)
    start = np.random.default_rng(0).normal(0, 0.1, (X.shape[1], 2))
    for factor, is_zero in ((0.9, False), (1.1, True)):
        surrogate = RidgeFactorization(start, factor * largest)
        surrogate.fit(X, 100)
        assert (np.abs(surrogate.item_factors).max() < 1e-6) == is_zero


def test_unit_rms():
    gradient = np.array([[3.0, 0], [0, -4]])
    assert_allclose(_unit_rms(gradient.copy()), gradient / 2.5)
    assert_allclose(_unit_rms(gradient * 1e-300), gradient / 2.5)
    assert_array_equal(_unit_rms(np.zeros((2, 2))), 0)
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="cannot be fitted"):
            _unit_rms(np.array([[3.0, 0], [0, value]]))


def test_the_largest_values_are_kept_and_targets_are_not():
    budget = Budget(2, 3, np.array([1]), 5.0, np.array([1.0, 5.0]))
    values = np.array([[0.1, 9.0, 0.5, 0.3], [2.0, 0.0, -1.0, 3.0]])
    kept = _largest(values, budget).toarray()
    assert_array_equal(kept, [[0, 0, 0.5, 0.3], [2, 0, 0, 3]])
    assert _largest(values, budget._replace(profile_size=1)).nnz == 0


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_profiles_keep_to_the_budget_exactly(goal, ratings):
    attack = PGAAttackTransformer(target_items=[4, 9], n_fillers=15, goal=goal, random_state=0)
    poison = attack.fit(ratings).poison_
    assert (np.diff(poison.indptr) == 15).all()
    assert (poison[:, [4, 9]].toarray() == (5 if goal == "push" else 1)).all()
    assert np.isin(poison.data, attack.rating_levels_).all()
    assert attack.n_iter_ == 20


def test_a_profile_may_consist_of_targets_alone(ratings):
    attack = PGAAttackTransformer(target_items=[4, 9], n_fillers=2, random_state=0).fit(ratings)
    assert attack.poison_.nnz == 2 * attack.poison_.shape[0]


def test_profiles_differ(ratings):
    attack = PGAAttackTransformer(attack_size=20, random_state=0).fit(ratings)
    assert attack.n_distinct_profiles_ == 20


def test_the_ascent_starts_from_the_average_attack(ratings):
    options = {"target_items": [4, 9], "random_state": 0}
    average = AverageAttackTransformer(**options).fit(ratings).poison_
    barely = PGAAttackTransformer(learning_rate=1e-6, **options).fit(ratings).poison_
    assert (average != barely).nnz == 0
    assert (average != PGAAttackTransformer(**options).fit(ratings).poison_).nnz > 0


@pytest.mark.parametrize(("goal", "sign"), [("push", 1), ("nuke", -1)])
def test_the_surrogate_agrees_that_targets_move(goal, sign, ratings):
    """Fitted from nothing to known and fake profiles, against those the ascent starts from."""
    targets = [4, 9]
    options = {"target_items": targets, "attack_size": 0.1, "goal": goal, "random_state": 0}
    means = []
    for attack in (AverageAttackTransformer(**options), PGAAttackTransformer(**options)):
        known = ratings[attack.fit(ratings).known_users_]
        surrogate = RidgeFactorization(np.random.default_rng(0).normal(0, 0.1, (90, 16)), 0.7)
        surrogate.fit(sp.vstack([known, attack.poison_], format="csr") / 5, 100)
        P = surrogate.user_factors[: known.shape[0]]
        means.append((P @ surrogate.item_factors[targets].T).mean())
    assert sign * (means[1] - means[0]) > 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_the_attack_is_stronger_than_random_and_average(seed, target_hr):
    X = make_ratings(random_state=seed)
    options = {"attack_size": 0.01, "random_state": seed}
    weak = [
        target_hr(cls(**options), X) for cls in (RandomAttackTransformer, AverageAttackTransformer)
    ]
    assert target_hr(PGAAttackTransformer(**options), X) > max(weak) + 0.15


def test_nuke_takes_targets_out_of_lists(target_hr):
    """Targets that a clean model recommends widely; farther out than random profiles do."""
    X = make_ratings(random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    options = {"target_items": items[np.argsort(-counts)[:5]], "goal": "nuke", "random_state": 0}
    before = target_hit_ratio_score(
        clean.user_factors_ @ clean.item_factors_.T, options["target_items"], seen=X
    )
    after = target_hr(PGAAttackTransformer(**options), X)
    assert after < before / 3
    assert after < target_hr(RandomAttackTransformer(**options), X) - 0.08


def test_profiles_of_unknown_users_do_not_matter(ratings):
    attack = PGAAttackTransformer(target_items=[4, 9], random_state=0).fit(ratings)
    X = ratings.toarray()
    unknown = np.setdiff1d(np.arange(120), attack.known_users_)
    X[unknown] = X[unknown[::-1]]
    other = PGAAttackTransformer(target_items=[4, 9], random_state=0).fit(sp.csr_array(X))
    assert (attack.poison_ != other.poison_).nnz == 0


def test_the_scale_of_the_ratings_does_not_matter(ratings):
    """A factor of two changes no bit of the ratings once they are divided by the highest."""
    poison = PGAAttackTransformer(random_state=0).fit(ratings).poison_
    doubled = PGAAttackTransformer(random_state=0).fit(ratings * 2).poison_
    assert (doubled != poison * 2).nnz == 0


def test_single_precision_gives_the_same_profiles(ratings):
    poison = PGAAttackTransformer(random_state=0).fit(ratings).poison_
    single = PGAAttackTransformer(random_state=0).fit(ratings.astype(np.float32)).poison_
    assert_array_equal(single.toarray(), poison.toarray())


EXTREMES = {
    "few": sp.csr_array(make_ratings(10, 10, density=0.3, random_state=0)),
    "equal": sp.csr_array(np.full((12, 8), 3.0)),
    "one level": sp.csr_array(np.eye(12, 8) * 4),
    "one item": sp.csr_array(np.ones((12, 1)) * np.arange(1, 13)[:, None]),
    "mostly empty": sp.csr_array(([2.0, 5], ([3, 9], [0, 1])), shape=(10, 40)),
}


@pytest.mark.parametrize("goal", ["push", "nuke"])
@pytest.mark.parametrize("X", EXTREMES.values(), ids=EXTREMES)
def test_extreme_data(X, goal):
    n_items = X.shape[1]
    for n_fillers in {"mean", n_items}:
        attack = PGAAttackTransformer(
            target_items=[0], n_fillers=n_fillers, goal=goal, knowledge=1.0, random_state=0
        ).fit(X)
        assert np.isin(attack.poison_.data, np.unique(X.data)).all()
        assert (np.diff(attack.poison_.indptr) >= 1).all()
        if n_fillers == n_items:
            assert attack.poison_.nnz == attack.poison_.shape[0] * n_items


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_factors", 0),
        ("reg", 0),
        ("reg", 1),
        ("max_iter", 0),
        ("learning_rate", 0),
        ("n_sweeps", 0),
    ],
)
def test_bad_parameters(parameter, value, ratings):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        PGAAttackTransformer(**{parameter: value}).fit(ratings)
