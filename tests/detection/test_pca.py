"""PCA-VarSelect: contributions by a dense eigen-decomposition, whatever the signs and the order."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score

from skrecsec import AverageAttackTransformer, PCADetector
from skrecsec.datasets import make_ratings


def z_scores(X, unrated):
    """Return the z-scores of rows, by plain loops."""
    D = X.toarray()
    Z = np.zeros_like(D)
    for u, row in enumerate(D):
        values = row if unrated == "zero" else row[row > 0]
        if values.size == 0 or values.std() < 1e-12:
            continue
        for i, rating in enumerate(row):
            if rating > 0 or unrated == "zero":
                Z[u, i] = (rating - values.mean()) / values.std()
    return Z


def dense_contributions(Z, k, signs):
    _, vectors = np.linalg.eigh(Z @ Z.T)
    return ((vectors[:, -k:] * signs) ** 2).sum(axis=1)


@pytest.mark.parametrize("unrated", ["zero", "mean"])
@pytest.mark.parametrize(
    ("shape", "k"), [((120, 90), 3), ((90, 120), 4), ((40, 100), 2), ((100, 40), 3)]
)
def test_contributions_are_those_of_all_eigenvectors(unrated, shape, k):
    X = make_ratings(*shape, density=0.3, random_state=0)
    detector = PCADetector(n_components=k, unrated=unrated).fit(X)
    Z = z_scores(X, unrated)
    signs = np.random.default_rng(0).choice([-1, 1], size=k)
    np.testing.assert_allclose(
        detector.profile_scores_, dense_contributions(Z, k, signs), rtol=1e-6, atol=1e-9
    )
    assert detector.profile_scores_.sum() == pytest.approx(k)
    np.testing.assert_allclose(
        detector.singular_values_, np.linalg.svd(Z, compute_uv=False)[:k], rtol=1e-9
    )


@pytest.mark.parametrize("unrated", ["zero", "mean"])
def test_scores_depend_on_no_scale_of_a_user(ratings, unrated):
    scores = PCADetector(unrated=unrated).fit(ratings).profile_scores_
    factors = sp.diags_array(np.random.default_rng(0).uniform(1, 3, size=ratings.shape[0]))
    scaled = PCADetector(unrated=unrated).fit(sp.csr_array(factors @ ratings)).profile_scores_
    np.testing.assert_allclose(scaled, scores, atol=1e-9)


def test_scores_go_with_users_and_items(ratings):
    scores = PCADetector().fit(ratings).profile_scores_
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(ratings.shape[0]), rng.permutation(ratings.shape[1])
    again = PCADetector().fit(ratings[rows][:, columns]).profile_scores_
    np.testing.assert_allclose(again, scores[rows], atol=1e-9)


def test_automatic_rule(ratings):
    detector = PCADetector(cut=1.0).fit(ratings)
    logs = np.log(detector.profile_scores_)
    center = np.median(logs)
    deviation = 1.4826 * np.median(np.abs(logs - center))
    expected = np.where(logs < center - deviation, -1, 1)
    np.testing.assert_array_equal(detector.labels_, expected)
    assert 0 < (expected == -1).sum() < ratings.shape[0] / 2
    assert detector.groups_ == []


def test_fewer_components_than_asked_for():
    X = sp.csr_array(np.outer([1.0, 2, 3], [1.0, 5, 2, 4]))
    detector = PCADetector(n_components=5).fit(X)
    assert detector.singular_values_.size == 1
    np.testing.assert_allclose(detector.profile_scores_, 1 / 3)


def test_components_that_are_not_determined_are_left_out():
    # Of 12 alike users all components but none are first; a user apart has one of its own.
    X = np.zeros((13, 30))
    X[np.arange(12), np.arange(12)] = 5
    X[12, 12:20] = [1, 5, 2, 4, 1, 5, 2, 4]
    detector = PCADetector(n_components=5, unrated="mean").fit(X)
    np.testing.assert_allclose(detector.singular_values_, np.sqrt(8))
    X = np.eye(100) * 5
    assert PCADetector(unrated="zero").fit(X).singular_values_.size == 0


def test_constant_profiles_are_not_judged():
    X = np.vstack([make_ratings(30, 20, density=0.5, random_state=0).toarray(), np.full(20, 4.0)])
    for unrated in ("zero", "mean"):
        scores = PCADetector(unrated=unrated).fit(X).profile_scores_
        assert scores[-1] == scores.max()


def test_the_published_strength(published_splits):
    # The literature reports that the average attack is found with a high precision.
    X = published_splits[0][0]
    poisoned = AverageAttackTransformer(random_state=0).fit_transform(X)
    detector = PCADetector().fit(poisoned)
    is_fake = np.arange(poisoned.shape[0]) >= X.shape[0]
    assert average_precision_score(is_fake, -detector.profile_scores_) > 0.95
    assert (detector.labels_[is_fake] == -1).mean() > 0.9
    assert (detector.labels_[~is_fake] == -1).mean() < 0.005


@pytest.mark.parametrize(
    ("parameters", "name"),
    [({"n_components": 0}, "n_components"), ({"unrated": "x"}, "unrated"), ({"cut": -1}, "cut")],
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        PCADetector(**parameters).fit(ratings)
