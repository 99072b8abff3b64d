"""The attack on nearest neighbors: against plain loops, and on its victim."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import (
    AverageAttackTransformer,
    ItemKNNRecommender,
    NeighborhoodAttackTransformer,
    PowerItemAttackTransformer,
)
from skrecsec.attacks._neighborhood import _gains
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score

TARGETS = [3, 7]


def fit(X, **parameters):
    defaults = {"target_items": TARGETS, "attack_size": 6, "k": 10, "random_state": 0}
    return NeighborhoodAttackTransformer(**{**defaults, **parameters}).fit(X)


def plain_choice(known, fakes, knowledge, n_wanted, n_neighbors, shrinkage, k):
    """Choose fillers one after another, with loops over users, targets and items.

    `fakes` has for each fake profile its targets and for how many fillers it has room.
    """
    rated = known > 0
    counts = rated.sum(axis=0)
    model = ItemKNNRecommender(n_neighbors, shrinkage=shrinkage * knowledge).fit(known)
    scores = np.where(rated, -np.inf, model.predict(known))
    scores[:, TARGETS] = -np.inf
    thresholds = np.maximum(np.sort(scores, axis=1)[:, -k], 1e-9)

    def similarity(target, item, place):
        both = sum(target in targets and n_fillers > place for targets, n_fillers in fakes)
        common = (rated[:, target] & rated[:, item]).sum() / knowledge + both
        raters = [
            counts[target] / knowledge + sum(target in targets for targets, _ in fakes),
            counts[item] / knowledge + sum(n_fillers > place for _, n_fillers in fakes),
        ]
        return common / (np.sqrt(raters[0] * raters[1]) + shrinkage) if both > 0 else 0

    def objective(items):
        total = 0
        for user in range(known.shape[0]):
            for target in TARGETS:
                if not rated[user, target]:
                    score = sum(
                        similarity(target, i, place)
                        for place, i in enumerate(items)
                        if rated[user, i]
                    )
                    total += min(1, score / thresholds[user]) ** 2
        return total

    chosen = []
    candidates = [i for i in range(known.shape[1]) if i not in TARGETS]
    for _ in range(n_wanted):
        chosen.append(max((i for i in candidates if i not in chosen),
                          key=lambda i: objective([*chosen, i])))  # fmt: skip
    return chosen


def test_fillers_against_loops():
    X = make_ratings(50, 30, density=0.25, random_state=1)
    attack = fit(X, n_fillers=6, n_neighbors=8, shrinkage=3.0, knowledge=0.6)
    known = X[attack.known_users_].toarray()
    expected = plain_choice(known, 6 * [(TARGETS, 4)], 0.6, 4, 8, 3.0, 10)
    assert_array_equal(attack.neighbor_items_, expected)
    rated = attack.poison_.toarray() > 0
    assert rated[:, [*expected, *TARGETS]].all()


def test_fillers_for_targets_that_are_shared_out():
    X = make_ratings(50, 30, density=0.25, random_state=1)
    options = {"n_fillers": 6, "n_neighbors": 5, "shrinkage": 3.0, "knowledge": 0.6, "k": 2}
    attack = fit(X, targets_per_profile=1, **options)
    known = X[attack.known_users_].toarray()
    # No profile has both targets, so that each has room for five neighbors.
    fakes = 3 * [(TARGETS[:1], 5), (TARGETS[1:], 5)]
    expected = plain_choice(known, fakes, 0.6, 5, 5, 3.0, 2)
    assert_array_equal(attack.neighbor_items_, expected)


def test_fillers_of_profiles_of_several_lengths():
    """Later fillers are in fewer profiles; a short profile has the first ones."""
    rng = np.random.default_rng(0)
    is_rated = rng.random((50, 60)) < rng.uniform(0.05, 0.4, (50, 1))
    X = sp.csr_array(is_rated * rng.integers(1, 6, is_rated.shape))
    options = {"n_neighbors": 12, "shrinkage": 3.0, "knowledge": 0.6, "k": 2}
    attack = fit(X, profile_lengths="genuine", targets_per_profile=1, **options)
    rated = attack.poison_.toarray() > 0
    n_fillers = rated.sum(axis=1) - 1
    assert np.unique(n_fillers).size > 2
    fakes = [
        (np.array(TARGETS)[row[TARGETS]], n if n < n_fillers.max() else 12)
        for row, n in zip(rated, n_fillers, strict=True)
    ]
    known = X[attack.known_users_].toarray()
    expected = plain_choice(known, fakes, 0.6, n_fillers.max(), 12, 3.0, 2)
    assert_array_equal(attack.neighbor_items_, expected)
    for row, n in zip(rated, n_fillers, strict=True):
        found = np.setdiff1d(np.flatnonzero(row), TARGETS)
        assert_array_equal(found, np.sort(expected[:n]))


def test_of_random_others_short_profiles_have_none(ratings):
    attack = fit(ratings, n_neighbors=6, n_fillers=15, profile_lengths="genuine", attack_size=30)
    rated = attack.poison_.toarray() > 0
    first = attack.neighbor_items_
    assert_array_equal(rated[:, first].sum(axis=1), np.minimum(rated.sum(axis=1) - 2, first.size))


def test_a_target_that_no_profile_rates_asks_for_nothing():
    """One profile, two targets: the fillers are those for the first of them alone."""
    X = make_ratings(60, 40, density=0.2, random_state=0)
    options = {"attack_size": 1, "shrinkage": 0, "n_fillers": 9, "n_neighbors": 8}
    shared = fit(X, targets_per_profile=1, **options)
    rated = np.flatnonzero(shared.poison_.toarray()[0, TARGETS])
    alone = fit(X, target_items=np.array(TARGETS)[rated], **options)
    without = alone.neighbor_items_[~np.isin(alone.neighbor_items_, TARGETS)]
    assert_array_equal(shared.neighbor_items_[: without.size], without)


def test_gains_are_those_of_the_objective():
    rng = np.random.default_rng(0)
    pattern = sp.csc_array(rng.random((12, 9)) < 0.4)
    weights, shares = rng.random((2, 9)), rng.random((2, 12)) * 1.2
    shares[1, 3] = np.inf
    inverse = rng.random(12)
    taken = np.arange(9) == 4
    expected = np.zeros(9)
    for item in np.flatnonzero(~taken):
        raised = shares + weights[:, [item]] * inverse * pattern.toarray()[:, item]
        expected[item] = (np.minimum(raised, 1) ** 2 - np.minimum(shares, 1) ** 2).sum()
    found = _gains(pattern.indptr, pattern.indices, weights, shares, inverse, taken)
    assert_allclose(found, expected)


def test_the_targets_leave_room_for_each_other(ratings):
    attack = fit(ratings, n_neighbors=6, n_fillers=30)
    assert attack.neighbor_items_.size == 5  # the other target is the sixth neighbor
    assert fit(ratings, n_neighbors=1, n_fillers=30).neighbor_items_.size == 0


def test_auto_ends_with_what_all_rate_and_the_rest_is_random(ratings):
    auto, full = fit(ratings, n_neighbors=6), fit(ratings, n_neighbors=6, n_fillers=15)
    assert_array_equal(auto.neighbor_items_, full.neighbor_items_)
    assert (np.diff(auto.poison_.indptr) == 7).all()
    assert auto.n_distinct_profiles_ > 1  # by their ratings
    rated = full.poison_.toarray() > 0
    assert (rated.sum(axis=1) == 15).all()
    assert np.unique(rated, axis=0).shape[0] == 6
    assert rated[:, full.neighbor_items_].all()


def test_what_nobody_has_rated_is_no_filler():
    X = np.zeros((20, 12))
    X[:, :4] = 3
    X[0, 4:8] = 2
    attack = fit(sp.csr_array(X), target_items=[7], n_fillers=12, knowledge=1.0)
    assert set(attack.neighbor_items_) <= set(range(7))


@pytest.fixture(scope="module")
def long_tail():
    rng = np.random.default_rng(0)
    shares = np.minimum(0.8, 3 / (1 + np.arange(150)) ** 0.7)
    taste = rng.random((250, 1)) < 0.5
    likes = np.where(taste == (np.arange(150) % 2), 1.5, 0.5)
    return sp.csr_array(
        (rng.random((250, 150)) < np.minimum(shares * likes, 0.95)) * rng.integers(1, 6, (250, 150))
    )


def target_hr(attack, X):
    model = ItemKNNRecommender(20).fit(attack.fit_transform(X))
    return target_hit_ratio_score(model.predict(X), attack.target_items_, k=15, seen=X)


def test_it_promotes_where_others_hardly_do(long_tail):
    options = {"target_items": np.arange(140, 145), "attack_size": 30, "random_state": 0}
    attack = NeighborhoodAttackTransformer(n_neighbors=20, k=15, **options)
    found = target_hr(attack, long_tail)
    assert found > target_hr(AverageAttackTransformer(**options), long_tail) + 0.2
    assert found > target_hr(PowerItemAttackTransformer(**options), long_tail) + 0.05


def test_targets_that_are_shared_out_are_promoted(long_tail):
    found = [
        target_hr(
            NeighborhoodAttackTransformer(
                n_neighbors=20,
                k=15,
                target_items=np.arange(140, 145),
                attack_size=100,
                targets_per_profile=1,
                random_state=seed,
            ),
            long_tail,
        )
        for seed in range(3)
    ]
    assert np.mean(found) > 0.2  # 0.15 with fillers for profiles of all targets


def test_many_profiles_demote_where_others_promote(long_tail):
    """A model that does not see how an item is rated takes any raters for praise."""
    targets = np.arange(6, 14)
    options = {"target_items": targets, "attack_size": 120, "goal": "nuke", "random_state": 0}
    clean = ItemKNNRecommender(20).fit(long_tail).predict(long_tail)
    before = target_hit_ratio_score(clean, targets, k=15, seen=long_tail)
    attack = NeighborhoodAttackTransformer(n_neighbors=20, k=15, **options)
    assert target_hr(attack, long_tail) < before - 0.04
    assert target_hr(AverageAttackTransformer(**options), long_tail) > before
    counts = np.bincount(long_tail[attack.known_users_].indices, minlength=150)
    others = np.setdiff1d(np.arange(150), [*targets, *attack.neighbor_items_])
    assert counts[attack.neighbor_items_].max() <= counts[others].min()
    assert (attack.poison_[:, targets].toarray() == 1).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("n_neighbors", 0), ("shrinkage", -1), ("k", 0), ("n_fillers", "median")],
)
def test_bad_parameters_are_refused(parameter, value, ratings):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        fit(ratings, **{parameter: value})
