"""The top-N attack: gradients, influence, and what it does to recommendations."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from skrecsec import AverageAttackTransformer, MFRecommender, RandomAttackTransformer
from skrecsec.attacks import _tna
from skrecsec.attacks._fillers import highest_fillers, rating_statistics
from skrecsec.attacks._tna import (
    TNAAttackTransformer,
    _draw_profile,
    _most_influential,
    _user_influence,
)
from skrecsec.attacks._tna_loss import SURROGATES, Gap, ProfileLoss, RatingSurrogate, _distinct
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score

N_USERS, N_ITEMS, TARGETS, N_FACTORS, REG = 14, 9, np.array([1, 6]), 2, 0.2

both_goals = pytest.mark.parametrize("sign", [1, -1])
both_surrogates = pytest.mark.parametrize("kind", ["rating", "ranking"])


def tiny_ratings():
    """Return ratings, most cells empty, of which few are of targets."""
    rng = np.random.default_rng(5)
    ratings = rng.uniform(0.2, 1, (N_USERS, N_ITEMS))
    ratings[rng.random(ratings.shape) < 0.5] = 0
    ratings[:, TARGETS] = 0
    ratings[[2, 5], 1] = [0.4, 0.9]
    ratings[3] = 0  # a user without ratings
    ratings[7] = 0.5  # and one who has rated everything, the only one to rate item 6
    return sp.csr_array(ratings)


def tiny_gap(sign=1, k=3, width=0.3, target_rating=1.0):
    return Gap(tiny_ratings(), TARGETS, target_rating, k, width, sign)


def tiny_surrogate(n_sweeps=10, kind="rating"):
    start = np.random.default_rng(0).normal(0, 0.5, (N_ITEMS, N_FACTORS))
    surrogate = SURROGATES[kind](start, REG)
    surrogate.fit(tiny_ratings(), n_sweeps)
    return surrogate


def list_of(user, P, Q, k=3):
    """Return a user's list, by sorting."""
    rated = tiny_ratings()[[user]].indices
    items = np.setdiff1d(np.arange(N_ITEMS), np.append(rated, TARGETS))
    return items[np.argsort(-(Q[items] @ P[user]), kind="stable")][:k]


def reference_loss(ratings, surrogate, users, gap, l1_weight):
    """Return the loss of a fake profile, term by term."""
    P, Q, seen = surrogate.user_factors, surrogate.item_factors, tiny_ratings().toarray() > 0
    fitted = seen if isinstance(surrogate, RatingSurrogate) else np.ones_like(seen)
    identity = REG * np.eye(N_FACTORS)
    ratings = ratings.copy()
    ratings[TARGETS] = gap.target_rating
    p = np.linalg.inv(Q.T @ Q + identity) @ (Q.T @ ratings)
    moved = Q.copy()
    for i in range(N_ITEMS):
        raters = P[fitted[:, i]]
        block = raters.T @ raters + identity
        if i in TARGETS:
            right = block @ Q[i] + gap.target_rating * p
            moved[i] = np.linalg.solve(block + np.outer(p, p), right)
        else:
            moved[i] = Q[i] + ratings[i] * np.linalg.solve(block, p)
    terms = [
        1 / (1 + np.exp(-gap.sign * (P[u] @ moved[i] - P[u] @ moved[t]) / gap.width))
        for u in users
        for i in list_of(u, P, Q, gap.k)
        for t in TARGETS
        if not seen[u, t]
    ]
    return np.mean(terms) + l1_weight * (ratings.sum() - ratings[TARGETS].sum())


USERS = np.array([0, 2, 3, 5, 7, 11])


