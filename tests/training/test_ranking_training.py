"""Training to rank: who is compared, and what a comparison does."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from skrecsec.training._data import RatingData
from skrecsec.training._ranking import draw_unrated, plan_comparisons, sgd_comparisons


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
    assert (P == 1).all()
    assert (Q == 1).all()
    assert (b == 1).all()


def test_a_comparison_descends_its_loss():
    """Against autograd: -log sigmoid of the difference, and half the penalised squares."""
    rng = np.random.default_rng(0)
    P, Q, b = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 4), (3, 4), (3,)))
    tensors = [torch.tensor(array, requires_grad=True) for array in (P, Q, b)]
    p, q, biases = tensors[0][1], tensors[1], tensors[2]
    difference = p @ (q[2] - q[0]) + biases[2] - biases[0]
    squares = p.square().sum() + q[[0, 2]].square().sum() + biases[[0, 2]].square().sum()
    loss = -torch.nn.functional.logsigmoid(difference) + 0.3 / 2 * squares
    gradients = torch.autograd.grad(loss, tensors)
    expected = [
        tensor.detach().numpy() - 0.05 * gradient.numpy()
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]
    one = [np.array([index], dtype=np.int32) for index in (1, 2, 0)]
    sgd_comparisons(P, Q, b, *one, np.float32(0.05), np.float32(0.3))
    for array, wanted in zip((P, Q, b), expected, strict=True):
        assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)
