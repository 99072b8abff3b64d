"""Checks of the recommender contract."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._estimator_checks._tools import (
    expect,
    make_test_ratings,
    prepared,
    states_its_rule,
)
from skrecsec.utils._scoring import profiles_for


@states_its_rule
def check_recommend_is_the_top_of_predict(estimator):
    """`recommend` returns the items with the highest predictions, best first; none with -inf."""
    X = make_test_ratings()
    fitted = prepared(estimator).fit(X)
    items = fitted.recommend(X, k=7, exclude_seen=False)
    expect(items.shape == (X.shape[0], 7), f"for k=7, lists of shape {items.shape}")
    _expect_same_lists(items, _best_items(fitted, X)[:, :7])


def _best_items(fitted, X):
    """Return the items by their predictions, -1 in place of those that are masked by -inf."""
    scores = np.asarray(fitted.predict(X))
    best = np.argsort(-scores, axis=1, kind="stable")
    return np.where(np.take_along_axis(scores, best, axis=1) == -np.inf, -1, best)


def _expect_same_lists(items, expected):
    wrong = np.flatnonzero((items != expected).any(axis=1))
    if wrong.size:
        row = wrong[0]
        raise AssertionError(f"for row {row}, {items[row]} is recommended, not {expected[row]}")


@states_its_rule
def check_recommend_masks_rated_items(estimator):
    """No rated item is recommended, and lists that run out of items end in -1."""
    X = make_test_ratings()
    fitted = prepared(estimator).fit(X)
    is_masked = (X.toarray() > 0) | (np.asarray(fitted.predict(X)) == -np.inf)
    for masked, row in zip(is_masked, fitted.recommend(X, k=X.shape[1]), strict=True):
        n_open = np.count_nonzero(~masked)
        offered = np.sort(row[:n_open])
        complete = np.array_equal(offered, np.flatnonzero(~masked))
        expect(complete, f"of the unrated items {np.flatnonzero(~masked)} come {offered}")
        expect((row[n_open:] == -1).all(), f"after the last item come {row[n_open:]}")


# What float32 leaves of scores, whatever they are handed out as, relative to their range.
_PRECISION = 1e-5


@states_its_rule
def check_predict_is_pure(estimator):
    """Predictions for a profile do not depend on the others asked for, nor on their order.

    They may differ as much as models in single precision do, with scores summed in another order.
    """
    X = make_test_ratings()
    fitted = prepared(estimator).fit(X)
    scores = np.asarray(fitted.predict(X))
    order = np.random.default_rng(0).permutation(X.shape[0])
    _expect_close(fitted.predict(X[order]), scores[order], "in another order")
    _expect_close(fitted.predict(X[[5]]), scores[[5]], "one at a time")


def _expect_close(scores, expected, how):
    scores, expected = np.asarray(scores, dtype=float), np.asarray(expected)
    expect(scores.shape == expected.shape, f"asked {how}, predictions of shape {scores.shape}")
    precision = max(_PRECISION, 8 * _resolution(expected.dtype))
    expected = expected.astype(float)
    finite = np.isfinite(expected)
    same_places = np.array_equal(finite, np.isfinite(scores))
    expect(same_places, f"asked {how}, other predictions are finite")
    scale = np.abs(expected[finite]).max(initial=0)
    largest = np.abs(scores[finite] - expected[finite]).max(initial=0)
    expect(
        largest <= precision * scale,
        f"asked {how}, predictions of up to {scale:.3g} differ by {largest:.3g}",
    )


def _resolution(dtype):
    return np.finfo(dtype).eps if dtype.kind == "f" else 0.0


@states_its_rule
def check_empty_rows_and_columns(estimator):
    """Users and items without ratings are legal, in `fit` and in `predict`."""
    X, empty = _with_empty_user_and_item()
    fitted = prepared(estimator).fit(X)
    for name, profiles in (("the training profiles", X), ("empty profiles", empty)):
        scores = np.asarray(fitted.predict(profiles))
        ranked = np.isfinite(scores) | (scores == -np.inf)  # which masks an item
        expect(ranked.all(), f"for {name}, scores are not finite")


@states_its_rule
def check_empty_profiles_get_what_is_popular(estimator):
    """A profile without ratings is recommended what is popular, or nothing, by every method."""
    X, empty = _with_empty_user_and_item()
    n_items = X.shape[1]
    counts = np.bincount(X.indices, minlength=n_items)
    fitted = prepared(estimator).fit(X)
    lists = fitted.recommend(empty, k=n_items)
    among_others = fitted.recommend(X, k=n_items)[[3]]
    for items in (*lists, *among_others):
        same = np.array_equal(items, lists[0])
        expect(same, f"one empty profile gets {lists[0]}, another {items}")
    if (lists == -1).all():
        return
    offered = lists[0][lists[0] >= 0]
    expect((np.diff(counts[offered]) <= 0).all(), f"{offered}, with {counts[offered]} ratings")
    _expect_same_lists(lists, _best_items(fitted, empty))
    ranks = profiles_for(fitted, empty).target_ranks(offered)
    expect((ranks == np.arange(offered.size)).all(), f"scorers see other places, {ranks[0]}")


def _with_empty_user_and_item():
    X = make_test_ratings().toarray()
    X[3] = 0
    X[:, 4] = 0
    return sp.csr_array(X), sp.csr_array((2, X.shape[1]))


@states_its_rule
def check_in_sample_predictions_agree(estimator):
    """`fit_predict` is `fit`, then `predict_training_rows` of all rows, where they exist."""
    X = make_test_ratings()
    fitted = prepared(estimator).fit(X)
    if not hasattr(fitted, "predict_training_rows"):
        return
    scores = np.asarray(fitted.predict_training_rows(np.arange(X.shape[0])))
    expect(scores.shape == X.shape, f"predictions of the training rows of shape {scores.shape}")
    some = np.array([7, 2])
    _expect_close(fitted.predict_training_rows(some), scores[some], "for two of the rows")
    if hasattr(estimator, "fit_predict"):
        _expect_close(prepared(estimator).fit_predict(X), scores, "by fit_predict")