@both_goals
@both_surrogates
@pytest.mark.parametrize(("target_rating", "k"), [(1.0, 3), (0.2, N_ITEMS)])
def test_loss_and_gradient_of_a_profile(sign, kind, target_rating, k):
    surrogate, gap = tiny_surrogate(kind=kind), tiny_gap(sign, k=k, target_rating=target_rating)
    loss = ProfileLoss(gap, surrogate, USERS, 0.01)
    ratings = np.random.default_rng(1).uniform(0, 1, N_ITEMS)
    value, gradient = loss(ratings)
    assert value == pytest.approx(reference_loss(ratings, surrogate, USERS, gap, 0.01))
    expected = np.zeros(N_ITEMS)
    for i in np.setdiff1d(np.arange(N_ITEMS), TARGETS):
        step = 1e-5 * (np.arange(N_ITEMS) == i)
        sides = [reference_loss(ratings + s * step, surrogate, USERS, gap, 0.01) for s in (1, -1)]
        expected[i] = (sides[0] - sides[1]) / 2e-5
    assert np.abs(expected - 0.01).max() > 1e-3
    assert_allclose(gradient, expected, atol=1e-8)
    assert_array_equal(gradient[TARGETS], 0)


def test_a_profile_is_judged_against_those_before_it():
    """The blocks of items include earlier fake users; lists are those of the known ones."""
    fake = sp.csr_array(np.full((1, N_ITEMS), 0.7))
    surrogate = tiny_surrogate()
    before = surrogate.item_blocks(np.array([6]))[0]
    surrogate.fit(sp.vstack([tiny_ratings(), fake], format="csr"), 1)
    P, rated = surrogate.user_factors, sp.vstack([tiny_ratings(), fake]).toarray() > 0
    blocks = surrogate.item_blocks(np.array([6, 0]))
    for block, item in zip(blocks, (6, 0), strict=True):
        raters = P[rated[:, item]]
        assert_allclose(block, raters.T @ raters + REG * np.eye(N_FACTORS))
    assert np.abs(blocks[0] - before).max() > 0.01
    assert np.isfinite(ProfileLoss(tiny_gap(), surrogate, USERS, 0.0)(np.ones(N_ITEMS))[1]).all()


def test_targets_entries_are_ignored():
    loss = ProfileLoss(tiny_gap(), tiny_surrogate(), USERS, 0.01)
    ratings = np.full(N_ITEMS, 0.5)
    value, gradient = loss(ratings)
    ratings[TARGETS] = 99
    other_value, other_gradient = loss(ratings)
    assert value == other_value
    assert_array_equal(gradient, other_gradient)
    assert_array_equal(ratings[TARGETS], 99)


def test_without_pairs_there_is_nothing_but_the_penalty():
    value, gradient = ProfileLoss(tiny_gap(), tiny_surrogate(), np.array([7]), 0.5)(
        np.full(N_ITEMS, 0.1)
    )
    assert value == pytest.approx(0.5 * 0.1 * (N_ITEMS - 2))
    assert_allclose(np.delete(gradient, TARGETS), 0.5)


def test_lists_leave_out_rated_items_and_targets():
    surrogate, users = tiny_surrogate(), np.arange(N_USERS)
    P, Q = surrogate.user_factors, surrogate.item_factors
    lists = tiny_gap().lists(users, P, Q)
    for u in users:
        expected = list_of(u, P, Q)
        assert_array_equal(lists.items[u, : expected.size], expected)
        assert_array_equal(lists.items[u, expected.size :], -1)
        assert_allclose(lists.item_scores[u, : expected.size], Q[expected] @ P[u])
    assert (lists.items[7] == -1).all()
    assert_allclose(lists.target_scores, P @ Q[TARGETS].T)
    assert_array_equal(lists.open_targets, tiny_ratings()[:, TARGETS].toarray() == 0)


def test_distinct_items_of_lists():
    for items in ([[4, 2], [2, -1]], [[4, 2], [2, 9]], [[-1, -1]]):
        items = np.array(items)
        listed, slots = _distinct(items)
        assert_array_equal(listed, np.unique(items[items >= 0]))
        assert_array_equal(slots == -1, items == -1)
        assert_array_equal(listed[slots[slots >= 0]], items[items >= 0])


