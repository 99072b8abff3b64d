"""Attacks, recommenders and scorers in stock scikit-learn."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    MFRecommender,
    RandomAttackTransformer,
    TCDRecommender,
)
from skrecsec.metrics import HitRatioScorer, RobustnessImprovementScorer, TargetHitRatioScorer
from skrecsec.model_selection import (
    HeldOut,
    StrongGeneralization,
    WeakGeneralization,
)

SCORING = {
    "hr": HitRatioScorer(k=10),
    "target_hr": TargetHitRatioScorer(k=10),
    "ri": RobustnessImprovementScorer(MFRecommender(8, random_state=0), k=10),
}


def make_defended():
    return make_pipeline(
        AverageAttackTransformer(attack_size=0.2, random_state=0),
        TCDRecommender(8, max_iter=8, random_state=0),
    )


def test_a_pipeline_trains_on_poison_and_is_asked_about_genuine_users(split):
    X, _ = split
    pipeline = make_defended().fit(X)
    assert pipeline[-1].user_factors_.shape[0] == 120 + 24
    assert pipeline.predict(X).shape == X.shape
    expected = pipeline[-1].recommend(X, k=4)
    assert_array_equal(pipeline[-1].recommend(pipeline[0].transform(X), k=4), expected)


@pytest.mark.parametrize("form", ["1-D", "HeldOut"])
@pytest.mark.parametrize("cv", [WeakGeneralization(2), StrongGeneralization(2, random_state=0), 2])
def test_cross_validate(split, form, cv):
    X, y = split
    if form == "HeldOut":
        y = HeldOut(sp.csr_array((np.ones(120), (np.arange(120), y)), shape=X.shape))
    scores = cross_validate(make_defended(), X, y, cv=cv, scoring=SCORING, error_score="raise")
    assert np.isfinite(scores["test_hr"]).all()
    assert (scores["test_target_hr"] >= 0).all()
    assert scores["test_ri"].shape == (2,)


def test_cross_val_score_defaults_to_hr(split):
    X, y = split
    model = MFRecommender(8, random_state=0)
    scores = cross_val_score(model, X, y, cv=WeakGeneralization(2), error_score="raise")
    assert_allclose(scores, model.fit(X).score(X, y))


@pytest.mark.parametrize("y_form", ["1-D", "sparse"])
def test_grid_of_attacks_and_defenses(split, y_form):
    X, y = split
    if y_form == "sparse":
        y = sp.csr_array((np.ones(120), (np.arange(120), y)), shape=X.shape)
    targets = [3, 30]
    pipeline = Pipeline([("attack", "passthrough"), ("recommender", MFRecommender())])
    grid = {
        "attack": [
            "passthrough",
            AverageAttackTransformer(target_items=targets, attack_size=0.3, random_state=0),
            RandomAttackTransformer(target_items=targets, attack_size=0.3, random_state=0),
        ],
        "recommender": [MFRecommender(8, random_state=0), TCDRecommender(8, random_state=0)],
    }
    search = GridSearchCV(
        pipeline,
        grid,
        cv=WeakGeneralization(1),
        scoring={"hr": HitRatioScorer(k=10), "target_hr": TargetHitRatioScorer(targets, k=10)},
        refit="hr",
        error_score="raise",
    ).fit(X, y)
    target_hr = search.cv_results_["mean_test_target_hr"].reshape(3, 2)
    assert (target_hr[1:, 0] > target_hr[0, 0]).all()  # the attacks tell on MF
    assert search.best_estimator_.predict(X).shape == X.shape
    assert search.score(X, y) > 0
    recommender = search.best_estimator_[-1]
    assert recommender.recommend(X, k=3).shape == (120, 3)


def test_passthrough_without_targets_says_what_to_do(split):
    X, y = split
    pipeline = Pipeline([("attack", "passthrough"), ("recommender", MFRecommender(4))])
    with pytest.raises(ValueError, match="give TargetHitRatioScorer its target_items"):
        cross_validate(
            pipeline,
            X,
            y,
            cv=WeakGeneralization(1),
            scoring={"t": TargetHitRatioScorer()},
            error_score="raise",
        )


def test_learning_curve(split):
    X, y = split
    sizes, train, test = learning_curve(
        make_defended(),
        X,
        y,
        train_sizes=[40, 80],
        cv=StrongGeneralization(3, random_state=0),
        scoring=HitRatioScorer(k=10),
        error_score="raise",
    )
    assert_array_equal(sizes, [40, 80])
    assert np.isfinite([train, test]).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_jobs_give_the_bits_of_one(split, backend):
    X, y = split
    options = {"cv": WeakGeneralization(3), "scoring": SCORING, "error_score": "raise"}
    alone = cross_validate(make_defended(), X, y, n_jobs=1, **options)
    with joblib.parallel_config(backend=backend):
        together = cross_validate(make_defended(), X, y, n_jobs=2, **options)
    for name in ("test_hr", "test_target_hr", "test_ri"):
        assert_array_equal(alone[name], together[name])


def test_clone_and_pickle(split):
    X, y = split
    pipeline = make_defended().fit(X)
    copy = pickle.loads(pickle.dumps(pipeline))
    assert_array_equal(copy.predict(X), pipeline.predict(X))
    assert SCORING["ri"](copy, X, y) == SCORING["ri"](pipeline, X, y)
    assert_array_equal(clone(pipeline).fit(X).predict(X), pipeline.predict(X))


@pytest.mark.parametrize("n_wrong", [119, 121])
def test_y_of_the_wrong_length(split, n_wrong):
    """`fit` ignores y, whatever it is; whoever scores with it is told."""
    X, _ = split
    y = np.zeros(n_wrong, dtype=int)
    model = MFRecommender(4, max_iter=5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=f"{n_wrong}"):
        model.score(X, y)


def test_a_cached_attack_is_the_same_attack(split, tmp_path):
    X, y = split
    attack, model = make_defended()
    plain = make_pipeline(attack, model).fit(X)
    for _ in range(2):  # computed, then read from disk
        cached = make_pipeline(clone(attack), model, memory=str(tmp_path)).fit(X)
        assert_array_equal(cached.predict(X), plain.predict(X))
        for scorer in SCORING.values():
            assert scorer(cached, X, y) == scorer(plain, X, y)


def test_a_scorer_that_fails_is_reported_and_gives_nan(split):
    X, y = split
    pipeline = Pipeline([("attack", "passthrough"), ("recommender", MFRecommender(4))])
    with pytest.warns(UserWarning, match="give TargetHitRatioScorer its target_items"):
        scores = cross_validate(
            pipeline, X, y, cv=WeakGeneralization(1), scoring={"t": TargetHitRatioScorer()}
        )
    assert np.isnan(scores["test_t"]).all()


def test_frames_with_item_names_pass_through_without_a_warning(split):
    pandas = pytest.importorskip("pandas", reason="item names come from data frames")
    X, y = split
    frame = pandas.DataFrame(X.toarray(), columns=[f"film {i}" for i in range(90)])
    options = {"cv": WeakGeneralization(1), "scoring": SCORING, "error_score": "raise"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*feature names")
        named = cross_validate(make_defended(), frame, y, **options)
    plain = cross_validate(make_defended(), X, y, **options)
    for name in ("test_hr", "test_target_hr", "test_ri"):
        assert_array_equal(named[name], plain[name])


def test_randomised_search_over_the_strength_of_an_attack(split):
    X, y = split
    search = RandomizedSearchCV(
        make_pipeline(
            AverageAttackTransformer(target_items=[3], random_state=0),
            MFRecommender(8, random_state=0),
        ),
        {"averageattacktransformer__attack_size": [1, 120]},
        n_iter=2,
        cv=WeakGeneralization(1),
        scoring=TargetHitRatioScorer(k=10),
        error_score="raise",
        random_state=0,
    ).fit(X, y)
    assert search.best_params_ == {"averageattacktransformer__attack_size": 120}
    assert search.best_estimator_[0].poison_.shape == (120, 90)
    assert search.score(X, y) == TargetHitRatioScorer(k=10)(search, X)
