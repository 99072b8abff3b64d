"""What a detector says is taken as it is, or refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skrecsec import LockstepDetector
from skrecsec.utils._verdicts import judge


class Says(OutlierMixin, BaseEstimator):
    """Says what it is told to."""

    def __init__(self, labels, scores=None):
        self.labels = labels
        self.scores = scores

    def fit_predict(self, X, y=None):
        if self.scores is not None:
            self.profile_scores_ = self.scores
        return self.labels


def test_a_detector_of_profiles(ratings):
    scores, is_flagged = judge(LockstepDetector(contamination=0.1), ratings)
    detector = LockstepDetector(contamination=0.1).fit(ratings)
    assert_array_equal(scores, detector.profile_scores_)
    assert_array_equal(is_flagged, detector.labels_ == -1)
    assert is_flagged.any()


def test_a_pipeline_and_score_samples(ratings):
    forest = IsolationForest(n_estimators=5, contamination=0.1, random_state=0)
    scores, is_flagged = judge(make_pipeline(MaxAbsScaler(), forest), ratings)
    scaled = MaxAbsScaler().fit_transform(ratings)
    assert_array_equal(scores, forest.fit(scaled).score_samples(scaled))
    assert_array_equal(is_flagged, forest.predict(scaled) == -1)
    within = make_pipeline(MaxAbsScaler(), LockstepDetector())
    assert_array_equal(judge(within, ratings)[0], judge(LockstepDetector(), scaled)[0])


def test_labels_alone_will_do(ratings):
    labels = np.where(np.arange(120) < 5, -1, 1)
    scores, is_flagged = judge(Says(labels), ratings)
    assert np.isnan(scores).all()
    assert scores.shape == (120,)
    assert_array_equal(is_flagged, np.arange(120) < 5)


def test_scores_are_not_those_of_the_detector_itself(ratings):
    own = np.arange(120.0)
    scores, _ = judge(Says(np.ones(120), own), ratings)
    scores[0] = 7
    assert own[0] == 0


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (np.ones(119), None, "Says.fit_predict must return -1 or 1 for each of the 120 profiles"),
        (np.ones((120, 90)), None, "Says.fit_predict must return -1 or 1"),
        (np.zeros(120), None, "Says.fit_predict must return -1 or 1"),
        (np.ones(120), np.ones(119), "scores of Says must be a finite number for each of the 120"),
        (np.ones(120), np.full(120, -np.inf), "scores of Says must be a finite number"),
    ],
)
def test_what_is_no_verdict_is_refused(labels, scores, message, ratings):
    with pytest.raises(ValueError, match=message):
        judge(Says(labels, scores), ratings)
