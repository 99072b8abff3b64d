"""FAP: fraudulent action propagation from known fakes through the items that they rate."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseProfileDetector
from skrecsec.detection._common import explain
from skrecsec.detection._counts import rows_of
from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._items import check_item_indices
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("detector", "fap", title="FAP")
@complete
class FAPDetector(BaseProfileDetector):
    r"""Propagate suspicion from seed users through items to other users: FAP.

    Parameters
    ----------
    seed_users : array-like of int of shape (n_seeds,), default=None
        Rows that are known to be fake. None takes the users of the best group of a
        `LockstepDetector`; where it finds none, nobody is suspected.

    %(detector.contamination)s

    %(detector.trusted_users)s
        Their suspicion is held at 0.

    n_rounds : int, default=5
        Number of rounds, from users to items and back.

    threshold : float, default=0.5
        Suspicion above which ``contamination="auto"`` calls a profile fake.

    Attributes
    ----------
    %(detector.attributes)s

    seed_users_ : ndarray of int
        The seeds, ascending.

    item_suspicion_ : ndarray of shape (n_items,)
        Suspicion of the items, 0 to 1.

    See Also
    --------
    LockstepDetector : Finds the seeds, where none are given.

    Notes
    -----
    A rating has the weight

    .. math:: w_{ui} = 1 + \left|\frac{r_{ui} - \bar{r}_u}{\bar{r}_u}\right|
                         + \left|\frac{r_{ui} - \bar{r}_i}{\bar{r}_i}\right|
                         + \left|\frac{r_{ui} - \bar{r}}{\bar{r}}\right| .

    In each round an item gets the mean of its raters' suspicion, weighted by w, and a user the mean
    of that of the items rated; then seeds are set to 1 and trusted users to 0. All others start at
    0, so that a user's suspicion is the chance that a walk from rating to rating meets a seed
    within `n_rounds` rounds, before it meets a trusted user. `profile_scores_` are minus the
    suspicion. Seeds keep their rows, and their scores are the lowest.

    The paper calls so many of the users with the highest suspicion fake, a number that is given,
    and goes on until nothing changes. Without trusted users that end does not depend on the
    ratings: means of means drift to the value of the seeds, 1, for all who are connected to one.
    Hence the fixed number of rounds, which is ours, as is the threshold. The weights are those of a
    public implementation; it has a normalization of w, by the sums of its row and its column,
    switched off, and so it is here.

    Time O(n_rounds n_ratings), and that of `LockstepDetector` without seeds; memory O(n_ratings).

    It finds who resembles the seeds by what they rate, and is as good as they are.

    References
    ----------
    .. [1] Y. Zhang, Y. Tan, M. Zhang, Y. Liu, T.-S. Chua, S. Ma, "Catch the Black Sheep: Unified
       Framework for Shilling Attack Detection Based on Fraudulent Action Propagation", IJCAI 2015.

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import FAPDetector
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> poisoned = AverageAttackTransformer(random_state=0).fit_transform(X)
    >>> detector = FAPDetector(seed_users=[400, 401], contamination=0.03).fit(poisoned)
    >>> int((detector.labels_[400:] == -1).sum())
    12
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "seed_users": ["array-like", None],
        "n_rounds": [Count()],
        "threshold": [Number(0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        seed_users=None,
        contamination="auto",
        trusted_users=None,
        n_rounds=5,
        threshold=0.5,
    ):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.seed_users = seed_users
        self.n_rounds = n_rounds
        self.threshold = threshold

    def _judge(self, X, is_trusted):
        seeds = self._find_seeds(X, is_trusted)
        suspicion, self.item_suspicion_ = propagate(X, seeds, is_trusted, self.n_rounds)
        self.seed_users_ = seeds
        return -suspicion, -float(self.threshold), X

    def _find_seeds(self, X, is_trusted):
        if self.seed_users is not None:
            users = check_item_indices(self.seed_users, X.shape[0], name="seed_users", what="user")
            if is_trusted[users].any():
                raise ValueError("seed_users and trusted_users have users in common.")
            return np.unique(users)
        groups = LockstepDetector(trusted_users=np.flatnonzero(is_trusted)).fit(X).groups_
        users = groups[0].users if groups else np.empty(0, dtype=np.int64)
        return users[~is_trusted[users]]

    def _find_groups(self, evidence, labels):
        return explain(evidence, np.flatnonzero(labels == -1), labels)


def propagate(X, seeds, is_trusted, n_rounds):
    """Return the suspicion of users and of items after so many rounds."""
    W = _weights(X)
    to_users = _mean_over_rows(W)
    to_items = _mean_over_rows(sp.csr_array(W.T))
    users = np.zeros(X.shape[0])
    users[seeds] = 1
    for _ in range(n_rounds):
        items = to_items @ users
        users = to_users @ items
        users[seeds] = 1
        users[is_trusted] = 0
    return users, items


def _weights(X):
    """Return how much each rating deviates from three means, as a share of them, plus 1."""
    rows = rows_of(X)
    weights = 1 + np.abs(X.data / X.data.mean() - 1)
    for places, n in ((rows, X.shape[0]), (X.indices, X.shape[1])):
        counts = np.maximum(np.bincount(places, minlength=n), 1)
        means = np.bincount(places, X.data, minlength=n) / counts
        weights += np.abs(X.data / means[places] - 1)
    return sp.csr_array((weights, X.indices, X.indptr), shape=X.shape)


def _mean_over_rows(W):
    sums = np.asarray(W.sum(axis=1)).ravel()
    values = W.data / sums[rows_of(W)]
    return sp.csr_array((values, W.indices, W.indptr), shape=W.shape)
