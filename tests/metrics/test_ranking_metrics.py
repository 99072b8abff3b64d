"""Metrics of ranked lists, by hand and against plain Python."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from skrecsec.metrics import hit_ratio_score, ndcg_score, target_hit_ratio_score
from skrecsec.model_selection import HeldOut
from skrecsec.utils._scoring import discounted_gains, held_out_ranks

property_test = settings(deadline=None, database=None, max_examples=200)

SCORES = np.array(
    [
        [0.9, 0.8, 0.7, 0.1],
        [0.1, 0.2, 0.3, 0.4],
        [0.5, 0.5, 0.5, 0.5],
    ]
)


@st.composite
def cases(draw):
    """Draw scores with ties, held-out items and seen items, which may overlap."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=7))
    values = st.sampled_from([-np.inf, 0.0, 0.5, 1.0])
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    scores = draw(hnp.arrays(dtype, shape, elements=values))
    held_out = draw(hnp.arrays(bool, shape))
    seen = draw(hnp.arrays(bool, shape))
    return scores, held_out, seen


def top_list(scores, seen, k):
    """Return the k best unseen items of one user, lower index first on ties."""
    items = [i for i in range(scores.size) if not seen[i] and scores[i] != -np.inf]
    return sorted(items, key=lambda item: (-scores[item], item))[:k]


@property_test
@given(case=cases(), k=st.integers(1, 9))
def test_hit_ratio_and_ndcg_against_plain_python(case, k):
    scores, held_out, seen = case
    assume(held_out.any())
    n_hits, ndcgs = 0, []
    for user in range(scores.shape[0]):
        wanted = set(np.flatnonzero(held_out[user]))
        if not wanted:
            continue
        found = top_list(scores[user], seen[user], k)
        n_hits += len(wanted.intersection(found))
        dcg = sum(1 / np.log2(place + 2) for place, item in enumerate(found) if item in wanted)
        ndcgs.append(dcg / sum(1 / np.log2(place + 2) for place in range(min(k, len(wanted)))))
    arguments = sp.csr_array(held_out), scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        hit_ratio = hit_ratio_score(*arguments, k=k, seen=sp.csr_array(seen))
        ndcg = ndcg_score(*arguments, k=k, seen=sp.csr_array(seen))
    assert hit_ratio == n_hits / held_out.sum()
    assert ndcg == pytest.approx(np.mean(ndcgs), abs=1e-12)
    assert 0 <= ndcg <= 1


@property_test
@given(case=cases(), k=st.integers(1, 9), data=st.data())
def test_target_hit_ratio_against_plain_python(case, k, data):
    scores, _, seen = case
    items = st.integers(0, scores.shape[1] - 1)
    targets = data.draw(st.lists(items, unique=True, min_size=1))
    hits = [
        target in top_list(scores[user], seen[user], k)
        for user in range(scores.shape[0])
        for target in targets
    ]
    score = target_hit_ratio_score(scores, targets, k=k, seen=sp.csr_array(seen))
    assert score == pytest.approx(np.mean(hits), abs=1e-12)


def test_hit_ratio_by_hand():
    # User 0: item 1 is second. User 1: item 0 is last. User 2 has no item. Ties go by index.
    y_true = [1, 0, -1]
    assert hit_ratio_score(y_true, SCORES, k=1) == 0.0
    assert hit_ratio_score(y_true, SCORES, k=2) == 0.5
    assert hit_ratio_score(y_true, SCORES, k=4) == 1.0
    assert hit_ratio_score([-1, -1, 1], SCORES, k=1) == 0.0
    assert hit_ratio_score([-1, -1, 1], SCORES, k=2) == 1.0


def test_seen_items_leave_the_list():
    seen = sp.csr_array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    assert hit_ratio_score([1, 0, -1], SCORES, k=1, seen=seen) == 0.5
    assert hit_ratio_score([1, 2, 0], SCORES, k=1, seen=seen) == 1.0
    assert target_hit_ratio_score(SCORES, [1], k=1, seen=seen) == pytest.approx(1 / 3)


def test_ndcg_by_hand():
    # Found in places 1 and 3 of two held-out items, against places 1 and 2.
    y_true = sp.csr_array([[1, 0, 1, 0]])
    expected = (1 + 1 / 2) / (1 + 1 / np.log2(3))
    assert ndcg_score(y_true, SCORES[:1], k=3) == pytest.approx(expected)
    # A list of one is perfect if its one item was held out.
    assert ndcg_score(y_true, SCORES[:1], k=1) == 1.0
    assert ndcg_score([1, -1, -1], SCORES, k=2) == pytest.approx(1 / np.log2(3))
    assert ndcg_score([1, -1, -1], SCORES, k=1) == 0.0


