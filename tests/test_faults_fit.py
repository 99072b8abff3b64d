"""Errors and Ctrl-C at ten points of the fit of everything that is registered."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
import threadpoolctl
from sklearn.exceptions import NotFittedError

import skrecsec
from skrecsec.recommenders import MFRecommender, TCDRecommender
from skrecsec.utils._estimator_checks._common import check_failed_fit_leaves_nothing_half
from skrecsec.utils._estimator_checks._faults import (
    count_calls,
    interrupted,
    restored_globals,
)
from skrecsec.utils._estimator_checks._tools import make_test_ratings
from skrecsec.utils._registry import registered

pytestmark = pytest.mark.usefixtures("whole_process")


def variants():
    """Return what `tests/test_common.py`, which checks all estimators, does not come by."""
    short = {"n_factors": 2, "max_iter": 6}
    found = {
        name: entry(**short)
        for name, entry in registered("recommender").items()
        if entry.options  # not what its class is by default
    }
    for solver in ("adam", "adadelta"):
        for name in ("mf", "tcd", "at"):
            model = registered("recommender")[name](solver=solver, **short)
            found[f"{name}, {solver}"] = model
    return [pytest.param(estimator, id=name) for name, estimator in found.items()]


@pytest.mark.parametrize("estimator", variants())
def test_no_fit_leaves_anything_half(estimator):
    check_failed_fit_leaves_nothing_half(estimator)


def test_all_that_is_registered_is_checked():
    makes = {e.make for kind in ("attack", "recommender") for e in registered(kind).values()}
    assert makes <= {getattr(skrecsec, name) for name in skrecsec.__all__}


def test_faults_are_injected_where_they_are_asked_for():
    def inner():
        return None

    def function():
        for _ in range(3):
            inner()

    assert count_calls(function) == 4
    assert interrupted(function, 1, ValueError).endswith("function")
    assert interrupted(function, 4, KeyboardInterrupt).endswith("inner")
    assert interrupted(function, 5, ValueError) is None
    with pytest.raises(ZeroDivisionError):
        interrupted(lambda: 1 / 0, 5, ValueError)


def test_what_belongs_to_the_process_is_put_back():
    before = sklearn.get_config(), np.geterr(), warnings.filters.copy()
    with restored_globals():
        sklearn.set_config(skip_parameter_validation=True, working_memory=1)
        np.seterr(all="raise")
        warnings.simplefilter("ignore")
        threadpoolctl.threadpool_limits(1)
    assert (sklearn.get_config(), np.geterr(), warnings.filters) == before
    assert sklearn.get_config()["skip_parameter_validation"] is False


@pytest.mark.parametrize("method", ["fit_predict", "partial"])
def test_other_ways_into_a_fit_are_as_safe(method):
    X, other = make_test_ratings(), make_test_ratings(28, 45, seed=1)
    model = MFRecommender(4, max_iter=5, random_state=0).fit(X)
    before = model.predict(X)
    run = {
        "fit_predict": lambda: model.fit_predict(other),
        # Two fits at once, as in a notebook whose cell is run again.
        "partial": lambda: (model.fit(other), model.fit(other)),
    }[method]
    n_calls = count_calls(run)
    for number in np.linspace(1, n_calls // 2 - 1, 10, dtype=int):
        model.fit(X)
        assert interrupted(run, number, KeyboardInterrupt) is not None
        try:
            after = model.predict(X)
        except (NotFittedError, ValueError):
            # fit was over, what comes after it was interrupted
            assert model.predict(other).shape == other.shape
        else:
            np.testing.assert_array_equal(after, before)


def test_a_diverging_refit_keeps_the_model():
    X = make_test_ratings()
    model = TCDRecommender(8, random_state=0).fit(X)
    before = model.predict(X)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate=1e9).fit(sp.csr_array(make_test_ratings(50, 60)))
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.n_features_in_ == X.shape[1]
