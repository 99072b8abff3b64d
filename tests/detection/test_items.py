"""Oddness of single items, against slow and plain computations."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import betabinom
from scipy.stats import t as student

from skrecsec.detection import _items
from skrecsec.utils.validation import check_ratings


def plain_bins(x):
    """Return the bin of each number: between quantiles, equal ones together."""
    n_bins = max(1, min(12, len(x) // 10))
    edges = {float(np.quantile(x, k / n_bins)) for k in range(1, n_bins)}
    number = [sum(edge < value for edge in edges) for value in x]
    return [[i for i, n in enumerate(number) if n == one] for one in sorted(set(number))]


def plain_prior(n_given, n_ratings):
    least = 5 if max(n_ratings) >= 5 else 1
    usable = [i for i, n in enumerate(n_ratings) if n >= least]
    means, variances, middles = [], [], []
    for members in plain_bins([math.log(n_ratings[i]) for i in usable]):
        k = np.array([n_given[usable[i]] for i in members])
        c = np.array([n_ratings[usable[i]] for i in members])
        mean = min(max(np.median(k / c), 0.8 * k.sum() / c.sum(), 0.02), 0.98)
        squares = (k / c - mean) ** 2
        spread = np.mean([min(value, np.quantile(squares, 0.99)) for value in squares])
        means.append(mean)
        variances.append(max(spread - np.mean(mean * (1 - mean) / c), 0.003))
        middles.append(np.mean(np.log(c)))
    x = [math.log(max(n, 1)) for n in n_ratings]
    return np.interp(x, middles, means), np.interp(x, middles, variances)


def plain_beta(share, variance):
    total = max(share * (1 - share) / variance - 1, 1)
    return share * total, (1 - share) * total


def counts(kind):
    """Return how often items got the level, and how often they were rated."""
    rng = np.random.default_rng(5)
    n_ratings = rng.integers(0, {"few": 5, "some": 40, "many": 400}[kind], 150)
    if kind == "few":
        n_ratings = n_ratings[:12]
    share = rng.beta(2, 3, n_ratings.size)
    share[: n_ratings.size // 8] = (0, 1)[kind == "some"]
    return rng.binomial(n_ratings, share), n_ratings


@pytest.mark.parametrize("kind", ["few", "some", "many"])
def test_priors_are_those_of_loops_over_bins(kind):
    n_given, n_ratings = counts(kind)
    mean, variance = _items.prior_of_share(n_given, n_ratings)
    expected = plain_prior(n_given, n_ratings)
    np.testing.assert_allclose(mean, expected[0])
    np.testing.assert_allclose(variance, expected[1])
    a, b = _items.beta_prior(mean, variance)
    both = [plain_beta(m, v) for m, v in zip(*expected, strict=True)]
    np.testing.assert_allclose(np.column_stack([a, b]), both)


@pytest.mark.parametrize(("n_given", "mean"), [(0, 0.02), (9, 0.98)])
def test_shares_have_bounds(n_given, mean):
    got = _items.prior_of_share(np.full(20, n_given), np.full(20, 9))
    np.testing.assert_allclose(got[0], mean)
    np.testing.assert_allclose(got[1], 0.003)


def plain_coherence_surprise(coherence, n_given):
    usable = [i for i, value in enumerate(coherence) if not math.isnan(value)]
    surprise = np.zeros(len(coherence))
    if not usable:
        return surprise
    x = [math.log(n_given[i]) for i in usable]
    middles, centers, scales = [], [], []
    for members in plain_bins(x):
        values = np.array([coherence[usable[i]] for i in members])
        middles.append(np.mean([x[i] for i in members]))
        centers.append(np.median(values))
        scales.append(1.4826 * np.median(np.abs(values - np.median(values))))
    for place, i in enumerate(usable):
        center, scale = (np.interp(x[place], middles, some) for some in (centers, scales))
        deviation = abs(coherence[i] - center) / scale if scale > 0 else 0.0
        surprise[i] = max(-math.log(2 * student.sf(deviation, 4)), 0)
    return surprise


@pytest.mark.parametrize("is_constant", [False, True])
def test_coherence_is_compared_with_items_of_like_popularity(is_constant):
    rng = np.random.default_rng(0)
    n_given = rng.integers(5, 100, 130)
    coherence = rng.normal(size=130) + np.log(n_given)
    coherence[rng.random(130) < 0.1] = np.nan
    if is_constant:
        coherence[:] = 3.0
    got = _items.coherence_surprise(coherence, n_given)
    np.testing.assert_allclose(got, plain_coherence_surprise(coherence, n_given), atol=1e-12)
    assert (got == 0).all() == is_constant
    assert not _items.coherence_surprise(np.full(4, np.nan), np.full(4, 9)).any()


@pytest.fixture(scope="module")
def rated():
    """Return ratings with items that got the level too often, or from raters who are alike."""
    rng = np.random.default_rng(3)
    X = np.where(rng.random((120, 40)) < np.linspace(0.05, 0.5, 40), 1, 0)
    X[rng.random(X.shape) < 0.3] *= 2
    X[:20, 3] = X[:30, 30] = X[:5, 7] = 2
    X[100:, :5] = 2
    X[:, 39] = np.arange(120) < 4
    return X


def test_items_are_examined_as_by_loops(rated):
    X = check_ratings(rated)
    found = _items.examine_items(X, X.data == 2)
    n_ratings, n_given = (rated > 0).sum(axis=0), (rated == 2).sum(axis=0)
    share, variance = plain_prior(n_given, n_ratings)
    coherence = _items.log_coherence(X, X.data == 2)
    odd = plain_coherence_surprise(coherence, n_given)
    freedom = (n_ratings >= 5).sum() / 2
    for item in range(40):
        k, n, mean = n_given[item], n_ratings[item], share[item]
        nats = 0.0
        if k >= 4:
            nats = -betabinom.logsf(k - 1, n, *plain_beta(mean, variance[item]))
        nats = freedom * math.log(1 + nats / freedom)
        both = nats + odd[item]
        assert found.surprise[item] == pytest.approx(nats)
        assert found.combined[item] == pytest.approx(
            max(nats, both - math.log(1 + both) - math.log(2))
        )
        assert found.expected[item] == pytest.approx(mean * n)
        surplus = max(k - mean * n, 0) / max(1 - mean, 0.05)
        assert found.mostly_fake[item] == (k > 0 and surplus >= k / 2)
    assert (found.combined > found.surprise).any()
    assert (found.combined == found.surprise).any()
    assert 0 < found.mostly_fake.sum() < 40
    a, b = _items.level_prior(X, X.data == 2)
    both = [plain_beta(*some) for some in zip(share, variance, strict=True)]
    np.testing.assert_allclose(np.column_stack([a, b]), both)


@pytest.mark.parametrize("n_users", [4, 5, 150, 151])
def test_raters_are_compared_if_they_are_neither_few_nor_many(n_users):
    X = check_ratings(np.ones((n_users, 4)))
    got = _items.log_coherence(X, np.ones(X.nnz, dtype=bool))
    assert np.isnan(got).all() == (n_users in (4, 151))
    # Who meet nobody elsewhere.
    alone = check_ratings(np.hstack([np.ones((6, 1)), np.eye(6)]))
    assert np.isnan(_items.log_coherence(alone, np.ones(12, dtype=bool))).all()


def test_tails_are_those_of_beta_binomials():
    n, k = np.meshgrid([4, 9, 30, 300], [4, 5, 9, 25], indexing="ij")
    n, k = n.ravel(), np.minimum(k, n).ravel()
    share, variance = np.full(n.size, 0.3), np.full(n.size, 0.02)
    total = 0.3 * 0.7 / 0.02 - 1
    expected = -betabinom.logsf(k - 1, n, 0.3 * total, 0.7 * total)
    got = _items.beta_binomial_surprise(k, n, share, variance)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)


def test_few_ratings_of_the_level_are_no_surprise():
    got = _items.beta_binomial_surprise(np.array([3, 0]), np.array([3, 0]), np.full(2, 0.1), 0.01)
    np.testing.assert_array_equal(got, 0)


def test_tails_of_all_ratings_at_the_level_stay_finite():
    k = np.array([50_000])
    got = _items.beta_binomial_surprise(k, k, np.array([0.02]), np.array([0.003]))
    assert np.isfinite(got).all()
    assert got[0] > 10


def test_coherence_counts_pairs_of_raters_who_meet_elsewhere():
    rng = np.random.default_rng(1)
    X = check_ratings(np.where(rng.random((30, 15)) < 0.5, rng.integers(1, 3, (30, 15)), 0))
    got = _items.log_coherence(X, X.data == 2)
    rated, top = X.toarray() > 0, X.toarray() == 2
    chance = rated.sum(axis=0) / X.nnz
    for item in range(15):
        raters = np.flatnonzero(top[:, item])
        if raters.size < 5:
            assert np.isnan(got[item])
            continue
        others = np.delete(rated, item, axis=1)
        observed = expected = 0.0
        for u, v in itertools.combinations(raters, 2):
            observed += (others[u] & others[v]).sum()
            expected += others[u].sum() * others[v].sum() * (chance**2).sum()
        assert got[item] == pytest.approx(math.log(observed / expected))


def test_an_item_as_coherent_as_others_is_no_surprise():
    n_given = np.full(40, 20)
    coherence = np.random.default_rng(0).normal(size=40) * 0.1
    coherence[3], coherence[5] = 2.0, np.nan
    got = _items.coherence_surprise(coherence, n_given)
    assert got[3] == got.max() > 5
    assert got[5] == 0
    usable = coherence[~np.isnan(coherence)]
    middle = np.median(usable)
    deviation = abs(coherence[0] - middle) / (1.4826 * np.median(np.abs(usable - middle)))
    expected = max(0, -np.log(2 * student.sf(deviation, 4)))
    # One bin has them all, since they are equally popular.
    assert got[0] == pytest.approx(expected)


def test_a_share_of_the_level_is_learned_from_items_of_like_popularity():
    rng = np.random.default_rng(0)
    n_ratings = np.repeat([10, 1000], 100)
    n_given = rng.binomial(n_ratings, np.repeat([0.2, 0.6], 100))
    n_given[0] = 10  # an attacked item
    mean, variance = _items.prior_of_share(n_given, n_ratings)
    np.testing.assert_allclose(mean[:100], 0.2, atol=0.05)
    np.testing.assert_allclose(mean[100:], 0.6, atol=0.02)
    assert (variance >= 0.003).all()
    assert (variance < 0.03).all()
