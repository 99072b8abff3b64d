"""Robust factorisation: the weights of its losses, what is trimmed, and what that does."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import MFRecommender, RobustMFRecommender
from skrecsec.recommenders._robust_weights import (
    LOSSES,
    robust_weights,
    trim_ratings,
    trim_users,
)
from skrecsec.training import PairWeights

USERS = np.array([0, 0, 2, 2, 2, 3])  # user 1 has no ratings
RESIDUALS = np.array([0.1, -0.1, 0.1, -0.1, 2.0, 0.0])


def weights(loss):
    return robust_weights(RESIDUALS, USERS, loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_have_a_mean_of_one(loss):
    assert weights(loss).items.mean() == pytest.approx(1)
    assert weights(loss).items.dtype == np.float32


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("squared", [1, 1, 1, 1, 1, 1]),
        ("huber", [1, 1, 1, 1, 1.345 * 0.14826 / 2, 1]),
        ("welsch", [*[np.exp(-((0.1 / (2.985 * 0.14826)) ** 2))] * 4, 0, 1]),
        ("l1", [10, 10, 10, 10, 0.5, 1 / 0.014826]),
    ],
)
def test_weights_of_the_losses(loss, expected):
    """The median of the absolute residuals is 0.1."""
    users, items = weights(loss)
    assert_array_equal(users, items)
    assert_allclose(items, np.array(expected) / np.mean(expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", ["huber", "welsch", "l1"])
def test_weights_are_the_slopes_of_the_losses(loss):
    """Up to a factor, the derivative of the loss is the weight times the residual."""
    scale = 1.4826 * np.median(np.abs(RESIDUALS))
    losses = {
        "huber": lambda e: np.where(
            np.abs(e) < 1.345 * scale,
            e**2 / 2,
            1.345 * scale * np.abs(e) - (1.345 * scale) ** 2 / 2,
        ),
        "welsch": lambda e: -((2.985 * scale) ** 2) / 2 * np.exp(-((e / (2.985 * scale)) ** 2)),
        "l1": np.abs,
    }
    e = RESIDUALS[:5]
    slope = (losses[loss](e + 1e-6) - losses[loss](e - 1e-6)) / 2e-6
    found = weights(loss).items[:5] * e
    assert_allclose(found * slope[0] / found[0], slope, rtol=1e-3, atol=1e-6)


def test_r1_weighs_users_by_the_norms_of_their_residuals():
    users, items = weights("r1")
    assert_array_equal(users, 1)
    norms = np.sqrt([0.02, 0.02, 4.02, 4.02, 4.02, 0.0])
    norms[5] = 0.1 * np.sqrt(0.02)  # a tenth of the median of the three users
    assert_allclose(items, (1 / norms) / np.mean(1 / norms), rtol=1e-5)


def test_ratings_are_trimmed_by_their_residuals():
    ones = PairWeights(np.ones(6), np.ones(6))
    assert_array_equal(trim_ratings(ones, RESIDUALS, 0.2).items, [1, 1, 1, 1, 0, 1])
    assert_array_equal(trim_ratings(ones, -RESIDUALS, 0.2).users, [1, 1, 1, 1, 0, 1])
    assert_array_equal(trim_ratings(ones, RESIDUALS, 0.1).items, 1)  # rounded down to none


def test_users_are_trimmed_by_their_mean_squares_and_go_on_learning():
    ones = PairWeights(np.ones(6), np.ones(6))
    trimmed = trim_users(ones, RESIDUALS, USERS, 0.34)  # one of the three who have rated
    assert_array_equal(trimmed.items, [1, 1, 0, 0, 0, 1])
    assert_array_equal(trimmed.users, 1)
    # By the sum, user 0 would be worse than user 3.
    residuals = np.array([0.2, 0.2, 0.0, 0.0, 0.0, 0.25])
    assert_array_equal(trim_users(ones, residuals, USERS, 0.34).items, [1, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_squared_without_trimming_is_the_plain_model(solver, ratings):
    """The same plans, and the same steps up to rounding."""
    options = {"n_factors": 8, "max_iter": 4, "solver": solver, "random_state": 0}
    options["validation_fraction"] = 0.0  # the last epoch is kept
    plain = MFRecommender(**options).fit(ratings)
    robust = RobustMFRecommender(loss="squared", trim=None, n_pretrain_iter=2, **options)
    robust.fit(ratings)
    assert_allclose(robust.item_factors_, plain.item_factors_, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"loss": "huber", "trim": None}, 0.2),
        ({"loss": "welsch", "trim": None}, 0.2),
        ({"loss": "l1", "trim": None}, 0.5),
        ({"trim": 0.15}, 0.2),
    ],
)
def test_outliers_are_borne(options, share):
    """Of ratings of rank 1 a tenth are far too high."""
    rng = np.random.default_rng(0)
    full = rng.uniform(0.5, 1, (120, 1)) @ rng.uniform(0.5, 1, (1, 80))
    seen = np.where(rng.random(full.shape) < 0.1, 2.0, full)
    X = sp.csr_array(seen * (rng.random(full.shape) < 0.5))

    def error(model):
        predicted = model.fit(X).user_factors_ @ model.item_factors_.T * X.data.max()
        return np.abs(predicted - full).mean()

    common = {"n_factors": 1, "max_iter": 60, "learning_rate": 0.1, "random_state": 0}
    robust = RobustMFRecommender(**options, **common)
    assert error(robust) < share * error(MFRecommender(**common))


def poisoned(n_fakes=20):
    """Two tastes, and an item that fake profiles alone have rated; it is the last."""
    rng = np.random.default_rng(0)
    same = (np.arange(300)[:, None] + np.arange(60)) % 2 == 0
    genuine = np.where(same, 5.0, 1.0) * (rng.random(same.shape) < 0.4)
    fakes = np.where(rng.random((n_fakes, 60)) < 0.4, 5.0, 0)
    X = np.hstack([np.vstack([genuine, fakes]), np.zeros((300 + n_fakes, 1))])
    X[300:, -1] = 5
    return sp.csr_array(X)


def test_trimmed_ratings_of_an_item_that_few_have_rated_are_not_learned():
    X = poisoned()
    options = {"n_factors": 8, "max_iter": 100, "learning_rate": 0.1, "random_state": 0}

    def target_score(model):
        return np.median(model.fit(X).predict(X[:300])[:, -1])

    trimmed = target_score(RobustMFRecommender(trim=0.1, **options))
    assert trimmed < 0.6 * target_score(MFRecommender(**options))


def test_bad_parameters_are_refused_by_name(ratings):
    for parameters in ({"loss": "cauchy"}, {"trim": 1.0}, {"trim_by": "item"}):
        (name,) = parameters
        with pytest.raises(ValueError, match=name):
            RobustMFRecommender(**parameters).fit(ratings)
    with pytest.raises(ValueError, match="n_pretrain_iter=3"):
        RobustMFRecommender(n_pretrain_iter=3, max_iter=3).fit(ratings)
