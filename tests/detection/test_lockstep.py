"""The lockstep detector finds fakes, says on whose behalf, and leaves genuine users alone."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    LockstepDetector,
    SegmentAttackTransformer,
)
from skrecsec.base import BaseProfileDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection import _lockstep
from skrecsec.detection._lockstep import EVIDENCE


@pytest.fixture(scope="module")
def clean():
    return make_ratings(600, 400, density=0.06, random_state=0)


def average_precision(detector, n_genuine):
    is_fake = np.arange(detector.labels_.size) >= n_genuine
    return average_precision_score(is_fake, -detector.profile_scores_)


def attacked(attack, X):
    return attack, attack.fit_transform(X), X.shape[0]


# Not always so: with random_state=0 the defaults of make_ratings have 0.8% flagged, and the shape
# (500, 2000) has 0.6% with 4. Clean ratings have groups of like tastes, too.
@pytest.mark.parametrize(
    ("shape", "options", "seeds"),
    [
        ((1000, 1200), {}, [1, 3, 5]),
        ((1000, 800), {"density": 0.03}, [0, 1, 2, 3]),
        ((600, 400), {"density": 0.06}, [0, 1, 2]),
        ((300, 1000), {"density": 0.03}, [0, 1, 3]),
        ((2000, 300), {"density": 0.02}, [0, 1, 2]),
        ((500, 500), {"density": 0.05, "levels": (1, 2)}, [0, 1]),
        ((500, 500), {"density": 0.05, "levels": np.arange(1, 11) / 2}, [0, 1]),
        ((800, 150), {"density": 0.15, "n_factors": 2}, [0, 2]),
        ((500, 2000), {"density": 0.01, "noise": 1.5}, [0, 1]),
        ((150, 150), {"density": 0.2}, [0, 1, 2]),
    ],
)
def test_clean_ratings_are_left_alone(shape, options, seeds):
    for seed in seeds:
        detector = LockstepDetector().fit(make_ratings(*shape, **options, random_state=seed))
        assert (detector.labels_ == -1).mean() <= 0.005


@pytest.mark.parametrize("target_items", ["unpopular", "random"])
@pytest.mark.parametrize(
    "make",
    [
        AverageAttackTransformer,
        SegmentAttackTransformer,
        lambda **options: CoAttackTransformer(max_iter=5, **options),
    ],
)
def test_fakes_are_found_and_their_targets(clean, make, target_items):
    attack, X, n = attacked(make(target_items=target_items, random_state=0), clean)
    detector = LockstepDetector().fit(X)
    assert average_precision(detector, n) > 0.97
    assert (detector.labels_[n:] == -1).mean() > 0.9
    assert (detector.labels_[:n] == -1).mean() <= 0.015
    found = set().union(*(group.items for group in detector.groups_))
    # A popular target may be missed: many genuine users rate it highly, too.
    n_found = len(found & set(attack.target_items_))
    assert n_found == 5 if target_items == "unpopular" else n_found >= 3


@pytest.mark.parametrize("n_targets", [1, 2])
def test_few_targets(clean, n_targets):
    attack, X, n = attacked(AverageAttackTransformer(n_targets=n_targets, random_state=0), clean)
    detector = LockstepDetector().fit(X)
    assert average_precision(detector, n) > 0.97
    assert any(set(attack.target_items_) <= set(group.items) for group in detector.groups_)


def test_demoted_items_are_found_at_the_lowest_level(clean):
    _, X, n = attacked(AverageAttackTransformer(goal="nuke", random_state=0), clean)
    assert average_precision(LockstepDetector().fit(X), n) > 0.97
    assert average_precision(LockstepDetector(levels="extremes").fit(X), n) > 0.97
    assert average_precision(LockstepDetector(levels="top").fit(X), n) < 0.5


def test_targets_below_the_top_level_are_found(clean):
    attack, X, n = attacked(AverageAttackTransformer(random_state=0), clean)
    X = X.tolil()
    X[n:, attack.target_items_] = 4.0
    assert average_precision(LockstepDetector().fit(X), n) > 0.97
    assert average_precision(LockstepDetector(levels="top").fit(X), n) < 0.5


@pytest.mark.parametrize("evidence", [*EVIDENCE, ("items", "balls"), ["groups", "items"]])
def test_fewer_kinds_of_evidence(clean, evidence):
    _, X, n = attacked(AverageAttackTransformer(random_state=0), clean)
    detector = LockstepDetector(evidence=evidence).fit(X)
    assert np.isfinite(detector.profile_scores_).all()
    assert average_precision(detector, n) > 0.3


def test_published_splits(published_splits):
    for X, _ in published_splits:
        assert (LockstepDetector().fit(X).labels_ == -1).sum() == 0
        for target_items in ("unpopular", "random"):
            attack = SegmentAttackTransformer(target_items=target_items, random_state=0)
            attack, poisoned, n = attacked(attack, X)
            detector = LockstepDetector().fit(poisoned)
            assert average_precision(detector, n) > 0.97
            assert (detector.labels_[n:] == -1).all()
            assert (detector.labels_[:n] == -1).mean() <= 0.005
            np.testing.assert_array_equal(detector.groups_[0].items, attack.target_items_)


# --------------------------------------------------------------------------------------- contracts


@pytest.fixture(scope="module")
def poisoned(clean):
    return AverageAttackTransformer(random_state=0).fit_transform(clean)


def test_groups_say_what_they_are(poisoned):
    detector = LockstepDetector().fit(poisoned)
    group = detector.groups_[0]
    given = poisoned.toarray()[:, group.items] == group.level
    np.testing.assert_array_equal(group.users, np.flatnonzero(given.sum(axis=1) >= group.min_items))
    assert group.n_users == group.users.size > group.expected > 0
    assert group.score > 3
    assert (np.diff(group.items) > 0).all()
    assert repr(group).startswith("SuspiciousGroup(items=[")
    scores = [group.score for group in detector.groups_]
    assert scores == sorted(scores, reverse=True)
    assert all((detector.labels_[group.users] == -1).any() for group in detector.groups_)


def test_clean_ratings_have_no_groups():
    X = make_ratings(400, 200, density=0.1, random_state=0)
    assert LockstepDetector().fit(X).groups_ == []


def test_scores_go_with_users_and_do_not_depend_on_items_order(poisoned):
    scores = LockstepDetector().fit(poisoned).profile_scores_
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(poisoned.shape[0]), rng.permutation(poisoned.shape[1])
    by_rows = LockstepDetector().fit(poisoned[rows]).profile_scores_
    np.testing.assert_allclose(by_rows, scores[rows], rtol=1e-5, atol=1e-5)
    by_columns = LockstepDetector().fit(poisoned[:, columns]).profile_scores_
    np.testing.assert_allclose(by_columns, scores, rtol=1e-5, atol=1e-5)


def test_ratings_on_another_scale_give_the_same_verdicts(poisoned):
    scores = LockstepDetector().fit(poisoned).profile_scores_
    other = LockstepDetector().fit(poisoned * 2).profile_scores_
    np.testing.assert_allclose(other, scores, rtol=1e-5, atol=1e-5)


def test_a_share_is_taken_from_the_lowest_scores(poisoned):
    auto = LockstepDetector().fit(poisoned)
    detector = LockstepDetector(contamination=0.1).fit(poisoned)
    np.testing.assert_array_equal(detector.profile_scores_, auto.profile_scores_)
    assert (detector.labels_ == -1).sum() == pytest.approx(0.1 * poisoned.shape[0], abs=1)
    assert detector.profile_scores_[detector.labels_ == -1].max() < detector.offset_


def test_a_higher_threshold_calls_fewer_profiles_fake(poisoned):
    n_fake = [
        (LockstepDetector(threshold=threshold).fit(poisoned).labels_ == -1).sum()
        for threshold in (0.0, 3.0, 1000.0)
    ]
    assert n_fake[0] >= n_fake[1] > n_fake[2] == 0


def test_frames_pickles_and_pipelines(poisoned, clean):
    expected = LockstepDetector().fit(poisoned)
    frame = pd.DataFrame(poisoned.toarray(), columns=[f"i{i}" for i in range(poisoned.shape[1])])
    detector = LockstepDetector().fit(frame)
    np.testing.assert_array_equal(detector.profile_scores_, expected.profile_scores_)
    assert detector.feature_names_in_[0] == "i0"
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.labels_, expected.labels_)
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), LockstepDetector())
    np.testing.assert_array_equal(pipeline.fit_predict(clean), expected.labels_)
    assert not hasattr(pipeline[-1], "predict")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"contamination": 0.6}, "contamination"),
        ({"contamination": 0}, "contamination"),
        ({"contamination": "none"}, "contamination"),
        ({"evidence": ()}, "evidence"),
        ({"evidence": ("items", "stars")}, "evidence"),
        ({"evidence": ("items", "items")}, "evidence"),
        ({"levels": "bottom"}, "levels"),
        ({"threshold": -1}, "threshold"),
        ({"n_seeds": 0}, "n_seeds"),
        ({"max_items": 1}, "max_items"),
    ],
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        LockstepDetector(**parameters).fit(ratings)


@pytest.mark.parametrize(
    "X",
    [
        [[5.0]],
        [[5.0, 3.0]],
        [[5.0], [3.0]],
        np.ones((50, 20)),
        np.eye(30),
        sp.csr_array(np.maximum(np.random.default_rng(0).random((30, 40)) - 0.8, 0)),
        np.tri(4, 6),
        np.vstack([np.zeros((3, 5)), [[1, 0, 0, 0, 2]]]),
    ],
    ids=[
        "one rating", "one user", "one item", "all the same", "nothing shared", "continuous",
        "few", "empty profiles",
    ],
)  # fmt: skip
@pytest.mark.parametrize("levels", ["all", "mixed"])
def test_extreme_matrices(X, levels):
    X = sp.csr_array(X)
    for timestamps in (None, np.zeros(X.nnz), np.arange(X.nnz)):
        detector = LockstepDetector(levels=levels).fit(X, timestamps=timestamps)
        assert np.isfinite(detector.profile_scores_).all()
        assert (detector.labels_ == 1).all()
        assert detector.groups_ == []


def test_profiles_without_ratings_are_the_least_suspicious(poisoned):
    expected = LockstepDetector().fit(poisoned)
    padded = sp.vstack([poisoned[:300], sp.csr_array((2, 400)), poisoned[300:]], format="csr")
    detector = LockstepDetector().fit(padded)
    filled = np.delete(np.arange(padded.shape[0]), [300, 301])
    np.testing.assert_allclose(detector.profile_scores_[filled], expected.profile_scores_)
    assert (detector.profile_scores_[[300, 301]] >= expected.profile_scores_.max()).all()
    for group, other in zip(detector.groups_, expected.groups_, strict=True):
        np.testing.assert_array_equal(group.users, filled[other.users])


def test_profiles_without_ratings_are_genuine_whoever_the_others_are(monkeypatch):
    monkeypatch.setattr(_lockstep, "ordered", lambda scores, *_: np.full(scores.size, 4.0))
    detector = LockstepDetector().fit(np.vstack([np.tri(4), np.zeros((2, 4))]))
    assert detector.labels_.tolist() == [-1, -1, -1, -1, 1, 1]


def test_trusted_users_are_never_named_as_fake(poisoned):
    detector = LockstepDetector().fit(poisoned)
    trusted = np.flatnonzero(detector.labels_ == -1)[:5]
    other = LockstepDetector(trusted_users=trusted).fit(poisoned)
    assert (other.labels_[trusted] == 1).all()
    rest = np.delete(np.arange(poisoned.shape[0]), trusted)
    np.testing.assert_array_equal(other.labels_[rest], detector.labels_[rest])
    everybody = LockstepDetector(trusted_users=np.arange(poisoned.shape[0])).fit(poisoned)
    assert (everybody.labels_ == 1).all()
    assert everybody.groups_ == []


def test_groups_match_their_members_and_new_profiles(poisoned):
    group = LockstepDetector().fit(poisoned).groups_[0]
    np.testing.assert_array_equal(np.flatnonzero(group.matches(poisoned)), group.users)
    new = np.zeros((3, 400))
    new[0, group.items] = group.level
    new[1, group.items] = group.level - 1
    assert group.matches(new).tolist() == [True, False, False]


class Longest(BaseProfileDetector):
    """Calls those fake who rate most; explains nothing."""

    def _judge(self, X, is_trusted):
        return -np.diff(X.indptr).astype(float), -200.0, None


def test_a_detector_need_not_explain_itself(clean):
    detector = Longest().fit(sp.vstack([clean, sp.csr_array(np.ones((1, 400)))]))
    assert detector.groups_ == []
    assert np.flatnonzero(detector.labels_ == -1).tolist() == [600]
    assert (Longest(contamination=0.5).fit_predict(clean) == -1).mean() == pytest.approx(
        0.5, abs=0.1
    )
