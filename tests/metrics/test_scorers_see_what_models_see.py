"""Scorers and what estimators do to profiles, and with what they predict."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.metrics import (
    HitRatioScorer,
    NDCGScorer,
    RobustnessImprovementScorer,
    TargetHitRatioScorer,
    _scorers,
    get_scorer,
    get_scorer_names,
    hit_ratio_score,
    ndcg_score,
    target_hit_ratio_score,
)
from skrecsec.model_selection import WeakGeneralization
from skrecsec.utils._scoring import steps_of

K = 7


class Counts(BaseEstimator):
    """Ranks by the sums of ratings, and takes note of what it is given; of nobody's house."""

    seen = []

    def __init__(self, avoid=None):
        self.avoid = avoid

    def fit(self, X, y=None):
        self.sums_ = np.asarray(X.sum(axis=0), dtype=float).ravel()
        if self.avoid is not None:
            self.sums_[self.avoid] = -1
        Counts.seen.append(("fit", sp.csr_array(X).toarray()))
        return self

    def predict(self, X):
        Counts.seen.append(("predict", sp.csr_array(X).toarray()))
        # A pure function of the profile, and another one for another profile.
        return self.sums_ + 10 * np.sin(sp.csr_array(X).sum(axis=1))[:, np.newaxis] * np.arange(
            self.sums_.size
        )


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(_scorers, "_fitted_baselines", _scorers._OnceCache(max_size=8))
    Counts.seen = []


def attack():
    return AverageAttackTransformer(attack_size=0.5, random_state=0)


def shift(X):
    return sp.csr_array((X.data + 11, X.indices, X.indptr), shape=X.shape)


def drop_low(X):
    X = sp.csr_array(X, copy=True)
    X.data[X.data < 3] = 0
    X.eliminate_zeros()
    return X


def step(function):
    return FunctionTransformer(function, accept_sparse=True)


# --- steps around the attack ----------------------------------------------------------------------


PIPELINES = {
    "before": lambda *more: make_pipeline(step(drop_low), attack(), *more),
    "after": lambda *more: make_pipeline(attack(), step(drop_low), *more),
    "nested": lambda *more: make_pipeline(make_pipeline(step(drop_low), attack()), *more),
    "nested deeper": lambda *more: make_pipeline(
        "passthrough", make_pipeline(make_pipeline(step(drop_low)), attack(), "passthrough"), *more
    ),
    "model nested": lambda *more: make_pipeline(step(drop_low), make_pipeline(attack(), *more)),
}


@pytest.mark.parametrize("make", PIPELINES.values(), ids=PIPELINES)
def test_masks_are_those_of_the_rows_that_reach_the_model(make, split):
    X, y = split
    pipeline = make(Counts()).fit(X)
    reached = drop_low(X)
    assert reached.nnz < X.nnz
    scores = pipeline.predict(X)
    expected = hit_ratio_score(y, scores, k=K, seen=reached)
    assert expected != hit_ratio_score(y, scores, k=K, seen=X)
    assert HitRatioScorer(K)(pipeline, X, y) == expected
    assert NDCGScorer(K)(pipeline, X, y) == ndcg_score(y, scores, k=K, seen=reached)
    found = [s for s in steps_of(pipeline) if hasattr(s, "poison_")]
    targets = found[0].target_items_
    expected = target_hit_ratio_score(scores, targets, k=K, seen=reached)
    assert TargetHitRatioScorer(k=K)(pipeline, X) == expected


@pytest.mark.parametrize("make", PIPELINES.values(), ids=PIPELINES)
def test_baselines_are_trained_on_and_asked_about_what_the_model_is(make, split):
    X, _ = split
    pipeline = make(Counts()).fit(X)
    ((_, trained_on),) = Counts.seen
    Counts.seen = []
    RobustnessImprovementScorer(Counts(), k=K)(pipeline, X)
    fits = [rows for method, rows in Counts.seen if method == "fit"]
    reached = drop_low(X).toarray()
    np.testing.assert_array_equal(fits[0], reached)
    np.testing.assert_array_equal(fits[1], trained_on)
    asked = [rows for method, rows in Counts.seen if method == "predict"]
    for rows in asked:
        np.testing.assert_array_equal(rows, reached)
    assert len(asked) == 3


