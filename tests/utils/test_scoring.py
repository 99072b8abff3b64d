"""What scorers and studies ask an estimator, and how they put it together."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skrecsec.utils._scoring import (
    as_scores,
    check_estimator,
    held_out_and_target_ranks,
    held_out_ranks,
    hit_share,
    last_step,
    profiles_for,
    shifts_of_ranks,
    steps_of,
    target_ranks,
)

DENSE = np.array([[5.0, 0, 3], [0, 0, 0], [0, 1, 2]])


class Reversed(BaseEstimator):
    """Predicts the ratings themselves, negated, and notes what it was asked."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        self.asked_ = X
        return -(X.toarray() if sp.issparse(X) else np.asarray(X))


class Drop(BaseEstimator):
    """Drops the ratings of an item."""

    def __init__(self, item=0):
        self.item = item

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        X = sp.lil_array(X)
        X[:, [self.item]] = 0
        return X.tocoo()


class Search:
    """What is left of a search when it has been fitted."""

    def __init__(self, best):
        self.best_estimator_ = best


@pytest.mark.parametrize(
    "make", [np.array, sp.csr_array, sp.csc_matrix, sp.coo_array, sp.lil_array]
)
def test_profiles_are_asked_for_by_rows(make):
    profiles = profiles_for(Reversed(), make(DENSE))
    assert profiles.shape == (3, 3)
    assert_array_equal(profiles.seen.toarray(), DENSE > 0)
    assert_array_equal(profiles.score_rows(np.array([2, 0])), -DENSE[[2, 0]])
    assert profiles.item_names is None


def test_profiles_of_a_data_frame_know_the_names_of_items():
    frame = pd.DataFrame(DENSE, columns=["a", "b", "c"])
    profiles = profiles_for(Reversed(), frame)
    assert_array_equal(profiles.item_names, ["a", "b", "c"])
    recommender = Reversed()
    profiles_for(recommender, frame).score_rows(np.array([1]))
    assert list(recommender.asked_.columns) == ["a", "b", "c"]
    assert_array_equal(profiles.target_ranks(["b", "a"]), [[0, -1], [1, 0], [-1, 0]])


class Rename(Drop):
    """Gives items other names, and may leave out the last ones."""

    def __init__(self, names):
        self.names = names

    def transform(self, X):
        return pd.DataFrame(np.asarray(X)[:, : len(self.names)], columns=self.names)


@pytest.mark.parametrize("names", [["x", "y", "z"], ["x", "y"]])
def test_names_of_items_are_those_that_reach_the_recommender(names):
    frame = pd.DataFrame(np.vstack([DENSE, DENSE]), columns=["a", "b", "c"])
    pipeline = Pipeline([("rename", Rename(names)), ("last", Reversed())])
    assert_array_equal(profiles_for(pipeline, frame).item_names, names)


def test_names_that_were_lost_on_the_way_are_those_given():
    frame = pd.DataFrame(np.vstack([DENSE, DENSE]), columns=["a", "b", "c"])
    profiles = profiles_for(Pipeline([("drop", Drop(0)), ("last", Reversed())]), frame)
    assert_array_equal(profiles.item_names, ["a", "b", "c"])


class Transposed(Reversed):
    """Predicts in another shape."""

    def predict(self, X):
        return super().predict(X).T


def test_predictions_have_a_row_per_profile_and_a_column_per_item():
    profiles = profiles_for(Transposed(), DENSE)
    with pytest.raises(ValueError, match=r"Transposed\.predict must return .* of shape \(2, 3\)"):
        profiles.score_rows(np.array([0, 1]))
    with pytest.raises(ValueError, match=r"of shape \(1, 3\)"):
        profiles.score_rows(np.array([0]))
    six_by_three = profiles_for(Reversed(), np.vstack([DENSE, DENSE]))
    assert six_by_three.score_rows(np.arange(6)).shape == (6, 3)


@pytest.mark.parametrize("depth", [1, 2])
def test_what_a_pipeline_does_to_profiles_is_done_once_and_masks(depth):
    recommender = Reversed()
    pipeline = Pipeline([("drop", Drop(0)), ("recommend", recommender)])
    if depth == 2:
        pipeline = Search(
            Pipeline([("drop", Drop(2)), ("keep", "passthrough"), ("rest", pipeline)])
        )
        pipeline.predict = None
    profiles = profiles_for(pipeline, sp.csr_array(DENSE))
    expected = DENSE * ([0, 1, 1] if depth == 1 else [0, 1, 0])
    assert_array_equal(profiles.seen.toarray(), expected > 0)
    assert_array_equal(profiles.score_rows(np.arange(3)), -expected)