# --- influence ------------------------------------------------------------------------------------


def explicit_influence(surrogate, gap):
    """Return the influence of each user by automatic differentiation and an explicit Hessian."""
    seen = torch.from_numpy(tiny_ratings().toarray()) > 0
    of_ratings = isinstance(surrogate, RatingSurrogate)
    ratings = torch.from_numpy(tiny_ratings().toarray()) if of_ratings else seen.double()
    n = N_USERS * N_FACTORS
    factors = np.concatenate([surrogate.user_factors.ravel(), surrogate.item_factors.ravel()])
    lists = [
        list_of(u, surrogate.user_factors, surrogate.item_factors).tolist() for u in range(N_USERS)
    ]

    def scores(theta):
        return theta[:n].reshape(N_USERS, -1) @ theta[n:].reshape(N_ITEMS, -1).T

    def errors(theta):
        return torch.where(seen | (not of_ratings), ratings - scores(theta), 0.0) ** 2 / 2

    def objective(theta):
        return errors(theta).sum() + REG / 2 * (theta**2).sum()

    def loss(theta):
        s = scores(theta)
        terms = [
            torch.sigmoid(gap.sign * (s[u, i] - s[u, t]) / gap.width)
            for u in range(N_USERS)
            for i in lists[u]
            for t in TARGETS.tolist()
            if ratings[u, t] == 0
        ]
        return torch.stack(terms).sum()

    theta = torch.from_numpy(factors)
    hessian = torch.autograd.functional.hessian(objective, theta).numpy()
    gradient = torch.autograd.functional.jacobian(loss, theta).numpy()
    user_gradients = torch.autograd.functional.jacobian(
        lambda theta: errors(theta).sum(dim=1), theta
    ).numpy()
    # Rotations of the factors change nothing, so that the Hessian is singular.
    return -user_gradients @ (np.linalg.pinv(hessian, rcond=1e-9) @ gradient)


@both_goals
@both_surrogates
def test_influence_against_an_explicit_hessian(sign, kind, monkeypatch):
    monkeypatch.setattr(_tna, "_N_INFLUENCE_SWEEPS", 3000)
    surrogate, gap = tiny_surrogate(20_000, kind), tiny_gap(sign)
    expected = explicit_influence(surrogate, gap)
    assert np.abs(expected).max() > 0.1
    assert_allclose(_user_influence(gap, surrogate), expected, rtol=1e-5, atol=1e-8)


def test_a_few_sweeps_order_the_users_alike():
    surrogate, gap = tiny_surrogate(20_000), tiny_gap()
    rough = _user_influence(gap, surrogate)
    assert spearmanr(rough, explicit_influence(surrogate, gap)).statistic > 0.9


def test_influence_does_not_depend_on_the_blocks():
    surrogate, gap = tiny_surrogate(), tiny_gap()
    expected = _user_influence(gap, surrogate)
    with sklearn.config_context(working_memory=1e-9):
        assert_allclose(_user_influence(gap, surrogate), expected)


def test_the_most_influential_users():
    influence = np.array([0.5, -2.0, 3.0, 0.5, 1.0])
    assert_array_equal(_most_influential(influence, 1), [2])
    assert_array_equal(_most_influential(influence, 3), [0, 2, 4])  # of equal ones the first
    assert_array_equal(_most_influential(influence, 0.4), [2, 4])
    assert_array_equal(_most_influential(influence, 0.01), [2])
    assert_array_equal(_most_influential(influence, 1.0), np.arange(5))
    assert_array_equal(_most_influential(influence, 99), np.arange(5))


# --- profiles -------------------------------------------------------------------------------------


def budget_of(profile_size):
    return Budget(3, profile_size, np.array([1]), 5.0, np.array([1.0, 2, 3, 4, 5]))