def test_no_defense_has_an_ri_of_0_whatever_comes_before_or_after(split):
    X, _ = split
    for make in PIPELINES.values():
        assert RobustnessImprovementScorer(Counts(), k=K)(make(Counts()).fit(X), X) == 0


def test_ratings_that_a_step_makes_positive_are_scored(split):
    X, y = split
    negative = sp.csr_array((4 * X.data - 11.5, X.indices, X.indptr), shape=X.shape)
    assert negative.data.min() < 0
    pipeline = make_pipeline(step(shift), attack(), MFRecommender(4, max_iter=5, random_state=0))
    pipeline.fit(negative)
    expected = hit_ratio_score(y, pipeline.predict(negative), k=K, seen=X)
    assert HitRatioScorer(K)(pipeline, negative, y) == expected
    for scoring in (HitRatioScorer(K), TargetHitRatioScorer(k=K)):
        scores = cross_val_score(
            pipeline, negative, y, cv=WeakGeneralization(1), scoring=scoring, error_score="raise"
        )
        assert np.isfinite(scores).all()


# --- what is frozen -------------------------------------------------------------------------------


@pytest.mark.parametrize("scorer", [TargetHitRatioScorer(), RobustnessImprovementScorer(Counts())])
def test_a_frozen_attack_has_not_attacked(scorer, split):
    X, _ = split
    frozen = FrozenEstimator(attack().fit(X))
    with pytest.raises(ValueError, match="hides its fit_transform"):
        scorer(make_pipeline(frozen, Counts()).fit(X), X)
    frozen = FrozenEstimator(make_pipeline(step(drop_low), attack()).fit(X))
    with pytest.raises(ValueError, match="not a fitted pipeline with an attack step"):
        scorer(make_pipeline(frozen, Counts()).fit(X), X)


@pytest.mark.parametrize(
    "scorer",
    [HitRatioScorer(K), TargetHitRatioScorer(k=K), RobustnessImprovementScorer(Counts(), k=K)],
)
def test_a_frozen_pipeline_is_what_it_was(scorer, split):
    X, y = split
    pipeline = make_pipeline(attack(), Counts()).fit(X)
    expected = scorer(pipeline, X, y)
    assert scorer(FrozenEstimator(pipeline), X, y) == expected
    assert scorer(make_pipeline("passthrough", FrozenEstimator(pipeline)).fit(X), X, y) == expected
    assert pickle.loads(pickle.dumps(scorer))(pipeline, X, y) == expected


