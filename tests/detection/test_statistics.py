"""The three statistics of the lockstep detector, against slow and plain computations."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import betabinom
from scipy.stats import t as student
from sklearn import config_context

from skrecsec.detection import _balls, _groups, _items
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


# ------------------------------------------------------------------------------------------ groups


def probabilities(B):
    r, c = B.sum(axis=1), B.sum(axis=0)
    return np.minimum(np.outer(r, c) / B.sum(), 1)


def expected_members(B, items, j, lift):
    """Sum over all outcomes of the users' ratings of the items, j or more of them given."""
    p = probabilities(B)[:, items]
    total = 0.0
    for outcome in itertools.product([0, 1], repeat=len(items)):
        if sum(outcome) >= j:
            total += np.where(outcome, p, 1 - p).prod(axis=1).sum()
    return total * lift ** (j - 1)


def net_surprise(B, items, j, lift, surprise):
    n, e = (B[:, items].sum(axis=1) >= j).sum(), expected_members(B, items, j, lift)
    m = (B.sum(axis=0) >= 3).sum()
    net = n * math.log(n / e) - (n - e) - math.log(math.comb(m, len(items))) - math.log(3)
    return net + np.maximum(surprise[items] - 3, 0).sum()


def test_groups_are_as_surprising_as_enumeration_says():
    rng = np.random.default_rng(3)
    B = (rng.random((800, 60)) < 0.01).astype(float)
    for j, users in ((2, range(40)), (3, range(40, 70))):
        for user in users:  # items that are shared out
            B[user, rng.permutation(6)[:j] + 10 * j] = 1
    surprise = np.linspace(0, 5, 60)
    pairs = np.array(list(itertools.combinations(range(60), 2)))
    found = _groups.grow_groups(check_ratings(B), surprise, pairs, lift=1.2, max_items=6)
    kinds = set()
    assert (np.diff(found.net) <= 0).all()
    for items, j, n, e, net in zip(*found, strict=True):
        items = items[items >= 0]
        kinds.add(int(j) if j < len(items) else 0)
        assert n == (B[:, items].sum(axis=1) >= j).sum()
        assert e == pytest.approx(expected_members(B, items, j, 1.2))
        assert net == pytest.approx(net_surprise(B, items, j, 1.2, surprise))
    assert kinds == {0, 2, 3}


def test_the_greedy_search_finds_the_best_group_of_a_small_matrix(pattern):
    B, surprise = pattern.toarray(), np.zeros(30)
    found = _groups.find_groups(pattern, surprise, n_seeds=500, max_items=3)
    best = max(
        net_surprise(B, list(items), j, 2.0, surprise)
        for size in (2, 3)
        for items in itertools.combinations(range(30), size)
        for j in {size, 2, 3}
        if j <= size
        and (B[:, list(items)].sum(axis=1) >= j).sum()
        > 3 * expected_members(B, list(items), j, 2.0)
    )
    assert found.net[0] == pytest.approx(best)


@pytest.mark.parametrize("max_items", [2, 4])
def test_users_have_the_best_group_that_they_are_in(max_items, pattern):
    found = _groups.find_groups(pattern, np.zeros(30), n_seeds=500, max_items=max_items)
    B = pattern.toarray()
    expected = np.full(300, -np.inf)
    for items, j, _, _, net in zip(*found, strict=True):
        inside = B[:, items[items >= 0]].sum(axis=1) >= j
        expected[inside] = np.maximum(expected[inside], net)
    np.testing.assert_array_equal(_groups.best_nets(found, pattern), expected)


@pytest.mark.parametrize(("n_blocks", "is_last"), [(1, False), (6, True)])
def test_many_groups_are_taken_for_tastes(n_blocks, is_last, monkeypatch):
    monkeypatch.setattr(_groups, "LIFTS", (2.0, 3.0))
    B = (np.random.default_rng(0).random((2000, 400)) < 0.005).astype(float)
    for block in range(n_blocks):
        B[100 * block : 100 * block + 100, 4 * block : 4 * block + 4] = 1
    X, nothing = check_ratings(B), np.zeros(400)
    for lift, pairs in zip(_groups.LIFTS, _groups._seed_pairs(X, 50), strict=True):
        expected = _groups.grow_groups(X, nothing, pairs, lift=lift, max_items=4)
        if len(_groups.disjoint(expected)) <= 4:
            break
    found = _groups.find_groups(X, nothing, n_seeds=50, max_items=4)
    np.testing.assert_array_equal(found.net, expected.net)
    assert (lift == _groups.LIFTS[-1]) == is_last
    assert len(_groups.disjoint(found)) == n_blocks


def test_disjoint_groups_share_no_item():
    items = np.array([[1, 2, -1], [2, 3, -1], [4, 5, 6], [7, 8, -1]])
    nothing = np.zeros(4, dtype=int)
    groups = _groups.Groups(items, nothing, nothing, np.ones(4), np.array([9.0, 8, 7, 2.9]))
    assert _groups.disjoint(groups) == [0, 2]


def test_seeds_do_not_depend_on_blocks(pattern):
    whole = _groups._seed_pairs(pattern, 10)
    with config_context(working_memory=1e-4):
        blocks = _groups._seed_pairs(pattern, 10)
    for some, others in zip(whole, blocks, strict=True):
        assert set(map(tuple, some)) == set(map(tuple, others))
        assert len(some) <= 10


def test_a_pattern_without_pairs_has_no_groups():
    B = sp.csr_array(np.eye(5))
    groups = _groups.find_groups(B, np.zeros(5), n_seeds=10, max_items=8)
    assert groups.net.size == 0
    assert (_groups.best_nets(groups, B) == -np.inf).all()


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
