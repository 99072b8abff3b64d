"""FAP: suspicion by dense loops, and seeds that keep their rows."""

import numpy as np
import pytest

from skrecsec import AverageAttackTransformer, FAPDetector, LockstepDetector
from skrecsec.datasets import make_ratings


def propagated_by_loops(D, seeds, trusted, n_rounds):
    n_users, n_items = D.shape
    rated = D > 0
    overall = D[rated].mean()
    w = np.zeros_like(D)
    for u in range(n_users):
        for i in np.flatnonzero(rated[u]):
            user, item = D[u][rated[u]].mean(), D[:, i][rated[:, i]].mean()
            w[u, i] = 1 + sum(abs((D[u, i] - m) / m) for m in (user, item, overall))
    p_users = np.zeros(n_users)
    p_users[seeds] = 1
    for _ in range(n_rounds):
        p_items = np.array(
            [w[:, i] @ p_users / w[:, i].sum() if rated[:, i].any() else 0 for i in range(n_items)]
        )
        p_users = np.array(
            [w[u] @ p_items / w[u].sum() if rated[u].any() else 0 for u in range(n_users)]
        )
        p_users[seeds] = 1
        p_users[trusted] = 0
    return p_users, p_items


@pytest.fixture(scope="module")
def poisoned():
    X = make_ratings(400, 200, density=0.1, random_state=0)
    return AverageAttackTransformer(random_state=0).fit_transform(X)


@pytest.mark.parametrize("n_rounds", [1, 2, 6])
def test_suspicion_by_loops(n_rounds):
    X = make_ratings(30, 25, density=0.2, random_state=0)
    X = X.tolil()
    X[4] = 0
    X[:, 7] = 0
    detector = FAPDetector(seed_users=[20, 3], trusted_users=[5, 8], n_rounds=n_rounds).fit(X)
    users, items = propagated_by_loops(X.toarray(), [3, 20], [5, 8], n_rounds)
    others = np.setdiff1d(np.arange(30), [5, 8])
    np.testing.assert_allclose(-detector.profile_scores_[others], users[others], atol=1e-12)
    np.testing.assert_allclose(detector.item_suspicion_, items, atol=1e-12)
    np.testing.assert_array_equal(detector.seed_users_, [3, 20])


def test_labels_stay_with_their_users_whatever_the_order_of_seeds(poisoned):
    seeds = [409, 401, 411, 404]
    detector = FAPDetector(seed_users=seeds).fit(poisoned)
    assert detector.labels_.size == detector.profile_scores_.size == poisoned.shape[0]
    assert set(np.flatnonzero(detector.profile_scores_ == -1)) == set(seeds)
    assert detector.profile_scores_[400:].max() < detector.profile_scores_[:400].min()
    again = FAPDetector(seed_users=seeds[::-1]).fit(poisoned)
    np.testing.assert_array_equal(again.profile_scores_, detector.profile_scores_)
    order = np.random.default_rng(0).permutation(poisoned.shape[0])
    moved = [int(np.flatnonzero(order == seed)[0]) for seed in seeds]
    again = FAPDetector(seed_users=moved).fit(poisoned[order])
    np.testing.assert_allclose(again.profile_scores_, detector.profile_scores_[order], atol=1e-12)


def test_without_seeds_those_of_the_best_group(poisoned):
    group = LockstepDetector().fit(poisoned).groups_[0]
    detector = FAPDetector().fit(poisoned)
    np.testing.assert_array_equal(detector.seed_users_, group.users)
    np.testing.assert_array_equal(np.flatnonzero(detector.labels_ == -1), np.arange(400, 412))
    assert set(group.items) <= set(detector.groups_[0].items)


def test_without_seeds_and_groups_nobody_is_suspected():
    X = make_ratings(400, 200, density=0.1, random_state=0)
    detector = FAPDetector().fit(X)
    assert detector.seed_users_.size == 0
    assert (detector.profile_scores_ == 0).all()
    assert (detector.labels_ == 1).all()
    assert detector.groups_ == []


def test_suspicion_of_all_drifts_to_that_of_the_seeds(ratings):
    few, many = (
        FAPDetector(seed_users=[0], n_rounds=n).fit(ratings).profile_scores_ for n in (2, 20_000)
    )
    assert np.median(few) > -0.1
    assert many.max() < -0.99
    trusted = FAPDetector(seed_users=[0], trusted_users=[1], n_rounds=20_000).fit(ratings)
    assert np.median(trusted.profile_scores_) > -0.9


def test_the_threshold_is_a_suspicion(poisoned):
    for threshold in (0.05, 0.3):
        detector = FAPDetector(seed_users=[400, 401, 402], threshold=threshold).fit(poisoned)
        expected = np.where(-detector.profile_scores_ > threshold, -1, 1)
        np.testing.assert_array_equal(detector.labels_, expected)
        assert 3 <= (expected == -1).sum() < 200


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"seed_users": [500]}, "seed_users"),
        ({"seed_users": [1, 2], "trusted_users": [2]}, "seed_users and trusted_users"),
        ({"n_rounds": 0}, "n_rounds"),
        ({"threshold": 1.5}, "threshold"),
    ],
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        FAPDetector(**parameters).fit(ratings)
