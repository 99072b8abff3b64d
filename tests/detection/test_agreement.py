"""Whether raters of the items of a group agree, against sums over all outcomes."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import betabinom

from skrecsec.detection._agreement import agreement, agreement_of, as_agreed, least_agreement
from skrecsec.detection._groups import Groups
from skrecsec.utils.validation import check_ratings


def chance_of(shares, j):
    """Sum the chances of all outcomes in which j or more of the items get the level.

    The items come in the order of their shares, the largest first; after a first one that has got
    the level, three quarters of the others' chance of not getting it are gone.
    """
    shares = sorted(shares, reverse=True)
    total = 0.0
    for outcome in itertools.product([False, True], repeat=len(shares)):
        chance, so_far = 1.0, 0
        for share, given in zip(shares, outcome, strict=True):
            p = share if so_far == 0 else share + 0.75 * (1 - share)
            chance *= p if given else 1 - p
            so_far += given
        total += chance if so_far >= j else 0.0
    return total


def tail(n_members, n_raters, share):
    share = min(max(share, 0.03), 0.97)
    total = max(share * (1 - share) / 0.02 - 1, 1)
    if n_members == 0:
        return 0.0
    return -betabinom.logsf(n_members - 1, n_raters, share * total, (1 - share) * total)


def plain_agreement(rated, given, items, j, a, b):
    is_member = given[:, items].sum(axis=1) >= j
    shares = {}
    for item in items:
        others = rated[:, item] & ~is_member
        shares[item] = (a[item] + (given[:, item] & others).sum()) / (
            a[item] + b[item] + others.sum()
        )
    raters = np.flatnonzero(rated[:, items].sum(axis=1) >= j)
    expected = sum(chance_of([shares[i] for i in items if rated[u, i]], j) for u in raters)
    return tail(is_member.sum(), raters.size, expected / max(raters.size, 1))


def groups_of(some, nets=None):
    items = np.full((len(some), 5), -1)
    for row, (members, _) in zip(items, some, strict=True):
        row[: len(members)] = members
    min_items = np.array([j for _, j in some])
    nets = np.linspace(9, 5, len(some)) if nets is None else np.array(nets)
    n_users = np.arange(len(some)) + 7
    return Groups(items, min_items, n_users, n_users / 10, nets)


@pytest.fixture(scope="module")
def rated():
    rng = np.random.default_rng(0)
    rated = rng.random((50, 9)) < np.linspace(0.3, 0.8, 9)
    given = rated & (rng.random((50, 9)) < np.linspace(0.6, 0.2, 9))
    given[:8, [1, 4, 6]] = rated[:8, [1, 4, 6]] = True  # fakes
    rated[:, 8] = given[:, 8] = False
    return rated, given


GROUPS = [
    ([1, 4, 6], 3),
    ([0, 1], 2),
    ([6, 4, 1], 2),
    ([7, 2, 3, 5], 3),
    ([0, 3, 2, 1, 5], 2),
    ([2, 8], 2),  # item 8 is rated by nobody
    ([0, 1, 2, 3, 4], 5),
    ([5, 6, 7, 4, 2], 4),
    ([1, 4, 6], 3),
]


def agreed_of(rated, given, groups, a, b):
    X = check_ratings(np.where(rated, 1.0, 0.0))
    return agreement(X, given[rated], groups, a, b)


@pytest.mark.filterwarnings("error")
def test_agreement_is_that_of_sums_over_outcomes(rated):
    a, b = np.linspace(0.5, 2, 9), np.linspace(3, 1, 9)
    got = agreed_of(*rated, groups_of(GROUPS), a, b)
    expected = [plain_agreement(*rated, items, j, a, b) for items, j in GROUPS]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert got[0] == got[-1] > 2
    assert got[5] == 0


def test_agreement_of_a_single_group(rated):
    a, b = np.full(9, 2.0), np.full(9, 3.0)
    (got,) = agreed_of(*rated, groups_of(GROUPS[4:5]), a, b)
    assert got == pytest.approx(plain_agreement(*rated, *GROUPS[4], a, b))


def test_fakes_agree_and_people_of_one_taste_do_not():
    # Of each of the items half of the others give the level.
    rated, given = np.zeros((2, 100, 4), dtype=bool)
    for item in range(4):
        rated[40 + 10 * item : 50 + 10 * item, item] = True
        given[40 + 10 * item : 45 + 10 * item, item] = True
    rated[:30, :2] = True
    given[:15, :2] = True  # who likes the first likes its sequel
    rated[:30, 2:] = given[:30, 2:] = True
    a, b = np.full(4, 1.0), np.full(4, 1.0)
    taste, attack = agreed_of(rated, given, groups_of([([0, 1], 2), ([2, 3], 2)]), a, b)
    assert taste < 4 < 5.4 < attack


def test_surprise_is_that_of_beta_binomials_within_bounds():
    cases = [(5, 9, 0.3), (1, 9, 0.3), (0, 9, 0.3), (20, 20, 0.001), (20, 20, 0.999), (7, 7, 0.5)]
    n, m, share = (np.array(values) for values in zip(*cases, strict=True))
    np.testing.assert_allclose(agreement_of(n, m, share), [tail(*case) for case in cases])


def test_more_items_have_to_agree_more():
    np.testing.assert_allclose(least_agreement(np.array([2, 3, 8])), [5.4, 5.75, 7.5])


def test_groups_whose_raters_disagree_are_a_matter_of_taste(rated):
    a, b = np.full(9, 1.0), np.full(9, 1.0)
    nets = [30.0, 12, 8, 6, 3.5, 3.2, 3.1, 1, 0.5]
    groups = groups_of(GROUPS, nets)
    # So many fakes that their groups agree.
    rated, given = (np.vstack([values, np.tile(values[:1], (30, 1))]) for values in rated)
    rated[-30:] = given[-30:] = False
    rated[-30:, [1, 4, 6]] = given[-30:, [1, 4, 6]] = True
    X = check_ratings(np.where(rated, 1.0, 0.0))
    agreed = [plain_agreement(rated, given, items, j, a, b) for items, j in GROUPS]
    expected = []
    for (_, j), net, nats in zip(GROUPS, nets, agreed, strict=True):
        least = 5.4 + 0.35 * (j - 2)
        expected.append(net if nats >= least else min(net - 3, 3 * nats / least))
    assert expected[0] == 30 != expected[1]
    order = sorted(range(9), key=lambda place: -expected[place])
    assert order != list(range(9))
    found = as_agreed(X, given[rated], groups, a, b)
    np.testing.assert_allclose(found.net, np.array(expected)[order])
    for before, after in zip(groups[:4], found[:4], strict=True):
        np.testing.assert_array_equal(after, before[order])
    assert not math.isclose(min(expected), min(nets))


def test_no_groups_agree_on_nothing(rated):
    nothing = Groups(np.empty((0, 3), dtype=int), *np.zeros((4, 0), dtype=int))
    found = as_agreed(
        check_ratings(np.where(rated[0], 1.0, 0.0)), rated[1][rated[0]], nothing, *np.ones((2, 9))
    )
    assert found.net.size == 0
