"""Recommenders that experiments compare with, and that defend nothing."""

from __future__ import annotations

import importlib.util

import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseRecommender
from skrecsec.recommenders import PopularityRecommender


class ImplicitRecommender(BaseRecommender):
    """A model of the package `implicit`, with the settings that saved results were made with.

    Its factors of the training profiles are used; profiles are not folded in, as those of
    :class:`skrecsec.recommenders.ImplicitRecommender` are.

    Parameters
    ----------
    model : {"als", "bpr"}
        Weighted least squares, or Bayesian personalized ranking.

    random_state : int, RandomState instance or None, default=None
        Determines the initial factors and the samples.
    """

    def __init__(self, model="als", random_state=None):
        self.model = model
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn from which items were rated, not from how."""
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking

        X = self._check_ratings(X)
        rated = sp.csr_matrix((np.ones(X.nnz, dtype=np.float32), X.indices, X.indptr), X.shape)
        options = {"num_threads": 1, "random_state": self.random_state, "use_gpu": False}
        if self.model == "als":
            model = AlternatingLeastSquares(factors=64, regularization=0.05, alpha=5, **options)
        else:
            model = BayesianPersonalizedRanking(factors=64, iterations=100, **options)
        model.fit(rated, show_progress=False)
        self.user_factors_ = np.asarray(model.user_factors)
        self.item_factors_ = np.asarray(model.item_factors)
        return self

    def predict_training_rows(self, rows):
        """Score training profiles by the factors learned for them."""
        return self.user_factors_[rows].astype(float) @ self.item_factors_.T.astype(float)

    def _score_profiles(self, X):
        raise NotImplementedError("Profiles are not folded in.")


def reference_recommenders() -> dict[str, BaseRecommender]:
    """Return the recommenders to compare with, by name; those of `implicit` if it is installed."""
    recommenders = {"Popularity": PopularityRecommender()}
    if importlib.util.find_spec("implicit") is not None:
        recommenders["ALS"] = ImplicitRecommender("als")
        recommenders["BPR"] = ImplicitRecommender("bpr")
    return recommenders
