"""What detectors say of profiles, as attacks and defenses read it."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skrecsec import AverageAttackTransformer, GCoAttackTransformer
from skrecsec.recommenders import FilteredRecommender, PopularityRecommender
from skrecsec.utils._labels import flagged_profiles


class Oracle(BaseEstimator):
    """Labels the first three profiles as it is told, and all others like the last of these."""

    def __init__(self, labels=(1, 1, 1)):
        self.labels = labels

    def fit_predict(self, X, y=None):
        more = [self.labels[-1]] * (X.shape[0] - 3)
        return np.array([*self.labels, *more])


@pytest.mark.parametrize("convert", [int, float, np.int8])
def test_labels_are_read(convert):
    oracle = Oracle([convert(label) for label in (1, -1, 1)])
    X = sp.csr_array((3, 2))
    assert_array_equal(flagged_profiles(oracle, X, name="evade"), [False, True, False])


@pytest.mark.parametrize(
    ("labels", "shown"),
    [([0, 1, 0], "0"), ([1, 1, 2], "2"), ([1, np.nan, -1], "nan"), (["1", "-1", "1"], "1")],
)
def test_other_labels_are_refused(labels, shown):
    message = f"evade must label fake profiles -1 and genuine ones 1.*Oracle .* label {shown}\\."
    with pytest.raises(ValueError, match=message):
        flagged_profiles(Oracle(labels), sp.csr_array((3, 2)), name="evade")


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (AverageAttackTransformer(evade=Oracle([0, 1, 0])), "evade"),
        (GCoAttackTransformer(defense=Oracle([0, 1, 0]), n_factors=4), "defense"),
        (FilteredRecommender(Oracle([0, 1, 0]), PopularityRecommender()), "detector"),
    ],
)
def test_who_asks_says_by_which_parameter(estimator, name, ratings):
    with pytest.raises(ValueError, match=f"^{name} must label fake profiles -1"):
        estimator.fit(ratings)