def test_ndcg_agrees_with_scikit_learn_where_there_are_no_ties():
    rng = np.random.default_rng(0)
    relevant = rng.random((20, 30)) < 0.2
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    ours = ndcg_score(sp.csr_array(relevant), scores, k=7)
    assert ours == pytest.approx(sklearn.metrics.ndcg_score(relevant, scores, k=7))


def test_ndcg_of_a_perfect_list_is_exactly_1():
    # Summed in the order of the items, these gains are larger than in the order of the ranks.
    ranks = np.array([5, 8, 10, 9, 0, 7, 3, 1, 6, 2, 4, 11])
    assert ndcg_score(sp.csr_array(np.ones((1, 12))), [-ranks]) == 1.0


def test_gains_by_hand():
    expected = [1, 1 / np.log2(3), 0.5, 0, 0]
    assert discounted_gains(np.array([0, 1, 2, 3, -1]), 3) == pytest.approx(expected, abs=0)


def test_lists_have_50_places_if_nothing_else_is_said():
    scores = -np.arange(60.0)[None]
    for metric in (
        lambda item: hit_ratio_score([item], scores),
        lambda item: ndcg_score([item], scores) > 0,
        lambda item: target_hit_ratio_score(scores, [item]),
    ):
        assert metric(49) == 1
        assert metric(50) == 0


def test_target_hit_ratio_counts_rated_targets_as_misses():
    seen = sp.csr_array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    assert target_hit_ratio_score(SCORES, [0], k=4) == 1.0
    assert target_hit_ratio_score(SCORES, [0], k=4, seen=seen) == pytest.approx(1 / 3)


def test_lists_longer_than_the_catalogue_hold_every_unseen_item():
    seen = sp.csr_array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert hit_ratio_score([0, 0, 0], SCORES, k=1000, seen=seen) == 1.0
    assert target_hit_ratio_score(SCORES, [1], k=1000, seen=seen) == pytest.approx(2 / 3)


def test_held_out_items_that_were_seen_are_misses_with_one_warning():
    seen = sp.csr_array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    for metric in (hit_ratio_score, ndcg_score):
        with pytest.warns(UserWarning, match="2 of 3 held-out items are among") as record:
            score = metric([0, 0, 0], SCORES, k=1, seen=seen)
        assert score == pytest.approx(1 / 3)
        assert len(record) == 1
        assert record[0].filename == __file__


def test_held_out_items_that_were_not_seen_cause_no_warning():
    seen = sp.csr_array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hit_ratio_score([2, 1, 0], SCORES, seen=seen)
        hit_ratio_score([0, 0, 0], SCORES)


def test_held_out_items_are_y_if_nothing_else_is_said():
    with pytest.raises(ValueError, match=r"^y has no held-out items"):
        held_out_ranks([-1, -1, -1], (3, 4), SCORES.__getitem__, None)


HELD_OUT = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "y_true",
    [[1, 0, -1], sp.csr_matrix(HELD_OUT), sp.coo_array(HELD_OUT), HeldOut(sp.csr_array(HELD_OUT))],
)
def test_forms_of_held_out_items(y_true):
    assert hit_ratio_score(y_true, SCORES, k=2) == 0.5
    assert ndcg_score(y_true, SCORES, k=2) == pytest.approx(0.5 / np.log2(3))


