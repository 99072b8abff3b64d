"""Neighbours of faults that were found: what is like them and has to be refused, or left alone."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from skrecsec import AverageAttackTransformer, FixedAttackTransformer, MFRecommender
from skrecsec.metrics import hit_ratio_score
from skrecsec.model_selection import HeldOut, leave_one_out_split
from skrecsec.utils._estimator_checks._faults import (
    count_calls,
    interrupted,
)
from skrecsec.utils._estimator_checks._tools import make_test_ratings

pytestmark = pytest.mark.usefixtures("whole_process")


@pytest.fixture(name="X")
def small_ratings():
    return make_test_ratings()


def make_model():
    return MFRecommender(4, max_iter=5, random_state=0)


# --- what is no rating, and no score --------------------------------------------------------------


@pytest.mark.parametrize(
    "times",
    [
        np.full((4, 3), np.datetime64("2020-01-01")),
        np.full((4, 3), np.timedelta64(5, "s")),
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01"] * 4), "b": [1.0, 2, 3, 4]}),
    ],
)
def test_dates_are_no_ratings(times):
    with pytest.raises(ValueError, match="X holds dates or times, not ratings"):
        make_model().fit(times)


def test_dates_are_no_scores():
    with pytest.raises(ValueError, match="y_score holds dates or times, not scores"):
        hit_ratio_score([0, 1], np.full((2, 3), np.datetime64("2020-01-01")), k=1)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.float16, np.float32, np.longdouble, object]
)
def test_ratings_of_other_dtypes_are_the_same_ratings(X, dtype):
    expected = make_model().fit(X).predict(X)
    np.testing.assert_array_equal(make_model().fit(X.toarray().astype(dtype)).predict(X), expected)


@pytest.mark.parametrize("form", ["csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix", "ignore:.* held-out items are")
def test_every_format_of_scipy_is_taken(X, form):
    other = X.asformat(form)
    expected = make_model().fit(X).predict(X)
    np.testing.assert_array_equal(make_model().fit(other).predict(other), expected)
    attack = FixedAttackTransformer(other, target_items=[3]).fit(other)
    np.testing.assert_array_equal(attack.poison_.toarray(), X.toarray())
    assert hit_ratio_score(np.zeros(40, int), expected, k=3, seen=other) == hit_ratio_score(
        np.zeros(40, int), expected, k=3, seen=X
    )
    assert (HeldOut(other).matrix != HeldOut(X).matrix).nnz == 0


def test_entries_of_a_masked_array_that_are_masked_are_no_ratings(X):
    dense = X.toarray()
    masked = np.ma.MaskedArray(dense, dense == 5)
    expected = make_model().fit(np.where(dense == 5, 0, dense)).predict(X)
    np.testing.assert_array_equal(make_model().fit(masked).predict(X), expected)


def test_complex_numbers_hold_out_nothing():
    y = sp.csr_array((np.array([np.nan + 1j]), ([0], [1])), shape=(2, 3))
    with pytest.raises(ValueError, match="y_true contains NaN"):
        hit_ratio_score(y, np.ones((2, 3)), k=1)


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2**63, 10**20, 2**60])
def test_lists_that_fit_in_no_memory_are_refused(X, k):
    with pytest.raises(ValueError, match=f"k={k} items do not fit in memory"):
        make_model().fit(X).recommend(X, k=k)


@pytest.mark.parametrize("exclude_seen", ["no", None, 0, [True]])
def test_whether_to_exclude_is_true_or_false(X, exclude_seen):
    with pytest.raises(ValueError, match="exclude_seen must be a bool"):
        make_model().fit(X).recommend(X, exclude_seen=exclude_seen)


# --- what belongs to others -----------------------------------------------------------------------


def test_held_out_items_are_a_copy(X):
    before = X.indices.copy()
    held_out = HeldOut(X)
    held_out.matrix.indices[:] = 0
    np.testing.assert_array_equal(X.indices, before)
    held_out = HeldOut(X)
    X.indices[:] = 0
    np.testing.assert_array_equal(held_out.matrix.indices, before)


def test_what_is_left_of_a_split_is_a_copy(X):
    before = X.data.copy()
    X_train, _ = leave_one_out_split(X, random_state=0)
    X_train.data[:] = 0
    np.testing.assert_array_equal(X.data, before)


def test_target_items_of_an_attack_are_a_copy(X):
    targets = np.array([3, 4])
    attack = AverageAttackTransformer(target_items=targets, random_state=0).fit(X)
    attack.target_items_[:] = 0
    np.testing.assert_array_equal(targets, [3, 4])


# --- fits that fail -------------------------------------------------------------------------------


def test_a_refit_with_bad_parameters_keeps_the_model(X):
    model = make_model().fit(X)
    before = model.predict(X)
    for parameters in ({"n_factors": 0}, {"device": "cuda"}, {"learning_rate": 1e9}):
        with pytest.raises(ValueError):
            model.set_params(**parameters).fit(make_test_ratings(50, 60))
        np.testing.assert_array_equal(model.predict(X), before)


def test_names_of_items_are_those_of_the_fit_that_succeeded(X):
    frame = pd.DataFrame(X.toarray(), columns=[f"film {i}" for i in range(30)])
    other = frame.rename(columns=str.upper)
    model = make_model().fit(frame)
    n_calls = count_calls(lambda: make_model().fit(other))
    for number in np.linspace(1, 0.9 * n_calls, 10, dtype=int):
        assert interrupted(lambda: model.fit(other), number, KeyboardInterrupt) is not None
        assert list(model.feature_names_in_) == list(frame.columns)
        assert model.predict(frame).shape == X.shape


def test_interrupted_predictions_change_nothing(X):
    model = make_model().fit(X)
    before = model.predict(X)
    model.recommend(X)
    n_calls = count_calls(lambda: model.recommend(X))
    for number in np.unique(np.linspace(1, n_calls - 1, 10, dtype=int)):
        assert interrupted(lambda: model.recommend(X), number, KeyboardInterrupt) is not None
        np.testing.assert_array_equal(model.predict(X), before)


def test_an_interrupted_fit_transform_leaves_a_whole_attack(X):
    # Counted when all is imported, and like what follows on an attack that is not fitted.
    for _ in range(2):
        attack = AverageAttackTransformer(target_items=[3], random_state=0)
        n_calls = count_calls(lambda a=attack: a.fit_transform(X))
    for number in np.unique(np.linspace(1, n_calls - 1, 10, dtype=int)):
        attack = AverageAttackTransformer(target_items=[3], random_state=0)
        assert (
            interrupted(lambda a=attack: a.fit_transform(X), number, KeyboardInterrupt) is not None
        )
        try:
            attack.transform(X)
        except NotFittedError:
            continue
        assert attack.poison_.shape[1] == attack.genuine_ratings_.shape[1] == X.shape[1]
