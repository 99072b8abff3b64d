"""Bursts of ratings of one level, against brute force over intervals of time."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import betabinom

from skrecsec.detection import _bursts
from skrecsec.detection._items import level_prior
from skrecsec.utils.validation import check_ratings


def tail(k, n, share):
    """Return -log of the upper tail of a beta-binomial of variance 0.02."""
    share = min(max(share, 0.03), 0.97)
    total = max(share * (1 - share) / 0.02 - 1, 1)
    return -betabinom.logsf(k - 1, n, share * total, (1 - share) * total)


def plain_burst_evidence(ratings, given, times, a, b, n_attackable=None):
    """Return the evidence of each rating of the level, by loops over intervals; dense arguments."""
    sizes = [4, 6, 9, 13, 18, 25, 34, 46, 62, 84, 113]
    evidence = np.zeros(ratings.shape)
    n_attackable = n_attackable or (given.sum(axis=0) >= 4).sum()
    for item in range(ratings.shape[1]):
        when = times[ratings[:, item], item]
        level = given[ratings[:, item], item]
        moments = sorted(when[level])
        for size in sizes:
            if size > len(moments):
                break
            # The shortest closed interval that has so many, the first of them.
            width, since = min(
                (until - since, since)
                for since, until in zip(moments, moments[size - 1 :], strict=False)
            )
            expected = len(moments) * max(width, 1 / ratings.sum())
            if expected >= size:
                continue
            inside = (when >= since) & (when <= since + width + 1e-12)
            n = (inside & level).sum()
            haste = n * math.log(n / expected) - (n - expected) - math.log(len(moments))
            share = (a[item] + (level & ~inside).sum()) / (a[item] + b[item] + (~inside).sum())
            value = haste - math.log(n_attackable)
            if value <= 0 or tail(n, inside.sum(), share) < 5.4:
                continue
            hit = given[:, item] & (times[:, item] >= since)
            hit &= times[:, item] <= since + width + 1e-12
            evidence[hit, item] = np.maximum(evidence[hit, item], value)
    return evidence


@pytest.fixture(scope="module", params=["distinct", "days"])
def bursting(request):
    """Return ratings with bursts of different lengths, the level, and times."""
    rng = np.random.default_rng(5)
    ratings = rng.random((60, 8)) < np.linspace(0.2, 0.9, 8)
    given = ratings & (rng.random(ratings.shape) < 0.15)
    times = rng.permutation(ratings.size).reshape(ratings.shape).astype(float)
    for item, n in ((2, 8), (4, 9), (6, 15), (7, 5)):
        ratings[:n, item] = given[:n, item] = True
        times[:n, item] = 200 + rng.permutation(n) / 100
    ratings[20:30, 3] = True  # a season: a burst, of any rating
    given[20:25, 3], given[25:30, 3] = True, False
    times[20:30, 3] = 100
    if request.param == "days":
        times //= 40
    return ratings, given, times


def evidence_of(ratings, given, times):
    X = check_ratings(np.where(ratings, 1.0, 0.0))
    at_level = given[ratings]
    return _bursts.burst_evidence(
        X, at_level, _bursts.as_shares(times[ratings]), *level_prior(X, at_level)
    )


def test_evidence_is_that_of_brute_force(bursting):
    ratings, given, times = bursting
    X, at_level = check_ratings(np.where(ratings, 1.0, 0.0)), given[ratings]
    a, b = level_prior(X, at_level)
    shares = np.zeros(ratings.shape)
    shares[ratings] = _bursts.as_shares(times[ratings])
    expected = plain_burst_evidence(ratings, given, shares, a, b)[given]
    np.testing.assert_allclose(evidence_of(ratings, given, times), expected, atol=1e-9)
    in_bursts = np.zeros(ratings.shape)
    in_bursts[given] = expected
    assert (in_bursts[:8, 2] > 0).all()
    assert (in_bursts[:15, 6] > 5).sum() >= 13
    # A season explains what came in it.
    assert (in_bursts[:, 3] == 0).all()


def plain_window(when, is_level, size, shortest, a, b):
    """Return an item's window of so many ratings of the level: bounds, level, haste, share."""
    moments = when[is_level]
    if size > moments.size:
        return None
    widths = [moments[last] - moments[last - size + 1] for last in range(size - 1, moments.size)]
    first = widths.index(min(widths))
    inside = (when >= moments[first]) & (when <= moments[first + size - 1])
    expected = moments.size * max(widths[first], shortest)
    if expected >= size:
        return None
    n = (inside & is_level).sum()
    haste = n * math.log(n / expected) - (n - expected) - math.log(moments.size)
    share = (a + (is_level & ~inside).sum()) / (a + b + (~inside).sum())
    return np.flatnonzero(inside)[0], np.flatnonzero(inside)[-1] + 1, n, haste, share


