"""Checks of the attack contract."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skrecsec.utils._estimator_checks._tools import (
    expect,
    fitted_bits,
    has_threat_model,
    make_test_ratings,
    prepared,
    states_its_rule,
)


@states_its_rule
def check_poison_is_valid(estimator):
    """Fake profiles keep to the budget and the levels, and rate the targets as the goal demands."""
    X = make_test_ratings()
    if not has_threat_model(estimator):
        _expect_ratings(sp.csr_array(prepared(estimator).fit(X).poison_), X.shape[1])
        return
    for goal, target_rating in (("push", 5), ("nuke", 1)):
        attack = prepared(estimator).set_params(
            goal=goal, target_items=[2, 9], attack_size=6, n_fillers=8
        )
        poison = sp.csr_array(attack.fit(X).poison_)
        expect(poison.shape[0] == 6, f"{poison.shape[0]} profiles, the budget is 6")
        _expect_ratings(poison, X.shape[1])
        longest = np.diff(poison.indptr).max()
        expect(longest <= 8, f"a profile rates {longest} items, the budget is 8")
        ratings = np.setdiff1d(poison.data, X.data)
        expect(ratings.size == 0, f"ratings {ratings}, which nobody else gives")
        given = poison[:, [2, 9]].toarray()
        expect((given == target_rating).all(), f"to {goal}, the targets are rated {given}")


def _expect_ratings(poison, n_items):
    expect(poison.shape[1] == n_items, f"profiles of {poison.shape[1]} items instead of {n_items}")
    expect(poison.has_canonical_format, "unsorted indices, or two ratings for one item")
    valid = np.isfinite(poison.data).all() and (poison.data > 0).all()
    expect(valid, "ratings that are not finite and positive")


@states_its_rule
def check_poison_is_appended_at_fit_only(estimator):
    """`fit_transform` returns X and the fake profiles below it, `transform` returns X."""
    X = make_test_ratings()
    genuine = X.toarray()
    attack = prepared(estimator)
    poisoned = attack.fit_transform(X).toarray()
    expected = np.vstack([genuine, attack.poison_.toarray()])
    same = np.array_equal(poisoned, expected)
    expect(same, f"fit_transform returns other rows, {poisoned.shape[0]} of {expected.shape[0]}")
    shown = attack.transform(X).toarray()
    expect(np.array_equal(shown, genuine), f"transform returns other rows, {shown.shape[0]}")


@states_its_rule
def check_attack_sees_known_users_only(estimator):
    """Changing the profiles that the attacker does not know changes nothing."""
    if not has_threat_model(estimator):
        return
    X = make_test_ratings()
    attack = prepared(estimator).set_params(target_items=[2, 9], knowledge=0.5)
    before = fitted_bits(attack.fit(X))
    unknown = np.setdiff1d(np.arange(X.shape[0]), attack.known_users_)
    expect(unknown.size > 0, "with knowledge=0.5, everybody is known")
    other = X.toarray()
    other[unknown] = make_test_ratings(seed=1).toarray()[unknown]
    same = fitted_bits(prepared(attack).fit(sp.csr_array(other))) == before
    expect(same, "other profiles of unknown users give another attack")


class _Recorder(BaseEstimator):
    """Takes note of what it is trained on and asked about."""

    def fit(self, X, y=None):
        self.trained_on_ = X.toarray()
        return self

    def predict(self, X):
        self.asked_about_ = X.toarray()
        return np.zeros(X.shape)


@states_its_rule
def check_attack_in_pipeline(estimator):
    """In a pipeline the model is trained on poisoned profiles and asked about genuine ones."""
    X = make_test_ratings()
    genuine = X.toarray()
    attack, model = prepared(estimator), _Recorder()
    pipeline = make_pipeline(attack, model).fit(X)
    n_rows, n_expected = len(model.trained_on_), X.shape[0] + attack.poison_.shape[0]
    expect(n_rows == n_expected, f"the model is trained on {n_rows} rows, not {n_expected}")
    pipeline.predict(X)
    same = np.array_equal(model.asked_about_, genuine)
    expect(same, f"the model is asked about other profiles, {len(model.asked_about_)}")
