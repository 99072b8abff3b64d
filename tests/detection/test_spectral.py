"""Spectral clustering: edges, eigenvectors and cuts by dense computations; planted groups."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn

from skrecsec import CoAttackTransformer, SpectralDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection import _spectral
from skrecsec.detection._spectral import (
    _least_cut,
    _second_eigenvector,
    find_group,
    most_similar,
)


def similarities(D, similarity):
    """Return similarities of all pairs, by plain loops."""
    vectors = []
    for row in D:
        values = np.where(row > 0, row - row[row > 0].mean(), 0) if similarity == "pearson" else row
        norm = np.linalg.norm(values)
        vectors.append(values / norm if norm > 1e-9 else np.zeros_like(values))
    return np.array(vectors) @ np.array(vectors).T


@pytest.fixture(scope="module")
def duplicates():
    """Return ratings of 150 users, and of 12 who nearly copy one of them."""
    X = make_ratings(150, 120, density=0.15, random_state=0).toarray()
    rng = np.random.default_rng(0)
    copies = np.repeat(X[[3]], 12, axis=0)
    copies[rng.random(copies.shape) < 0.002] = 5
    return sp.csr_array(np.vstack([X, copies]))


@pytest.mark.parametrize("similarity", ["pearson", "cosine"])
@pytest.mark.parametrize("working_memory", [0.01, 64])
def test_edges_are_the_most_similar_pairs(duplicates, similarity, working_memory):
    S = similarities(duplicates.toarray(), similarity)
    n = S.shape[0]
    pairs = np.sort(np.round(S[np.triu_indices(n, 1)], 9))[::-1]
    n_edges = int(np.ceil(0.02 * n * (n - 1) / 2))
    expected = np.where(np.round(S, 9) >= pairs[n_edges - 1], S, 0)
    np.fill_diagonal(expected, 0)
    with sklearn.config_context(working_memory=working_memory):
        graph = most_similar(_spectral._unit_rows(duplicates, similarity), 0.02)
    np.testing.assert_allclose(graph.toarray(), expected, atol=1e-8)


@pytest.mark.parametrize("n", [60, 260])
def test_second_eigenvector(n):
    rng = np.random.default_rng(0)
    A = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.2), 1)
    A[: n // 3, n // 3 :] *= 0.05
    A = A + A.T
    degrees = A.sum(axis=1)
    laplacian = np.eye(n) - A / np.sqrt(np.outer(degrees, degrees))
    expected = np.linalg.eigh(laplacian)[1][:, 1] / np.sqrt(degrees)
    found = _second_eigenvector(sp.csr_array(A))
    cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found)
    assert abs(cosine) == pytest.approx(1, abs=1e-9)
    # The least cut by trying all places.
    order, place = _least_cut(sp.csr_array(A), found, 5)
    costs = []
    for cut in range(5, n - 4):
        first, second = order[:cut], order[cut:]
        between = A[np.ix_(first, second)].sum()
        costs.append(between / degrees[first].sum() + between / degrees[second].sum())
    assert place == np.argmin(costs) + 5 == n // 3 or n - place == n // 3


@pytest.mark.parametrize("similarity", ["pearson", "cosine"])
def test_near_duplicates_are_found(duplicates, similarity):
    detector = SpectralDetector(similarity=similarity).fit(duplicates)
    members = [3, *range(150, 162)]
    assert detector.group_users_.tolist() == members
    assert np.flatnonzero(detector.labels_ == -1).tolist() == members
    group = detector.groups_[0]
    np.testing.assert_array_equal(group.users, members)
    assert group.n_users >= 12 > 2 * group.expected
    S = similarities(duplicates.toarray(), similarity)
    for user in range(162):
        others = [member for member in members if member != user]
        expected = (1 + S[user, others].mean()) / 2 + (user in members)
        assert -detector.profile_scores_[user] == pytest.approx(min(expected, 2))


def test_a_group_that_is_no_clique_apart_is_not_called_fake(published_splits):
    for X, _ in published_splits:
        for edge_density in (0.01, 0.015):
            detector = SpectralDetector(edge_density=edge_density).fit(X)
            assert detector.group_users_.size >= 5
            assert (detector.labels_ == 1).all()
            assert detector.groups_ == []


def test_the_published_strength(published_splits):
    # Profiles that are highly correlated are what the paper claims to find.
    for X, _ in published_splits:
        poisoned = CoAttackTransformer(max_iter=5, random_state=0).fit_transform(X)
        labels = SpectralDetector().fit_predict(poisoned)
        assert (labels[X.shape[0] :] == -1).all()
        assert (labels[: X.shape[0]] == 1).all()


def test_groups_are_divided_until_that_does_not_help():
    # Two cliques of five, one of them more alike, joined to one another and hardly to a ring.
    A = np.zeros((30, 30))
    A[:5, :5], A[5:10, 5:10], A[:5, 5:10], A[5:10, :5] = 0.9, 0.7, 0.5, 0.5
    for node in range(10, 30):
        A[node, 10 + (node - 9) % 20] = A[10 + (node - 9) % 20, node] = 0.6
    A[9, 10] = A[10, 9] = 0.1
    np.fill_diagonal(A, 0)
    graph = sp.csr_array(A)
    assert find_group(graph, 5, 0.0).tolist() == list(range(5))
    mean = A[:10, :10].sum() / 90
    assert find_group(graph, 5, 0.9 / mean - 1 - 1e-6).tolist() == list(range(5))
    assert find_group(graph, 5, 0.9 / mean - 1 + 1e-6).tolist() == list(range(10))
    assert find_group(graph, 6, 0.0).tolist() == list(range(10))
    assert find_group(graph, 31, 0.0).size == 0


def test_no_group_without_enough_edges():
    X = make_ratings(20, 15, density=0.3, random_state=0)
    detector = SpectralDetector(edge_density=0.005).fit(X)
    assert detector.group_users_.size == 0
    assert (detector.labels_ == 1).all()
    assert SpectralDetector(min_users=30, edge_density=0.5).fit(X).group_users_.size == 0


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"similarity": "jaccard"}, "similarity"),
        ({"edge_density": 0.0}, "edge_density"),
        ({"edge_density": 1.5}, "edge_density"),
        ({"min_users": 1}, "min_users"),
        ({"min_rise": -0.1}, "min_rise"),
    ],
)
def test_bad_parameters_are_named(parameters, name, ratings):
    with pytest.raises(ValueError, match=name):
        SpectralDetector(**parameters).fit(ratings)
