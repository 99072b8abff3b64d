"""Statistics of items and of look-alikes, against slow and plain computations."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import betabinom
from scipy.stats import t as student

from skrecsec.detection import _balls, _items
from skrecsec.utils.validation import check_ratings


@pytest.fixture
def pattern():
    rng = np.random.default_rng(0)
    B = (rng.random((300, 30)) < np.linspace(0.02, 0.04, 30)).astype(float)
    B[:8, [2, 5, 7]] = 1  # a block, for groups to find
    return check_ratings(B)


# ------------------------------------------------------------------------------------------- items


def test_tails_are_those_of_beta_binomials():
    n, k = np.meshgrid([4, 9, 30, 300], [4, 5, 9, 25], indexing="ij")
    n, k = n.ravel(), np.minimum(k, n).ravel()
    share, variance = np.full(n.size, 0.3), np.full(n.size, 0.02)
    total = 0.3 * 0.7 / 0.02 - 1
    expected = -betabinom.logsf(k - 1, n, 0.3 * total, 0.7 * total)
    got = _items.beta_binomial_surprise(k, n, share, variance)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)


def test_few_ratings_of_the_level_are_no_surprise():
    got = _items.beta_binomial_surprise(np.array([3, 0]), np.array([3, 0]), np.full(2, 0.1), 0.01)
    np.testing.assert_array_equal(got, 0)


def test_tails_of_all_ratings_at_the_level_stay_finite():
    k = np.array([50_000])
    got = _items.beta_binomial_surprise(k, k, np.array([0.02]), np.array([0.003]))
    assert np.isfinite(got).all()
    assert got[0] > 10


def test_coherence_counts_pairs_of_raters_who_meet_elsewhere():
    rng = np.random.default_rng(1)
    X = check_ratings(np.where(rng.random((30, 15)) < 0.5, rng.integers(1, 3, (30, 15)), 0))
    got = _items.log_coherence(X, X.data == 2)
    rated, top = X.toarray() > 0, X.toarray() == 2
    chance = rated.sum(axis=0) / X.nnz
    for item in range(15):
        raters = np.flatnonzero(top[:, item])
        if raters.size < 5:
            assert np.isnan(got[item])
            continue
        others = np.delete(rated, item, axis=1)
        observed = expected = 0.0
        for u, v in itertools.combinations(raters, 2):
            observed += (others[u] & others[v]).sum()
            expected += others[u].sum() * others[v].sum() * (chance**2).sum()
        assert got[item] == pytest.approx(math.log(observed / expected))


def test_an_item_as_coherent_as_others_is_no_surprise():
    n_given = np.full(40, 20)
    coherence = np.random.default_rng(0).normal(size=40) * 0.1
    coherence[3], coherence[5] = 2.0, np.nan
    got = _items.coherence_surprise(coherence, n_given)
    assert got[3] == got.max() > 5
    assert got[5] == 0
    usable = coherence[~np.isnan(coherence)]
    middle = np.median(usable)
    deviation = abs(coherence[0] - middle) / (1.4826 * np.median(np.abs(usable - middle)))
    expected = max(0, -np.log(2 * student.sf(deviation, 4)))
    # One bin has them all, since they are equally popular.
    assert got[0] == pytest.approx(expected)


def test_a_share_of_the_level_is_learned_from_items_of_like_popularity():
    rng = np.random.default_rng(0)
    n_ratings = np.repeat([10, 1000], 100)
    n_given = rng.binomial(n_ratings, np.repeat([0.2, 0.6], 100))
    n_given[0] = 10  # an attacked item
    mean, variance = _items.prior_of_share(n_given, n_ratings)
    np.testing.assert_allclose(mean[:100], 0.2, atol=0.05)
    np.testing.assert_allclose(mean[100:], 0.6, atol=0.02)
    assert (variance >= 0.003).all()
    assert (variance < 0.03).all()


# ------------------------------------------------------------------------------------------- balls


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
