"""Checks for estimators of this kind, for use on your own.

`check_estimator`'s checks of scikit-learn hold for recommenders and attacks too, with the
exceptions named by `expected_failed_checks`; the generators here add what is particular to them::

    import pytest
    from skrecsec.utils.estimator_checks import parametrize_with_checks

    @parametrize_with_checks([MyRecommender(), MyAttackTransformer()])
    def test_estimator(estimator, check):
        check(estimator)
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks as _sklearn_parametrize

from skrecsec.base import BaseAttackTransformer, BaseRecommender

__all__ = [
    "attack_checks",
    "expected_failed_checks",
    "parametrize_with_checks",
    "recommender_checks",
]

_TWO_DIMENSIONAL = "predictions are 2-D, one row of ratings per profile"
_APPENDS_ROWS = "fit_transform appends fake profiles, transform does not"


def expected_failed_checks(estimator) -> dict[str, str]:
    """Return the checks of scikit-learn that an estimator fails by design, with the reasons.

    Parameters
    ----------
    estimator : estimator instance
        A recommender or an attack transformer; for others there are none.

    Returns
    -------
    checks : dict of str to str
        Names of checks and why they fail.

    See Also
    --------
    parametrize_with_checks : Runs all checks, and these as strict expected failures.

    Examples
    --------
    >>> from skrecsec.recommenders import MFRecommender
    >>> from skrecsec.utils.estimator_checks import expected_failed_checks
    >>> sorted(expected_failed_checks(MFRecommender()))
    ['check_estimator_sparse_array', 'check_estimator_sparse_matrix']
    """
    if isinstance(estimator, BaseAttackTransformer):
        names = ["check_transformer_general", "check_transformer_data_not_an_array"]
        return dict.fromkeys(names, _APPENDS_ROWS)
    if isinstance(estimator, BaseRecommender):
        names = ["check_estimator_sparse_array", "check_estimator_sparse_matrix"]
        return dict.fromkeys(names, _TWO_DIMENSIONAL)
    return {}


def parametrize_with_checks(estimators: list) -> Callable:
    """Parametrise a test with scikit-learn's checks and ours; expected failures are strict.

    Parameters
    ----------
    estimators : list of estimators
        Recommenders and attack transformers.

    Returns
    -------
    decorator : pytest.mark.parametrize
        For a test function of the arguments `estimator` and `check`.
    """
    import pytest

    theirs = _sklearn_parametrize(
        estimators, expected_failed_checks=expected_failed_checks, xfail_strict=True
    )
    ours = [
        pytest.param(estimator, check, id=f"{estimator!r}-{_check_name(check)}")
        for estimator in estimators
        for check in _our_checks(estimator)
    ]
    names, cases = theirs.args[:2]
    return pytest.mark.parametrize(names, [*cases, *ours], **theirs.kwargs)


def _check_name(check):
    return getattr(check, "func", check).__name__


def _our_checks(estimator):
    if isinstance(estimator, BaseRecommender):
        yield from recommender_checks()
    if isinstance(estimator, BaseAttackTransformer):
        yield from attack_checks()


def recommender_checks() -> Iterator[Callable]:
    """Yield the checks of the recommender contract; each takes an estimator.

    Yields
    ------
    check : callable
        ``check(estimator)`` raises an AssertionError if the estimator fails.

    See Also
    --------
    parametrize_with_checks : Runs these and scikit-learn's.

    Examples
    --------
    >>> from skrecsec.recommenders import MFRecommender
    >>> from skrecsec.utils.estimator_checks import recommender_checks
    >>> for check in recommender_checks():
    ...     check(MFRecommender(n_factors=4, max_iter=5))
    """
    yield check_recommend_is_the_top_of_predict
    yield check_recommend_masks_rated_items
    yield check_predict_is_pure
    yield check_empty_rows_and_columns
    yield from _common_checks()


def attack_checks() -> Iterator[Callable]:
    """Yield the checks of the attack contract; each takes an estimator.

    Yields
    ------
    check : callable
        ``check(estimator)`` raises an AssertionError if the estimator fails.

    See Also
    --------
    parametrize_with_checks : Runs these and scikit-learn's.

    Examples
    --------
    >>> from skrecsec.attacks import RandomAttackTransformer
    >>> from skrecsec.utils.estimator_checks import attack_checks
    >>> for check in attack_checks():
    ...     check(RandomAttackTransformer())
    """
    yield check_poison_is_valid
    yield check_poison_is_appended_at_fit_only
    yield check_attack_sees_known_users_only
    yield check_attack_in_pipeline
    yield from _common_checks()


def _common_checks():
    yield check_same_seed_same_bits
    yield check_global_random_state_untouched
    yield check_pickle_keeps_results
    yield check_both_sparse_containers
    for case, error in _BAD_RATINGS:
        check = partial(check_bad_ratings_are_refused, case=case, error=error)
        yield check


# --- data -----------------------------------------------------------------------------------------


def _ratings(n_users=40, n_items=30, seed=0):
    """Return a small rating matrix with some structure; every row and column has ratings."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(n_users, 2)) @ rng.normal(size=(2, n_items))
    ratings = np.clip(np.round(3 + taste), 1, 5)
    observed = rng.random((n_users, n_items)) < 0.3
    observed[np.arange(n_users), np.arange(n_users) % n_items] = True
    return sp.csr_array(np.where(observed, ratings, 0))


