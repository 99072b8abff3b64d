"""Crowds of profiles that share items with look-alikes, counted by hand."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec.detection._crowds import find_crowd


def llr(n, e):
    return n * math.log(n / e) - (n - e) if n > e else 0.0


def crowded(n_members, n_shared, n_users=100):
    """Return a pattern in which members give the first items the level, and others two of 30."""
    B = np.zeros((n_users, n_shared + 30))
    rng = np.random.default_rng(0)
    for user in range(n_users):
        B[user, n_shared + rng.permutation(30)[:2]] = 1
    B[:n_members, n_shared:] = 0
    B[:n_members, :n_shared] = 1
    balls = np.where(np.arange(n_users) < n_members, 0.5, 0.0)
    return sp.csr_array(B), balls


@pytest.mark.parametrize(("n_members", "is_crowd"), [(0, False), (6, False), (7, True), (20, True)])
def test_seven_users_with_positive_evidence_are_a_crowd(n_members, is_crowd):
    B, balls = crowded(n_members, 1)
    crowd = find_crowd(B, balls, n_attackable=3, max_items=8)
    if not is_crowd:
        assert llr(n_members or 1, 1) < 6
        assert crowd.items.shape == (0,)
        assert crowd.surprise == 0
        np.testing.assert_array_equal(crowd.bonus, np.zeros(100))
        np.testing.assert_array_equal(crowd.n_shared, np.zeros(100))
        return
    assert crowd.items.tolist() == [0]
    assert crowd.surprise == pytest.approx(llr(n_members, 1))
    np.testing.assert_array_equal(crowd.n_shared, np.arange(100) < n_members)
    expected = np.where(np.arange(100) < n_members, -math.log(n_members / 100), 0)
    np.testing.assert_allclose(crowd.bonus, expected, atol=1e-12)


def test_the_bonus_goes_with_the_number_of_items_two_at_most():
    B, balls = crowded(10, 3, n_users=400)
    B = B.toarray()
    B[50:60, 0] = 1  # other raters of an item
    B[60:64, :2] = 1
    crowd = find_crowd(sp.csr_array(B), balls, n_attackable=3, max_items=8)
    n_shared = np.zeros(400, dtype=int)
    n_shared[:10] = n_shared[60:64] = 2
    n_shared[50:60] = 1
    assert crowd.items.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(crowd.n_shared, n_shared)
    at_least = {0: 1.0, 1: 24 / 400, 2: 14 / 400}
    expected = [-math.log(at_least[n]) for n in n_shared]
    np.testing.assert_allclose(crowd.bonus, expected, atol=1e-12)


def test_the_rarest_bonus_is_that_of_one_user_in_all():
    B, balls = crowded(10, 2)
    B = B.toarray()
    B[:9, 1] = np.arange(9) % 2
    B[:9, 0] = 1 - B[:9, 1]
    for n_both in (0, 1):
        B[9, :2] = 1, n_both
        crowd = find_crowd(sp.csr_array(B), balls, n_attackable=1, max_items=8)
        assert crowd.items.tolist() == [0, 1]
        assert crowd.bonus.max() == pytest.approx(-math.log(0.01 if n_both else 0.1))


def plain_items(B, balls, n_attackable):
    """Return the evidence of each item, by loops."""
    members = [user for user, ball in enumerate(balls) if ball > 0]
    share = sum(B[user].sum() for user in members) / B.sum()
    evidence = []
    for item in range(B.shape[1]):
        n = sum(B[user, item] for user in members)
        evidence.append(llr(n, 2 * share * B[:, item].sum()) - math.log(max(n_attackable, 1)))
    return evidence


@pytest.mark.parametrize("n_attackable", [0, 1, 2, 50, 10_000_000])
def test_items_are_those_that_members_share(n_attackable):
    B, balls = crowded(12, 4)
    B = B.toarray()
    for item, n in enumerate((8, 2, 0, 30)):
        B[:, item] = np.arange(100) < n
    B[20:60, 1] = 1
    evidence = plain_items(B, balls, n_attackable)
    expected = [item for item, nats in enumerate(evidence) if nats > 3]
    assert expected == ([0, 3] if n_attackable < 2 else [0] if n_attackable <= 50 else [])
    crowd = find_crowd(sp.csr_array(B), balls, n_attackable=n_attackable, max_items=8)
    assert crowd.items.tolist() == expected
    assert (crowd.surprise > 0) == bool(expected)


def test_items_as_odd_as_the_first_that_is_left_out_are_left_out():
    B, balls = crowded(12, 5, n_users=400)
    B = B.toarray()
    for item, n in enumerate((12, 11, 11, 11, 9)):
        B[:12, item] = np.arange(12) < n
    evidence = plain_items(B, balls, 1)
    assert min(evidence[:5]) > 3
    B = sp.csr_array(B)
    for max_items, items in ((5, range(5)), (4, range(4)), (3, [0]), (2, [0]), (1, [0])):
        crowd = find_crowd(B, balls, n_attackable=1, max_items=max_items)
        assert crowd.items.tolist() == list(items)
