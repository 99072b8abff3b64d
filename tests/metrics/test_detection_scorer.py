"""The scorer of detectors looks at what a fitted pipeline says of the appended profiles."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    ExposureGate,
    FilteredRecommender,
    LockstepDetector,
    PopularityRecommender,
    RecommendedDefense,
)
from skrecsec.metrics import DetectionScorer
from skrecsec.model_selection import StrongGeneralization


class LongProfiles(OutlierMixin, BaseEstimator):
    """Calls long profiles fake, by what it is told is long."""

    def __init__(self, longest=20):
        self.longest = longest

    def fit(self, X, y=None):
        lengths = np.diff(sp.csr_array(X).indptr)
        self.profile_scores_ = -lengths.astype(float)
        self.labels_ = np.where(lengths > self.longest, -1, 1)
        return self


@pytest.fixture(scope="module")
def pipeline(ratings):
    return make_pipeline(AverageAttackTransformer(random_state=0), LongProfiles()).fit(ratings)


def test_metrics_are_those_of_the_appended_rows(pipeline):
    detector = pipeline[-1]
    is_fake = np.arange(detector.labels_.size) >= 120
    called = detector.labels_ == -1
    assert is_fake.sum() == 3
    both = (is_fake & called).sum()
    precision, recall = both / called.sum(), both / 3
    expected = {
        "average_precision": average_precision_score(is_fake, -detector.profile_scores_),
        "roc_auc": roc_auc_score(is_fake, -detector.profile_scores_),
        "precision": precision,
        "recall": recall,
        "f1": 2 * both / (called.sum() + 3),
    }
    for metric, value in expected.items():
        assert DetectionScorer(metric)(pipeline) == pytest.approx(value)


def test_nobody_called_fake(ratings):
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), LongProfiles(1000))
    pipeline.fit(ratings)
    assert [DetectionScorer(metric)(pipeline) for metric in ("precision", "recall", "f1")] == [
        0
    ] * 3


def test_a_recommender_with_a_detector_is_scored_by_it(ratings):
    alone = make_pipeline(AverageAttackTransformer(random_state=0), LockstepDetector())
    filtered = FilteredRecommender(recommender=PopularityRecommender())
    expected = DetectionScorer()(alone.fit(ratings), ratings)
    for recommender in (filtered, ExposureGate(filtered), RecommendedDefense(random_state=0)):
        within = make_pipeline(AverageAttackTransformer(random_state=0), recommender)
        assert DetectionScorer()(within.fit(ratings), ratings) == expected


def test_it_goes_where_scoring_goes(ratings):
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), LongProfiles())
    scorer = pickle.loads(pickle.dumps(DetectionScorer("roc_auc")))
    assert repr(scorer) == "DetectionScorer(metric='roc_auc')"
    scores = cross_validate(pipeline, ratings, cv=StrongGeneralization(2), scoring=scorer)
    assert np.isfinite(scores["test_score"]).all()


def test_what_cannot_be_scored_is_refused(pipeline, ratings):
    with pytest.raises(ValueError, match="metric must be one of"):
        DetectionScorer("accuracy")(pipeline)
    with pytest.raises(ValueError, match="not a fitted pipeline with an attack"):
        DetectionScorer()(LongProfiles().fit(ratings))
    attacked = make_pipeline(AverageAttackTransformer(random_state=0), PopularityRecommender())
    with pytest.raises(ValueError, match="needs a detector with profile_scores_"):
        DetectionScorer()(attacked.fit(ratings))
