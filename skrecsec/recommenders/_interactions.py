"""What models of implicit feedback share: what counts as an interaction."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp
from sklearn.utils.metaestimators import available_if

from skrecsec.base import BaseRecommender
from skrecsec.utils._compat import Number, StrOptions, _fit_context, _num_samples
from skrecsec.utils._signatures import complete
from skrecsec.utils.validation import check_ratings


class NothingToLearnError(ValueError):
    """There are ratings, but none from which this model learns."""


@complete
class BaseInteractionRecommender(BaseRecommender):
    """Base class of recommenders that ask whether something was rated, not how.

    A subclass implements `_fit_interactions(X)`, which learns from ones at the interactions, or
    from what `_values` makes of their ratings, and `_score_profiles(X)`, which gets profiles of the
    same kind. A profile without an interaction is served by what is popular.
    """

    _parameter_constraints: dict = {
        "interactions": [StrOptions({"all"}), Number(0, None, closed="neither")],
    }

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn from which items were rated.

        %(recommender.fit)s
        """
        self._fit_interactions(self._check_ratings(X))
        return self

    @available_if(lambda self: hasattr(type(self), "predict_training_rows"))
    def fit_predict(self, X, y=None) -> np.ndarray:
        """Fit, and score the training profiles by what was learned of them.

        Where nothing was, they are scored as by `predict`.

        %(recommender.fit_predict)s
        """
        self.fit(X, y)
        if not hasattr(self, "predict_training_rows"):  # it depends on the model
            return self.predict(X)
        return self.predict_training_rows(np.arange(_num_samples(X)))

    @abstractmethod
    def _fit_interactions(self, X):
        """Learn from checked interactions, CSR."""

    def _values(self, ratings: np.ndarray) -> np.ndarray:
        """Return what is learned of interactions with these ratings."""
        return np.ones(ratings.size)

    def _interactions(self, X) -> sp.csr_array:
        """Return the interactions in checked ratings."""
        if isinstance(self.interactions, str):
            return sp.csr_array((self._values(X.data), X.indices, X.indptr), shape=X.shape)
        kept = X.data >= self.interactions
        indptr = np.concatenate([[0], np.cumsum(kept)])[X.indptr]
        values = self._values(X.data[kept])
        return sp.csr_array((values, X.indices[kept], indptr), shape=X.shape)

    def _check_ratings(self, X):
        X = self._interactions(check_ratings(X, estimator=self))
        if X.nnz == 0:
            raise NothingToLearnError(
                f"interactions={self.interactions}: no rating is that high, so that there is "
                f"nothing to learn from."
            )
        self.item_popularity_ = np.bincount(X.indices, minlength=X.shape[1]) / X.shape[0]
        return X

    def _score(self, X):
        return super()._score(self._interactions(X))
