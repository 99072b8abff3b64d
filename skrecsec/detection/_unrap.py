"""UnRAP: unsupervised retrieval of attack profiles by the Hv score and one target item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.base import BaseProfileDetector
from skrecsec.detection._common import describe_group
from skrecsec.detection._counts import pattern_of_ratings, rows_of
from skrecsec.utils._compat import Count, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

_ROUNDING = 1e-9


class _Retrieved(NamedTuple):
    """Who was retrieved, for which target items, and the ratings."""

    X: object
    users: np.ndarray
    items: np.ndarray


@register("detector", "unrap", title="UnRAP")
@complete
class UnRAPDetector(BaseProfileDetector):
    r"""Find a target item and who attacks it, by how oddly profiles deviate: UnRAP.

    Parameters
    ----------
    %(detector.contamination)s

    %(detector.trusted_users)s

    means : {"all", "rated"}, default="all"
        Over what the means of Hv scores are taken: all users and items, where a missing rating
        counts 0, or the ratings that there are.

    window : int, default=10
        Number of users of the highest Hv scores by whom the target is chosen, and length of the
        sliding window.

    Attributes
    ----------
    %(detector.attributes)s

    hv_scores_ : ndarray of shape (n_users,)
        Hv scores, the higher the more abnormal.

    target_items_ : ndarray of int
        The item that was found to be attacked, or several that are so alike.

    attack_direction_ : int
        1 if the target is pushed, -1 if it is demoted, 0 without any.

    See Also
    --------
    LockstepDetector : Looks for several targets.

    Notes
    -----
    Over the rated items of a user,

    .. math:: H_u = \frac{\sum_i (r_{ui} - \bar{r}_i - \bar{r}_u + \bar{r})^2}
                         {\sum_i (r_{ui} - \bar{r}_u)^2} ,

    with the means of the item, of the user and of all.

    Users are sorted by :math:`H_u`, the highest first. The target is the item with the largest sum,
    in absolute value, of deviations :math:`r_{ui} - \bar{r}_u` over the first `window` users; the
    sign of the sum is the direction of the attack. The window then slides down by one user at a
    time until the sum of deviations on the target within it is zero or has the other sign. Of all
    users that it has met, those are retrieved who have rated the target and deviate in the
    direction of the attack. So the method estimates the number of fakes itself;
    ``contamination="auto"`` is who is retrieved.

    `profile_scores_` is minus the share of the largest :math:`H_u`, less 1 for who is retrieved,
    and `offset_` is -1.

    The means of :math:`H_u` are over all users and items by the account of [2]_, and so the fakes
    of the average attack have the highest scores, as it reports; with ``means="rated"`` they do
    not. Deviations on the target are from the mean of the user's own ratings. Decided here: several
    items may have the same sum, as the targets of one attack do; then all of them are targets, and
    their deviations are added up. The window counts as met where it stops. Profiles that do not
    deviate from their mean cannot be judged, and have a score of 0. Users with equal scores are
    taken by their deviation on the target. Trusted users keep their place in the order, and are not
    retrieved.

    Time O(n_ratings + n_users log n_users), memory O(n_ratings).

    It always names a target, also where there is no attack: then a few users are called fake. It is
    made for a single target. Where genuine profiles have the highest scores, because fakes rate
    what is popular or copy others, it takes another item for the target, and misses the attack
    altogether.

    References
    ----------
    .. [1] K. Bryan, M. O'Mahony, P. Cunningham, "Unsupervised Retrieval of Attack Profiles in
       Collaborative Recommender Systems", RecSys 2008. :doi:`10.1145/1454008.1454034`

    .. [2] R. Burke, M. O'Mahony, N. Hurley, "Robust Collaborative Recommendation", in
       "Recommender Systems Handbook", 2011. :doi:`10.1007/978-0-387-85820-3_25`

    Examples
    --------
    >>> from skrecsec.attacks import RandomAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import UnRAPDetector
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> attack = RandomAttackTransformer(n_targets=1, random_state=0)
    >>> detector = UnRAPDetector().fit(attack.fit_transform(X))
    >>> bool((detector.target_items_ == attack.target_items_).all())
    True
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "means": [StrOptions({"all", "rated"})],
        "window": [Count()],
    }

    def __init__(self, *, contamination="auto", trusted_users=None, means="all", window=10):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.means = means
        self.window = window

    def _judge(self, X, is_trusted):
        scores = hv_scores(X, self.means)
        rows = rows_of(X)
        means = _means(rows, X.data, X.shape[0])
        deviations = (X.data - means[rows]) / X.data.max()  # of no unit
        first = _first_users(scores, self.window)
        items, direction = _find_targets(X, rows, deviations, first)
        on_target = np.isin(X.indices, items)
        sums = np.bincount(rows[on_target], deviations[on_target], minlength=X.shape[0])
        sums = direction * np.where(np.abs(sums) > _ROUNDING, sums, 0)
        met = _slide(scores, sums, self.window)
        is_retrieved = np.zeros(X.shape[0], dtype=bool)
        is_retrieved[met] = True
        is_retrieved &= (sums > 0) & (scores > 0) & ~is_trusted
        self.hv_scores_, self.target_items_, self.attack_direction_ = scores, items, direction
        suspicion = scores / max(scores.max(), 1e-300) + is_retrieved
        return -suspicion, -1.0, _Retrieved(X, np.flatnonzero(is_retrieved), items)

    def _find_groups(self, evidence, labels):
        if not evidence.users.size or not (labels[evidence.users] == -1).any():
            return []
        B = pattern_of_ratings(evidence.X)
        return [describe_group(evidence.X, B, evidence.users, evidence.items)]


