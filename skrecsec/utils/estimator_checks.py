"""Checks for estimators of this kind, for use on your own.

`check_estimator`'s checks of scikit-learn hold for recommenders, attacks and detectors too, but for
those named by `expected_failed_checks`; the generators here add what is particular to them.
What an estimator is shows in its tags (`estimator_type`), or in what it can do: nothing has to be
inherited from. A check that fails says which rule is broken, and what it saw::

    import pytest
    from skrecsec.utils.estimator_checks import parametrize_with_checks

    @parametrize_with_checks([MyRecommender(), MyAttackTransformer()])
    def test_estimator(estimator, check):
        check(estimator)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sklearn.utils.estimator_checks import parametrize_with_checks as _sklearn_parametrize

from skrecsec.utils._estimator_checks._attacks import (
    check_attack_in_pipeline,
    check_attack_sees_known_users_only,
    check_poison_is_appended_at_fit_only,
    check_poison_is_valid,
)
from skrecsec.utils._estimator_checks._common import (
    BAD_RATINGS,
    check_arguments_are_not_modified,
    check_bad_indices_are_refused,
    check_bad_ratings_are_refused,
    check_both_sparse_containers,
    check_failed_fit_leaves_nothing_half,
    check_global_random_state_untouched,
    check_pickle_keeps_results,
    check_results_belong_to_the_caller,
    check_same_seed_same_bits,
)
from skrecsec.utils._estimator_checks._detectors import (
    check_detector_does_not_depend_on_order,
    check_detector_stands_empty_rows,
    check_labels_follow_from_scores,
    check_share_is_what_was_asked_for,
    check_trusted_users_are_never_flagged,
)
from skrecsec.utils._estimator_checks._evasion import (
    check_attack_evades_a_detector,
    check_lengths_keep_to_the_budget,
    check_targets_are_shared_out,
    check_targets_get_the_levels,
)
from skrecsec.utils._estimator_checks._recommenders import (
    check_empty_profiles_get_what_is_popular,
    check_empty_rows_and_columns,
    check_in_sample_predictions_agree,
    check_predict_is_pure,
    check_recommend_is_the_top_of_predict,
    check_recommend_masks_rated_items,
)
from skrecsec.utils._estimator_checks._tools import kind_of
from skrecsec.utils._signatures import describe

__all__ = [
    "attack_checks",
    "detector_checks",
    "expected_failed_checks",
    "parametrize_with_checks",
    "recommender_checks",
]

# The checks of scikit-learn that each kind of estimator fails by design, and why.
_EXPECTED_FAILURES = {
    "attack": dict.fromkeys(
        ["check_transformer_general", "check_transformer_data_not_an_array"],
        "fit_transform appends fake profiles, transform does not",
    ),
    "recommender": dict.fromkeys(
        ["check_estimator_sparse_array", "check_estimator_sparse_matrix"],
        "predictions are 2-D, one row of ratings per profile",
    ),
    "detector": {"check_outliers_fit_predict": "ratings are positive, and may all be genuine"},
}


def expected_failed_checks(estimator) -> dict[str, str]:
    """Return the checks of scikit-learn that an estimator fails by design, with the reasons.

    Parameters
    ----------
    estimator : estimator instance
        A recommender, an attack transformer or a detector; for others there are none.

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
    kind = kind_of(estimator) or ""
    checks = dict(_EXPECTED_FAILURES.get(kind, {}))
    if kind == "detector" and hasattr(estimator, "predict"):
        checks["check_outliers_train"] = "ratings are positive, and may all be genuine"
    return checks


def parametrize_with_checks(estimators: list) -> Callable:
    """Parametrise a test with scikit-learn's checks and ours; expected failures are strict.

    Parameters
    ----------
    estimators : list of estimators
        Recommenders, attack transformers and detectors.

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
    checks = {
        "attack": attack_checks,
        "detector": detector_checks,
        "recommender": recommender_checks,
    }
    return checks.get(kind_of(estimator) or "", lambda: ())()


@describe
def recommender_checks() -> Iterator[Callable]:
    """Yield the checks of the recommender contract; each takes an estimator.

    %(checks)s

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
    yield check_empty_profiles_get_what_is_popular
    yield check_in_sample_predictions_agree
    yield from _common_checks()


@describe
def attack_checks() -> Iterator[Callable]:
    """Yield the checks of the attack contract; each takes an estimator.

    %(checks)s

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
    yield check_targets_are_shared_out
    yield check_targets_get_the_levels
    yield check_lengths_keep_to_the_budget
    yield check_attack_evades_a_detector
    yield from _common_checks()


@describe
def detector_checks() -> Iterator[Callable]:
    """Yield the checks of the detector contract; each takes an estimator.

    %(checks)s

    Examples
    --------
    >>> from skrecsec.detection import LockstepDetector
    >>> from skrecsec.utils.estimator_checks import detector_checks
    >>> for check in detector_checks():
    ...     check(LockstepDetector())
    """
    yield check_labels_follow_from_scores
    yield check_share_is_what_was_asked_for
    yield check_trusted_users_are_never_flagged
    yield check_detector_does_not_depend_on_order
    yield check_detector_stands_empty_rows
    yield from _common_checks()


def _common_checks():
    yield check_same_seed_same_bits
    yield check_global_random_state_untouched
    yield check_pickle_keeps_results
    yield check_both_sparse_containers
    yield check_arguments_are_not_modified
    yield check_results_belong_to_the_caller
    yield check_failed_fit_leaves_nothing_half
    yield check_bad_indices_are_refused
    for case, error in BAD_RATINGS:
        yield partial(check_bad_ratings_are_refused, case=case, error=error)
