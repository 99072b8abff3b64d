"""The evidence of a level added up, and whom it accuses, against loops over users."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec.detection import _verdicts
from skrecsec.detection._crowds import Crowd, find_crowd
from skrecsec.detection._groups import Groups
from skrecsec.detection._items import ItemEvidence
from skrecsec.utils.validation import check_ratings


def groups_of(*rows):
    """Return groups of (items, j, n_users, expected, net), the best first."""
    width = max(len(items) for items, *_ in rows)
    items = np.full((len(rows), width), -1)
    for place, row in enumerate(rows):
        items[place, : len(row[0])] = row[0]
    others = (np.array([row[column] for row in rows]) for column in (1, 2, 3, 4))
    return Groups(items, *others)


def plain_best(B, groups, places):
    """Return the best net of the groups that each user is in, -20 for none."""
    best = np.full(len(B), -20.0)
    for place in places:
        items = [i for i in groups.items[place] if i >= 0]
        for user in range(len(B)):
            if B[user, items].sum() >= groups.min_items[place]:
                best[user] = max(best[user], groups.net[place])
    return best


def plain_disjoint(groups):
    taken, kept = set(), []
    for place, row in enumerate(groups.items.tolist()):
        items = set(row) - {-1}
        if groups.net[place] > 0 and not items & taken:
            kept.append(place)
            taken |= items
    return kept


def plain_sum(B, entries, crowd, items, groups, is_extreme, cost):
    """Return scores, verdicts and the worst items, by loops; `entries` has two dense matrices."""
    shared, bursts = entries
    n_attackable = sum(B[:, item].sum() >= 3 for item in range(B.shape[1]))
    lowest = shared[B > 0].min()
    balls = np.array([max(shared[u][B[u] > 0], default=lowest) for u in range(len(B))])
    balls = balls + crowd.bonus
    best = plain_best(B, groups, range(groups.net.size))
    disjoint = plain_best(B, groups, plain_disjoint(groups))
    named = {i for p in plain_disjoint(groups) if groups.net[p] > 3 for i in groups.items[p]}
    members = balls > 3
    scores, verdicts, by_item = [], [], []
    for user in range(len(B)):
        score = best[user] + balls[user]
        if best[user] > 3 and balls[user] < -2:
            score = best[user] - 2 + (balls[user] + 2) / 10
        verdict = max(disjoint[user], 0) + max(balls[user], 0)
        single, culprit = -math.inf, -1
        for item in np.flatnonzero(B[user]):
            nats = items.combined[item] - math.log(max(n_attackable, 1))
            score = max(score, nats + shared[user, item] + bursts[user, item])
            others = B[~members, item].sum()
            excused = item in named or (
                item in crowd.items and others - items.expected[item] < 2 / 3 * others
            )
            counts = items.mostly_fake[item] and is_extreme and not excused
            value = (max(nats, 0) if counts else 0) + bursts[user, item]
            value += max(shared[user, item], 0)
            if value > single:
                single, culprit = value, item
        is_because = single > verdict or best[user] <= 0
        by_item.append(culprit if is_because else -1)
        scores.append(score - (cost if is_extreme else 2 * cost))
        verdicts.append(max(verdict, single) - cost)
    return np.array(scores), np.array(verdicts), np.array(by_item)


def make_case(seed, is_crowd, is_extreme):
    rng = np.random.default_rng(seed)
    B = (rng.random((300, 20)) < 0.1).astype(float)
    B[:, 0] = np.arange(300) > 270
    B[:4, [3, 4]] = B[4:7, [4, 5]] = 1
    B[7:10] = 0
    B[100:112] = 0
    B[100:104, [12, 13]] = B[104:108, [14, 15]] = B[108:112, [16, 17]] = 1
    B[:, 19] = np.arange(300) < 3  # as few as may be attacked
    X = check_ratings(np.where(B > 0, 5.0, 0) + (rng.random(B.shape) < 0.2) * (B == 0))
    entries = rng.normal(-7, 3, B.shape) * (B > 0), rng.exponential(2, B.shape)
    entries[1][rng.random(B.shape) < 0.8] = 0
    if not is_crowd:
        entries[0][:] = np.minimum(entries[0], -0.5)
    else:
        entries[0][275:, 0] = rng.normal(4, 2, 25)
        entries[0][40:60] += 5 * B[40:60]
    given = B.sum(axis=0)
    items = ItemEvidence(
        rng.exponential(2, 20), rng.exponential(4, 20), given * rng.random(20), rng.random(20) < 0.7
    )
    items.mostly_fake[[0, 3, 7]] = True
    items.mostly_fake[12:18] = False
    entries[1][100:112] = 0
    groups = groups_of(
        ([3, 4], 2, 9, 0.1, 9.0),
        ([4, 5], 2, 9, 0.1, 8.0),  # shares an item with the first
        ([6, 7, 8], 2, 9, 0.1, 4.0),
        ([9, 10], 2, 9, 0.1, 2.0),
        ([12, 13], 2, 9, 0.1, 0.5),
        ([14, 15], 2, 9, 0.1, 0.0),
        ([16, 17], 2, 9, 0.1, -0.5),
        ([0, 11], 2, 9, 0.1, -1.0),
    )
    pattern = _verdicts.Pattern(X, X.data == 5, 5.0, False, 0.7, is_extreme)
    return B, pattern, entries, items, groups


@pytest.mark.parametrize("is_crowd", [True, False])
@pytest.mark.parametrize("is_extreme", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_added_up_as_by_loops(seed, is_extreme, is_crowd):
    B, pattern, (shared, bursts), items, groups = make_case(seed, is_crowd, is_extreme)
    ones = pattern.ones()
    np.testing.assert_array_equal(ones.toarray(), B)
    best = plain_best(B, groups, range(8))
    found = _verdicts.add_up(
        pattern, ones, items, groups, best, shared[B > 0], bursts[B > 0], max_items=8
    )
    balls = np.array([max(shared[u][B[u] > 0], default=shared[B > 0].min()) for u in range(300)])
    crowd = find_crowd(ones, balls, n_attackable=(B.sum(axis=0) >= 3).sum(), max_items=8)
    assert (crowd.items.size > 0) == is_crowd
    expected = plain_sum(B, (shared, bursts), crowd, items, groups, is_extreme, 0.7)
    np.testing.assert_allclose(found.scores, expected[0])
    np.testing.assert_allclose(found.verdicts, expected[1])
    np.testing.assert_array_equal(found.by_item, expected[2])
    np.testing.assert_array_equal(found.crowd.items, crowd.items)
    assert found.level == 5
    assert not found.or_more


def test_without_items_and_groups_there_are_balls():
    B, pattern, (shared, bursts), *_ = make_case(0, True, True)
    nothing = np.full(300, _verdicts.NO_GROUP)
    found = _verdicts.add_up(
        pattern, pattern.ones(), None, None, nothing, shared[B > 0], bursts[B > 0], max_items=8
    )
    lowest = shared[B > 0].min()
    balls = np.array([max(shared[u][B[u] > 0], default=lowest) for u in range(300)])
    balls += found.crowd.bonus
    np.testing.assert_allclose(found.scores, -20 + balls - 0.7)
    np.testing.assert_allclose(found.verdicts, np.maximum(balls, 0) - 0.7)
    assert (found.by_item == -1).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_raters", [2, 3])
def test_the_search_over_no_or_one_item_costs_nothing(n_raters):
    X = check_ratings(np.ones((n_raters, 1)))
    pattern = _verdicts.Pattern(X, np.ones(n_raters, dtype=bool), 1.0, False, 0.0, True)
    items = ItemEvidence(*np.full((3, 1), 4.0), np.ones(1, dtype=bool))
    shared, bursts = np.full((2, n_raters), -1.0)
    found = _verdicts.add_up(
        pattern, pattern.ones(), items, None, np.full(n_raters, -20.0), shared, bursts, max_items=8
    )
    np.testing.assert_allclose(found.scores, 2.0)
    np.testing.assert_allclose(found.verdicts, 3.0)


def test_a_level_that_nobody_gave_is_no_evidence():
    X = check_ratings(np.eye(4))
    pattern = _verdicts.Pattern(X, np.zeros(4, dtype=bool), 2.0, True, 0.0, True)
    ones = pattern.ones()
    items = ItemEvidence(*np.zeros((3, 4)), np.zeros(4, dtype=bool))
    found = _verdicts.add_up(
        pattern, ones, items, None, np.full(4, -20.0), *np.zeros((2, 0)), max_items=8
    )
    np.testing.assert_array_equal(found.scores, -20)
    np.testing.assert_array_equal(found.verdicts, 0)
    np.testing.assert_array_equal(found.by_item, -1)
    assert found.or_more


# ----------------------------------------------------------------------------- single rules by hand


def test_groups_that_stand_by_themselves_are_not_refuted():
    group_scores = np.array([5.0, 5, 5, 5, 3, 3, -20])
    balls = np.array([1.0, -1, -2, -12, -12, 1, 4])
    np.testing.assert_allclose(_verdicts._joined(group_scores, balls), [6, 4, 3, 2, -9, 4, -16])


@pytest.mark.parametrize("threshold", [0.0, 3.0])
def test_scores_keep_their_order_on_either_side_of_the_threshold(threshold):
    scores = np.random.default_rng(0).normal(threshold, 30, 200)
    is_fake = np.random.default_rng(1).random(200) < 0.5
    found = _verdicts.ordered(scores, is_fake, threshold)
    for score, fake, value in zip(scores, is_fake, found, strict=True):
        sign = 1 if fake else -1
        excess = sign * (score - threshold)
        soft = max(excess, 0) + math.log1p(math.exp(-abs(excess)))
        assert value == pytest.approx(threshold + sign * max(soft, 1e-9))
        assert sign * (value - threshold) >= 1e-9 / 2
    for members in (is_fake, ~is_fake):
        order = np.argsort(scores[members])
        assert (np.diff(found[members][order]) >= 0).all()


def test_levels_cost_what_else_there_was_to_look_at():
    assert [_verdicts.cost(number, 5) for number in range(5)] == [
        math.log(5), 2 * math.log(5), 2 * math.log(5), 2 * math.log(5), 0,
    ]  # fmt: skip
    assert [_verdicts.cost(number, 2) for number in range(2)] == [math.log(2), 0]
    assert _verdicts.cost(0, 1) == 0


def test_items_of_notable_groups_are_explained_away():
    B = sp.csr_array(np.ones((2, 9)))
    groups = groups_of(
        ([0, 2], 2, 9, 0.1, 9.0), ([2, 3], 2, 9, 0.1, 8.0), ([4, 5, 6], 2, 9, 0.1, 3.1),
        ([7, 8], 2, 9, 0.1, 3.0),
    )  # fmt: skip
    assert np.flatnonzero(_verdicts._explained_away(groups, B)).tolist() == [0, 2, 4, 5, 6]
    assert not _verdicts._explained_away(None, B).any()


def test_items_of_a_crowd_are_explained_unless_most_other_raters_are_too_many():
    B = np.zeros((40, 4))
    B[:10, :3] = 1  # members
    B[10:22, 0] = B[10:22, 1] = B[10:22, 3] = 1  # twelve other raters of three of the items
    balls = np.where(np.arange(40) < 10, 3.1, 3.0)
    # Of twelve, 8 are too many: that is two thirds; or fewer.
    expected = np.array([4.0, 4.1, 4.1, 4.1])
    items = ItemEvidence(*np.zeros((2, 4)), expected, np.ones(4, dtype=bool))
    crowd = Crowd(np.array([0, 1, 2]), np.zeros(40, dtype=int), np.zeros(40), 9.0)
    found = _verdicts._explained_by_crowd(crowd, sp.csr_array(B), balls, items)
    assert found.tolist() == [False, True, True, False]


# ---------------------------------------------------------------------------------- who is accused


def level_of(B, groups=None, by_item=None, crowd=None, verdicts=None):
    n_users, n_items = B.shape
    nobody = Crowd(np.empty(0, dtype=int), np.zeros(n_users, dtype=int), np.zeros(n_users), 0.0)
    items = ItemEvidence(*np.zeros((2, n_items)), np.arange(n_items) / 2, np.ones(n_items, bool))
    return _verdicts.Level(
        4.0, True, 0.5, sp.csr_array(B), items, groups, np.zeros(n_users),
        np.zeros(n_users) if verdicts is None else verdicts,
        np.full(n_users, -1) if by_item is None else np.array(by_item),
        nobody if crowd is None else crowd,
    )  # fmt: skip


def facts(group):
    return (
        group.users.tolist(), group.items.tolist(), group.level, group.min_items, group.n_users,
        group.expected, group.score, group.or_more,
    )  # fmt: skip


@pytest.fixture
def given():
    B = np.zeros((6, 5))
    B[0, [2, 1]] = B[1, [2, 1]] = B[2, 2] = B[3, [0, 3]] = B[4, [0, 3]] = B[5, 4] = 1
    return B


def test_groups_with_fakes_are_named(given):
    groups = groups_of(
        ([2, 1], 2, 2, 0.25, 7.0),
        ([1, 4], 2, 2, 0.25, 6.0),
        ([0, 3], 2, 2, 0.5, 4),
        ([0, 1, 4], 2, 2, 0.5, 1),
    )
    rated = np.array([0, 2, 4, 6, 8, 10])
    level, nobody = level_of(given, groups), np.zeros(6, dtype=bool)
    fake = np.array([False, True, False, False, False, True])
    # The second shares an item with the first, no fake is in the third.
    (found,) = _verdicts.explained(level, fake, nobody, rated)
    assert facts(found) == ([0, 2], [1, 2], 4.0, 2, 2, 0.25, 6.5, True)
    both = _verdicts.explained(level, np.ones(6, dtype=bool), nobody, rated)
    assert [group.items.tolist() for group in both] == [[1, 2], [0, 3]]
    assert not list(_verdicts.explained(level, nobody, nobody, rated))


def test_single_items_are_named_if_two_are_blamed_for_them(given):
    fake = np.array([True, True, True, True, False, True])
    level = level_of(given, by_item=[2, 2, 2, 3, 3, 4], verdicts=np.array([1.0, 5, 2, 3, 4, 9]))
    blamed = np.array([True, True, False, True, False, True])
    (found,) = _verdicts.explained(level, fake, blamed, np.arange(6))
    # All who gave it the level, the score of the worst of those who are blamed.
    assert facts(found) == ([0, 1, 2], [2], 4.0, 1, 3, 1.0, 5.0, True)


def test_crowds_are_named_if_nothing_else_explains_a_member(given):
    crowd = Crowd(np.array([0, 2]), np.array([1, 1, 1, 2, 2, 0]), np.zeros(6), 8.0)
    fake, rated = np.ones(6, dtype=bool), np.arange(6)
    blamed = np.array([False, False, True, True, False, True])
    level = level_of(given, crowd=crowd)
    (found,) = _verdicts.explained(level, fake, blamed, rated)
    # All who are called fake and share an item, wherever else they are blamed.
    assert facts(found) == ([0, 1, 2, 3, 4], [0, 2], 4.0, 1, 5, 1.0, 7.5, True)
    level = level_of(given, groups_of(([0, 3], 2, 2, 0.5, 4)), crowd=crowd)
    assert [facts(group)[1] for group in _verdicts.explained(level, fake, blamed, rated)] == [
        [0, 3], [0, 2],
    ]  # fmt: skip
    # All members who are blamed are named already, or nobody is blamed.
    blamed[2] = False
    assert len(list(_verdicts.explained(level, fake, blamed, rated))) == 1
    level = level_of(given, crowd=crowd, by_item=[2, 2, 2, 0, 0, -1])
    blamed[:] = True
    assert [facts(group)[1] for group in _verdicts.explained(level, fake, blamed, rated)] == [
        [0], [2],
    ]  # fmt: skip
    assert not list(_verdicts.explained(level_of(given, crowd=crowd), fake, ~fake, rated))
