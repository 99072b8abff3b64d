"""UnRAP: scores and retrieval by plain loops."""

import numpy as np
import pytest

from skrecsec import AverageAttackTransformer, RandomAttackTransformer, UnRAPDetector
from skrecsec.datasets import make_ratings


def hv_by_loops(D, means):
    n_users, n_items = D.shape
    rated = D > 0

    def mean(values, n):
        return values.sum() / (n if means == "all" else max((values > 0).sum(), 1))

    user = [mean(D[u], n_items) for u in range(n_users)]
    item = [mean(D[:, i], n_users) for i in range(n_items)]
    overall = mean(D, D.size)
    scores = []
    for u in range(n_users):
        above = below = 0.0
        for i in np.flatnonzero(rated[u]):
            above += (D[u, i] - item[i] - user[u] + overall) ** 2
            below += (D[u, i] - user[u]) ** 2
        scores.append(above / below if below > 1e-9 else 0.0)
    return np.array(scores)


def retrieved_by_loops(D, scores, window):
    """Return target items, direction and who is retrieved."""
    deviation = np.zeros_like(D)
    for u, row in enumerate(D):
        for i in np.flatnonzero(row):
            deviation[u, i] = row[i] - row[row > 0].mean()
    order = sorted(range(len(D)), key=lambda u: -scores[u])
    sums = deviation[order[:window]].sum(axis=0)
    direction = 1 if sums.max() >= np.abs(sums).max() - 1e-9 else -1
    targets = [i for i, s in enumerate(sums) if direction * s >= np.abs(sums).max() - 1e-9]
    on_target = {u: direction * deviation[u, targets].sum() for u in order}
    met = []
    for start in range(len(order) - window + 1):
        met = order[: start + window]
        if sum(on_target[u] for u in order[start : start + window]) <= 1e-9:
            break
    return targets, direction, sorted(u for u in met if on_target[u] > 1e-9)


@pytest.mark.parametrize("means", ["all", "rated"])
@pytest.mark.parametrize("seed", range(6))
def test_scores_and_retrieval_by_loops(means, seed):
    X = make_ratings(60, 40, density=0.2, random_state=seed)
    if seed % 2:
        goal = "nuke" if seed % 3 else "push"
        attack = RandomAttackTransformer(n_targets=1, goal=goal, attack_size=0.2, random_state=seed)
        X = attack.fit_transform(X)
    detector = UnRAPDetector(means=means, window=7).fit(X)
    scores = hv_by_loops(X.toarray(), means)
    np.testing.assert_allclose(detector.hv_scores_, scores, rtol=1e-6, atol=1e-8)
    targets, direction, users = retrieved_by_loops(X.toarray(), detector.hv_scores_, 7)
    assert detector.target_items_.tolist() == targets
    assert detector.attack_direction_ == direction
    assert np.flatnonzero(detector.labels_ == -1).tolist() == users
    genuine = detector.labels_ == 1
    np.testing.assert_allclose(
        detector.profile_scores_, -scores / scores.max() - ~genuine, rtol=1e-6, atol=1e-8
    )
    for group in detector.groups_:
        assert (group.users.tolist(), group.items.tolist()) == (users, targets)
    assert len(detector.groups_) == bool(users)


@pytest.mark.parametrize("make", [RandomAttackTransformer, AverageAttackTransformer])
@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_the_published_strength(published_splits, make, goal):
    # The literature reports a high precision under the average attack, for one target.
    X = published_splits[0][0]
    attack = make(n_targets=1, goal=goal, target_items="random", random_state=0)
    detector = UnRAPDetector().fit(attack.fit_transform(X))
    np.testing.assert_array_equal(detector.target_items_, attack.target_items_)
    assert detector.attack_direction_ == (1 if goal == "push" else -1)
    assert (detector.labels_[X.shape[0] :] == -1).mean() > 0.9
    assert (detector.labels_[: X.shape[0]] == -1).mean() < 0.01


def test_all_targets_of_one_attack_are_named(ratings):
    attack = RandomAttackTransformer(attack_size=0.2, random_state=0)
    detector = UnRAPDetector().fit(attack.fit_transform(ratings))
    np.testing.assert_array_equal(detector.target_items_, attack.target_items_)
    assert (detector.labels_[120:] == -1).all()


def test_trusted_users_are_not_retrieved(ratings):
    X = RandomAttackTransformer(attack_size=0.2, random_state=0).fit_transform(ratings)
    detector = UnRAPDetector(trusted_users=[125]).fit(X)
    assert (detector.labels_[126:] == -1).all()
    assert 125 not in detector.groups_[0].users


def test_profiles_without_deviations_have_no_score():
    X = np.vstack([make_ratings(30, 20, density=0.4, random_state=0).toarray(), np.full(20, 4.0)])
    for means in ("all", "rated"):
        detector = UnRAPDetector(means=means).fit(X)
        assert (detector.hv_scores_[-1], detector.labels_[-1]) == (0, 1)
    single = np.zeros((3, 5))
    single[:, 2] = 4
    detector = UnRAPDetector(means="rated").fit(single)
    assert (detector.target_items_.size, detector.attack_direction_) == (0, 0)


@pytest.mark.parametrize(
    ("parameters", "name"), [({"window": 0}, "window"), ({"means": "x"}, "means")]
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        UnRAPDetector(**parameters).fit(ratings)
