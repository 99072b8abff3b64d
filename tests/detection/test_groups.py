"""Groups of items that are given a level together, against slow and plain computations."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import brentq
from sklearn import config_context

from skrecsec.detection import _groups
from skrecsec.detection._counts import log_ratio
from skrecsec.utils.validation import check_ratings


def seed_pairs(B, n_seeds):
    """Return the pairs of items from which groups grow."""
    return _groups._most_surprising_pairs(B, n_seeds)[0]


@pytest.fixture(scope="module")
def pattern():
    rng = np.random.default_rng(0)
    B = (rng.random((300, 30)) < np.linspace(0.02, 0.04, 30)).astype(float)
    B[:8, [2, 5, 7]] = 1  # a block, for groups to find
    return check_ratings(B)


@pytest.fixture(scope="module")
def shared_out():
    """Return a pattern in which users share out five items, two or three each, and all of four."""
    rng = np.random.default_rng(3)
    B = (rng.random((800, 60)) < 0.01).astype(float)
    for j, users in ((2, range(40)), (3, range(40, 70)), (4, range(70, 75))):
        for user in users:
            B[user, rng.permutation(4 if j == 4 else 6)[:j] + 6 * (j - 2)] = 1
    B[:, [50, 51]] = 0  # rated by too few to be of interest, and by as few as may be
    B[:2, 50] = B[:3, 51] = 1
    B[:, [0, 12, 15, 59]] = B[:, [12, 0, 59, 15]]  # the first item and the last are in groups
    return B


def probabilities(B):
    r, c = B.sum(axis=1), B.sum(axis=0)
    return np.minimum(np.outer(r, c) / B.sum(), 1)


def expected_members(B, items, j, lift):
    """Sum over all outcomes of the users' ratings of the items, j or more of them given."""
    p = probabilities(B)[:, items]
    total = 0.0
    for outcome in itertools.product([0, 1], repeat=len(items)):
        if sum(outcome) >= j:
            total += np.where(outcome, p, 1 - p).prod(axis=1).sum()
    return total * lift ** (j - 1)


def llr(n, e):
    return n * math.log(n / e) - (n - e) if n > e else 0.0


def cost(B, size, max_items):
    m = max((B.sum(axis=0) >= 3).sum(), max_items)
    return math.log(math.comb(m, size)) + math.log(3)


def net_surprise(B, items, j, lift, surprise, max_items=8):
    n, e = (B[:, items].sum(axis=1) >= j).sum(), expected_members(B, items, j, lift)
    bonus = np.maximum(surprise[items] - 3, 0).sum()
    return llr(n, e) - cost(B, len(items), max_items) + bonus


def as_rows(found):
    """Return groups as tuples in order: items as they were added, j, users, expected, net."""
    return sorted(
        (tuple(int(i) for i in items if i >= 0), int(j), int(n), e, net)
        for items, j, n, e, net in zip(*found, strict=True)
    )


def grown(B, surprise, first, second, j, third, lift, max_items):
    """Grow one group plainly; return it (or None), and which item came third."""
    r, c = B.sum(axis=1), B.sum(axis=0)
    given, bonus = B > 0, np.maximum(surprise - 3, 0)
    start = [first, second] if j < 3 else [first, second, third]
    items, best, n_fruitless = [], None, 0
    while True:
        items.append(start[len(items)] if len(items) < len(start) else chosen)  # noqa: F821
        size = len(items)
        needed = j or size
        if size >= max(j, 2):
            n = int((given[:, items].sum(axis=1) >= needed).sum())
            e = expected_members(B, items, needed, lift)
            if e > n / 3:
                return best, None
            net = llr(n, e) - cost(B, size, max_items) + bonus[items].sum()
            if best is None or net > best[4]:
                best, n_fruitless = (tuple(items), needed, n, e, net), 0
            else:
                n_fruitless += 1
            if size == max_items or n_fruitless == 3:
                return best, third
        if len(items) < len(start):
            continue
        before = size if j == 0 else j - 1  # so many of them, and one more makes a member
        p = probabilities(B)[:, items]
        weights = sum(
            np.where(outcome, p, 1 - p).prod(axis=1)
            for outcome in itertools.product([0, 1], repeat=size)
            if sum(outcome) == before
        )
        have = given[:, items].sum(axis=1) == before
        choices = []
        for item in set(range(B.shape[1])) - set(items):
            n_then = int((have & given[:, item]).sum())
            if n_then == 0 or c[item] < 3:
                continue
            e_then = lift**before * (weights * r).sum() * c[item] / B.sum()
            if j > 0:
                n_then, e_then = n_then + n, e_then + e
            if e_then <= n_then / 3:
                value = n_then * math.log(n_then / e_then) - (n_then - e_then) + bonus[item]
                choices.append((round(value, 9), bonus[item], -item))
        if not choices:
            return best, third
        chosen = -max(choices)[2]
        third = chosen if j == 0 and size == 2 else third


