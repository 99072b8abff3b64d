"""Fakes that were made within a day: their bursts blame no genuine users; groups that tell more."""

import numpy as np
import scipy.sparse as sp

from skrecsec import GCoAttackTransformer, LockstepDetector
from skrecsec.base import SuspiciousGroup
from skrecsec.datasets import make_ratings
from skrecsec.detection._bursts import unexplained
from skrecsec.detection._lockstep import _telling

DAY, YEAR = 86400, 365 * 86400


def test_bursts_of_which_half_is_explained_blame_nobody_else():
    """The first item's burst is half explained, the second's a third, the third has none."""
    B = sp.csr_array(np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0]]))
    bursts = np.array([5.0, 6, 0, 5, 6, 6, 0, 0])  # row by row
    is_explained = np.array([True, False, False, False])
    expected = np.array([5.0, 6, 0, 0, 6, 6, 0, 0])
    np.testing.assert_array_equal(unexplained(bursts, B, is_explained), expected)
    nobody = np.zeros(4, dtype=bool)
    np.testing.assert_array_equal(unexplained(bursts, B, nobody), bursts)


def test_profiles_made_in_a_day_are_no_evidence_against_who_rated_that_day():
    genuine = make_ratings(400, 200, density=0.1, random_state=1)
    for seed in range(3):
        attack = GCoAttackTransformer(n_targets=1, attack_size=20, random_state=seed)
        X, rng = attack.fit_transform(genuine), np.random.default_rng(seed)
        is_fake = np.arange(X.shape[0]) >= 400
        times = rng.integers(0, YEAR, X.nnz)
        made = np.repeat(is_fake, np.diff(X.indptr))
        times[made] = YEAR // 2 + rng.integers(0, 20 * DAY, made.sum())
        without = LockstepDetector().fit(X)
        found = LockstepDetector().fit(X, timestamps=times)
        assert (without.labels_[is_fake] == -1).all()
        assert (found.labels_[is_fake] == -1).all()
        np.testing.assert_array_equal(found.labels_, without.labels_)


def test_groups_by_chance_are_left_out_where_better_ones_hold_their_fakes():
    def group(users, score):
        return SuspiciousGroup(np.array(users), np.array([0]), 5.0, 1, len(users), 1.0, score)

    groups = [group([0, 1], 9.0), group([0, 3], 4.0), group([0, 1, 3], -1.0), group([2, 3], -2.0)]
    is_fake = np.array([True, True, True, False])
    assert _telling(groups, is_fake) == [groups[0], groups[1], groups[3]]
    assert _telling([], is_fake) == []
