"""Sparse matrices whose arrays lie are refused before anybody reads them."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skrecsec.utils import _sparse
from skrecsec.utils._digest import digest_csr
from skrecsec.utils._sparse import (
    check_compressed,
    check_structure,
    fresh_csr,
    index_dtype,
    pattern_of,
)
from skrecsec.utils.validation import check_pattern, check_ratings

DENSE = np.array([[5.0, 0, 3, 0], [0, 0, 0, 0], [0, 1, 0, 2]])
FORMATS = ["csr", "csc", "bsr", "coo", "lil", "dia", "dok"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (3, 0), (0, 0)])
def test_what_scipy_makes_is_valid(format, shape):
    matrix = sp.coo_array(DENSE if shape == (3, 4) else shape).asformat(format)
    check_structure(matrix)


def test_entries_may_be_in_the_first_and_in_the_last_place():
    corners = np.zeros((2, 3))
    corners[[0, 1], [0, 2]] = 1
    for format in FORMATS:
        check_structure(sp.csr_array(corners).asformat(format))


def test_spare_room_behind_the_entries_is_allowed():
    indices, data = np.array([0, 2, 1, 0]), np.ones(4)
    check_structure(sp.csr_array((data, indices, [0, 2, 3]), shape=(2, 3)))


@pytest.mark.parametrize(
    ("format", "index", "message"),
    [
        ("csr", 4, "it stores an entry in column 4, but has 4 columns"),
        ("csr", -1, "it stores an entry in column -1, but has 4 columns"),
        ("csc", 3, "it stores an entry in row 3, but has 3 rows"),
        ("csc", -2, "it stores an entry in row -2, but has 3 rows"),
    ],
)
def test_indices_outside_of_a_compressed_matrix(format, index, message):
    X = sp.csr_array(DENSE).asformat(format)
    X.indices[1] = index
    with pytest.raises(ValueError, match=f"^X is no valid sparse matrix: {message}"):
        check_structure(X)
    with pytest.raises(ValueError, match=f"^seen is no valid sparse matrix: {message}"):
        check_pattern(X, name="seen")
    with pytest.raises(ValueError, match="no valid sparse matrix"):
        check_ratings(X)


@pytest.mark.parametrize("index", [2, -1])
def test_blocks_outside(index):
    X = sp.csr_array(np.ones((3, 4))).tobsr(blocksize=(3, 2))
    check_structure(X)
    X.indices[1] = index
    with pytest.raises(ValueError, match=f"block column {index}, but has 2 block columns"):
        check_structure(X)


@pytest.mark.parametrize(
    ("name", "index", "message"),
    [
        ("row", 3, "row 3, but has 3 rows"),
        ("row", -1, "row -1, but has 3 rows"),
        ("col", 4, "column 4, but has 4 columns"),
        ("col", -1, "column -1, but has 4 columns"),
    ],
)
def test_coordinates_outside(name, index, message):
    X = sp.coo_array(DENSE)
    getattr(X, name)[2] = index
    with pytest.raises(ValueError, match=message):
        check_structure(X)


@pytest.mark.parametrize("field", ["row", "col", "data"])
def test_coordinates_of_different_lengths(field):
    X = sp.coo_matrix(DENSE)
    if field == "data":
        X.data = X.data[:-1]
    else:
        cut = ("row", "col").index(field)
        X.coords = tuple(axis[:-1] if i == cut else axis for i, axis in enumerate(X.coords))
    with pytest.raises(ValueError, match="its arrays have different lengths"):
        check_structure(X)


def test_coordinates_must_be_integers():
    X = sp.coo_matrix(DENSE)
    X.coords = (X.row.astype(float), X.col)
    with pytest.raises(ValueError, match="its indices have the dtype float64"):
        check_structure(X)


@pytest.mark.parametrize("index", [4, -1])
def test_lists_with_columns_outside(index):
    X = sp.lil_array(DENSE)
    X.rows[2][0] = index
    with pytest.raises(ValueError, match=f"column {index}, but has 4 columns"):
        check_structure(X)


@pytest.mark.parametrize("damage", ["values", "rows"])
def test_lists_of_different_lengths(damage):
    X = sp.lil_array(DENSE)
    if damage == "values":
        X.data[0].append(1.0)
    else:
        X.rows, X.data = X.rows[:2], X.data[:2]
    with pytest.raises(ValueError, match="its lists have different lengths"):
        check_structure(X)


def test_formats_of_another_scipy_are_let_pass(monkeypatch):
    X = sp.csr_array(DENSE)
    X.indices[1] = 4
    monkeypatch.delitem(_sparse._CHECKS, "csr")
    check_structure(X)


def test_one_dimension_is_not_enough():
    with pytest.raises(ValueError, match=r"Expected 2D input for y, .* of shape \(4,\)"):
        check_structure(sp.coo_array(np.ones(4)), "y")


@pytest.mark.parametrize(
    ("indptr", "indices", "n_data"),
    [
        ([0, 1, 2, 2], [0, 1], 2),  # another number of rows
        ([0, 2], [0, 1], 2),
        ([0, 1, 2], [0, 1], 3),  # another number of values
        ([1, 1, 2], [0, 1], 2),  # a first row that begins late
        ([0, 1, 3], [0, 1], 2),  # a last row that ends behind the arrays
        ([0, 2, 1], [0, 1], 2),  # a row that ends before it begins
        ([0.0, 1.0, 2.0], [0, 1], 2),
        ([0, 1, 2], [0.0, 1.0], 2),
        ([0, 1, 2], [[0], [1]], 2),
        ([], [0, 1], 2),
    ],
)
def test_compressed_arrays_that_do_not_fit(indptr, indices, n_data):
    check_compressed(np.array([0, 1, 2]), np.array([0, 1]), 2, (2, 2))
    with pytest.raises(ValueError, match=r"seen is no .* its arrays do not describe 2 rows"):
        check_compressed(np.array(indptr), np.array(indices), n_data, (2, 2), "seen")


# ------------------------------------------------------------------------------------- patterns


@pytest.mark.parametrize("format", FORMATS)
def test_patterns_are_ones_at_the_stored_entries(format):
    X = sp.csr_array(DENSE).asformat(format)
    pattern = pattern_of(X)
    assert isinstance(pattern, sp.csr_array)
    assert pattern.dtype == np.int8
    assert_array_equal(pattern.toarray(), DENSE > 0)
    assert_array_equal(X.toarray(), DENSE)


@pytest.mark.parametrize("format", ["csr", "coo"])
def test_zeros_and_entries_that_are_stored_twice_count_once(format):
    rows, columns = np.zeros(300, dtype=int), np.r_[np.full(299, 2), 1]
    X = sp.coo_array((np.zeros(300), (rows, columns)), shape=(1, 3))
    if format == "csr":
        X = sp.csr_array((X.data, columns, [0, 300]), shape=(1, 3))
    pattern = pattern_of(X)
    assert_array_equal(pattern.indices, [1, 2])
    assert_array_equal(pattern.data, [1, 1])
    assert X.nnz == 300


def test_patterns_check_first():
    X = sp.csr_array(DENSE)
    X.indices[0] = 9
    with pytest.raises(ValueError, match=r"^y is no valid sparse matrix"):
        pattern_of(X, "y")


def test_a_fresh_container_looks_again_at_the_same_arrays():
    X = sp.csr_matrix(DENSE)
    assert X.has_sorted_indices
    X.indices[:2] = X.indices[1::-1]
    assert X.has_sorted_indices, "SciPy remembers"
    fresh = fresh_csr(X)
    assert isinstance(fresh, sp.csr_matrix)
    assert not fresh.has_sorted_indices
    assert np.shares_memory(fresh.data, X.data)
    assert isinstance(fresh_csr(X, sp.csr_array), sp.csr_array)


# ----------------------------------------------------------------------------- check_pattern


@pytest.mark.parametrize("make", [np.array, np.ndarray.tolist, sp.csr_array, sp.lil_array])
def test_check_pattern_takes_every_container(make):
    pattern = check_pattern(make(-DENSE))
    assert isinstance(pattern, sp.csr_array)
    assert_array_equal(pattern.toarray(), DENSE > 0)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_check_pattern_takes_what_is_empty(shape):
    assert check_pattern(np.empty(shape)).shape == shape


@pytest.mark.parametrize("make", [np.array, sp.csr_array, sp.coo_array, sp.lil_array])
@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_check_pattern_refuses_what_is_not_finite(make, value, message):
    with pytest.raises(ValueError, match=f"Input seen contains {message}"):
        check_pattern(make(np.array([[1.0, value]])), name="seen")


def test_a_masked_entry_is_none():
    X = np.ma.array(DENSE, mask=DENSE == 5)
    assert check_pattern(X).nnz == check_ratings(X).nnz == 3


def test_an_array_is_called_X_if_nothing_else_is_said():  # noqa: N802
    X = sp.csr_array(DENSE)
    X.indices[0] = 9
    for check in (check_structure, check_pattern, check_ratings, pattern_of):
        with pytest.raises(ValueError, match=r"^X is no valid sparse matrix"):
            check(X)
    with pytest.raises(ValueError, match=r"^X is no valid sparse matrix"):
        check_compressed(X.indptr, X.indices, X.nnz, X.shape)


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr", "dia"])
def test_values_in_another_number_of_dimensions(format):
    X = sp.csr_array(DENSE).asformat(format)
    check_structure(X)
    X.data = X.data[None] if format == "dia" else X.data[..., None]
    with pytest.raises(ValueError, match=r"its values are an array of shape \("):
        check_structure(X)


@pytest.mark.parametrize(
    ("key", "message"),
    [((3, 0), "row 3, but has 3 rows"), ((0, 4), "column 4, but has"), ((-1, 0), "row -1, but")],
)
def test_keys_outside(key, message):
    X = sp.dok_matrix(DENSE)
    X.setdefault(key, 1.0)
    with pytest.raises(ValueError, match=message):
        check_structure(X)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 1, 2, 3], "2 diagonals have 4 places"),
        ([0.0, 1.0], "2 diagonals have 2 places"),
        ([1, 1], "it stores a diagonal twice"),
    ],
)
def test_diagonals_that_do_not_fit(offsets, message):
    X = sp.dia_array((np.ones((2, 3)), [0, 1]), shape=(3, 3))
    check_structure(X)
    X.offsets = np.array(offsets)
    with pytest.raises(ValueError, match=message):
        check_structure(X)


# ------------------------------------------------------------------------------------ digests


def test_digests_are_of_the_ratings_whatever_they_are_kept_in():
    X = sp.csr_array(DENSE)
    same = sp.csr_matrix(DENSE.astype(np.float32))
    same.indices, same.indptr = same.indices.astype(np.int64), same.indptr.astype(np.int64)
    assert re.fullmatch("[0-9a-f]{64}", digest_csr(X))
    assert digest_csr(X) == digest_csr(same)


def test_digests_tell_matrices_apart():
    X = sp.csr_array(DENSE)
    others = [X.copy() for _ in range(3)]
    others[0].data[0] = 4
    others[1].indices[0] = 1
    others[2] = sp.csr_array((X.data, X.indices, [0, 1, 2, 4]), shape=X.shape)
    others.append(sp.csr_array((X.data, X.indices, X.indptr), shape=(3, 5)))
    assert len({digest_csr(matrix) for matrix in [X, *others]}) == 5


def test_indices_are_as_narrow_as_they_can_be():
    assert index_dtype(3, 2**31 - 1) is np.int32
    assert index_dtype(2**31, 3) is np.int64
