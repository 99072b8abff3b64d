"""Copies of genuine profiles, and attacks by those with influence."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import (
    AverageAttackTransformer,
    BPRRecommender,
    CopyAttackTransformer,
    PowerItemAttackTransformer,
    PowerUserAttackTransformer,
)
from skrecsec.attacks._centrality import influence, most_influential, pearson_similarities
from skrecsec.attacks._fillers import keep_first, without_targets
from skrecsec.base import Budget
from skrecsec.metrics import target_hit_ratio_score

POWERS = [PowerUserAttackTransformer, PowerItemAttackTransformer]
SELECTIONS = ["in_degree", "n_ratings", "similarity"]
TARGETS = [1, 2, 3]


def fit(cls, X, **parameters):
    return cls(**{"target_items": TARGETS, "attack_size": 12, "random_state": 0} | parameters).fit(
        X
    )


def rows_of(attack, X, places):
    """Return known profiles by their places, dense and without targets."""
    rows = X[attack.known_users_][places].toarray()
    rows[:, TARGETS] = 0
    return rows


# --- what is kept ---


def test_the_lowest_keys_are_kept():
    ratings = sp.csr_array([[1, 2, 0, 3], [4, 0, 0, 0], [0, 0, 0, 0], [0, 5, 6, 7]])
    keys = np.array([3, 1, 2, 0, 5, 5, 1])
    assert_array_equal(
        keep_first(ratings, keys, 2).toarray(),
        [[0, 2, 0, 3], [4, 0, 0, 0], [0, 0, 0, 0], [0, 5, 0, 7]],
    )
    assert_array_equal(
        keep_first(ratings, keys, np.array([0, 3, 1, 1])).toarray(),
        [[0, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]],
    )


def test_targets_are_left_out():
    ratings = sp.csr_array([[1, 2, 0], [0, 5, 6]])
    budget = Budget(1, 2, np.array([1]), 5.0, np.arange(1.0, 8))
    assert_array_equal(without_targets(ratings, budget).toarray(), [[1, 0, 0], [0, 0, 6]])


# --- copies ---


def test_the_most_popular_items_of_copied_profiles(ratings):
    attack = fit(CopyAttackTransformer, ratings, n_fillers=9)
    known = ratings[attack.known_users_].toarray()
    counts = np.count_nonzero(known, axis=0)
    assert np.unique(attack.copied_users_).size == 12
    poison = attack.poison_.toarray()
    poison[:, TARGETS] = 0
    for fake, copied in zip(poison, rows_of(attack, ratings, attack.copied_users_), strict=True):
        rated = np.flatnonzero(copied)
        kept = rated[np.argsort(-counts[rated], kind="stable")[:6]]
        expected = np.zeros(90)
        expected[kept] = copied[kept]
        assert_array_equal(fake, expected)


def test_shortest_profiles_are_copied_whole(ratings):
    attack = fit(CopyAttackTransformer, ratings, users="shortest", n_fillers=90)
    sizes = np.diff(ratings[attack.known_users_].indptr)
    assert_array_equal(attack.copied_users_, np.argsort(sizes, kind="stable")[:12])
    poison = attack.poison_.toarray()
    assert (poison[:, TARGETS] == 5).all()
    poison[:, TARGETS] = 0
    assert_array_equal(poison, rows_of(attack, ratings, attack.copied_users_))


def test_auto_keeps_what_half_of_the_users_have_rated_or_as_much_as_targets():
    rng = np.random.default_rng(0)
    pattern = rng.random((60, 40)) < np.where(np.arange(40) < 10, 0.7, 0.35)
    pattern[:, 10:13] = True  # at least as many other items as targets
    pattern[:24, :10] = False  # these have but three popular items
    pattern[24:, :10] |= rng.random((36, 10)) < 0.9
    X = sp.csr_array(pattern * 3.0)
    attack = CopyAttackTransformer(
        target_items=[37, 38, 39], knowledge=1.0, attack_size=60, random_state=0
    ).fit(X)
    shares = pattern.mean(axis=0)
    sizes = np.diff(attack.poison_.indptr) - 3
    n_common = pattern[attack.copied_users_][:, shares >= 0.5].sum(axis=1)
    assert np.unique(n_common).size > 1
    assert_array_equal(sizes, np.maximum(n_common, 3))


def test_auto_keeps_to_the_mean(ratings):
    for options in ({}, {"users": "shortest"}):
        auto = np.diff(fit(CopyAttackTransformer, ratings, **options).poison_.indptr)
        mean = np.diff(fit(CopyAttackTransformer, ratings, n_fillers="mean").poison_.indptr)
        assert auto.max() <= mean.max()
    # More is common than the mean allows.
    X = sp.csr_array(np.vstack([np.full((30, 20), 4.0), np.eye(29, 20) * 2 + np.eye(29, 20, -9)]))
    attack = fit(CopyAttackTransformer, X, knowledge=1.0)
    assert np.diff(attack.poison_.indptr).max() == round(X.nnz / X.shape[0])


def test_random_ratings_are_kept(ratings):
    attack = fit(CopyAttackTransformer, ratings, kept="random", n_fillers=8)
    poison = attack.poison_.toarray()
    poison[:, TARGETS] = 0
    copied = rows_of(attack, ratings, attack.copied_users_)
    assert (np.count_nonzero(poison, axis=1) == 5).all()
    assert_array_equal(np.where(poison > 0, copied, 0), poison)
    popular = fit(CopyAttackTransformer, ratings, n_fillers=8).poison_
    assert (popular != attack.poison_).nnz > 0


def test_users_are_copied_again_after_all_others_and_empty_ones_never(ratings):
    X = ratings.toarray()
    X[::3] = 0
    attack = fit(CopyAttackTransformer, sp.csr_array(X), knowledge=1.0, attack_size=170)
    times = np.bincount(attack.copied_users_, minlength=120)
    assert (times[::3] == 0).all()
    assert set(np.delete(times, np.s_[::3])) == {2, 3}


@pytest.mark.parametrize("cls", [CopyAttackTransformer, *POWERS])
def test_to_demote_fillers_stay_and_targets_are_rated_lowest(cls, ratings):
    push, nuke = (fit(cls, ratings, goal=goal).poison_.toarray() for goal in ("push", "nuke"))
    assert (push[:, TARGETS] == 5).all()
    assert (nuke[:, TARGETS] == 1).all()
    assert_array_equal(np.delete(push, TARGETS, axis=1), np.delete(nuke, TARGETS, axis=1))


def test_short_profiles_promote_in_pairwise_ranking():
    """They do what profiles of mean length do not, to a model that learns vectors of users."""
    rng = np.random.default_rng(1)
    shares = np.minimum(0.9, 6 / (1 + np.arange(200)) ** 0.7)
    X = sp.csr_array((rng.random((200, 200)) < shares) * 3.0)
    targets = np.arange(190, 195)
    found = {}
    for cls in (CopyAttackTransformer, AverageAttackTransformer):
        attack = cls(target_items=targets, attack_size=20, random_state=0)
        model = BPRRecommender(16, max_iter=30, negatives="popularity", random_state=0)
        scores = model.fit(attack.fit_transform(X)).predict(X)
        found[cls] = target_hit_ratio_score(scores, targets, k=20, seen=X)
    assert found[CopyAttackTransformer] > max(0.05, 1.5 * found[AverageAttackTransformer])


# --- influence ---


def plain_similarity(a, b):
    common = (a > 0) & (b > 0)
    if common.sum() < 2 or np.ptp(a[common]) == 0 or np.ptp(b[common]) == 0:
        return -np.inf
    return np.corrcoef(a[common], b[common])[0, 1] * min(common.sum(), 50) / 50


@pytest.fixture(scope="module")
def dense():
    rng = np.random.default_rng(3)
    pattern = rng.random((25, 90)) < rng.uniform(0.02, 0.9, (25, 1))
    X = rng.integers(1, 6, (25, 90)) * pattern * 1.0
    X[4] = np.where(X[4] > 0, 3, 0)  # all alike
    X[7] = 0
    return X


def test_similarities_against_pairs(dense):
    expected = np.array([[plain_similarity(a, b) for b in dense] for a in dense])
    np.fill_diagonal(expected, -np.inf)
    X = sp.csr_array(dense)
    assert_allclose(pearson_similarities(X, slice(0, 25)), expected, atol=1e-9)
    assert_allclose(pearson_similarities(X, slice(6, 11)), expected[6:11], atol=1e-9)
    assert np.isfinite(expected).sum() > 100


def test_influence_by_hand(dense):
    similarities = pearson_similarities(sp.csr_array(dense), slice(0, 25))
    X = sp.csr_array(dense)
    assert_array_equal(influence(X, "n_ratings", 1), np.count_nonzero(dense, axis=1))
    finite = np.where(np.isfinite(similarities), similarities, 0)
    assert_allclose(influence(X, "similarity", 1), finite.sum(axis=0))
    in_degree = np.zeros(25)
    for row in similarities:
        for neighbor in np.argsort(-row, kind="stable")[:4]:
            in_degree[neighbor] += np.isfinite(row[neighbor])
    assert_array_equal(influence(X, "in_degree", 4), in_degree)


@pytest.mark.parametrize("method", SELECTIONS)
def test_blocks_do_not_matter_and_nobody_without_ratings_has_influence(method, dense, monkeypatch):
    X = sp.csr_array(dense)
    expected = most_influential(X, method, 4, 25)
    assert 7 not in expected
    assert expected.size == 24
    monkeypatch.setattr(
        "skrecsec.attacks._centrality.row_blocks", lambda n, _: [slice(0, 3), slice(3, n)]
    )
    assert_array_equal(most_influential(X, method, 4, 25), expected)


def test_equal_influence_is_told_apart_by_ratings_and_index():
    X = sp.csr_array([[1, 1, 0, 0], [2, 0, 0, 0], [3, 4, 0, 0], [0, 0, 1, 2]])
    # The first and the third have one another; nobody else has two common ratings that differ.
    X[0, 1] = 2
    assert_array_equal(most_influential(X, "in_degree", 2, 9), [0, 2, 3, 1])


@pytest.mark.parametrize("selection", SELECTIONS)
def test_power_users_are_copied(selection, ratings):
    attack = fit(PowerUserAttackTransformer, ratings, selection=selection, n_neighbors=5)
    known = sp.csr_array(ratings[attack.known_users_])
    assert_array_equal(attack.power_users_, most_influential(known, selection, 5, 12))
    poison = attack.poison_.toarray()
    assert (np.count_nonzero(poison, axis=1) <= np.diff(known.indptr).mean() + 0.5).all()
    poison[:, TARGETS] = 0
    copied = rows_of(attack, ratings, attack.power_users_)
    assert_array_equal(np.where(poison > 0, copied, 0), poison)


def test_power_users_are_copied_in_turn_and_whole_if_that_is_allowed(ratings):
    attack = fit(PowerUserAttackTransformer, ratings, attack_size=70, n_fillers=90)
    poison = attack.poison_.toarray()
    poison[:, TARGETS] = 0
    places = np.resize(attack.power_users_, 70)
    assert attack.power_users_.size == 48
    assert_array_equal(poison, rows_of(attack, ratings, places))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_all_rate_the_power_items(selection, ratings):
    attack = fit(PowerItemAttackTransformer, ratings, selection=selection, n_fillers=13)
    known = ratings[attack.known_users_].toarray()
    known[:, TARGETS] = 0
    expected = most_influential(sp.csr_array(known.T), selection, 50, 10)
    assert_array_equal(attack.power_items_, expected)
    rated = attack.poison_.toarray() > 0
    assert rated[:, [*expected, *TARGETS]].all()
    assert (rated.sum(axis=1) == 13).all()


def test_ratings_of_power_items_are_around_their_means(ratings):
    attack = fit(PowerItemAttackTransformer, ratings, attack_size=300, n_fillers=20)
    known = ratings[attack.known_users_].toarray()
    for item in attack.power_items_:
        given = attack.poison_.toarray()[:, item].mean()
        assert given == pytest.approx(known[known[:, item] > 0, item].mean(), abs=0.4)


@pytest.mark.parametrize("cls", [CopyAttackTransformer, *POWERS])
@pytest.mark.parametrize(
    ("parameter", "value"),
    [("users", "all"), ("kept", "best"), ("selection", "power"), ("n_neighbors", 0)],
)
def test_bad_parameters_are_refused(cls, parameter, value, ratings):
    if parameter in cls().get_params():
        with pytest.raises(ValueError, match=f"'{parameter}'"):
            cls(**{parameter: value}).fit(ratings)
