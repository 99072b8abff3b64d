"""The real-time vicinal defense: neighbors, and the model that is trained on them."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import EASERecommender, MFRecommender, VicinalRecommender
from skrecsec.recommenders._vicinal import _nearest


@pytest.fixture
def fitted(ratings):
    model = MFRecommender(4, max_iter=4, random_state=0)
    return VicinalRecommender(model, n_neighbors=3, n_iter=2, learning_rate=0.1).fit(ratings)


def test_neighbors_have_the_highest_cosines():
    training = sp.csr_array(np.array([[1.0, 1, 0, 0], [0, 0, 1, 0], [0.2, 0, 0, 0], [1, 1, 1, 0]]))
    profiles = sp.csr_array(np.array([[1.0, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]))
    expected = [[2, 3, 0], [-1, 3, 1], [-1, -1, -1]]
    assert_array_equal(_nearest(profiles, training, 3), expected)


def test_scores_are_those_of_a_model_trained_on_neighbors(fitted, ratings):
    """Rating after rating, for a profile that took part and one that did not."""
    model = fitted.recommender_
    other = sp.csr_array(ratings[[3]] + ratings[[5]]).minimum(5)
    profiles = sp.csr_array(sp.vstack([ratings[[7]], other]))
    dense = ratings.toarray() / 5
    for profile, scores in zip(profiles.toarray() / 5, fitted.predict(profiles), strict=True):
        cosines = dense @ profile / np.linalg.norm(dense, axis=1).clip(1e-9)
        Q = model.item_factors_.astype(float)
        P = model.user_factors_.astype(float)
        A = Q[profile > 0]
        own = np.linalg.solve(A.T @ A + model.fold_in_reg * np.eye(4), A.T @ profile[profile > 0])
        for _ in range(2):
            for v in [*np.argsort(-cosines, kind="stable")[:3][::-1], -1]:
                p, row = (own, profile) if v == -1 else (P[v], dense[v])
                for i in np.flatnonzero(row):
                    step = 0.1 * (row[i] - p @ Q[i])
                    p[:], Q[i] = p + step * Q[i], Q[i] + step * p
        assert_allclose(scores, 5 * Q @ own, rtol=1e-6)


def test_without_an_epoch_it_is_the_model(fitted, ratings):
    expected = fitted.recommender_.predict(ratings)
    assert not np.allclose(fitted.predict(ratings), expected, atol=0.01)
    assert_allclose(fitted.set_params(n_iter=0).predict(ratings), expected)


def test_blocks_make_no_difference(fitted, ratings):
    from sklearn import config_context

    expected = fitted.predict(ratings)
    with config_context(working_memory=0.01):
        assert_array_equal(fitted.predict(ratings), expected)


def test_factorisations_of_ratings_are_asked_for(ratings):
    with pytest.raises(ValueError, match="recommender"):
        VicinalRecommender(EASERecommender()).fit(ratings)


def test_fine_tuning_that_diverges_is_noticed(fitted, ratings):
    with pytest.raises(ValueError, match="lower learning_rate, which is 1000"):
        fitted.set_params(learning_rate=1000.0, n_iter=50).predict(ratings)
