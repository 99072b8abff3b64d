"""Lockstep: who gives the same items the same rating, more often than chance explains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseProfileDetector, SuspiciousGroup
from skrecsec.detection._agreement import as_agreed
from skrecsec.detection._balls import largest_of_rows, look_alikes, shared_items
from skrecsec.detection._crowds import find_crowd
from skrecsec.detection._groups import (
    FEWEST_PER_ITEM,
    NOTABLE,
    Groups,
    best_nets,
    disjoint,
    find_groups,
    members,
)
from skrecsec.detection._items import ItemEvidence, examine_items, level_prior
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import find_rating_levels, project_to_levels

EVIDENCE = ("items", "groups", "balls")
# The evidence of groups against who is in none.
_NO_GROUP = -20.0
_LEAST_SHARED = -2.0
# In nats: items of such groups are odd because of the group.
_EXPLAINS = 3.0


class _Level(NamedTuple):
    """What was found at one level: the pattern of its ratings, and the evidence of each kind."""

    level: float
    cost: float
    pattern: sp.csr_array
    items: ItemEvidence | None
    groups: Groups | None
    scores: np.ndarray
    verdicts: np.ndarray  # what the automatic rule compares with its threshold
    by_item: np.ndarray  # the item that speaks most against each user, -1 where groups do


@register("detector", "lockstep", title="Lockstep")
@complete
class LockstepDetector(BaseProfileDetector):
    r"""Find profiles that rate the same items alike, more often than chance explains.

    Fake profiles have to rate the target items, and alike: the highest level to push them, the
    lowest to demote them. The detector looks for items that got a level too often, for groups of
    items that too many users gave it, and for profiles that look alike and share such an item.
    It knows neither the number of fake profiles nor the targets, and is told no labels.

    Parameters
    ----------
    %(detector.contamination)s

    %(detector.trusted_users)s

    evidence : tuple of {"items", "groups", "balls"}, default=("items", "groups", "balls")
        Which evidence is used, one kind or more:

        - ``"items"``: too many ratings of the level among those of an item, or raters of it who
          are too much alike or unlike.
        - ``"groups"``: items T that more users gave the level, all of them or at least two or
          three, than how often users give it and items get it explains.
        - ``"balls"``: among the profiles that look most like a user's, by size, ratings and
          popularity of what they rate, too many share an item of the user's.

    levels : {"all", "top", "extremes"}, default="all"
        The rating levels at which to look: all, the highest one, or the highest and the lowest.
        Continuous ratings are put into ten levels.

    threshold : float, default=3.0
        Evidence, in nats, above which ``contamination="auto"`` calls a profile fake.

    n_seeds : int, default=1500
        Number of pairs of items from which groups are grown.

    max_items : int, default=8
        Number of items in a group, at most; at least 2.

    Attributes
    ----------
    %(detector.attributes)s

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels.

    See Also
    --------
    skrecsec.recommenders.FilteredRecommender : Learns from the profiles that are left.

    Notes
    -----
    Let B be the pattern of ratings of one level, r and c its row and column sums, S their sum.

    - *Items*: :math:`z_i` is minus the log of the upper tail of a beta-binomial at the ratings of
      that level among all ratings of i, its mean and variance those of items of like popularity.
      Pairs of raters of i who meet at other items are compared with those of like items.
    - *Groups*: u gives i the level with probability :math:`p_{ui} = \min(r_u c_i / S, 1)`; the
      number E of users who give it to at least j items of T is the sum of Poisson-binomial tails,
      times :math:`\lambda^{j - 1}`, since tastes meet. Of N such users, the net surprise is
      :math:`N \log(N / E) - (N - E) - \log \binom{m}{|T|} - \log 3`, more for items that are odd by
      themselves. :math:`\lambda` is the least of a grid at which at most four groups without a
      common item stand out. Groups grow greedily from the pairs that surprise most.
    - *Balls*: of the 5, 10, 20 and 40 nearest profiles, by eleven whitened features, o share an
      item where e are expected; :math:`o \log(o / e) - (o - e)` is measured against the users'
      largest such values, as an exponential tail.

    A user's score adds up the balls with the best group, or with an item, and is the largest over
    the levels. At the lowest level the log of the number of levels is taken off, at those between
    it and the highest twice that. The automatic rule asks more of single items: half of their
    ratings of the level have to be too many, no group may explain them, and the level has to be the
    highest or the lowest. Whom it calls fake has the lowest scores.

    Time for a level: O(n_seeds (n_users + ratings of the raters of a group)) for each lift tried,
    O(sum of squared row sums) for the pairs, and a search of neighbors in eleven dimensions. Memory
    is O(n_ratings + 40 n_users + n_items), and a block bounded by scikit-learn's `working_memory`.

    It cannot see a single profile, nor profiles that copy genuine ones and push one item that many
    genuine users rate highly. A group may hold genuine users: those who rate its items as well.

    References
    ----------
    .. [1] A. Mukherjee, B. Liu, N. Glance, "Spotting Fake Reviewer Groups in Consumer Reviews",
       WWW 2012. :doi:`10.1145/2187836.2187863`

    .. [2] A. Beutel, W. Xu, V. Guruswami, C. Palow, C. Faloutsos, "CopyCatch: Stopping Group
       Attacks by Spotting Lockstep Behavior in Social Networks", WWW 2013.
       :doi:`10.1145/2488388.2488400`

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import LockstepDetector
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> detector = LockstepDetector().fit(attack.fit_transform(X))
    >>> (detector.labels_[400:] == -1).all(), (detector.labels_[:400] == 1).mean()
    (np.True_, np.float64(1.0))
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "evidence": ["array-like", StrOptions(set(EVIDENCE))],
        "levels": [StrOptions({"all", "top", "extremes"})],
        "threshold": [Number(0, None, closed="left")],
        "n_seeds": [Count()],
        "max_items": [Count(2, 64)],
    }

    def __init__(
        self,
        *,
        contamination="auto",
        trusted_users=None,
        evidence=EVIDENCE,
        levels="all",
        threshold=3.0,
        n_seeds=1500,
        max_items=8,
    ):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.evidence = evidence
        self.levels = levels
        self.threshold = threshold
        self.n_seeds = n_seeds
        self.max_items = max_items

    def _judge(self, X, is_trusted):
        kinds = _check_evidence(self.evidence)
        levels = find_rating_levels(X.data)
        numbers = np.searchsorted(levels, project_to_levels(X.data, levels))
        looked_at = {
            "all": range(levels.size),
            "top": [levels.size - 1],
            "extremes": sorted({0, levels.size - 1}),
        }[self.levels]
        rated = np.flatnonzero(np.diff(X.indptr))
        profiles = X[rated]  # with the ratings of X, in the same order
        with single_threaded():
            neighbors = (
                look_alikes(profiles, numbers == levels.size - 1) if "balls" in kinds else None
            )
            found = []
            for number in looked_at:
                is_extreme = number in (0, levels.size - 1)
                cost = _cost(number, levels.size)
                level = _Pattern(profiles, numbers == number, levels[number], cost, is_extreme)
                found.append(self._examine(level, kinds, neighbors))
        scores = np.max([level.scores for level in found], axis=0)
        is_fake = np.max([level.verdicts for level in found], axis=0) > self.threshold
        suspicion = np.full(X.shape[0], scores.min())
        suspicion[rated] = _ordered(scores, is_fake, self.threshold)
        self.rating_levels_ = levels
        return -suspicion, -float(self.threshold), (rated, found)

    def _examine(self, pattern, kinds, neighbors):
        """Return what is found at one level."""
        B = pattern.ones()
        surprise = np.zeros(B.shape[1])
        items = groups = None
        group_scores = np.full(B.shape[0], _NO_GROUP)
        if "items" in kinds:
            items = examine_items(pattern.X, pattern.at_level)
            surprise = items.combined
        if "groups" in kinds:
            groups = find_groups(B, surprise, n_seeds=self.n_seeds, max_items=self.max_items)
            prior = level_prior(pattern.X, pattern.at_level)
            groups = as_agreed(pattern.X, pattern.at_level, groups, *prior)
            nets = best_nets(groups, B)
            group_scores = np.where(np.isfinite(nets), nets, _NO_GROUP)
        shared = np.zeros(B.nnz) if neighbors is None else shared_items(B, neighbors)
        return _add_up(pattern, B, items, groups, group_scores, shared, self.max_items)

    def _find_groups(self, evidence, labels):
        rated, found = evidence
        fake = labels[rated] == -1
        worst = np.argmax([level.verdicts for level in found], axis=0)
        groups = [
            group
            for place, level in enumerate(found)
            for group in _explained(level, fake, fake & (worst == place), rated)
        ]
        return sorted(groups, key=lambda group: -group.score)


