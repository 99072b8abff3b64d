"""What speaks against the fakes of an attack: the lockstep detector's evidence, as expected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from skrecsec.detection._agreement import CORRELATION, agreement_of, least_agreement
from skrecsec.detection._groups import FEWEST_IN_PAIR, FEWEST_PER_ITEM, log_ratio, search
from skrecsec.detection._items import (
    _MIN_RATINGS,
    _as_of_few,
    beta_binomial_surprise,
    examine_items,
    prior_of_share,
)
from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import find_rating_levels, project_to_levels

_KINDS_TRIED = np.log(3)  # all items of a group, at least two, at least three
# An item's own surprise adds to that of its groups where it is more than this.
_NOTABLE_ITEM = 3.0


class Crowd(NamedTuple):
    """What decides how much an attack stands out."""

    r: np.ndarray  # distinct numbers of ratings of the highest level that users have given ...
    n_with: np.ndarray  # ... and how many users have; fakes give the mean number, beside targets
    item_counts: np.ndarray  # numbers of ratings of all items that have any, ascending ...
    log_counts: np.ndarray  # ... their logarithms, and what is usual there:
    shares: np.ndarray  # of the highest level among an item's ratings,
    variances: np.ndarray  # over items
    n_usable: int  # items with enough ratings of the level
    n_telling: int  # items with enough ratings
    lift: float  # how much tastes add to what chance brings together
    floor: float  # what a pair of items has to surpass for groups to grow from it
    lengths: np.ndarray  # distinct numbers of ratings of all levels that users have given ...
    n_as_long: np.ndarray  # ... and how many users have

    def at(self, quantile):
        """Return how many ratings the item at a quantile has."""
        return int(self.item_counts[round(quantile * (self.item_counts.size - 1))])

    def usual(self, n_ratings):
        """Return mean and variance of the share of the level among so many ratings."""
        x = np.log(max(n_ratings, 1))
        return tuple(np.interp(x, self.log_counts, y) for y in (self.shares, self.variances))


def count_crowd(X):
    """Return the crowd."""
    levels = find_rating_levels(X.data)
    is_top = project_to_levels(X.data, levels) == levels[-1]
    n_ratings = np.bincount(X.indices, minlength=X.shape[1])
    n_given = np.bincount(X.indices[is_top], minlength=X.shape[1])
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    r, n_with = np.unique(np.bincount(rows[is_top], minlength=X.shape[0]), return_counts=True)
    rated = np.flatnonzero(n_ratings)
    rated = rated[np.argsort(n_ratings[rated], kind="stable")]
    shares, variances = prior_of_share(n_given, n_ratings)
    with single_threaded():
        lift, floor = _search(X[np.diff(X.indptr) > 0], levels)
    return Crowd(
        r.astype(float),
        n_with,
        n_ratings[rated],
        np.log(n_ratings[rated]),
        shares[rated],
        variances[rated],
        int((n_given >= FEWEST_PER_ITEM).sum()),
        int((n_ratings >= _MIN_RATINGS).sum()),
        lift,
        floor,
        *np.unique(np.diff(X.indptr), return_counts=True),
    )


def _search(X, levels):
    """Return the lift that the detector takes, and how surprising the last of its pairs is."""
    defaults = LockstepDetector()
    is_top = project_to_levels(X.data, levels) == levels[-1]
    B = sp.csr_array(X, dtype=float, copy=True)
    B.data = is_top.astype(float)
    B.eliminate_zeros()
    found = search(
        B, examine_items(X, is_top).combined, n_seeds=defaults.n_seeds, max_items=defaults.max_items
    )
    if len(found.pairs) <= defaults.n_seeds // 2:
        return found.lift, 0.0  # pairs were not many: none was left out
    by_item, c = B.tocsc(), np.bincount(B.indices, minlength=B.shape[1]).astype(float)
    first, second = found.pairs.T
    together = by_item[:, first].multiply(by_item[:, second]).sum(axis=0)
    r = np.diff(B.indptr).astype(float)
    expected = found.lift * c[first] * c[second] * (r @ r) / r.sum() ** 2
    return found.lift, float(log_ratio(np.asarray(together).ravel(), expected).min())


def evidence(n_fakes, n_targets, n_ratings, crowd):
    """Return what speaks against each of so many fakes, in nats."""
    share, _ = crowd.usual(n_ratings)
    n_given = round(share * n_ratings)  # of a target, before the attack
    # Targets that had too few ratings of the level have enough now.
    is_new = n_given < FEWEST_PER_ITEM <= n_given + n_fakes
    n_usable = crowd.n_usable + (n_targets if is_new else 0)
    z, is_mostly_fake = _item_surprise(n_ratings + n_fakes, n_given + n_fakes, crowd)
    single = z - np.log(max(n_usable, 1)) if is_mostly_fake else -np.inf
    if n_fakes < FEWEST_IN_PAIR or not _is_seed(n_fakes, n_given, crowd, n_targets):
        return single
    most_items = LockstepDetector().max_items
    sizes = np.arange(2, min(n_targets, most_items) + 1)
    n_usable = max(n_usable, most_items)
    costs = gammaln(n_usable + 1) - gammaln(sizes + 1) - gammaln(n_usable - sizes + 1)
    r, n_with, total = _users(n_fakes, crowd, n_targets)
    chances = np.minimum(r * (n_given + n_fakes) / total, 1)
    expected = crowd.lift ** (sizes - 1) * (n_with @ chances[:, None] ** sizes)
    surprise = n_fakes * np.log(n_fakes / expected) - (n_fakes - expected)
    surprise += sizes * max(z - _NOTABLE_ITEM, 0) - costs - _KINDS_TRIED
    agrees = _agreement(n_fakes, n_ratings, share, sizes, crowd) >= least_agreement(sizes)
    return np.max(surprise, where=agrees & (expected < n_fakes / 3), initial=single)


def _agreement(n_fakes, n_ratings, share, sizes, crowd):
    """Return how surprising it is that fakes agree, among those who rate as many targets, in nats.

    Genuine users rate them all by chance, and tastes that meet; their tastes go together.
    """
    total = crowd.lengths @ crowd.n_as_long
    chances = np.minimum(crowd.lengths * n_ratings / total, 1)
    others = crowd.lift ** (sizes - 1) * (crowd.n_as_long @ chances[:, None] ** sizes)
    next_share = share + CORRELATION * (1 - share)
    all_share = share * next_share ** (sizes - 1)
    n_others = np.minimum(np.round(others), n_ratings).astype(int)
    n_agreeing = np.round(n_others * all_share).astype(int)
    return agreement_of(n_fakes + n_agreeing, n_fakes + n_others, all_share)


def _item_surprise(n_ratings, n_given, crowd):
    """Return the surprise of a target by itself, and whether half of its ratings are too many."""
    share, variance = crowd.usual(n_ratings)
    z = beta_binomial_surprise(*(np.array([x]) for x in (n_given, n_ratings, share, variance)))
    surplus = max(n_given - share * n_ratings, 0) / max(1 - share, 0.05)
    return float(_as_of_few(z, crowd.n_telling)[0]), surplus >= n_given / 2


def _is_seed(n_fakes, n_given, crowd, n_targets):
    """Return whether two targets surprise enough, as a pair, for groups to grow from them."""
    r, n_with, total = _users(n_fakes, crowd, n_targets)
    chance = (n_with @ r**2) / total**2
    expected = crowd.lift * (n_given + n_fakes) ** 2 * chance
    return log_ratio(n_fakes, expected) > crowd.floor


def _users(n_fakes, crowd, n_targets):
    """Return numbers of ratings of the level, how many users have each, fakes included, the sum."""
    total = crowd.r @ crowd.n_with
    of_fake = total / crowd.n_with.sum() + n_targets
    return (
        np.append(crowd.r, of_fake),
        np.append(crowd.n_with, n_fakes),
        total + n_fakes * of_fake,
    )
