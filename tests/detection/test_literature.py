"""What holds of all detectors of the literature: odd matrices, other orders, groups that fit."""

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec import (
    AverageAttackTransformer,
    FAPDetector,
    FraudarDetector,
    PCADetector,
    SpectralDetector,
    UnRAPDetector,
)
from skrecsec.datasets import make_ratings
from skrecsec.detection._common import common_items, describe_group
from skrecsec.detection._counts import log_ratio, pattern_of_ratings

DETECTORS = [
    PCADetector(),
    PCADetector(unrated="mean"),
    UnRAPDetector(),
    UnRAPDetector(means="rated"),
    SpectralDetector(),
    SpectralDetector(similarity="cosine", edge_density=1.0),
    FAPDetector(),
    FAPDetector(seed_users=[0]),
    FraudarDetector(),
    FraudarDetector(interactions="top"),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
@pytest.mark.parametrize(
    "X",
    [
        [[5.0]],
        [[5.0, 3.0, 1.0]],
        [[5.0], [3.0], [3.0]],
        np.ones((50, 20)),
        np.eye(30),
        np.tile([5.0, 3, 0, 1], (20, 1)),
        sp.csr_array(np.maximum(np.random.default_rng(0).random((80, 70)) - 0.8, 0)),
    ],
    ids=["rating", "user", "item", "same", "nothing shared", "copies", "continuous"],
)
def test_extreme_matrices(detector, X):
    scores = detector.fit(X).profile_scores_
    assert np.isfinite(scores).all()
    # Rows that are alike have the same score.
    D = X.toarray() if sp.issparse(X) else np.asarray(X)
    if len(D) > 1 and (D[0] == D).all() and not hasattr(detector, "seed_users"):
        np.testing.assert_allclose(scores, scores[0], atol=1e-9)
    for group in detector.groups_:
        assert group.users.max() < D.shape[0]
        assert group.items.max() < D.shape[1]


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_order_does_not_matter(detector):
    X = make_ratings(120, 100, density=0.1, random_state=0)
    X = AverageAttackTransformer(attack_size=0.1, random_state=0).fit_transform(X)
    scores, labels = detector.fit(X).profile_scores_, detector.labels_
    rng = np.random.default_rng(0)
    rows = np.concatenate([[0], 1 + rng.permutation(X.shape[0] - 1)])  # 0 may be a seed
    columns = rng.permutation(X.shape[1])
    detector.fit(X[rows][:, columns])
    np.testing.assert_allclose(detector.profile_scores_, scores[rows], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(detector.labels_, labels[rows])


@pytest.mark.parametrize("detector", [d for d in DETECTORS if "seed" not in repr(d)], ids=repr)
@pytest.mark.parametrize(
    "X",
    [
        np.eye(100),
        sp.block_diag([np.random.default_rng(0).integers(1, 6, size=(10, 10))] * 12),
        sp.block_diag([np.tile([1.0, 2, 3, 4, 5], (20, 1))] * 14),
        np.repeat(np.random.default_rng(0).integers(0, 6, size=(2, 80)), 110, axis=0),
    ],
    ids=["nothing shared", "same blocks", "cliques", "two profiles"],
)
def test_ties_do_not_depend_on_order(detector, X):
    X = sp.csr_array(X, dtype=float)
    scores = detector.fit(X).profile_scores_
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(X.shape[0]), rng.permutation(X.shape[1])
    again = detector.fit(X[rows][:, columns]).profile_scores_
    np.testing.assert_allclose(again, scores[rows], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_the_unit_of_ratings_does_not_matter(detector, unit):
    if "interactions" in repr(detector):
        pytest.skip("compares with a height")
    X = make_ratings(60, 50, density=0.2, random_state=0)
    scores = detector.fit(X).profile_scores_
    np.testing.assert_allclose(detector.fit(X * unit).profile_scores_, scores, atol=1e-8)


def test_surprise_is_that_of_a_poisson():
    np.testing.assert_allclose(log_ratio([3, 8], [3.0, 2.0]), [0, 8 * np.log(4) - 6])
    assert log_ratio(2, 5.0) == 0


def test_what_users_have_in_common():
    X = make_ratings(300, 200, density=0.05, random_state=0).tolil()
    X[:10, [7, 31, 40]] = 5
    X[:4, 50] = 5
    X = sp.csr_array(X)
    B = pattern_of_ratings(X)
    items = common_items(B, np.arange(10))
    assert {7, 31, 40} <= set(items)
    assert items.size <= 8
    assert (np.diff(items) > 0).all()
    for item in items:
        assert (X.toarray()[:10, item] > 0).mean() >= 0.5
    group = describe_group(X, B, np.arange(10), np.array([7, 31, 40]))
    n_held = (X.toarray()[:, [7, 31, 40]] > 0).sum(axis=1)
    assert (group.level, group.min_items) == (5, 3)
    assert group.n_users == (n_held >= 3).sum()
    assert 0 < group.expected < 1 < group.score


def test_patterns_of_some_ratings():
    X = sp.csr_array([[5.0, 0, 3], [0, 0, 0], [0, 2, 5]])
    np.testing.assert_array_equal(pattern_of_ratings(X).toarray(), X.toarray() > 0)
    top = pattern_of_ratings(X, X.data == 5)
    np.testing.assert_array_equal(top.toarray(), X.toarray() == 5)
