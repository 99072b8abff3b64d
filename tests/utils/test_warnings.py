"""Warnings point at who called."""

import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer, MFRecommender, PopularityRecommender
from skrecsec.exceptions import EvasionWarning, UnsuitableRatingsWarning
from skrecsec.utils._warnings import warn_caller
from skrecsec.utils.validation import check_ratings, warn_of_unsuitable_ratings


class Paranoid(BaseEstimator):
    def fit_predict(self, X, y=None):
        return [-1] * X.shape[0]


@pytest.fixture
def clicks(ratings):
    X = sp.csr_array(ratings, copy=True)
    X.data[:] = 1
    return X


def points_here(record):
    return [warning.filename for warning in record] == [__file__]


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_attacks_that_are_found(method, ratings):
    attack = AverageAttackTransformer(evade=Paranoid(), random_state=0)
    with pytest.warns(EvasionWarning) as record:
        getattr(attack, method)(ratings)
    assert points_here(record)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_ratings_of_one_level(in_pipeline, clicks):
    attack = AverageAttackTransformer(goal="nuke", random_state=0)
    estimator = make_pipeline(attack, PopularityRecommender()) if in_pipeline else attack
    with pytest.warns(UnsuitableRatingsWarning, match="goal='nuke'") as record:
        estimator.fit(clicks)
    assert points_here(record)
    with pytest.warns(UnsuitableRatingsWarning, match="as in clicks") as record:
        MFRecommender(max_iter=1, random_state=0).fit(clicks)
    assert points_here(record)


def test_functions_that_are_called_directly(clicks):
    def fit():
        warn_of_unsuitable_ratings(clicks.data)

    with pytest.warns(UnsuitableRatingsWarning) as record:
        fit()
    assert points_here(record)
    with pytest.warns(UserWarning, match="hello") as record:
        warn_caller("hello", UserWarning)
    assert points_here(record)


def test_long_tables():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"user": [1, 2], "item": [3, 4], "rating": [5, 1]})
    for read in (check_ratings, PopularityRecommender().fit):
        with pytest.warns(UserWarning, match="a long table") as record:
            read(table)
        assert points_here(record)
