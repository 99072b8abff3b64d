"""Hidden ratings, splitters and HeldOut, also inside stock scikit-learn model selection."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    check_cv,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.utils import indexable, shuffle

from skrecsec.metrics import hit_ratio_score
from skrecsec.model_selection import (
    HeldOut,
    StrongGeneralization,
    WeakGeneralization,
    leave_one_out_split,
)

property_test = settings(deadline=None, database=None, max_examples=200)


def random_ratings(n_users=40, n_items=12, density=0.4):
    rng = np.random.default_rng(0)
    shape = (n_users, n_items)
    return sp.csr_array(rng.integers(1, 6, size=shape) * (rng.random(shape) < density))


# ----------------------------------------------------------------------------- leave_one_out_split

small_ratings = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.sampled_from([0.0, 0.0, 1.0, 2.5, 5.0]),
).filter(np.any)


def check_split(X, X_train, y):
    """Check everything about a split but which rating it hides; dense arguments."""
    for user in range(X.shape[0]):
        if np.count_nonzero(X[user]) < 2:
            assert y[user] == -1
            assert_array_equal(X_train[user], X[user])
        else:
            assert X[user, y[user]] > 0
            expected = X[user].copy()
            expected[y[user]] = 0
            assert_array_equal(X_train[user], expected)


@property_test
@given(X=small_ratings, seed=st.integers(0, 100))
def test_one_rating_of_each_user_with_two_is_hidden(X, seed):
    X_train, y = leave_one_out_split(X, random_state=seed)
    assert y.dtype == np.int64
    assert X_train.nnz == np.count_nonzero(X) - np.count_nonzero(y >= 0)
    check_split(X, X_train.toarray(), y)


@property_test
@given(X=small_ratings, data=st.data())
def test_the_latest_rating_is_hidden(X, data):
    times = data.draw(hnp.arrays(np.int64, X.shape, elements=st.integers(-2, 2)))
    users, items = X.nonzero()
    # Built from coordinates, so that times of zero are stored.
    timestamps = sp.coo_array((times[users, items], (users, items)), shape=X.shape)
    X_train, y = leave_one_out_split(X, timestamps=timestamps, random_state=0)
    check_split(X, X_train.toarray(), y)
    for user in np.flatnonzero(y >= 0):
        assert times[user, y[user]] == times[user, X[user] > 0].max()


def test_every_rating_is_equally_likely_to_be_hidden():
    X = sp.csr_array(np.tile([3, 0, 4, 5, 0, 1], (4000, 1)))
    _, y = leave_one_out_split(X, random_state=0)
    # 1000 expected for each of four; the standard deviation is 27.
    counts = np.bincount(y, minlength=6)
    assert_array_equal(counts[[1, 4]], 0)
    assert np.all(np.abs(counts[[0, 2, 3, 5]] - 1000) < 110)


def test_ties_among_the_latest_are_broken_at_random():
    X = sp.csr_array(np.tile([3, 4, 5, 1], (4000, 1)))
    times = sp.csr_array(np.tile([7, 9, 9, 8], (4000, 1)))
    _, y = leave_one_out_split(X, timestamps=times, random_state=0)
    counts = np.bincount(y, minlength=4)
    assert_array_equal(counts[[0, 3]], 0)
    assert np.all(np.abs(counts[[1, 2]] - 2000) < 130)


def test_a_stored_zero_is_a_time():
    X = sp.csr_array([[3, 4], [3, 4]])
    times = sp.csr_array((np.array([-5, 0, 0, -5]), X.indices, X.indptr), shape=X.shape)
    for timestamps in (times, times.data):
        assert_array_equal(leave_one_out_split(X, timestamps=timestamps)[1], [1, 0])


@pytest.mark.parametrize("convert", [sp.csr_matrix, sp.csc_array, sp.coo_array, sp.lil_array])
def test_times_may_be_in_any_sparse_format(convert):
    X = sp.csr_array([[3, 4, 0], [0, 2, 4]])
    times = convert(np.array([[10, 20, 0], [0, 40, 30]]))
    assert_array_equal(leave_one_out_split(X, timestamps=times)[1], [1, 1])


@pytest.mark.parametrize("convert", [np.array, list, pd.Series, np.float32])
def test_times_may_be_in_the_order_of_the_data_also_if_that_is_unsorted(convert):
    # User 0 has rated item 2, then item 0; user 1 item 1, then item 2.
    X = sp.csr_array((np.array([5.0, 3, 4, 2]), [2, 0, 1, 2], [0, 2, 4]), shape=(2, 3))
    timestamps = convert(np.array([10, 20, 30, 40]))
    X_train, y = leave_one_out_split(X, timestamps=timestamps)
    assert_array_equal(y, [0, 2])
    assert_array_equal(X_train.toarray(), [[0, 0, 5], [0, 4, 0]])
    # The argument is as it was.
    assert_array_equal(X.indices, [2, 0, 1, 2])
    assert_array_equal(X.data, [5, 3, 4, 2])


def test_times_are_compared_exactly():
    # In floating point these two would be equal, and half of the users would lose the other one.
    X = sp.csr_array(np.tile([3, 4], (100, 1)))
    times = np.tile([2**60 + 1, 2**60], 100)
    assert_array_equal(leave_one_out_split(X, timestamps=times, random_state=0)[1], 0)


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (sp.csr_array, sp.csr_array),
        (sp.csr_matrix, sp.csr_matrix),
        (sp.coo_matrix, sp.csr_matrix),
        (sp.csc_array, sp.csr_array),
        (np.array, sp.csr_array),
    ],
)
def test_the_container_is_kept(container, expected):
    X = random_ratings().toarray()
    X_train, y = leave_one_out_split(container(X), random_state=0)
    assert type(X_train) is expected
    check_split(X, X_train.toarray(), y)


def test_the_ratings_are_not_modified():
    X = random_ratings()
    data, indices, indptr = X.data.copy(), X.indices.copy(), X.indptr.copy()
    X_train, _ = leave_one_out_split(X, random_state=0)
    X_train.data[:] = -1
    assert_array_equal(X.data, data)
    assert_array_equal(X.indices, indices)
    assert_array_equal(X.indptr, indptr)


def test_the_random_state_decides():
    X = random_ratings()
    y = leave_one_out_split(X, random_state=3)[1]
    assert_array_equal(y, leave_one_out_split(X, random_state=3)[1])
    assert_array_equal(y, leave_one_out_split(X, random_state=np.random.RandomState(3))[1])
    assert np.any(y != leave_one_out_split(X, random_state=4)[1])


def test_users_with_a_single_rating_keep_it():
    X = sp.csr_array([[0, 4], [2, 0], [0, 0]])
    X_train, y = leave_one_out_split(X, timestamps=X)
    assert_array_equal(y, [-1, -1, -1])
    assert_array_equal(X_train.toarray(), X.toarray())


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_ratings_are_refused(bad):
    with pytest.raises(ValueError, match="X"):
        leave_one_out_split([[1.0, bad]])


def test_stored_zero_ratings_are_refused():
    with pytest.raises(ValueError, match="explicit zeros"):
        leave_one_out_split(sp.csr_array((np.array([1.0, 0.0]), [0, 1], [0, 2]), shape=(1, 2)))


@pytest.mark.parametrize(
    ("timestamps", "message"),
    [
        (sp.csr_array([[1, 2, 0], [0, 0, 3]]), "exactly where X does"),
        (sp.csr_array([[1, 2, 0], [3, 0, 4]]), "exactly where X does"),
        (sp.csr_array([[1, 2], [0, 3]]), "exactly where X does: X has shape .* 4 ratings"),
        (
            sp.coo_array(([1, 2, 3, 4, 5], ([0, 0, 0, 1, 1], [0, 1, 1, 1, 2])), shape=(2, 3)),
            "exactly where X does.* and 5 entries",
        ),
        (sp.csr_array([[1, 2, 0], [0, np.nan, 3]]), "timestamps contain NaN"),
        (sp.csr_array([[True, True, False], [False, True, True]]), "must be numbers, got dtype bo"),
        ([1, 2, 3], r"shape \(4,\); got shape \(3,\)"),
        (np.ones((2, 3)), r"shape \(4,\); got shape \(2, 3\)"),
        ([1, 2, 3, np.nan], "timestamps contain NaN"),
    ],
)
def test_times_that_do_not_belong_to_the_ratings_are_refused(timestamps, message):
    X = sp.csr_array([[3, 4, 0], [0, 2, 4]])
    with pytest.raises(ValueError, match=message):
        leave_one_out_split(X, timestamps=timestamps)


DAYS = np.array([3, 1, 2, 9], dtype="timedelta64[D]")
MOMENTS = np.datetime64("2020-01-01") + DAYS


@pytest.mark.parametrize(
    "timestamps",
    [
        MOMENTS.astype("datetime64[D]"),
        MOMENTS.astype("datetime64[ns]"),
        DAYS,
        MOMENTS.astype("datetime64[s]").tolist(),
        MOMENTS.astype("datetime64[D]").tolist(),
        [moment.replace(tzinfo=datetime.UTC) for moment in MOMENTS.astype("M8[s]").tolist()],
        pd.Series(MOMENTS),
        pd.Series(MOMENTS).dt.tz_localize("Europe/Rome"),
        pd.DatetimeIndex(MOMENTS),
    ],
    ids=["days", "nanoseconds", "durations", "naive", "dates", "aware", "series", "zone", "index"],
)
def test_dates_and_times_are_timestamps(timestamps):
    X = sp.csr_array([[3, 4, 0], [0, 2, 4]])
    _, y = leave_one_out_split(X, timestamps=timestamps)
    np.testing.assert_array_equal(y, [0, 2])


@pytest.mark.parametrize(
    ("timestamps", "message"),
    [
        (np.array(["2020-01-01"] * 3 + ["NaT"], dtype="datetime64[D]"), "contain NaT"),
        (np.array([1, 2, 3, "NaT"], dtype="timedelta64[s]"), "contain NaT"),
        (pd.Series(MOMENTS).where([True, True, False, True]), "contain NaT"),
        (["2020-01-01"] * 4, "must be numbers, got dtype <U10"),
        (
            [datetime.datetime(2020, 1, 1)] * 3
            + [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)],
            "must be numbers, got dtype object",
        ),
    ],
)
def test_what_is_no_time_is_refused(timestamps, message):
    with pytest.raises(ValueError, match=message):
        leave_one_out_split(sp.csr_array([[3, 4, 0], [0, 2, 4]]), timestamps=timestamps)


@pytest.mark.parametrize(
    "test_size", [2.0, 1.0, 0, 0.0, -1, -0.5, True, False, np.nan, np.inf, "0.5", [0.5], np.True_]
)
def test_test_size_is_a_fraction_or_a_number(test_size):
    with pytest.raises(ValueError, match=r"^test_size must be"):
        StrongGeneralization(test_size=test_size)


@pytest.mark.parametrize("random_state", ["x", -1, 2**32, 0.5, np.random.default_rng(0)])
def test_random_state_is_checked_when_a_splitter_is_made(random_state):
    with pytest.raises(ValueError, match=r"^random_state must be"):
        StrongGeneralization(random_state=random_state)


@pytest.mark.parametrize("test_size", [0.5, 1, np.float32(0.5), np.int32(2)])
def test_test_size_may_be_a_number_of_numpy(test_size):
    (split,) = StrongGeneralization(1, test_size=test_size, random_state=0).split(np.ones((4, 2)))
    assert split[1].size == (2 if test_size != 1 else 1)


@pytest.mark.parametrize("make", [WeakGeneralization, StrongGeneralization])
def test_n_splits_may_be_an_integer_of_numpy(make):
    assert make(n_splits=np.int64(3)).get_n_splits() == 3
    for n_splits in (True, np.True_, 3.0, np.float64(3), "3", None, 0):
        with pytest.raises(ValueError, match=r"^n_splits must be"):
            make(n_splits=n_splits)


def test_masked_times_are_refused():
    X = sp.csr_array([[3, 4, 0], [0, 2, 4]])
    times = np.ma.array([1, 2, 3, 4], mask=[0, 0, 1, 0])
    with pytest.raises(ValueError, match="timestamps have masked entries"):
        leave_one_out_split(X, timestamps=times)
    assert_array_equal(leave_one_out_split(X, timestamps=np.ma.array([1, 2, 3, 4]))[1], [1, 2])


def test_times_as_objects_are_dates_or_refused():
    X = sp.csr_array([[3, 4, 0], [0, 2, 4]])
    with pytest.raises(ValueError, match="must be numbers, got dtype object"):
        leave_one_out_split(X, timestamps=np.array([1, 2, 3, 4], dtype=object))


def damaged(shape=(2, 3)):
    """Return a matrix with an index outside of it."""
    X = sp.csr_array(np.ones(shape))
    X.indices[1] = shape[1]
    return X


def test_damaged_matrices_are_refused_before_anybody_reads_them():
    X = sp.csr_array(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^timestamps is no valid|^timestamps are no valid"):
        leave_one_out_split(X, timestamps=damaged())
    y = HeldOut(X)
    y.matrix.indices[0] = -1
    for cv in (WeakGeneralization(), StrongGeneralization(2)):
        with pytest.raises(ValueError, match=r"^X is no valid sparse matrix"):
            next(cv.split(damaged()))
        for held_out in (damaged(), y):
            with pytest.raises(ValueError, match=r"^y is no valid sparse matrix"):
                next(cv.split(X, held_out))


@pytest.mark.parametrize("container", [sp.coo_array, sp.csc_array, np.array])
def test_times_in_the_order_of_the_data_need_csr(container):
    X = container(np.array([[3, 4, 0], [0, 2, 4]]))
    with pytest.raises(ValueError, match="need X in CSR format"):
        leave_one_out_split(X, timestamps=[1, 2, 3, 4])


# --------------------------------------------------------------------------------------- splitters


def test_weak_generalization_trains_and_tests_on_everyone():
    cv = WeakGeneralization(n_splits=3)
    for X in (random_ratings(5), np.ones((5, 2)), [[1, 2]] * 5):
        splits = list(cv.split(X))
        assert len(splits) == cv.get_n_splits(X) == 3
        for train, test in splits:
            assert_array_equal(train, np.arange(5))
            assert_array_equal(test, np.arange(5))


def test_changing_indices_does_not_change_later_splits():
    (first_train, first_test), (second_train, _) = WeakGeneralization(2).split(np.ones((3, 1)))
    first_train[:] = 0
    assert_array_equal(first_test, [0, 1, 2])
    assert_array_equal(second_train, [0, 1, 2])


def test_strong_generalization_divides_the_users_into_folds():
    cv = StrongGeneralization(n_splits=4, random_state=0)
    splits = list(cv.split(random_ratings(10)))
    assert len(splits) == cv.get_n_splits() == 4
    for train, test in splits:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(10))
    held_out = np.concatenate([test for _, test in splits])
    assert_array_equal(np.sort(held_out), np.arange(10))
    assert np.any(held_out != np.arange(10))


def test_strong_generalization_without_shuffling_goes_in_order():
    splits = StrongGeneralization(n_splits=3, shuffle=False).split(np.ones((6, 2)))
    assert_array_equal([test for _, test in splits], [[0, 1], [2, 3], [4, 5]])


@pytest.mark.parametrize(("test_size", "n_test"), [(0.2, 2), (3, 3)])
def test_strong_generalization_draws_users_anew_given_a_test_size(test_size, n_test):
    cv = StrongGeneralization(n_splits=6, test_size=test_size, random_state=0)
    splits = list(cv.split(np.ones((10, 2))))
    assert len(splits) == cv.get_n_splits() == 6
    for train, test in splits:
        assert test.size == n_test
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(10))
    assert len({tuple(np.sort(test)) for _, test in splits}) > 1


@pytest.mark.parametrize("test_size", [None, 0.3])
def test_strong_generalization_is_reproducible(test_size):
    def splits(seed):
        cv = StrongGeneralization(3, test_size=test_size, random_state=seed)
        return [test.tolist() for _, test in cv.split(np.ones((10, 2)))]

    assert splits(0) == splits(0) != splits(1)


def test_splitters_notice_a_y_of_another_length():
    for cv in (WeakGeneralization(), StrongGeneralization()):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            next(cv.split(np.ones((10, 2)), np.zeros(9)))


@pytest.mark.parametrize("n_splits", [0, -1, 2.0, True, "5", None])
@pytest.mark.parametrize("splitter", [WeakGeneralization, StrongGeneralization])
def test_the_number_of_splits_must_be_a_positive_integer(splitter, n_splits):
    with pytest.raises(ValueError, match="n_splits must be an integer >= 1"):
        splitter(n_splits=n_splits)


def test_there_are_five_splits_if_nothing_else_is_said():
    assert WeakGeneralization().get_n_splits() == StrongGeneralization().get_n_splits() == 5


def test_contradicting_parameters_are_refused_at_once():
    with pytest.raises(ValueError, match="shuffle must be True"):
        StrongGeneralization(test_size=0.2, shuffle=False)
    with pytest.raises(ValueError, match="random_state"):
        StrongGeneralization(shuffle=False, random_state=0)
    with pytest.raises(ValueError, match="n_splits=1"):
        StrongGeneralization(n_splits=1)
    assert StrongGeneralization(n_splits=1, test_size=0.5).get_n_splits() == 1


def test_splitters_have_a_readable_repr_and_pickle():
    assert repr(WeakGeneralization(n_splits=3)) == "WeakGeneralization(n_splits=3)"
    cv = StrongGeneralization(n_splits=3, test_size=0.2, random_state=0)
    assert "".join(repr(cv).split()) == (
        "StrongGeneralization(n_splits=3,random_state=0,shuffle=True,test_size=0.2)"
    )
    assert repr(pickle.loads(pickle.dumps(cv))) == repr(cv)
    assert check_cv(cv) is cv


# ----------------------------------------------------------------------------------------- HeldOut

MATRIX = sp.csr_array([[0, 7, 7], [0, 0, 0], [7, 0, 0], [7, 7, 7]])


@pytest.mark.parametrize(
    "rows",
    [
        [2, 0],
        [0, 0, 3],
        np.array([3, -1]),
        np.array([True, False, True, False]),
        [True, False, False, True],
        slice(1, 3),
        slice(None, None, -1),
        [],
        pd.Index([1, 2]),
    ],
)
@pytest.mark.parametrize("rest", [None, Ellipsis, slice(None)])
def test_held_out_is_indexed_by_rows(rows, rest):
    selected = HeldOut(MATRIX)[rows if rest is None else (rows, rest)]
    assert isinstance(selected, HeldOut)
    chosen = np.arange(4)[rows if isinstance(rows, slice) or len(rows) else slice(0)]
    expected = MATRIX.toarray()[chosen] > 0
    assert_array_equal(selected.matrix.toarray(), expected)
    assert selected.shape == (len(selected), 3) == expected.shape


def test_a_single_user_gives_item_indices():
    y = HeldOut(MATRIX)
    assert_array_equal(y[0], [1, 2])
    assert_array_equal(y[np.int64(1)], [])
    assert_array_equal(y[-1], [0, 1, 2])
    assert_array_equal(y[-4], [1, 2])
    assert [items.tolist() for items in y] == [[1, 2], [], [0], [0, 1, 2]]
    y[0][:] = 0
    assert_array_equal(y[0], [1, 2])


@pytest.mark.parametrize("rows", [4, -5, [0, 4]])
def test_rows_out_of_range_are_refused(rows):
    with pytest.raises(IndexError, match="out of"):
        HeldOut(MATRIX)[rows]


@pytest.mark.parametrize(
    "rows", ["a", 1.0, [0.5], [[0, 1]], (0, 1), (slice(None), [0]), (0, slice(1, 2)), (0,)]
)
def test_other_indices_are_refused(rows):
    with pytest.raises(IndexError, match="HeldOut is indexed by"):
        HeldOut(MATRIX)[rows]


def test_rows_of_a_matrix_that_was_broken_are_refused():
    y = HeldOut(MATRIX.copy())
    y.matrix.indices[0] = 10**6
    with pytest.raises(ValueError, match="matrix is no valid sparse matrix"):
        y[[len(y) - 1]]  # wherever the fault is


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(IndexError):
        HeldOut(MATRIX)[np.array([True, False])]


def test_held_out_has_a_length_a_shape_and_a_repr():
    y = HeldOut(MATRIX)
    assert len(y) == 4
    assert y.shape == (4, 3)
    assert repr(y) == "<HeldOut: 6 held-out items, 4 users x 3 items>"
    assert repr(y[[2]]) == "<HeldOut: 1 held-out item, 1 users x 3 items>"


def test_held_out_pickles():
    y = pickle.loads(pickle.dumps(HeldOut(MATRIX)))
    assert_array_equal(y.matrix.toarray(), MATRIX.toarray() > 0)


def test_held_out_takes_stored_entries_of_any_format_and_keeps_its_own():
    matrix = sp.coo_array((np.array([0.0, 2.0]), ([1, 0], [2, 1])), shape=(2, 3))
    y = HeldOut(matrix)
    assert_array_equal(y.matrix.toarray(), [[0, 1, 0], [0, 0, 1]])
    assert isinstance(y.matrix, sp.csr_array)
    assert_array_equal(matrix.data, [0, 2])


def test_held_out_does_not_become_an_array_by_accident():
    with pytest.raises(TypeError, match="HeldOut does not convert"):
        np.asarray(HeldOut(MATRIX))


def test_held_out_wraps_valid_sparse_matrices_only():
    with pytest.raises(TypeError, match=r"wraps a sparse matrix .* got ndarray"):
        HeldOut(np.ones((2, 2)))
    with pytest.raises(ValueError, match="2-D"):
        HeldOut(sp.coo_array([1, 0, 1]))
    with pytest.raises(ValueError, match="matrix contains NaN"):
        HeldOut(sp.csr_array([[np.nan, 0.0]]))


def test_utilities_of_scikit_learn_take_held_out():
    X, y = indexable(MATRIX, HeldOut(MATRIX))
    assert isinstance(y, HeldOut)
    X_shuffled, y_shuffled = shuffle(X, y, random_state=0)
    assert_array_equal(X_shuffled.toarray() > 0, y_shuffled.matrix.toarray())
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    assert_array_equal(X_train.toarray() > 0, y_train.matrix.toarray())
    assert_array_equal(X_test.toarray() > 0, y_test.matrix.toarray())
    assert len(y_train) == len(y_test) == 2


# --------------------------------------------------------------------- stock model selection


class Popularity(BaseEstimator):
    """Recommend what most users have rated; `power=0` recommends by index."""

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, X, y=None):
        self.popularity_ = np.bincount(X.tocsr().indices, minlength=X.shape[1]) ** self.power
        self.n_users_ = X.shape[0]
        return self

    def predict(self, X):
        return np.tile(self.popularity_, (X.shape[0], 1))


def hit_ratio_scorer(estimator, X, y):
    return hit_ratio_score(y, estimator.predict(X), k=3, seen=X)


def held_out_data(form):
    """Return profiles and held-out items, the same ones in each form."""
    X, y = leave_one_out_split(random_ratings(), random_state=0)
    if form == "vector":
        return X, y
    users = np.flatnonzero(y >= 0)
    matrix = sp.coo_array((np.ones(users.size), (users, y[users])), shape=X.shape)
    return X, HeldOut(matrix)


SPLITTERS = {
    "weak": WeakGeneralization(n_splits=2),
    "strong": StrongGeneralization(n_splits=3, random_state=0),
    "drawn": StrongGeneralization(n_splits=2, test_size=0.4, random_state=0),
}


@pytest.mark.parametrize("form", ["vector", "HeldOut"])
@pytest.mark.parametrize("cv", SPLITTERS.values(), ids=SPLITTERS)
class TestStockModelSelection:
    def expected(self, X, y, cv, power=1.0):
        """Return the scores that a loop by hand gives."""
        return [
            hit_ratio_scorer(Popularity(power).fit(X[train]), X[test], y[test])
            for train, test in cv.split(X, y)
        ]

    def test_cross_validate(self, cv, form):
        X, y = held_out_data(form)
        results = cross_validate(
            Popularity(), X, y, cv=cv, scoring={"hr": hit_ratio_scorer}, return_estimator=True
        )
        expected = self.expected(X, y, cv)
        assert_array_equal(results["test_hr"], expected)
        assert 0.0 < min(expected) <= max(expected) < 1.0
        trained_on = [train.size for train, _ in cv.split(X)]
        assert [estimator.n_users_ for estimator in results["estimator"]] == trained_on

    def test_cross_val_score_in_two_processes(self, cv, form):
        X, y = held_out_data(form)
        scores = cross_val_score(
            Popularity(), X, y, cv=cv, scoring=hit_ratio_scorer, n_jobs=2, error_score="raise"
        )
        assert_array_equal(scores, self.expected(X, y, cv))

    @pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
    def test_searches(self, cv, form, search):
        X, y = held_out_data(form)
        options = {"n_iter": 2} if search is RandomizedSearchCV else {}
        found = search(
            Popularity(), {"power": [0, 1]}, cv=cv, scoring=hit_ratio_scorer, **options
        ).fit(X, y)
        for power, score in zip(
            found.cv_results_["param_power"], found.cv_results_["mean_test_score"], strict=True
        ):
            assert score == pytest.approx(np.mean(self.expected(X, y, cv, power)))
        assert found.n_splits_ == cv.get_n_splits()

    def test_learning_curve(self, cv, form):
        X, y = held_out_data(form)
        sizes, _, scores = learning_curve(
            Popularity(),
            X,
            y,
            cv=cv,
            scoring=hit_ratio_scorer,
            train_sizes=[10, 20],
            shuffle=True,
            random_state=0,
            error_score="raise",
        )
        assert_array_equal(sizes, [10, 20])
        assert scores.shape == (2, cv.get_n_splits())
        assert np.isfinite(scores).all()

    def test_validation_curve(self, cv, form):
        X, y = held_out_data(form)
        _, scores = validation_curve(
            Popularity(),
            X,
            y,
            param_name="power",
            param_range=[0, 1],
            cv=cv,
            scoring=hit_ratio_scorer,
            error_score="raise",
        )
        assert_array_equal(scores[1], self.expected(X, y, cv))

    def test_permutation_test_score(self, cv, form):
        X, y = held_out_data(form)

        def lenient_scorer(estimator, X, y):
            # Permuted items may have been rated: a miss, and a warning that is not the point here.
            return hit_ratio_score(y, estimator.predict(X), k=3)

        score, permuted, _ = permutation_test_score(
            Popularity(), X, y, cv=cv, scoring=lenient_scorer, n_permutations=3, random_state=0
        )
        assert permuted.shape == (3,)
        assert np.isfinite(score)

    def test_metadata_routing_changes_nothing(self, cv, form):
        X, y = held_out_data(form)
        with sklearn.config_context(enable_metadata_routing=True):
            scores = cross_val_score(Popularity(), X, y, cv=cv, scoring=hit_ratio_scorer)
        assert_array_equal(scores, self.expected(X, y, cv))


@pytest.mark.parametrize("form", ["vector", "HeldOut"])
@pytest.mark.parametrize(
    "cv", [WeakGeneralization(n_splits=1), StrongGeneralization(n_splits=4, random_state=0)]
)
def test_cross_val_predict(cv, form):
    X, y = held_out_data(form)
    scores = cross_val_predict(Popularity(), X, y, cv=cv)
    for train, test in cv.split(X, y):
        assert_array_equal(scores[test], Popularity().fit(X[train]).predict(X[test]))


@pytest.mark.parametrize("form", ["vector", "HeldOut"])
def test_halving_search(form):
    X, y = held_out_data(form)
    found = HalvingGridSearchCV(
        Popularity(),
        {"power": [0, 1, 2]},
        cv=StrongGeneralization(2, random_state=0),
        scoring=hit_ratio_scorer,
        min_resources=10,
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    assert found.n_resources_ == [10, 30]
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_an_integer_cv_takes_held_out():
    X, y = held_out_data("HeldOut")
    scores = cross_val_score(Popularity(), X, y, cv=3, scoring=hit_ratio_scorer)
    assert np.isfinite(scores).all()


def test_both_forms_of_held_out_items_score_the_same():
    scores = [
        cross_val_score(
            clone(Popularity()),
            *held_out_data(form),
            cv=SPLITTERS["strong"],
            scoring=hit_ratio_scorer,
        )
        for form in ("vector", "HeldOut")
    ]
    assert_array_equal(*scores)
