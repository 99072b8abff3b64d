"""Bagging votes as it says, and what it certifies holds against all profiles of small cases."""

from itertools import combinations, combinations_with_replacement, product
from math import comb

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import binom
from sklearn.base import clone

from skrecsec import (
    BaggedRecommender,
    BPRRecommender,
    EASERecommender,
    ItemKNNRecommender,
    PopularityRecommender,
)
from skrecsec.recommenders import _bagging_bounds as bounds
from skrecsec.utils._ranking import top_k


def probabilities(X, size, list_size, profile):
    """Return the share of all subsets whose most popular unrated items have an item among them."""
    subsets = np.array(list(combinations(range(len(X)), size)))
    popularity = X[subsets].mean(axis=1)
    popularity[:, profile > 0] = -np.inf
    items = top_k(popularity, list_size)
    return np.bincount(items[items >= 0], minlength=X.shape[1]) / len(subsets)


def listed_by(shares, k):
    return np.argsort(-shares, kind="stable")[:k]


def certified(clean, chosen, k, share, list_size):
    """Return how many of chosen items are certified, by exact probabilities."""
    parts = np.zeros((2, 1, k))
    for part, items in zip(
        parts, (chosen, np.setdiff1d(np.arange(clean.size), chosen)), strict=True
    ):
        best = np.sort(clean[items])[::-1][:k]
        part[0, : best.size] = best
    return bounds.kept_items(*parts, share, list_size)[0]


@pytest.mark.parametrize(
    ("list_size", "k", "rates"),
    [
        (1, 2, [0.9, 0.8, 0.5, 0.1, 0.1]),
        (2, 2, [0.9, 0.45, 0.6, 0.5, 0.05]),
        (2, 1, [0.9, 0.8, 0.5, 0.1, 0.1]),
        (3, 3, [0.95, 0.9, 0.5, 0.45, 0.05]),
    ],
)
def test_no_fake_profiles_at_all_break_the_bounds(list_size, k, rates):
    """Exact probabilities instead of votes, popularity as the model."""
    n_users, n_items, size = 16, 5, 2
    n_kept_at_all = n_hits_at_all = n_safe_at_all = n_moved = 0
    held_out = np.array([0, 2, 4])
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = (rng.random((n_users, n_items)) < rates).astype(float)
        X[:, 0][X.sum(axis=1) == 0] = 1
        profile = np.zeros(n_items)
        clean = probabilities(X, size, list_size, profile)
        listed = listed_by(clean, k)
        for n_fakes in (1, 2):
            share = float(bounds.clean_share(n_users, size, n_fakes))
            kept = certified(clean, listed, k, share, list_size)
            hits = certified(clean, held_out, k, share, list_size)
            ladder = bounds.clean_share(n_users, size, np.arange(5))
            target = n_items - 1
            threshold = np.sort(np.delete(clean, target))[-k]
            safe = bounds.safe_fakes(threshold, clean[target], ladder)
            n_kept_at_all += kept > 0
            n_hits_at_all += hits > 0
            n_safe_at_all += safe >= n_fakes
            profiles = [p for p in product((0.0, 1.0), repeat=n_items) if sum(p)]
            for fakes in combinations_with_replacement(profiles, n_fakes):
                if n_fakes == 2 and rng.random() < 0.5:  # half of them will do
                    continue
                poisoned = probabilities(np.vstack([X, *fakes]), size, list_size, profile)
                now = listed_by(poisoned, k)
                stayed = np.intersect1d(now, listed).size
                assert stayed >= kept
                assert np.intersect1d(now, held_out).size >= hits
                assert not (safe >= n_fakes and target in now)
                n_moved += stayed < k
    assert n_kept_at_all > 0
    assert n_hits_at_all > 0
    assert n_safe_at_all > 0
    assert n_moved > 0


def by_the_theorem_of_pore(chosen, others, share, n_places):
    """Return how many stay, if those that are ahead of an item are granted their places."""
    kept = 0
    for r, least in enumerate(chosen, start=1):
        n_ahead = sum(other > least for other in others)
        n_left = chosen.size - r - n_ahead + 1
        if n_left < 1:
            break
        behind = others[n_ahead : n_ahead + n_left]
        mean = (share * behind.sum() + (1 - share) * n_places) / n_left
        if share * least <= min(mean, share * behind.min() + 1 - share):
            break
        kept = r
    return kept


