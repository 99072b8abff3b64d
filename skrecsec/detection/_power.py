"""How small an attack can be, and still be seen by the lockstep detector's statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skrecsec.detection._visibility import background_of, evidence
from skrecsec.utils._compat import (
    Count,
    Number,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from skrecsec.utils.validation import check_ratings

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


# Joined by |, since Sphinx shows no source of a module that has ** in a decorator's dict.
_CHECKED = {
    "X": ["array-like", "sparse matrix"],
    "max_share": [Number(0, 1, closed="right")],
    "threshold": [Number(0, None, closed="left")],
}
_POPULARITY = [StrOptions(set(_QUANTILES)), Number(0, 1, closed="both")]


@validate_params(
    _CHECKED | {"n_targets": [Count()], "popularity": _POPULARITY},
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
    [None, 9, 7]
    """
    (attack,) = visible_attacks(
        X, [n_targets], popularities=[popularity], max_share=max_share, threshold=threshold
    )
    return attack.smallest


@validate_params(
    _CHECKED | {"n_targets": ["array-like"], "popularities": ["array-like"]},
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

    .. math:: n \log \frac{n}{E} - (n - E) + s \max(z - 3, 0) - \log \binom{m}{s} - \log 3,

    m the items with at least three ratings of the level, z the surprise of an item by itself: minus
    the log of the upper tail of a beta-binomial at its ratings of the level. An attack stands out
    where that exceeds the threshold, and:

    - Groups grow from two targets: these are among the most surprising pairs, which takes four
      fakes, or among the 25 items that surprise most.
    - They grow with :math:`\lambda = 2`, to the size at which they surprise most, while n is at
      least three times what is expected; other groups end at two targets, or at three. The
      :math:`\lambda` with which they are weighed is the one that the detector takes for these
      ratings where the attack is one of the groups.
    - Those who rated all s agree. Besides fakes these are the genuine users who do by chance and
      tastes, :math:`2^{s - 1} \sum_u \min(l_u c' / S', 1)^s`, where l and c' count ratings of all
      levels before the attack. Of them so many as usual give the level to all; that n more do is a
      surprise of :math:`5.4 + 0.35 (s - 2)` nats at least. This takes five fakes or six, and more
      where targets have many raters.

    A single item stands out by :math:`z - \log m`, if half of its ratings of the level, or more,
    are too many.

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
    2 5 5 40
    5 5 5 40
    2 95 None None
    5 95 None None
    """
    X = check_ratings(X)
    kinds = [
        (_check_one("popularities", popularity, _POPULARITY), _check_one("n_targets", n, [Count()]))
        for popularity in popularities
        for n in n_targets
    ]
    background = background_of(X)

    def stands_out(n_fakes, n_targets, n_ratings):
        return evidence(n_fakes, n_targets, n_ratings, background) > threshold

    sizes = _sizes(int(max_share * X.shape[0]))
    attacks = []
    for popularity, n in kinds:
        quantile = _QUANTILES[popularity] if isinstance(popularity, str) else popularity
        n_ratings = background.at(quantile)
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
