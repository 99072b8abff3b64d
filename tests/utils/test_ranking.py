"""Ranking, and the checks of item indices and held-out items, against plain Python."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from skrecsec.utils._held_out import held_out_items
from skrecsec.utils._items import check_item_indices, check_target_items
from skrecsec.utils._ranking import (
    check_k,
    item_ranks,
    mask_seen,
    rank_pairs,
    row_blocks,
    score_blocks,
    top_k,
)

# Few distinct values, so that most examples have ties, also at the last place of the list.
score_matrices = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 2.0, np.inf]),
)
property_test = settings(deadline=None, database=None, max_examples=300)


def ranked(row):
    """Return the items of a row that are not masked, best first, lower index first on ties."""
    items = [item for item, score in enumerate(row) if score != -np.inf]
    return sorted(items, key=lambda item: (-row[item], item))


@property_test
@given(scores=score_matrices, k=st.integers(1, 12))
def test_top_k_is_the_head_of_a_full_sort(scores, k):
    expected = [(ranked(row) + [-1] * k)[:k] for row in scores]
    assert_array_equal(top_k(scores, k), expected)


@property_test
@given(scores=score_matrices)
def test_item_ranks_are_positions_in_a_full_sort(scores):
    rows, items = (index.ravel() for index in np.indices(scores.shape))
    expected = [
        ranked(row).index(item) if row[item] != -np.inf else -1
        for row in scores
        for item in range(row.size)
    ]
    assert_array_equal(item_ranks(scores, rows, items), expected)


@property_test
@given(scores=score_matrices, k=st.integers(1, 12))
def test_an_item_is_in_the_top_k_exactly_if_its_rank_is_below_k(scores, k):
    rows, items = np.indices(scores.shape)
    ranks = item_ranks(scores, rows.ravel(), items.ravel()).reshape(scores.shape)
    in_list = [np.isin(np.arange(scores.shape[1]), chosen) for chosen in top_k(scores, k)]
    assert_array_equal((ranks >= 0) & (ranks < k), in_list)


def seen_by(data, shape):
    """Draw a CSR matrix of seen items: any rows, also empty and full ones."""
    return sp.csr_array(data.draw(hnp.arrays(bool, shape)))


@property_test
@given(scores=score_matrices, k=st.integers(1, 12), data=st.data())
def test_top_k_leaves_out_what_is_seen(scores, k, data):
    seen = seen_by(data, scores.shape)
    masked = np.where(seen.toarray(), -np.inf, scores)
    expected = [(ranked(row) + [-1] * k)[:k] for row in masked]
    before = scores.copy()
    scores.flags.writeable = False
    assert_array_equal(top_k(scores, k, seen=seen), expected)
    assert_array_equal(scores, before)


@property_test
@given(scores=score_matrices, data=st.data())
def test_item_ranks_are_positions_among_what_is_not_seen(scores, data):
    seen = seen_by(data, scores.shape)
    masked = np.where(seen.toarray(), -np.inf, scores)
    rows, items = (index.ravel() for index in np.indices(scores.shape))
    expected = [
        ranked(row).index(item) if row[item] != -np.inf else -1
        for row in masked
        for item in range(row.size)
    ]
    scores.flags.writeable = False
    assert_array_equal(item_ranks(scores, rows, items, seen=seen), expected)


@property_test
@given(scores=score_matrices, k=st.integers(1, 12), data=st.data())
def test_scores_of_seen_items_may_be_anything(scores, k, data):
    seen = seen_by(data, scores.shape)
    rows, items = (index.ravel() for index in np.indices(scores.shape))
    expected = top_k(scores, k, seen=seen), item_ranks(scores, rows, items, seen=seen)
    scores[seen.toarray()] = np.nan
    before = scores.copy()
    assert_array_equal(top_k(scores, k, seen=seen), expected[0])
    assert_array_equal(item_ranks(scores, rows, items, seen=seen), expected[1])
    assert_array_equal(scores, before)


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix])
def test_seen_items_in_any_csr_matrix(index_dtype, container):
    scores = np.random.default_rng(0).random((6, 9))
    seen = container(np.random.default_rng(1).random((6, 9)) < 0.4)
    seen.indices = seen.indices.astype(index_dtype)
    seen.indptr = seen.indptr.astype(index_dtype)
    seen.data = np.zeros(seen.nnz)  # what is stored counts, whatever it is
    for array in (seen.data, seen.indices, seen.indptr):
        array.flags.writeable = False
    masked = scores.copy()
    mask_seen(masked, seen)
    assert_array_equal(top_k(scores, 4, seen=seen), top_k(masked, 4))
    pairs = np.arange(6), np.arange(6)
    assert_array_equal(item_ranks(scores, *pairs, seen=seen), item_ranks(masked, *pairs))


def test_nan_of_an_item_that_is_not_seen_is_refused():
    scores = np.array([[1.0, np.nan, np.nan]])
    seen = sp.csr_array([[0, 1, 0]])
    for call in (
        lambda: top_k(scores, 1, seen=seen),
        lambda: item_ranks(scores, [0], [0], seen=seen),
    ):
        with pytest.raises(ValueError, match="Scores contain NaN"):
            call()


@pytest.mark.parametrize("has_nan", [False, True])
@pytest.mark.parametrize("index", [3, -1, 10**8])
def test_seen_items_outside_of_the_scores_are_refused(index, has_nan):
    scores = np.ones((2, 3))
    if has_nan:
        scores[0, 0] = np.nan
    seen = sp.csr_array([[1, 0, 0], [0, 1, 0]])
    seen.indices[-1] = index
    for call in (
        lambda: top_k(scores, 1, seen=seen),
        lambda: item_ranks(scores, [0], [0], seen=seen),
    ):
        with pytest.raises(ValueError, match="seen is no valid sparse matrix"):
            call()
    with pytest.raises(ValueError, match="seen has shape"):
        top_k(scores, 1, seen=sp.csr_array((3, 2)))


@pytest.mark.parametrize("k", [1, 7, 50, 499, 500])
@pytest.mark.parametrize("order", ["random", "ascending", "descending", "constant"])
def test_top_k_of_long_rows(k, order):
    scores = np.random.default_rng(0).integers(0, 60, size=(4, 500)) / 4
    if order == "ascending":
        scores.sort(axis=1)
    elif order == "descending":
        scores = -np.sort(-scores, axis=1)
    elif order == "constant":
        scores[:] = 1.0
    assert_array_equal(top_k(scores, k), [ranked(row)[:k] for row in scores])


@pytest.mark.parametrize("layout", ["fortran", "strided", "read-only", "float16", "int", "list"])
def test_layouts_and_dtypes_of_scores(layout):
    scores = np.random.default_rng(0).integers(-3, 4, size=(5, 8)).astype(float)
    given_scores = {
        "fortran": np.asfortranarray(scores),
        "strided": np.repeat(scores, 2, axis=1)[:, ::2],
        "read-only": scores.copy(),
        "float16": scores.astype(np.float16),
        "int": scores.astype(np.int32),
        "list": scores.tolist(),
    }[layout]
    if layout == "read-only":
        given_scores.flags.writeable = False
    assert_array_equal(top_k(given_scores, 3), top_k(scores, 3))
    pairs = np.arange(5), np.arange(5)
    assert_array_equal(item_ranks(given_scores, *pairs), item_ranks(scores, *pairs))


def test_ranking_leaves_the_scores_alone():
    scores = np.array([[1.0, 3.0, 2.0]])
    top_k(scores, 2)
    item_ranks(scores, np.array([0]), np.array([1]))
    assert_array_equal(scores, [[1.0, 3.0, 2.0]])


def test_ranking_of_nothing():
    assert top_k(np.empty((0, 4)), 2).shape == (0, 2)
    assert_array_equal(top_k(np.empty((2, 0)), 2), [[-1, -1], [-1, -1]])
    assert item_ranks(np.ones((2, 3)), np.array([], dtype=int), np.array([], dtype=int)).size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_scores_are_refused(dtype):
    scores = np.zeros((3, 4), dtype=dtype)
    scores[1, 2] = np.nan
    with pytest.raises(ValueError, match="Scores contain NaN"):
        top_k(scores, 1)
    with pytest.raises(ValueError, match="Scores contain NaN"):
        item_ranks(scores, np.array([0]), np.array([0]))


@pytest.mark.parametrize(("row", "item"), [(2, 0), (0, 3), (-1, 0), (0, -1)])
def test_ranks_outside_of_the_scores_are_refused(row, item):
    with pytest.raises(IndexError, match="outside of scores"):
        item_ranks(np.zeros((2, 3)), np.array([row]), np.array([item]))


@pytest.mark.parametrize("k", [0, -1, 2.0, True, np.True_, "5", None])
def test_k_must_be_a_positive_integer(k):
    with pytest.raises(ValueError, match="k, the length of the list"):
        check_k(k)
    with pytest.raises(ValueError, match="k, the length of the list"):
        top_k(np.zeros((1, 1)), k)


def test_k_may_be_a_numpy_integer():
    assert check_k(np.int32(3)) == 3


# ------------------------------------------------------------------------------------ row blocks


@given(n_rows=st.integers(0, 40), n_items=st.integers(0, 50), kib=st.integers(1, 8))
@property_test
def test_row_blocks_cover_the_rows_once_within_the_memory(n_rows, n_items, kib):
    blocks = list(row_blocks(n_rows, n_items, working_memory=kib / 1024))
    assert_array_equal([row for block in blocks for row in range(n_rows)[block]], range(n_rows))
    sizes = [block.stop - block.start for block in blocks]
    assert all(size == 1 or size * n_items * 16 <= kib * 1024 for size in sizes)


def test_row_blocks_follow_the_configuration_of_scikit_learn():
    assert len(list(row_blocks(100, 2**16))) == 1
    with sklearn.config_context(working_memory=2):
        assert len(list(row_blocks(100, 2**16))) == 50


def test_score_blocks_are_small_unless_told_otherwise():
    def first(**options):
        return next(score_blocks(10**6, 1000, **options)).stop * 1000 * 16 / 2**20

    assert first() == pytest.approx(64, rel=1e-3)
    assert first(working_memory=200) == pytest.approx(200, rel=1e-3)
    with sklearn.config_context(working_memory=5):
        assert first() == pytest.approx(5, rel=1e-2)


@pytest.mark.parametrize("n_items", [0, 1, 2, 5])
def test_row_blocks_are_as_large_as_the_memory_allows(n_items):
    memory = 10 * max(1, n_items) * 16 / 2**20
    assert list(row_blocks(20, n_items, working_memory=memory)) == [slice(0, 10), slice(10, 20)]


def test_row_blocks_have_a_row_even_if_it_does_not_fit():
    assert list(row_blocks(2, 10**9, working_memory=1)) == [slice(0, 1), slice(1, 2)]


# ------------------------------------------------------------------------------------- masking


def test_mask_seen_masks_stored_entries_whatever_their_values():
    seen = sp.csr_array((np.array([0.0, 3.0]), [1, 0], [0, 1, 1, 2]), shape=(3, 2))
    scores = np.arange(6.0).reshape(3, 2)
    mask_seen(scores, seen)
    assert_array_equal(scores, [[0, -np.inf], [2, 3], [-np.inf, 5]])


def test_mask_seen_refuses_another_shape():
    with pytest.raises(ValueError, match=r"\(2, 3\), seen has shape \(3, 2\)"):
        mask_seen(np.zeros((2, 3)), sp.csr_array((3, 2)))


# -------------------------------------------------------------------------------- ranks of pairs


@given(scores=score_matrices, seed=st.integers(0, 1000), small=st.booleans())
@property_test
def test_rank_pairs_ranks_among_unseen_items(scores, seed, small):
    rng = np.random.default_rng(seed)
    pairs = sp.csr_array(rng.random(scores.shape) < 0.3)
    seen = rng.random(scores.shape) < 0.3
    expected = []
    for row, item in zip(*pairs.nonzero(), strict=True):
        order = ranked(np.where(seen[row], -np.inf, scores[row]))
        expected.append(order.index(item) if item in order else -1)
    # 0.0001 MiB hold 6 scores, so that most blocks have a single row.
    ranks = rank_pairs(
        pairs,
        lambda rows: scores[rows],
        seen=sp.csr_array(seen),
        working_memory=0.0001 if small else None,
    )
    assert_array_equal(ranks, expected)


def test_rank_pairs_asks_only_for_rows_with_pairs():
    asked = []

    def score_rows(rows):
        asked.extend(rows)
        return np.zeros((rows.size, 3))

    pairs = sp.csr_array([[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert_array_equal(rank_pairs(pairs, score_rows, working_memory=1e-9), [0, 2, 1])
    assert asked == [1, 3]


@pytest.mark.parametrize("n_items", [2, 50])
def test_rank_pairs_asks_for_as_many_rows_as_fit(n_items):
    asked = []

    def score_rows(rows):
        asked.append(rows.size)
        return np.zeros((rows.size, n_items))

    pairs = sp.csr_array((np.ones(9), np.zeros(9, dtype=int), np.arange(10)), shape=(9, n_items))
    rank_pairs(pairs, score_rows, working_memory=3 * n_items * 16 / 2**20)
    assert asked == [3, 3, 3]


@pytest.mark.parametrize("dtype", [bool, int, np.float16, np.float32, float])
def test_rank_pairs_masks_seen_items_among_scores_of_any_dtype(dtype):
    scores = np.array([[1, 1, 0]], dtype=dtype)
    pairs, seen = sp.csr_array([[0, 1, 1]]), sp.csr_array([[1, 0, 0]])
    assert_array_equal(rank_pairs(pairs, lambda rows: scores[rows], seen=seen), [0, 1])


def test_rank_pairs_keeps_the_order_stored():
    pairs = sp.csr_array((np.ones(3), [2, 0, 1], [0, 3]), shape=(1, 3))
    assert_array_equal(rank_pairs(pairs, lambda rows: np.array([[1.0, 3.0, 2.0]])), [1, 2, 0])


# ---------------------------------------------------------------------------------- item indices


@pytest.mark.parametrize("values", [[2, 0], (2, 0), np.array([2, 0], dtype=np.uint8), [2.0, 0.0]])
def test_item_indices_become_int64(values):
    items = check_item_indices(values, 3, name="items")
    assert items.dtype == np.int64
    assert_array_equal(items, [2, 0])


def test_item_indices_are_a_copy():
    items = np.array([1, 0])
    check_item_indices(items, 2, name="items")[0] = 0
    assert_array_equal(items, [1, 0])


def test_masked_indices_stand_for_no_item_where_there_may_be_none():
    masked = np.ma.MaskedArray([2, 1], [True, False])
    with pytest.raises(ValueError, match="items has masked entries"):
        check_item_indices(masked, 3, name="items")
    assert_array_equal(check_item_indices(masked, 3, name="items", lowest=-1), [-1, 1])
    assert_array_equal(check_item_indices(np.ma.MaskedArray([2, 1]), 3, name="items"), [2, 1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2]], r"must be a 1-D array .* shape \(1, 2\)"),
        (3, r"must be a 1-D array .* shape \(\)"),
        ([[1], [2, 3]], "ragged"),
        ([1.0, np.nan], "contains NaN"),
        ([1.5], "must hold integer item indices, got 1.5"),
        ([True, False], "must hold integer item indices, got dtype bool"),
        (["a"], "must hold integer item indices, got dtype <U1"),
        ([1, None], "must hold integer item indices, got dtype object"),
        ([0, 5], r"from 0 to 4 \(X has 5 items\), got 5"),
        ([0, -1], "from 0 to 4 .* got -1"),
        ([np.inf], "from 0 to 4 .* got inf"),
        (np.array([2**64 - 1], dtype=np.uint64), "got 18446744073709551615"),
    ],
)
def test_bad_item_indices_are_refused(values, message):
    with pytest.raises(ValueError, match=f"^target_items.*{message}"):
        check_target_items(values, 5)


def test_target_items_keep_their_order():
    assert_array_equal(check_target_items([4, 0, 2], 5), [4, 0, 2])


def test_target_items_may_be_given_by_name():
    names = np.array(["a", "b", "c"], dtype=object)
    assert_array_equal(check_target_items(["c", "a"], 3, item_names=names), [2, 0])
    assert_array_equal(check_target_items(np.array(["b"]), 3, item_names=names), [1])
    assert_array_equal(check_target_items([2, 0], 3, item_names=names), [2, 0])
    with pytest.raises(ValueError, match="target_items names 'd', which is no column of X"):
        check_target_items(["a", "d"], 3, item_names=names)
    with pytest.raises(ValueError, match="must be a 1-D array"):
        check_target_items([["a", "b"]], 3, item_names=names)
    with pytest.raises(ValueError, match="item 0 is repeated"):
        check_target_items(["a", "a"], 3, item_names=names)


def test_names_of_items_need_a_data_frame():
    with pytest.raises(ValueError, match=r"dtype <U1 \(names of items go with a data frame\)\.$"):
        check_target_items(["a", "b"], 3)
    with pytest.raises(ValueError, match=r"got dtype bool\.$"):
        check_target_items([True, False], 3)


def test_target_items_must_be_distinct_and_present():
    with pytest.raises(ValueError, match="target_items must be distinct, but item 3 is repeated"):
        check_target_items([1, 3, 3], 5)
    with pytest.raises(ValueError, match="target_items is empty"):
        check_target_items([], 5)


# ------------------------------------------------------------------------------- held-out items


class Wrapper:
    """Anything that has a sparse `matrix`."""

    def __init__(self, matrix):
        self.matrix = matrix


@pytest.mark.parametrize(
    "y",
    [
        [1, -1, 0],
        np.array([1.0, -1.0, 0.0]),
        sp.csr_matrix([[0, 5], [0, 0], [2, 0]]),
        sp.coo_array([[0, 5], [0, 0], [2, 0]]),
        sp.lil_array([[0, 5], [0, 0], [2, 0]]),
        Wrapper(sp.csr_array([[0, 5], [0, 0], [2, 0]])),
    ],
)
def test_every_form_of_held_out_items_gives_the_same_matrix(y):
    held_out = held_out_items(y, 3, 2)
    assert isinstance(held_out, sp.csr_array)
    assert_array_equal(held_out.toarray(), [[0, 1], [0, 0], [1, 0]])


def test_stored_zeros_and_duplicates_are_one_held_out_item_each():
    y = sp.csr_array((np.array([3, 0, 1, 1]), [2, 0, 1, 1], [0, 2, 4]), shape=(2, 3))
    held_out = held_out_items(y, 2, 3)
    assert_array_equal(held_out.toarray(), [[1, 0, 1], [0, 1, 0]])
    assert_array_equal(held_out.indices, [0, 2, 1])
    # The argument is as it was.
    assert_array_equal(y.data, [3, 0, 1, 1])
    assert_array_equal(y.indices, [2, 0, 1, 1])


def test_nothing_held_out_is_acceptable():
    assert held_out_items([-1, -1], 2, 4).nnz == 0
    assert held_out_items([], 0, 4).shape == (0, 4)


def test_sparse_held_out_items_of_any_type_but_whole():
    y = sp.csr_array(([1.5, 0.5], ([0, 1], [2, 0])), shape=(2, 3))
    assert_array_equal(held_out_items(y, 2, 3).toarray(), [[0, 0, 1], [1, 0, 0]])
    y.indices[0] = 7
    with pytest.raises(ValueError, match="y is no valid sparse matrix"):
        held_out_items(y, 2, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y holds the held-out items, needed to score; got None"),
        ([1, 0], "one held-out item per row of X.* X has 3 rows, y has 2 entries"),
        ([1, 0, 2], r"from 0 to 1 or -1 for none \(X has 2 items\), got 2"),
        ([1, 0, -2], "from 0 to 1 or -1 for none .* got -2"),
        ([1, 0, 0.5], "y must hold integer item indices, got 0.5"),
        ([1, 0, np.nan], "y contains NaN"),
        (["a", "b", "c"], "y must hold integer item indices"),
        (sp.csr_array((2, 3)), r"shape of X, \(3, 2\), rows are users .* of shape \(2, 3\)"),
        (Wrapper(sp.csr_array((2, 2))), r"shape of X, \(3, 2\), rows are users .* \(2, 2\)"),
        (sp.csr_array([[0, np.nan], [0, 0], [1, 0]]), "y contains NaN"),
        (np.zeros((3, 2)), "got a dense 2-D array"),
        ([[0, 1], [1, 0], [0, 0]], r"y must be a 1-D array .* shape \(3, 2\)"),
        ([[0, 1], [1], []], "ragged"),
    ],
)
def test_bad_held_out_items_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        held_out_items(y, 3, 2)


def test_messages_about_held_out_items_take_the_callers_name():
    with pytest.raises(ValueError, match=r"^y_true holds the held-out items"):
        held_out_items(None, 3, 2, name="y_true")