@pytest.mark.parametrize("n_places", [1, 5])
def test_no_less_is_certified_than_by_the_theorem_of_pore(n_places):
    rng = np.random.default_rng(0)
    n_certified = 0
    for _ in range(200):
        chosen, others = -np.sort(-(rng.random((2, 8)) ** [[1], [4]]), axis=1)
        share = rng.uniform(0.5, 1)
        theirs = by_the_theorem_of_pore(chosen, others, share, n_places)
        ours = bounds.kept_items(chosen[None], others[None], share, n_places)[0]
        assert ours >= theirs
        n_certified += theirs
    assert n_certified > 100


def test_share_of_subsets_without_fakes():
    for n_fakes in range(4):
        expected = comb(9, 3) / comb(9 + n_fakes, 3)
        assert bounds.clean_share(9, 3, n_fakes) == pytest.approx(expected)
    assert bounds.clean_share(3, 3, 0) == 1


def test_bounds_of_probabilities_are_those_of_clopper_and_pearson():
    lower, upper = bounds.confidence_bounds(12, 0.01)
    for successes in range(13):
        if successes:
            assert binom.sf(successes - 1, 12, lower[successes]) == pytest.approx(0.01)
        if successes < 12:
            assert binom.cdf(successes, 12, upper[successes]) == pytest.approx(0.01)
    assert lower[0] == 0
    assert upper[12] == 1


def test_safe_fakes_is_the_last_size_that_cannot_win():
    shares = bounds.clean_share(100, 5, np.arange(50))
    rng = np.random.default_rng(0)
    for threshold, target in rng.random((40, 2)):
        won = shares * threshold <= shares * target + 1 - shares
        expected = np.flatnonzero(won)[0] - 1
        assert bounds.safe_fakes(threshold, target, shares) == expected


def test_votes_are_those_of_models_of_the_subsets(ratings):
    bagged = BaggedRecommender(
        ItemKNNRecommender(), n_estimators=4, max_users=30, list_size=5, random_state=0
    ).fit(ratings)
    assert bagged.subsets_.shape == (4, 30)
    expected = np.zeros(ratings.shape)
    for rows in bagged.subsets_:
        assert np.unique(rows).size == 30
        for user, items in enumerate(ItemKNNRecommender().fit(ratings[rows]).recommend(ratings, 5)):
            expected[user, items[items >= 0]] += 0.25
    scores = bagged.predict(ratings)
    np.testing.assert_array_equal(np.floor(scores * 4), expected * 4)
    # Among items with as many votes, the more popular ones have more.
    row = 3
    tied = np.flatnonzero(expected[row] == 0)
    order = np.argsort(-scores[row, tied], kind="stable")
    assert (np.diff(bagged.item_popularity_[tied[order]]) <= 0).all()


def test_subsets_are_drawn_among_users_with_ratings(ratings):
    X = ratings.toarray()
    X[:100] = 0
    bagged = BaggedRecommender(n_estimators=3, max_users=0.5, random_state=0).fit(X)
    assert bagged.n_users_ == 20
    assert bagged.subsets_.shape == (3, 10)
    assert bagged.subsets_.min() >= 100
    assert BaggedRecommender(n_estimators=2, max_users=500).fit(X).subsets_.shape == (2, 20)


@pytest.mark.parametrize("keep_models", [True, False])
def test_models_of_users_without_interactions_do_not_vote(keep_models, ratings):
    X = ratings.toarray()
    X[30:] = np.where(X[30:] > 0, 1.0, 0)
    X[0, :2] = 5
    bagged = BaggedRecommender(
        EASERecommender(interactions=4.0),
        n_estimators=20,
        max_users=2,
        list_size=5,
        keep_models=keep_models,
        random_state=1,
    ).fit(X)
    n_models = sum((X[rows] >= 4).any() for rows in bagged.subsets_)
    assert 0 < n_models < 20
    n_votes = np.floor(bagged.predict(X[:1]) * 20).sum()
    assert n_votes == 5 * n_models
    with pytest.raises(ValueError, match="EASERecommender finds nothing to learn from in any"):
        clone(bagged).fit(np.minimum(X, 3))


def test_what_is_learned_from_is_not_the_callers(ratings):
    X = ratings.copy()
    bagged = BaggedRecommender(n_estimators=2, keep_models=False, random_state=0).fit(X)
    expected = bagged.predict(ratings)
    X.data[:], X.indices[:] = 1, 0
    np.testing.assert_array_equal(bagged.predict(ratings), expected)


