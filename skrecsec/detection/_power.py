"""How small an attack can be, and still be seen by the lockstep detector's statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from skrecsec.detection._groups import _FEWEST_IN_PAIR, FEWEST_PER_ITEM
from skrecsec.detection._items import (
    _MIN_RATINGS,
    _as_of_few,
    beta_binomial_surprise,
    prior_of_share,
)
from skrecsec.detection._lockstep import _GROUP_PRIOR
from skrecsec.utils._compat import Count, Number, StrOptions, validate_params
from skrecsec.utils.validation import check_ratings, find_rating_levels, project_to_levels

# Three kinds of groups are tried; they grow up to so many items.
_KINDS_TRIED, _MOST_ITEMS = np.log(3), 8
# An item's own surprise adds to that of its groups where it is more than this.
_NOTABLE_ITEM = 3.0
# Numbers of fakes are tried in steps of this, then one by one.
_STEP = 1.05
_QUANTILES = {"unpopular": 0.1, "median": 0.5, "popular": 0.9}


class _Crowd(NamedTuple):
    """What decides how much an attack stands out."""

    r: np.ndarray  # distinct numbers of ratings of the highest level that users have given ...
    n_with: np.ndarray  # ... and how many users have; fakes give the mean number, beside targets
    n_ratings: int  # of a target item, before the attack
    log_counts: np.ndarray  # numbers of ratings of all items, ascending, and what is usual there:
    shares: np.ndarray  # of the highest level among an item's ratings,
    variances: np.ndarray  # over items
    n_usable: int  # items with enough ratings of the level
    n_telling: int  # items with enough ratings

    def usual(self, n_ratings):
        """Return mean and variance of the share of the level among so many ratings."""
        x = np.log(max(n_ratings, 1))
        return tuple(np.interp(x, self.log_counts, y) for y in (self.shares, self.variances))


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "n_targets": [Count()],
        "popularity": [StrOptions(set(_QUANTILES)), Number(0, 1, closed="both")],
        "max_share": [Number(0, 1, closed="right")],
        "threshold": [Number(0, None, closed="left")],
        "lift": [Number(1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def smallest_visible_attack(
    X,
    n_targets: int = 5,
    *,
    popularity="median",
    max_share: float = 0.05,
    threshold: float = 3.0,
    lift: float = 2.0,
) -> int | None:
    r"""Return from what number on fake profiles stand out among ratings.

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

    max_share : float, default=0.05
        The largest attack that is thought of, as a share of the users.

    threshold : float, default=3.0
        That of the detector, in nats.

    lift : float, default=2.0
        How much tastes are taken to add to what chance brings together: the least that the detector
        assumes. Where tastes make many groups it assumes more, and more fakes are needed.

    Returns
    -------
    n_fakes : int or None
        The smallest number from which on all attacks, up to the largest, stand out; None if the
        largest does not.

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
    s targets the detector expects

    .. math:: E = \lambda^{s - 1} \sum_u \min(r_u c / S, 1)^s

    users who give it to all of them, fakes included. It sees n, and so a net surprise of

    .. math:: n \log \frac{n}{E} - (n - E) + s \max(z - 3, 0) - \log \binom{m}{s} - \log 3 - 3,

    m the items with at least three ratings of the level, z the surprise of an item by itself: minus
    the log of the upper tail of a beta-binomial at its ratings of the level. It asks for four users
    at least, and takes the best of all s from 2 to `n_targets`. A single item stands out by
    :math:`z - \log m`, if half of its ratings of the level, or more, are too many. An attack
    stands out where one of these exceeds the threshold.

    More fakes are not always easier to see: they change what is usual, E grows as :math:`n^s`, and
    where they are many among the raters of their items, they are what is expected.

    These are the detector's statistics at their expected values, without what look-alikes and
    coherence add. Its search is greedy and its lift may be larger: rely on seeing an attack that
    is half as large again.

    O(n_ratings) time to count; then O(distinct numbers of ratings) for each number of fakes tried.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import smallest_visible_attack
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> [smallest_visible_attack(X, n_targets) for n_targets in (1, 2, 3, 5)]
    [None, None, 9, 5]
    """
    X = check_ratings(X)
    quantile = _QUANTILES[popularity] if isinstance(popularity, str) else popularity
    crowd = _count(X, float(quantile))
    smallest = None
    for n_fakes in reversed(_sizes(int(max_share * X.shape[0]))):
        if _evidence(n_fakes, crowd, n_targets, lift) <= threshold:
            break
        smallest = n_fakes
    if smallest is None:
        return None
    while smallest > 1 and _evidence(smallest - 1, crowd, n_targets, lift) > threshold:
        smallest -= 1
    return smallest


def _sizes(largest):
    """Return numbers of fakes to be tried, ascending, the largest among them."""
    if largest == 0:
        return []
    n_steps = int(np.log(largest) / np.log(_STEP)) + 1
    sizes = np.ceil(_STEP ** np.arange(n_steps)).astype(int)
    return np.union1d(sizes[sizes <= largest], [largest]).tolist()


def _count(X, quantile):
    """Return the crowd, and targets of a popularity."""
    levels = find_rating_levels(X.data)
    is_top = project_to_levels(X.data, levels) == levels[-1]
    n_ratings = np.bincount(X.indices, minlength=X.shape[1])
    n_given = np.bincount(X.indices[is_top], minlength=X.shape[1])
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    r, n_with = np.unique(np.bincount(rows[is_top], minlength=X.shape[0]), return_counts=True)
    rated = np.flatnonzero(n_ratings)
    rated = rated[np.argsort(n_ratings[rated], kind="stable")]
    shares, variances = prior_of_share(n_given, n_ratings)
    return _Crowd(
        r.astype(float),
        n_with,
        # The item at the quantile stands for the targets.
        int(n_ratings[rated[round(quantile * (rated.size - 1))]]),
        np.log(n_ratings[rated]),
        shares[rated],
        variances[rated],
        int((n_given >= FEWEST_PER_ITEM).sum()),
        int((n_ratings >= _MIN_RATINGS).sum()),
    )


def _evidence(n_fakes, crowd, n_targets, lift):
    """Return what speaks against each of so many fakes, in nats."""
    share, _ = crowd.usual(crowd.n_ratings)
    n_given = round(share * crowd.n_ratings)  # of a target, before the attack
    # Targets that had too few ratings of the level have enough now.
    is_new = n_given < FEWEST_PER_ITEM <= n_given + n_fakes
    n_usable = crowd.n_usable + (n_targets if is_new else 0)
    z, is_mostly_fake = _item_surprise(n_fakes, n_given, crowd)
    single = z - np.log(max(n_usable, 1)) if is_mostly_fake else -np.inf
    if n_fakes < _FEWEST_IN_PAIR:
        return single
    sizes = np.arange(2, min(n_targets, _MOST_ITEMS) + 1)
    n_usable = max(n_usable, _MOST_ITEMS)
    costs = gammaln(n_usable + 1) - gammaln(sizes + 1) - gammaln(n_usable - sizes + 1)
    expected = _expected(n_fakes, n_given, crowd, n_targets, sizes, lift)
    surprise = n_fakes * np.log(n_fakes / expected) - (n_fakes - expected)
    surprise += sizes * max(z - _NOTABLE_ITEM, 0) - costs - _KINDS_TRIED - _GROUP_PRIOR
    return np.max(surprise, where=expected < n_fakes / 3, initial=single)


def _item_surprise(n_fakes, n_given, crowd):
    """Return the surprise of a target by itself, and whether half of its ratings are too many."""
    n_ratings, n_given = crowd.n_ratings + n_fakes, n_given + n_fakes
    share, variance = crowd.usual(n_ratings)
    z = beta_binomial_surprise(*(np.array([x]) for x in (n_given, n_ratings, share, variance)))
    surplus = max(n_given - share * n_ratings, 0) / max(1 - share, 0.05)
    return float(_as_of_few(z, crowd.n_telling)[0]), surplus >= n_given / 2


def _expected(n_fakes, n_given, crowd, n_targets, sizes, lift):
    """Return how many users are expected to give the level to all of so many targets."""
    n_users = crowd.n_with.sum()
    total = crowd.r @ crowd.n_with
    of_fake = total / n_users + n_targets
    r, n_with = np.append(crowd.r, of_fake), np.append(crowd.n_with, n_fakes)
    chances = np.minimum(r * (n_given + n_fakes) / (total + n_fakes * of_fake), 1)
    return lift ** (sizes - 1) * (n_with @ chances[:, None] ** sizes)