def _prepared(estimator, seed=0):
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    return estimator


def _fitted_bits(estimator):
    """Return what a fitted estimator has learned, as one byte string."""
    if isinstance(estimator, BaseAttackTransformer):
        poison = sp.csr_array(estimator.poison_)
        indices = poison.indices.astype(np.int64)  # whatever the container chose
        parts = [estimator.target_items_, estimator.known_users_, indices, poison.data]
    else:
        parts = [estimator.predict(_ratings())]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


# --- both kinds -----------------------------------------------------------------------------------


def check_same_seed_same_bits(estimator):
    """The same random_state gives the same bits, whatever was fitted in between."""
    X = _ratings()
    first = _fitted_bits(_prepared(estimator).fit(X))
    _prepared(estimator, seed=1).fit(_ratings(seed=1))
    assert _fitted_bits(_prepared(estimator).fit(X)) == first


def check_global_random_state_untouched(estimator):
    """Fitting with an int seed neither reads nor changes NumPy's global random state."""
    name, keys, *position = np.random.get_state()
    _prepared(estimator).fit(_ratings())
    name_after, keys_after, *position_after = np.random.get_state()
    np.testing.assert_array_equal(keys_after, keys)
    assert (name_after, *position_after) == (name, *position)


def check_pickle_keeps_results(estimator):
    """A fitted estimator survives pickling unchanged."""
    fitted = _prepared(estimator).fit(_ratings())
    assert _fitted_bits(pickle.loads(pickle.dumps(fitted))) == _fitted_bits(fitted)


def check_both_sparse_containers(estimator):
    """csr_array, csr_matrix, other formats and dense input give the same results."""
    X = _ratings()
    expected = _fitted_bits(_prepared(estimator).fit(X))
    for other in (sp.csr_matrix(X), sp.coo_array(X), sp.csc_matrix(X), X.toarray()):
        assert _fitted_bits(_prepared(estimator).fit(other)) == expected


_BAD_RATINGS = [
    ("nan", "NaN"),
    ("infinite", "infinity"),
    ("negative", "Negative values in data"),
    ("explicit zero", "explicit zeros"),
    ("no ratings", "no ratings"),
]


def check_bad_ratings_are_refused(estimator, case, error):
    """Ratings that are none give a ValueError that says so, before anything is computed."""
    X = _ratings()
    if case == "no ratings":
        X = sp.csr_array(X.shape)
    else:
        X.data[3] = {"nan": np.nan, "infinite": np.inf, "negative": -1, "explicit zero": 0}[case]
    message = _refusal(_prepared(estimator), X)
    assert message is not None, f"A matrix with {case} is accepted."
    assert error in message, f"{case}: the message does not say so: {message}"


def _refusal(estimator, X):
    """Return the message of the ValueError that `fit` raises, or None."""
    try:
        estimator.fit(X)
    except ValueError as error:
        return str(error)
    return None


# --- recommenders ---------------------------------------------------------------------------------


