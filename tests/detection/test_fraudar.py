"""FRAUDAR: peeling by plain Python, and half of the best by looking at all sets."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skrecsec import AverageAttackTransformer, FraudarDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection._fraudar import find_blocks, peel


def density(B, W, users, items):
    size = len(users) + len(items)
    return W[np.ix_(sorted(users), sorted(items))].sum() / size if size else 0.0


def weighted(B):
    return B / np.log(B.sum(axis=0) + 5)


def peeled_by_loops(B):
    """Return the densest set on the way, densities, and the batch of each user and item."""
    W = weighted(B)
    n_users, n_items = B.shape
    users, items = set(range(n_users)), set(range(n_items))
    densities, batches, best = [], np.zeros(n_users + n_items, int), (-1.0, None, None)
    while users or items:
        densities.append(density(B, W, users, items))
        if densities[-1] >= best[0] - 1e-9:
            best = densities[-1], set(users), set(items)
        keys = {u: W[u, sorted(items)].sum() for u in users}
        keys |= {n_users + i: W[sorted(users), i].sum() for i in items}
        least = min(keys.values())
        taken = {node for node, key in keys.items() if key <= least + 1e-9}
        batches[list(taken)] = len(densities) - 1
        users -= taken
        items -= {node - n_users for node in taken}
    return best, np.array(densities), batches


graphs = hnp.arrays(
    np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)
).filter(lambda B: B.any())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(graphs)
def test_peeling_by_loops(B):
    in_users, in_items, densities, batches = peel(*np.nonzero(B), B.shape)
    (_, users, items), expected, expected_batches = peeled_by_loops(B.astype(float))
    np.testing.assert_allclose(densities, expected, atol=1e-9)
    np.testing.assert_array_equal(batches, expected_batches)
    assert set(np.flatnonzero(in_users)) == users
    assert set(np.flatnonzero(in_items)) == items


def test_peeling_of_a_larger_graph_by_loops():
    B = make_ratings(70, 50, density=0.15, random_state=0).toarray() > 0
    _, _, densities, batches = peel(*np.nonzero(B), B.shape)
    _, expected, expected_batches = peeled_by_loops(B.astype(float))
    np.testing.assert_allclose(densities, expected, atol=1e-9)
    np.testing.assert_array_equal(batches, expected_batches)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 1))
)
def test_the_block_has_half_of_the_highest_density(B):
    if not B.any():
        return
    W = weighted(B.astype(float))
    subsets = [
        [list(s) for n in range(1, size + 1) for s in itertools.combinations(range(size), n)]
        for size in B.shape
    ]
    best = max(density(B, W, users, items) for users in subsets[0] for items in subsets[1])
    _, _, densities, _ = peel(*np.nonzero(B), B.shape)
    assert best / 2 - 1e-9 <= densities.max() <= best + 1e-9


@pytest.fixture
def planted():
    X = make_ratings(1000, 600, density=0.02, random_state=0).tolil()
    X[10:35, 150:175] = 5
    X[50:70, 20:40] = 5
    return sp.csr_array(X)


def test_blocks_come_one_after_the_other(planted):
    detector = FraudarDetector(n_blocks=2, min_lift=5).fit(planted)
    assert detector.densities_[0] > detector.densities_[1]
    assert (detector.lifts_ > 5).all()
    fake = np.r_[10:35, 50:70]
    np.testing.assert_array_equal(np.flatnonzero(detector.labels_ == -1), fake)
    assert [(group.users[0], group.items[0]) for group in detector.groups_] == [(10, 150), (50, 20)]
    scores = detector.profile_scores_
    assert scores[10:35].max() < scores[50:70].min()
    assert scores[50:70].max() < np.delete(scores, fake).min()
    one = FraudarDetector(n_blocks=1, min_lift=5).fit(planted)
    np.testing.assert_array_equal(np.flatnonzero(one.labels_ == -1), np.arange(10, 35))


def test_interactions_of_a_block_are_counted_once(planted):
    B = sp.csr_array((np.ones(planted.nnz), planted.indices, planted.indptr), planted.shape)
    blocks, _ = find_blocks(B, 12)
    left = B.toarray()
    for block in blocks:
        place = np.ix_(block.users, block.items)
        weights = 1 / np.log(left.sum(axis=0) + 5)
        size = block.users.size + block.items.size
        assert block.density == pytest.approx((left * weights)[place].sum() / size)
        expected = B.toarray()[block.users].sum() * B.toarray()[:, block.items].sum() / B.nnz
        n_inside = B.toarray()[place].sum()
        assert block.lift == pytest.approx(n_inside / expected)
        n_blocks = math.comb((B.sum(axis=1) > 0).sum(), block.users.size)
        n_blocks *= math.comb((B.sum(axis=0) > 0).sum(), block.items.size)
        net = n_inside * np.log(n_inside / expected) - (n_inside - expected)
        assert block.net == pytest.approx(max(net, 0) * (n_inside > expected) - math.log(n_blocks))
        left[place] = 0
    assert len(blocks) == 12 or left.sum() == 0


def test_trusted_users_are_left_out(planted):
    detector = FraudarDetector(n_blocks=1, min_lift=5, trusted_users=range(10, 35)).fit(planted)
    np.testing.assert_array_equal(detector.groups_[0].users, np.arange(50, 70))
    everybody = FraudarDetector(trusted_users=range(1000)).fit(planted)
    assert (everybody.densities_.size, everybody.groups_) == (0, [])


def test_which_ratings_count(planted):
    planted = planted.copy()
    other = np.repeat(np.arange(1000), np.diff(planted.indptr))
    planted.data[(other >= 50) & (other < 70)] = 3.0
    lowest = [
        FraudarDetector(n_blocks=2, min_lift=5, interactions=kind).fit(planted).labels_[50:70].min()
        for kind in ("all", 3.0, "top", 5.0)
    ]
    assert lowest == [-1, -1, 1, 1]


def test_a_block_that_degrees_explain_is_not_called_fake(published_splits):
    for X, _ in published_splits:
        detector = FraudarDetector().fit(X)
        assert detector.lifts_.max() < 10
        assert (detector.labels_ == 1).all()
        assert detector.groups_ == []
    # With a lower lift, a genuine block of MovieLens would be.
    assert (FraudarDetector(min_lift=2.0).fit(published_splits[0][0]).labels_ == -1).any()


def test_camouflage_does_not_help(planted):
    X = planted.tolil()
    popular = np.argsort(-np.asarray((planted.toarray() > 0).sum(axis=0)))[:10]
    X[10:35, popular] = 3
    scores = FraudarDetector(n_blocks=1).fit(X).profile_scores_
    np.testing.assert_array_equal(np.flatnonzero(scores < -1), np.arange(10, 35))


def test_few_fakes_among_real_ratings_are_not_dense(published_splits):
    X = published_splits[0][0]
    poisoned = AverageAttackTransformer(random_state=0).fit_transform(X)
    assert (FraudarDetector().fit(poisoned).labels_ == 1).all()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"n_blocks": 0}, "n_blocks"),
        ({"interactions": "some"}, "interactions"),
        ({"interactions": 0}, "interactions"),
        ({"min_lift": -1}, "min_lift"),
    ],
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        FraudarDetector(**parameters).fit(ratings)
