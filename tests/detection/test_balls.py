"""What look-alikes share, against slow and plain computations."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import norm

from skrecsec.detection import _balls
from skrecsec.utils.validation import check_ratings


@pytest.fixture
def pattern():
    rng = np.random.default_rng(0)
    B = (rng.random((300, 30)) < np.linspace(0.02, 0.04, 30)).astype(float)
    B[:8, [2, 5, 7]] = 1  # a block, for groups to find
    return check_ratings(B)


def test_shared_items_are_counted_as_by_plain_loops(pattern):
    rng = np.random.default_rng(2)
    n = pattern.shape[0]
    neighbors = np.array([rng.permutation(np.delete(np.arange(n), u))[:40] for u in range(n)])
    B = pattern.toarray()
    r, c = B.sum(axis=1), B.sum(axis=0)
    ratios = []
    for u in range(n):
        for item in np.flatnonzero(B[u]):
            best = 0.0
            for k in (5, 10, 20, 40):
                near = neighbors[u, :k]
                o, e = B[near, item].sum(), 2 * r[near].sum() * (c[item] - 1) / B.sum()
                if o > e:
                    best = max(best, o * math.log(o / e) - (o - e))
            ratios.append(best)
    largest = np.zeros(n)
    np.maximum.at(largest, np.repeat(np.arange(n), r.astype(int)), ratios)
    low, high = np.quantile(largest, [0.5, 0.9])
    scale = max((high - low) / math.log(5), 0.5)
    expected = (np.array(ratios) - low) / scale - math.log(n / 2)
    np.testing.assert_allclose(_balls.shared_items(pattern, neighbors), expected)


def test_rows_without_entries_have_no_largest():
    B = sp.csr_array(np.diag([1.0, 0, 1]))
    np.testing.assert_array_equal(_balls.largest_of_rows(B, np.array([3, 4])), [3, 0, 4])
    nothing = sp.csr_array((3, 3))
    np.testing.assert_array_equal(_balls.largest_of_rows(nothing, np.empty(0), empty=-1), [-1] * 3)


def test_nobody_is_their_own_neighbor(ratings):
    neighbors = _balls.look_alikes(ratings, ratings.data == ratings.data.max())
    assert neighbors.shape == (120, 40)
    assert not (neighbors == np.arange(120)[:, np.newaxis]).any()
    assert all(len(set(row)) == 40 for row in neighbors)


def test_energies_are_those_of_a_full_decomposition(ratings):
    features = _balls.profile_features(ratings, ratings.data == 5)
    lengths, c = np.diff(ratings.indptr), np.bincount(ratings.indices, minlength=90)
    normal = (ratings.toarray() > 0) / np.sqrt(np.outer(lengths, np.maximum(c, 1)))
    left, sizes, _ = np.linalg.svd(normal)
    energies = (left[:, : sizes.size] * sizes) ** 2 / (normal**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(features[:, -2], energies[:, 0])
    np.testing.assert_allclose(features[:, -1], energies[:, 1:16].sum(axis=1))


@pytest.mark.parametrize("shape", [(200, 20), (20, 200)])
def test_energies_of_narrow_matrices(shape):
    X = check_ratings((np.random.default_rng(0).random(shape) < 0.5) | np.eye(*shape, dtype=bool))
    lengths, c = np.diff(X.indptr), np.bincount(X.indices, minlength=shape[1])
    normal = X.toarray() / np.sqrt(np.outer(lengths, c))
    left, sizes, _ = np.linalg.svd(normal, full_matrices=False)
    energies = (left * sizes) ** 2 / (normal**2).sum(axis=1, keepdims=True)
    features = _balls.profile_features(X, np.ones(X.nnz, dtype=bool))
    np.testing.assert_allclose(features[:, -1], energies[:, 1:16].sum(axis=1))


def test_whitened_features_are_uncorrelated():
    x = np.random.default_rng(0).normal(size=(500, 3))
    features = np.column_stack([x, x[:, 0] + x[:, 1], np.ones(500)])
    white = _balls._whitened(features)
    assert white.shape == (500, 3)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(3), atol=1e-9)


def test_whitened_features_are_normal_scores():
    varied = np.array([3.0, 1, 2, 2, 9])
    ranks = np.array([4, 1, 2.5, 2.5, 5])
    scores = norm.ppf((ranks - 0.5) / 5)
    scores -= scores.mean()
    white = _balls._whitened(np.column_stack([varied, np.ones(5)]))
    np.testing.assert_allclose(np.abs(white), np.abs(scores / scores.std())[:, np.newaxis])
    np.testing.assert_array_equal(_balls._whitened(np.ones((4, 3))), np.zeros((4, 1)))


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_the_origin_is_where_one_of_the_users_is_expected(n):
    largest = np.random.default_rng(0).exponential(3, n)
    origin, scale = _balls._origin_and_scale(largest)
    median, ninth = np.quantile(largest, [0.5, 0.9])
    assert scale == pytest.approx(max((ninth - median) / math.log(5), 0.5))
    assert origin == pytest.approx(median + scale * (math.log(n / 2) if n > 2 else 0))


def test_a_single_profile_has_no_look_alikes():
    X = check_ratings([[5.0, 3, 5]])
    neighbors = _balls.look_alikes(X, X.data == 5)
    assert neighbors.shape == (1, 0)
    np.testing.assert_array_equal(_balls.shared_items(X, neighbors), np.zeros(3))


def test_few_profiles_are_all_look_alikes():
    X = check_ratings(np.tri(4, 6) + 1)
    neighbors = _balls.look_alikes(X, X.data == 2)
    assert [sorted(row) for row in neighbors.tolist()] == [
        [1, 2, 3],
        [0, 2, 3],
        [0, 1, 3],
        [0, 1, 2],
    ]
    assert _balls.shared_items(X, neighbors).shape == (X.nnz,)


def test_two_profiles_are_each_other_s_look_alikes():
    X = check_ratings([[5.0, 3, 5], [0, 4, 5]])
    assert _balls.look_alikes(X, X.data == 5).tolist() == [[1], [0]]
