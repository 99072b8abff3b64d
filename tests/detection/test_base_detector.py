"""The contract of detectors: thresholds, trusted users, and groups that know their members."""

import dataclasses
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skrecsec.attacks import AverageAttackTransformer
from skrecsec.base import BaseProfileDetector, SuspiciousGroup
from skrecsec.base._detector import GroupList
from skrecsec.datasets import make_ratings
from skrecsec.detection import LockstepDetector


@pytest.fixture
def group():
    return SuspiciousGroup(np.array([2, 5]), np.array([0, 2, 3]), 4.0, 2, 2, 0.123456, 7.891)


# ------------------------------------------------------------------------------------------ groups


def test_notebooks_show_groups_as_a_table(group):
    more = dataclasses.replace(group, users=np.arange(25), or_more=True)
    page = GroupList([group, more])._repr_html_()
    first, second = re.findall("<tr><td>(.*?)</td></tr>", page)
    assert first.split("</td><td>") == ["2, 5", "0, 2, 3", "4", "2 of 3", "2", "0.123", "7.9 nats"]
    assert second.startswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (25 in all)</td>")
    assert "4 or more" in second
    assert group._repr_html_() == GroupList([group])._repr_html_()


def test_notebooks_show_that_there_is_no_group():
    assert "No groups" in GroupList()._repr_html_()


def test_the_groups_of_a_detector_are_a_list_that_notebooks_show():
    X = AverageAttackTransformer(attack_size=12, random_state=0).fit_transform(
        make_ratings(200, 100, density=0.1, random_state=0)
    )
    groups = LockstepDetector().fit(X).groups_
    assert isinstance(groups, list)
    assert groups._repr_html_().count("<td>") == 7 * len(groups) > 0
    assert [repr(group) for group in pickle.loads(pickle.dumps(groups))] == list(map(repr, groups))


PROFILES = np.array(
    [
        [4, 0, 4, 4, 1],
        [4, 4, 4, 0, 4],
        [4, 4, 0, 0, 4],
        [4, 0, 5, 0, 0],
        [5, 0, 5, 3, 0],
        [0, 0, 0, 0, 4],
    ],
    dtype=float,
)


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.coo_array, sp.csc_matrix])
@pytest.mark.parametrize(
    ("or_more", "min_items", "expected"),
    [(False, 2, [0, 1]), (True, 2, [0, 1, 3, 4]), (False, 1, [0, 1, 2, 3]), (True, 3, [0])],
)
def test_profiles_match_that_give_enough_of_the_items_the_level(
    group, container, or_more, min_items, expected
):
    group = dataclasses.replace(group, or_more=or_more, min_items=min_items)
    found = group.matches(container(PROFILES))
    assert found.dtype == bool
    assert found.shape == (6,)
    assert np.flatnonzero(found).tolist() == expected
    given = PROFILES[:, group.items]
    plain = (given >= 4) if or_more else (given == 4)
    np.testing.assert_array_equal(found, plain.sum(axis=1) >= min_items)


def test_levels_are_the_same_up_to_rounding(group):
    X = PROFILES * (1 + 1e-12)
    np.testing.assert_array_equal(group.matches(X), group.matches(PROFILES))


def test_new_profiles_may_be_more_or_fewer_and_have_further_items(group):
    X = np.hstack([np.tile(PROFILES, (3, 1)), np.full((18, 2), 4.0)])
    assert np.flatnonzero(group.matches(X)).tolist() == [0, 1, 6, 7, 12, 13]
    assert group.matches(PROFILES[:1]).tolist() == [True]
    assert group.matches(PROFILES[:, :4]).tolist() == [True, True, False, False, False, False]
    frame = pd.DataFrame(PROFILES, columns=list("abcde"))
    np.testing.assert_array_equal(group.matches(frame), group.matches(PROFILES))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 3)), "X has 3 items, and the group rates item 3"),
        (np.array([[4.0, 0, 4, -4]]), "X"),
        (np.array([[4.0, 0, 4, np.nan]]), "X"),
        (np.ones(5), "X|2D"),
    ],
)
def test_what_is_no_rating_matrix_of_the_items_does_not_match(group, X, message):
    with pytest.raises(ValueError, match=message):
        group.matches(X)


def test_a_group_without_items_has_everybody_or_nobody(group):
    nothing = np.empty(0, dtype=int)
    group = dataclasses.replace(group, items=nothing)
    assert not group.matches(PROFILES).any()
    assert dataclasses.replace(group, min_items=0).matches(PROFILES).all()


def test_groups_say_what_they_are(group):
    facts = "items=[0, 2, 3], level=4, min_items=2, n_users=2, expected=0.123, score=7.9)"
    assert repr(group) == f"SuspiciousGroup({facts}"
    more = repr(dataclasses.replace(group, or_more=True))
    assert more == f"SuspiciousGroup({facts.replace('level=4', 'level=4 or more')}"


def test_groups_cannot_be_changed_and_are_themselves(group):
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.score = 9.0
    assert group == group
    assert group != dataclasses.replace(group)
    assert not group.or_more


# --------------------------------------------------------------------------------------- detectors


