"""Lockstep: who gives the same items the same rating, more often than chance explains."""

from __future__ import annotations

from functools import partial

import numpy as np

from skrecsec.base import BaseProfileDetector
from skrecsec.detection._agreement import as_agreed
from skrecsec.detection._balls import look_alikes, shared_items
from skrecsec.detection._bursts import as_shares, burst_evidence, unexplained
from skrecsec.detection._counts import average_ranks, pattern_of_ratings
from skrecsec.detection._groups import best_nets, search
from skrecsec.detection._items import examine_items, level_prior
from skrecsec.detection._spread import spread_suspicion
from skrecsec.detection._verdicts import NO_GROUP, Pattern, add_up, cost, explained, ordered
from skrecsec.utils._compat import Count, Number, StrOptions, _fit_context
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import find_rating_levels, project_to_levels

EVIDENCE = ("items", "groups", "balls")


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

        Times of ratings, if given to :meth:`fit`, are evidence in addition, with ``"items"``.

    levels : {"all", "top", "extremes", "mixed"}, default="all"
        The rating levels at which to look: all, the highest one, or the highest and the lowest.
        ``"mixed"`` also looks at all ratings from each level upwards, for profiles that give the
        targets different levels, and takes twice as long. Continuous ratings are put into ten
        levels.

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
      themselves. :math:`\lambda` is the least of a grid, 2 at least, at which at most three groups
      without a common item stand out. Groups grow greedily from the pairs that surprise most, and
      from pairs of the items that do.
    - *Agreement*: films and their sequels make groups as well, and what tells these from fake
      profiles is that of those who rate the items, at whatever level, many disagree. It is minus
      the log of the upper tail of a beta-binomial, at the N among all who rate j of the items; its
      mean follows from what other raters of these items think, and tastes that go together. Groups
      with less than 5.4 nats, 0.35 more for each item above two, are taken for a matter of taste.
    - *Balls*: of the 5, 10, 20 and 40 nearest profiles, by eleven whitened features, o share an
      item where e are expected; :math:`o \log(o / e) - (o - e)` is measured against the users'
      largest such values, as an exponential tail: of all users, one is expected above 0. Where many
      are, they are a *crowd*, and whoever gave the level to its items, too, is more suspect, by as
      much as that is rare.
    - *Bursts*, where times are given: an item's ratings of the level that came within a short time,
      if they are most of its ratings of that time. A burst speaks against nobody else where half
      of it is of users whom other evidence calls fake: profiles made within a day make bursts at
      all of their items.

    A user's score adds up the balls with the best group, or with an item, and is the largest over
    the levels. At the lowest level the log of the number of levels is taken off, at those between
    it and the highest four times that, and twice for the automatic rule, which asks more of single
    items: half of their ratings of the level have to be too many, no group or crowd may explain
    them, and the level has to be the highest or the lowest. Whom it calls fake has the lowest
    scores.

    Where more than five groups of other items, and mostly of other users, stand out at
    :math:`\lambda = 7`, and three in four of who rate as many of the items, at whatever level, are
    members, tastes do not explain them: there are *campaigns*, of many items, by many profiles,
    with little evidence against each. Then groups need not agree further, but stand out by 7 nats;
    what speaks against items is added up and handed on to their raters, and to look-alikes, six
    times; and fake are members of groups that are more suspect than half of the users by that, too.

    Time for a level: O(n_seeds (n_users + ratings of the raters of a group)), O(sum of squared row
    sums) for the pairs, and a search of neighbors in eleven dimensions. Memory is O(n_ratings +
    40 n_users + n_items), and a block bounded by scikit-learn's `working_memory`. On one core
    MovieLens-100K takes 0.4 s, MovieLens-1M 5 s.

    It cannot see a single profile, nor a few; :func:`smallest_visible_attack` says how few.
    Profiles that copy genuine ones and push one item that many genuine users rate highly leave no
    trace but the times of their ratings. A group may hold genuine users: those who rate its items
    as well.

    There is no `predict`: a profile is judged by what others do. Ratings of a day are judged by a
    new fit; in between, :meth:`SuspiciousGroup.matches <skrecsec.base.SuspiciousGroup.matches>`
    says which new profiles belong to a group that was found.

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
        "levels": [StrOptions({"all", "top", "extremes", "mixed"})],
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, timestamps=None):
        """Judge the profiles of a rating matrix.

        %(ratings)s

        timestamps : sparse matrix of shape (n_users, n_items) or array-like of shape \
                (n_ratings,), default=None
            When the ratings were given: numbers, dates or times, with an entry for each rating, or
            in the order of ``X.data``. Ratings of an item that came in a burst are evidence.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X`, `timestamps` or a parameter is invalid.
        """
        return self._fit(X, timestamps)

    def fit_predict(self, X, y=None, *, timestamps=None) -> np.ndarray:
        """Judge the profiles of a rating matrix, and return the verdicts.

        %(ratings)s

        timestamps : sparse matrix of shape (n_users, n_items) or array-like of shape \
                (n_ratings,), default=None
            When the ratings were given, see :meth:`fit`.

        Returns
        -------
        labels : ndarray of int of shape (n_users,)
            1 for a genuine profile, -1 for a fake one: a copy of `labels_`.

        Raises
        ------
        ValueError
            If `X`, `timestamps` or a parameter is invalid.
        """
        return self.fit(X, timestamps=timestamps).labels_.copy()

    def _judge(self, X, is_trusted, times=None):
        kinds = _check_evidence(self.evidence)
        levels = find_rating_levels(X.data)
        numbers = np.searchsorted(levels, project_to_levels(X.data, levels))
        rated = np.flatnonzero(np.diff(X.indptr))
        profiles = X[rated]  # with the ratings of X, in the same order
        times = None if times is None else as_shares(times)
        with single_threaded():
            neighbors = (
                look_alikes(profiles, numbers == levels.size - 1) if "balls" in kinds else None
            )
            patterns = list(_patterns(profiles, numbers, levels, self.levels))
            judges = [self._examine(pattern, kinds, neighbors) for pattern in patterns]
            found = [
                judge(np.zeros(pattern.at_level.sum()))
                for pattern, judge in zip(patterns, judges, strict=True)
            ]
            if times is not None:
                is_fake = np.max([level.verdicts for level in found], axis=0) > self.threshold
                bursts = (_bursts(pattern, times, is_fake) for pattern in patterns)
                found = [judge(each) for judge, each in zip(judges, bursts, strict=True)]
        scores = np.max([level.scores for level in found], axis=0)
        verdicts = np.max([level.verdicts for level in found], axis=0)
        if "items" in kinds and any(level.are_campaigns for level in found):
            # Of many campaigns each leaves little evidence; what there is, is added up. There are
            # groups by chance as well, then: of users who are less suspicious.
            ranks = _ranks_of_spread(profiles, found, levels[-1], neighbors)
            scores = np.logaddexp(0, scores) + ranks
            verdicts = np.where(ranks > 0.5, verdicts, np.minimum(verdicts, 0))
        is_fake = verdicts > self.threshold
        in_order = ordered(scores, is_fake, self.threshold)
        # Who has rated nothing is the least suspicious, whoever the others are.
        suspicion = np.full(X.shape[0], min(in_order.min(), self.threshold))
        suspicion[rated] = in_order
        self.rating_levels_ = levels
        return -suspicion, -float(self.threshold), (rated, found)

    def _examine(self, pattern, kinds, neighbors):
        """Return a function from the evidence of bursts to what is found at one level."""
        B = pattern.ones()
        surprise = np.zeros(B.shape[1])
        items = groups = None
        are_campaigns = False
        group_scores = np.full(B.shape[0], NO_GROUP)
        if "items" in kinds:
            items = examine_items(pattern.X, pattern.at_level)
            surprise = items.combined
        if "groups" in kinds:
            prior = level_prior(pattern.X, pattern.at_level)
            result = search(
                B, surprise, n_seeds=self.n_seeds, max_items=self.max_items, ratings=pattern.X
            )
            are_campaigns, groups = result.are_campaigns, result.found
            if not are_campaigns:
                groups = as_agreed(pattern.X, pattern.at_level, groups, *prior)
            nets = best_nets(groups, B)
            group_scores = np.where(np.isfinite(nets), nets, NO_GROUP)
        shared = np.zeros(B.nnz) if neighbors is None else shared_items(B, neighbors)
        return partial(
            add_up, pattern, B, items, groups, group_scores, shared, max_items=self.max_items,
            are_campaigns=are_campaigns,
        )  # fmt: skip

    def _find_groups(self, evidence, labels):
        rated, found = evidence
        fake = labels[rated] == -1
        worst = np.argmax([level.verdicts for level in found], axis=0)
        groups = [
            group
            for place, level in enumerate(found)
            for group in explained(level, fake, fake & (worst == place), rated)
        ]
        return _telling(sorted(groups, key=lambda group: -group.score), labels == -1)


