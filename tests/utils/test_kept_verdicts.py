"""A verdict is worked out once for the same ratings, where that is asked for, and only then."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, OutlierMixin, clone

from skrecsec import LockstepDetector, PCADetector
from skrecsec.utils._kept_verdicts import fit_predict, forget_verdict, verdicts_kept


@pytest.fixture
def fits(monkeypatch):
    """The detectors that were really fitted, each of which takes its time."""
    fitted = []
    for kind in (LockstepDetector, PCADetector):

        def judge(self, X, *args, judge=kind._judge, **kwargs):
            fitted.append(self)
            time.sleep(0.01)
            return judge(self, X, *args, **kwargs)

        monkeypatch.setattr(kind, "_judge", judge)
    yield fitted
    forget_verdict()


def test_an_equal_detector_has_what_the_first_has_learned(ratings, fits):
    ours, theirs = LockstepDetector(contamination=0.1), LockstepDetector(contamination=0.1)
    expected = clone(ours).fit(ratings)
    with verdicts_kept() as spared:
        labels = fit_predict(ours, ratings)
        assert spared.seconds == 0
    with verdicts_kept() as spared:
        assert_array_equal(fit_predict(theirs, ratings.copy()), expected.labels_)
        assert spared.seconds > 0.01
    assert fits[1:] == [ours]
    assert vars(theirs).keys() == vars(expected).keys()
    for detector in (ours, theirs):
        assert_array_equal(detector.profile_scores_, expected.profile_scores_)
        assert_array_equal(detector.labels_, expected.labels_)
        assert [str(group) for group in detector.groups_] == [str(g) for g in expected.groups_]
    labels[:] = 0  # the caller's
    with verdicts_kept():
        assert_array_equal(fit_predict(clone(ours), ratings), expected.labels_)


def test_whatever_differs_is_judged_anew(ratings, fits):
    fewer = ratings[1:]
    other = ratings.copy()
    other.data[0] = 6 - other.data[0]
    elsewhere = sp.csr_array(ratings[:, ::-1])
    asked = [
        (LockstepDetector(), ratings),
        (LockstepDetector(threshold=2.0), ratings),
        (LockstepDetector(trusted_users=[0]), ratings),
        (LockstepDetector(trusted_users=[1]), ratings),
        (PCADetector(), ratings),
        (PCADetector(), fewer),
        (PCADetector(), other),
        (PCADetector(), elsewhere),
    ]
    with verdicts_kept() as spared:
        for detector, X in asked:
            assert_array_equal(fit_predict(detector, X), clone(detector).fit(X).labels_)
    assert spared.seconds == 0
    assert [detector for detector in fits if any(detector is one for one, _ in asked)] == [
        detector for detector, _ in asked
    ]


def test_only_the_latest_is_kept_and_not_for_ever(ratings, fits):
    with verdicts_kept():
        for X in (ratings, ratings[1:], ratings):
            fit_predict(PCADetector(), X)
        assert len(fits) == 3
        fit_predict(PCADetector(), ratings)
        assert len(fits) == 3
        forget_verdict()
        fit_predict(PCADetector(), ratings)
        assert len(fits) == 4


def test_who_did_not_ask_for_it_has_fits_of_their_own(ratings, fits):
    with verdicts_kept():
        fit_predict(PCADetector(), ratings)
        with verdicts_kept(False) as spared:
            fit_predict(PCADetector(), ratings)
        assert len(fits) == 2
    fit_predict(PCADetector(), ratings)
    assert len(fits) == 3
    assert spared.seconds == 0


class Draws(OutlierMixin, BaseEstimator):
    """Counts its fits; as if it were a detector of the package."""

    __module__ = "skrecsec.detection"

    def __init__(self, fits, random_state=None):
        self.fits = fits
        self.random_state = random_state

    def fit_predict(self, X, y=None):
        self.fits.append(self)
        return np.ones(X.shape[0])


class DrawsNothing(Draws):
    __module__ = "skrecsec.detection"

    def __init__(self, fits):
        self.fits = fits


class FromElsewhere(DrawsNothing):
    __module__ = "elsewhere"


@pytest.mark.parametrize(
    ("kind", "n_fits"), [(Draws, 2), (DrawsNothing, 1), (FromElsewhere, 2)], ids=lambda x: str(x)
)
def test_what_may_not_repeat_itself_is_fitted(kind, n_fits, ratings, monkeypatch):
    monkeypatch.setattr("joblib.hash", lambda detector: type(detector))
    fits = []
    with verdicts_kept() as spared:
        for _ in range(2):
            fit_predict(kind(fits), ratings)
    assert len(fits) == n_fits
    assert (spared.seconds > 0) == (n_fits == 1)
    forget_verdict()


def test_what_is_fitted_already_is_fitted_again(ratings, fits):
    fitted = PCADetector().fit(ratings)
    with verdicts_kept():
        for _ in range(2):
            fit_predict(fitted, ratings)
    assert len(fits) == 3
