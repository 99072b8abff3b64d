"""The two contracts: what a recommender is and what an attack transformer is."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrecsec.utils._compat import Interval, RealNotInt, StrOptions, _fit_context
from skrecsec.utils._documentation import DocumentationLinkMixin
from skrecsec.utils._items import check_target_items
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._ranking import (
    check_k,
    mask_seen,
    row_blocks,
    top_k,
)
from skrecsec.utils.validation import check_ratings, find_rating_levels, project_to_levels

__all__ = ["BaseAttackTransformer", "BaseRecommender", "Budget"]

# Items with fewer ratings than this are "unpopular", as in the paper.
_UNPOPULAR_BELOW = 5


class BaseRecommender(DocumentationLinkMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of recommenders: `fit`, `predict`, `recommend` and `score`.

    A subclass implements `fit(X, y=None)` and `_score_profiles(X)`, which returns the predicted
    ratings of a block of profiles. Predictions are a pure function of a profile: they depend
    neither on the other rows asked for nor on whether the profile took part in training.
    """

    @abstractmethod
    def fit(self, X, y=None):
        """Learn from ratings.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Ratings.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted recommender.
        """

    @abstractmethod
    def _score_profiles(self, X) -> np.ndarray:
        """Return predicted ratings, (n_rows, n_items) float64, for CSR profiles."""

    def predict(self, X) -> np.ndarray:
        """Predict the ratings of all items for each profile.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
            Profiles; they need not have been seen in `fit`.

        Returns
        -------
        ratings : ndarray of shape (n_profiles, n_items)
            Predicted ratings on the scale of the training data, not clipped to it. The array is
            dense: for many profiles use `recommend`, which works in blocks.

        Raises
        ------
        ValueError
            If `X` is not a valid rating matrix or has another number of items than in `fit`.
        """
        return self._score_profiles(self._check_profiles(X))

    def recommend(self, X, k: int = 50, *, exclude_seen: bool = True) -> np.ndarray:
        """Recommend items to each profile.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
            Profiles; they need not have been seen in `fit`.

        k : int, default=50
            Number of items to recommend.

        exclude_seen : bool, default=True
            Whether items that a profile has rated are left out of its ranking.

        Returns
        -------
        items : ndarray of shape (n_profiles, k), dtype int64
            Indices of the `k` items with the highest predicted ratings, best first; of equal ones
            the lower index comes first. Where fewer than `k` items are left, the end is -1.

        Raises
        ------
        ValueError
            If `X` is not a valid rating matrix, has another number of items than in `fit`, or `k`
            is not a positive integer.

        Notes
        -----
        Works in blocks of rows bounded by scikit-learn's `working_memory`; ranking takes
        O(n_profiles * n_items) time beyond the predictions.
        """
        X = self._check_profiles(X)
        k = check_k(k)
        items = np.empty((X.shape[0], k), dtype=np.int64)
        for rows in row_blocks(*X.shape):
            scores = self._score_profiles(X[rows])
            if exclude_seen:
                mask_seen(scores, X[rows])
            items[rows] = top_k(scores, k)
        return items

    def score(self, X, y) -> float:
        """Return the hit ratio at 50: the share of held-out items among the 50 best unrated ones.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
            Profiles without the held-out ratings.

        y : array-like of int of shape (n_profiles,) or sparse matrix of shape (n_profiles, n_items)
            The held-out item of each row, -1 for none; or a matrix whose stored entries are the
            held-out items.

        Returns
        -------
        hit_ratio : float
            As in :class:`~skrecsec.metrics.HitRatioScorer`, which takes other lengths of the list.

        Raises
        ------
        ValueError
            If `X` or `y` is invalid or `y` holds out no item at all.
        """
        from skrecsec.metrics import HitRatioScorer  # metrics know no estimator; this is the way in

        self._check_profiles(X)
        return HitRatioScorer(k=50)(self, X, y)

    def _check_profiles(self, X):
        check_is_fitted(self)
        return check_ratings(X, estimator=self, reset=False, allow_no_ratings=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "recommender"
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = False
        return tags


class Budget(NamedTuple):
    """What the fake profiles of an attack must keep to.

    Parameters
    ----------
    n_profiles : int
        Number of fake profiles.

    profile_size : int
        Number of items that each of them rates, targets included.

    target_items : ndarray of shape (n_targets,)
        The items that each of them rates with `target_rating`.

    target_rating : float
        The highest level for a push attack, the lowest for a nuke attack.

    rating_levels : ndarray of shape (n_levels,)
        The ratings that can be given.

    See Also
    --------
    BaseAttackTransformer : Draws up the budget and enforces it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.base import Budget
    >>> Budget(3, 20, np.array([7, 9]), 5.0, np.array([1.0, 3.0, 5.0])).n_fillers
    18
    """

    n_profiles: int
    profile_size: int
    target_items: np.ndarray
    target_rating: float
    rating_levels: np.ndarray

    @property
    def n_fillers(self) -> int:
        """Number of filler items of a profile: those that are not targets."""
        return self.profile_size - self.target_items.size


class BaseAttackTransformer(
    DocumentationLinkMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
    metaclass=ABCMeta,
):
    """Base class of attacks: it owns the threat model, a subclass crafts the profiles.

    A subclass implements `_craft_profiles(known, budget, rng)`: the known profiles (CSR, as many
    rows as there are known users), a :class:`Budget` and a NumPy generator in, a sparse matrix
    (n_profiles, n_items) of at most `budget.n_fillers` filler ratings a row out. This class adds
    the targets, projects ratings to the levels and refuses what exceeds the budget.

    Parameters
    ----------
    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    skrecsec.utils.estimator_checks.attack_checks : What a subclass must pass.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

    Examples
    --------
    An attack that copies genuine profiles, as far as the budget allows:

    >>> import numpy as np
    >>> from skrecsec.base import BaseAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> class CopyAttackTransformer(BaseAttackTransformer):
    ...     def _craft_profiles(self, known, budget, rng):
    ...         profiles = known[rng.integers(known.shape[0], size=budget.n_profiles)].tolil()
    ...         for row in range(budget.n_profiles):
    ...             surplus = profiles.rows[row][budget.n_fillers :]
    ...             profiles[[row], surplus] = 0
    ...         return profiles
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> CopyAttackTransformer(random_state=0).fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        "target_items": [StrOptions({"unpopular", "random"}), "array-like"],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
        "attack_size": [
            Interval(RealNotInt, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_fillers": [StrOptions({"mean"}), Interval(Integral, 1, None, closed="left")],
        "knowledge": [Interval(Real, 0, 1, closed="right")],
        "goal": [StrOptions({"push", "nuke"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        self.target_items = target_items
        self.n_targets = n_targets
        self.attack_size = attack_size
        self.n_fillers = n_fillers
        self.knowledge = knowledge
        self.goal = goal
        self.random_state = random_state

    @abstractmethod
    def _craft_profiles(self, known, budget: Budget, rng: np.random.Generator):
        """Return the filler ratings of the fake profiles, sparse (n_profiles, n_items)."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Choose targets and known users, and craft the fake profiles.

        .. note::
            `fit` only crafts the profiles, in `poison_`; it is `fit_transform` that appends them.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            The genuine ratings.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted attack.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid, or the known users have no ratings.
        """
        X = check_ratings(X, estimator=self)
        target_rng, known_rng, profile_rng = spawn_generators(self.random_state, 3)
        levels = find_rating_levels(X.data)
        targets = self._choose_targets(X, target_rng)
        known_users = self._choose_known_users(X.shape[0], known_rng)
        known = X[known_users]
        if known.nnz == 0:
            raise ValueError(
                f"None of the {known_users.size} known users has ratings; increase knowledge="
                f"{self.knowledge} or choose another random_state."
            )
        budget = Budget(
            n_profiles=self._n_profiles(X.shape[0]),
            profile_size=self._profile_size(known, targets.size),
            target_items=targets,
            target_rating=levels[-1] if self.goal == "push" else levels[0],
            rating_levels=levels,
        )
        profiles = self._craft_profiles(known, budget, profile_rng)
        self.poison_ = type(X)(complete_profiles(profiles, X.shape[1], budget))
        self.n_distinct_profiles_ = _count_distinct_rows(self.poison_)
        self.target_items_ = targets
        self.known_users_ = known_users
        self.rating_levels_ = levels
        # The clean training matrix, which RobustnessImprovementScorer needs; a copy, since the
        # caller may go on to change theirs.
        self._fit_X = X.copy()
        return self

    def fit_transform(self, X, y=None):
        """Craft the fake profiles and append them to `X`.

        .. note::
            The result has more rows than `X`: it is not ``fit(X).transform(X)``. Pipelines call
            this method when they are fitted, and `transform` when they are asked to predict.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            The genuine ratings.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        X_poisoned : csr_array or csr_matrix of shape (n_users + n_fake_profiles, n_items)
            The rows of `X`, then those of `poison_`.
        """
        self.fit(X, y)
        return type(self._fit_X)(sp.vstack([self._fit_X, self.poison_], format="csr"))

    def transform(self, X):
        """Return `X` as it is: fake profiles are appended when fitting only.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
            Profiles.

        Returns
        -------
        X : csr_array or csr_matrix of shape (n_profiles, n_items)
            The same ratings, as CSR.
        """
        check_is_fitted(self)
        return check_ratings(X, estimator=self, reset=False, allow_no_ratings=True)

    def _choose_targets(self, X, rng):
        """Return the target items: those given, or a random choice."""
        n_items = X.shape[1]
        if not isinstance(self.target_items, str):
            return check_target_items(self.target_items, n_items)
        n_targets = min(self.n_targets, n_items)
        candidates = np.arange(n_items)
        if self.target_items == "unpopular":
            counts = np.bincount(X.indices, minlength=n_items)
            # With too few unpopular items, take the least rated ones.
            limit = max(_UNPOPULAR_BELOW, np.partition(counts, n_targets - 1)[n_targets - 1] + 1)
            candidates = np.flatnonzero(counts < limit)
        return np.sort(rng.choice(candidates, n_targets, replace=False))

    def _choose_known_users(self, n_users, rng):
        n_known = max(1, round(self.knowledge * n_users))
        return np.sort(rng.choice(n_users, n_known, replace=False))

    def _n_profiles(self, n_users):
        if isinstance(self.attack_size, Integral):
            return int(self.attack_size)
        # The tolerance keeps 0.03 * 100 from being floored to 2.
        return max(1, int(self.attack_size * n_users + 1e-9))

    def _profile_size(self, known, n_targets):
        n_items = known.shape[1]
        if isinstance(self.n_fillers, str):
            return min(n_items, max(n_targets, round(known.nnz / known.shape[0])))
        if not n_targets <= self.n_fillers <= n_items:
            raise ValueError(
                f"n_fillers={self.n_fillers} must be between the number of targets ({n_targets}, "
                f"which count as rated items) and the number of items ({n_items})."
            )
        return int(self.n_fillers)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags


def complete_profiles(fillers, n_items, budget: Budget) -> sp.csr_array:
    """Check crafted filler ratings against the budget, project them and add the targets."""
    fillers = sp.coo_array(fillers)
    if fillers.shape != (budget.n_profiles, n_items):
        raise ValueError(
            f"The attack crafted profiles of shape {fillers.shape}; "
            f"({budget.n_profiles}, {n_items}) was asked for."
        )
    keep = ~np.isin(fillers.col, budget.target_items)
    rows, items = fillers.row[keep], fillers.col[keep]
    largest = np.bincount(rows, minlength=1).max()
    if largest > budget.n_fillers:
        raise ValueError(
            f"The attack crafted a profile with {largest} filler items; "
            f"the budget allows {budget.n_fillers}."
        )
    ratings = project_to_levels(fillers.data[keep], budget.rating_levels)
    n_targets = budget.target_items.size
    rows = np.concatenate([rows, np.repeat(np.arange(budget.n_profiles), n_targets)])
    items = np.concatenate([items, np.tile(budget.target_items, budget.n_profiles)])
    ratings = np.concatenate(
        [ratings, np.full(budget.n_profiles * n_targets, budget.target_rating)]
    )
    profiles = sp.csr_array((ratings, (rows, items)), shape=fillers.shape)
    profiles.sort_indices()
    return profiles


def _count_distinct_rows(X) -> int:
    """Return the number of distinct rows, told apart by their products with a random vector."""
    return np.unique(X @ np.random.default_rng(0).random(X.shape[1])).size