def test_the_largest_ratings_are_the_fillers():
    ratings = np.array([0.3, 9.0, -0.1, 0.7, 1.2])
    assert_array_equal(highest_fillers(ratings[np.newaxis], budget_of(3))[0], [4, 3])
    assert_array_equal(highest_fillers(ratings[np.newaxis], budget_of(5))[0], [4, 3, 0, 2])
    assert highest_fillers(ratings[np.newaxis], budget_of(1))[0].size == 0
    assert ratings[1] == 9


def test_fillers_are_rated_around_their_means(ratings):
    statistics = rating_statistics(ratings)
    rng = np.random.default_rng(0)
    fillers = np.flatnonzero(statistics.item_counts > 10)
    fillers = fillers[fillers != 1]
    budget = budget_of(fillers.size + 1).of_profiles(0, 1)
    drawn = [_draw_profile(fillers, statistics, budget, rng).toarray()[0] for _ in range(200)]
    assert np.isin(np.unique(drawn), np.arange(6)).all()
    assert_array_equal(np.array(drawn)[:, 1], 5)
    means = np.array(drawn)[:, fillers].mean(axis=0)
    assert np.abs(means - statistics.item_means[fillers]).max() < 0.4  # levels have two ends
    assert np.corrcoef(means, statistics.item_means[fillers])[0, 1] > 0.95


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_profiles_keep_to_the_budget_exactly(goal, ratings):
    attack = TNAAttackTransformer(target_items=[4, 9], n_fillers=15, goal=goal, random_state=0)
    poison = attack.fit(ratings).poison_
    assert (np.diff(poison.indptr) == 15).all()
    assert (poison[:, [4, 9]].toarray() == (5 if goal == "push" else 1)).all()
    assert attack.n_distinct_profiles_ == poison.shape[0] == 3
    assert attack.n_iter_ == 5
    assert attack.influential_users_.size == round(0.2 * attack.known_users_.size)


def test_a_profile_does_not_depend_on_those_after_it(ratings):
    few = TNAAttackTransformer(attack_size=2, random_state=0).fit(ratings).poison_
    many = TNAAttackTransformer(attack_size=5, random_state=0).fit(ratings).poison_
    assert (few != many[:2]).nnz == 0


def test_the_surrogate_learns_each_profile_before_the_next(ratings, monkeypatch):
    fitted = []
    fit = RatingSurrogate.fit

    def watched(self, X, n_sweeps):
        fitted.append((X.toarray(), n_sweeps))
        fit(self, X, n_sweeps)

    monkeypatch.setattr(RatingSurrogate, "fit", watched)
    attack = TNAAttackTransformer(attack_size=4, random_state=0).fit(ratings)
    n_known = attack.known_users_.size
    assert [X.shape[0] for X, _ in fitted] == [n_known, n_known + 1, n_known + 2, n_known + 3]
    assert [n_sweeps for _, n_sweeps in fitted] == [10, 1, 1, 1]
    assert_allclose(fitted[-1][0][n_known:] * 5, attack.poison_[:3].toarray())
    assert_allclose(fitted[-1][0][:n_known] * 5, ratings.toarray()[attack.known_users_])


def test_descending_lowers_the_loss(ratings):
    known = sp.csr_array(ratings / 5)
    attack = TNAAttackTransformer(max_iter=20)
    surrogate = attack._initial_surrogate(known, np.random.default_rng(0))
    gap = Gap(known, np.array([4, 9]), 1.0, 50, 0.2, 1)
    loss = ProfileLoss(gap, surrogate, np.arange(30), 1e-4)
    start = np.random.default_rng(1).uniform(0, 0.1, known.shape[1])
    end = attack._descend(loss, np.random.default_rng(1))
    assert loss(np.clip(end, 0, 1))[0] < loss(start)[0] - 0.005
    one_step = attack.set_params(max_iter=1)._descend(loss, np.random.default_rng(1))
    assert np.abs(one_step - start).max() == pytest.approx(0.05)


