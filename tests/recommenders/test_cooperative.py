"""Cooperation: what the other models agree on is what the served one learns besides."""

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec import (
    BPRRecommender,
    CooperativeRecommender,
    EASERecommender,
    MFRecommender,
    PopularityRecommender,
)
from skrecsec.base import BaseRecommender
from skrecsec.recommenders import _cooperative


class Recorder(PopularityRecommender):
    """Keeps what it was fitted to."""

    def fit(self, X, y=None):
        self.X_ = sp.csr_array(X)
        return super().fit(X)


class Levels(BaseRecommender):
    """Predicts a number for every item, on the scale of ratings."""

    def __init__(self, number=3.2):
        self.number = number

    def fit(self, X, y=None):
        X = self._check_ratings(X)
        self.rating_levels_ = np.unique(X.data)
        self.n_ = X.shape[0]
        return self

    def _score_profiles(self, X):
        return np.full(X.shape, self.number)


def test_labels_by_ranks_are_in_all_lists_of_the_others():
    rng = np.random.default_rng(0)
    X = sp.csr_array((rng.random((8, 12)) < 0.3).astype(float))
    scores = rng.random((2, 8, 12))
    row, item = _cooperative._common_places(iter(scores), X, 4)
    found = set(zip(row, item, strict=True))
    expected = set()
    for user in range(8):
        lists = []
        for values in scores:
            values = np.where(X[[user]].toarray().ravel() > 0, -np.inf, values[user])
            lists.append(set(np.argsort(-values)[:4][np.sort(-values)[:4] < np.inf]))
        expected |= {(user, i) for i in lists[0] & lists[1]}
    assert found == expected
    assert found


def test_labels_by_ratings_are_levels_that_all_say():
    rng = np.random.default_rng(0)
    X = sp.csr_array((rng.random((8, 12)) < 0.3).astype(float))
    levels = np.array([1.0, 2.0, 5.0])
    scores = rng.random((2, 8, 12)) * 5
    row, item, rating = _cooperative._same_levels(iter(scores), X, levels, 40, rng)
    assert X.toarray()[row, item].max() == 0
    assert np.unique(row * 12 + item).size == row.size
    nearest = np.abs(scores[..., np.newaxis] - levels).argmin(axis=-1)
    same = (nearest[0] == nearest[1]) & (X.toarray() == 0)
    np.testing.assert_array_equal(rating, levels[nearest[0][row, item]])
    assert same[row, item].all()
    assert row.size > 0.8 * same.sum()  # 40 draws of 12 items miss few


def test_the_first_model_learns_the_ratings_and_the_labels(ratings):
    fitted = CooperativeRecommender(Recorder(), n_labels=6, random_state=0).fit(ratings)
    learned = fitted.recommender_.X_
    assert learned.shape == ratings.shape
    kept = learned.toarray()[ratings.toarray() > 0]
    np.testing.assert_array_equal(kept, ratings.data)
    added = learned.toarray() * (ratings.toarray() == 0)
    assert np.count_nonzero(added) == fitted.n_pseudo_ratings_ > 0
    assert set(np.unique(added)) == {0, ratings.data.max()}
    assert np.count_nonzero(added, axis=1).max() <= 6
    np.testing.assert_array_equal(fitted.predict(ratings), fitted.recommender_.predict(ratings))


def test_agreement_follows_the_kind_of_model(ratings):
    fitted = CooperativeRecommender(Levels(), n_labels=5, random_state=0).fit(ratings)
    assert fitted.n_pseudo_ratings_ > 0
    assert fitted.recommender_.n_ == 120
    by_ranks = CooperativeRecommender(Levels(), n_labels=5, agreement="ranks", random_state=0)
    # All items are tied, so that all models list the same five.
    assert by_ranks.fit(ratings).n_pseudo_ratings_ == 5 * 120
    MF = MFRecommender(4, max_iter=3)
    assert CooperativeRecommender(MF, random_state=0).fit(ratings).n_pseudo_ratings_ > 0


def test_more_rounds_and_models(ratings):
    base = BPRRecommender(4, max_iter=2)
    few = CooperativeRecommender(base, random_state=0).fit(ratings)
    many = CooperativeRecommender(base, n_models=6, random_state=0).fit(ratings)
    assert many.n_pseudo_ratings_ < few.n_pseudo_ratings_
    again = CooperativeRecommender(EASERecommender(), n_rounds=2, random_state=0).fit(ratings)
    once = CooperativeRecommender(EASERecommender(), random_state=0).fit(ratings)
    assert again.n_pseudo_ratings_ != once.n_pseudo_ratings_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"n_models": 2}, "n_models"), ({"max_users": 3}, "max_users"), ({"n_labels": 0}, "n_labels")],
)
def test_bad_parameters_are_named(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        CooperativeRecommender(**parameters).fit(ratings)
