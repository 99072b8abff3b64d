"""Bagging: many models of few users each, and what that guarantees."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch

from skrecsec.base import BaseRecommender
from skrecsec.recommenders._bagging_bounds import (
    clean_share,
    confidence_bounds,
    kept_items,
    safe_fakes,
)
from skrecsec.utils._compat import (
    Count,
    Fraction,
    HasMethods,
    Number,
    _fit_context,
    validate_parameter_constraints,
)
from skrecsec.utils._items import check_target_items
from skrecsec.utils._random import spawn_generators, with_drawn_seed
from skrecsec.utils._ranking import check_k, row_blocks, top_k
from skrecsec.utils._registry import clone_or_default, register
from skrecsec.utils._signatures import complete
from skrecsec.utils._sizes import as_count

_MAX_FAKES = 10_000


@register("recommender", "bagged", title="Bagged")
@complete
class BaggedRecommender(BaseRecommender):
    r"""Many models, each of a few random users, vote with their lists.

    A model that has not seen a fake profile is not impressed by it, and of small random subsets of
    the users most hold none. How many of a user's items stay for certain, and how many fakes it
    takes until a target can be listed, `certify` says, for any recommender and any attack.

    Parameters
    ----------
    recommender : recommender, default=None
        What is fitted to each subset; it is cloned. None means ``EASERecommender()``.

    n_estimators : int, default=10
        Number of models. To certify anything takes hundreds of them.

    max_users : int or float, default=0.2
        Number of users in each subset, or their number as a fraction. The fewer, the more fakes it
        takes, and the less the models know.

    list_size : int, default=50
        Number of items in the list of each model, N'.

    random_state : int, RandomState instance or None, default=None
        Determines the subsets, and the seeds of the models.

    Attributes
    ----------
    estimators_ : list of recommender
        The fitted models.

    subsets_ : ndarray of int of shape (n_estimators, n_subset_users)
        The rows of the training matrix that each was fitted to, ascending.

    n_users_ : int
        Number of training profiles with ratings, of which subsets are drawn.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    EASERecommender.certify : A certificate of one model.

    Notes
    -----
    An item's score is the share of the models that list it among their `list_size` best unrated
    ones; of equal shares the more popular item is first.

    Fitting takes `n_estimators` fits to `max_users` profiles, of which all models are kept; a
    prediction takes `n_estimators` predictions and one block of votes.

    Subsets are drawn without replacement among the users with ratings. What `certify` proves is
    said in :ref:`certificates`.

    References
    ----------
    .. [1] J. Jia, Y. Liu, Y. Hu, N. Z. Gong, "PORE: Provably Robust Recommender Systems against
       Data Poisoning Attacks", USENIX Security 2023. :doi:`10.48550/arXiv.2303.14601`

    %(recommender.example)s
    >>> bagged = BaggedRecommender(n_estimators=10, random_state=0).fit(X)
    >>> bagged.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        "recommender": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Count()],
        "max_users": [Count(), Fraction()],
        "list_size": [Count()],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        recommender=None,
        *,
        n_estimators=10,
        max_users=0.2,
        list_size=50,
        random_state=None,
    ):
        self.recommender = recommender
        self.n_estimators = n_estimators
        self.max_users = max_users
        self.list_size = list_size
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit a model to each of many random subsets of the users.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        users = np.flatnonzero(np.diff(X.indptr))
        size = min(as_count(self.max_users, users.size), users.size)
        template = clone_or_default(self.recommender, "recommender", "ease")
        streams = spawn_generators(self.random_state, self.n_estimators)
        self.subsets_ = np.array([np.sort(rng.choice(users, size, False)) for rng in streams])
        self.estimators_ = [
            with_drawn_seed(template, rng).fit(X[rows])
            for rng, rows in zip(streams, self.subsets_, strict=True)
        ]
        self.n_users_ = users.size
        return self

    def _score_profiles(self, X):
        scores = self._votes(X) / len(self.estimators_)
        # Less than one vote.
        return scores + self.item_popularity_ / (2 * len(self.estimators_))

    def _votes(self, X):
        """Return how many models list each item for each of a block of profiles."""
        votes = np.zeros(X.shape, dtype=np.int64)
        rows = np.arange(X.shape[0])[:, np.newaxis]
        for estimator in self.estimators_:
            items = top_k(np.asarray(estimator.predict(X)), self.list_size, seen=X)
            row, place = np.nonzero(items >= 0)
            votes[rows[row, 0], items[row, place]] += 1
        return votes

    def certify(self, X, *, n_fakes=(1,), target_items=None, k=50, confidence=0.999) -> Bunch:
        """Say what of the lists stays, and from how many fakes on targets can be listed.

        Parameters
        ----------
        %(profiles)s

        n_fakes : array-like of int of shape (n_sizes,), default=(1,)
            Numbers of fake profiles to ask about.

        target_items : array-like of int of shape (n_targets,), default=None
            Distinct indices of items; None asks about none.

        k : int, default=50
            Length of the list.

        confidence : float, default=0.999
            Probability that all that is returned is true. It is spent on the lower and the upper
            bound of all items of all profiles.

        Returns
        -------
        certificate : :class:`~sklearn.utils.Bunch`
            Dictionary-like object, with the following attributes.

            n_kept : ndarray of int of shape (n_profiles, n_sizes)
                At least so many of the `k` items recommended to a profile stay among them.
            safe_fakes : ndarray of int of shape (n_profiles, n_targets)
                Up to so many fakes cannot list a target, at most 10000; -1 where it may be listed
                without any.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid.

        Notes
        -----
        That is said of the ensemble of all subsets, of which `estimators_` are a sample, before and
        after any `n_fakes` profiles are added; the bounds are those of Clopper and Pearson, with
        Bonferroni's correction. Subsets keep their size: for the ensemble with fakes, `max_users`
        has to be that number, since a fraction of more users would be more. Nothing is promised to
        profiles without ratings.

        O(k^2) time for each profile and size, besides the predictions.

        Examples
        --------
        >>> from skrecsec.datasets import make_ratings
        >>> from skrecsec.recommenders import BaggedRecommender
        >>> X = make_ratings(200, 40, density=0.2, random_state=0)
        >>> bagged = BaggedRecommender(n_estimators=50, max_users=5, random_state=0).fit(X)
        >>> certificate = bagged.certify(X[:3], n_fakes=[0, 1], k=10, confidence=0.9)
        >>> certificate.n_kept.shape
        (3, 2)
        """
        X = self._check_profiles(X)
        sizes, targets, k = self._check_questions(n_fakes, target_items, k, confidence)
        n_models, subset = len(self.estimators_), self.subsets_.shape[1]
        n_bounds = 2 * max(1, X.shape[0]) * X.shape[1]
        bounds = confidence_bounds(n_models, (1 - confidence) / n_bounds)
        shares = clean_share(self.n_users_, subset, sizes)
        ladder = clean_share(self.n_users_, subset, np.arange(_MAX_FAKES + 1))
        n_kept = np.zeros((X.shape[0], sizes.size), dtype=np.int64)
        safe = np.full((X.shape[0], targets.size), -1, dtype=np.int64)
        for rows in row_blocks(*X.shape):
            votes = self._votes(X[rows])
            listed, others = _split(votes, self.recommend(X[rows], k), bounds)
            for place, share in enumerate(shares):
                n_kept[rows, place] = kept_items(listed, others, share, self.list_size)
            for place, target in enumerate(targets):
                lower, upper = _against(votes, target, bounds, k)
                safe[rows, place] = safe_fakes(lower, upper, ladder)
        is_empty = np.diff(X.indptr) == 0
        n_kept[is_empty] = 0
        safe[X[:, targets].toarray() > 0] = _MAX_FAKES
        safe[is_empty] = -1
        return Bunch(n_kept=n_kept, safe_fakes=safe)

    def _check_questions(self, n_fakes, target_items, k, confidence):
        validate_parameter_constraints(
            {"confidence": [Number(0, 1, closed="neither")]},
            {"confidence": confidence},
            "certify",
        )
        sizes = np.asarray(n_fakes)
        if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 0).any():
            raise ValueError(f"n_fakes must be a 1-D array of counts, got {n_fakes!r}.")
        targets = np.empty(0, dtype=np.int64)
        if target_items is not None:
            names = getattr(self, "feature_names_in_", None)
            targets = check_target_items(target_items, self.n_features_in_, item_names=names)
        return sizes, targets, check_k(k)


def _split(votes, lists, bounds):
    """Return lower bounds of what is listed and upper bounds of the best of the rest, descending.

    Places without an item count as items that nobody votes for.
    """
    k = lists.shape[1]
    lower, upper = bounds
    rows = np.arange(votes.shape[0])[:, np.newaxis]
    listed = np.where(lists >= 0, lower[votes[rows, np.maximum(lists, 0)]], 0.0)
    rest = votes.copy()
    row, place = np.nonzero(lists >= 0)
    rest[row, lists[row, place]] = -1
    best = -np.sort(-rest, axis=1)[:, :k]
    others = np.zeros((votes.shape[0], k))
    others[:, : best.shape[1]] = np.where(best >= 0, upper[np.maximum(best, 0)], 0.0)
    return -np.sort(-listed, axis=1), others


def _against(votes, target, bounds, k):
    """Return the lower bound of the k-th of the other items, and the upper one of the target."""
    lower, upper = bounds
    others = np.delete(votes, target, axis=1)
    if others.shape[1] < k:
        return np.zeros(votes.shape[0]), np.ones(votes.shape[0])
    kth = np.partition(others, -k, axis=1)[:, -k]
    return lower[kth], upper[votes[:, target]]