def test_steps_are_unfolded():
    last = Reversed()
    inner = Pipeline([("none", None), ("drop", Drop(1)), ("last", last)])
    outer = Pipeline([("first", "passthrough"), ("inner", Search(inner))])
    assert [type(step) for step in steps_of(outer)] == [Drop, Reversed]
    assert steps_of(last) == [last]
    recommender, X = last_step(outer, sp.csr_array(DENSE))
    assert recommender is last
    assert_array_equal(X.toarray(), DENSE * [1, 0, 1])


def test_damaged_profiles_are_refused_before_a_transformer_reads_them():
    X = sp.csr_array(DENSE)
    X.indices[0] = 7
    with pytest.raises(ValueError, match=r"^X is no valid sparse matrix"):
        last_step(Pipeline([("drop", Drop()), ("last", Reversed())]), X)
    with pytest.raises(ValueError, match="no valid sparse matrix"):
        profiles_for(Reversed(), X)


def test_profiles_whose_indices_were_changed_behind_scipys_back_are_looked_at_again():
    X = sp.csr_array(DENSE)
    assert X.has_sorted_indices
    X.indices[:2], X.data[:2] = X.indices[1::-1].copy(), X.data[1::-1].copy()
    profiles = profiles_for(Reversed(), X)
    assert not profiles.X.has_sorted_indices
    assert_array_equal(profiles.seen.indices, [0, 2, 1, 2])


def test_what_does_not_predict_is_refused():
    with pytest.raises(ValueError, match=r"must be a fitted recommender.*got Drop\(\)"):
        check_estimator(Drop())
    with pytest.raises(ValueError, match="must be a fitted recommender"):
        profiles_for(Drop(), DENSE)


@pytest.mark.parametrize("n_callers", [1, 2, 3])
def test_whoever_is_to_be_warned_is(n_callers):
    seen = sp.csr_array([[1, 0]])
    options = {} if n_callers == 2 else {"stacklevel": n_callers + 1}

    def first():
        held_out_ranks([0], (1, 2), lambda rows: np.zeros((1, 2)), seen, **options)

    def second():
        first()

    def third():
        second()

    with pytest.warns(UserWarning, match="1 of 1 held-out items") as record:
        third()
    warned = [first, second, third][n_callers - 1]
    assert record[0].lineno == warned.__code__.co_firstlineno + 1


def test_shifts_of_ranks_count_places_up():
    shifts = shifts_of_ranks(np.array([5, 0, -1, 2, 0]), np.array([2, 3, 1, -1, 0]))
    assert_array_equal(shifts, [3, -3, np.nan, np.nan, 0])


def test_share_of_hits():
    assert hit_share(np.array([-1, 0, 4, 5]), 5) == 0.5


def test_a_frozen_transformer_is_one_step():
    two = Pipeline([("first", Drop(0)), ("second", Drop(2))])
    for step, kinds in ((two, [Drop, Drop]), (FrozenEstimator(two), [FrozenEstimator])):
        pipeline = Pipeline([("two", step), ("last", Reversed())])
        assert [type(step) for step in steps_of(pipeline)] == [*kinds, Reversed]
        assert_array_equal(last_step(pipeline, sp.csr_array(DENSE))[1].toarray(), DENSE * [0, 1, 0])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(int, float), (bool, np.float32), (np.float32, np.float32), (float, float)],
)
def test_masked_scores_are_not_ranked(dtype, expected):
    scores = np.ma.array(np.array([[1, 0], [1, 1]], dtype=dtype), mask=[[0, 1], [0, 0]])
    filled = as_scores(scores)
    assert not isinstance(filled, np.ma.MaskedArray)
    assert filled.dtype == expected
    assert_array_equal(filled, [[1, -np.inf], [1, 1]])


@pytest.mark.parametrize("make", [np.array, list, pd.DataFrame])
def test_other_scores_are_taken_as_they_are(make):
    assert_array_equal(as_scores(make([[3, 1], [2, 5]])), [[3, 1], [2, 5]])


def test_one_pass_ranks_as_two_do():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (30, 12)).astype(float)  # with ties
    seen = rng.random((30, 12)) < 0.3
    targets = np.array([7, 2, 9])
    y = np.array([rng.choice(np.flatnonzero(~row)) for row in seen])
    y[::4] = -1
    y[1] = np.setdiff1d(targets, np.flatnonzero(seen[1]))[0]  # held out, and a target
    seen = sp.csr_array(seen.astype(float))
    asked = []

    def score_rows(rows):
        asked.extend(rows)
        return scores[rows]

    of_held_out, of_targets = held_out_and_target_ranks(y, targets, score_rows, seen)
    assert sorted(asked) == list(range(30))
    _, expected = held_out_ranks(y, scores.shape, scores.__getitem__, seen)
    assert_array_equal(of_held_out, expected)
    assert_array_equal(of_targets, target_ranks(targets, scores.shape, scores.__getitem__, seen))