def all_grown(B, surprise, pairs, lift, max_items):
    """Return what grows from all pairs, of each kind."""
    found = []
    for first, second in pairs:
        best, third = grown(B, surprise, first, second, 0, None, lift, max_items)
        found.append(best)
        found.append(grown(B, surprise, first, second, 2, None, lift, max_items)[0])
        if third is not None and max_items >= 3:
            found.append(grown(B, surprise, first, second, 3, third, lift, max_items)[0])
    return sorted(group for group in found if group is not None)


@pytest.mark.parametrize("max_items", [2, 3, 6])
@pytest.mark.parametrize("lift", [1.2, 2.0])
def test_groups_grow_as_plain_loops_say(shared_out, lift, max_items):
    B, surprise = shared_out, np.linspace(5, 0, 60)
    surprise[[3, 4]] = 5
    pairs = list(itertools.combinations(range(18), 2))[:: 4 if max_items == 6 else 2]
    pairs += [(13, 14), (14, 59)]
    found = _groups.grow_groups(
        check_ratings(B), surprise, np.array(pairs), lift=lift, max_items=max_items
    )
    assert (np.diff(found.net) <= 0).all()
    assert found.items.shape == (found.net.size, max_items)
    assert max_items == 2 or found.items.min() == -1
    got, expected = as_rows(found), all_grown(B, surprise, pairs, lift, max_items)
    assert len(got) == len(expected) > 5
    for one, other in zip(got, expected, strict=True):
        assert one[:3] == other[:3]
        assert one[3:] == pytest.approx(other[3:])
    kinds = {(j, len(items)) for items, j, *_ in got}
    assert max(size for _, size in kinds) == max_items or lift == 2
    assert (max_items, lift) != (6, 1.2) or {j * (j < size) for j, size in kinds} == {0, 2, 3}


def test_nobody_gives_an_item_the_level_with_more_than_certainty():
    rng = np.random.default_rng(0)
    B = (rng.random((300, 30)) < 0.03).astype(float)
    B[:16, [2, 5, 7]] = 1
    B[299, 4:] = 1  # who rates so much that probabilities have to be capped
    r, c = B.sum(axis=1), B.sum(axis=0)
    assert r[299] * c[5] / B.sum() > 1
    pairs = [(2, 5), (5, 7)]
    found = _groups.grow_groups(
        check_ratings(B), np.zeros(30), np.array(pairs), lift=1.0, max_items=4
    )
    got, expected = as_rows(found), all_grown(B, np.zeros(30), pairs, 1.0, 4)
    assert [row[:3] for row in got] == [row[:3] for row in expected]
    np.testing.assert_allclose([row[3:] for row in got], [row[3:] for row in expected])
    assert {j for _, j, *_ in got} >= {2, 3}


