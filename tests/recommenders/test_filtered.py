"""A recommender behind a detector learns from what the detector leaves."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    EASERecommender,
    FilteredRecommender,
    LockstepDetector,
    PopularityRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import TargetHitRatioScorer


class LastOnes(OutlierMixin, BaseEstimator):
    """Calls the last rows fake."""

    def __init__(self, n=10, n_labels=None):
        self.n = n
        self.n_labels = n_labels

    def fit(self, X, y=None):
        self.labels_ = np.ones(self.n_labels or X.shape[0], dtype=int)
        self.labels_[-self.n :] = -1
        return self

    def fit_predict(self, X, y=None):
        return self.fit(X).labels_


def test_it_is_the_recommender_fitted_on_the_rest(ratings):
    filtered = FilteredRecommender(LastOnes(10), EASERecommender()).fit(ratings)
    np.testing.assert_array_equal(filtered.removed_users_, np.arange(110, 120))
    alone = EASERecommender().fit(ratings[:110])
    np.testing.assert_array_equal(filtered.predict(ratings), alone.predict(ratings))
    np.testing.assert_array_equal(filtered.item_popularity_, alone.item_popularity_)
    empty = np.zeros((1, 90))
    np.testing.assert_array_equal(filtered.predict(empty), alone.predict(empty))


def test_parts_are_cloned(ratings):
    detector, recommender = LastOnes(), PopularityRecommender()
    filtered = FilteredRecommender(detector, recommender).fit(ratings)
    assert not hasattr(detector, "labels_")
    assert not hasattr(recommender, "item_popularity_")
    assert filtered.detector_ is not detector
    assert filtered.recommender_ is not recommender


def test_defaults(ratings):
    filtered = FilteredRecommender().fit(ratings)
    assert isinstance(filtered.detector_, LockstepDetector)
    assert isinstance(filtered.recommender_, EASERecommender)


def test_it_undoes_an_attack():
    X = make_ratings(400, 200, density=0.1, random_state=0)
    attack = AverageAttackTransformer(random_state=0)
    filtered = FilteredRecommender(recommender=PopularityRecommender())
    pipeline = make_pipeline(attack, filtered).fit(X)
    np.testing.assert_array_equal(pipeline[-1].removed_users_, np.arange(400, 412))
    scorer = TargetHitRatioScorer(k=50)
    assert scorer(pipeline, X) == 0
    np.testing.assert_array_equal(pipeline.predict(X), PopularityRecommender().fit(X).predict(X))


def test_parameters_of_the_parts_can_be_set():
    filtered = FilteredRecommender(LastOnes(), EASERecommender())
    filtered.set_params(detector__n=3, recommender__reg=5.0)
    assert filtered.detector.n == 3
    assert filtered.recommender.reg == 5.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"detector": PopularityRecommender()}, "detector"),
        ({"recommender": LastOnes()}, "recommender"),
        ({"detector": LastOnes(120)}, "detector: LastOnes calls all profiles"),
        ({"detector": LastOnes(n_labels=7)}, "detector must return a label for each of the 120"),
    ],
)
def test_bad_parts_are_named(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        FilteredRecommender(**parameters).fit(ratings)
