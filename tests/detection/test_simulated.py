"""The detector that learns from simulated attacks: its parts by plain loops, and what it adds."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score
from sklearn.tree import DecisionTreeClassifier

from skrecsec import AUSHAttackTransformer, AverageAttackTransformer, LockstepDetector
from skrecsec.base import BaseAttackTransformer
from skrecsec.datasets import make_ratings
from skrecsec.detection import SimulatedAttackDetector
from skrecsec.detection._copies import NAMES, Originals, copied_shares
from skrecsec.detection._learning import cross_fit
from skrecsec.detection._simulations import CopiedProfiles, find_attacks, simulate
from skrecsec.detection._suspects import find_meetings, ranks_among, ranks_of
from skrecsec.utils._estimator_checks._tools import make_test_ratings
from skrecsec.utils.estimator_checks import attack_checks

QUICK = DecisionTreeClassifier(max_depth=5, class_weight="balanced")


class CopyAttackTransformer(BaseAttackTransformer):
    """Copies genuine profiles, as far as the budget allows: another than the simulated one."""

    def _craft_profiles(self, known, budget, rng):
        long = np.flatnonzero(np.diff(known.indptr) > budget.n_fillers)
        profiles = known[rng.choice(long, budget.n_profiles, replace=False)].tolil()
        for row in range(budget.n_profiles):
            profiles[[row], profiles.rows[row][budget.n_fillers :]] = 0
        return profiles


@pytest.fixture(scope="module")
def clean():
    return make_ratings(300, 300, density=0.12, random_state=0)


@pytest.fixture(scope="module")
def copied(clean):
    """Ratings of which the last 9 rows are copies that push an item which six users rate highly."""
    counts = np.bincount(clean.indices[clean.data == 5], minlength=clean.shape[1])
    target = int(np.flatnonzero(counts == 6)[0])
    attack = CopyAttackTransformer(target_items=[target], random_state=0).fit(clean)
    return sp.csr_array(sp.vstack([clean, attack.poison_], format="csr")), target


@pytest.fixture(scope="module")
def fitted(copied):
    return SimulatedAttackDetector(n_simulations=4, random_state=0).fit(copied[0])


def average_precision(scores, n_genuine):
    return average_precision_score(np.arange(scores.size) >= n_genuine, -scores)


# --- what was copied ------------------------------------------------------------------------------


def copied_by_loops(profile, crowd, itself):
    """Return the shares of one dense profile that others have rated alike, best and sixth best."""
    n = crowd.shape[0]
    weight = {
        i: np.log(n / max((crowd[:, i] == profile[i]).sum(), 1)) for i in np.flatnonzero(profile)
    }
    counts, weights = [], []
    for v, other in enumerate(crowd):
        alike = [i for i in weight if other[i] == profile[i] and v != itself]
        counts.append(len(alike))
        weights.append(sum(weight[i] for i in alike))
    counts, weights = np.sort(counts)[::-1], np.sort(weights)[::-1]
    total, length = sum(weight.values()), len(weight)
    return [
        weights[0] / total, (weights[0] - weights[5]) / total,
        counts[0] / length, (counts[0] - counts[5]) / length,
    ]  # fmt: skip


def test_copied_shares_by_plain_loops():
    X = make_test_ratings()
    dense = X.toarray()
    expected = [copied_by_loops(profile, dense, u) for u, profile in enumerate(dense)]
    np.testing.assert_allclose(copied_shares(X, Originals.of(X)), expected, atol=1e-12)


def test_a_copy_is_all_copied_and_its_original_is_not():
    X = make_test_ratings().tolil()
    X[0] = X[1]
    X[[0], X.rows[0][:3]] = 0  # a part of the other profile
    X = sp.csr_array(X.tocsr())
    found = dict(zip(NAMES, copied_shares(X, Originals.of(X)).T, strict=True))
    assert found["copied_count"][0] == 1
    assert found["copied_count"][1] < 1
    assert (found["copied_count_lead"] <= found["copied_count"]).all()
    empty = copied_shares(sp.csr_array((2, X.shape[1])), Originals.of(X))
    assert not empty.any()


# --- simulations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("check", list(attack_checks()))
def test_the_simulated_copies_are_an_attack(check):
    check(CopiedProfiles())


def test_simulated_copies_are_mostly_copied(clean):
    attack = CopiedProfiles(random_state=0).fit(clean)
    dense, known = attack.poison_.toarray(), clean.toarray()[attack.known_users_]
    for profile in dense:
        alike = ((known == profile) & (profile > 0)).sum(axis=1).max()
        assert alike >= 0.55 * ((profile > 0).sum() - 5)


def test_attacks_take_turns_and_some_share_their_targets_out(clean):
    attacks = find_attacks(None)
    assert len(attacks) == 6
    made = simulate(clean, clean, attacks, 6, np.random.default_rng(0))
    assert len(made) == 6
    assert all(simulation.fakes.shape[0] >= 6 for simulation in made)
    assert all((np.diff(simulation.fakes.indptr) > 0).all() for simulation in made)
    names = find_attacks(["random", AverageAttackTransformer(knowledge=0.9)])
    assert [type(attack).__name__[:6] for attack in names] == ["Random", "Averag"]
    assert names[1].knowledge == 0.9


# --- learning -------------------------------------------------------------------------------------


def test_nobody_is_judged_by_a_classifier_that_has_seen_them_and_no_fake_is_learned():
    """Real fakes that are taught as genuine are found, if they look like simulated ones."""
    rng = np.random.default_rng(0)
    judged = rng.normal(size=(200, 2))
    judged[:8] += 6  # the fakes
    fakes = rng.normal(6, 1, size=(60, 2))
    who, counts = np.arange(200), np.ones(200, dtype=bool)
    tree = DecisionTreeClassifier(class_weight="balanced")  # remembers all that it is taught
    nobody = np.zeros(200, dtype=bool)
    fitted, oddness = cross_fit(tree, judged, judged, fakes, who, counts, nobody, rng)
    assert len(fitted) == 3
    assert np.sort(oddness)[-8:].min() == 1
    assert (oddness[:8] == 1).all()
    # Whoever has seen them says that they are genuine.
    taught = tree.fit(np.vstack([judged, fakes]), np.arange(260) >= 200)
    assert not taught.predict_proba(judged)[:8, 1].any()


def test_meetings_by_hand():
    """Five of the oddest of 100 users give item 0 the top level, which three others give it."""
    X = sp.lil_array((100, 30))
    rng = np.random.default_rng(0)
    for user in range(100):
        X[[user], rng.permutation(np.arange(1, 30))[:6]] = rng.integers(1, 6, 6)
    X[[0, 1, 2, 3, 4, 50, 60, 70], 0] = 5
    X = sp.csr_array(X.tocsr())
    ranks = np.arange(1.0, 101)
    levels = np.arange(1.0, 6)
    top, low = find_meetings(X, X.data.astype(int) - 1, levels, ranks)
    assert (top.level, low.level) == (5.0, 1.0)
    dense = X.toarray() == 5
    best = 0
    for n in (5, 8):  # 4% and less are five users, 8% are eight
        met, expected = dense[:n, 0].sum(), 2 * 8 * dense[:n].sum() / dense.sum()
        best = max(best, met * np.log(met / expected) - (met - expected))
    assert top.evidence[0] == pytest.approx(best - np.log(2))
    assert top.n_oddest[0] == 5
    assert (top.by_item[:5] == 0).all()
    assert (top.by_item[5:] == -1).all()
    assert np.argmax(top.items) == 0


def test_ranks():
    np.testing.assert_array_equal(ranks_of(np.array([0.1, 0.9, 0.1])), [2.5, 1, 2.5])
    np.testing.assert_array_equal(
        ranks_among(np.array([0.1, 0.9, 0.5]), np.array([1.0, 0.9, 0.3])), [1, 1.5, 3]
    )


# --- the detector ---------------------------------------------------------------------------------


def test_copies_are_found_where_the_scan_is_blind(copied, fitted, clean):
    X, target = copied
    n = clean.shape[0]
    scan = LockstepDetector().fit(X)
    assert average_precision(scan.profile_scores_, n) < 0.5
    assert average_precision(fitted.profile_scores_, n) > 0.95
    assert (fitted.labels_[n:] == -1).mean() > 0.8
    assert (fitted.labels_[:n] == -1).mean() <= 0.01
    assert any(group.items.tolist() == [target] for group in fitted.groups_)
    assert fitted.oddness_[n:].mean() > fitted.oddness_[:n].mean()


def test_scan_stays_as_it_was(clean):
    attack = AverageAttackTransformer(random_state=0)
    X, n = attack.fit_transform(clean), clean.shape[0]
    detector = SimulatedAttackDetector(
        classifier=QUICK, attacks=["random"], n_simulations=1, random_state=0
    ).fit(X)
    scan = LockstepDetector().fit(X)
    assert (detector.labels_[scan.labels_ == -1] == -1).all()
    assert average_precision(detector.profile_scores_, n) > 0.98
    assert (detector.predict(attack.poison_) == -1).all()


@pytest.mark.parametrize("seed", range(2))
def test_clean_ratings_are_left_alone(seed):
    X = make_ratings(300, 200, density=0.1, random_state=seed + 1)
    detector = SimulatedAttackDetector(n_simulations=2, random_state=seed).fit(X)
    assert (detector.labels_ == -1).mean() <= 0.005


@pytest.mark.parametrize("clean_by", ["trusted", "generated"])
def test_other_clean_ratings(copied, clean, clean_by):
    X, _ = copied
    trusted = np.arange(0, 300, 2)
    detector = SimulatedAttackDetector(
        clean=clean_by, trusted_users=trusted, n_simulations=3, random_state=0
    ).fit(X)
    assert (detector.labels_[trusted] == 1).all()
    rest = np.setdiff1d(np.arange(X.shape[0]), trusted)
    assert average_precision_score(rest >= 300, -detector.profile_scores_[rest]) > 0.7


def test_new_profiles(copied, fitted, clean):
    X, target = copied
    n = clean.shape[0]
    scores = fitted.score_samples(X)
    np.testing.assert_array_equal(fitted.predict(X), np.where(scores < fitted.offset_, -1, 1))
    np.testing.assert_allclose(fitted.decision_function(X), scores - fitted.offset_)
    assert (fitted.predict(X) == fitted.labels_).mean() > 0.98
    assert (fitted.predict(X[n:]) == -1).mean() > 0.8
    others = CopyAttackTransformer(target_items=[target], random_state=7).fit(clean).poison_
    assert (fitted.predict(others) == -1).mean() > 0.5
    elsewhere = CopyAttackTransformer(target_items=[target + 1], random_state=7).fit(clean).poison_
    assert (fitted.predict(elsewhere) == 1).all()
    assert fitted.predict(sp.csr_array((1, X.shape[1]))).tolist() == [1]


def test_same_seed_and_pickle(copied):
    X, _ = copied
    options = {"classifier": QUICK, "n_simulations": 2}
    first, second = (SimulatedAttackDetector(random_state=1, **options).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.profile_scores_, second.profile_scores_)
    assert not np.array_equal(
        first.oddness_, SimulatedAttackDetector(random_state=2, **options).fit(X).oddness_
    )
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.score_samples(X), first.score_samples(X))


def test_empty_rows(copied):
    X, _ = copied
    padded = sp.csr_array(sp.block_diag([X, sp.csr_array((2, 3))]))
    detector = SimulatedAttackDetector(classifier=QUICK, n_simulations=1, random_state=0)
    detector.fit(padded)
    assert np.isfinite(detector.profile_scores_).all()
    assert (detector.labels_[-2:] == 1).all()
    assert not detector.oddness_[-2:].any()


def test_of_few_profiles_only_the_scan_says_something():
    X = make_test_ratings()
    detector = SimulatedAttackDetector(random_state=0).fit(X)
    assert detector.classifiers_ == []
    np.testing.assert_array_equal(detector.labels_, LockstepDetector().fit(X).labels_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": []}, "attacks"),
        ({"attacks": ["none of these"]}, "none of these"),
        ({"attacks": [LockstepDetector()]}, "attacks"),
        ({"clean": "trusted"}, "trusted_users"),
        ({"clean": "trusted", "trusted_users": [1, 2]}, "trusted_users"),
        ({"n_simulations": 0}, "n_simulations"),
        ({"clean": "all"}, "clean"),
    ],
)
def test_bad_parameters_are_refused(clean, options, message):
    with pytest.raises(ValueError, match=message):
        SimulatedAttackDetector(**options).fit(clean)


@pytest.mark.slow
def test_augmented_profiles_on_real_ratings(published_splits):
    """One random target, 1%: the scan is blind, and no attack of this kind was simulated."""
    X, _ = next(iter(published_splits))
    attack = AUSHAttackTransformer(
        target_items="random", n_targets=1, attack_size=0.01, max_iter=5, random_state=0
    )
    poisoned = attack.fit_transform(X)
    detector = SimulatedAttackDetector(random_state=0).fit(poisoned)
    assert average_precision(detector.scan_.profile_scores_, X.shape[0]) < 0.9
    assert average_precision(detector.profile_scores_, X.shape[0]) > 0.9