def test_groups_grow_until_three_items_in_a_row_were_in_vain():
    rng = np.random.default_rng(32)
    B = (rng.random((500, 60)) < 0.01).astype(float)
    n = rng.integers(5, 9)
    for user in range(20):
        size = rng.integers(2, 5)
        B[user, rng.permutation(n)[:size]] = 1
    # With a patience of two the first pair has another group, with one of four the second.
    pairs = [(0, 4), (1, 4)]
    found = _groups.grow_groups(
        check_ratings(B), np.zeros(60), np.array(pairs), lift=1.0, max_items=8
    )
    expected = all_grown(B, np.zeros(60), pairs, 1.0, 8)
    assert [row[:3] for row in as_rows(found)] == [row[:3] for row in expected]
    assert len(expected) >= 4


def test_another_lift_is_what_growing_at_it_would_say(shared_out):
    B, surprise = shared_out, np.linspace(5, 0, 60)
    pairs = np.array(list(itertools.combinations(range(18), 2)))
    groups = _groups.grow_groups(check_ratings(B), surprise, pairs, max_items=5)
    for lift in (2.0, 3.0, 15.0):
        found = _groups.at_lift(groups, lift)
        assert (np.diff(found.net) <= 0).all()
        assert [row[:3] for row in as_rows(found)] == [row[:3] for row in as_rows(groups)]
        for items, j, _, e, net in as_rows(found)[:: 2 if lift == 3 else 20]:
            assert e == pytest.approx(expected_members(B, list(items), j, lift))
            assert net == pytest.approx(net_surprise(B, list(items), j, lift, surprise))
    # At the last one some are no longer a surprise.
    assert (found.n_users < found.expected).any()


def test_the_greedy_search_finds_the_best_group_of_a_small_matrix(pattern):
    B, surprise = pattern.toarray(), np.zeros(30)
    found = _groups.search(pattern, surprise, n_seeds=500, max_items=3).found
    best = max(
        net_surprise(B, list(items), j, 2.0, surprise)
        for size in (2, 3)
        for items in itertools.combinations(range(30), size)
        for j in {size, 2, 3}
        if j <= size
        and (B[:, list(items)].sum(axis=1) >= j).sum()
        > 3 * expected_members(B, list(items), j, 2.0)
    )
    assert found.net[0] == pytest.approx(best)


@pytest.mark.parametrize("max_items", [2, 4])
def test_users_have_the_best_group_that_they_are_in(max_items, pattern):
    found = _groups.search(pattern, np.zeros(30), n_seeds=500, max_items=max_items).found
    B = pattern.toarray()
    expected = np.full(300, -np.inf)
    for items, j, _, _, net in zip(*found, strict=True):
        inside = B[:, items[items >= 0]].sum(axis=1) >= j
        expected[inside] = np.maximum(expected[inside], net)
    np.testing.assert_array_equal(_groups.best_nets(found, pattern), expected)
    assert np.isfinite(expected).any()
    assert np.isinf(expected).any()


def test_users_of_two_groups_have_the_better_one():
    B = sp.csr_array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 1, 1.0]])
    items = np.array([[0, 1, -1], [1, 3, 2]])
    groups = _groups.Groups(items, np.array([2, 2]), *np.zeros((2, 2)), np.array([2.0, 5]))
    assert _groups.best_nets(groups, B).tolist() == [5, 2, 5, -np.inf, 5]


# -------------------------------------------------------------------------------------- the search


def plain_disjoint(groups, least):
    kept = []
    for place in range(groups.net.size):
        items = {int(i) for i in groups.items[place]} - {-1}
        others = [{int(i) for i in groups.items[other]} for other in kept]
        if groups.net[place] > least and not any(items & other for other in others):
            kept.append(place)
    return kept


