"""Items that have too many ratings of one level, or raters that are too much alike or unlike."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from skrecsec.detection._counts import rows_of
from skrecsec.utils._compiling import jit

# Below so many ratings an item tells nothing of how often the level is given.
_MIN_RATINGS = 5
# So many users have to give an item the level before that can surprise.
_MIN_GIVEN = 4
# The share of the level lies within these bounds, and its variance over items is not less.
_LOWEST_SHARE, _HIGHEST_SHARE, _LEAST_VARIANCE = 0.02, 0.98, 0.003
_N_BINS = 12
# Items whose raters are compared with one another: at least, and at most so many raters.
_FEWEST_RATERS, _MOST_RATERS = 5, 150
_DEGREES_OF_FREEDOM = 4
# The spread of coherence in a bin is not less than the usual one by more than this.
_LARGEST_RATIO = 3


class ItemEvidence(NamedTuple):
    """What is odd about the items, in nats.

    Parameters
    ----------
    surprise : ndarray of shape (n_items,)
        Too many ratings of the level among an item's ratings.

    combined : ndarray of shape (n_items,)
        That, or that and raters too much alike or unlike, whichever is more.

    expected : ndarray of shape (n_items,)
        Expected number of ratings of the level.

    mostly_fake : ndarray of bool of shape (n_items,)
        Whether half of these ratings, or more, are too many.
    """

    surprise: np.ndarray
    combined: np.ndarray
    expected: np.ndarray
    mostly_fake: np.ndarray


def examine_items(X, at_level) -> ItemEvidence:
    """Return what is odd about the items of ratings (CSR), of which a mask has one level."""
    n_items = X.shape[1]
    n_ratings = np.bincount(X.indices, minlength=n_items)
    n_given = np.bincount(X.indices[at_level], minlength=n_items)
    share, variance = prior_of_share(n_given, n_ratings)
    surprise = beta_binomial_surprise(n_given, n_ratings, share, variance)
    surprise = _as_of_few(surprise, (n_ratings >= _MIN_RATINGS).sum())
    both = surprise + coherence_surprise(log_coherence(X, at_level), n_given)
    # The larger of two is more often large than one of them: both pay for it.
    combined = np.maximum(surprise, both - np.log1p(both) - math.log(2))
    surplus = np.maximum(n_given - share * n_ratings, 0) / np.maximum(1 - share, 0.05)
    mostly_fake = (n_given > 0) & (surplus >= n_given / 2)
    return ItemEvidence(surprise, combined, share * n_ratings, mostly_fake)


def level_prior(X, at_level):
    """Return a and b of a beta prior of the share of a level among the ratings of each item."""
    n_ratings = np.bincount(X.indices, minlength=X.shape[1])
    n_given = np.bincount(X.indices[at_level], minlength=X.shape[1])
    return beta_prior(*prior_of_share(n_given, n_ratings))


def prior_of_share(n_given, n_ratings):
    """Return mean and variance of the share of a level among the ratings of each item.

    Both are medians and clipped moments within bins of like popularity, interpolated between them,
    so that a few attacked items hardly move them.
    """
    usable = n_ratings >= _MIN_RATINGS
    if not usable.any():
        usable = n_ratings > 0
    c, k = n_ratings[usable], n_given[usable]
    means, variances, middles = [], [], []
    for members in _bins(np.log(c)):
        share = k[members] / c[members]
        pooled = k[members].sum() / c[members].sum()
        mean = max(np.median(share), 0.8 * pooled, _LOWEST_SHARE)
        mean = min(mean, _HIGHEST_SHARE)
        squares = (share - mean) ** 2
        spread = np.minimum(squares, np.quantile(squares, 0.99)).mean()
        means.append(mean)
        variances.append(max(spread - (mean * (1 - mean) / c[members]).mean(), _LEAST_VARIANCE))
        middles.append(np.log(c[members]).mean())
    x = np.log(np.maximum(n_ratings, 1))
    return np.interp(x, middles, means), np.interp(x, middles, variances)


def beta_prior(share, variance):
    """Return a and b of beta distributions with this mean and variance, a + b at least 1."""
    total = np.maximum(share * (1 - share) / variance - 1, 1)
    return share * total, (1 - share) * total


def beta_binomial_surprise(n_given, n_ratings, share, variance, fewest=_MIN_GIVEN):
    """Return -log of the upper tail of beta-binomials at `n_given` of `n_ratings`.

    It is 0 for numbers below `fewest`.
    """
    tails = _log_tails(n_given, n_ratings, *beta_prior(share, variance))
    return np.where(n_given >= fewest, np.maximum(-tails, 0), 0.0)


def _as_of_few(surprise, n_items):
    """Return less surprise where few items have told what is usual, as Student's tails do."""
    freedom = max(n_items, 1) / 2
    return freedom * np.log1p(surprise / freedom)


