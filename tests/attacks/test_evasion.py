"""Attacks that hide: targets shared out, levels, lengths, obfuscated fillers, a detector's loop."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skrecsec import (
    AverageAttackTransformer,
    BlackBoxAttackTransformer,
    CopyAttackTransformer,
    GCoAttackTransformer,
    GTAAttackTransformer,
    NeighborhoodAttackTransformer,
    PopularityRecommender,
    PowerUserAttackTransformer,
    RandomAttackTransformer,
)
from skrecsec.base import BaseAttackTransformer, Budget, complete_profiles
from skrecsec.base import _attack as base_attack
from skrecsec.base._disguise import Disguise, draw_lengths, extreme_levels, rate_targets, share_out
from skrecsec.base._evade import Step, find_steps, share_detected
from skrecsec.datasets import make_ratings
from skrecsec.detection import FAPDetector, LockstepDetector
from skrecsec.exceptions import EvasionWarning
from skrecsec.experiments import robustness_study

TARGETS = [4, 9, 30, 31, 60]
LEVELS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def fit(X, cls=AverageAttackTransformer, **parameters):
    return cls(**{"target_items": TARGETS, "random_state": 0, **parameters}).fit(X)


def given_to_targets(attack):
    return attack.poison_[:, TARGETS].toarray()


# --- targets shared out ---------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_targets_are_shared_out_evenly(n_profiles, n_targets, data):
    n_each = data.draw(st.integers(1, n_targets))
    is_rated = share_out(n_profiles, n_targets, n_each)
    assert_array_equal(is_rated.sum(axis=1), n_each)
    assert np.ptp(is_rated.sum(axis=0)) <= 1


def test_all_pairs_of_targets_occur_equally_often():
    is_rated = share_out(20, 5, 2)
    counts = {
        pair: is_rated[:, pair].all(axis=1).sum() for pair in itertools.combinations(range(5), 2)
    }
    assert set(counts.values()) == {2}


def test_profiles_keep_their_length(ratings):
    attack = fit(ratings, targets_per_profile=2, n_fillers=12, attack_size=10)
    assert_array_equal(np.diff(attack.poison_.indptr), 12)
    assert_array_equal((given_to_targets(attack) == 5).sum(axis=1), 2)
    assert_array_equal((given_to_targets(attack) == 5).sum(axis=0), 4)


@pytest.mark.parametrize("everything", [None, "all", 5, 99])
def test_all_targets_is_as_before(everything, ratings):
    expected = fit(ratings).poison_
    assert (fit(ratings, targets_per_profile=everything).poison_ != expected).nnz == 0


def test_a_profile_may_be_shorter_than_there_are_targets(ratings):
    attack = fit(ratings, targets_per_profile=2, n_fillers=2, attack_size=5)
    assert_array_equal(np.diff(attack.poison_.indptr), 2)
    with pytest.raises(ValueError, match="n_fillers=1 must be between the number of targets"):
        fit(ratings, targets_per_profile=2, n_fillers=1)
    with pytest.raises(ValueError, match="less the targets that a profile leaves out"):
        fit(ratings, targets_per_profile=2, n_fillers=88)
    assert_array_equal(
        np.diff(fit(ratings, targets_per_profile=2, n_fillers=87).poison_.indptr), 87
    )


def test_budgets_of_some_profiles():
    planned = np.array([[5.0, 0], [0, 5.0], [4.0, 0]])
    budget = Budget(3, 4, np.array([1, 0]), 5.0, LEVELS, planned)
    assert (budget.n_targets_each, budget.n_fillers) == (1, 3)
    part = budget.of_profiles(1, 3)
    assert part.n_profiles == 2
    expected = [[5, 0, 2], [0, 4, 0]]
    assert_array_equal(
        complete_profiles(sp.csr_array([[3, 3, 2], [0, 0, 0]]), 3, part).toarray(), expected
    )
    assert Budget(3, 4, np.array([1, 0]), 5.0, LEVELS).of_profiles(1, 3).target_ratings is None


def test_budgets_of_profiles_of_several_sizes():
    planned = np.array([[5.0, 0], [4.0, 5.0], [0, 0]])
    budget = Budget(3, 6, np.array([1, 0]), 5.0, LEVELS, planned)
    assert_array_equal(budget.planned_fillers(), 4)  # what the profile with most targets has
    budget = budget._replace(profile_sizes=np.array([3, 6, 2]))
    assert_array_equal(budget.planned_fillers(), [2, 4, 2])
    assert_array_equal(budget._replace(profile_size=4).planned_fillers(), [2, 2, 2])
    assert_array_equal(budget.of_profiles(1, 3).planned_fillers(), [4, 2])
    budget = budget._replace(profile_sizes=np.array([1, 1, 9]))
    assert_array_equal(budget.planned_fillers(), [0, 0, 4])


# --- levels of the targets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target_rating", "goal", "expected"),
    [
        ("top", "push", [5]),
        ("top", "nuke", [1]),
        ("near-top", "push", [4]),
        ("near-top", "nuke", [2]),
        ("mixed", "push", [4, 5]),
        ("mixed", "nuke", [1, 2]),
        (1, "push", [5]),
        (3, "nuke", [1, 2, 3]),
        (5, "push", [1, 2, 3, 4, 5]),
    ],
)
def test_levels_of_targets(target_rating, goal, expected, ratings):
    attack = fit(ratings, target_rating=target_rating, goal=goal, attack_size=10)
    rated = given_to_targets(attack)
    for column in rated.T:
        levels, counts = np.unique(column, return_counts=True)
        assert_array_equal(levels, expected)
        assert np.ptp(counts) <= 1


def test_shared_and_mixed_together():
    is_rated = share_out(30, 5, 2)
    rated = rate_targets(is_rated, np.array([5.0, 4.0, 3.0]), np.random.default_rng(0))
    assert_array_equal(rated > 0, is_rated)
    for column in rated.T:
        assert_array_equal(np.unique(column[column > 0], return_counts=True)[1], 4)


@pytest.mark.parametrize("target_rating", ["near-top", "mixed", 2])
def test_one_level_is_not_enough(target_rating, ratings):
    clicks = ratings.copy()
    clicks.data[:] = 1
    with pytest.raises(ValueError, match=rf"target_rating={target_rating!r}.*one level only"):
        fit(clicks, target_rating=target_rating)
    fit(clicks, target_rating=1)


def test_more_levels_than_there_are():
    with pytest.raises(ValueError, match="target_rating=6 needs 6 rating levels, and there are 5"):
        extreme_levels(6, "push", LEVELS)


# --- lengths --------------------------------------------------------------------------------------


def with_lengths(lengths, n_items=60):
    return sp.csr_array((np.arange(n_items) < np.array(lengths)[:, None]) * 3.0)


def cap_by_trying(lengths, allowed):
    """Lower the highest length by one until all of them fit."""
    cap = lengths.max()
    while np.minimum(lengths, cap).sum() > allowed:
        cap -= 1
    return np.minimum(lengths, cap)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 20), st.integers(3, 40)
)
def test_lengths_are_cut_no_more_than_needed(genuine, n_profiles, size):
    genuine = [*genuine, 7]
    budget = Budget(n_profiles, size, np.array([0, 1]), 5.0, LEVELS)
    lengths = draw_lengths(with_lengths(genuine), budget, 45, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    drawn = np.clip(rng.choice([n for n in genuine if n > 0], n_profiles), 2, 45)
    assert_array_equal(lengths, cap_by_trying(drawn, n_profiles * size))


def test_genuine_lengths_vary_and_keep_to_the_budget(ratings):
    attack = fit(ratings, profile_lengths="genuine", attack_size=40)
    lengths = np.diff(attack.poison_.indptr)
    known = np.diff(ratings.indptr)[attack.known_users_]
    assert np.isin(lengths[lengths < lengths.max()], known).all()
    assert np.unique(lengths).size > 5
    assert attack.poison_.nnz <= 40 * round(known.mean())
    assert_array_equal(given_to_targets(attack), 5)


class Ranked(BaseAttackTransformer):
    """Crafts all fillers of which item i is rated i."""

    _ranks_fillers = True

    def __init__(self, *, profile_lengths="fixed", obfuscation=None, rating=None, random_state=0):
        super().__init__(
            target_items=[40],
            attack_size=20,
            profile_lengths=profile_lengths,
            obfuscation=obfuscation,
            random_state=random_state,
        )
        self.rating = rating

    def _craft_profiles(self, known, budget, rng):
        items = np.arange(40 - budget.n_fillers, 40)
        profiles = np.zeros((budget.n_profiles, known.shape[1]))
        profiles[:, items] = items / 10 if self.rating is None else self.rating
        return sp.csr_array(profiles)


def test_ranked_fillers_are_kept_from_the_highest_on(ratings):
    attack = Ranked(profile_lengths="genuine").fit(with_lengths(np.arange(1, 121) % 30 + 2))
    assert np.unique(np.diff(attack.poison_.indptr)).size > 5
    for row in attack.poison_:
        assert_array_equal(row.nonzero()[-1], np.arange(41 - row.nnz, 41))


# --- fillers --------------------------------------------------------------------------------------


def test_noise_changes_ratings_not_items(ratings):
    plain, noisy = fit(ratings).poison_, fit(ratings, obfuscation="noise").poison_
    assert_array_equal(plain.indices, noisy.indices)
    assert_array_equal(noisy[:, TARGETS].toarray(), 5)
    assert 0.2 < (plain.data != noisy.data).mean() < 0.9


def test_shifts_are_those_of_users(ratings):
    poison = Ranked(obfuscation="user-shifting", rating=3).fit(ratings).poison_
    fillers = poison[:, :40].toarray()
    shifted = {tuple(np.unique(row[row > 0])) for row in fillers}
    assert all(len(levels) == 1 for levels in shifted)
    assert len(shifted) > 1


def test_popular_fillers_are_the_most_rated_fifth():
    X = make_ratings(120, 300, density=0.1, random_state=0)
    attack = fit(X, obfuscation="popular", n_fillers=15, attack_size=30)
    known = X[attack.known_users_]
    counts = np.bincount(known.indices, minlength=300)
    counts[TARGETS] = -1
    n_popular = int(0.2 * np.count_nonzero(np.bincount(known.indices, minlength=300)))
    popular = np.argsort(-counts, kind="stable")[:n_popular]
    fillers = np.setdiff1d(attack.poison_.indices, TARGETS)
    assert_array_equal(np.sort(popular), fillers)  # all of them, in 30 profiles of 10 fillers
    assert_array_equal(np.diff(attack.poison_.indptr), 15)


def test_there_are_as_many_popular_items_as_fillers(ratings):
    attack = fit(ratings, obfuscation="popular", n_fillers=90)
    assert_array_equal(np.diff(attack.poison_.indptr), 90)


# --- the detector in the loop ---------------------------------------------------------------------


class Suspicious(BaseEstimator):
    """Flags profiles that rate more than so many of the targets, and takes note of what it sees."""

    seen: list = []

    def __init__(self, n_allowed=1, random_state=None):
        self.n_allowed = n_allowed
        self.random_state = random_state

    def fit_predict(self, X, y=None):
        Suspicious.seen.append((X, self.random_state))
        n_rated = np.count_nonzero(X[:, TARGETS].toarray(), axis=1)
        return np.where(n_rated > self.n_allowed, -1, 1)


@pytest.fixture
def quiet(ratings):
    """Return ratings in which hardly anybody has rated the targets."""
    X = ratings.tolil()
    X[:, TARGETS] = 0
    X[0, TARGETS] = 3
    return sp.csr_array(X)


@pytest.mark.parametrize(("n_allowed", "n_each"), [(5, None), (4, 3), (3, 3), (2, 2), (1, 1)])
def test_no_more_is_hidden_than_needed(n_allowed, n_each, quiet):
    attack = fit(quiet, evade=Suspicious(n_allowed), attack_size=10)
    assert attack.evasion_["targets_per_profile"] == n_each
    assert attack.evasion_["target_rating"] == "top"
    assert attack.evasion_["detected"] == 0
    assert attack.poison_.shape[0] == attack.evasion_["attack_size"] == 10


def test_the_detector_sees_known_users_and_fakes(quiet):
    Suspicious.seen.clear()
    attack = fit(quiet, evade=Suspicious(5), knowledge=0.3)
    ((X, seed),) = Suspicious.seen
    expected = sp.vstack([quiet[attack.known_users_], attack.poison_])
    assert_array_equal(X.toarray(), expected.toarray())
    assert isinstance(seed, int)


def test_without_a_detector_there_is_no_evasion(ratings):
    assert fit(ratings).evasion_ is None


def test_a_detector_that_cannot_be_evaded_is_warned_of(quiet):
    with pytest.warns(EvasionWarning, match="at least 100%"):
        attack = fit(quiet, evade=Suspicious(0), attack_size=10)
    assert attack.evasion_["targets_per_profile"] is None  # the strongest of equal ones
    assert attack.evasion_["n_tried"] == 14
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(quiet, evade=Suspicious(0), max_detected=1)


@pytest.mark.parametrize(
    ("attack", "attributes"),
    [
        (PowerUserAttackTransformer(), ["power_users_"]),
        (CopyAttackTransformer(), ["copied_users_"]),
        (GTAAttackTransformer(max_iter=1, n_pretrain_iter=1), ["surrogate_hit_ratio_"]),
        (NeighborhoodAttackTransformer(), ["neighbor_items_"]),
        (BlackBoxAttackTransformer(max_iter=1, k=5), ["victim_hit_ratio_", "history_"]),
    ],
)
def test_all_attributes_are_those_of_the_chosen_step(attack, attributes, quiet):
    attack = attack.set_params(target_items=TARGETS, attack_size=10, random_state=0)
    hiding = clone(attack).set_params(evade=Suspicious(0))
    with pytest.warns(EvasionWarning):
        hiding.fit(quiet)
    assert hiding.evasion_["n_tried"] > 1
    plain = attack.fit(quiet)  # the first of equal steps is chosen
    assert_array_equal(hiding.poison_.toarray(), plain.poison_.toarray())
    for name in attributes:
        assert_array_equal(getattr(hiding, name), getattr(plain, name))
    assert set(vars(hiding)) == set(vars(plain))


class Forgetful(BaseAttackTransformer):
    """Sets an attribute in its first step only, and looks whether it is there."""

    def _craft_profiles(self, known, budget, rng):
        assert not hasattr(self, "first_")
        if budget.n_targets_each == len(TARGETS):
            self.first_ = True
        return sp.csr_array((budget.n_profiles, known.shape[1]))


def test_steps_do_not_see_each_others_attributes(quiet):
    attack = fit(quiet, Forgetful, evade=Suspicious(3))
    assert attack.evasion_["targets_per_profile"] == 3
    assert not hasattr(attack, "first_")


@pytest.mark.parametrize("cls", [AverageAttackTransformer, CopyAttackTransformer])
@pytest.mark.parametrize("lengths", ["fixed", "genuine"])
def test_long_profiles_get_shorter_where_they_leave_targets_out(cls, lengths, quiet):
    settings = {"n_fillers": 90, "profile_lengths": lengths, "attack_size": 10}
    attack = fit(quiet, cls, evade=Suspicious(2), **settings)
    chosen = dict(attack.evasion_)
    assert (chosen["targets_per_profile"], chosen["n_fillers"]) == (2, 87)
    assert np.diff(attack.poison_.indptr).max() <= 87
    del chosen["detected"], chosen["n_tried"]
    assert (fit(quiet, cls, **chosen).poison_ != attack.poison_).nnz == 0
    # With all targets there is room for as much as was asked for.
    assert "n_fillers" not in fit(quiet, cls, evade=Suspicious(5), **settings).evasion_
    with pytest.raises(ValueError, match="n_fillers=91 must be between"):
        fit(quiet, cls, evade=Suspicious(2), **{**settings, "n_fillers": 91})
    with pytest.raises(ValueError, match="n_fillers=88 must be between"):
        fit(quiet, cls, evade=Suspicious(2), targets_per_profile=2, n_fillers=88)


class Scoring(BaseEstimator):
    """Flags nobody, and has a score: profiles of many targets are abnormal."""

    def fit_predict(self, X, y=None):
        self.profile_scores_ = -np.count_nonzero(X[:, TARGETS].toarray(), axis=1)
        return np.ones(X.shape[0], dtype=int)


def test_scores_count_whatever_the_threshold(quiet):
    known = quiet[20:60]
    fakes = sp.csr_array(fit(quiet, attack_size=10).poison_)
    assert share_detected(Scoring(), known, fakes, 0) == 1
    hidden = sp.csr_array(fit(quiet, attack_size=10, targets_per_profile=1).poison_)
    loud = sp.csr_array(np.isin(np.arange(90), TARGETS) * np.ones((12, 1)))
    assert share_detected(Scoring(), sp.vstack([known, loud]), hidden, 0) == 0


def test_a_detector_that_labels_others_is_refused(quiet):
    class Wrong(BaseEstimator):
        def fit_predict(self, X, y=None):
            return np.ones(3)

    with pytest.raises(ValueError, match="evade must return a label for each of the"):
        fit(quiet, evade=Wrong())


@pytest.mark.parametrize(
    "detector",
    [
        LockstepDetector(trusted_users=[0, 1]),
        FAPDetector(seed_users=np.array([3])),
        make_pipeline(MaxAbsScaler(), LockstepDetector(trusted_users=[])),
    ],
)
def test_rows_of_others_are_refused(detector, ratings, monkeypatch):
    message = "must not have (lockstepdetector__)?(trusted|seed)_users unless knowledge=1, as"
    with monkeypatch.context() as patch:
        patch.setattr(base_attack, "choose_targets", None)  # before anything is computed
        with pytest.raises(ValueError, match=f"^evade {message}"):
            fit(ratings, evade=detector)
        for defense in (detector, ["tcd", detector]):
            with pytest.raises(ValueError, match=f"^defense {message}"):
                fit(ratings, GCoAttackTransformer, defense=defense)
    fit(ratings, evade=detector, knowledge=1, max_detected=1)  # then they are rows of X


def test_steps_get_less_conspicuous():
    steps = list(find_steps(Step(9, Disguise()), 4, 5))
    n_each = [step.disguise.targets_per_profile or 4 for step in steps]
    assert n_each == [4] * 3 + [2] * 3 + [1] * 5
    assert [step.disguise.target_rating for step in steps[:3]] == ["top", "mixed", 5]
    assert [step.n_profiles for step in steps[-3:]] == [9, 5, 3]
    assert len(set(steps)) == len(steps)


@pytest.mark.parametrize(
    ("disguise", "n_targets", "n_levels", "expected"),
    [
        (Disguise(), 1, 1, [(4, None, "top"), (2, None, "top"), (1, None, "top")]),
        (Disguise(1, "mixed"), 3, 2, [(4, 1, "mixed"), (2, 1, "mixed"), (1, 1, "mixed")]),
        (Disguise(9, 5), 2, 5, [(4, 9, 5), (4, 1, 5), (2, 1, 5), (1, 1, 5)]),
        (Disguise(1), 2, 2, [(4, 1, "top"), (4, 1, "mixed"), (2, 1, "mixed"), (1, 1, "mixed")]),
        (Disguise(1, "mixed"), 2, 5, [(4, 1, "mixed"), (2, 1, "mixed"), (1, 1, "mixed")]),
    ],
)
def test_steps_by_hand(disguise, n_targets, n_levels, expected):
    steps = find_steps(Step(4, disguise), n_targets, n_levels)
    shown = [
        (s.n_profiles, s.disguise.targets_per_profile, s.disguise.target_rating) for s in steps
    ]
    assert shown == expected


def test_bad_parameters(ratings):
    for name, value in {
        "targets_per_profile": 0,
        "target_rating": "highest",
        "profile_lengths": 7,
        "obfuscation": "fog",
        "evade": "lockstep",
        "max_detected": 1.5,
    }.items():
        with pytest.raises(ValueError, match=f"'{name}'"):
            fit(ratings, **{name: value})


def test_a_study_takes_attacks_that_hide():
    X = make_ratings(60, 70, density=0.2, random_state=0)
    hiding = RandomAttackTransformer(evade=Suspicious(1), max_detected=1, n_fillers=9)
    study = robustness_study(
        X,
        attacks={"Hiding": hiding},
        recommenders={"Popular": PopularityRecommender()},
        n_repeats=1,
    )
    assert "Hiding" in study.to_markdown("target_hr")