class Sizes(BaseProfileDetector):
    """Takes the number of ratings for the score; explains who is fake; keeps what it is given."""

    def _judge(self, X, is_trusted, times=None):
        self.trusted_seen_, self.times_seen_ = is_trusted, times
        return np.diff(X.indptr).astype(float), 3.0, "why"

    def _find_groups(self, evidence, labels):
        return [(evidence, np.flatnonzero(labels == -1).tolist())]


class Silent(BaseProfileDetector):
    def _judge(self, X, is_trusted):
        return np.diff(X.indptr).astype(float), 3.0, None


@pytest.fixture
def sized():
    """Return ten profiles, of one to ten ratings."""
    return np.tri(10, 12)


def test_who_is_below_the_threshold_is_fake(sized):
    detector = Sizes()
    assert detector.fit(sized) is detector
    assert detector.labels_.tolist() == [-1, -1] + [1] * 8
    assert detector.profile_scores_.tolist() == list(range(1, 11))
    assert detector.offset_ == 3.0
    assert detector.groups_ == [("why", [0, 1])]
    assert detector.n_features_in_ == 12
    assert not detector.trusted_seen_.any()
    assert detector.times_seen_ is None
    assert Silent().fit(sized).groups_ == []


def test_a_share_is_a_quantile_of_the_scores(sized):
    for share, n_fake in ((0.1, 1), (0.2, 2), (0.45, 5), (0.5, 5)):
        detector = Sizes(contamination=share).fit(sized)
        assert detector.offset_ == pytest.approx(np.percentile(range(1, 11), 100 * share))
        assert isinstance(detector.offset_, float)
        assert (detector.labels_ == -1).sum() == n_fake
        assert detector.groups_ == [("why", list(range(n_fake)))]


def test_labels_are_copies(sized):
    detector = Sizes()
    labels = detector.fit_predict(sized)
    labels[:] = 7
    assert detector.labels_.tolist() == [-1, -1] + [1] * 8
    assert (Silent().fit_predict(sized, None) == detector.labels_).all()


@pytest.mark.parametrize("trusted", [[0], np.array([0]), (0.0,), pd.Series([0, 0])])
def test_trusted_users_are_genuine(sized, trusted):
    detector = Sizes(trusted_users=trusted).fit(sized)
    assert detector.trusted_seen_.tolist() == [True] + [False] * 9
    assert detector.labels_.tolist() == [1, -1] + [1] * 8
    # As good as the best profile, the others as they were.
    assert detector.profile_scores_.tolist() == [10, *range(2, 11)]
    assert detector.groups_ == [("why", [1])]


def test_trusted_users_are_above_a_threshold_that_nobody_reaches(sized):
    class Strict(Silent):
        def _judge(self, X, is_trusted):
            return np.zeros(X.shape[0]), 3.0, None

    detector = Strict(trusted_users=[4]).fit(sized)
    assert detector.labels_.tolist() == [-1] * 4 + [1] + [-1] * 5
    assert detector.profile_scores_[4] == 3.0


def test_no_trusted_users_are_none(sized):
    expected = Sizes().fit(sized)
    detector = Sizes(trusted_users=[]).fit(sized)
    np.testing.assert_array_equal(detector.profile_scores_, expected.profile_scores_)


@pytest.mark.parametrize(
    "trusted", [[10], [-1], [0.5], [[1]], ["u1"], [np.nan], np.array([True] * 10)]
)
def test_trusted_users_are_rows(sized, trusted):
    detector = Sizes(trusted_users=trusted)
    with pytest.raises(ValueError, match="trusted_users"):
        detector.fit(sized)
    with pytest.raises(NotFittedError):
        check_is_fitted(detector)


@pytest.mark.parametrize("share", [0, 0.51, -0.1, 1, "many", None, True])
def test_shares_are_at_most_a_half(sized, share):
    with pytest.raises(ValueError, match="contamination"):
        Silent(contamination=share).fit(sized)


@pytest.mark.parametrize("trusted", [3, "first"])
def test_trusted_users_are_an_array(sized, trusted):
    with pytest.raises(ValueError, match="trusted_users"):
        Silent(trusted_users=trusted).fit(sized)


def test_times_are_given_to_who_asks_for_them(sized):
    X = sp.csr_array(sized)
    detector = Sizes()
    detector._fit(X, np.arange(55))
    np.testing.assert_array_equal(detector.times_seen_, np.arange(55))
    with pytest.raises(ValueError, match="timestamps"):
        detector._fit(X, np.arange(54))


def test_tags_and_clones(sized):
    tags = get_tags(Sizes())
    assert tags.estimator_type == "outlier_detector"
    assert tags.input_tags.sparse
    assert tags.input_tags.positive_only
    assert not tags.target_tags.required
    detector = clone(Sizes(contamination=0.3, trusted_users=[1])).fit(sized)
    assert detector.get_params() == {"contamination": 0.3, "trusted_users": [1]}
    with pytest.raises(TypeError):
        BaseProfileDetector()
    with pytest.raises(ValueError, match="X"):
        Silent().fit(-sized)
