"""Checks that hold for all kinds: same bits, nothing modified, nothing half, bad input refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from skrecsec.utils._estimator_checks._faults import (
    broken_matrices,
    count_calls,
    interrupted,
    restored_globals,
)
from skrecsec.utils._estimator_checks._tools import (
    calls,
    expect,
    fitted_bits,
    make_test_ratings,
    prepared,
    states_its_rule,
)
from skrecsec.utils._sparse import fresh_csr


@states_its_rule
def check_same_seed_same_bits(estimator):
    """The same random_state gives the same bits, whatever was fitted in between."""
    X = make_test_ratings()
    first = fitted_bits(prepared(estimator).fit(X))
    prepared(estimator, seed=1).fit(make_test_ratings(seed=1))
    expect(fitted_bits(prepared(estimator).fit(X)) == first, "a second fit gives other results")


@states_its_rule
def check_global_random_state_untouched(estimator):
    """Fitting with an int seed neither reads nor changes NumPy's global random state."""
    before = np.random.get_state()
    prepared(estimator).fit(make_test_ratings())
    same = all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state(), strict=True))
    expect(same, "after fit, the global random state is another")


@states_its_rule
def check_pickle_keeps_results(estimator):
    """A fitted estimator survives pickling unchanged."""
    fitted = prepared(estimator).fit(make_test_ratings())
    same = fitted_bits(pickle.loads(pickle.dumps(fitted))) == fitted_bits(fitted)
    expect(same, "the unpickled estimator gives other results")


@states_its_rule
def check_both_sparse_containers(estimator):
    """csr_array, csr_matrix, other formats and dense input give the same results."""
    X = make_test_ratings()
    expected = fitted_bits(prepared(estimator).fit(X))
    for other in (sp.csr_matrix(X), sp.coo_array(X), sp.csc_matrix(X), X.toarray()):
        same = fitted_bits(prepared(estimator).fit(other)) == expected
        expect(same, f"{type(other).__name__} gives other results than csr_array")


BAD_RATINGS = [
    ("nan", "NaN"),
    ("infinite", "infinity"),
    ("negative", "Negative values in data"),
    ("explicit zero", "explicit zeros"),
    ("no ratings", "no ratings"),
]


@states_its_rule
def check_bad_ratings_are_refused(estimator, case, error):
    """Ratings that are none give a ValueError that says so, before anything is computed."""
    X = make_test_ratings()
    if case == "no ratings":
        X = sp.csr_array(X.shape)
    else:
        X.data[3] = {"nan": np.nan, "infinite": np.inf, "negative": -1, "explicit zero": 0}[case]
    message = _refusal(prepared(estimator).fit, X)
    expect(message is not None, f"a matrix with {case} is accepted")
    expect(error in message, f"{case}: the message does not say so: {message}")


@states_its_rule
def check_bad_indices_are_refused(estimator):
    """A sparse matrix whose indices lie outside of its shape gives a ValueError, in any format."""
    X = make_test_ratings()
    for method, call in calls(estimator, X):
        for fault, broken in broken_matrices(X):
            message = _refusal(call, broken)
            expect(message is not None, f"{method} accepts {fault}")


def _refusal(call, X):
    """Return the message of the ValueError that a call raises, or None."""
    try:
        call(X)
    except ValueError as error:
        return str(error)
    return None


# --- what belongs to others -----------------------------------------------------------------------


@states_its_rule
def check_arguments_are_not_modified(estimator):
    """No method modifies the ratings that it is given, or needs to be allowed to."""
    X = make_test_ratings()
    for method, call in calls(estimator, X):
        for form, argument, arrays in _forms(X):
            before = [array.tobytes() for array in arrays]
            try:
                call(argument)
            except ValueError as error:
                raise AssertionError(f"{method}, given {form}, raises: {error}") from error
            after = [array.tobytes() for array in arrays]
            same_flags = not sp.issparse(argument) or _flags(argument) == _flags(
                fresh_csr(argument)
            )
            expect(before == after, f"{method} modifies {form}")
            expect(same_flags, f"{method} modifies what {form} says of itself")