class _Pattern(NamedTuple):
    """The ratings of one level among ratings in which each row has some."""

    X: sp.csr_array
    at_level: np.ndarray
    level: float
    cost: float
    is_extreme: bool

    def ones(self):
        """Return ones at the ratings of the level."""
        indptr = np.concatenate([[0], np.cumsum(self.at_level)])[self.X.indptr]
        indices = self.X.indices[self.at_level]
        indptr = indptr.astype(indices.dtype)
        return sp.csr_array((np.ones(indices.size), indices, indptr), shape=self.X.shape)


def _add_up(pattern, B, items, groups, group_scores, shared, max_items):
    """Add the evidence of one level up: scores, what the automatic rule compares, and why."""
    without = shared.min() if B.nnz else 0.0
    balls = largest_of_rows(B, shared, empty=without)
    n_attackable = (np.bincount(B.indices, minlength=B.shape[1]) >= FEWEST_PER_ITEM).sum()
    crowd = find_crowd(B, balls, n_attackable=n_attackable, max_items=max_items)
    balls = balls + crowd.bonus
    scores = _joined(group_scores, balls)
    verdicts = _positive(_verdicts_of_groups(groups, B)) + _positive(balls)
    by_item = np.full(B.shape[0], -1)
    if items is not None and B.nnz:
        item_scores = items.combined - np.log(max(n_attackable, 1))
        single = largest_of_rows(B, item_scores[B.indices] + shared, empty=-np.inf)
        scores = np.maximum(scores, single)
        explained = _explained_away(groups, B) | _explained_by_crowd(crowd, B, balls, items)
        counts = items.mostly_fake & ~explained & pattern.is_extreme
        counted = np.where(counts, _positive(item_scores), 0.0)[B.indices]
        each = counted + _positive(shared)
        single = largest_of_rows(B, each, empty=-np.inf)
        rows = np.repeat(np.arange(B.shape[0]), np.diff(B.indptr))
        # Who is under suspicion because of an item: by the first that is as bad as the worst.
        because = (single > verdicts) | (group_scores <= 0)
        worst = (each == single[rows]) & because[rows]
        by_item[rows[worst][::-1]] = B.indices[worst][::-1]
        verdicts = np.maximum(verdicts, single)
    return _Level(
        pattern.level, pattern.cost, B, items, groups, scores - pattern.cost,
        verdicts - pattern.cost, by_item,
    )  # fmt: skip