SEEN = np.array([[2, 0, 0, 0], [0, 0, 0, 5], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "seen",
    [
        SEEN,
        SEEN.tolist(),
        SEEN.astype(bool),
        sp.csr_matrix(SEEN),
        sp.csc_array(SEEN),
        sp.coo_array(SEEN),
        sp.lil_array(SEEN),
        sp.csr_array((np.zeros(2), [0, 3], [0, 1, 2, 2]), shape=(3, 4)),  # stored zeros
    ],
    ids=["dense", "list", "bool", "csr_matrix", "csc", "coo", "lil", "zeros"],
)
def test_forms_of_seen_items(seen):
    assert hit_ratio_score([1, 2, -1], SCORES, k=1, seen=seen) == 1.0
    assert target_hit_ratio_score(SCORES, [0, 3], k=4, seen=seen) == pytest.approx(4 / 6)
    with pytest.warns(UserWarning, match="1 of 1 held-out"):
        hit_ratio_score([0, -1, -1], SCORES, seen=seen)


@pytest.mark.parametrize(
    "convert", [np.float32, np.ndarray.tolist, np.asfortranarray, pd.DataFrame]
)
def test_forms_of_scores(convert):
    y_score = convert(SCORES)
    assert hit_ratio_score([1, 0, -1], y_score, k=2) == 0.5
    assert ndcg_score([1, 0, -1], y_score, k=2) == pytest.approx(0.5 / np.log2(3))
    assert target_hit_ratio_score(y_score, [0, 1], k=2) == pytest.approx(4 / 6)


def test_integer_scores():
    assert hit_ratio_score([1, 2], np.array([[3, 1, 2], [1, 2, 3]]), k=1) == 0.5


def test_arguments_are_not_modified():
    y_score = SCORES.copy()
    y_score.flags.writeable = False
    seen = sp.csr_array((np.array([0.0, 4.0]), [3, 0], [0, 2, 2, 2]), shape=(3, 4))
    y_true = sp.csr_array(([7, 0], [2, 1], [0, 2, 2, 2]), shape=(3, 4))
    hit_ratio_score(y_true, y_score, seen=seen)
    ndcg_score(y_true, y_score, seen=seen)
    target_hit_ratio_score(y_score, [0], seen=seen)
    assert_array_equal(y_score, SCORES)
    assert_array_equal(seen.data, [0, 4])
    assert_array_equal(seen.indices, [3, 0])
    assert_array_equal(y_true.data, [7, 0])
    assert_array_equal(y_true.indices, [2, 1])


def test_blocks_of_rows_do_not_change_the_result():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 20, size=(50, 40)) / 4
    seen = sp.csr_array(rng.random(scores.shape) < 0.2)
    y_true = sp.csr_array((rng.random(scores.shape) < 0.2) & ~seen.toarray())

    def compute():
        return (
            hit_ratio_score(y_true, scores, k=9, seen=seen),
            ndcg_score(y_true, scores, k=9, seen=seen),
            target_hit_ratio_score(scores, [3, 30], k=9, seen=seen),
        )

    at_once = compute()
    with sklearn.config_context(working_memory=0.002):  # three rows
        assert compute() == at_once
    assert 0 < min(at_once) < max(at_once) < 1


def test_results_are_python_floats():
    assert type(hit_ratio_score([1, 0, -1], SCORES)) is float
    assert type(ndcg_score([1, 0, -1], SCORES)) is float
    assert type(target_hit_ratio_score(SCORES, [0])) is float


METRICS = {
    "hit_ratio": lambda y_score, **options: hit_ratio_score([0, 1, 2], y_score, **options),
    "ndcg": lambda y_score, **options: ndcg_score([0, 1, 2], y_score, **options),
    "target_hit_ratio": lambda y_score, **options: target_hit_ratio_score(y_score, [0], **options),
}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
class TestBadArguments:
    @pytest.mark.parametrize("k", [0, -3, 2.5, True, "many", None])
    def test_k(self, metric, k):
        with pytest.raises(ValueError, match="k, the length of the list, must be an integer >= 1"):
            metric(SCORES, k=k)

    def test_nan_scores(self, metric):
        with pytest.raises(ValueError, match="Scores contain NaN"):
            metric(np.where(SCORES == 0.1, np.nan, SCORES))

    def test_scores_that_are_not_a_matrix(self, metric):
        with pytest.raises(ValueError, match="Expected 2D array"):
            metric(SCORES[0])

    def test_shape_of_seen(self, metric):
        with pytest.raises(
            ValueError, match=r"seen must have the shape of the scores, \(3, 4\), rows are users"
        ):
            metric(SCORES, seen=sp.csr_array((4, 3)))

    @pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
    def test_shape_of_empty_seen(self, metric, shape):
        with pytest.raises(ValueError, match="seen must have the shape of the scores"):
            metric(SCORES, seen=np.empty(shape))

    def test_nan_in_dense_seen(self, metric):
        with pytest.raises(ValueError, match="Input seen contains NaN"):
            metric(SCORES, seen=np.full((3, 4), np.nan))


@pytest.mark.parametrize("metric", [hit_ratio_score, ndcg_score])
@pytest.mark.parametrize(
    ("y_true", "message"),
    [
        (None, "y_true holds the held-out items, needed to score"),
        ([-1, -1, -1], "y_true has no held-out items"),
        (sp.csr_array((3, 4)), "y_true has no held-out items"),
        ([0, 1], "X has 3 rows, y_true has 2 entries"),
        ([0, 1, 4], "y_true must hold item indices from 0 to 3"),
        (sp.csr_array((4, 3)), "y_true must have the shape of X"),
    ],
)
def test_bad_held_out_items(metric, y_true, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, SCORES)


@pytest.mark.parametrize("target_items", [[], [0, 0], [4], [-1], [[0]], [0.5], [True]])
def test_bad_target_items(target_items):
    with pytest.raises(ValueError, match="target_items"):
        target_hit_ratio_score(SCORES, target_items)