@pytest.mark.parametrize(("n_blocks", "lift"), [(3, 2.0), (4, 3.0)])
def test_many_groups_are_taken_for_tastes(n_blocks, lift, monkeypatch):
    monkeypatch.setattr(_groups, "LIFTS", (2.0, 3.0))
    B = (np.random.default_rng(0).random((300, 60)) < 0.02).astype(float)
    for block in range(n_blocks):
        B[10 * block : 10 * block + 10, 4 * block : 4 * block + 4] = 1
    X, nothing = check_ratings(B), np.zeros(60)
    grown = _groups.grow_groups(X, nothing, seed_pairs(X, 500), max_items=4)
    found = _groups.search(X, nothing, n_seeds=500, max_items=4)
    assert found.lift == lift
    expected = _groups.at_lift(grown, lift)
    np.testing.assert_array_equal(found.found.net, expected.net)
    np.testing.assert_array_equal(found.found.items, expected.items)
    assert len(plain_disjoint(_groups.at_lift(grown, 2.0), 3.0)) == n_blocks
    again = _groups.search(X, nothing, n_seeds=500, max_items=4).found
    np.testing.assert_array_equal(again.net, expected.net)


GRID = [2, 2.5, 3, 4, 5, 7, 10, 15]


@pytest.mark.parametrize("lift", GRID)
def test_the_lift_is_the_least_at_which_three_groups_stand_out(lift, monkeypatch):
    # Four groups of 20 users whose net surprise is 3 at a lift just above that before.
    at = 1.0 if lift == 2 else GRID[GRID.index(lift) - 1] * 1.05
    expected = brentq(lambda e: llr(20, e) - 13, 0.1, 19) * 2 / at
    four, net = np.ones(4, dtype=int), np.full(4, llr(20, expected) - 10)
    groups = _groups.Groups(np.arange(8).reshape(4, 2), 2 * four, 20 * four, expected * four, net)
    monkeypatch.setattr(_groups, "grow_groups", lambda *args, **options: groups)
    found = _groups.search(sp.csr_array(np.eye(8)), np.zeros(8), n_seeds=1, max_items=2)
    assert found.lift == lift
    np.testing.assert_allclose(found.found.net, llr(20, expected * lift / 2) - 10)
    # Where one is fewer, they may.
    three = _groups.Groups(*(values[:3] for values in groups))
    monkeypatch.setattr(_groups, "grow_groups", lambda *args, **options: three)
    assert _groups.search(sp.csr_array(np.eye(8)), np.zeros(8), n_seeds=1, max_items=2).lift == 2


def test_disjoint_groups_share_no_item():
    items = np.array(
        [[1, 2, -1], [2, 3, -1], [4, 5, 6], [7, 8, -1], [9, 0, -1], [0, 10, -1], [11, 12, -1],
         [13, 14, -1]]
    )  # fmt: skip
    nothing = np.zeros(8, dtype=int)
    net = np.array([9.0, 8, 7, 3, 2.9, 0.6, 0.5, 0])
    groups = _groups.Groups(items, nothing, nothing, np.ones(8), net)
    assert _groups.disjoint(groups) == [0, 2, 3, 4, 6] == plain_disjoint(groups, 0)
    # Above the least, not at it.
    assert _groups.disjoint(groups, 3.0) == [0, 2] == plain_disjoint(groups, 3.0)
    assert _groups.disjoint(groups, -1.0) == [0, 2, 3, 4, 6, 7] == plain_disjoint(groups, -1.0)
    assert _groups.disjoint(groups, 9.0) == []


def plain_seeds(B, n):
    """Return the most surprising pairs of at least four users, none that the n + 1st is as good."""
    r, c = B.sum(axis=1), B.sum(axis=0)
    chance = sum(r**2) / sum(r) ** 2
    values = {}
    for i, j in itertools.combinations(range(B.shape[1]), 2):
        together, expected = (B[:, i] * B[:, j]).sum(), 2 * chance * (c[i] * c[j])
        if together >= 4 and together > expected:
            values[i, j] = llr(together, expected)
    ranked = sorted(values.values(), reverse=True)
    least = ranked[n] if len(ranked) > n else 0.0
    return {pair for pair, value in values.items() if value > least + 1e-12}


