"""Settings by simulated attacks on the ratings at hand."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skrecsec import (
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    EASERecommender,
    ExposureGate,
    FilteredRecommender,
    ItemKNNRecommender,
    LockstepDetector,
    RecommendedDefense,
    recommended_defense,
)
from skrecsec.base import BaseRecommender
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.model_selection import SelfAttackSearchCV
from skrecsec.model_selection._copies import copied_profiles, rare_items
from skrecsec.recommenders import _recommended

seen_by_fit = []


class Blend(BaseRecommender):
    """Popularity, and what makes rarely rated items rise by `bend` for each of their raters."""

    def __init__(self, bend=0.0):
        self.bend = bend

    def fit(self, X, y=None):
        X = self._check_ratings(X)
        seen_by_fit.append(X)
        counts = np.bincount(X.indices, minlength=X.shape[1])
        self.scores_ = counts + self.bend * (counts < 25) * counts
        return self

    def _score_profiles(self, X):
        return np.tile(self.scores_.astype(float), (X.shape[0], 1))


@pytest.fixture
def search():
    seen_by_fit.clear()
    return SelfAttackSearchCV(Blend(), {"bend": [100.0, 0.0, 50.0]}, k=10, random_state=0)


def test_it_takes_what_pushes_least_of_what_finds_enough(search, ratings):
    search.set_params(tolerance=1.0).fit(ratings)
    results = search.cv_results_
    assert search.best_params_ == {"bend": 0.0}
    assert np.argmin(results["mean_test_target_hit_ratio"]) == search.best_index_ == 1
    assert search.best_target_hit_ratio_ == results["mean_test_target_hit_ratio"][1]
    assert search.best_score_ == results["mean_test_hit_ratio"][1]
    assert results["params"] == [{"bend": 100.0}, {"bend": 0.0}, {"bend": 50.0}]
    assert results["param_bend"] == [100.0, 0.0, 50.0]


@pytest.mark.parametrize(
    ("found", "pushed", "expected"),
    [
        ([0.50, 0.60, 0.591, 0.595], [0.0, 0.3, 0.2, 0.2], 3),  # of equal ones, who finds more
        ([0.50, 0.60, 0.591, 0.589], [0.0, 0.3, 0.2, 0.1], 2),
        ([0.60, 0.60, 0.60, 0.60], [0.2, 0.1, 0.1, 0.3], 1),  # and then the first
    ],
)
def test_the_choice(search, found, pushed, expected):
    figures = np.transpose([[found], [pushed], [[0.1] * 4]], (2, 1, 0))
    search._take_best([{"bend": float(s)} for s in range(4)], figures)
    assert search.best_index_ == expected
    np.testing.assert_allclose(search.cv_results_["mean_test_hit_ratio"], found)


def test_all_settings_meet_the_same_attacks_on_what_is_not_hidden(search, ratings):
    search.set_params(n_repeats=2, refit=False).fit(ratings)
    assert len(seen_by_fit) == 6
    first, second = seen_by_fit[:2]
    for start in (0, 2, 4):
        for X, expected in zip(seen_by_fit[start : start + 2], (first, second), strict=True):
            np.testing.assert_array_equal(X.toarray(), expected.toarray())
    assert (first[:120] != second[:120]).nnz > 0
    for X in (first, second):
        assert X.shape == (123, 90)
        kept, fakes = X[:120], X[120:]
        assert (ratings - kept).nnz == 120, "a rating of each user is hidden"
        counts = np.bincount(kept.indices, minlength=90)
        pushed = np.flatnonzero((fakes.toarray() == ratings.data.max()).all(axis=0))
        assert np.count_nonzero(counts[pushed] < 20) >= 5


def test_hit_ratios_are_those_of_the_scorers(search, ratings):
    attack = AverageAttackTransformer(attack_size=8)
    search.set_params(attacks=[attack], n_repeats=1, param_grid={"bend": [5.0]}, refit=False)
    search.fit(ratings)
    (X,) = seen_by_fit
    kept, fakes = sp.csr_array(X[:120]), X[120:].toarray()
    hidden = np.asarray((ratings - kept).argmax(axis=1)).ravel()
    targets = np.flatnonzero((fakes == 5).all(axis=0))
    model = Blend(5.0).fit(X)
    assert search.best_score_ == HitRatioScorer(10)(model, kept, hidden)
    assert targets.size == 5
    assert search.best_target_hit_ratio_ == TargetHitRatioScorer(targets, 10)(model, kept) > 0
    assert not hasattr(attack, "poison_")


def test_attacks_are_told_targets_and_seed(search, ratings):
    attacks = [AverageAttackTransformer(n_fillers=10), BandwagonAttackTransformer(n_fillers=10)]
    search.set_params(attacks=attacks, n_repeats=1, param_grid={"bend": [0.0]}, refit=False)
    search.fit(ratings)
    average, bandwagon = seen_by_fit
    np.testing.assert_array_equal(average[:120].toarray(), bandwagon[:120].toarray())
    raised = [np.flatnonzero((X[120:].toarray() == 5).all(axis=0)) for X in seen_by_fit]
    assert np.intersect1d(*raised).size >= 5


def test_the_best_is_fitted_to_all_and_serves(search, ratings):
    search.fit(ratings)
    best = Blend(search.best_params_["bend"]).fit(ratings)
    np.testing.assert_array_equal(search.predict(ratings), best.predict(ratings))
    np.testing.assert_array_equal(search.recommend(ratings, 3), best.recommend(ratings, 3))
    y = np.full(120, 7)
    y[ratings.indices[ratings.indptr[:-1]] == 7] = -1
    with pytest.warns(UserWarning, match="held-out items are among"):
        expected = best.score(ratings, y)
    with pytest.warns(UserWarning, match="held-out items are among"):
        assert search.score(ratings, y) == expected
    with pytest.warns(UserWarning, match="held-out items are among"):
        assert HitRatioScorer()(search, ratings, y) == expected
    assert TargetHitRatioScorer([3])(search, ratings) == TargetHitRatioScorer([3])(best, ratings)


def test_estimators_among_the_settings_stay_as_they_are(ratings):
    models = [EASERecommender(10.0), EASERecommender(100.0)]
    search = SelfAttackSearchCV(
        ExposureGate(), {"recommender": models}, n_repeats=1, k=10, random_state=0
    ).fit(ratings)
    assert not any(hasattr(model, "n_features_in_") for model in models)
    assert search.best_params_["recommender"] in models
    assert search.best_estimator_.recommender not in models


def test_items_have_the_names_that_they_had_in_fit(search, ratings):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(ratings.toarray()).rename(columns="i{}".format)
    search.set_params(estimator=EASERecommender(), param_grid={"reg": [10.0, 100.0]}).fit(table)
    np.testing.assert_array_equal(search.predict(table), search.best_estimator_.predict(ratings))
    for ask in (search.predict, search.recommend, lambda X: search.score(X, np.zeros(len(X), int))):
        with pytest.raises(ValueError, match="feature names should match"):
            ask(table[table.columns[::-1]])


def test_without_a_refit_there_is_nobody_to_ask(search, ratings):
    search.set_params(refit=False).fit(ratings)
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(NotFittedError):
        search.predict(ratings)


def test_same_seed_same_choice(search, ratings):
    again = clone(search)
    first, second = (s.fit(ratings).cv_results_ for s in (search, again))
    for name in ("mean_test_hit_ratio", "std_test_target_hit_ratio"):
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"param_grid": []}, "param_grid has no settings"),
        ({"attacks": []}, "attacks is empty"),
        ({"n_targets": 91}, "n_targets=91 items are to be pushed, 90 have ratings"),
        ({"estimator": LockstepDetector()}, "estimator"),
        ({"tolerance": 2}, "tolerance"),
        ({"attack_size": 0}, "attack_size"),
    ],
)
def test_bad_parameters_are_named(search, parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        search.set_params(**parameters).fit(ratings)


def test_a_rating_that_could_be_hidden_is_needed(search):
    with pytest.raises(ValueError, match="no user has two ratings"):
        search.fit(np.eye(30))


def test_rare_items_are_rated_and_have_few_raters():
    X = sp.csr_array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 0, 1]])
    rng = np.random.default_rng(0)
    drawn = {tuple(rare_items(X, 2, 3, rng)) for _ in range(20)}
    assert drawn == {(1, 3)}
    assert rare_items(X, 3, 2, rng).tolist() == [0, 1, 3]


def test_copies_are_profiles_with_the_targets():
    X = sp.csr_array([[0, 0, 0, 0], [1, 2, 0, 0], [0, 4, 3, 0]])
    copies = copied_profiles(X, 6, np.array([1, 3]), np.random.default_rng(0)).toarray()
    assert (copies[:, [1, 3]] == 4).all()
    assert {tuple(row) for row in copies[:, [0, 2]]} == {(1, 0), (0, 3)}
    assert copied_profiles(X, 0.7, np.array([1]), np.random.default_rng(0)).shape == (2, 4)


def test_the_recommended_defense_is_filter_model_and_gate(ratings):
    defense = recommended_defense(ratings)
    assert isinstance(defense, FilteredRecommender)
    assert isinstance(defense.detector, LockstepDetector)
    assert isinstance(defense.recommender, ExposureGate)
    assert isinstance(defense.recommender.recommender, EASERecommender)
    assert not hasattr(defense, "recommender_")
    assert repr(recommended_defense(ratings)) == repr(defense)


def test_its_penalty_is_what_the_search_finds(ratings, monkeypatch):
    monkeypatch.setattr(_recommended, "_PENALTIES", [1e-3, 1e6])
    reg = recommended_defense(ratings).recommender.recommender.reg
    search = SelfAttackSearchCV(
        EASERecommender(), {"reg": [1e-3, 1e6]}, n_repeats=5, tolerance=0.005, random_state=0
    )
    assert reg == search.fit(ratings).best_params_["reg"]


def test_many_items_are_for_another_model(ratings, monkeypatch):
    wide = sp.csr_array((ratings.data, ratings.indices, ratings.indptr), shape=(120, 15_001))
    assert isinstance(recommended_defense(wide).recommender.recommender, ItemKNNRecommender)
    monkeypatch.setattr("skrecsec.recommenders._ease.available_memory", lambda: 90_000)
    assert isinstance(recommended_defense(ratings).recommender.recommender, ItemKNNRecommender)
    monkeypatch.setattr("skrecsec.recommenders._ease.available_memory", lambda: 100_000)
    assert isinstance(recommended_defense(ratings).recommender.recommender, EASERecommender)


def test_where_nothing_can_be_hidden_the_penalty_is_the_default():
    for X in (np.eye(120), np.eye(99) + np.eye(99, k=1)):  # too few ratings of a user, or users
        model = recommended_defense(sp.csr_array(X)).recommender.recommender
        assert model.reg == EASERecommender().reg


def test_few_items_are_all_pushed():
    X = 40 * [[5, 0, 1], [3, 2, 0], [0, 2, 4]]
    assert recommended_defense(X).recommender is not None


def test_the_estimator_finds_its_settings_in_what_it_is_fitted_to(ratings):
    fitted = RecommendedDefense(random_state=3).fit(ratings)
    expected = recommended_defense(ratings, random_state=3).fit(ratings)
    assert repr(fitted.defense_) == repr(expected)
    assert np.array_equal(fitted.predict(ratings), expected.predict(ratings))
    assert np.array_equal(fitted.removed_users_, expected.removed_users_)
    assert np.array_equal(fitted.item_popularity_, expected.item_popularity_)
