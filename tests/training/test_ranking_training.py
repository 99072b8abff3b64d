"""Training to rank: who is compared, and what a comparison does."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from skrecsec.training._data import RatingData
from skrecsec.training._ranking import (
    RankingSolver,
    draw_unrated,
    mean_losses,
    plan_comparisons,
    sgd_comparisons,
    sgd_perturbed_comparisons,
)


@pytest.fixture
def data(ratings):
    return RatingData.from_matrix(ratings, 0.0, np.random.default_rng(0))


def test_every_rating_is_compared_with_an_unrated_item(data, ratings):
    pool = np.arange(data.n_items, dtype=np.int32)
    plan = plan_comparisons(data, np.random.default_rng(0), pool)
    visited = sp.coo_array((np.ones(plan.users.size), (plan.users, plan.items)), ratings.shape)
    assert_array_equal(visited.toarray(), ratings.toarray() > 0)
    assert (plan.others >= 0).all()
    assert (ratings.toarray()[plan.users, plan.others] == 0).all()
    again = plan_comparisons(data, np.random.default_rng(0), pool)
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))


def test_unrated_items_are_drawn_alike_or_by_the_pool():
    """A user who has rated items 1 and 3 of 6; of the pool, item 5 is one half."""
    indptr, items = np.array([0, 2]), np.array([1, 3], dtype=np.int32)
    words = np.random.default_rng(0).integers(1, 2**64, size=60_000, dtype=np.uint64)
    users = np.zeros(words.size, dtype=np.int32)
    for pool, shares in (
        ([0, 1, 2, 3, 4, 5], [0.25, 0, 0.25, 0, 0.25, 0.25]),
        ([0, 1, 2, 5, 5, 5], [0.2, 0, 0.2, 0, 0, 0.6]),
    ):
        drawn = draw_unrated(words, users, indptr, items, np.array(pool, dtype=np.int32))
        counts = np.bincount(drawn, minlength=6)
        possible = np.array(shares) > 0
        assert counts[~possible].sum() == 0
        expected = np.array(shares)[possible] * words.size
        assert chisquare(counts[possible], expected).pvalue > 1e-4


def test_who_has_rated_everything_is_left_out():
    indptr, items = np.array([0, 3]), np.arange(3, dtype=np.int32)
    pool, words = np.arange(3, dtype=np.int32), np.arange(1, 9, dtype=np.uint64)
    drawn = draw_unrated(words, np.zeros(8, dtype=np.int32), indptr, items, pool)
    assert_array_equal(drawn, -1)
    P, Q, b = np.ones((1, 2), np.float32), np.ones((3, 2), np.float32), np.ones(3, np.float32)
    zeros = np.zeros(8, dtype=np.int32)
    sgd_comparisons(P, Q, b, zeros, zeros, drawn, np.float32(0.1), np.float32(0.1))
    options = perturbed_options(0.1, 0.1, np.full(1, 0.5), 1)
    sgd_perturbed_comparisons(P, Q, b, zeros, zeros, drawn, *options)
    assert (P == 1).all()
    assert (Q == 1).all()
    assert (b == 1).all()


@pytest.fixture
def model():
    """Return factors of two users and three items, and biases, as arrays and as tensors."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((2, 4), (3, 4), (3,))]
    return arrays, [torch.tensor(array, requires_grad=True) for array in arrays]


def perturbed_options(*options):
    return [np.float32(option) for option in options]


def loss_of(p, q_i, q_j, biases):
    return -torch.nn.functional.logsigmoid(p @ (q_i - q_j) + biases[2] - biases[0])


def assert_descends(kernel, model, loss, *options):
    """Assert that a kernel, where user 1 compares item 2 to 0, takes a step of 0.05 down a loss."""
    arrays, tensors = model
    gradients = torch.autograd.grad(loss, tensors)
    expected = [
        tensor.detach().numpy() - 0.05 * gradient.numpy()
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]
    one = [np.array([index], dtype=np.int32) for index in (1, 2, 0)]
    kernel(*arrays, *one, np.float32(0.05), *perturbed_options(*options))
    for array, wanted in zip(arrays, expected, strict=True):
        assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)


def penalty_of(p, q, biases):
    return 0.3 / 2 * sum(x.square().sum() for x in (p, q[[0, 2]], biases[[0, 2]]))


def test_a_comparison_descends_its_loss(model):
    """Against autograd: -log sigmoid of the difference, and half the penalised squares."""
    _, (P, q, biases) = model
    loss = loss_of(P[1], q[2], q[0], biases) + penalty_of(P[1], q, biases)
    assert_descends(sgd_comparisons, model, loss, 0.3)


def test_a_perturbed_comparison_descends_both_losses(model):
    """Against autograd, which finds the directions, too."""
    _, (P, q, biases) = model
    rows = P[1], q[2], q[0]
    clean = loss_of(*rows, biases)
    slopes = torch.autograd.grad(clean, rows, retain_graph=True)
    moved = [row + 0.7 * slope / slope.norm() for row, slope in zip(rows, slopes, strict=True)]
    loss = clean + 1.5 * loss_of(*moved, biases) + penalty_of(P[1], q, biases)
    # The length is that of user 1.
    assert_descends(sgd_perturbed_comparisons, model, loss, 0.3, np.array([9.0, 0.7]), 1.5)


def test_without_weight_perturbations_change_nothing(data):
    plan = plan_comparisons(data, np.random.default_rng(0), np.arange(data.n_items, dtype=np.int32))
    solvers = [
        RankingSolver.draw(data, 8, np.random.default_rng(0), learning_rate=0.05, reg=0.01)
        for _ in range(2)
    ]
    lengths = np.full(data.n_users, 0.5)
    solvers[0].run(plan)
    solvers[1].run_perturbed(plan, lengths, 0.0)
    assert_allclose(solvers[1].item_factors, solvers[0].item_factors, rtol=1e-4, atol=1e-6)
    solvers[1].run_perturbed(plan, lengths, 1.0)
    solvers[0].run(plan)
    assert abs(solvers[1].item_factors - solvers[0].item_factors).max() > 0.01


def test_equal_items_and_factors_of_zero_have_no_direction():
    P, Q, b = np.zeros((1, 2), np.float32), np.ones((2, 2), np.float32), np.zeros(2, np.float32)
    one = [np.array([index], dtype=np.int32) for index in (0, 0, 1)]
    options = perturbed_options(0.1, 0, np.full(1, 0.5), 1)
    sgd_perturbed_comparisons(P, Q, b, *one, *options)
    assert_allclose(b, [0.1, -0.1])
    assert_array_equal(P, 0)
    assert_array_equal(Q, 1)


def test_mean_losses_of_users(model):
    (P, Q, b), (p, q, biases) = model
    P = np.concatenate([P, P[:1]])  # user 2 is not compared
    users, items, others = np.array([[1, 0, 1, 0, 0], [2, 1, 2, 0, 0], [0, 0, 1, 2, -1]], np.int32)
    losses = mean_losses(P, Q, 5 * b, users, items, others)
    expected = []
    for u in (0, 1):
        own = (users == u) & (others >= 0)
        i, j = items[own], others[own]
        difference = ((q[i] - q[j]) @ p[u] + 5 * (biases[i] - biases[j])).detach()
        expected.append(-torch.nn.functional.logsigmoid(difference).mean())
    assert_allclose(losses[:2], expected, rtol=1e-5)
    assert np.isnan(losses[2])