def test_the_loss_sees_ratings_within_bounds():
    """While the numbers themselves go beyond, and stop where there is no slope."""

    class Loss:
        n_items = 3
        seen = []

        def __call__(self, ratings):
            self.seen.append(ratings)
            return 0.0, np.array([-4.0, 2.0, 1.0]) * (len(self.seen) < 5)

    attack = TNAAttackTransformer(max_iter=9, learning_rate=1.0)
    ratings = attack._descend(Loss(), np.random.default_rng(0))
    assert_allclose(ratings, [4, -2, -1], atol=0.1)
    assert len(Loss.seen) == 5
    assert_allclose(Loss.seen[-1], [1, 0, 0])


@pytest.mark.parametrize("slope", [np.nan, np.inf, -np.inf])
def test_descending_stops_where_the_slope_is_not_finite(slope):
    class Loss:
        n_items = 3

        def __call__(self, ratings):
            return 0.0, np.array([1.0, slope, 0.0])

    with pytest.raises(ValueError, match="cannot be fitted"):
        TNAAttackTransformer()._descend(Loss(), np.random.default_rng(0))


@pytest.mark.parametrize(("goal", "target_rating", "sign"), [("push", 1.0, 1), ("nuke", 0.2, -1)])
def test_what_the_goal_changes(goal, target_rating, sign):
    attack = TNAAttackTransformer(goal=goal)
    levels = np.arange(1.0, 6)
    budget = Budget(3, 4, TARGETS, levels[-1] if goal == "push" else levels[0], levels)
    gap = attack._gap(tiny_ratings(), budget)
    assert (gap.target_rating, gap.sign, gap.k, gap.width) == (target_rating, sign, 50, 0.2)
    gap = attack.set_params(surrogate="ranking")._gap(tiny_ratings(), budget)
    assert (gap.target_rating, gap.sign, gap.width) == (1, sign, 0.05)
    assert attack.set_params(width=0.3)._gap(tiny_ratings(), budget).width == 0.3


@pytest.mark.parametrize(
    "parameters",
    [
        {"subset_size": 1},
        {"k": 1},
        {"n_factors": 3},
        {"reg": 0.5},
        {"max_iter": 1},
        {"learning_rate": 0.5},
        {"width": 0.01},
        {"l1_weight": 0.01},
        {"surrogate": "ranking"},
        {"goal": "nuke"},
    ],
)
def test_parameters_matter(parameters, ratings):
    def fillers(**parameters):
        attack = TNAAttackTransformer(target_items=[4, 9], random_state=0, **parameters)
        return attack.fit(ratings).poison_[:, np.delete(np.arange(90), [4, 9])].toarray()

    assert (fillers(**parameters) != fillers()).any()


# --- odd data -------------------------------------------------------------------------------------


def test_a_profile_may_consist_of_targets_alone(ratings):
    attack = TNAAttackTransformer(target_items=[4, 9], n_fillers=2, random_state=0).fit(ratings)
    assert attack.poison_.nnz == 2 * attack.poison_.shape[0]


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_all_items_may_be_targets(goal):
    X = sp.csr_array([[5, 0, 3], [0, 2, 0], [1, 1, 0]])
    attack = TNAAttackTransformer(target_items=[0, 1, 2], goal=goal, knowledge=1.0, random_state=0)
    assert attack.fit(X).poison_.toarray().tolist() == [[5 if goal == "push" else 1] * 3]


def test_tiny_and_degenerate_data():
    X = np.zeros((10, 10))
    X[0, :4] = 3  # all equal; most users and items have no ratings
    attack = TNAAttackTransformer(
        n_fillers=10, target_items=[0, 8], knowledge=1.0, attack_size=3, random_state=0
    )
    assert_array_equal(attack.fit(sp.csr_array(X)).poison_.toarray(), 3)


def test_users_who_have_rated_everything():
    X = np.random.default_rng(0).integers(1, 6, (12, 8))
    attack = TNAAttackTransformer(target_items=[2], n_fillers=4, attack_size=3, random_state=0)
    assert_array_equal(np.diff(attack.fit(X).poison_.indptr), 4)