def _forms(X) -> Iterator[tuple]:
    """Yield ratings in several forms, with the arrays that they consist of."""
    for name, ratings, is_writeable in (
        ("a read-only csr_array", X, False),
        ("a read-only csr_array with unsorted indices", _unsorted(X), False),
        ("a csr_array with unsorted indices", _unsorted(X), True),
    ):
        arrays = [array.copy() for array in (ratings.data, ratings.indices, ratings.indptr)]
        for array in arrays:
            array.flags.writeable = is_writeable
        yield name, sp.csr_array(tuple(arrays), shape=X.shape), arrays
    dense = X.toarray()
    dense.flags.writeable = False
    yield "a read-only dense array", dense, [dense]


def _unsorted(X):
    """Return the same ratings, the indices of each row in descending order."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.lexsort((-X.indices, rows))
    return sp.csr_array((X.data[order], X.indices[order], X.indptr), shape=X.shape)


def _flags(X):
    return X.has_sorted_indices, X.has_canonical_format


@states_its_rule
def check_results_belong_to_the_caller(estimator):
    """Writing into a result changes neither later results nor the ratings it was made from."""
    X = make_test_ratings()
    for method, call in calls(estimator, X):
        if method == "fit":
            continue
        argument = X.copy()
        result = call(argument)
        before = _values(result).copy()
        if _values(result).flags.writeable:
            _values(result)[...] = 0
        expect(
            np.array_equal(argument.data, X.data) or method == "transform",
            f"who writes into the result of {method} writes into the ratings",
        )
        again = _values(call(X.copy()))
        expect(
            np.array_equal(again, before),
            f"who writes into the result of {method} changes the next one",
        )


def _values(result):
    return result.data if sp.issparse(result) else result


# --- fits that fail -------------------------------------------------------------------------------


@states_its_rule
def check_failed_fit_leaves_nothing_half(estimator, n_points=10):
    """A fit that fails or is interrupted leaves the estimator as it was before, or not fitted.

    An error and Ctrl-C are raised at calls of Python functions, `n_points` spread evenly over a
    fit, in a fit that is the first and in one that follows on a fit to ratings of another shape.
    """
    X, other = make_test_ratings(), make_test_ratings(28, 45, seed=1)
    sample = prepared(estimator).fit(other)  # compiles and imports what there is
    n_calls = count_calls(lambda: sample.fit(other))
    n_raised = 0
    # A fit may take long, and twice as many would be made as are made to fail.
    fits = {"first": prepared(estimator), "second": prepared(estimator).fit(X)}
    with restored_globals():
        for number in np.unique(np.linspace(1, n_calls, n_points + 1, dtype=int)[:-1]):
            for exception in (ValueError, KeyboardInterrupt):
                for state in ("first", "second"):
                    fitted = copy.deepcopy(fits[state])
                    before = _state(fitted, X)
                    place = interrupted(lambda f=fitted: f.fit(other), number, exception)
                    if place is None:
                        continue  # somebody below has handled it, and fit has succeeded
                    n_raised += 1
                    after = _state(fitted, X)
                    expect(
                        after in (before, "not fitted"),
                        f"a {state} fit, ended by {exception.__name__} in {place}, leaves {after} "
                        f"in place of {before}",
                    )
    expect(n_raised > 0, "no fit could be made to fail")


class _State(tuple):
    """What can be seen of a fitted estimator; for messages, in short."""

    def __repr__(self):
        return f"a model of {self[0]} items ({hash(self[1]) % 10**6})"


def _state(estimator, X):
    try:
        bits = fitted_bits(estimator, X) if hasattr(estimator, "predict") else b""
        if hasattr(estimator, "profile_scores_"):
            bits = fitted_bits(estimator)
        if hasattr(estimator, "transform"):
            estimator.transform(X)
            bits = fitted_bits(estimator, X)
    except NotFittedError:
        return "not fitted"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return _State((getattr(estimator, "n_features_in_", None), bits))
