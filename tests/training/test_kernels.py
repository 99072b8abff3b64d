"""The compiled kernels against slow, readable oracles."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec.training import _kernels, _kernels_tiles
from skrecsec.training._data import RatingData, initial_factors
from skrecsec.training._kernels_perturbed import sgd_perturbed_pairs
from skrecsec.training._kernels_weighted import (
    pair_derivative,
    pair_gradient,
    pair_residuals,
    sgd_weighted_pairs,
)
from skrecsec.training._linalg import fold_in_rows
from skrecsec.training._plans import plan_tiles, random_order
from skrecsec.training._sgd import SGDSolver

D = 8


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_factors(rng, n_models, n_rows):
    return rng.normal(0, 0.4, (n_models, n_rows, D)).astype(np.float32)


def random_data(rng, n_users, n_items, validation_fraction=0.0):
    ratings = rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.2)
    return RatingData.from_matrix(sp.csr_array(ratings.astype(float)), validation_fraction, rng)


def logistic(score):
    return 1 / (1 + np.exp(-score))


def error_gradient(target, score, sigmoid):
    """Return half the negative gradient of the squared error in the score."""
    if not sigmoid:
        return target - score
    output = logistic(score)
    return (target - output) * output * (1 - output)


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("n_models", [1, 3])
def test_sgd_pairs_updates_one_rating_after_the_other(rng, n_models, sigmoid):
    P, Q = random_factors(rng, n_models, 7), random_factors(rng, n_models, 5)
    users, items = rng.integers(7, size=40), rng.integers(5, size=40)
    ratings = rng.random(40).astype(np.float32)
    rate, reg = 0.1, 0.03
    expected_P, expected_Q = P.astype(float), Q.astype(float)
    for j in range(n_models):
        for u, i, r in zip(users, items, ratings, strict=True):
            p, q = expected_P[j, u].copy(), expected_Q[j, i].copy()
            step = rate * error_gradient(r, p @ q, sigmoid)
            expected_P[j, u] += step * q - rate * reg * p
            expected_Q[j, i] += step * p - rate * reg * q
    _kernels.sgd_pairs(
        P,
        Q,
        users.astype(np.int32),
        items.astype(np.int32),
        ratings,
        np.float32(rate),
        np.float32(reg),
        sigmoid,
    )
    assert_allclose(P, expected_P, rtol=1e-4, atol=1e-5)
    assert_allclose(Q, expected_Q, rtol=1e-4, atol=1e-5)


def test_weighted_pairs_move_users_and_items_by_their_weights(rng):
    P, Q = random_factors(rng, 1, 7)[0], random_factors(rng, 1, 5)[0]
    users, items = rng.integers(7, size=40), rng.integers(5, size=40)
    ratings, user_weights, item_weights = rng.random((3, 40)).astype(np.float32)
    rate, reg = 0.1, 0.03
    pairs = users.astype(np.int32), items.astype(np.int32), ratings
    assert_allclose(
        pair_residuals(P, Q, *pairs), ratings - (P[users] * Q[items]).sum(axis=1), atol=1e-5
    )
    expected_P, expected_Q = P.astype(float), Q.astype(float)
    for u, i, r, v, w in zip(users, items, ratings, user_weights, item_weights, strict=True):
        p, q = expected_P[u].copy(), expected_Q[i].copy()
        step = rate * (r - p @ q)
        expected_P[u] += v * step * q - rate * reg * p
        expected_Q[i] += w * step * p - rate * reg * q
    rate, reg = np.float32(rate), np.float32(reg)
    sgd_weighted_pairs(P, Q, *pairs, user_weights, item_weights, rate, reg)
    assert_allclose(P, expected_P, rtol=1e-4, atol=1e-5)
    assert_allclose(Q, expected_Q, rtol=1e-4, atol=1e-5)


def test_derivatives_of_predictions(rng):
    """By finite differences, and the gradient is the transpose."""
    factors, step = rng.normal(0, 0.4, (2, 12, D))
    rows = rng.integers(7, size=30), rng.integers(7, 12, size=30)
    values = rng.normal(size=30)

    def predictions(factors):
        return (factors[rows[0]] * factors[rows[1]]).sum(axis=1)

    derivative = pair_derivative(factors, step, *rows)
    differences = predictions(factors + 1e-5 * step) - predictions(factors - 1e-5 * step)
    assert_allclose(derivative, differences / 2e-5, rtol=1e-6, atol=1e-8)
    assert_allclose((pair_gradient(factors, values, *rows) * step).sum(), values @ derivative)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_single_step_follows_autograd(rng, sigmoid):
    P, Q = random_factors(rng, 1, 1), random_factors(rng, 1, 1)
    p, q = (torch.tensor(f[0, 0], requires_grad=True) for f in (P, Q))
    output = torch.sigmoid(p @ q) if sigmoid else p @ q
    loss = ((0.7 - output) ** 2 + 0.01 * (p @ p + q @ q)) / 2
    loss.backward()
    before_P, before_Q = P.copy(), Q.copy()
    one = np.zeros(1, np.int32)
    _kernels.sgd_pairs(
        P, Q, one, one, np.full(1, 0.7, np.float32), np.float32(0.1), np.float32(0.01), sigmoid
    )
    assert_allclose(P[0, 0], before_P[0, 0] - 0.1 * p.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert_allclose(Q[0, 0], before_Q[0, 0] - 0.1 * q.grad.numpy(), rtol=1e-5, atol=1e-6)


def tile_epoch_oracle(data, P, Q, model, plan, rate, reg, sigmoid):
    """Algorithm 1, lines 8 to 14, tile by tile; returns new factors and the number of labels."""
    P, Q = P.astype(float), Q.astype(float)
    output = logistic if sigmoid else (lambda score: score)
    observed = np.zeros((data.n_users, data.n_items))
    observed[data.train.users, data.train.items] = data.train.ratings
    n_labels, n_rest, n_tiles = 0, plan.rest.ratings.size, plan.tiles.size
    for t, tile in enumerate(plan.tiles):
        users, items = plan.blocks(tile)
        users, items = plan.user_order[users], plan.item_order[items]
        target = observed[np.ix_(users, items)]
        votes = [
            np.abs(output(P[j, users] @ Q[j, items].T)[..., None] - data.levels).argmin(-1)
            for j in ((model + 1) % 3, (model + 2) % 3)
        ]
        agreed = (votes[0] == votes[1]) & (target == 0)
        target[agreed] = data.levels[votes[0][agreed]]
        n_labels += agreed.sum()
        for z in range(0, plan.side, 3):  # groups of 3 x 3 along the diagonals
            for x in range(0, plan.side, 3):
                group_u = np.arange(x, min(x + 3, users.size))
                y = (x + z) % plan.side
                group_i = np.arange(y, min(y + 3, items.size))
                p, q = P[model, users[group_u]], Q[model, items[group_i]]
                wanted = target[np.ix_(group_u, group_i)]
                step = rate * error_gradient(wanted, p @ q.T, sigmoid) * (wanted > 0)
                P[model, users[group_u]] += step @ q - rate * reg * p
                Q[model, items[group_i]] += step.T @ p - rate * reg * q
        for e in range(t * n_rest // n_tiles, (t + 1) * n_rest // n_tiles):
            u, i, r = plan.rest.users[e], plan.rest.items[e], plan.rest.ratings[e]
            p, q = P[model, u].copy(), Q[model, i].copy()
            step = rate * error_gradient(r, p @ q, sigmoid)
            P[model, u] += step * q - rate * reg * p
            Q[model, i] += step * p - rate * reg * q
    return P, Q, n_labels


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("model", [0, 1, 2])
@pytest.mark.parametrize(("shape", "ratio"), [((60, 100), 1.0), ((100, 130), 0.4), ((5, 7), 1.0)])
def test_sgd_tiles_is_algorithm_1(rng, shape, ratio, model, sigmoid):
    data = random_data(rng, *shape)
    P, Q = random_factors(rng, 3, shape[0]), random_factors(rng, 3, shape[1])
    solver = SGDSolver(data, P.copy(), Q.copy(), learning_rate=0.02, reg=0.01, sigmoid=sigmoid)
    plan = plan_tiles(data, ratio, solver.tile_side, rng)
    n_labels = solver.run_tiles(model, plan)
    expected_P, expected_Q, expected_n = tile_epoch_oracle(
        data, P, Q, model, plan, 0.02, 0.01, sigmoid
    )
    assert n_labels == expected_n > 0
    assert_allclose(solver.user_factors, expected_P, rtol=1e-3, atol=1e-4)
    assert_allclose(solver.item_factors, expected_Q, rtol=1e-3, atol=1e-4)
    for j in {0, 1, 2} - {model}:
        assert_array_equal(solver.user_factors[j], P[j])
        assert_array_equal(solver.item_factors[j], Q[j])


def test_read_tile_ratings(rng):
    data = random_data(rng, 20, 30)
    observed = np.zeros((20, 30), np.float32)
    observed[data.train.users, data.train.items] = data.train.ratings
    plan = plan_tiles(data, 1.0, 12, rng)
    for tile in plan.tiles:
        users, items = plan.blocks(tile)
        ratings = np.full((12, 12), 7, np.float32)
        _kernels_tiles.read_tile_ratings(
            plan.user_order[users],
            items.start,
            plan.item_position,
            data.indptr,
            data.train.items,
            data.train.ratings,
            ratings,
        )
        block = observed[np.ix_(plan.user_order[users], plan.item_order[items])]
        assert_array_equal(ratings[: block.shape[0], : block.shape[1]], block)
        assert ratings.sum() == pytest.approx(block.sum())


def test_squared_error(rng):
    data = random_data(rng, 12, 9)
    P, Q = random_factors(rng, 1, 12)[0], random_factors(rng, 1, 9)[0]
    users, items, ratings = data.train
    expected = np.mean((ratings - (P[users] * Q[items]).sum(axis=1)) ** 2)
    assert _kernels.squared_error(P, Q, users, items, ratings) == pytest.approx(expected, rel=1e-5)


def test_random_order_is_a_permutation_and_fair():
    rng = np.random.default_rng(0)
    first = np.zeros((5, 5))
    for _ in range(4000):
        order = random_order(rng.integers(2**32, size=5, dtype=np.uint32))
        assert sorted(order) == [0, 1, 2, 3, 4]
        first[np.arange(5), order] += 1
    assert_allclose(first / 4000, 0.2, atol=0.03)  # five standard deviations


@pytest.mark.parametrize("n_ratings", [0, 1, 3, D - 1, D, D + 1, 3 * D + 2])
def test_fold_in_is_ridge_regression(rng, n_ratings):
    n_items = 40
    factors = rng.normal(size=(n_items, D))
    items = np.sort(rng.choice(n_items, n_ratings, replace=False))
    ratings = rng.random(n_ratings)
    A = factors[items]
    expected = np.linalg.solve(A.T @ A + 0.7 * np.eye(D), A.T @ ratings)
    profile = fold_in_rows(factors, np.array([0, n_ratings]), items.astype(np.int32), ratings, 0.7)
    assert_allclose(profile, [expected], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("goal", [1, -1])
def test_sgd_attack_follows_autograd(rng, goal):
    P, Q = random_factors(rng, 1, 4)[0], random_factors(rng, 1, 6)[0]
    users, last, targets = np.array([2, 0, 3]), np.array([1, 4, 5]), np.array([0, 5])
    masked = np.array([[False, True], [False, False], [False, False]])
    rate, margin = 0.05, 0.2
    expected_P, expected_Q = (torch.tensor(f, requires_grad=True) for f in (P, Q))
    n_expected = 0
    for x, u in enumerate(users):
        for y, t in enumerate(targets):
            if masked[x, y] or t == last[x]:
                continue
            log_h = torch.nn.functional.logsigmoid(expected_P[u] @ expected_Q.T)
            loss = torch.clamp(goal * (log_h[last[x]] - log_h[t]), min=-margin)
            n_expected += int(loss > -margin)
            gradients = torch.autograd.grad(loss, (expected_P, expected_Q))
            expected_P, expected_Q = (
                (f - rate * g).detach().requires_grad_()
                for f, g in zip((expected_P, expected_Q), gradients, strict=True)
            )
    n_steps = _kernels.sgd_attack(
        P, Q, users, last, targets, masked, np.float32(goal), np.float32(rate), np.float32(margin)
    )
    assert n_steps == n_expected > 0
    assert_allclose(P, expected_P.detach(), rtol=1e-4, atol=1e-5)
    assert_allclose(Q, expected_Q.detach(), rtol=1e-4, atol=1e-5)


def test_initial_factors_are_xavier_uniform(rng):
    P, Q = initial_factors(3, 50, 20, 16, rng)
    assert P.shape == (3, 50, 16)
    assert Q.shape == (3, 20, 16)
    assert P.dtype == Q.dtype == np.float32
    for factors, n_rows in ((P, 50), (Q, 20)):
        bound = np.sqrt(6 / (n_rows + 16))
        assert 0.95 * bound < np.abs(factors).max() <= bound
        assert factors.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("is_random", [False, True])
def test_perturbed_steps_follow_autograd(rng, is_random):
    P, Q = random_factors(rng, 1, 4)[0], random_factors(rng, 1, 3)[0]
    users, items = rng.integers(4, size=9), rng.integers(3, size=9)
    ratings = rng.random(9).astype(np.float32)
    directions = rng.normal(size=(5 if is_random else 0, D)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    choice = rng.integers(5, size=(9 if is_random else 0, 2))
    epsilon, rate = 0.3, 0.1
    expected_P, expected_Q = torch.tensor(P), torch.tensor(Q)
    for t in range(9):
        p = expected_P[users[t]].clone().requires_grad_()
        q = expected_Q[items[t]].clone().requires_grad_()
        loss = (ratings[t] - p @ q) ** 2
        growth = torch.autograd.grad(loss, (p, q), retain_graph=True)
        if is_random:
            deltas = [epsilon * torch.tensor(directions[c]) for c in choice[t]]
        else:
            deltas = [epsilon * g / g.norm() for g in growth]
        loss = loss + (ratings[t] - (p + deltas[0]) @ (q + deltas[1])) ** 2
        gradient_p, gradient_q = torch.autograd.grad(loss / 2, (p, q))
        expected_P[users[t]] -= rate * gradient_p
        expected_Q[items[t]] -= rate * gradient_q
    sgd_perturbed_pairs(
        P,
        Q,
        users.astype(np.int32),
        items.astype(np.int32),
        ratings,
        np.float32(rate),
        np.float32(0),
        np.float32(epsilon),
        directions,
        choice.astype(np.int32),
    )
    assert_allclose(P, expected_P, rtol=1e-4, atol=1e-5)
    assert_allclose(Q, expected_Q, rtol=1e-4, atol=1e-5)
