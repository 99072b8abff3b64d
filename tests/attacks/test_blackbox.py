"""The attack that only asks its victim."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator

from skrecsec import (
    BlackBoxAttackTransformer,
    BPRRecommender,
    EASERecommender,
    FilteredRecommender,
    PopularityRecommender,
    UnRAPDetector,
)
from skrecsec.attacks._blackbox import _next_plan, _Trial
from skrecsec.attacks._filler_plans import COORDINATES, STARTING_PLANS, FillerPlanner
from skrecsec.base import Budget
from skrecsec.metrics import target_hit_ratio_score

TARGETS = np.array([3, 7])


class Recorder(PopularityRecommender):
    """Takes note of what it is fitted on."""

    seen: list = []  # clones share it

    def fit(self, X, y=None):
        self.seen.append(sp.csr_array(X))
        return super().fit(X, y)


def fit(X, victim=None, **parameters):
    defaults = {"target_items": TARGETS, "attack_size": 6, "k": 10, "max_iter": 8}
    victim = PopularityRecommender() if victim is None else victim
    return BlackBoxAttackTransformer(victim, **{**defaults, "random_state": 0, **parameters}).fit(X)


# --- plans ---


def make_planner(X, n_fillers=12, n_profiles=9):
    budget = Budget(n_profiles, n_fillers + 2, TARGETS, 5.0, np.arange(1.0, 6.0))
    return FillerPlanner(sp.csr_array(X), budget)


def plan(**coordinates):
    given = dict.fromkeys(COORDINATES, 0.0) | {"size": 1.0} | coordinates
    return np.array([given[name] for name in COORDINATES])


def craft(planner, **coordinates):
    return planner.craft(plan(**coordinates), np.random.default_rng(0))


def test_sizes_of_plans(ratings):
    planner = make_planner(ratings)
    for size, n_fillers in ((0, 0), (0.5, 3), (1, 12)):
        for copied in (0, 0.5, 1):
            profiles = craft(planner, size=size, copied=copied, pool=1.0)
            sizes = np.count_nonzero(profiles.toarray(), axis=1)
            assert (sizes <= n_fillers).all()
            assert copied > 0 or (sizes == n_fillers).all()
            assert sizes.mean() > 0.6 * n_fillers or n_fillers == 0
            assert not profiles[:, TARGETS].toarray().any()


def test_copies_are_genuine_and_as_long_as_asked_for(ratings):
    dense = ratings.toarray()
    dense[:, TARGETS] = 0
    planner = make_planner(ratings, n_fillers=60)
    mean_sizes = []
    for length in (0.0, 0.5, 1.0):
        profiles = craft(planner, copied=1.0, length=length).toarray()
        for profile in profiles:
            assert (np.abs(dense - profile).sum(axis=1) == 0).sum() == 1
        mean_sizes.append(np.count_nonzero(profiles, axis=1).mean())
    assert mean_sizes == sorted(mean_sizes)
    assert mean_sizes[0] < mean_sizes[-1] / 1.3


def test_popular_items_are_kept(ratings):
    counts = np.bincount(ratings.indices, minlength=90)
    planner = make_planner(ratings, n_fillers=4, n_profiles=40)
    means = [
        counts[craft(planner, copied=1.0, length=0.5, kept=kept).indices].mean() for kept in (0, 1)
    ]
    assert means[1] > means[0] + 5


def test_pools_and_shared_items(ratings):
    counts = np.bincount(ratings.indices, minlength=90)
    counts[TARGETS] = -1
    order = np.argsort(-counts, kind="stable")
    planner = make_planner(ratings)
    narrow = craft(planner, pool=0.0).toarray() != 0
    assert_array_equal(np.flatnonzero(narrow.all(axis=0)), np.sort(order[:12]))
    wide = craft(planner, pool=1.0).toarray() != 0
    assert not wide.all(axis=0).any()
    assert np.unique(wide, axis=0).shape[0] == 9
    half = craft(planner, pool=1.0, shared=0.5).toarray() != 0
    assert 6 <= half.all(axis=0).sum() < 12
    assert craft(planner, pool=1.0, shared=1.0).toarray()[0].nonzero()[0].size == 12


def test_heights_lie_between_mean_and_highest(ratings):
    planner = make_planner(ratings, n_profiles=60)
    means = [
        craft(planner, copied=copied, pool=0.0, height=height).data.mean()
        for copied in (0, 1)
        for height in (0, 0.5, 1)
    ]
    assert means[0] < means[1] < means[2]
    assert means[3] < means[4] < means[5] == 5
    assert means[4] == pytest.approx((means[3] + 5) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_any_plan_keeps_to_the_budget(seed, ratings):
    rng = np.random.default_rng(seed)
    planner = make_planner(ratings, n_fillers=20)
    for _ in range(10):
        profiles = planner.craft(rng.random(len(COORDINATES)), rng)
        assert (np.diff(profiles.indptr) <= 20).all()
        assert profiles.shape == (9, 90)
        assert np.isfinite(profiles.data).all()


# --- search ---


def test_children_come_from_the_best_and_stay_in_the_cube():
    rng = np.random.default_rng(0)
    plans = [*rng.random((10, len(COORDINATES)))]
    fitness = np.arange(10) * 1.0
    children = np.array([_next_plan(99, plans, fitness, rng) for _ in range(400)])
    assert ((children >= 0) & (children <= 1)).all()
    inherited = np.isin(children, plans[-3:])
    assert 0.35 < inherited.mean() < 0.65
    assert not np.isin(children, plans[:-3]).any()


def test_starting_points_come_first_and_the_best_plan_is_taken(ratings):
    attack = fit(ratings, max_iter=20)
    tried = np.array([[call[name] for name in COORDINATES] for call in attack.history_])
    assert_array_equal(tried[: len(STARTING_PLANS)], STARTING_PLANS)
    strengths = [call["strength"] for call in attack.history_]
    assert len(strengths) == attack.n_iter_ == 20
    best = int(np.argmax(strengths))
    assert attack.victim_hit_ratio_ == attack.history_[best]["hit_ratio"]
    known = ratings[attack.known_users_]
    crowd = known[np.resize(np.arange(48), 120)]
    victim = PopularityRecommender().fit(sp.vstack([crowd, attack.poison_], format="csr"))
    found = target_hit_ratio_score(victim.predict(known), TARGETS, k=10, seen=known)
    rated = known[:, TARGETS].nnz
    assert found * 96 / (96 - rated) == pytest.approx(attack.victim_hit_ratio_)


def test_strength_by_hand():
    known = sp.csr_array(np.array([[5, 0, 0, 0, 0], [5, 4, 0, 0, 0], [0, 0, 0, 3, 0]]))
    budget = Budget(1, 1, np.array([3]), 5.0, np.array([3.0, 4.0, 5.0]), knowledge=0.5)

    class Fixed(BaseEstimator):
        def fit(self, X, y=None):
            assert_array_equal(X.toarray()[-1], [0, 0, 0, 5, 0])
            assert X.shape[0] == 7  # three known users are half of all
            return self

        def recommend(self, X, k):
            return np.array([[3, 1, 2, 4, -1], [2, 4, 3, -1, -1], [0, 1, 2, 4, -1]])

    trial = _Trial([Fixed()], known, budget, 1)
    hit_ratio, strength = trial(sp.csr_array((1, 5)))
    # The third user has rated it; the first has it first, the second third.
    assert hit_ratio == 0.5
    assert_allclose(strength, 0.5 + 0.1 * (1 + 1 / 9) / 2)


def test_the_victim_sees_known_profiles_and_fakes_only(ratings):
    Recorder.seen.clear()
    attack = fit(ratings, Recorder())
    known = ratings[attack.known_users_].toarray()
    assert len(Recorder.seen) == 8
    for X in Recorder.seen:
        assert X.shape == (126, 90)
        assert_array_equal(X[:120].toarray(), known[np.resize(np.arange(48), 120)])
        assert (X[120:, TARGETS].toarray() == 5).all()
    assert any((Recorder.seen[-1] != X).nnz for X in Recorder.seen[:-1])


@pytest.mark.parametrize("victim", [EASERecommender(20.0), BPRRecommender(8, max_iter=10)])
def test_it_is_as_strong_as_its_starting_points_to_the_victim(victim, ratings):
    few, many = fit(ratings, victim, max_iter=6), fit(ratings, victim, max_iter=25)
    assert [c["strength"] for c in many.history_[:6]] == [c["strength"] for c in few.history_]
    best = [max(call["strength"] for call in attack.history_) for attack in (few, many)]
    assert best[1] >= best[0] > 0


def test_random_victims_are_given_a_seed_and_stay_as_they_are(ratings):
    victim = FilteredRecommender(UnRAPDetector(), BPRRecommender(4, max_iter=3))
    first, second = (fit(ratings, victim, max_iter=7) for _ in range(2))
    assert (first.poison_ != second.poison_).nnz == 0
    assert first.history_ == second.history_
    assert victim.recommender.random_state is None


def test_to_demote_the_weakest_is_the_best(ratings):
    counts = np.bincount(ratings.indices, minlength=90)
    targets = np.argsort(-counts)[5:8]
    attack = fit(ratings, EASERecommender(20.0), goal="nuke", target_items=targets)
    strengths = [call["strength"] for call in attack.history_]
    best = int(np.argmin(strengths))
    assert attack.victim_hit_ratio_ == attack.history_[best]["hit_ratio"] < 1
    assert (attack.poison_[:, targets].toarray() == 1).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("victim", 3), ("victim", FillerPlanner), ("max_iter", 0), ("k", 0), ("n_fillers", "all")],
)
def test_bad_parameters_are_refused(parameter, value, ratings):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        BlackBoxAttackTransformer(**{parameter: value}).fit(ratings)


# --- several seeds of a victim ---


class Seeded(BaseEstimator):
    """Recommends by its seed alone, and takes note of it."""

    seen = []

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.seen.append(self.random_state)
        self.n_items_ = X.shape[1]
        return self

    def recommend(self, X, k):
        first = TARGETS if self.random_state % 2 else [5, 6]
        others = np.setdiff1d(np.arange(self.n_items_), first)
        return np.tile(np.concatenate([first, others])[:k], (X.shape[0], 1))


def test_a_way_is_judged_by_the_mean_over_seeds(ratings):
    Seeded.seen.clear()
    attack = fit(ratings, Seeded(), max_iter=3, n_victim_seeds=4, k=2)
    seeds = Seeded.seen[:4]
    assert len(set(seeds)) == 4
    assert Seeded.seen == seeds * 3
    assert attack.n_iter_ == 12
    assert len(attack.history_) == 3
    single = []
    for seed in seeds:
        single.append(fit(ratings, Seeded(seed), max_iter=1, k=2).victim_hit_ratio_)
    assert attack.victim_hit_ratio_ == pytest.approx(np.mean(single))
    Seeded.seen.clear()
    assert fit(ratings, Seeded(), max_iter=3, k=2).n_iter_ == 3
    assert Seeded.seen == seeds[:1] * 3


def test_a_victim_without_randomness_is_fitted_once_for_each_way(ratings):
    one = fit(ratings, PopularityRecommender(), max_iter=7)
    two = fit(ratings, PopularityRecommender(), max_iter=7, n_victim_seeds=2)
    assert two.n_iter_ == 7
    assert two.history_ == one.history_
    assert (
        fit(
            ratings, BPRRecommender(2, max_iter=1, random_state=3), n_victim_seeds=2, max_iter=2
        ).n_iter_
        == 2
    )
