"""The exposure gate: its rule by plain loops, its bound for any model, and what it goes with."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    EASERecommender,
    ExposureGate,
    FilteredRecommender,
    LockstepDetector,
    MFRecommender,
    PopularityRecommender,
)
from skrecsec.attacks import CopyAttackTransformer
from skrecsec.base import BaseRecommender
from skrecsec.datasets import make_ratings
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer, target_hit_ratio_score
from skrecsec.model_selection import WeakGeneralization, leave_one_out_split


class Linear(BaseRecommender):
    """Scores profiles by given weights from item to item."""

    def __init__(self, weights=None, shift=0.0):
        self.weights = weights
        self.shift = shift

    def fit(self, X, y=None):
        self._check_ratings(X)
        return self

    def _score_profiles(self, X):
        return X @ np.asarray(self.weights, dtype=float) + self.shift


class Foreign(BaseEstimator):
    """Has `fit` and `predict`, and nothing else; it scores by what it is given."""

    def __init__(self, answer=None):
        self.answer = answer

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return self.answer(X)


def passing(scores, rated, max_exposure):
    """Return for which profiles each item may be listed, by the rule, one item at a time."""
    passes = np.zeros(scores.shape, dtype=bool)
    for item in range(scores.shape[1]):
        budget = int(np.floor(max_exposure * rated[:, item].sum()))
        others = sorted(scores[~rated[:, item], item], reverse=True)
        if len(others) <= budget:
            passes[:, item] = True
        else:
            passes[:, item] = scores[:, item] > others[budget]
    return passes


def n_lists(gate, X, k=1000):
    listed = gate.recommend(X, k=k)
    return np.bincount(listed[listed >= 0], minlength=X.shape[1])


# Small integers, so that there are ties; 0 is no rating.
ratings_and_weights = st.tuples(st.integers(1, 12), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(
        arrays(np.int64, shape, elements=st.integers(0, 3)).filter(np.any),
        arrays(np.int64, (shape[1], shape[1]), elements=st.integers(-2, 2)),
    )
)


@settings(max_examples=40, deadline=None)
@given(ratings_and_weights, st.sampled_from([0.3, 1.0, 1.5, 2.0, 5.0]), st.integers(1, 7))
def test_no_model_and_no_ties_break_the_bound(case, max_exposure, k):
    X, weights = case
    gate = ExposureGate(Linear(weights), max_exposure).fit(X)
    rated = (X > 0).sum(axis=0)
    assert (n_lists(gate, X, k) <= np.floor(max_exposure * rated)).all()
    assert (n_lists(gate, X, k) / X.shape[0] <= gate.exposure_bound()).all()


@settings(max_examples=40, deadline=None)
@given(ratings_and_weights, st.sampled_from([0.3, 1.0, 1.5, 2.0, 5.0]))
def test_the_rule_by_plain_loops(case, max_exposure):
    X, weights = case
    X = X[X.any(axis=1)]
    gate = ExposureGate(Linear(weights), max_exposure).fit(X)
    scores = (X @ weights).astype(float)
    expected = np.where(passing(scores, X > 0, max_exposure), scores, -np.inf)
    np.testing.assert_array_equal(gate.predict(X), expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 4.0))
def test_no_attack_breaks_the_bound(seed, max_exposure):
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 6, (30, 12)) * (rng.random((30, 12)) < 0.3)
    fakes = rng.integers(1, 6, (5, 12)) * (rng.random((5, 12)) < 0.5)
    fakes[:, 0] = 5  # the target
    weights = rng.normal(size=(12, 12))
    weights[:, 0] += 10  # wanted by everybody
    clean = ExposureGate(Linear(weights), max_exposure).fit(X)
    poisoned = ExposureGate(Linear(weights), max_exposure).fit(np.vstack([X, fakes]))
    seen = sp.csr_array(X)
    hits = target_hit_ratio_score(poisoned.predict(X), [0], seen=seen)
    assert hits <= clean.exposure_bound(n_fakes=5)[0]


def test_new_profiles_meet_the_same_thresholds(ratings):
    gate = ExposureGate(EASERecommender(), 1.0).fit(ratings[:100])
    scores = gate.recommender_.predict(ratings[100:])
    expected = np.where(scores > gate.thresholds_, scores, -np.inf)
    np.testing.assert_array_equal(gate.predict(ratings[100:]), expected)
    assert np.isinf(expected).any()
    assert np.isfinite(expected).any()


def test_blocks_do_not_matter(ratings):
    whole = ExposureGate(EASERecommender()).fit(ratings)
    with sklearn.config_context(working_memory=0.01):
        blocked = ExposureGate(EASERecommender()).fit(ratings)
        np.testing.assert_array_equal(blocked.recommend(ratings), whole.recommend(ratings))
    np.testing.assert_array_equal(blocked.thresholds_, whole.thresholds_)


def test_the_bound_does_not_hang_on_the_last_digits(ratings):
    """Ties that another order of summation breaks are ties still."""
    calls = itertools.count()

    def answer(X):
        noise = np.random.default_rng(next(calls)).normal(size=X.shape)
        return 0.1 * (1 + np.arange(X.shape[1]) % 3) * (1 + 1e-14 * noise)

    gate = ExposureGate(Foreign(answer)).fit(ratings)
    rated = np.bincount(ratings.indices, minlength=90)
    assert (n_lists(gate, ratings) <= 2 * rated).all()


def test_a_model_that_scores_all_alike_lists_what_may_be_listed_for_all(ratings):
    rated = np.bincount(ratings.indices, minlength=90)
    gate = ExposureGate(PopularityRecommender()).fit(ratings)
    listed = np.unique(gate.recommend(ratings, k=90))
    np.testing.assert_array_equal(listed[listed >= 0], np.flatnonzero(2 * rated >= 120 - rated))


def test_a_large_exposure_changes_nothing(ratings):
    gate = ExposureGate(EASERecommender(), 1000.0).fit(ratings)
    alone = EASERecommender().fit(ratings)
    np.testing.assert_array_equal(gate.predict(ratings), alone.predict(ratings))
    np.testing.assert_array_equal(gate.exposure_bound(), 1)


@pytest.mark.parametrize("size", [4, 16, 40])
def test_profiles_without_ratings_take_their_places_first(size):
    """Two items of 12 raters, one of 3; those who have rated nothing may be few or many."""
    X = np.zeros((20 + size, 4))
    X[:12, 0] = X[4:16, 1] = X[16:19, 2] = X[19, 3] = 1
    weights = np.array([[0, 1, 2, 3], [4, 0, 5, 6], [7, 8, 0, 9], [1, 2, 3, 0]])
    gate = ExposureGate(Linear(weights), 2.0).fit(X)
    budgets = np.floor(2 * (X > 0).sum(axis=0))
    assert (n_lists(gate, X) <= budgets).all()
    popular = np.argsort(-X.sum(axis=0), kind="stable")
    expected = [item for item in popular if budgets[item] >= size]
    listed = gate.recommend(X, k=4)[20]
    assert listed[listed >= 0].tolist() == expected
    np.testing.assert_array_equal(gate.recommend(np.zeros((1, 4)), k=4)[0], listed)


def test_exposure_bound_is_what_counting_gives():
    X = np.array([[5, 0, 1], [4, 0, 0], [0, 2, 0], [3, 0, 0], [1, 0, 0]])
    gate = ExposureGate(Linear(np.eye(3)), 0.5).fit(X)
    np.testing.assert_allclose(gate.exposure_bound(), [0.4, 0.1, 0.1])
    np.testing.assert_allclose(gate.exposure_bound(n_fakes=4), [0.8, 0.5, 0.5])
    np.testing.assert_allclose(gate.exposure_bound(n_fakes=100), 1)
    for n_fakes in (-1, 1.5, True, "all"):
        with pytest.raises(ValueError, match="n_fakes must be an integer"):
            gate.exposure_bound(n_fakes=n_fakes)
    with pytest.raises(ValueError, match="fill=True lists items beyond"):
        ExposureGate(Linear(np.eye(3)), fill=True).fit(X).exposure_bound()


def test_what_a_recommender_leaves_out_is_not_filled_in(ratings):
    inner = ExposureGate(EASERecommender(), 0.1)
    gate = ExposureGate(inner, 1.0, fill=True).fit(ratings)
    scores, left_out = gate.predict(ratings), np.isneginf(inner.fit(ratings).predict(ratings))
    assert left_out.any()
    np.testing.assert_array_equal(np.isneginf(scores), left_out)
    assert not np.isnan(scores).any()


def test_lists_are_filled_up_behind_what_passes(ratings):
    short = ExposureGate(EASERecommender(), 0.5).fit(ratings)
    full = ExposureGate(EASERecommender(), 0.5, fill=True).fit(ratings)
    scores = short.recommender_.predict(ratings)
    k = 20
    lists, filled = short.recommend(ratings, k=k), full.recommend(ratings, k=k)
    assert (lists == -1).any()
    assert (filled >= 0).all()
    for row in range(ratings.shape[0]):
        passed = lists[row][lists[row] >= 0]
        np.testing.assert_array_equal(filled[row, : passed.size], passed)
        rest = np.setdiff1d(np.arange(90), [*passed, *ratings[[row]].indices])
        missing = short.thresholds_[rest] - scores[row, rest]
        expected = rest[np.argsort(missing, kind="stable")][: k - passed.size]
        np.testing.assert_array_equal(filled[row, passed.size :], expected)


def test_what_is_gated_is_never_a_hit(ratings):
    attack = AverageAttackTransformer(random_state=0)
    pipeline = make_pipeline(attack, ExposureGate(MFRecommender(random_state=0), 1.0)).fit(ratings)
    scores = pipeline.predict(ratings)
    targets = attack.fit(ratings).target_items_
    seen = ratings.toarray() > 0
    listed = np.isfinite(scores[:, targets]) & ~seen[:, targets]
    assert 0 < listed.mean() < 0.5
    assert TargetHitRatioScorer(k=90)(pipeline, ratings) == listed.mean()
    y = np.argmin(np.where(seen, np.inf, scores), axis=1)  # an item that is gated
    assert HitRatioScorer(k=90)(pipeline, ratings, y) == 0


def test_it_goes_before_a_filter_and_behind(ratings):
    X = AverageAttackTransformer(random_state=0, attack_size=0.1).fit_transform(ratings)
    behind = FilteredRecommender(LockstepDetector(), ExposureGate()).fit(X)
    kept = np.setdiff1d(np.arange(X.shape[0]), behind.removed_users_)
    assert kept.size < X.shape[0]
    alone = ExposureGate().fit(X[kept])
    np.testing.assert_array_equal(behind.predict(X), alone.predict(X))
    empty = np.zeros((1, 90))
    np.testing.assert_array_equal(behind.predict(empty), alone.predict(empty))
    before = ExposureGate(FilteredRecommender()).fit(X)
    rated = np.bincount(X.indices, minlength=90)
    assert (n_lists(before, X) <= 2 * rated).all()


def test_searches_set_its_parameters(split):
    X, y = split
    grid = {"max_exposure": [0.1, 50.0], "recommender__reg": [10.0, 100.0]}
    search = GridSearchCV(ExposureGate(EASERecommender()), grid, cv=WeakGeneralization(1))
    assert search.fit(X, y).best_params_["max_exposure"] == 50.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: np.full(X.shape, np.nan), "Scores contain NaN"),
        (lambda X: np.zeros(X.shape[0]), "recommender: Foreign.predict must return scores"),
    ],
)
def test_bad_scores_are_named(answer, message, ratings):
    with pytest.raises(ValueError, match=message):
        ExposureGate(Foreign(answer)).fit(ratings)


def test_masked_scores_have_no_place(ratings):
    masked = Foreign(lambda X: np.ma.masked_less(X.toarray() + np.arange(90), 30))
    gate = ExposureGate(masked, 1000.0).fit(ratings)
    assert np.isin(gate.recommend(ratings, k=90), np.arange(25)).sum() == 0


@pytest.mark.parametrize("model", [EASERecommender(), PopularityRecommender()])
def test_the_exposure_that_a_model_can_bear(model, ratings):
    """The rule by itself: the first exposure that loses no more than half a percent of users."""
    kept, hidden = leave_one_out_split(ratings, random_state=0)
    common = np.bincount(kept.indices, minlength=90) >= 0.05 * 120
    hidden = np.where((hidden >= 0) & common[hidden], hidden, -1)

    def n_found(fitted):
        return HitRatioScorer(50)(fitted, kept, hidden) * np.count_nonzero(hidden >= 0)

    enough = n_found(clone(model).fit(kept)) - 0.005 * 120
    tried = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0]
    found = [n_found(ExposureGate(model, m).fit(kept)) for m in tried]
    expected = next((m for m, n in zip(tried, found, strict=True) if n >= enough - 1e-9), 8.0)
    gate = ExposureGate(model, "auto").fit(ratings)
    assert gate.max_exposure_ == expected
    fixed = ExposureGate(model, expected).fit(ratings)
    np.testing.assert_array_equal(gate.predict(ratings), fixed.predict(ratings))
    np.testing.assert_array_equal(gate.exposure_bound(), fixed.exposure_bound())


def test_an_exposure_that_is_found_may_be_another_one_after_an_attack():
    model = EASERecommender(30.0)
    X = make_ratings(200, 120, density=0.08, random_state=0)
    before = ExposureGate(model, "auto").fit(X)
    widened = False
    for attack in (AverageAttackTransformer, CopyAttackTransformer):
        made = attack(attack_size=20, random_state=0).fit(X)
        after = ExposureGate(model, "auto").fit(sp.csr_array(sp.vstack([X, made.poison_])))
        listed = n_lists(after, X, 50) / X.shape[0]
        assert (listed <= before.exposure_bound(20)).all()
        fixed = ExposureGate(model, before.max_exposure_).fit(X).exposure_bound(20)
        widened |= (listed > fixed).any()
    assert widened  # so that the bound of what was found would be none


def test_a_model_that_scores_all_alike_bears_no_narrow_gate():
    X = make_ratings(300, 400, density=0.05, random_state=0)
    wide = ExposureGate(PopularityRecommender(), "auto").fit(X).max_exposure_
    narrow = ExposureGate(EASERecommender(100.0), "auto").fit(X).max_exposure_
    assert wide > narrow


def test_where_nothing_can_be_hidden_the_exposure_is_the_default():
    gate = ExposureGate(Linear(np.ones((4, 4))), "auto").fit(np.eye(4))
    assert gate.max_exposure_ == 2.0


@pytest.mark.parametrize("parameters", [{"max_exposure": 0}, {"max_exposure": "all"}, {"fill": 2}])
def test_bad_parameters_are_named(parameters, ratings):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ExposureGate(**parameters).fit(ratings)
