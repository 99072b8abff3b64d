"""Scorers against the metrics they stand for."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.base import BaseRecommender
from skrecsec.metrics import (
    HitRatioScorer,
    RobustnessImprovementScorer,
    TargetHitRatioScorer,
    _scorers,
    hit_ratio_score,
    target_hit_ratio_score,
)
from skrecsec.model_selection import HeldOut, WeakGeneralization
from skrecsec.utils.validation import check_ratings


@pytest.fixture(scope="module")
def pipeline(split):
    attack = AverageAttackTransformer(attack_size=1.0, random_state=0)
    return make_pipeline(attack, MFRecommender(8, random_state=0)).fit(split[0])


def test_hit_ratio_scorer_masks_and_scores_what_it_is_given(pipeline, split):
    X, y = split
    expected = hit_ratio_score(y, pipeline.predict(X), k=7, seen=X)
    assert 0 < expected < 1
    assert HitRatioScorer(k=7)(pipeline, X, y) == expected
    held_out = sp.csr_array((np.ones(120), (np.arange(120), y)), shape=X.shape)
    assert HitRatioScorer(k=7)(pipeline, X, held_out) == expected
    assert HitRatioScorer(k=7)(pipeline, X, HeldOut(held_out)) == expected
    assert pipeline[-1].score(X, y) == HitRatioScorer()(pipeline, X, y)


def test_target_hit_ratio_scorer_finds_the_targets(pipeline, split):
    X, _ = split
    targets = pipeline[0].target_items_
    expected = target_hit_ratio_score(pipeline.predict(X), targets, k=7, seen=X)
    assert 0 < expected < 1
    assert TargetHitRatioScorer(k=7)(pipeline, X) == expected
    assert TargetHitRatioScorer(targets, k=7)(pipeline[-1], X) == expected


def test_scorers_read_as_they_are_written_and_pickle():
    for scorer, text in (
        (HitRatioScorer(k=10), "HitRatioScorer(k=10)"),
        (TargetHitRatioScorer(), "TargetHitRatioScorer(target_items=None, k=50)"),
    ):
        assert repr(scorer) == repr(pickle.loads(pickle.dumps(scorer))) == text


class Counting(BaseRecommender):
    """Ranks items by popularity and counts its fits."""

    n_fits = 0

    def __init__(self, label=0):
        self.label = label

    def fit(self, X, y=None):
        type(self).n_fits += 1
        X = check_ratings(X, estimator=self)
        self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
        return self

    def _score_profiles(self, X):
        return np.tile(self.counts_, (X.shape[0], 1))


@pytest.fixture
def fresh_cache(monkeypatch):
    monkeypatch.setattr(_scorers, "_fitted_baselines", _scorers._OnceCache(max_size=8))
    Counting.n_fits = 0


def strong_attack(seed=0):
    return AverageAttackTransformer(attack_size=1.0, random_state=seed)


def test_ri_of_no_defense_is_0_and_of_a_perfect_one_is_1(ratings, fresh_cache):
    scorer = RobustnessImprovementScorer(Counting(), k=10)
    attack = strong_attack()
    assert scorer(make_pipeline(attack, Counting()).fit(ratings), ratings) == 0
    perfect = make_pipeline(attack, Counting()).fit(ratings)
    perfect.steps[-1] = ("counting", Counting().fit(ratings))  # has never seen the poison
    assert scorer(perfect, ratings) == 1


def test_baselines_are_fitted_once_per_attack_and_training_set(ratings, fresh_cache):
    scorer = RobustnessImprovementScorer(Counting(), k=10)
    defenses = [MFRecommender(2, max_iter=5, random_state=seed) for seed in range(3)]
    for defense in defenses:
        scorer(make_pipeline(strong_attack(), defense).fit(ratings), ratings)
    assert Counting.n_fits == 2  # clean and poisoned
    scorer(make_pipeline(strong_attack(seed=1), defenses[0]).fit(ratings), ratings)
    assert Counting.n_fits == 3  # the clean one is known
    scorer(make_pipeline(strong_attack(), defenses[0]).fit(ratings[:100]), ratings)
    assert Counting.n_fits == 5  # another training set
    other = RobustnessImprovementScorer(Counting(label=1), k=10)
    other(make_pipeline(strong_attack(), defenses[0]).fit(ratings), ratings)
    assert Counting.n_fits == 7  # another baseline


def test_the_baseline_passed_in_is_not_fitted(ratings, fresh_cache):
    baseline = Counting()
    pipeline = make_pipeline(strong_attack(), Counting()).fit(ratings)
    RobustnessImprovementScorer(baseline, k=10)(pipeline, ratings)
    assert not hasattr(baseline, "counts_")


def test_ri_without_damage_is_nan_with_a_warning(ratings, fresh_cache):
    popular = np.argsort(-np.bincount(ratings.indices, minlength=90))[-2:]
    attack = AverageAttackTransformer(target_items=popular, attack_size=1, random_state=0)
    pipeline = make_pipeline(attack, clone(Counting())).fit(ratings)
    with pytest.warns(UserWarning, match="undefined"):
        assert np.isnan(RobustnessImprovementScorer(Counting(), k=1)(pipeline, ratings))


def test_ri_of_given_targets(ratings, fresh_cache):
    attack = strong_attack()
    pipeline = make_pipeline(attack, MFRecommender(8, random_state=0)).fit(ratings)
    clean, poisoned = Counting().fit(ratings), Counting().fit(attack.fit_transform(ratings))
    targets = [attack.target_items_[0], 50]
    score = TargetHitRatioScorer(targets, k=10)
    origin, attacked, defended = (score(e, ratings) for e in (clean, poisoned, pipeline))
    ri = RobustnessImprovementScorer(Counting(), target_items=targets, k=10)(pipeline, ratings)
    assert ri == pytest.approx(1 - (defended - origin) / (attacked - origin))


def test_the_default_baseline_is_the_same_every_time(pipeline, split, monkeypatch):
    scores = []
    for _ in range(2):
        monkeypatch.setattr(_scorers, "_fitted_baselines", _scorers._OnceCache(max_size=8))
        scores.append(RobustnessImprovementScorer(k=7)(pipeline, split[0]))
    assert scores[0] == scores[1]


def test_targets_are_found_in_the_best_estimator_of_a_search(split):
    X, y = split
    pipeline = make_pipeline(strong_attack(), MFRecommender(8, random_state=0))
    search = GridSearchCV(
        pipeline,
        {"mfrecommender__n_factors": [8]},
        cv=WeakGeneralization(1),
        scoring=HitRatioScorer(k=10),
    ).fit(X, y)
    expected = TargetHitRatioScorer(k=10)(search.best_estimator_, X)
    assert TargetHitRatioScorer(k=10)(search, X) == expected


def test_targets_are_found_in_a_pipeline_within_a_pipeline(pipeline, split):
    X, _ = split
    nested = make_pipeline("passthrough", clone(pipeline)).fit(X)
    assert TargetHitRatioScorer(k=7)(nested, X) == TargetHitRatioScorer(k=7)(pipeline, X)


@pytest.mark.parametrize("scorer", [TargetHitRatioScorer(), RobustnessImprovementScorer()])
def test_which_of_two_attacks_is_meant_is_not_guessed(scorer, ratings):
    attacks = [AverageAttackTransformer(target_items=[t], random_state=0) for t in (3, 5)]
    twice = make_pipeline(*attacks, MFRecommender(8, random_state=0)).fit(ratings)
    with pytest.raises(ValueError, match="2 attack steps"):
        scorer(twice, ratings)
    assert 0 <= TargetHitRatioScorer([3, 5])(twice, ratings) <= 1


def test_the_cache_forgets_the_oldest_and_computes_once():
    cache = _scorers._OnceCache(max_size=2)
    computed = []

    def get(key):
        return cache.get(key, lambda: (time.sleep(0.01), computed.append(key), key)[-1])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(get, "a" * 16)) == list("a" * 16)
    assert computed == ["a"]
    for key in "bacab":  # "b" goes when "c" comes
        assert get(key) == key
    assert computed == ["a", "b", "c", "b"]


@pytest.mark.parametrize("scorer", [TargetHitRatioScorer(), RobustnessImprovementScorer()])
def test_without_an_attack_step_the_error_says_so(scorer, ratings):
    model = MFRecommender(2, max_iter=5).fit(ratings)
    with pytest.raises(ValueError, match="not a fitted pipeline with an attack step"):
        scorer(model, ratings)


def test_bad_arguments(pipeline, split):
    X, y = split
    with pytest.raises(ValueError, match="k, the length of the list"):
        HitRatioScorer(k=0)(pipeline, X, y)
    with pytest.raises(ValueError, match="y"):
        HitRatioScorer()(pipeline, X, y[:-1])
    with pytest.raises(ValueError, match="repeated"):
        TargetHitRatioScorer([1, 1])(pipeline, X)
