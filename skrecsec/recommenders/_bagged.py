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
from skrecsec.recommenders._interactions import NothingToLearnError
from skrecsec.utils._compat import (
    Count,
    Fraction,
    HasMethods,
    Number,
    _fit_context,
    validate_parameter_constraints,
)
from skrecsec.utils._compiling import jit
from skrecsec.utils._held_out import held_out_items
from skrecsec.utils._items import check_target_items
from skrecsec.utils._random import drawn_seed, spawn_generators, with_seed
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

    keep_models : bool, default=True
        Whether the models are kept. If not, the ratings are, and each block of predictions fits the
        models anew, one after the other, with the same result: for more of them than memory has
        room for.

    random_state : int, RandomState instance or None, default=None
        Determines the subsets, and the seeds of the models.

    Attributes
    ----------
    estimators_ : list of recommender
        The fitted models; empty if they are not kept.

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

    Fitting takes `n_estimators` fits to `max_users` profiles; a prediction takes `n_estimators`
    predictions, of models that are not kept as many fits for each block of rows, and one block of
    votes.

    Subsets are drawn without replacement among the users with ratings. A model that finds nothing
    to learn from in its subset, no interaction, votes for no item. What `certify` proves is
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
        "keep_models": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        recommender=None,
        *,
        n_estimators=10,
        max_users=0.2,
        list_size=50,
        keep_models=True,
        random_state=None,
    ):
        self.recommender = recommender
        self.n_estimators = n_estimators
        self.max_users = max_users
        self.list_size = list_size
        self.keep_models = keep_models
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit a model to each of many random subsets of the users.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        users = np.flatnonzero(np.diff(X.indptr))
        size = min(as_count(self.max_users, users.size), users.size)
        self._template = clone_or_default(self.recommender, "recommender", "ease")
        streams = spawn_generators(self.random_state, self.n_estimators)
        self.subsets_ = np.array([np.sort(rng.choice(users, size, False)) for rng in streams])
        self._seeds = [drawn_seed(self._template, rng) for rng in streams]
        self._ratings = None if self.keep_models else X.copy()
        fitted = self._fitted(X)
        self.estimators_ = list(fitted) if self.keep_models else []
        # One is fitted also where none are kept, so that errors are raised here.
        if all(isinstance(model, Abstaining) for model in self.estimators_ or fitted):
            raise ValueError(
                f"recommender: {type(self._template).__name__} finds nothing to learn from in any "
                f"of the {self.n_estimators} subsets of {size} users."
            )
        self.n_users_ = users.size
        return self

    def _fitted(self, X):
        """Yield the models, fitted one after the other."""
        for seed, rows in zip(self._seeds, self.subsets_, strict=True):
            try:
                model = with_seed(self._template, seed).fit(X[rows])
            except NothingToLearnError:
                model = Abstaining()
            yield model

    def _models(self):
        return self.estimators_ if self._ratings is None else self._fitted(self._ratings)

    def _score_profiles(self, X):
        return self._shares(self._votes(X))

    def _shares(self, votes):
        """Return the shares of votes, with less than one vote for what is popular."""
        n_models = len(self.subsets_)
        return votes / n_models + self.item_popularity_ / (2 * n_models)

    def _votes(self, X):
        """Return how many models list each item for each of a block of profiles."""
        votes = np.zeros(X.shape, dtype=np.int64)
        for model in self._models():
            _count(top_k(np.asarray(model.predict(X)), self.list_size, seen=X), votes)
        return votes

    def certify(
        self, X, y=None, *, n_fakes=(1,), target_items=None, k=50, confidence=0.999
    ) -> Bunch:
        """Say what of the lists stays, and from how many fakes on targets can be listed.

        Parameters
        ----------
        %(profiles)s

        y : array-like of int, sparse matrix or HeldOut, default=None
            Held-out items of the profiles, as in `score`; None asks about none.

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
            n_hits : ndarray of int of shape (n_profiles, n_sizes) or None
                At least so many of its held-out items are among the `k` items recommended. Divided
                by `k`, their mean is the certified precision; None without `y`.
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

        O(k^2) time for each profile and size, besides one prediction of each model.

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
        held_out = None if y is None else held_out_items(y, *X.shape)
        n_models, subset = self.subsets_.shape
        n_bounds = 2 * max(1, X.shape[0]) * X.shape[1]
        bounds = confidence_bounds(n_models, (1 - confidence) / n_bounds)
        shares = clean_share(self.n_users_, subset, sizes)
        ladder = clean_share(self.n_users_, subset, np.arange(_MAX_FAKES + 1))
        n_kept = np.zeros((X.shape[0], sizes.size), dtype=np.int64)
        n_hits = np.zeros((X.shape[0], sizes.size), dtype=np.int64)
        safe = np.full((X.shape[0], targets.size), -1, dtype=np.int64)
        for rows in row_blocks(*X.shape):
            votes = self._votes(X[rows])
            lists = top_k(self._shares(votes), k, seen=X[rows])
            n_kept[rows] = self._certified(votes, _marked(lists, votes.shape), k, bounds, shares)
            if held_out is not None:
                relevant = held_out[rows].toarray() > 0
                n_hits[rows] = self._certified(votes, relevant, k, bounds, shares)
            for place, target in enumerate(targets):
                lower, upper = _against(votes, target, bounds, k)
                safe[rows, place] = safe_fakes(lower, upper, ladder)
        is_empty = np.diff(X.indptr) == 0
        n_kept[is_empty] = n_hits[is_empty] = 0
        safe[X[:, targets].toarray() > 0] = _MAX_FAKES
        safe[is_empty] = -1
        return Bunch(n_kept=n_kept, n_hits=None if y is None else n_hits, safe_fakes=safe)

    def _certified(self, votes, chosen, k, bounds, shares):
        """Return how many of the chosen items are listed for certain, (n_rows, n_sizes)."""
        listed, others = _bounded(votes, chosen, bounds, k)
        kept = [kept_items(listed, others, share, self.list_size) for share in shares]
        return np.array(kept, dtype=np.int64).reshape(len(shares), -1).T

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


class Abstaining:
    """The model of a subset in which there is nothing to learn: it lists no item."""

    def predict(self, X):
        """Return that no item has a place in a ranking."""
        return np.full(X.shape, -np.inf)


@jit
def _count(items, votes):
    """Add a vote for each item of each row's list, which ends in -1 where it is short."""
    for row in range(items.shape[0]):
        for item in items[row]:
            if item >= 0:
                votes[row, item] += 1


def _marked(lists, shape):
    """Return where the items of lists are."""
    marked = np.zeros(shape, dtype=bool)
    row, place = np.nonzero(lists >= 0)
    marked[row, lists[row, place]] = True
    return marked


def _bounded(votes, chosen, bounds, k):
    """Return lower bounds of the k best chosen items and upper bounds of the others, descending.

    Places without an item count as items that nobody votes for.
    """
    parts = []
    for of_part, bound in zip((chosen, ~chosen), bounds, strict=True):
        best = np.full((votes.shape[0], k), -1)
        found = -np.sort(-np.where(of_part, votes, -1), axis=1)[:, :k]
        best[:, : found.shape[1]] = found
        parts.append(np.where(best >= 0, bound[np.maximum(best, 0)], 0.0))
    return parts


def _against(votes, target, bounds, k):
    """Return the lower bound of the k-th of the other items, and the upper one of the target."""
    lower, upper = bounds
    others = np.delete(votes, target, axis=1)
    if others.shape[1] < k:
        return np.zeros(votes.shape[0]), np.ones(votes.shape[0])
    kth = np.partition(others, -k, axis=1)[:, -k]
    return lower[kth], upper[votes[:, target]]
