"""Adversarial poisoning training: influences, the profiles drawn by them, and who is kept."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import APTRecommender, MFRecommender
from skrecsec.recommenders._erm_users import ERMUsers, item_influences
from skrecsec.training import RatingData


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def small_data(rng, n_users=14, n_items=6):
    ratings = rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.7)
    ratings[3] = 0
    return RatingData.from_matrix(sp.csr_array(ratings.astype(float)), 0.0, rng)


def test_influences_are_those_of_the_gauss_newton_step(rng):
    """A dense Jacobian, a solved system, and profiles on all items, user by user."""
    data, d = small_data(rng), 2
    P = rng.normal(0, 0.3, (data.n_users, d)).astype(np.float32)
    Q = rng.normal(0, 0.3, (data.n_items, d)).astype(np.float32)
    users, items, ratings = data.train
    J = np.zeros((ratings.size, data.n_users + data.n_items, d))
    for t in range(ratings.size):
        J[t, users[t]] = Q[items[t]]
        J[t, data.n_users + items[t]] = P[users[t]]
    J = J.reshape(ratings.size, -1)
    errors = ratings - (P[users] * Q[items]).sum(axis=1)
    risk_gradient = -J.T @ errors  # of half the squared error
    inverse_product = np.linalg.solve(J.T @ J + np.eye(J.shape[1]), risk_gradient)
    s = inverse_product.reshape(-1, d)
    sizes = np.bincount(users, ratings**2, minlength=data.n_users)
    sizes[sizes == 0] = np.inf
    expected = np.zeros(data.n_items)
    for u in np.argsort(sizes)[:10]:
        for i in range(data.n_items):
            # The gradient of (r - p . q)^2 / 2 in p is -(r - p . q) q, in r that is -q.
            expected[i] -= -Q[i] @ s[u] - P[u] @ s[data.n_users + i]
    assert_allclose(item_influences(P, Q, data), expected, rtol=1e-3, atol=1e-6)


def test_influences_have_the_sign_of_the_errors(rng):
    """Where all is predicted too low, higher ratings lower the risk; where too high, raise it."""
    data = small_data(rng)
    P, Q = np.full((data.n_users, 1), 0.3, np.float32), np.full((data.n_items, 1), 0.3, np.float32)
    assert (item_influences(P, Q, data) < 0).all()
    assert (item_influences(10 * P, 10 * Q, data) > 0).all()


def make_users(data, **options):
    defaults = {"n_users": 400, "n_ratings": 2, "sharpness": 3.0, "rating_shift": 0.0}
    return ERMUsers(data, **{**defaults, **options})


def test_items_are_drawn_by_influence_without_replacement(rng):
    data = small_data(rng)
    influences = np.array([-2.0, -1.0, 0.5, -1.5, 0.0, 3.0])
    drawn = make_users(data).draw(influences, rng)
    assert_array_equal(drawn.users, data.n_users + np.repeat(np.arange(400), 2))
    pairs = drawn.items.reshape(-1, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    # Scaled to [-1, 0], and the probabilities of two draws in a row.
    weights = dict(zip([0, 1, 3], np.exp(3 * np.array([1, 0, 0.5])), strict=True))
    total = sum(weights.values())
    for a, b in ((0, 1), (0, 3), (1, 3)):
        w, v = weights[a], weights[b]
        probability = w / total * v / (total - w) + v / total * w / (total - v)
        share = ((pairs == [a, b]).all(axis=1)).mean()
        assert share == pytest.approx(probability, abs=0.09)  # four standard deviations


def test_ratings_follow_those_of_others_and_are_shifted(rng):
    X = sp.csr_array(np.tile([[1.0, 3, 5, 0]], (30, 1)))
    X = sp.csr_array(sp.vstack([X, np.array([[0, 1.0, 0, 0], [0, 5, 0, 0]])]))
    data = RatingData.from_matrix(X, 0.0, rng, levels=np.arange(1.0, 6))
    for shift, raised in ((0.0, 0), (0.2, 1)):
        drawn = make_users(data, n_ratings=4, rating_shift=shift).draw(-np.ones(4), rng)
        levels = 5 * drawn.ratings.reshape(-1, 4)
        assert_allclose(levels[:, 0], 1 + raised)
        assert_allclose(levels[:, 2], 5)  # clipped
        assert levels[:, 1].mean() == pytest.approx(3 + raised, abs=0.2)
        assert np.unique(levels[:, 1]).size > 1
        assert levels[:, 3].mean() == pytest.approx(3 + raised, abs=0.5)  # nobody has rated it


def test_there_may_be_nothing_to_rate(rng):
    data = small_data(rng)
    assert make_users(data).draw(np.ones(6), rng).ratings.size == 0
    assert make_users(data, n_ratings=99).draw(-np.ones(6), rng).ratings.size == 400 * 6
    assert make_users(data, n_ratings="auto").n_ratings == round(4 * data.train.ratings.size / 14)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_factors_are_those_of_the_training_profiles_alone(solver, ratings):
    options = {"n_factors": 6, "max_iter": 4, "solver": solver, "random_state": 0}
    recommender = APTRecommender(n_erm_users=7, n_pretrain_iter=1, **options).fit(ratings)
    assert recommender.user_factors_.shape == (ratings.shape[0], 6)
    assert recommender.fit_predict(ratings).shape == ratings.shape
    plain = MFRecommender(**options).fit(ratings)
    assert not np.allclose(recommender.item_factors_, plain.item_factors_, atol=1e-3)


def test_profiles_are_drawn_anew_after_the_period(ratings, monkeypatch):
    drawn = []
    draw = ERMUsers.draw
    monkeypatch.setattr(ERMUsers, "draw", lambda *arguments: drawn.append(0) or draw(*arguments))
    options = {"n_factors": 4, "max_iter": 8, "n_pretrain_iter": 2, "validation_fraction": 0.0}
    for period, n_drawn in ((1, 6), (4, 2), (9, 1)):
        drawn.clear()
        APTRecommender(injection_period=period, random_state=0, **options).fit(ratings)
        assert len(drawn) == n_drawn