def log_coherence(X, at_level):
    """Return how often an item's raters meet elsewhere: log of observed over expected, NaN if none.

    Counted are pairs of users who gave the item the level, and rated another item both.
    """
    n_items = X.shape[1]
    rows = rows_of(X)
    items = X.indices[at_level]
    order = np.argsort(items, kind="stable")
    raters = rows[at_level][order]
    n_given = np.bincount(items, minlength=n_items)
    starts = np.concatenate([[0], np.cumsum(n_given)])
    chance = np.bincount(X.indices, minlength=n_items) / X.nnz
    chosen = np.flatnonzero((n_given >= _FEWEST_RATERS) & (n_given <= _MOST_RATERS))
    ratios = np.full(n_items, np.nan)
    ratios[chosen] = _pair_ratios(
        chosen, starts, raters, X.indptr, X.indices, n_items, float((chance**2).sum())
    )
    with np.errstate(divide="ignore"):
        ratios = np.log(ratios)
    return np.where(np.isfinite(ratios), ratios, np.nan)


def coherence_surprise(coherence, n_given):
    """Return -log of two tails: how far items lie from others of like popularity, 0 for NaN."""
    surprise = np.zeros(coherence.size)
    usable = np.flatnonzero(~np.isnan(coherence))
    if usable.size == 0:
        return surprise
    x, values = np.log(n_given[usable]), coherence[usable]
    middles, centres, scales = [], [], []
    for members in _bins(x):
        centre = np.median(values[members])
        middles.append(x[members].mean())
        centres.append(centre)
        scales.append(1.4826 * np.median(np.abs(values[members] - centre)))
    # Pushed items are alike: where they are half of a bin, its own spread means nothing.
    scales = np.maximum(scales, np.median(scales) / _LARGEST_RATIO)
    centre, scale = np.interp(x, middles, centres), np.interp(x, middles, scales)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.abs(values - centre) / scale
        deviation = np.where(scale > 0, deviation, 0.0)
        # Of Student's t. One item in two deviates by less than the median: no surprise is negative.
        tails = np.log(2) + np.log(stdtr(_DEGREES_OF_FREEDOM, -deviation))
    surprise[usable] = np.maximum(-tails, 0)
    return surprise


def _bins(x):
    """Yield the members of bins at the quantiles of `x`, in ascending order; equal ones together.

    Bins have about ten members or more.
    """
    n_bins = max(1, min(_N_BINS, x.size // 10))
    edges = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)[1:-1]))
    number = np.searchsorted(edges, x, side="left")
    for bin_number in np.unique(number):
        yield np.flatnonzero(number == bin_number)


@jit
def _log_tails(n_given, n_ratings, a, b):
    tails = np.zeros(n_given.size)
    for i in range(n_given.size):
        k, n = n_given[i], n_ratings[i]
        if k == 0:
            continue
        log_first = (
            math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
            + math.lgamma(k + a[i]) + math.lgamma(n - k + b[i]) - math.lgamma(n + a[i] + b[i])
            + math.lgamma(a[i] + b[i]) - math.lgamma(a[i]) - math.lgamma(b[i])
        )  # fmt: skip
        term, total = 1.0, 1.0
        for x in range(k, n):
            term *= (n - x) / (x + 1.0) * (x + a[i]) / (n - x - 1.0 + b[i])
            total += term
        tails[i] = log_first + math.log(total)
    return tails


@jit
def _pair_ratios(chosen, starts, raters, indptr, indices, n_items, sum_of_squares):
    counts = np.zeros(n_items)
    ratios = np.empty(chosen.size)
    for position in range(chosen.size):
        item = chosen[position]
        lengths, squares, observed = 0.0, 0.0, 0.0
        for p in range(starts[item], starts[item + 1]):
            begin, end = indptr[raters[p]], indptr[raters[p] + 1]
            others = end - begin - 1.0
            lengths += others
            squares += others * others
            for x in range(begin, end):
                # Each new rater of an item meets those before.
                observed += counts[indices[x]]
                counts[indices[x]] += 1
        n = starts[item + 1] - starts[item]
        observed -= n * (n - 1.0) / 2  # at the item itself
        for p in range(starts[item], starts[item + 1]):
            for x in range(indptr[raters[p]], indptr[raters[p] + 1]):
                counts[indices[x]] = 0.0
        expected = (lengths * lengths - squares) / 2 * sum_of_squares
        ratios[position] = observed / expected if expected > 0 else np.nan
    return ratios
