"""The attack whose fake users rate what a surrogate recommends to them."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skrecsec import GTAAttackTransformer, RandomAttackTransformer
from skrecsec.attacks._gta import RankingSurrogate
from skrecsec.attacks._trials import Promotion, crowd
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score

TARGETS = [1, 2, 3]
QUICK = {"max_iter": 3, "n_pretrain_iter": 5, "n_update_iter": 3, "n_factors": 8}


def fit(X, **parameters):
    options = {"target_items": TARGETS, "attack_size": 6, "random_state": 0}
    return GTAAttackTransformer(**(QUICK | options | parameters)).fit(X)


# --- what rounds are compared by ---


def test_promotion_against_plain_loops():
    rng = np.random.default_rng(0)
    known = sp.csr_array((rng.random((20, 12)) < 0.3) * 1.0)
    lists = np.array([rng.permutation(12)[:8] for _ in range(20)])
    credits, hits = [], []
    for user in range(20):
        for target in (2, 7):
            if known[user, target]:
                continue
            rank = list(lists[user]).index(target) + 1 if target in lists[user] else np.inf
            hits.append(rank <= 3)
            credits.append(min(1, 3 / rank) ** 2)
    hit_ratio, strength = Promotion(known, np.array([2, 7]), 3)(lists)
    assert 0 < hit_ratio < 1
    assert hit_ratio == pytest.approx(np.mean(hits))
    assert strength == pytest.approx(np.mean(hits) + 0.1 * np.mean(credits))


def test_a_crowd_is_the_known_users_over_and_over():
    known = sp.csr_array(np.eye(3))
    budget = Budget(1, 2, np.array([0]), 5.0, np.array([5.0]), knowledge=0.4)
    assert_array_equal(crowd(known, budget).toarray(), np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]])
    assert crowd(known, budget._replace(knowledge=1.0)).shape[0] == 3


# --- the surrogate ---


@pytest.fixture
def surrogate(ratings):
    known = sp.csr_array((ratings[:50] > 0) * 1.0)
    budget = Budget(7, 15, np.array(TARGETS), 5.0, np.arange(1.0, 6.0), knowledge=0.5)
    made = RankingSurrogate(
        known, crowd(known, budget), budget,
        n_factors=8, rng=np.random.default_rng(0), learning_rate=0.05, reg=0.01,
    )  # fmt: skip
    fillers = np.random.default_rng(1).permuted(np.tile(np.arange(4, 90), (7, 1)), axis=1)[:, :12]
    made.train(fillers, 5)
    return made


def scores_of(surrogate):
    solver = surrogate._solver
    return solver.user_factors.astype(float) @ solver.item_factors.T + solver.biases


def test_the_surrogate_learns_from_the_crowd_and_the_fakes(surrogate):
    scores = scores_of(surrogate)
    assert scores.shape == (107, 90)
    # What fake users have rated is above what they have not.
    fakes = scores[100:]
    assert fakes[:, TARGETS].mean() > np.delete(fakes, TARGETS, axis=1).mean() + 0.1


def test_fillers_are_the_shared_ones_and_the_best_others(surrogate):
    shared = np.array([5, 9, 20])
    expected = []
    for row in scores_of(surrogate)[100:]:
        others = [i for i in np.argsort(-row, kind="stable") if i not in (*shared, *TARGETS)]
        expected.append([*shared, *others[:9]])
    assert_array_equal(surrogate.fillers(shared), expected)
    all_shared = np.arange(10, 22)
    assert_array_equal(surrogate.fillers(all_shared), np.tile(all_shared, (7, 1)))


def test_promotion_is_that_of_the_lists_of_known_users(surrogate):
    known = surrogate._known
    scores = scores_of(surrogate)[:50]
    found = target_hit_ratio_score(scores, TARGETS, k=4, seen=known)
    n_rated = known[:, TARGETS].nnz
    hit_ratio, strength = surrogate.promotion(4)
    assert found * 150 / (150 - n_rated) == pytest.approx(hit_ratio)
    assert 0 < hit_ratio < strength < hit_ratio + 0.1


def test_blocks_do_not_matter(surrogate, monkeypatch):
    expected = surrogate.fillers(np.array([5])), surrogate.promotion(4)
    monkeypatch.setattr("skrecsec.attacks._gta.row_blocks", lambda n, _: [slice(0, 3), slice(3, n)])
    assert_array_equal(surrogate.fillers(np.array([5])), expected[0])
    assert surrogate.promotion(4) == expected[1]


# --- the attack ---


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_profiles_share_popular_items(goal, ratings):
    attack = fit(ratings, goal=goal, n_fillers=23)
    poison = attack.poison_.toarray()
    assert attack.shared_items_.size == 10
    assert (poison[:, attack.shared_items_] > 0).all()
    assert (poison[:, TARGETS] == (5 if goal == "push" else 1)).all()
    assert (np.count_nonzero(poison, axis=1) == 23).all()
    counts = np.count_nonzero(ratings[attack.known_users_].toarray(), axis=0)
    counts[TARGETS] = -1
    popular = np.argsort(-counts, kind="stable")[:18]
    assert np.isin(attack.shared_items_, popular).all()
    assert attack.n_distinct_profiles_ > 1


def test_the_fewer_items_are_popular_the_more_popular_they_are(ratings):
    attack = fit(ratings, n_fillers=11, popular_fraction=0.01)
    counts = np.count_nonzero(ratings[attack.known_users_].toarray(), axis=0)
    counts[TARGETS] = -1
    assert_array_equal(attack.shared_items_, np.sort(np.argsort(-counts, kind="stable")[:4]))


@pytest.mark.parametrize(("fraction", "n_shared"), [(0.0, 0), (0.25, 5), (1.0, 20)])
def test_as_much_is_shared_as_is_asked_for(fraction, n_shared, ratings):
    attack = fit(ratings, n_fillers=23, shared_fraction=fraction)
    by_all = np.flatnonzero((attack.poison_.toarray() > 0).all(axis=0))
    assert attack.shared_items_.size == n_shared
    assert np.isin(attack.shared_items_, by_all).all()
    if n_shared < 20:
        assert attack.n_distinct_profiles_ > 1


@pytest.mark.parametrize(("goal", "better"), [("push", max), ("nuke", min)])
def test_the_best_round_is_kept(goal, better, ratings, monkeypatch):
    """Rounds that come to 2, 5, 1, 4 in turn."""
    strengths = [2.0, 5.0, 1.0, 4.0]
    fillers = RankingSurrogate.fillers
    rounds = []

    def record(self, shared):
        rounds.append(fillers(self, shared))
        return rounds[-1]

    monkeypatch.setattr(RankingSurrogate, "fillers", record)
    monkeypatch.setattr(
        RankingSurrogate,
        "promotion",
        lambda self, k: (strengths[len(rounds) - 1] / 10, strengths[len(rounds) - 1]),
    )
    attack = fit(ratings, goal=goal, max_iter=4)
    best = strengths.index(better(strengths))
    assert attack.surrogate_hit_ratio_ == strengths[best] / 10
    poison = attack.poison_.toarray()
    poison[:, TARGETS] = 0
    assert_array_equal(
        np.sort(rounds[best], axis=1), [np.flatnonzero(profile) for profile in poison]
    )
    assert len({rated.tobytes() for rated in rounds}) == 4


def test_ratings_are_around_the_means_of_items(ratings):
    attack = fit(ratings, attack_size=200, n_fillers=23, shared_fraction=1.0)
    known = ratings[attack.known_users_].toarray()
    for item in attack.shared_items_[:5]:
        given = attack.poison_.toarray()[:, item].mean()
        assert given == pytest.approx(known[known[:, item] > 0, item].mean(), abs=0.4)


def test_the_attack_is_stronger_than_random(target_hr):
    X = make_ratings(400, 500, random_state=0)
    options = {"attack_size": 0.02, "random_state": 1}
    random = target_hr(RandomAttackTransformer(**options), X)
    assert target_hr(GTAAttackTransformer(**options), X) > random + 0.04


def test_divergence_is_an_error(ratings):
    with pytest.raises(ValueError, match="decrease learning_rate=1e"):
        fit(ratings, learning_rate=1e30)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("shared_fraction", 1.5),
        ("popular_fraction", 0),
        ("max_iter", 0),
        ("k", 0),
        ("n_factors", 0),
        ("n_pretrain_iter", -1),
        ("n_update_iter", 0),
        ("learning_rate", 0),
        ("reg", -1),
    ],
)
def test_bad_parameters_are_refused(parameter, value, ratings):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        fit(ratings, **{parameter: value})
