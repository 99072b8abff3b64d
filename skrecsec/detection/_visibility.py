"""What speaks against the fakes of an attack: the lockstep detector's evidence, as expected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.detection._agreement import CORRELATION, agreement_of, weigh
from skrecsec.detection._counts import log_choices, log_ratio
from skrecsec.detection._groups import (
    _N_SUSPICIOUS,
    FEWEST_IN_PAIR,
    FEWEST_PER_ITEM,
    LIFT,
    search,
)
from skrecsec.detection._items import (
    _MIN_RATINGS,
    _as_of_few,
    beta_binomial_surprise,
    beta_prior,
    examine_items,
    prior_of_share,
)
from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.detection._verdicts import _EXPLAINS, Pattern
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import find_rating_levels, project_to_levels

_KINDS_TRIED = np.log(3)  # all items of a group, at least two, at least three
# An item's own surprise adds to that of its groups where it is more than this.
_NOTABLE_ITEM = 3.0


class Background(NamedTuple):
    """What an attack has to stand out from."""

    r: np.ndarray  # distinct numbers of ratings of the highest level that users have given ...
    n_with: np.ndarray  # ... and how many users have; fakes give the mean number, beside targets
    lengths: np.ndarray  # distinct numbers of ratings of all levels that users have given ...
    n_as_long: np.ndarray  # ... and how many users have
    item_counts: np.ndarray  # numbers of ratings of all items that have any, ascending ...
    log_counts: np.ndarray  # ... their logarithms, and what is usual there:
    shares: np.ndarray  # of the highest level among an item's ratings,
    variances: np.ndarray  # over items
    n_usable: int  # items with enough ratings of the level
    n_telling: int  # items with enough ratings
    lift: float  # how much tastes add to what chance brings together
    floor: float  # what a pair of items has to surpass for groups to grow from it ...
    suspicions: np.ndarray  # ... or else its items: the largest surprises of items, descending

    def at(self, quantile):
        """Return how many ratings the item at a quantile has."""
        return int(self.item_counts[round(quantile * (self.item_counts.size - 1))])

    def usual(self, n_ratings):
        """Return mean and variance of the share of the level among so many ratings."""
        x = np.log(max(n_ratings, 1))
        return tuple(np.interp(x, self.log_counts, y) for y in (self.shares, self.variances))


def background_of(X):
    """Return what an attack on ratings would have to stand out from."""
    levels = find_rating_levels(X.data)
    X = X[np.diff(X.indptr) > 0]
    is_top = project_to_levels(X.data, levels) == levels[-1]
    n_ratings = np.bincount(X.indices, minlength=X.shape[1])
    n_given = np.bincount(X.indices[is_top], minlength=X.shape[1])
    rated = np.flatnonzero(n_ratings)
    rated = rated[np.argsort(n_ratings[rated], kind="stable")]
    shares, variances = prior_of_share(n_given, n_ratings)
    B = Pattern(X, is_top, float(levels[-1]), False, 0.0, True).ones()
    defaults = LockstepDetector()
    with single_threaded():
        suspicions = examine_items(X, is_top).combined
        found = search(
            # The attack is one of the groups that stand out.
            B, suspicions, n_seeds=defaults.n_seeds, max_items=defaults.max_items, n_to_come=1
        )  # fmt: skip
    return Background(
        *(values.astype(float) for values in _distinct(np.diff(B.indptr))),
        *(values.astype(float) for values in _distinct(np.diff(X.indptr))),
        n_ratings[rated],
        np.log(n_ratings[rated]),
        shares[rated],
        variances[rated],
        int((n_given >= FEWEST_PER_ITEM).sum()),
        int((n_ratings >= _MIN_RATINGS).sum()),
        found.lift,
        found.floor,
        np.sort(suspicions)[::-1],
    )


def _distinct(values):
    return np.unique(values, return_counts=True)


def evidence(n_fakes, n_targets, n_ratings, background):
    """Return what speaks against each of so many fakes, in nats."""
    share, _ = background.usual(n_ratings)
    n_given = round(share * n_ratings)  # of a target, before the attack
    # Targets that had too few ratings of the level have enough now.
    is_new = n_given < FEWEST_PER_ITEM <= n_given + n_fakes
    n_usable = background.n_usable + (n_targets if is_new else 0)
    z, is_mostly_fake = _item_surprise(n_ratings + n_fakes, n_given + n_fakes, background)
    single = max(z - np.log(max(n_usable, 1)), 0.0) if is_mostly_fake else 0.0
    if n_targets < 2 or not _is_seed(n_fakes, n_targets, n_given, z, background):
        return single
    of_group = _group_surprise(n_fakes, n_targets, n_ratings, n_given, z, n_usable, background)
    # Items of a group that stands out speak against nobody by themselves.
    return of_group if of_group > _EXPLAINS else max(of_group, single)


def _group_surprise(n_fakes, n_targets, n_ratings, n_given, z, n_usable, background):
    """Return the net surprise of the best of the groups that the detector grows from targets."""
    most_items = LockstepDetector().max_items
    sizes = np.arange(2, min(n_targets, most_items) + 1)
    n_usable = max(n_usable, most_items)
    costs = log_choices(n_usable, sizes)
    r, n_with, total = _users(n_fakes, n_targets, background)
    chances = np.minimum(r * (n_given + n_fakes) / total, 1)
    expected = LIFT ** (sizes - 1) * (n_with @ chances[:, None] ** sizes)
    sizes = sizes[np.logical_and.accumulate(expected <= n_fakes / 3)]
    if sizes.size == 0:
        return 0.0
    extra = sizes * max(z - _NOTABLE_ITEM, 0) - costs[: sizes.size] - _KINDS_TRIED
    nets, weighed = (
        log_ratio(n_fakes, expected[: sizes.size] * (lift / LIFT) ** (sizes - 1)) + extra
        for lift in (LIFT, background.lift)
    )
    agreed = _agreement(n_fakes, n_ratings, n_given, sizes, background)
    weighed = weigh(weighed, agreed, sizes)
    # Groups of which at least two, or three, are asked for end there; else the best size is kept.
    kept = (sizes <= 3) | (sizes == sizes[np.argmax(nets)])
    return max(float(weighed[kept].max()), 0.0)


def _agreement(n_fakes, n_ratings, n_given, sizes, background):
    """Return how surprising it is that fakes agree, among those who rate as many targets, in nats.

    Genuine users rate them all by chance, and tastes that meet; their tastes go together.
    """
    total = background.lengths @ background.n_as_long
    chances = np.minimum(background.lengths * n_ratings / total, 1)
    others = LIFT ** (sizes - 1) * (background.n_as_long @ chances[:, None] ** sizes)
    n_others = np.minimum(np.round(others), n_ratings).astype(int)
    share, variance = background.usual(n_ratings + n_fakes)
    a, b = beta_prior(np.array(share), np.array(variance))
    share = (a + n_given) / (a + b + n_ratings)
    # Targets differ, and the one with the largest share counts most.
    largest = min(share + np.sqrt(variance), 1.0)
    of_all = largest * (share + CORRELATION * (1 - share)) ** (sizes - 1)
    n_agreeing = np.round(n_others * of_all).astype(int)
    return agreement_of(n_fakes + n_agreeing, n_fakes + n_others, of_all)


def _item_surprise(n_ratings, n_given, background):
    """Return the surprise of a target by itself, and whether half of its ratings are too many."""
    share, variance = background.usual(n_ratings)
    z = beta_binomial_surprise(*(np.array([x]) for x in (n_given, n_ratings, share, variance)))
    surplus = max(n_given - share * n_ratings, 0) / max(1 - share, 0.05)
    return float(_as_of_few(z, background.n_telling)[0]), surplus >= n_given / 2


def _is_seed(n_fakes, n_targets, n_given, z, background):
    """Return whether groups grow from pairs of targets: as pairs, or as suspicious items."""
    n_before = min(_N_SUSPICIOUS, background.suspicions.size - 1) - n_targets
    if n_before >= 0 and z > max(background.suspicions[n_before], 0):
        return True
    r, n_with, total = _users(n_fakes, n_targets, background)
    expected = LIFT * (n_given + n_fakes) ** 2 * (n_with @ r**2) / total**2
    return n_fakes >= FEWEST_IN_PAIR and log_ratio(n_fakes, expected) > background.floor


def _users(n_fakes, n_targets, background):
    """Return numbers of ratings of the level, how many users have each, fakes included, the sum."""
    total = background.r @ background.n_with
    of_fake = total / background.n_with.sum() + n_targets
    return (
        np.append(background.r, of_fake),
        np.append(background.n_with, n_fakes),
        total + n_fakes * of_fake,
    )
