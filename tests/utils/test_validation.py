"""Rating matrices: what is accepted, what is refused, and the levels found in them."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.utils.validation import (
    check_pattern,
    check_ratings,
    find_rating_levels,
    project_to_levels,
    warn_of_unsuitable_ratings,
)

DENSE = np.array([[5.0, 0, 3], [0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    "make",
    [
        np.array,
        list,
        sp.csr_array,
        sp.coo_array,
        sp.csc_array,
        sp.lil_array,
        sp.dok_array,
        sp.bsr_array,
        sp.dia_array,
    ],
)
def test_every_container_becomes_a_csr_array(make):
    X = check_ratings(make(DENSE))
    assert isinstance(X, sp.csr_array)
    assert X.dtype == np.float64
    assert X.has_canonical_format
    assert X.nnz == 3
    assert_array_equal(X.toarray(), DENSE)


def test_a_csr_matrix_stays_one_and_is_not_copied_without_need():
    X = sp.csr_matrix(DENSE)
    checked = check_ratings(X)
    assert isinstance(checked, sp.csr_matrix)
    assert np.shares_memory(checked.data, X.data)


def test_unsorted_input_is_sorted_in_a_copy():
    X = sp.csr_array(([3.0, 5.0], [2, 0], [0, 2]), shape=(1, 3))
    assert_array_equal(check_ratings(X).indices, [0, 2])
    assert_array_equal(X.indices, [2, 0])


def with_value(value):
    X = sp.csr_array(DENSE)
    X.data[1] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (with_value(np.nan), "NaN"),
        (with_value(np.inf), "infinity"),
        (with_value(-2), "Negative values.*found -2"),
        (with_value(0), "explicit zeros"),
        ([[1, -1]], "Negative values"),
        (sp.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2)), "more than one rating"),
        (sp.csr_array(([1.0, 2.0], [1, 1], [0, 2]), shape=(1, 2)), "more than one rating"),
        (np.zeros((2, 3)), "no ratings"),
        (np.zeros((0, 3)), "0 sample"),
        (np.zeros((3, 0)), "0 feature"),
        ([1, 2, 3], "2D array"),
        ([["a", "b"]], "could not convert"),
    ],
)
def test_what_is_no_rating_matrix_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        check_ratings(X)


@pytest.mark.parametrize("make", [np.array, sp.csr_array])
def test_who_has_nan_for_no_rating_is_told_what_to_do(make):
    X = make(np.where(DENSE == 5, np.nan, DENSE))
    with pytest.raises(ValueError, match=r"contains NaN\. If NaN stands .*, use X\.fillna"):
        check_ratings(X)
    with pytest.raises(ValueError, match=r"contains NaN\. If NaN stands .*, use y\.fillna"):
        check_pattern(X, name="y")


def test_no_ratings_may_be_allowed():
    assert check_ratings(np.zeros((2, 3)), allow_no_ratings=True).shape == (2, 3)


def test_estimators_learn_the_number_of_items_unless_told_otherwise():
    estimator = BaseEstimator()
    check_ratings(DENSE, estimator=estimator)
    assert estimator.n_features_in_ == 3
    with pytest.raises(ValueError, match="X has 2 features, but BaseEstimator is expecting 3"):
        check_ratings(DENSE[:, :2], estimator=estimator, reset=False)


def test_rating_levels():
    assert_array_equal(find_rating_levels([3, 1, 5, 3, 0.5]), [0.5, 1, 3, 5])
    assert find_rating_levels(np.arange(1, 51)).size == 50
    assert_array_equal(find_rating_levels(np.arange(1, 52)), np.linspace(1, 51, 10))
    assert_array_equal(find_rating_levels(np.arange(1, 101)), np.linspace(1, 100, 10))


@pytest.mark.parametrize("n_levels", [1, 2, 10, 50])
def test_levels_are_found_wherever_they_occur(n_levels):
    ratings = np.random.default_rng(0).integers(1, n_levels + 1, 5000) / 2
    for late in (ratings, np.append(ratings, n_levels / 2), np.append(np.full(3000, 0.5), ratings)):
        assert_array_equal(find_rating_levels(late), np.unique(late))


def test_more_levels_that_come_late_are_continuous():
    ratings = np.append(np.full(2000, 7.0), np.arange(1, 101))
    assert_array_equal(find_rating_levels(ratings), np.linspace(1, 100, 10))


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=9, unique=True),
    st.lists(st.floats(-5, 15), max_size=20),
)
def test_projection_goes_to_a_nearest_level(levels, values):
    levels, values = np.sort(levels), np.array(values)
    projected = project_to_levels(values, levels)
    distances = np.abs(values[:, None] - levels)
    assert np.isin(projected, levels).all()
    assert np.allclose(np.abs(values - projected), distances.min(axis=1), rtol=0, atol=1e-12)


def test_projection_of_a_tie_goes_down():
    assert_array_equal(project_to_levels(np.array([1.5, 2.5]), np.array([1.0, 2.0, 3.0])), [1, 2])


@pytest.mark.parametrize("make", [sp.bsr_array, sp.dia_array, sp.coo_array])
def test_the_input_is_left_as_it_was(make):
    X = make(DENSE)
    before = X.data.copy()
    check_ratings(X)
    assert_array_equal(X.data, before)


@pytest.mark.parametrize(
    "make", [np.array, sp.csr_array, sp.csr_matrix, sp.coo_array, sp.csc_array, sp.bsr_array]
)
def test_input_is_not_modified(make):
    X = make(DENSE.astype(int))
    before = X.copy()
    check_ratings(X)
    assert X.dtype == int
    if sp.issparse(X):
        assert X.nnz == before.nnz
        X, before = X.toarray(), before.toarray()
    assert_array_equal(X, before)


@pytest.mark.parametrize("block", [(1, 1), (1, 3), (3, 3)])
def test_padding_of_blocks_is_no_rating_and_stays_in_the_input(block):
    X = sp.bsr_array(DENSE, blocksize=block)
    if block == (1, 1):
        X = sp.bsr_array((np.array([5.0, 0.0]).reshape(2, 1, 1), [0, 1], [0, 2]), shape=(1, 2))
    stored = X.data.copy()
    checked = check_ratings(X)
    assert checked.nnz == np.count_nonzero(stored)
    assert_array_equal(X.data, stored)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, np.float64])
def test_every_real_dtype_becomes_float64(dtype):
    checked = check_ratings(sp.csr_array(DENSE.astype(dtype)))
    assert checked.dtype == np.float64
    assert_array_equal(checked.toarray(), DENSE.astype(dtype))


@pytest.mark.parametrize("X", [sp.coo_array([1.0, 2.0]), sp.csr_array(DENSE).astype(complex)])
def test_other_sparse_arrays_are_refused(X):
    with pytest.raises(ValueError, match=r"2D input|Complex data"):
        check_ratings(X)


def test_columns_that_store_a_rating_twice_are_noticed():
    X = sp.csc_array(([1.0, 2.0], [0, 0], [0, 2, 2]), shape=(2, 2))
    with pytest.raises(ValueError, match="more than one rating"):
        check_ratings(X)


def test_projection_keeps_shapes_and_levels():
    levels = np.array([0.5, 1.0, 3.5])
    assert_array_equal(project_to_levels(levels, levels), levels)
    assert project_to_levels(np.zeros((2, 0)), levels).shape == (2, 0)
    assert_array_equal(project_to_levels(np.array([[-9, 9.0]]), levels[:1]), [[0.5, 0.5]])


# ---------------------------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    "columns",
    [
        ["user", "item", "rating"],
        ["User_ID", "ITEM", "Score"],
        ["uid", "iid", "stars", "time", "text"],
        ["when", "userId", "movieId", "rating"],
    ],
)
def test_a_long_table_is_taken_for_a_matrix_with_a_warning(columns):
    table = pd.DataFrame(np.ones((6, len(columns))), columns=columns)
    with pytest.warns(
        UserWarning, match=f"X has the columns {', '.join(columns)}: a long"
    ) as record:
        assert check_ratings(table).shape == table.shape
    assert len(record) == 1


@pytest.mark.parametrize(
    "columns",
    [
        ["user", "item"],
        ["user", "item", "price"],
        ["a", "b", "c"],
        ["user", "item", "rating", "x", "y", "z"],
        [1, 2, 3],
    ],
)
def test_other_tables_cause_no_warning(columns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_ratings(pd.DataFrame(np.ones((6, len(columns))), columns=pd.Index(columns)))


def test_warnings_are_in_the_name_of_whoever_passed_the_table():
    def fit(X):
        return check_ratings(X)

    with pytest.warns(UserWarning, match="long table") as record:
        fit(pd.DataFrame(np.ones((6, 3)), columns=["user", "item", "rating"]))
    assert record[0].filename == __file__
    assert record[0].lineno == fit.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([1, 1, 101], "The highest rating, 101, is more than 100 times the median"),
        ([0.5, 1, 101], "The highest rating, 101, is more than 100 times the median"),
        ([3, 3], "All ratings are 3, as in clicks"),
        ([1, 1, 100], None),
        ([0.5, 1, 100], None),
        ([1, 2, 2, 150], None),
        ([1, 2], None),
    ],
)
def test_ratings_that_a_model_cannot_learn_from(ratings, message):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        warn_of_unsuitable_ratings(np.array(ratings, dtype=float))
    assert len(record) == (message is not None)
    if message is not None:
        assert record[0].category is UnsuitableRatingsWarning
        assert str(record[0].message).startswith(message)


def test_one_level_need_not_be_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unsuitable_ratings(np.ones(3), one_level=False)


def test_warnings_of_ratings_are_in_the_name_of_the_callers_caller():
    def fit():
        warn_of_unsuitable_ratings(np.ones(3))

    with pytest.warns(UnsuitableRatingsWarning) as record:
        fit()
    assert record[0].filename == __file__
    assert record[0].lineno > fit.__code__.co_firstlineno + 1
