"""Checks of the contract of detectors."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._estimator_checks._tools import (
    expect,
    make_test_ratings,
    prepared,
    states_its_rule,
)


@states_its_rule
def check_labels_follow_from_scores(estimator):
    """Labels are -1 where the score of a profile is below the offset, and 1 elsewhere."""
    X = make_test_ratings()
    fitted = prepared(estimator).fit(X)
    expect(fitted.profile_scores_.shape == X.shape[:1], "there is no score for each profile")
    expect(np.isfinite(fitted.profile_scores_).all(), "a score is not finite")
    expected = np.where(fitted.profile_scores_ < fitted.offset_, -1, 1)
    expect(np.array_equal(fitted.labels_, expected), "labels_ do not follow from scores")
    labels = prepared(estimator).fit_predict(X)
    expect(np.array_equal(labels, expected), "fit_predict does not return labels_")
    for group in fitted.groups_:
        expect(
            group.users.size and group.users.max() < X.shape[0] and group.users.min() >= 0,
            "a group has members that are no rows",
        )


@states_its_rule
def check_share_is_what_was_asked_for(estimator):
    """With a share as contamination, at most that share of the profiles is called fake."""
    X = make_test_ratings()
    labels = prepared(estimator).set_params(contamination=0.1).fit(X).labels_
    n_fake = (labels == -1).sum()
    expect(n_fake <= 0.1 * X.shape[0], f"{n_fake} of {X.shape[0]} are called fake at 0.1")


@states_its_rule
def check_trusted_users_are_never_flagged(estimator):
    """Trusted users are called genuine whatever the detector thinks; wrong ones are refused."""
    X = make_test_ratings()
    fitted = prepared(estimator).set_params(contamination=0.1).fit(X)
    worst = np.argsort(fitted.profile_scores_)[:3]
    fitted = prepared(estimator).set_params(contamination=0.1, trusted_users=worst).fit(X)
    expect((fitted.labels_[worst] == 1).all(), "a trusted user is called fake")
    try:
        prepared(estimator).set_params(trusted_users=[X.shape[0]]).fit(X)
    except ValueError as error:
        expect("trusted_users" in str(error), "the message does not name trusted_users")
    else:
        expect(False, "a trusted user that is no row is not refused")


@states_its_rule
def check_detector_does_not_depend_on_order(estimator):
    """Other orders of users and items give the same scores in that order.

    It holds for detectors that draw nothing at random: what the others draw, such as whom a
    simulated attack copies, depends on the order, whatever the random state.
    """
    if "random_state" in estimator.get_params():
        return
    X = make_test_ratings()
    scores = prepared(estimator).fit(X).profile_scores_
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(X.shape[0]), rng.permutation(X.shape[1])
    for name, ratings, expected in (
        ("users", X[rows], scores[rows]),
        ("items", X[:, columns], scores),
    ):
        got = prepared(estimator).fit(ratings).profile_scores_
        same = np.allclose(got, expected, rtol=1e-6, atol=1e-6)
        expect(same, f"another order of {name} gives other scores")


@states_its_rule
def check_detector_stands_empty_rows(estimator):
    """Profiles and items without ratings are no error, and such a profile is not suspicious."""
    X = make_test_ratings()
    padded = sp.csr_array(sp.block_diag([X, sp.csr_array((2, 3))]))
    fitted = prepared(estimator).fit(padded)
    expect(np.isfinite(fitted.profile_scores_).all(), "a score is not finite")
    expect((fitted.labels_[-2:] == 1).all(), "a profile without ratings is called fake")
