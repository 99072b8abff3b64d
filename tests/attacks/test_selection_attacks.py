"""Attacks on models of implicit feedback: surrogates, the search, and what they reach."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skrecsec import (
    AverageAttackTransformer,
    EASEAttackTransformer,
    EASERecommender,
    RevAdvAttackTransformer,
)
from skrecsec.attacks import _selecting
from skrecsec.attacks._ease_surrogate import EASESurrogate, simulated_inverse
from skrecsec.attacks._revadv import FactorizationSurrogate, simulated_users
from skrecsec.attacks._selection import Listing, Search, Selection, _shorter, search_with_length
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import TargetHitRatioScorer
from skrecsec.training import WeightedFactorization

N_ASKED, N_ITEMS, TARGETS = 9, 7, np.array([1, 4])
QUICK = {"max_iter": 30, "n_surrogates": 2, "random_state": 0}
ATTACKS = {
    "ease": EASEAttackTransformer(reg=30.0, **QUICK),
    "revadv": RevAdvAttackTransformer(n_factors=8, reg=2.0, **QUICK),
}


def interactions(seed, n_rows, density=0.5):
    return sp.csr_array((np.random.default_rng(seed).random((n_rows, N_ITEMS)) < density) * 1.0)


USERS, FAKES = interactions(0, 12), interactions(1, 3)
SLOPES = np.random.default_rng(2).normal(size=(N_ASKED, 2))


def differences(function, h=1e-5):
    """Return central differences of a function of the fake profiles, for each cell."""
    result = np.zeros(FAKES.shape)
    for cell in np.ndindex(*FAKES.shape):
        sides = []
        for change in (h, -h):
            moved = FAKES.toarray()
            moved[cell] += change
            sides.append(function(sp.csr_array(moved)))
        result[cell] = (sides[0] - sides[1]) / (2 * h)
    return result


def ease_surrogate():
    inverse = np.linalg.inv((USERS.T @ USERS).toarray() + 2 * np.eye(N_ITEMS))
    return EASESurrogate(inverse, USERS[:N_ASKED], TARGETS)


def test_ease_surrogate_is_ease_on_all_profiles():
    surrogate = ease_surrogate()
    for fakes in (FAKES, FAKES[[0, 0, 1]]):  # the second must not remember the first
        surrogate.update(fakes)
        model = EASERecommender(reg=2.0).fit(sp.vstack([USERS, fakes], format="csr"))
        expected = model.predict(USERS[:N_ASKED])
        assert_allclose(surrogate.target_scores, expected[:, TARGETS], atol=1e-6)
        assert_allclose(surrogate.score_rows(slice(2, 5)), expected[2:5], atol=1e-6)


def test_ease_gradient_against_differences():
    surrogate = ease_surrogate()

    def total(fakes):
        surrogate.update(fakes)
        return (SLOPES * surrogate.target_scores).sum()

    expected = differences(total)
    assert np.abs(expected).max() > 0.1
    surrogate.update(FAKES)
    assert_allclose(surrogate.gradient(SLOPES), expected, atol=1e-8)


def dense_sweeps(matrix, Q, reg, zero_weight, n_sweeps):
    """Weighted alternating least squares as plain loops."""
    weights = zero_weight + (1 - zero_weight) * matrix
    ridge = reg * np.eye(Q.shape[1])
    for _ in range(n_sweeps):
        P = np.array(
            [
                np.linalg.solve((Q.T * w) @ Q + ridge, Q.T @ x)
                for w, x in zip(weights, matrix, strict=True)
            ]
        )
        Q = np.array(
            [
                np.linalg.solve((P.T * w) @ P + ridge, P.T @ x)
                for w, x in zip(weights.T, matrix.T, strict=True)
            ]
        )
    return P, Q


@pytest.mark.parametrize("zero_weight", [0.3, 1.0])
def test_factorization_against_plain_loops(zero_weight):
    start = np.random.default_rng(0).normal(size=(N_ITEMS, 2))
    model = WeightedFactorization(start, 0.5, zero_weight)
    model.fit(USERS, 3)
    P, Q = dense_sweeps(USERS.toarray(), start, 0.5, zero_weight, 3)
    assert_allclose(model.user_factors, P)
    assert_allclose(model.item_factors, Q)


@pytest.mark.parametrize("zero_weight", [0.3, 1.0])
@pytest.mark.parametrize("n_sweeps", [1, 2])
def test_factorization_gradient_is_that_of_the_last_sweeps(zero_weight, n_sweeps):
    start = np.random.default_rng(0).normal(size=(N_ITEMS, 2))
    model = WeightedFactorization(start, 0.5, zero_weight)
    surrogate = FactorizationSurrogate(model, USERS, N_ASKED, TARGETS, n_sweeps)
    model.fit(sp.vstack([USERS, FAKES], format="csr"), 3000)
    optimum = model.item_factors.copy()

    def total(fakes):
        matrix = np.vstack([USERS.toarray(), fakes.toarray()])
        P, Q = dense_sweeps(matrix, optimum, 0.5, zero_weight, n_sweeps)
        return (SLOPES * (P[:N_ASKED] @ Q[TARGETS].T)).sum()

    expected = differences(total)
    assert np.abs(expected).max() > 0.1
    assert_allclose(surrogate.gradient(SLOPES), expected, atol=1e-7)


def test_factorization_surrogate_scores_with_its_factors():
    model = WeightedFactorization(np.random.default_rng(0).normal(size=(N_ITEMS, 2)), 0.5)
    surrogate = FactorizationSurrogate(model, USERS, N_ASKED, TARGETS, 1)
    surrogate.update(FAKES)
    scores = (model.user_factors @ model.item_factors.T)[:N_ASKED]
    assert_allclose(surrogate.score_rows(slice(0, N_ASKED)), scores)
    assert_allclose(surrogate.target_scores, scores[:, TARGETS])
    assert model.user_factors.shape[0] == USERS.shape[0] + FAKES.shape[0]


def test_systems_without_a_solution_are_refused():
    model = WeightedFactorization(np.full((N_ITEMS, 2), 1e200), 0.5)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="cannot be fitted"):
        model.fit(USERS, 1)


def test_simulated_inverse_without_unknown_users():
    inverse = simulated_inverse(USERS, 0, 2.0, 0.3, np.random.default_rng(0))
    expected = np.linalg.inv((USERS.T @ USERS).toarray() + 2 * np.eye(N_ITEMS))
    assert_allclose(inverse, expected)


@pytest.mark.parametrize("shrinkage", [0.0, 0.4])
def test_simulated_inverse_on_average(shrinkage):
    """Inverted again, the mean over draws is the Gram matrix that is meant."""
    rng = np.random.default_rng(0)
    grams = [
        np.linalg.inv(simulated_inverse(USERS, 18, 2.0, shrinkage, rng)) - 2 * np.eye(N_ITEMS)
        for _ in range(100)
    ]
    own = (USERS.T @ USERS).toarray()
    shares = own.diagonal() / 12
    independent = np.outer(shares, shares)
    np.fill_diagonal(independent, shares)
    expected = own + 18 * ((1 - shrinkage) * own / 12 + shrinkage * independent)
    assert_allclose(np.mean(grams, axis=0), expected, rtol=0.15)
    assert np.std(grams, axis=0).min() > 0.1 * (1 - shrinkage)


def test_simulated_users():
    known = sp.csr_array((np.random.default_rng(0).random((40, 60)) < 0.2) * 1.0)
    users = simulated_users(known, 30, 0.0, np.random.default_rng(0))
    rows = {tuple(row.indices) for row in known}
    assert all(tuple(row.indices) in rows for row in users)
    users = simulated_users(known, 30, 1.0, np.random.default_rng(0))
    assert sum(tuple(row.indices) in rows for row in users) == 0
    assert set(users.data) == {1.0}
    popularity = np.corrcoef(users.sum(axis=0), known.sum(axis=0))[0, 1]
    assert popularity > 0.5


def selection_of(n_profiles=4, profile_size=5, n_items=30, min_raters=3, **plan):
    budget = Budget(n_profiles, profile_size, np.array([2, 7]), 5.0, np.array([1.0, 5.0]), **plan)
    counts = np.arange(n_items)
    return Selection(counts, budget, min_raters, np.random.default_rng(0)), budget


def test_selection_takes_targets_and_what_the_gradient_asks_for():
    selection, budget = selection_of()
    wanted = np.array([[10, 11, 12], [13, 14, 15], [20, 21, 22], [29, 3, 4]])
    gradient = np.zeros((4, 30))
    np.put_along_axis(gradient, wanted, -1, axis=1)
    for _ in range(40):
        selection.descend(gradient, 0.1)
    profiles = selection.profiles().toarray()
    for row, items in zip(profiles, wanted, strict=True):
        assert_array_equal(np.flatnonzero(row), np.sort([*items, *budget.target_items]))


def test_selection_places_the_targets_that_a_profile_is_to_rate():
    planned = np.array([[5.0, 0], [0, 4.0], [5.0, 5.0], [0, 0]])
    selection, budget = selection_of(target_ratings=planned)
    profiles = selection.profiles()
    assert_array_equal(profiles[:, budget.target_items].toarray(), planned > 0)
    assert profiles.has_canonical_format
    assert_array_equal(profiles.sum(axis=1), 3 + np.count_nonzero(planned, axis=1))
    assert profiles.sum(axis=1).max() == budget.profile_size


@pytest.mark.parametrize(("n_each", "expected"), [(1, [2, 3, 4]), (2, [3, 4])])
def test_lengths_to_try_leave_room_for_the_targets_of_a_profile(n_each, expected):
    planned = np.array([[5.0, 0], [0, 5.0]]) if n_each == 1 else np.full((2, 2), 5.0)
    budget = Budget(2, 4, np.array([2, 7]), 5.0, np.array([1.0, 5.0]), planned)
    assert sorted({tried.profile_size for tried in _shorter(budget, 1)}) == expected


def test_selection_leaves_out_items_that_few_know():
    gradient = np.zeros((4, 30))
    gradient[:, :10] = -1
    selection, _ = selection_of(min_raters=12)
    for _ in range(40):
        selection.descend(gradient, 0.1)
    assert selection.fillers().min() >= 12
    # All are rarer than that: the twelve best known of which three are needed, targets not counted.
    selection, _ = selection_of(min_raters=100)
    for _ in range(40):
        selection.descend(gradient, 0.1)
    assert selection.fillers().min() >= 18


def test_a_gradient_of_zeros_moves_nothing():
    selection, _ = selection_of()
    before = selection.fillers()
    selection.descend(np.zeros((4, 30)), 0.1)
    assert_array_equal(selection.fillers(), before)


def test_thresholds_against_sorting():
    users = interactions(3, 10)
    scores = np.random.default_rng(0).normal(size=(10, N_ITEMS))
    for k in (1, 3, 50):
        thresholds = Listing(users, TARGETS, k, 1).thresholds(lambda rows: scores[rows])
        for u, threshold in enumerate(thresholds):
            unseen = np.sort(scores[u][users[[u]].toarray().ravel() == 0])[::-1]
            assert threshold == (unseen[min(k, unseen.size) - 1] if unseen.size else 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_listing_loss_and_slopes(sign):
    users = interactions(3, 10)
    listing = Listing(users, TARGETS, 2, sign)
    rng = np.random.default_rng(0)
    scores, thresholds = rng.normal(size=(10, 2)), rng.normal(size=10)
    loss, slopes = listing(scores, thresholds, 0.4)
    pairs = [(u, x) for u in range(10) for x in (0, 1) if users[u, TARGETS[x]] == 0]
    terms = [1 / (1 + np.exp(sign * (scores[u, x] - thresholds[u]) / 0.4)) for u, x in pairs]
    assert loss == pytest.approx(np.mean(terms))
    for u, x in np.ndindex(10, 2):
        sides = []
        for change in (1e-6, -1e-6):
            moved = scores.copy()
            moved[u, x] += change
            sides.append(listing(moved, thresholds, 0.4)[0])
        assert slopes[u, x] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-8)
    # Nearly all targets listed, and nearly none: the share that the goal does not want.
    assert listing(thresholds[:, None] + np.full((10, 2), 9 * sign), thresholds, 0.1)[0] < 0.01


class Counting:
    """A surrogate in which targets score as many as profiles have the first ten items."""

    def __init__(self, n_users, best_size):
        self.n_users, self.best_size = n_users, best_size

    def update(self, fakes):
        size = fakes.sum() / fakes.shape[0]
        score = fakes[:, :10].sum() / 100 - abs(size - self.best_size)
        self.target_scores = np.full((self.n_users, 2), score)

    def score_rows(self, rows):
        return np.zeros((self.n_users, 30))[rows] + 0.5

    def release(self):
        pass

    def gradient(self, slopes):
        return np.tile(np.where(np.arange(30) < 10, slopes.sum(), 0), (4, 1))


@pytest.mark.parametrize("best_size", [10, 15, 20])
def test_the_length_with_the_lowest_loss_goes_on(best_size):
    selection, _ = selection_of(profile_size=20, min_raters=0)
    users = sp.csr_array((6, 30))
    search = Search([Counting(6, best_size)], Listing(users, np.array([2, 7]), 5, 1), 0.1, 1.0, 30)
    chosen = search_with_length(search, selection, True)
    assert chosen.budget.profile_size == best_size
    kept = search_with_length(search, selection, False)
    assert kept.budget.profile_size == 20
    assert kept.profiles()[:, :10].sum() == 40  # what the gradient asks for


def fit_and_watch(attack, X, monkeypatch):
    """Return the poison, dense, and all fake profiles that surrogates were shown, then the last."""
    seen = []

    def search(search, selection, is_free):
        for surrogate in search.surrogates:
            monkeypatch.setattr(surrogate, "update", watched(surrogate.update))
        chosen = search_with_length(search, selection, is_free)
        seen.append(chosen.profiles())
        return chosen

    def watched(update):
        return lambda fakes: seen.append(fakes) or update(fakes)

    monkeypatch.setattr(_selecting, "search_with_length", search)
    return attack.fit(X).poison_.toarray(), seen


def test_targets_that_are_shared_out_get_on_lists():
    X = make_ratings(300, 200, density=0.1, random_state=0)
    attack = clone(ATTACKS["ease"]).set_params(attack_size=30, targets_per_profile=1)
    model = EASERecommender(reg=30.0).fit(attack.fit_transform(X))
    # 0.11 with fillers that were chosen for profiles of all targets
    assert TargetHitRatioScorer(attack.target_items_)(model, X) > 0.17


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
class TestAttacks:
    def test_targets_get_on_lists_that_average_profiles_do_not_reach(self, attack):
        X = make_ratings(300, 200, density=0.1, random_state=0)
        hits = []
        for made in (clone(attack), AverageAttackTransformer(random_state=0)):
            made.set_params(attack_size=0.1)
            model = EASERecommender().fit(made.fit_transform(X))
            hits.append(TargetHitRatioScorer(made.target_items_)(model, X))
        assert hits[0] > hits[1] + 0.3

    @pytest.mark.parametrize("n_fillers", ["auto", 18])
    @pytest.mark.parametrize("n_each", [1, 2, None])
    @pytest.mark.parametrize("lengths", ["fixed", "genuine"])
    def test_surrogates_see_what_is_written(
        self, attack, lengths, n_each, n_fillers, ratings, monkeypatch
    ):
        made = clone(attack).set_params(target_items=[4, 9, 2], attack_size=7, n_fillers=n_fillers)
        made.set_params(targets_per_profile=n_each, profile_lengths=lengths)
        poison, seen = fit_and_watch(made, ratings, monkeypatch)
        sizes = np.count_nonzero(poison, axis=1)
        assert made.profile_size_ == sizes.max()
        assert (np.unique(sizes).size > 1) == (lengths == "genuine")
        assert_array_equal(seen[-1].toarray(), poison > 0)  # what it ended with
        for fakes in seen:
            assert_array_equal(fakes[:, [4, 9, 2]].toarray(), poison[:, [4, 9, 2]] > 0)
            if n_fillers == 18:  # else shorter ones are tried
                assert_array_equal(np.diff(fakes.indptr), sizes)

    def test_profiles_of_genuine_lengths_get_targets_on_lists(self, attack):
        X = make_ratings(300, 200, density=0.1, random_state=0)
        hits = []
        for seed in range(3):
            made = clone(attack).set_params(attack_size=60, random_state=seed)
            made.set_params(profile_lengths="genuine")
            model = EASERecommender(reg=30.0).fit(made.fit_transform(X))
            hits.append(TargetHitRatioScorer(made.target_items_)(model, X))
        # 0.08 and 0.07 where fillers of the longest profile were given up at random
        assert np.mean(hits) > (0.13 if isinstance(made, EASEAttackTransformer) else 0.1)

    def test_nuke_takes_targets_off_lists(self, attack):
        X = make_ratings(300, 200, density=0.1, random_state=0)
        clean = EASERecommender(reg=30.0).fit(X)
        items, counts = np.unique(clean.recommend(X, 20), return_counts=True)
        options = {"target_items": items[np.argsort(-counts)[:5]], "k": 20, "attack_size": 0.1}
        scorer = TargetHitRatioScorer(options["target_items"], k=20)
        hits = []
        for goal in ("nuke", "push"):
            made = clone(attack).set_params(goal=goal, **options)
            hits.append(scorer(EASERecommender(reg=30.0).fit(made.fit_transform(X)), X))
        assert hits[0] + 0.015 < scorer(clean, X) < hits[1] - 0.015

    def test_length(self, attack, ratings):
        options = {"target_items": [4, 9], "random_state": 0}
        mean = AverageAttackTransformer(**options).fit(ratings).poison_[[0]].nnz
        for n_fillers, sizes in ((12, [12]), ("mean", [mean]), ("auto", range(3, mean + 1))):
            made = clone(attack).set_params(n_fillers=n_fillers, **options).fit(ratings)
            lengths = np.diff(made.poison_.indptr)
            assert made.profile_size_ in sizes
            assert (lengths == made.profile_size_).all()
            assert made.n_iter_ == 30

    def test_ratings_are_not_read_but_given_as_usual(self, attack, ratings):
        """Who rates what is the same whatever the ratings; those of fillers are near the means."""
        made = clone(attack).set_params(target_items=[4, 9])
        poison = made.fit(ratings).poison_
        other = ratings.copy()
        other.data = 6 - other.data
        assert_array_equal(made.fit(other).poison_.indices, poison.indices)
        fillers = np.setdiff1d(np.arange(ratings.shape[1]), [4, 9])
        assert 0 < poison[:, fillers].data.std() < 2

    @pytest.mark.parametrize("goal", ["push", "nuke"])
    @pytest.mark.parametrize(
        "X",
        [
            sp.csr_array(np.full((12, 8), 3.0)),  # nothing is unseen
            sp.csr_array(np.eye(12, 8) * 4),
            sp.csr_array(np.ones((12, 1)) * np.arange(1, 13)[:, None]),
            sp.csr_array(([2.0, 5], ([3, 9], [0, 1])), shape=(10, 40)),
        ],
        ids=["full", "diagonal", "one item", "mostly empty"],
    )
    @pytest.mark.filterwarnings("ignore::skrecsec.exceptions.UnsuitableRatingsWarning")
    def test_extreme_data(self, attack, X, goal):
        for n_fillers in ("auto", X.shape[1]):
            options = {"target_items": [0], "n_fillers": n_fillers, "goal": goal}
            made = clone(attack).set_params(knowledge=1.0, **options).fit(X)
            assert np.isin(made.poison_.data, np.unique(X.data)).all()
        assert made.poison_.nnz == made.poison_.shape[0] * X.shape[1]


@pytest.mark.parametrize(
    ("attack", "parameter", "value"),
    [
        (EASEAttackTransformer, "reg", 0),
        (EASEAttackTransformer, "n_surrogates", 0),
        (EASEAttackTransformer, "shrinkage", 1.5),
        (EASEAttackTransformer, "k", 0),
        (EASEAttackTransformer, "min_raters", -1),
        (EASEAttackTransformer, "max_iter", 0),
        (EASEAttackTransformer, "learning_rate", 0),
        (EASEAttackTransformer, "width", 0),
        (EASEAttackTransformer, "n_fillers", "short"),
        (RevAdvAttackTransformer, "n_factors", 0),
        (RevAdvAttackTransformer, "reg", 0),
        (RevAdvAttackTransformer, "zero_weight", 0),
        (RevAdvAttackTransformer, "n_sweeps", 0),
    ],
)
def test_bad_parameters(attack, parameter, value, ratings):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        attack(**{parameter: value}).fit(ratings)