def hv_scores(X, means="all") -> np.ndarray:
    """Return the Hv score of each profile, 0 for those without any deviation from their mean."""
    rows = rows_of(X)
    if means == "all":
        user_means = np.bincount(rows, X.data, minlength=X.shape[0]) / X.shape[1]
        item_means = np.bincount(X.indices, X.data, minlength=X.shape[1]) / X.shape[0]
        mean = user_means.mean()
    else:
        user_means = _means(rows, X.data, X.shape[0])
        item_means = _means(X.indices, X.data, X.shape[1])
        mean = X.data.mean()
    own = (X.data - user_means[rows]) ** 2
    residual = X.data - item_means[X.indices] - user_means[rows] + mean
    above = np.bincount(rows, residual**2, minlength=X.shape[0])
    below = np.bincount(rows, own, minlength=X.shape[0])
    squares = np.bincount(rows, X.data**2, minlength=X.shape[0])
    is_varied = below > _ROUNDING * squares
    scores = np.where(is_varied, above / np.where(is_varied, below, 1), 0)
    # What differs by rounding only is equal, so that the order of items does not decide.
    return np.round(scores, 9)


def _means(places, values, n):
    counts = np.maximum(np.bincount(places, minlength=n), 1)
    return np.bincount(places, values, minlength=n) / counts


def _first_users(scores, window):
    """Return who has the highest scores, and who has the last of these as well."""
    n = min(window, scores.size)
    last = np.partition(scores, scores.size - n)[scores.size - n]
    return (scores >= last) & (scores > 0)


def _find_targets(X, rows, deviations, first):
    """Return the items with the largest deviation over these users, and its sign."""
    counted = first[rows]
    sums = np.bincount(X.indices[counted], deviations[counted], minlength=X.shape[1])
    largest = np.abs(sums).max()
    if largest <= _ROUNDING:
        return np.empty(0, dtype=np.int64), 0
    # Of a push and a demotion that are as strong, the push.
    direction = 1 if sums.max() >= largest * (1 - _ROUNDING) else -1
    return np.flatnonzero(direction * sums >= largest * (1 - _ROUNDING)), direction


def _slide(scores, sums, window):
    """Return the users whom the window meets until deviations in it are not in its direction."""
    order = np.lexsort((-sums, -scores))
    n = min(window, order.size)
    totals = np.concatenate([[0], np.cumsum(sums[order])])
    within = totals[n:] - totals[:-n]
    stops = np.flatnonzero(within <= _ROUNDING)
    return order[: stops[0] + n] if stops.size else order
