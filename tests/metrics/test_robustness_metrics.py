"""Metrics of what attacks and defenses change, by hand and against plain Python."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec.metrics import prediction_shift, rank_shift, robustness_improvement_score

property_test = settings(deadline=None, database=None, max_examples=200)

BEFORE = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]])
AFTER = np.array([[0.9, 0.8, 0.85], [0.2, 0.7, 1.0]])


@st.composite
def cases(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=7))
    values = st.sampled_from([-0.5, 0.0, 0.5, 1.0])
    before, after = (draw(hnp.arrays(np.float64, shape, elements=values)) for _ in range(2))
    targets = draw(st.lists(st.integers(0, shape[1] - 1), unique=True, min_size=1))
    return before, after, targets, draw(hnp.arrays(bool, shape))


def place(scores, seen, item):
    """Return the position of an item in the list of all unseen items."""
    items = [i for i in range(scores.size) if not seen[i]]
    return sorted(items, key=lambda i: (-scores[i], i)).index(item)


@property_test
@given(case=cases())
def test_shifts_against_plain_python(case):
    before, after, targets, seen = case
    ranks = np.full((before.shape[0], len(targets)), np.nan)
    changes = []
    for user in range(before.shape[0]):
        for column, target in enumerate(targets):
            if not seen[user, target]:
                ranks[user, column] = place(before[user], seen[user], target) - place(
                    after[user], seen[user], target
                )
                changes.append(after[user, target] - before[user, target])
    assert_array_equal(rank_shift(before, after, targets, seen=sp.csr_array(seen)), ranks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shift = prediction_shift(before, after, targets, seen=sp.csr_array(seen))
    assert_allclose(shift, np.mean(changes) if changes else np.nan)


def test_rank_shift_by_hand():
    shift = rank_shift(BEFORE, AFTER, [2, 1])
    assert_array_equal(shift, [[1, -1], [1, -1]])
    assert shift.dtype == np.float64


def test_rank_shift_is_nan_where_the_target_is_rated_and_ranks_the_unseen():
    seen = sp.csr_array([[1, 1, 0], [0, 0, 2]])
    assert_array_equal(rank_shift(BEFORE, AFTER, [2, 0], seen=seen), [[0, np.nan], [np.nan, 0]])


def test_rank_shift_is_nan_where_a_score_excludes_the_target():
    assert_array_equal(rank_shift([[0.5, -np.inf]], [[0.5, 0.1]], [1, 0]), [[np.nan, 0]])
    assert_array_equal(rank_shift([[0.5, 0.1]], [[0.5, -np.inf]], [1, 0]), [[np.nan, 0]])


def test_prediction_shift_by_hand():
    assert prediction_shift(BEFORE, AFTER, [2]) == pytest.approx((0.75 + 0.4) / 2)
    assert prediction_shift(BEFORE, AFTER, [2, 0]) == pytest.approx((0.75 + 0.4) / 4)
    seen = sp.csr_array((np.array([0.0]), [2], [0, 1, 1]), shape=(2, 3))  # a stored zero
    assert prediction_shift(BEFORE, AFTER, [2], seen=seen) == pytest.approx(0.4)
    assert type(prediction_shift(BEFORE, AFTER, [2])) is float


def test_prediction_shift_of_float32_is_summed_in_double_precision():
    before = np.zeros((2, 1), dtype=np.float32)
    after = np.array([[2.0**24], [1.0]], dtype=np.float32)
    assert prediction_shift(before, after, [0]) == (2**24 + 1) / 2


def test_prediction_shift_of_integers():
    assert prediction_shift(np.array([[3]], dtype=np.uint8), np.array([[1]], np.uint8), [0]) == -2


def test_prediction_shift_needs_a_user_who_has_not_rated_the_target():
    with pytest.warns(UserWarning, match="Every user has rated every target") as record:
        assert np.isnan(prediction_shift(BEFORE, AFTER, [1], seen=[[0, 1, 0], [0, 1, 0]]))
    assert record[0].filename == __file__


def test_arguments_are_not_modified():
    before, after = BEFORE.copy(), AFTER.copy()
    seen = sp.csr_array([[0, 0, 1], [0, 1, 0]])
    rank_shift(before, after, [2], seen=seen)
    prediction_shift(before, after, [2], seen=seen)
    assert_array_equal(before, BEFORE)
    assert_array_equal(after, AFTER)


def test_blocks_of_rows_do_not_change_the_ranks():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 30, 20))
    at_once = rank_shift(before, after, [4, 17])
    with sklearn.config_context(working_memory=0.001):  # three rows
        assert_array_equal(rank_shift(before, after, [4, 17]), at_once)


@pytest.mark.parametrize("metric", [rank_shift, prediction_shift])
class TestBadArguments:
    def test_shapes_of_scores(self, metric):
        with pytest.raises(ValueError, match=r"same shape.*\(2, 3\) and \(3, 2\)"):
            metric(BEFORE, AFTER.T, [0])

    def test_shape_of_seen(self, metric):
        with pytest.raises(ValueError, match="seen must have the shape of the scores"):
            metric(BEFORE, AFTER, [0], seen=sp.csr_array((3, 2)))

    @pytest.mark.parametrize("target_items", [[], [0, 0], [3], [-1], [[0]], [0.5]])
    def test_target_items(self, metric, target_items):
        with pytest.raises(ValueError, match="target_items"):
            metric(BEFORE, AFTER, target_items)

    @pytest.mark.parametrize("broken", [0, 1])
    def test_nan_scores(self, metric, broken):
        scores = [BEFORE.copy(), AFTER.copy()]
        scores[broken][0, 2] = np.nan
        with pytest.raises(ValueError, match=r"contain NaN|must be finite"):
            metric(*scores, [2])


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_prediction_shift_refuses_infinite_scores(bad):
    for before, after in (([[bad]], [[1.0]]), ([[1.0]], [[bad]]), ([[bad]], [[bad]])):
        with pytest.raises(ValueError, match="Scores of target items must be finite"):
            prediction_shift(before, after, [0])


# ---------------------------------------------------------------------- robustness improvement


@pytest.mark.parametrize(
    ("origin", "attack", "defense", "expected"),
    [
        (0.0, 0.5, 0.0, 1.0),
        (0.0, 0.5, 0.5, 0.0),
        (0.0, 0.5, 0.75, -0.5),
        (0.25, 0.75, 0.5, 0.5),
        (0.25, 0.75, 0.0, 1.5),
        (0.3, 0.2, 0.25, 0.5),  # hit ratio of held-out items: the attack lowers it
    ],
)
def test_robustness_improvement_by_hand(origin, attack, defense, expected):
    score = robustness_improvement_score(origin, attack, defense)
    assert score == pytest.approx(expected)
    assert type(score) is float


def test_robustness_improvement_broadcasts():
    score = robustness_improvement_score(0.0, [0.5, 1.0], [[0.0], [0.25]])
    assert_allclose(score, [[1.0, 1.0], [0.5, 0.75]])


def test_robustness_improvement_is_undefined_without_damage():
    with pytest.warns(UserWarning, match="robustness improvement is undefined") as record:
        assert np.isnan(robustness_improvement_score(0.2, 0.2, 0.1))
    assert len(record) == 1
    assert record[0].filename == __file__
    with pytest.warns(UserWarning, match="robustness improvement is undefined"):
        score = robustness_improvement_score([0.2, 0.0], [0.2, 0.5], 0.0)
    assert_array_equal(score, [np.nan, 1.0])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (-0.01, "must be hit ratios, numbers from 0 to 1, got -0.01"),
        (1.01, "must be hit ratios, numbers from 0 to 1, got 1.01"),
        ([0.5, 2.0], "must be hit ratios, numbers from 0 to 1"),
        (None, "could not convert None to hit ratios"),
        ("0.5", "could not convert '0.5' to hit ratios"),
        (True, "could not convert True to hit ratios"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_robustness_improvement_needs_hit_ratios(bad, message, place):
    name = ["hr_origin", "hr_attack", "hr_defense"][place]
    arguments = [0.0, 1, np.float32(0.5)]
    assert robustness_improvement_score(*arguments) == 0.5
    arguments[place] = bad
    with pytest.raises(ValueError, match=f"^{name}:? {message}"):
        robustness_improvement_score(*arguments)


def test_robustness_improvement_needs_numbers_that_broadcast():
    with pytest.raises(ValueError, match="could not convert"):
        robustness_improvement_score("high", 0.5, 0.1)
    with pytest.raises(ValueError, match="broadcast"):
        robustness_improvement_score([0.1, 0.2], [0.1, 0.2, 0.3], 0.1)