def test_a_surrogate_of_interactions_reads_no_levels(ratings):
    def fillers(X):
        attack = TNAAttackTransformer(surrogate="ranking", random_state=0)
        # Fillers are rated as others rate them; which ones they are is what is looked at.
        return attack.fit(X).poison_.indices

    other = ratings.copy()
    other.data = 1 + ratings.data % 5
    assert_array_equal(fillers(ratings), fillers(other))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_ratings_does_not_matter(scale, ratings):
    plain = TNAAttackTransformer(random_state=0).fit(ratings).poison_
    scaled = TNAAttackTransformer(random_state=0).fit(ratings * scale).poison_
    assert_array_equal(scaled.indices, plain.indices)
    assert_allclose(scaled.data, plain.data * scale)


def test_precision_of_the_input_does_not_matter(ratings):
    double = TNAAttackTransformer(random_state=0).fit(ratings.astype(np.float64)).poison_
    single = TNAAttackTransformer(random_state=0).fit(ratings.astype(np.float32)).poison_
    assert (double != single).nnz == 0


def test_unknown_profiles_do_not_matter(ratings):
    attack = TNAAttackTransformer(target_items=[4, 9], random_state=0)
    before = attack.fit(ratings).poison_
    changed = ratings.toarray()
    unknown = np.setdiff1d(np.arange(120), attack.known_users_)
    changed[unknown] = np.random.default_rng(1).integers(0, 6, (unknown.size, 90))
    after = attack.fit(sp.csr_array(changed)).poison_
    assert (before != after).nnz == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"subset_size": 0}, "'subset_size'"),
        ({"subset_size": 1.5}, "'subset_size'"),
        ({"k": 0}, "'k'"),
        ({"n_factors": 0}, "'n_factors'"),
        ({"reg": 0}, "'reg'"),
        ({"reg": 1.0}, "'reg'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"width": 0}, "'width'"),
        ({"width": "narrow"}, "'width'"),
        ({"l1_weight": -1}, "'l1_weight'"),
        ({"surrogate": "rank"}, "'surrogate'"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        TNAAttackTransformer(**parameters).fit(ratings)


# --- strength -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unpopular", "random"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_attack_is_stronger_than_random_and_average(seed, kind, target_hr):
    X = make_ratings(random_state=seed)
    options = {"target_items": kind, "random_state": seed}
    strength = target_hr(TNAAttackTransformer(**options), X)
    assert strength > target_hr(RandomAttackTransformer(**options), X) + 0.2
    assert strength > target_hr(AverageAttackTransformer(**options), X) + 0.1


def test_influential_users_are_worth_more_than_others(monkeypatch, target_hr):
    """On average; where the subset is large, random users are as good."""

    def strength(select):
        monkeypatch.setattr(_tna, "_most_influential", select)
        results = []
        for seed in range(8):
            attack = TNAAttackTransformer(subset_size=0.05, attack_size=0.02, random_state=seed)
            results.append(target_hr(attack, make_ratings(400, 500, random_state=seed)))
        return np.mean(results)

    rng = np.random.default_rng(0)
    chosen = strength(_most_influential)
    random = strength(lambda influence, size: _most_influential(rng.random(influence.size), size))
    assert chosen > random
    assert chosen > 0.02 + strength(lambda influence, size: _most_influential(-influence, size))


def test_nuke_takes_targets_out_of_lists(target_hr):
    """Targets that a clean model recommends widely."""
    X = make_ratings(random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    targets = items[np.argsort(-counts)[:5]]
    scores = clean.user_factors_ @ clean.item_factors_.T
    before = target_hit_ratio_score(scores, targets, seen=X)
    options = {"target_items": targets, "goal": "nuke", "random_state": 0}
    after = target_hr(TNAAttackTransformer(**options), X)
    assert after < before - 0.4
    assert after < target_hr(RandomAttackTransformer(**options), X) - 0.05
