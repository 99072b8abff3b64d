"""The contract of recommenders."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skrecsec.utils._documentation import DocumentationLinkMixin
from skrecsec.utils._fitting import AtomicFitMixin
from skrecsec.utils._ranking import check_k, score_blocks, top_k
from skrecsec.utils._scoring import held_out_ranks, hit_share, profiles_for
from skrecsec.utils._signatures import complete
from skrecsec.utils.validation import check_ratings


@complete
class BaseRecommender(AtomicFitMixin, DocumentationLinkMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of recommenders: `fit`, `predict`, `recommend` and `score`.

    A subclass implements `fit(X, y=None)` and `_score_profiles(X)`, which returns the predicted
    ratings of a block of profiles. Predictions are a pure function of a profile: they depend
    neither on the other rows asked for nor on whether the profile took part in training.

    See Also
    --------
    skrecsec.utils.estimator_checks.recommender_checks : What a subclass must pass.

    Examples
    --------
    A recommender of what most training profiles have rated:

    >>> import numpy as np
    >>> from skrecsec.base import BaseRecommender
    >>> from skrecsec.datasets import make_ratings
    >>> class MostRatedRecommender(BaseRecommender):
    ...     def fit(self, X, y=None):
    ...         X = self._check_ratings(X)
    ...         self.counts_ = np.bincount(X.indices, minlength=X.shape[1]) * 1.0
    ...         return self
    ...
    ...     def _score_profiles(self, X):
    ...         return np.tile(self.counts_, (X.shape[0], 1))
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> MostRatedRecommender().fit(X).recommend(X, k=3).shape
    (100, 3)
    """

    @abstractmethod
    def fit(self, X, y=None):
        """Learn from ratings.

        %(recommender.fit)s
        """

    @abstractmethod
    def _score_profiles(self, X) -> np.ndarray:
        """Return predicted ratings, (n_rows, n_items) float64, for CSR profiles."""

    def predict(self, X) -> np.ndarray:
        """Predict the ratings of all items for each profile.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        ratings : ndarray of shape (n_profiles, n_items)
            Predicted ratings on the scale of the training data, not clipped to it. The array is
            dense: for many profiles use `recommend`, which works in blocks.

        Raises
        ------
        ValueError
            If `X` is not a valid rating matrix or has another number of items than in `fit`.

        Notes
        -----
        Of a profile without ratings nothing is known: its scores are the shares of the training
        profiles that have rated the items, so that it is recommended what is popular.
        """
        return self._score(self._check_profiles(X))

    def recommend(self, X, k: int = 50, *, exclude_seen: bool = True) -> np.ndarray:
        """Recommend items to each profile.

        Parameters
        ----------
        %(profiles)s

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
        Works in blocks of rows of 64 MiB, or scikit-learn's `working_memory` if less; ranking takes
        O(n_profiles * n_items) time beyond the predictions.
        """
        X = self._check_profiles(X)
        k = check_k(k)
        if not isinstance(exclude_seen, (bool, np.bool_)):
            raise ValueError(f"exclude_seen must be a bool, got {exclude_seen!r}.")
        try:
            items = np.empty((X.shape[0], k), dtype=np.int64)
        except (MemoryError, ValueError) as error:
            raise ValueError(f"Lists of k={k} items do not fit in memory.") from error
        for rows in score_blocks(*X.shape):
            block = X[rows]
            items[rows] = top_k(self._score(block), k, seen=block if exclude_seen else None)
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
        self._check_profiles(X)
        profiles = profiles_for(self, X)
        _, ranks = held_out_ranks(y, profiles.shape, profiles.score_rows, profiles.seen)
        return hit_share(ranks, 50)

    def _score(self, X):
        """Return predictions for checked profiles; empty ones get what is popular."""
        popularity = getattr(self, "item_popularity_", None)
        if popularity is not None:
            # Attributes can be changed, and code that does not look may be called below.
            _expect_shape("item_popularity_", popularity, X.shape[1:])
        scores = self._score_profiles(X)
        _expect_shape("predictions", scores, X.shape)
        is_empty = np.diff(X.indptr) == 0
        if is_empty.any() and popularity is not None:
            # What is masked stays masked, whatever is popular.
            served = is_empty[:, np.newaxis] & (scores != -np.inf)
            scores = np.where(served, popularity, scores)
        return scores

    def _check_ratings(self, X):
        """Return the ratings to learn from, checked, and take note of what is popular.

        For the `fit` of subclasses: it sets `n_features_in_`, `feature_names_in_` and
        `item_popularity_`, by which profiles without ratings are served.
        """
        X = check_ratings(X, estimator=self)
        self.item_popularity_ = np.bincount(X.indices, minlength=X.shape[1]) / X.shape[0]
        return X

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


def _expect_shape(what, array, shape):
    if np.shape(array) != shape:
        raise ValueError(f"{what} of shape {np.shape(array)} do not fit; {shape} is expected.")
