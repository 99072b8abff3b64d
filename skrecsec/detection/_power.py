"""How small an attack can be, and still be seen by the lockstep detector's statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from skrecsec.detection._groups import _FEWEST_IN_PAIR, FEWEST_PER_ITEM, _log_ratio, search
from skrecsec.detection._items import (
    _MIN_RATINGS,
    _as_of_few,
    beta_binomial_surprise,
    examine_items,
    prior_of_share,
)
from skrecsec.detection._lockstep import _GROUP_PRIOR, LockstepDetector
from skrecsec.utils._compat import (
    Count,
    Number,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import check_ratings, find_rating_levels, project_to_levels

_KINDS_TRIED = np.log(3)  # all items of a group, at least two, at least three
# An item's own surprise adds to that of its groups where it is more than this.
_NOTABLE_ITEM = 3.0
# Numbers of fakes are tried in steps of this, then one by one. An attack is called visible where
# all are up to the double.
_STEP, _MARGIN = 1.05, 2
_QUANTILES = {"unpopular": 0.1, "median": 0.5, "popular": 0.9}


class VisibleAttack(NamedTuple):
    """From how many fake profiles on, and up to how many, an attack stands out.

    Parameters
    ----------
    n_targets : int
        Number of target items.

    popularity : str or float
        How popular they are.

    n_ratings : int
        How many ratings such an item has before the attack.

    smallest, largest : int or None
        Numbers of fakes; None if there are none that stand out.

    Examples
    --------
    >>> from skrecsec.detection import VisibleAttack
    >>> VisibleAttack(5, "median", 30, smallest=4, largest=80).smallest
    4
    """

    n_targets: int
    popularity: str | float
    n_ratings: int
    smallest: int | None
    largest: int | None


class _Crowd(NamedTuple):
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

    def at(self, quantile):
        """Return how many ratings the item at a quantile has."""
        return int(self.item_counts[round(quantile * (self.item_counts.size - 1))])

    def usual(self, n_ratings):
        """Return mean and variance of the share of the level among so many ratings."""
        x = np.log(max(n_ratings, 1))
        return tuple(np.interp(x, self.log_counts, y) for y in (self.shares, self.variances))


_CHECKED = {
    "X": ["array-like", "sparse matrix"],
    "max_share": [Number(0, 1, closed="right")],
    "threshold": [Number(0, None, closed="left")],
}
_POPULARITY = [StrOptions(set(_QUANTILES)), Number(0, 1, closed="both")]


@validate_params(
    {**_CHECKED, "n_targets": [Count()], "popularity": _POPULARITY},
    prefer_skip_nested_validation=True,
)
def smallest_visible_attack(
    X,
    n_targets: int = 5,
    *,
    popularity: str | float = "median",
    max_share: float = 0.1,
    threshold: float = 3.0,
) -> int | None:
    """Return from how many fake profiles on an attack stands out among ratings.

    The fakes give the same target items the highest level, each of them all, and look inconspicuous
    otherwise. Fewer may stand out as well, by looking alike, say: this many need not.

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Ratings, taken to be genuine.

    n_targets : int, default=5
        Number of target items.

    popularity : {"unpopular", "median", "popular"} or float, default="median"
        How many ratings a target has before the attack: a quantile, from 0 to 1, of the items that
        have any. The names stand for 0.1, 0.5 and 0.9.

    max_share : float, default=0.1
        The largest attack that is thought of, as a share of the users.

    threshold : float, default=3.0
        That of the detector, in nats.

    Returns
    -------
    n_fakes : int or None
        The smallest number of fakes that stand out, as do all numbers up to its double, or to the
        largest attack. None if there is no such number.

    Raises
    ------
    ValueError
        If `X` or a parameter is invalid.

    See Also
    --------
    visible_attacks : Several attacks at once, with the formulas.

    Notes
    -----
    Time and memory are those of :class:`LockstepDetector` for its items and groups at one level.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import smallest_visible_attack
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> [smallest_visible_attack(X, n_targets) for n_targets in (2, 3, 5)]
    [None, 9, 5]
    """
    (attack,) = visible_attacks(
        X, [n_targets], popularities=[popularity], max_share=max_share, threshold=threshold
    )
    return attack.smallest


@validate_params(
    {**_CHECKED, "n_targets": ["array-like"], "popularities": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def visible_attacks(
    X,
    n_targets: Sequence[int] = (1, 2, 3, 5),
    *,
    popularities: Sequence[str | float] = tuple(_QUANTILES),
    max_share: float = 0.1,
    threshold: float = 3.0,
) -> list[VisibleAttack]:
    r"""Return, for attacks of several kinds, how many fake profiles stand out among ratings.

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Ratings, taken to be genuine.

    n_targets : sequence of int, default=(1, 2, 3, 5)
        Numbers of target items.

    popularities : sequence of str or float, default=("unpopular", "median", "popular")
        How popular they are, as in :func:`smallest_visible_attack`.

    max_share : float, default=0.1
        The largest attack that is thought of, as a share of the users.

    threshold : float, default=3.0
        That of the detector, in nats.

    Returns
    -------
    attacks : list of VisibleAttack
        For each popularity and each number of targets, the smallest number of fakes that stand out,
        as do all numbers up to its double, or to the largest attack; and up to what number they do.

    Raises
    ------
    ValueError
        If `X` or a parameter is invalid.

    See Also
    --------
    LockstepDetector : Whose evidence this is about, ``contamination="auto"``.

    Notes
    -----
    Let r be the numbers of ratings of the highest level that users give, S their sum, c that of a
    target after n fakes have come, each of whom gives as many as the mean user, and the targets. Of
    s targets :class:`LockstepDetector` with its defaults expects

    .. math:: E = \lambda^{s - 1} \sum_u \min(r_u c / S, 1)^s

    users who give it to all of them, fakes included. It sees n, and so a net surprise of

    .. math:: n \log \frac{n}{E} - (n - E) + s \max(z - 3, 0) - \log \binom{m}{s} - \log 3 - 3,

    m the items with at least three ratings of the level, z the surprise of an item by itself: minus
    the log of the upper tail of a beta-binomial at its ratings of the level. The lift
    :math:`\lambda` is the one that it takes for these ratings. It asks for four users at least,
    grows groups from the most surprising pairs of items, which two targets have to be among, and
    takes the best of all s from 2 to `n_targets`. A single item stands out by :math:`z - \log m`,
    if half of its ratings of the level, or more, are too many. An attack stands out where one of
    these exceeds the threshold.

    More fakes are not always easier to see: they change what is usual, E grows as :math:`n^s`, and
    where they are many among the raters of their items, they are what is expected.

    These are the detector's statistics at their expected values, without what look-alikes and
    coherence add, and the search is greedy: rely on seeing an attack that is half as large again.

    Time and memory are those of the detector for its items and groups at one level.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import visible_attacks
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> for attack in visible_attacks(X, [2, 5], popularities=["unpopular", "popular"]):
    ...     print(attack.n_targets, attack.n_ratings, attack.smallest, attack.largest)
    2 5 9 40
    5 5 4 40
    2 95 None None
    5 95 None None
    """
    X = check_ratings(X)
    kinds = [
        (_check_one("popularities", popularity, _POPULARITY), _check_one("n_targets", n, [Count()]))
        for popularity in popularities
        for n in n_targets
    ]
    crowd = _count(X)

    def stands_out(n_fakes, n_targets, n_ratings):
        return _evidence(n_fakes, n_targets, n_ratings, crowd) > threshold

    sizes = _sizes(int(max_share * X.shape[0]))
    attacks = []
    for popularity, n in kinds:
        quantile = _QUANTILES[popularity] if isinstance(popularity, str) else popularity
        n_ratings = crowd.at(quantile)
        ends = _visible(stands_out, n, n_ratings, sizes)
        attacks.append(VisibleAttack(n, popularity, n_ratings, *ends))
    return attacks


def _check_one(name, value, constraints):
    """Return a member of a sequence, or say what is wrong with it."""
    validate_parameter_constraints({name: constraints}, {name: value}, "visible_attacks")
    return value


def _sizes(largest):
    """Return numbers of fakes to be tried, ascending, the largest among them."""
    if largest == 0:
        return []
    n_steps = int(np.log(largest) / np.log(_STEP)) + 1
    sizes = np.ceil(_STEP ** np.arange(n_steps)).astype(int)
    return np.union1d(sizes[sizes <= largest], [largest]).tolist()


def _visible(stands_out, n_targets, n_ratings, sizes):
    """Return the ends of the first run of sizes that stand out and that is long enough."""
    is_visible = [stands_out(size, n_targets, n_ratings) for size in sizes]
    begin = None
    for place, size in enumerate(sizes):
        if is_visible[place] and begin is None:
            begin = size
            while begin > 1 and stands_out(begin - 1, n_targets, n_ratings):
                begin -= 1
        if begin is not None and (size == sizes[-1] or not is_visible[place + 1]):
            end = size
            while end < sizes[-1] and stands_out(end + 1, n_targets, n_ratings):
                end += 1
            if end >= min(_MARGIN * begin, sizes[-1]):
                return begin, end
            begin = None
    return None, None


def _count(X):
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
    return _Crowd(
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
    )


def _search(X, levels):
    """Return the lift that the detector takes, and how surprising the last of its pairs is."""
    defaults = LockstepDetector()
    is_top = project_to_levels(X.data, levels) == levels[-1]
    B = sp.csr_array(X, dtype=float, copy=True)
    B.data = is_top.astype(float)
    B.eliminate_zeros()
    found = search(
        B, examine_items(X, is_top).surprise, n_seeds=defaults.n_seeds, max_items=defaults.max_items
    )
    if len(found.pairs) <= defaults.n_seeds // 2:
        return found.lift, 0.0  # pairs were not many: none was left out
    by_item, c = B.tocsc(), np.bincount(B.indices, minlength=B.shape[1]).astype(float)
    first, second = found.pairs.T
    together = by_item[:, first].multiply(by_item[:, second]).sum(axis=0)
    r = np.diff(B.indptr).astype(float)
    expected = found.lift * c[first] * c[second] * (r @ r) / r.sum() ** 2
    return found.lift, float(_log_ratio(np.asarray(together).ravel(), expected).min())


def _evidence(n_fakes, n_targets, n_ratings, crowd):
    """Return what speaks against each of so many fakes, in nats."""
    share, _ = crowd.usual(n_ratings)
    n_given = round(share * n_ratings)  # of a target, before the attack
    # Targets that had too few ratings of the level have enough now.
    is_new = n_given < FEWEST_PER_ITEM <= n_given + n_fakes
    n_usable = crowd.n_usable + (n_targets if is_new else 0)
    z, is_mostly_fake = _item_surprise(n_ratings + n_fakes, n_given + n_fakes, crowd)
    single = z - np.log(max(n_usable, 1)) if is_mostly_fake else -np.inf
    if n_fakes < _FEWEST_IN_PAIR or not _is_seed(n_fakes, n_given, crowd, n_targets):
        return single
    most_items = LockstepDetector().max_items
    sizes = np.arange(2, min(n_targets, most_items) + 1)
    n_usable = max(n_usable, most_items)
    costs = gammaln(n_usable + 1) - gammaln(sizes + 1) - gammaln(n_usable - sizes + 1)
    r, n_with, total = _users(n_fakes, crowd, n_targets)
    chances = np.minimum(r * (n_given + n_fakes) / total, 1)
    expected = crowd.lift ** (sizes - 1) * (n_with @ chances[:, None] ** sizes)
    surprise = n_fakes * np.log(n_fakes / expected) - (n_fakes - expected)
    surprise += sizes * max(z - _NOTABLE_ITEM, 0) - costs - _KINDS_TRIED - _GROUP_PRIOR
    return np.max(surprise, where=expected < n_fakes / 3, initial=single)


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
    return _log_ratio(n_fakes, expected) > crowd.floor


def _users(n_fakes, crowd, n_targets):
    """Return numbers of ratings of the level, how many users have each, fakes included, the sum."""
    total = crowd.r @ crowd.n_with
    of_fake = total / crowd.n_with.sum() + n_targets
    return (
        np.append(crowd.r, of_fake),
        np.append(crowd.n_with, n_fakes),
        total + n_fakes * of_fake,
    )
