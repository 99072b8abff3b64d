"""Profiles weighed by a detector's scores."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator

from skrecsec import (
    AverageAttackTransformer,
    EASERecommender,
    FilteredRecommender,
    ItemKNNRecommender,
    MFRecommender,
    WeightedRecommender,
)


class Scored(BaseEstimator):
    """Gives scores that it was told."""

    def __init__(self, scores=None, offset=0.0):
        self.scores = scores
        self.offset = offset

    def fit(self, X, y=None):
        self.profile_scores_ = np.asarray(self.scores, dtype=float)
        self.offset_ = self.offset
        return self


class Labelled(Scored):
    def fit_predict(self, X, y=None):
        return np.where(np.asarray(self.scores) < 0, -1, 1)


def test_weights_are_the_logistic_function_of_scores_in_typical_margins(ratings):
    scores = np.full(ratings.shape[0], 1.5)
    scores[:4] = [-1.0, -0.5, -1.5, 5.0]
    model = WeightedRecommender(Scored(scores, offset=-0.5)).fit(ratings)
    assert_allclose(
        model.user_weights_[:5], 1 / (1 + np.exp(-2 * np.array([-0.5, 0, -1, 5.5, 2]))), rtol=1e-12
    )
    shares = np.bincount(
        ratings.indices,
        np.repeat(model.user_weights_, np.diff(ratings.indptr)),
        minlength=ratings.shape[1],
    )
    assert_allclose(model.item_popularity_, shares / model.user_weights_.sum())


def test_ease_solves_the_weighted_regression(ratings):
    rng = np.random.default_rng(0)
    model = WeightedRecommender(
        Scored(rng.normal(size=ratings.shape[0])), EASERecommender(reg=7.0)
    ).fit(ratings)
    B = (ratings.toarray() > 0).astype(float)
    D = np.diag(model.user_weights_)
    j = 4
    others = np.delete(np.arange(B.shape[1]), j)
    A = B[:, others]
    expected = np.linalg.solve(A.T @ D @ A + 7 * np.eye(others.size), A.T @ D @ B[:, j])
    assert_allclose(model.recommender_.item_weights_[others, j], expected, rtol=1e-3, atol=1e-6)


def test_equal_weights_are_smaller_steps_of_the_items(ratings):
    """Of 0.98, which is next to nothing."""
    options = {"n_factors": 6, "max_iter": 4, "validation_fraction": 0.0, "random_state": 0}
    weighted = WeightedRecommender(Scored(np.ones(ratings.shape[0])), MFRecommender(**options))
    plain = MFRecommender(**options).fit(ratings)
    assert_allclose(weighted.fit(ratings).user_weights_, 1 / (1 + np.exp(-4)))
    assert_allclose(weighted.recommender_.item_factors_, plain.item_factors_, atol=0.02)


def test_who_weighs_nothing_teaches_items_nothing(ratings):
    """Whatever it says, items are the same, where no rating is held back for validation."""
    other = ratings.toarray()
    other[5] = np.where(other[5] > 0, 6 - other[5], 0)
    scores = np.ones(ratings.shape[0])
    scores[5] = -1e9
    model = MFRecommender(4, max_iter=3, validation_fraction=0.0, random_state=0)
    fits = [
        WeightedRecommender(Scored(scores), model).fit(X).recommender_
        for X in (ratings, sp.csr_array(other))
    ]
    assert_array_equal(fits[0].item_factors_, fits[1].item_factors_)
    assert not np.allclose(fits[0].user_factors_[5], fits[1].user_factors_[5])


def test_with_certainty_it_is_the_filter(ratings):
    poisoned = AverageAttackTransformer(attack_size=0.1, random_state=0).fit_transform(ratings)
    n_users = ratings.shape[0]
    scores = np.full(poisoned.shape[0], 1.0)
    scores[n_users:] = -1e9
    filtered = FilteredRecommender(Labelled(scores), EASERecommender(reg=50.0)).fit(poisoned)
    # A weight of 0.98 for all is a penalty that is higher by its inverse.
    reg = 50.0 / (1 + np.exp(-4))
    weighted = WeightedRecommender(Scored(scores), EASERecommender(reg=reg)).fit(poisoned)
    assert_allclose(weighted.predict(ratings), filtered.predict(ratings), rtol=1e-4, atol=1e-6)


def test_what_cannot_be_weighted_is_refused(ratings):
    with pytest.raises(ValueError, match="recommender"):
        WeightedRecommender(recommender=ItemKNNRecommender()).fit(ratings)
    with pytest.raises(ValueError, match="detector must have profile_scores_"):
        WeightedRecommender(MFRecommender(2, max_iter=1)).fit(ratings)
    with pytest.raises(ValueError, match="believes nobody"):
        WeightedRecommender(Scored(-np.ones(ratings.shape[0]))).fit(ratings)


@pytest.mark.parametrize("base", [EASERecommender, MFRecommender])
def test_what_others_make_of_the_models_is_refused(ratings, base):
    class Derived(base):
        pass

    with pytest.raises(ValueError, match=r"recommender must be .* itself.* Derived"):
        WeightedRecommender(Scored(np.ones(ratings.shape[0])), Derived()).fit(ratings)


def test_there_is_no_certificate_of_users_who_count_unalike(ratings):
    model = WeightedRecommender(Scored(np.ones(ratings.shape[0]))).fit(ratings)
    assert hasattr(EASERecommender(), "certify")
    assert not hasattr(model.recommender_, "certify")
