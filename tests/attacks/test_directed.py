"""Segment, love-hate and reverse bandwagon attacks: who is rated, and how."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skrecsec import (
    LoveHateAttackTransformer,
    MFRecommender,
    RandomAttackTransformer,
    ReverseBandwagonAttackTransformer,
    SegmentAttackTransformer,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score

NUKES = [LoveHateAttackTransformer, ReverseBandwagonAttackTransformer]
DIRECTED = [SegmentAttackTransformer, *NUKES]


@pytest.mark.parametrize("goal", ["push", "nuke"])
@pytest.mark.parametrize("cls", DIRECTED)
def test_fillers_fill_the_budget_and_are_never_targets(cls, goal, ratings):
    attack = cls(
        target_items=[1, 2, 3], attack_size=40, n_fillers=20, goal=goal, random_state=0
    ).fit(ratings)
    poison = attack.poison_.toarray()
    assert (np.count_nonzero(poison, axis=1) == 20).all()
    assert (poison[:, [1, 2, 3]] == (5 if goal == "push" else 1)).all()
    assert attack.n_distinct_profiles_ == 40


@pytest.mark.parametrize("cls", DIRECTED)
@pytest.mark.parametrize("n_fillers", [3, 4, 90])
def test_extreme_budgets(cls, n_fillers, ratings):
    poison = cls(target_items=[1, 2, 3], n_fillers=n_fillers, random_state=0).fit(ratings).poison_
    assert (np.diff(poison.indptr) == n_fillers).all()


def test_the_default_goal_is_that_of_the_attack():
    assert [cls().goal for cls in DIRECTED] == ["push", "nuke", "nuke"]


# --- segment ---


def test_named_segment_items_are_rated_highest_and_fillers_lowest(ratings):
    attack = SegmentAttackTransformer(
        segment_items=[8, 5, 1], target_items=[1, 2], n_fillers=12, random_state=0
    ).fit(ratings)
    assert_array_equal(attack.segment_items_, [5, 8])  # the other one is a target
    poison = attack.poison_.toarray()
    assert (poison[:, [1, 2, 5, 8]] == 5).all()
    fillers = np.delete(poison, [1, 2, 5, 8], axis=1)
    assert (np.count_nonzero(fillers, axis=1) == 8).all()
    assert set(np.unique(fillers)) == {0, 1}


def test_similar_items_against_all_cosines(ratings):
    attack = SegmentAttackTransformer(
        segment_fraction=0.5, target_items=[0, 4], n_fillers=22, random_state=0
    ).fit(ratings)
    known = ratings[attack.known_users_].toarray()
    counts = np.count_nonzero(known, axis=0)
    counts[[0, 4]] = -1
    seed = counts.argmax()
    cosines = known.T @ known[:, seed] / np.maximum(np.linalg.norm(known, axis=0), 1e-12)
    cosines[[0, 4]] = -1
    expected = np.argsort(-cosines, kind="stable")[:10]
    assert seed in expected
    assert_array_equal(attack.segment_items_, np.sort(expected))


def test_a_segment_is_promoted_to():
    """Nearly all users of a group are shown the targets, and nobody else is."""
    rng = np.random.default_rng(0)
    group = np.arange(200) < 60
    liked = np.where(group[:, None], np.arange(120) < 40, np.arange(120) >= 40)
    X = np.where(liked, 5.0, 2.0) * (rng.random((200, 120)) < np.where(liked, 0.4, 0.05))
    X[:, 100:105] = 0
    X[0, 100:105] = 3
    X = sp.csr_array(X)
    attack = SegmentAttackTransformer(
        segment_items=np.arange(20), target_items=np.arange(100, 105), attack_size=15,
        n_fillers=40, random_state=0,
    )  # fmt: skip
    model = MFRecommender(16, random_state=0).fit(attack.fit_transform(X))
    scores = model.user_factors_[:200] @ model.item_factors_.T
    hits = [
        target_hit_ratio_score(scores[rows], attack.target_items_, k=30, seen=X[rows])
        for rows in (np.flatnonzero(group), np.flatnonzero(~group))
    ]
    assert hits[0] > 0.7 > 0.1 > hits[1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"segment_fraction": 1.2}, "'segment_fraction'"),
        ({"segment_items": "popular"}, "'segment_items'"),
        ({"segment_items": [1, 90]}, "segment_items"),
        ({"segment_items": [1.5]}, "segment_items"),
        ({"segment_items": np.arange(30), "n_fillers": 20}, "segment_items has 25 items"),
    ],
)
def test_segment_refuses_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        SegmentAttackTransformer(target_items=np.arange(5), **parameters).fit(ratings)


# --- attacks that demote ---


def test_love_hate_rates_fillers_the_other_way(ratings):
    for goal, rating in (("nuke", 5), ("push", 1)):
        attack = LoveHateAttackTransformer(target_items=[2], goal=goal, random_state=0)
        fillers = np.delete(attack.fit(ratings).poison_.toarray(), 2, axis=1)
        assert set(np.unique(fillers)) == {0, rating}


def test_reverse_bandwagon_rates_disliked_items_lowest(ratings):
    attack = ReverseBandwagonAttackTransformer(
        disliked_fraction=0.3, target_items=[0], n_fillers=21, attack_size=30, random_state=0
    ).fit(ratings)
    known = ratings[attack.known_users_].toarray()
    counts = np.count_nonzero(known, axis=0)
    means = known.sum(axis=0) / np.maximum(counts, 1)
    means[counts < counts.mean()] = np.inf
    means[0] = np.inf
    expected = np.sort(np.argsort(means, kind="stable")[:6])
    assert np.isfinite(means[expected]).all()
    assert_array_equal(attack.disliked_items_, expected)
    poison = attack.poison_.toarray()
    assert (poison[:, expected] == 1).all()
    others = np.delete(poison, [0, *expected], axis=1)
    assert (np.count_nonzero(others, axis=1) == 14).all()
    assert np.unique(others).size > 3


def test_with_too_few_well_known_items_the_next_most_rated_are_disliked():
    X = np.zeros((30, 8))
    X[:, :2] = [4, 2]
    X[:3, 2:] = 5
    X[3:5, 4] = 5
    attack = ReverseBandwagonAttackTransformer(
        disliked_fraction=1.0, target_items=[0], n_fillers=4, knowledge=1.0, random_state=0
    ).fit(X)
    assert_array_equal(attack.disliked_items_, [1, 2, 4])


def test_reverse_bandwagon_refuses_a_bad_fraction(ratings):
    with pytest.raises(ValueError, match="'disliked_fraction'"):
        ReverseBandwagonAttackTransformer(disliked_fraction=-0.1).fit(ratings)


@pytest.mark.parametrize("cls", NUKES)
def test_nuke_takes_targets_out_of_lists(cls, target_hr):
    """Targets that a clean model recommends widely."""
    X = make_ratings(random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    options = {"target_items": items[np.argsort(-counts)[:5]], "random_state": 0}
    before = target_hit_ratio_score(
        clean.user_factors_ @ clean.item_factors_.T, options["target_items"], seen=X
    )
    after = target_hr(cls(**options), X)
    random = target_hr(RandomAttackTransformer(goal="nuke", **options), X)
    assert after < before / 2
    assert after <= random + 0.02
