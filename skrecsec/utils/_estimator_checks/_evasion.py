"""Checks of what all attacks can do to be less conspicuous."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from skrecsec.utils._estimator_checks._tools import (
    expect,
    fitted_bits,
    make_test_ratings,
    prepared,
    states_its_rule,
)

_TARGETS = [2, 9, 4]
_SIZE = 9
_N_PROFILES = 7


def _fitted(estimator, X, **settings):
    """Return a fitted attack and its fake profiles, or None if it has no such parameters."""
    if not {"targets_per_profile", "evade"} <= set(estimator.get_params(deep=False)):
        return None, None
    attack = prepared(estimator).set_params(
        target_items=_TARGETS, attack_size=_N_PROFILES, n_fillers=_SIZE, goal="push", **settings
    )
    poison = sp.csr_array(attack.fit(X).poison_)
    expect(poison.shape == (_N_PROFILES, X.shape[1]), f"profiles of shape {poison.shape}")
    off = np.setdiff1d(poison.data, X.data)
    expect(off.size == 0, f"ratings {off}, which nobody else gives")
    expect(poison.nnz <= _N_PROFILES * _SIZE, f"{poison.nnz} ratings exceed the budget")
    return attack, poison


@states_its_rule
def check_targets_are_shared_out(estimator):
    """With `targets_per_profile`, all targets are rated by as many profiles, or one more."""
    attack, poison = _fitted(estimator, make_test_ratings(), targets_per_profile=2)
    if attack is None:
        return
    given = poison[:, _TARGETS].toarray()
    each = np.count_nonzero(given, axis=1)
    expect((each == 2).all(), f"profiles rate {each} targets, not 2")
    counts = np.count_nonzero(given, axis=0)
    expect(np.ptp(counts) <= 1, f"targets are rated by {counts} profiles")
    longest = np.diff(poison.indptr).max()
    expect(longest <= _SIZE, f"a profile rates {longest} items, the budget is {_SIZE}")


@states_its_rule
def check_targets_get_the_levels(estimator):
    """Targets are given the levels of `target_rating`, as often each."""
    X = make_test_ratings()
    for target_rating, levels in (("near-top", [4]), (3, [3, 4, 5])):
        attack, poison = _fitted(estimator, X, target_rating=target_rating)
        if attack is None:
            return
        for target in _TARGETS:
            found, counts = np.unique(poison[:, [target]].toarray(), return_counts=True)
            expect(found.tolist() == levels, f"{target_rating!r} gives a target {found}")
            expect(np.ptp(counts) <= 1, f"{target_rating!r} gives the levels {counts} times")


@states_its_rule
def check_lengths_keep_to_the_budget(estimator):
    """Genuine lengths and obfuscated fillers keep to the budget, and all targets are rated."""
    X = make_test_ratings()
    for settings in (
        {"obfuscation": "noise", "profile_lengths": "genuine"},
        {"obfuscation": "popular", "profile_lengths": "genuine"},
    ):
        attack, poison = _fitted(estimator, X, **settings)
        if attack is None:
            return
        n_rated = np.count_nonzero(poison[:, _TARGETS].toarray())
        expect(n_rated == 3 * _N_PROFILES, f"with {settings}, {n_rated} ratings of targets")
        known = np.diff(X.indptr)[attack.known_users_]
        longest = np.diff(poison.indptr).max()
        most = max(_SIZE, known.max())
        expect(longest <= most, f"with {settings}, a profile rates {longest} items, known {most}")


class _CountingDetector(BaseEstimator):
    """Flags who rates more than one target."""

    def fit_predict(self, X, y=None):
        n_rated = np.count_nonzero(sp.csr_array(X)[:, _TARGETS].toarray(), axis=1)
        return np.where(n_rated > 1, -1, 1)


@states_its_rule
def check_attack_evades_a_detector(estimator):
    """With a detector in the loop, the attack is what it is with the settings that were chosen."""
    X = make_test_ratings()
    # All levels from the start, so that there are few steps.
    settings = {"targets_per_profile": 2, "target_rating": 5, "max_detected": 0}
    attack, poison = _fitted(estimator, X, evade=_CountingDetector(), **settings)
    if attack is None:
        return
    flagged = _CountingDetector().fit_predict(poison) == -1
    expect(not flagged.any(), f"{flagged.sum()} of the profiles are flagged")
    chosen = dict(attack.evasion_)
    expect(chosen.pop("detected") == 0, f"evasion_ says {attack.evasion_}")
    expect(chosen.pop("n_tried") > 1, "the first step is evasive already")
    same = prepared(attack).set_params(evade=None, **chosen).fit(X)
    expect(fitted_bits(same) == fitted_bits(attack), f"the settings {chosen} give another attack")