def _verdicts_of_groups(groups, B):
    """Return the net of the groups of each user, of those that share no item with better ones."""
    if groups is None:
        return np.full(B.shape[0], _NO_GROUP)
    places = disjoint(groups)
    nets = best_nets(Groups(*(values[places] for values in groups)), B)
    return np.where(np.isfinite(nets), nets, _NO_GROUP)


def _explained_by_crowd(crowd, B, balls, items):
    """Return which items are odd because of a crowd: members are nearly all of their surplus."""
    members = np.flatnonzero(balls > _EXPLAINS)
    given = np.bincount(B[members].indices, minlength=B.shape[1])
    surplus = np.bincount(B.indices, minlength=B.shape[1]) - items.expected
    is_in_crowd = np.isin(np.arange(B.shape[1]), crowd.items)
    return is_in_crowd & (given >= 0.9 * surplus)


def _explained_away(groups, B):
    """Return which items are odd because of a group: then nobody else is blamed for them."""
    is_in_group = np.zeros(B.shape[1], dtype=bool)
    for place in disjoint(groups) if groups is not None else []:
        if groups.net[place] > _EXPLAINS:
            is_in_group[groups.items[place][groups.items[place] >= 0]] = True
    return is_in_group


def _explained(found, fake, blamed, rated):
    """Yield the groups of one level that have fake profiles among their members.

    Single items are named for those who are blamed at this level, and because of the item.
    """
    for place in disjoint(found.groups) if found.groups is not None else []:
        groups = found.groups
        items = np.sort(groups.items[place][groups.items[place] >= 0])
        users = members(found.pattern, items, groups.min_items[place])
        if fake[users].any():
            yield SuspiciousGroup(
                rated[users], items, float(found.level), int(groups.min_items[place]),
                int(groups.n_users[place]), float(groups.expected[place]),
                float(groups.net[place] - found.cost),
            )  # fmt: skip
    blamed = np.flatnonzero(blamed & (found.by_item >= 0))
    names, numbers, n_blamed = np.unique(
        found.by_item[blamed], return_inverse=True, return_counts=True
    )
    for number in np.flatnonzero(n_blamed > 1):
        users = members(found.pattern, names[[number]], 1)
        yield SuspiciousGroup(
            rated[users], names[[number]], float(found.level), 1, users.size,
            float(found.items.expected[names[number]]),
            float(found.verdicts[blamed[numbers == number]].max()),
        )  # fmt: skip


def _ordered(scores, is_fake, threshold):
    """Return scores in the same order within fakes, above the threshold, and within others."""
    # A softplus: far from the threshold it is the score itself.
    excess = np.maximum(np.logaddexp(0, scores - threshold), 1e-9)
    deficit = np.maximum(np.logaddexp(0, threshold - scores), 1e-9)
    return np.where(is_fake, threshold + excess, threshold - deficit)


def _cost(number, n_levels):
    """Return what looking at a level costs: the log of what else there was to look at."""
    if number == n_levels - 1:
        return 0.0
    return (1 if number == 0 else 2) * np.log(n_levels)


def _joined(group_scores, balls):
    """Return the sum of the evidence of groups and of balls.

    A group that stands by itself is not refuted by members that look genuine: they may be copies.
    """
    floor = _LEAST_SHARED + 0.1 * (balls - _LEAST_SHARED)
    return group_scores + np.where(group_scores > _EXPLAINS, np.maximum(balls, floor), balls)


def _positive(values):
    return np.maximum(values, 0)


def _check_evidence(evidence):
    kinds = (evidence,) if isinstance(evidence, str) else tuple(evidence)
    unknown = [kind for kind in kinds if kind not in EVIDENCE]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"evidence must be distinct names among {', '.join(EVIDENCE)}, at least one, got "
            f"{evidence!r}."
        )
    return kinds