def test_models_have_seeds_of_their_own(ratings):
    bagged = BaggedRecommender(
        BPRRecommender(4, max_iter=1), n_estimators=2, max_users=1.0, random_state=0
    ).fit(ratings)
    first, second = bagged.estimators_
    assert not np.array_equal(first.item_factors_, second.item_factors_)


def test_certificate_of_a_fitted_ensemble(ratings):
    bagged = BaggedRecommender(
        PopularityRecommender(), n_estimators=100, max_users=5, list_size=10, random_state=0
    ).fit(ratings)
    counts = np.bincount(ratings.indices, minlength=90)
    targets = np.array([np.argmin(counts), np.argmax(counts)])
    empty = np.zeros((1, 90))
    profiles = np.vstack([ratings.toarray()[:20], empty])
    found = bagged.certify(profiles, n_fakes=[0, 1, 4, 40], target_items=targets, k=10)
    assert found.n_kept.shape == (21, 4)
    assert (np.diff(found.n_kept, axis=1) <= 0).all()
    assert found.n_kept[:20, 1].max() > 0
    assert (found.n_kept[20] == 0).all()
    assert (found.safe_fakes[20] == -1).all()
    rated = profiles[:20][:, targets] > 0
    assert (found.safe_fakes[:20][rated] == 10_000).all()
    assert (found.safe_fakes[:20, 0] >= 1).any()
    more_certain = bagged.certify(profiles, n_fakes=[1], target_items=targets, k=10, confidence=0.5)
    assert (more_certain.n_kept[:, 0] >= found.n_kept[:, 1]).all()
    assert (more_certain.safe_fakes >= found.safe_fakes).all()
    longer = bagged.certify(profiles, k=90, target_items=targets[:1])
    assert longer.n_kept.shape == (21, 1)
    assert (longer.safe_fakes[:20][~rated[:, :1]] == -1).all()


def test_hits_are_counted_as_items_that_stay_are(ratings):
    bagged = BaggedRecommender(
        PopularityRecommender(), n_estimators=100, max_users=5, list_size=10, random_state=0
    ).fit(ratings)
    lists = bagged.recommend(ratings, 10)
    listed = np.zeros(ratings.shape)
    np.put_along_axis(listed, lists, 1, axis=1)
    found = bagged.certify(ratings, sp.csr_array(listed), n_fakes=[0, 2], k=10)
    np.testing.assert_array_equal(found.n_hits, found.n_kept)
    first = bagged.certify(ratings, lists[:, 0], n_fakes=[0, 2], k=10)
    assert first.n_hits.max() == 1
    assert (first.n_hits <= found.n_hits).all()
    missed = bagged.certify(ratings, np.full(len(lists), -1), n_fakes=[0, 2], k=10)
    assert (missed.n_hits == 0).all()
    assert bagged.certify(ratings, k=10).n_hits is None


def test_models_that_are_not_kept_say_the_same(ratings):
    options = {"n_estimators": 3, "max_users": 30, "list_size": 5}
    for model in (ItemKNNRecommender(), BPRRecommender(4, max_iter=1, random_state=7)):
        kept = BaggedRecommender(model, **options, random_state=0).fit(ratings)
        forgotten = clone(kept).set_params(keep_models=False).fit(ratings)
        assert forgotten.estimators_ == []
        for _ in range(2):
            np.testing.assert_array_equal(forgotten.predict(ratings), kept.predict(ratings))


def test_no_more_than_a_block_of_votes_is_held(ratings):
    import sklearn

    bagged = BaggedRecommender(n_estimators=3, random_state=0).fit(ratings)
    whole = bagged.certify(ratings, n_fakes=[1], target_items=[0], k=5, confidence=0.5)
    with sklearn.config_context(working_memory=0.01):
        parts = bagged.certify(ratings, n_fakes=[1], target_items=[0], k=5, confidence=0.5)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)


def test_bad_arguments_are_named(ratings):
    bagged = BaggedRecommender(n_estimators=2, random_state=0).fit(ratings)
    for arguments, message in [
        ({"n_fakes": [-1]}, "n_fakes"),
        ({"n_fakes": 3}, "n_fakes"),
        ({"n_fakes": [0.5]}, "n_fakes"),
        ({"target_items": [90]}, "target_items"),
        ({"k": 0}, "k, the length"),
        ({"y": [0]}, "y must"),
        ({"confidence": 1.0}, "confidence"),
    ]:
        with pytest.raises(ValueError, match=message):
            bagged.certify(ratings, **arguments)