def _bursts(pattern, times, is_fake):
    """Return the evidence of bursts of one level, given who is fake without it."""
    prior = level_prior(pattern.X, pattern.at_level)
    bursts = burst_evidence(pattern.X, pattern.at_level, times, *prior)
    return unexplained(bursts, pattern.ones(), is_fake)


def _telling(groups, is_fake):
    """Return groups without those that come about by chance, if better ones hold their fakes."""
    is_named = np.zeros(is_fake.size, dtype=bool)
    kept = []
    for group in groups:
        if group.score > 0 or (is_fake & ~is_named)[group.users].any():
            kept.append(group)
            is_named[group.users] = True
    return kept


def _ranks_of_spread(X, found, top_level, neighbors):
    """Return ranks, from 0 to 1, of the suspicion that spreads from items given the top level."""
    top = next(each for each in found if each.level == top_level and not each.or_more)
    every = pattern_of_ratings(X)
    suspicion = spread_suspicion(top.pattern, every, top.items.surprise, neighbors)
    return average_ranks(np.round(suspicion, 9)) / suspicion.size


def _patterns(X, numbers, levels, which):
    """Yield the patterns that are looked at: ratings of one level, or from one upwards."""
    top = levels.size - 1
    looked_at = {"top": [top], "extremes": sorted({0, top})}.get(which, range(levels.size))
    for number in looked_at:
        is_extreme = number in (0, top)
        price = cost(number, levels.size)
        yield Pattern(X, numbers == number, levels[number], False, price, is_extreme)
    for number in range(1, top) if which == "mixed" else []:
        price = 2 * np.log(levels.size)
        yield Pattern(X, numbers >= number, levels[number], True, price, False)


def _check_evidence(evidence):
    kinds = (evidence,) if isinstance(evidence, str) else tuple(evidence)
    unknown = [kind for kind in kinds if kind not in EVIDENCE]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"evidence must be distinct names among {', '.join(EVIDENCE)}, at least one, got "
            f"{evidence!r}."
        )
    return kinds