@pytest.fixture(scope="module")
def tied():
    """Return a pattern with many pairs that are as surprising as others."""
    B = np.zeros((200, 30))
    for block in range(10):
        B[5 * block : 5 * block + 4 + (block == 3), 3 * block : 3 * block + 3] = 1
    B[60:64, [0, 29]] = B[70:75, [13, 20]] = B[80:100, [5, 6]] = 1
    B[100:, 8] = B[100:120, 12] = 1
    return check_ratings(B)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 20, 33, 100])
def test_seeds_are_the_most_surprising_pairs(n, tied, pattern):
    for B in (tied, pattern):
        found = seed_pairs(B, n)
        assert (found[:, 0] < found[:, 1]).all()
        assert set(map(tuple, found.tolist())) == plain_seeds(B.toarray(), n)
        assert len(found) <= n


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 20, 33, 100])
def test_seeds_do_not_depend_on_blocks_or_the_order_of_items(n, tied):
    expected = set(map(tuple, seed_pairs(tied, n).tolist()))
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(30)
        with config_context(working_memory=1e-4 if seed % 2 else 1e-3):
            found = seed_pairs(sp.csr_array(tied[:, order]), n)
        assert {tuple(sorted(order[pair].tolist())) for pair in found} == expected


def plain_suspicious(surprise):
    """Return the pairs of the 25 items that surprise most, and more than the next and than 0."""
    ranked = sorted(surprise, reverse=True)
    least = max(ranked[min(25, len(ranked) - 1)], 0)
    items = [i for i, value in enumerate(surprise) if value > least]
    return list(itertools.combinations(items, 2))


@pytest.mark.parametrize(
    "surprise",
    [
        np.random.default_rng(0).normal(size=60),
        np.random.default_rng(0).permutation(np.repeat(np.arange(8.0), 5)),
        np.arange(26.0),
        np.arange(1, 28.0),
        np.zeros(40),
        np.array([2.0, 0, 3, -1]),
        np.array([2.0, 3]),
        np.array([2.0]),
    ],
)
def test_suspicious_pairs_are_those_of_the_oddest_items(surprise):
    found = _groups._suspicious_pairs(surprise)
    assert found.shape == (len(found), 2)
    assert list(map(tuple, found.tolist())) == plain_suspicious(surprise)


def test_groups_grow_from_items_that_are_odd_by_themselves():
    # Two items share no pair of four users, so that only their oddness brings them together.
    B = (np.random.default_rng(1).random((200, 12)) < 0.05).astype(float)
    B[:, [0, 1]] = 0
    B[:3, [0, 1]] = 1
    surprise = np.zeros(12)
    X = check_ratings(B)
    assert (0, 1) not in set(map(tuple, seed_pairs(X, 100).tolist()))

    def has_grown(found):
        return any(set(row[0]) == {0, 1} for row in as_rows(found.found))

    assert not has_grown(_groups.search(X, surprise, n_seeds=100, max_items=2))
    surprise[[0, 1]] = 5
    assert has_grown(_groups.search(X, surprise, n_seeds=100, max_items=2))


def test_members_gave_so_many_of_the_items_the_level(pattern):
    for j in (1, 2, 3):
        expected = np.flatnonzero(pattern.toarray()[:, [2, 5, 7]].sum(axis=1) >= j)
        np.testing.assert_array_equal(_groups.members(pattern, [2, 5, 7], j), expected)


def test_surprise_of_counts():
    got = log_ratio(np.array([0, 1, 5, 5, 3]), np.array([0.0, 2, 5, 2, 0.5]))
    np.testing.assert_allclose(got, [0, 0, 0, llr(5, 2), llr(3, 0.5)])


def test_a_pattern_without_pairs_has_no_groups():
    B = sp.csr_array(np.eye(5))
    groups = _groups.search(B, np.zeros(5), n_seeds=10, max_items=8).found
    assert groups.net.size == 0
    assert (_groups.best_nets(groups, B) == -np.inf).all()
