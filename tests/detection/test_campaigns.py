"""Many campaigns at once: evidence adds up, and spreads to who shares items and to look-alikes."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score, roc_auc_score

from skrecsec import LockstepDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection import _groups, _items, _spread


def make_campaigns(seed, *, n_genuine=900, n_spammers=300, n_items=4000, n_campaigns=12):
    """Return short profiles, of whom the last push some of the items of a campaign, and not all."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, n_items + 1) ** 0.8
    popularity /= popularity.sum()
    rows, columns, ratings = [], [], []

    def rate(user, items, values):
        rows.extend([user] * len(items))
        columns.extend(items)
        ratings.extend(values)

    for user in range(n_genuine):
        items = np.unique(rng.choice(n_items, 11, p=popularity))
        rate(user, items, rng.choice([1, 2, 3, 4, 5], len(items), p=[0.1, 0.1, 0.2, 0.3, 0.3]))
    campaigns = rng.permutation(n_items)[: 10 * n_campaigns].reshape(n_campaigns, 10)
    for user in range(n_genuine, n_genuine + n_spammers):
        items = rng.permutation(campaigns[user % n_campaigns])[:6]
        others = np.setdiff1d(rng.choice(n_items, 3, p=popularity), items)
        rate(user, items, [5] * len(items))
        rate(user, others, rng.choice([1, 2, 3, 4, 5], len(others)))
    shape = (n_genuine + n_spammers, n_items)
    X = sp.csr_array((np.array(ratings, float), (rows, columns)), shape=shape)
    return X, np.arange(shape[0]) >= n_genuine


@pytest.fixture(scope="module")
def campaigns():
    return make_campaigns(0)


def test_many_campaigns_are_no_matter_of_taste(campaigns):
    X, is_spam = campaigns
    detector = LockstepDetector().fit(X)
    flagged = detector.labels_ == -1
    assert is_spam[flagged].mean() > 0.95
    assert flagged[is_spam].mean() > 0.5
    assert average_precision_score(is_spam, -detector.profile_scores_) > 0.95
    assert roc_auc_score(is_spam, -detector.profile_scores_) > 0.95
    assert len(detector.groups_) >= 6


def test_one_campaign_is_an_attack_like_any_other():
    X, is_spam = make_campaigns(1, n_spammers=25, n_campaigns=1)
    detector = LockstepDetector().fit(X)
    assert (detector.labels_[is_spam] == -1).mean() > 0.9
    assert (detector.labels_[~is_spam] == -1).mean() < 0.005


def test_campaigns_have_to_stand_out_by_more(campaigns):
    X, _ = campaigns
    is_top = X.data == 5
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    B = sp.csr_array((np.ones(is_top.sum()), (rows[is_top], X.indices[is_top])), shape=X.shape)
    nothing = np.zeros(X.shape[1])
    result = _groups.search(B, nothing, n_seeds=500, max_items=8)
    assert result.are_campaigns
    pairs, _ = _groups._most_surprising_pairs(B, 500)
    grown = _groups.grow_groups(B, nothing, pairs, max_items=8)
    np.testing.assert_allclose(result.found.net, grown.net - 4)
    assert result.lift == _groups.LIFT


def test_suspicion_spreads_as_in_plain_loops():
    rng = np.random.default_rng(0)
    A = (rng.random((30, 12)) < 0.3).astype(float)
    A[:, 0] = 1
    B = A * (rng.random(A.shape) < 0.5)
    surprise = rng.random(12)
    neighbors = np.array([rng.permutation(np.delete(np.arange(30), u))[:25] for u in range(30)])
    lengths, n_given = A.sum(axis=1), B.sum(axis=0)
    own = np.array([sum(surprise[i] for i in range(12) if B[u, i]) for u in range(30)])
    own /= np.sqrt(lengths)
    own /= own.max()
    expected = own.copy()
    for _ in range(6):
        of_items = [
            sum(expected[u] for u in range(30) if B[u, i]) / (n_given[i] + 1) for i in range(12)
        ]
        expected = np.array([
            0.5 * own[u] + 0.5 * sum(of_items[i] for i in range(12) if A[u, i]) / lengths[u]
            for u in range(30)
        ])  # fmt: skip
    got = _spread.spread_suspicion(sp.csr_array(B), sp.csr_array(A), surprise, None)
    np.testing.assert_allclose(got, expected)
    got = _spread.spread_suspicion(sp.csr_array(B), sp.csr_array(A), surprise, neighbors)
    near = np.array([expected[neighbors[u, :20]].mean() for u in range(30)])
    np.testing.assert_allclose(got, expected + 0.5 * near)


def test_items_that_surprise_nobody_spread_nothing():
    A = sp.csr_array(np.ones((3, 2)))
    np.testing.assert_array_equal(_spread.spread_suspicion(A, A, np.zeros(2), None), 0)


def test_pushed_items_do_not_set_the_spread_of_coherence_alone():
    coherence = np.concatenate([np.random.default_rng(0).normal(size=60), np.zeros(9)])
    n_given = np.concatenate([np.repeat([10, 20, 30, 40, 50, 60], 10), np.full(9, 100)])
    coherence[-1] = 0.5  # an item like any other, among eight that were pushed alike
    surprise = _items.coherence_surprise(coherence, n_given)
    assert surprise[-1] < 3


@pytest.mark.parametrize(("same_users", "n_campaigns"), [(True, 1), (False, 6)])
def test_profiles_that_share_many_items_are_one_campaign(same_users, n_campaigns):
    # Six groups of two items without a common one, each by ten users: the same ones, or others.
    pairs = np.arange(12).reshape(6, 2)
    dense = np.zeros((60, 12))
    for place, pair in enumerate(pairs):
        first = 0 if same_users else 10 * place
        dense[first : first + 10, pair] = 1
    net = np.arange(16.0, 10.0, -1.0)
    groups = _groups.Groups(pairs, np.full(6, 2), np.full(6, 10), np.full(6, 0.1), net)
    assert _groups._n_of_other_users(groups, sp.csr_array(dense)) == n_campaigns


@pytest.mark.parametrize(("n_others", "n_campaigns"), [(3, 6), (4, 0)])
def test_of_who_rates_the_items_of_a_campaign_most_give_the_level(n_others, n_campaigns):
    # Six groups of ten users and two items; a few others rate both items at another level.
    pairs = np.arange(12).reshape(6, 2)
    ratings = np.zeros((6 * (10 + n_others), 12))
    for place, pair in enumerate(pairs):
        ratings[10 * place : 10 * (place + 1), pair] = 5
        ratings[60 + n_others * place : 60 + n_others * (place + 1), pair] = 3
    groups = _groups.Groups(
        pairs, np.full(6, 2), np.full(6, 10), np.full(6, 0.1), np.arange(16.0, 10.0, -1.0)
    )
    B = sp.csr_array((ratings == 5).astype(float))
    assert _groups._n_of_other_users(groups, B) == 6
    assert _groups._n_of_other_users(groups, B, sp.csr_array(ratings)) == n_campaigns


@pytest.mark.slow
def test_tastes_of_many_users_are_no_campaigns():
    X = make_ratings(12000, 3000, density=0.03, random_state=1)
    assert (LockstepDetector().fit(X).labels_ == -1).mean() < 0.005