@pytest.mark.parametrize("seed", range(6))
def test_windows_are_closed_intervals(seed):
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 30, 9))])
    times = np.concatenate(
        [np.sort(rng.integers(0, (1, 5, 40)[seed % 3], n)) / 50 for n in np.diff(starts)]
    )
    at_level = rng.random(times.size) < 0.6
    a, b = rng.random(9), 1 + rng.random(9)
    sizes = np.array([2, 4, 6, 9])
    begin, end, n_inside = np.zeros((3, 9, 4), dtype=np.int64)
    haste, share = np.zeros((2, 9, 4))
    _bursts._find_windows(
        starts, times, at_level, sizes, a, b, 0.03, begin, end, n_inside, haste, share
    )
    n_found = 0
    for item, number in itertools.product(range(9), range(4)):
        some = slice(starts[item], starts[item + 1])
        expected = plain_window(times[some], at_level[some], sizes[number], 0.03, a[item], b[item])
        place = item, number
        if expected is None:
            assert begin[place] == end[place] == n_inside[place] == haste[place] == 0
            continue
        n_found += 1
        assert (begin[place] - starts[item], end[place] - starts[item]) == expected[:2]
        assert n_inside[place] == expected[2]
        assert haste[place] == pytest.approx(expected[3])
        assert share[place] == pytest.approx(expected[4])
    assert n_found > 5


def test_each_item_that_could_have_a_burst_is_a_try():
    """More items than users; half of the bursts are too slow for so many tries."""
    rng = np.random.default_rng(0)
    ratings = rng.random((50, 70)) < 0.7
    given = ratings & (rng.random(ratings.shape) < 0.1)
    times = rng.random(ratings.shape)
    for place in range(12):
        item, n = 69 - place, 8 + place // 4
        ratings[:, item] = True
        given[:, item] = np.arange(50) < n + 3
        times[:n, item] = 0.5 + np.linspace(0, 0.03 * (place % 6 + 1), n)
        times[n:, item] = (0.85 + rng.random(50 - n) / 2) % 1 * 0.4
    X, at_level = check_ratings(np.where(ratings, 1.0, 0.0)), given[ratings]
    a, b = level_prior(X, at_level)
    expected = plain_burst_evidence(ratings, given, times, a, b)[given]
    got = _bursts.burst_evidence(X, at_level, times[ratings], a, b)
    np.testing.assert_allclose(got, expected, atol=1e-9)
    pure = plain_burst_evidence(ratings, given, times, a, b, n_attackable=1)[given]
    assert (got > 0).any()
    assert ((got == 0) & (pure > 0)).any()


def test_the_order_of_rows_does_not_matter_also_if_times_are_equal(bursting):
    ratings, given, times = bursting
    expected = np.zeros(ratings.shape)
    expected[given] = evidence_of(ratings, given, times)
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(ratings.shape[0])
        got = evidence_of(ratings[rows], given[rows], times[rows])
        np.testing.assert_allclose(got, expected[rows][given[rows]], atol=1e-12)


def test_times_as_shares_of_what_came_before():
    times = [30, 10, 20, 20, 40]
    expected = [
        (sum(t < time for t in times) + (sum(t == time for t in times)) / 2) / 5 for time in times
    ]
    np.testing.assert_allclose(_bursts.as_shares(np.array(times)), expected)
    assert _bursts.as_shares(np.array([7])) == [0.5]
    assert _bursts.as_shares(np.array([])).size == 0


def test_runs_grow_by_a_third_up_to_a_thousand():
    sizes = _bursts._sizes()
    assert sizes[:4].tolist() == [4, 6, 9, 13]
    assert sizes[-2] < 1000 <= sizes[-1]
    assert all(last == math.ceil(1.34 * first) for first, last in itertools.pairwise(sizes))


@pytest.mark.parametrize("step", [1, 4])
def test_fewer_than_four_ratings_are_no_burst(step):
    ratings = np.ones((30, 2), dtype=bool)
    given = np.zeros_like(ratings)
    given[:3, 0] = given[:6, 1] = True
    times = np.empty((30, 2))
    times[:6, 1] = step * np.arange(6)
    times[6:, 1] = np.arange(60)[-24:]
    times[:, 0] = np.setdiff1d(np.arange(60), times[:, 1])
    X, at_level = check_ratings(np.where(ratings, 1.0, 0.0)), given[ratings]
    a, b = np.full(2, 5.0), np.full(2, 21.0)
    got = _bursts.burst_evidence(X, at_level, _bursts.as_shares(times[ratings]), a, b)
    by_item = np.zeros(ratings.shape)
    by_item[given] = got
    assert (by_item[:3, 0] == 0).all()
    # Of one item that could have a burst, six ratings within the time of six, or of 21.
    expected = 6 * 5 * step / 60
    haste = 6 * math.log(6 / expected) - (6 - expected) - math.log(6)
    assert (0 < haste < 1) == (step == 4)
    np.testing.assert_allclose(by_item[:6, 1], haste)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("X", [np.eye(5), np.zeros((5, 5))])
def test_ratings_of_no_item_have_no_bursts(X):
    X = sp.csr_array(X)
    nothing = np.zeros(X.nnz, dtype=bool)
    times = np.linspace(0, 1, X.nnz)
    assert _bursts.burst_evidence(X, nothing, times, np.ones(5), np.ones(5)).shape == (0,)