def check_recommend_is_the_top_of_predict(estimator):
    """`recommend` returns the items with the highest predictions, best first."""
    X = _ratings()
    fitted = _prepared(estimator).fit(X)
    scores = fitted.predict(X)
    items = fitted.recommend(X, k=7, exclude_seen=False)
    assert items.shape == (X.shape[0], 7)
    np.testing.assert_array_equal(items, np.argsort(-scores, axis=1, kind="stable")[:, :7])


def check_recommend_masks_rated_items(estimator):
    """No rated item is recommended, and lists that run out of items end in -1."""
    X = _ratings()
    fitted = _prepared(estimator).fit(X)
    items = fitted.recommend(X, k=X.shape[1])
    for rated, row in zip(X.toarray() > 0, items, strict=True):
        n_unrated = np.count_nonzero(~rated)
        np.testing.assert_array_equal(np.sort(row[:n_unrated]), np.flatnonzero(~rated))
        np.testing.assert_array_equal(row[n_unrated:], -1)


def check_predict_is_pure(estimator):
    """Predictions for a profile do not depend on the others asked for, nor on their order."""
    X = _ratings()
    fitted = _prepared(estimator).fit(X)
    scores = fitted.predict(X)
    order = np.random.default_rng(0).permutation(X.shape[0])
    np.testing.assert_allclose(fitted.predict(X[order]), scores[order], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.predict(X[[5]]), scores[[5]], rtol=1e-9, atol=1e-12)


def check_empty_rows_and_columns(estimator):
    """Users and items without ratings are legal, in `fit` and in `predict`."""
    X = _ratings().toarray()
    X[3] = 0
    X[:, 4] = 0
    fitted = _prepared(estimator).fit(sp.csr_array(X))
    assert np.isfinite(fitted.predict(sp.csr_array(X))).all()
    assert np.isfinite(fitted.predict(sp.csr_array((2, X.shape[1])))).all()


# --- attacks --------------------------------------------------------------------------------------


def check_poison_is_valid(estimator):
    """Fake profiles keep to the budget and the levels, and rate the targets as the goal demands."""
    X = _ratings()
    for goal, target_rating in (("push", 5), ("nuke", 1)):
        attack = _prepared(estimator).set_params(
            goal=goal, target_items=[2, 9], attack_size=6, n_fillers=8
        )
        poison = sp.csr_array(attack.fit(X).poison_)
        assert poison.shape == (6, X.shape[1])
        assert poison.has_canonical_format
        assert np.diff(poison.indptr).max() <= 8
        assert np.isin(poison.data, np.unique(X.data)).all()
        assert (poison[:, [2, 9]].toarray() == target_rating).all()


def check_poison_is_appended_at_fit_only(estimator):
    """`fit_transform` returns X and the fake profiles below it, `transform` returns X."""
    X = _ratings()
    attack = _prepared(estimator)
    poisoned = attack.fit_transform(X)
    np.testing.assert_array_equal(poisoned[: X.shape[0]].toarray(), X.toarray())
    np.testing.assert_array_equal(poisoned[X.shape[0] :].toarray(), attack.poison_.toarray())
    np.testing.assert_array_equal(attack.transform(X).toarray(), X.toarray())


def check_attack_sees_known_users_only(estimator):
    """Changing the profiles that the attacker does not know changes nothing."""
    X = _ratings()
    attack = _prepared(estimator).set_params(target_items=[2, 9], knowledge=0.5)
    before = _fitted_bits(attack.fit(X))
    unknown = np.setdiff1d(np.arange(X.shape[0]), attack.known_users_)
    assert unknown.size > 0
    other = X.toarray()
    other[unknown] = _ratings(seed=1).toarray()[unknown]
    assert _fitted_bits(_prepared(attack).fit(sp.csr_array(other))) == before


def check_attack_in_pipeline(estimator):
    """In a pipeline the model is trained on poisoned profiles and asked about genuine ones."""
    from skrecsec.recommenders import MFRecommender  # imports point the other way elsewhere

    X = _ratings()
    attack, model = _prepared(estimator), MFRecommender(n_factors=4, max_iter=5, random_state=0)
    pipeline = make_pipeline(attack, model).fit(X)
    assert pipeline[-1].user_factors_.shape[0] == X.shape[0] + attack.poison_.shape[0]
    assert pipeline.predict(X).shape == X.shape