# --- forms of profiles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [sp.csr_matrix, sp.csc_array, sp.coo_array, sp.lil_array, sp.dok_array, sp.bsr_array]
    + [lambda X: X.toarray(), lambda X: X.toarray().tolist(), lambda X: X.toarray().astype("f4")],
)
def test_the_form_of_profiles_does_not_matter(form, split):
    X, y = split
    pipeline = make_pipeline(attack(), MFRecommender(4, max_iter=5, random_state=0)).fit(X)
    baseline = MFRecommender(2, max_iter=5, random_state=0)
    ri = RobustnessImprovementScorer(baseline, k=K)
    assert HitRatioScorer(K)(pipeline, form(X), y) == HitRatioScorer(K)(pipeline, X, y)
    assert TargetHitRatioScorer(k=K)(pipeline, form(X)) == TargetHitRatioScorer(k=K)(pipeline, X)
    assert ri(pipeline, form(X)) == ri(pipeline, X)


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_are_scored_without_a_warning(library, split):
    X, y = split
    names = [f"film {item}" for item in range(X.shape[1])]
    frame = library.DataFrame(dict(zip(names, X.toarray().T, strict=True)))
    pipeline = make_pipeline(attack(), MFRecommender(4, max_iter=5, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.fit(frame)
        scores = [
            HitRatioScorer(K)(pipeline, frame, y),
            TargetHitRatioScorer(k=K)(pipeline, frame),
            TargetHitRatioScorer(["film 3", "film 5"], k=K)(pipeline, frame),
            RobustnessImprovementScorer(MFRecommender(2, max_iter=5, random_state=0), k=K)(
                pipeline, frame
            ),
        ]
    pipeline = clone(pipeline).fit(X)
    assert scores[:3] == [
        HitRatioScorer(K)(pipeline, X, y),
        TargetHitRatioScorer(k=K)(pipeline, X),
        TargetHitRatioScorer([3, 5], k=K)(pipeline, X),
    ]
    assert np.isfinite(scores[3])


# --- forms of predictions -------------------------------------------------------------------------


class Serves(BaseEstimator):
    """Serves predictions made elsewhere, in some form."""

    def __init__(self, table=None, form=np.asarray):
        self.table = table
        self.form = form

    def predict(self, X):
        return self.form(self.table[: X.shape[0]])


def read_only(table):
    table = table.view()
    table.flags.writeable = False
    return table


@pytest.mark.parametrize(
    "form",
    [np.asarray, read_only, pd.DataFrame, pl.DataFrame, np.ndarray.tolist, np.asfortranarray],
)
def test_predictions_come_in_many_forms_and_stay_as_they_are(form, split):
    X, y = split
    table = np.random.default_rng(0).random(X.shape)
    before = table.copy()
    model = Serves(table, form)
    assert HitRatioScorer(K)(model, X, y) == hit_ratio_score(y, before, k=K, seen=X)
    assert NDCGScorer(K)(model, X, y) == ndcg_score(y, before, k=K, seen=X)
    expected = target_hit_ratio_score(before, [3], k=K, seen=X)
    assert TargetHitRatioScorer([3], k=K)(model, X) == expected
    np.testing.assert_array_equal(table, before)


def test_broadcast_predictions_are_scored(split):
    X, y = split
    counts = np.random.default_rng(0).random(X.shape[1])
    model = Serves(np.broadcast_to(counts, X.shape))
    expected = hit_ratio_score(y, np.tile(counts, (120, 1)), k=K, seen=X)
    assert HitRatioScorer(K)(model, X, y) == expected


def test_masked_predictions_are_not_ranked(split):
    X, y = split
    table = np.random.default_rng(0).integers(0, 9, X.shape)
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    masked = np.ma.MaskedArray(table, mask)
    expected = hit_ratio_score(y, np.where(mask, -np.inf, table), k=K, seen=X)
    assert expected != hit_ratio_score(y, table, k=K, seen=X)
    assert HitRatioScorer(K)(Serves(masked, lambda table: table), X, y) == expected
    assert hit_ratio_score(y, masked, k=K, seen=X) == expected


@pytest.mark.parametrize(
    "form",
    [sp.csr_array, lambda t: t[:, :-1], lambda t: t[:-1], lambda t: t[0], lambda t: None]
    + [lambda t: t[:, :, np.newaxis]],
)
def test_predictions_of_another_shape_are_refused(form, split):
    X, y = split
    model = Serves(np.ones(X.shape), form)
    with pytest.raises(ValueError, match=r"^Serves.predict must return an array .* \(120, 90\)"):
        HitRatioScorer(K)(model, X, y)


def test_predictions_may_be_nan_where_they_are_masked(split):
    X, y = split
    table = np.random.default_rng(0).random(X.shape)
    with_nan = table.copy()
    with_nan[X.nonzero()] = np.nan
    assert HitRatioScorer(K)(Serves(with_nan), X, y) == HitRatioScorer(K)(Serves(table), X, y)
    with_nan[0, y[0]] = np.nan
    with pytest.raises(ValueError, match="Scores contain NaN"):
        HitRatioScorer(K)(Serves(with_nan), X, y)


@pytest.mark.parametrize("estimator", [None, "mf", 3, MFRecommender, FunctionTransformer()])
@pytest.mark.parametrize("scorer", [HitRatioScorer(), NDCGScorer(), TargetHitRatioScorer([1])])
def test_what_does_not_predict_is_refused(scorer, estimator, split):
    with pytest.raises(ValueError, match="must be a fitted recommender"):
        scorer(estimator, *split)


# --- searches, names, pickles ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scoring", "robust"),
    [("neg_target_hit_ratio", True), ("target_hit_ratio", False), ("robustness", True)],
)
def test_a_search_finds_the_robust_or_the_vulnerable_model(scoring, robust, split):
    X, y = split
    targets = [3, 4]
    chosen = AverageAttackTransformer(target_items=targets, attack_size=1.0, random_state=0)
    models = [Counts(), Counts(avoid=targets)]
    scorer = (
        RobustnessImprovementScorer(Counts(), k=K)
        if scoring == "robustness"
        else get_scorer(scoring, k=K)
    )
    search = GridSearchCV(
        Pipeline([("attack", chosen), ("model", models[0])]),
        {"model": models},
        cv=WeakGeneralization(1),
        scoring=scorer,
        error_score="raise",
    ).fit(X, y)
    assert (search.best_params_["model"].avoid == targets) is robust
    assert TargetHitRatioScorer(k=K)(search, X) == TargetHitRatioScorer(k=K)(
        search.best_estimator_, X
    )


def test_the_sign_is_all_that_differs(split):
    X, _ = split
    pipeline = make_pipeline(attack(), Counts()).fit(X)
    hit_ratio = TargetHitRatioScorer(k=K)(pipeline, X)
    assert hit_ratio > 0
    assert TargetHitRatioScorer(k=K, greater_is_better=False)(pipeline, X) == -hit_ratio


def test_scorers_have_names():
    names = get_scorer_names()
    assert names == sorted(names)
    assert {"hit_ratio", "ndcg", "target_hit_ratio", "neg_target_hit_ratio"} <= set(names)
    assert {"detection_average_precision", "detection_recall"} <= set(names)
    for name in names:
        if name.startswith("detection_"):
            scorer = get_scorer(name)
            assert scorer.metric == name.removeprefix("detection_")
        else:
            scorer = get_scorer(name, k=3)
            assert scorer.k == 3
        assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)
        assert get_scorer(scorer) is scorer


@pytest.mark.parametrize(
    ("scoring", "options", "message"),
    [
        ("accuracy", {}, "'accuracy' is no scorer; there are .*hit_ratio"),
        (None, {}, "must be the name of a scorer or a callable, got None"),
        (3, {}, "must be the name of a scorer or a callable, got 3"),
        (len, {"k": 3}, "options go with the name of a scorer"),
    ],
)
def test_what_is_no_scorer_is_refused(scoring, options, message):
    with pytest.raises(ValueError, match=message):
        get_scorer(scoring, **options)


def test_ri_says_what_to_do_where_genuine_ratings_are_missing(split):
    X, _ = split
    pipeline = make_pipeline(attack(), Counts()).fit(X)
    expected = RobustnessImprovementScorer(Counts(), k=K)(pipeline, X)
    pipeline = pickle.loads(pickle.dumps(pipeline))
    with pytest.raises(ValueError, match="keep_ratings=True"):
        RobustnessImprovementScorer(Counts(), k=K)(pipeline, X[:100])
    pipeline[0].genuine_ratings_ = X  # the one remedy
    assert RobustnessImprovementScorer(Counts(), k=K)(pipeline, X) == expected
    pipeline = make_pipeline(attack().set_params(keep_ratings=True), Counts()).fit(X)  # the other
    pipeline = pickle.loads(pickle.dumps(pipeline))
    assert RobustnessImprovementScorer(Counts(), k=K)(pipeline, X) == expected


@pytest.mark.parametrize("where", ["X", "y"])
def test_masked_held_out_items_are_none(where, split):
    X, y = split
    mask = np.arange(120) % 3 == 0
    masked = np.ma.MaskedArray(y, mask)
    model = Serves(np.random.default_rng(0).random(X.shape))
    expected = HitRatioScorer(K)(model, X, np.where(mask, -1, y))
    assert HitRatioScorer(K)(model, X, masked) == expected
    with pytest.raises(ValueError, match="target_items has masked entries"):
        TargetHitRatioScorer(np.ma.MaskedArray([1, 2], [True, False]), k=K)(model, X)
