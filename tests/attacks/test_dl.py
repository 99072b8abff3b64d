"""The attack by a poison model, one fake user at a time."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import MFRecommender, RandomAttackTransformer
from skrecsec.attacks import _dl
from skrecsec.attacks._dl import DLAttackTransformer, _lower_probabilities, _training_matrix
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score
from skrecsec.training._sgd import SGDSolver

LEVELS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def make_budget(n_profiles=3, profile_size=3, targets=(1,), target_rating=5.0):
    return Budget(n_profiles, profile_size, np.array(targets), target_rating, LEVELS)


# --- one fake user at a time ---


def test_training_matrix_by_hand():
    """One known user, one fake user made, one being made, one to come."""
    known = sp.csr_array([[2.0, 0, 3, 0]])
    made = sp.csr_array([[2.2, 0, 0, 4.9]])
    ratings = _training_matrix(known, made, make_budget())
    assert_array_equal(ratings.toarray(), [[2, 0, 3, 0], [2, 5, 0, 5], [0, 5, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_each_model_is_trained_on_the_profiles_made_so_far(goal, ratings, monkeypatch):
    seen = []
    train = DLAttackTransformer._train

    def spy(self, known, ratings, user, *args):
        seen.append((ratings.toarray(), user))
        return train(self, known, ratings, user, *args)

    monkeypatch.setattr(DLAttackTransformer, "_train", spy)
    options = {"n_factors": 4, "target_items": [4, 9], "attack_size": 4, "goal": goal}
    attack = DLAttackTransformer(random_state=0, **options).fit(ratings)
    known, poison = ratings[attack.known_users_].toarray(), attack.poison_.toarray()
    assert len(seen) == 4
    for row, (matrix, user) in enumerate(seen):
        expected = np.zeros_like(poison)
        expected[:row] = poison[:row]
        expected[row, [4, 9]] = 5 if goal == "push" else 1
        assert_array_equal(matrix, np.vstack([known, expected]))
        assert user == len(known) + row


# --- selection probabilities ---


def test_probabilities_start_again_when_none_is_left_at_one():
    probabilities = np.ones(4)
    _lower_probabilities(probabilities, np.array([0, 2]), 0.5)
    assert_array_equal(probabilities, [0.5, 1, 0.5, 1])
    _lower_probabilities(probabilities, np.array([2, 3]), 0.5)
    assert_array_equal(probabilities, [0.5, 1, 0.25, 0.5])
    _lower_probabilities(probabilities, np.array([1]), 0.5)
    assert_array_equal(probabilities, [1, 1, 1, 1])


def test_probabilities_without_decay_stay():
    probabilities = np.ones(2)
    _lower_probabilities(probabilities, np.array([0, 1]), 1.0)
    assert_array_equal(probabilities, [1, 1])


@pytest.mark.parametrize("decay", [0.6, 0.9, 1.0])
def test_fillers_against_brute_force(decay, monkeypatch):
    """Fake user by fake user and item by item, with given outputs of the model."""
    n_profiles, n_items, n_fillers, targets = 12, 9, 4, [2, 5]
    outputs = np.random.default_rng(0).uniform(0.2, 0.95, (n_profiles, n_items))
    outputs[:, targets] = 0.99

    def train(self, known, ratings, user, factors, budget, rng):
        """Return a model with one factor, 1 for this user and 0 for all others."""
        scores = outputs[user - known.shape[0]]
        user_factors = np.zeros((1, known.shape[0] + n_profiles, 1))
        user_factors[0, user] = 1
        return user_factors, np.log(scores / (1 - scores))[None, :, None]

    monkeypatch.setattr(DLAttackTransformer, "_train", train)
    attack = DLAttackTransformer(selection_decay=decay)
    budget = make_budget(n_profiles, n_fillers + 2, targets)
    fillers = attack._craft_profiles(sp.csr_array(np.ones((2, n_items))), budget, None).toarray()

    others = [item for item in range(n_items) if item not in targets]
    probability = dict.fromkeys(others, 1.0)
    n_resets = 0
    for row in range(n_profiles):
        chosen = sorted(others, key=lambda item: -outputs[row, item] * probability[item])
        expected = np.zeros(n_items)
        for item in chosen[:n_fillers]:
            expected[item] = 5 * outputs[row, item]
            probability[item] *= decay
        assert_allclose(fillers[row], expected, rtol=1e-6)
        if max(probability.values()) < 1:
            probability = dict.fromkeys(others, 1.0)
            n_resets += 1
    assert (n_resets > 0) == (decay < 1)


def test_decay_spreads_the_fillers(ratings):
    def n_used(decay):
        attack = DLAttackTransformer(
            n_factors=8, n_fillers=15, attack_size=20, selection_decay=decay, random_state=0
        )
        return np.unique(attack.fit(ratings).poison_.indices).size

    assert n_used(0.5) > n_used(0.9) > n_used(1.0)


# --- the poison model ---


class SolverLog(SGDSolver):
    """Notes what is asked of a solver, and the user factors that it starts from."""

    log: list = []

    def __init__(self, data, user_factors, item_factors, **options):
        super().__init__(data, user_factors, item_factors, **options)
        self.entry = {"start": user_factors[0].copy(), "items": item_factors, "epochs": ""}
        self.entry |= {"end": user_factors[0], "options": options}
        self.entry |= {"levels": data.levels, "ratings": data.train.ratings}
        self.log.append(self.entry)

    def run_pairs(self, pairs, attack=None, rng=None):
        self.entry["epochs"] += "p"
        super().run_pairs(pairs, attack, rng)

    def run_attack(self, model, term, rng):
        self.entry["epochs"] += "a"
        super().run_attack(model, term, rng)


@pytest.fixture
def solver_log(monkeypatch):
    log = []
    monkeypatch.setattr(SolverLog, "log", log)
    monkeypatch.setattr(_dl, "SGDSolver", SolverLog)
    return log


def make_attack(**options):
    options = {"attack_size": 3, "n_pretrain_iter": 2, "max_iter": 5, "n_factors": 4} | options
    return DLAttackTransformer(random_state=0, **options)


def test_the_model_is_trained_on_for_the_next_fake_user(solver_log, ratings):
    attack = make_attack(n_update_iter=2, learning_rate=0.1).fit(ratings)
    assert [entry["epochs"] for entry in solver_log] == ["pppapapa", "papa", "papa"]
    assert attack.n_iter_ == 5 + 2 + 2
    first, *others = solver_log
    for entry in others:
        assert entry["items"] is first["items"]
        assert np.shares_memory(entry["end"], first["end"])
    assert first["start"].shape == (attack.known_users_.size + 3, 4)
    assert first["options"] == {"learning_rate": 0.1, "sigmoid": True}


def test_the_next_fake_user_starts_as_an_average_one(solver_log, ratings):
    n_known = make_attack().fit(ratings).known_users_.size
    for row in (1, 2):
        start = solver_log[row]["start"]
        assert_allclose(start[n_known + row], start[:n_known].mean(axis=0), rtol=1e-5)


def test_fake_users_to_come_are_not_trained(solver_log, ratings):
    n_known = make_attack(attack_size=4).fit(ratings).known_users_.size
    assert_array_equal(solver_log[1]["start"][-2:], solver_log[0]["start"][-2:])
    assert (solver_log[1]["start"][:n_known] != solver_log[0]["start"][:n_known]).any()


def test_a_new_model_for_each_fake_user(solver_log, ratings):
    attack = make_attack(reuse_model=False, n_update_iter=1).fit(ratings)
    assert [entry["epochs"] for entry in solver_log] == ["pppapapa"] * 3
    assert attack.n_iter_ == 15
    bound = np.sqrt(6 / (attack.known_users_.size + 3 + 4))  # of a uniform start
    for entry in solver_log:
        assert 0.9 * bound < np.abs(entry["start"]).max() <= bound
    assert (solver_log[1]["start"] != solver_log[0]["start"]).all()


@pytest.mark.parametrize(("goal", "sign"), [("push", 1), ("nuke", -1)])
@pytest.mark.parametrize(("reduction", "n_pairs"), [("mean", 8), ("sum", 1)])
def test_attack_term(goal, sign, reduction, n_pairs):
    """Steps on 100 single ratings descend 50 times their mean squared error."""
    attack = DLAttackTransformer(
        goal=goal, k=7, margin=0.5, attack_weight=3.0, attack_reduction=reduction
    )
    known = sp.csr_array(np.ones((4, 6)))
    term = attack._attack_term(known, make_budget(targets=[1, 2]), 100)
    assert (term.goal, term.k, term.margin) == (sign, 7, 0.5)
    assert term.weight == pytest.approx(3.0 * 50 / n_pairs)
    assert_array_equal(term.target_items, [1, 2])
    assert (term.known != known).nnz == 0


def test_the_attack_loss_matters(ratings):
    without = make_attack(attack_weight=0).fit(ratings).poison_
    with_it = make_attack().fit(ratings).poison_
    assert (without != with_it).nnz > 0


def test_ratings_are_scaled_by_the_highest_level_even_if_no_known_user_gives_it(solver_log):
    """Everybody rates 4, but for one user whom the attacker does not know."""
    X = np.full((40, 12), 4.0)
    attack = make_attack(target_items=[0], goal="nuke")
    stranger = np.setdiff1d(np.arange(40), attack.fit(X).known_users_)[0]
    X[stranger, 0], X[stranger, 1] = 1, 5
    attack.fit(X)
    assert_allclose(solver_log[-1]["levels"], [0.2, 0.8, 1])
    assert_allclose(np.unique(solver_log[-1]["ratings"])[[0, -1]], [0.2, 0.8])


# --- as an attack ---


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_profiles_keep_to_the_budget_exactly(goal, reuse, ratings):
    attack = make_attack(
        target_items=[4, 9], n_fillers=15, attack_size=6, goal=goal, reuse_model=reuse
    )
    poison = attack.fit(ratings).poison_
    assert poison.shape == (6, ratings.shape[1])
    assert (np.diff(poison.indptr) == 15).all()
    assert (poison[:, [4, 9]].toarray() == (5 if goal == "push" else 1)).all()
    assert attack.n_distinct_profiles_ == 6


def test_what_unknown_users_rate_does_not_matter(ratings):
    attack = make_attack(target_items=[4, 9], n_fillers=15)
    before = attack.fit(ratings).poison_
    other = ratings.toarray()
    unknown = np.setdiff1d(np.arange(other.shape[0]), attack.known_users_)
    other[unknown] = make_ratings(120, 90, density=0.2, random_state=1).toarray()[unknown]
    assert (attack.fit(other).poison_ != before).nnz == 0


def tiny_cases():
    tiny = np.random.default_rng(0).integers(1, 6, (10, 10)).astype(float)
    unrated = tiny.copy()
    unrated[:, 4:] = 0
    silent = tiny.copy()
    silent[1:] = 0
    return {
        "full": (tiny, {}),
        "targets alone": (tiny, {"n_fillers": 5}),
        "every item": (tiny, {"n_fillers": 10}),
        "every item a target": (tiny, {"n_targets": 10}),
        "one level": (np.full((10, 10), 3.0), {}),
        "items without ratings": (unrated, {"n_fillers": 10}),
        "users without ratings": (silent, {"knowledge": 1.0}),
        "float32": (sp.csr_matrix(tiny.astype(np.float32)), {}),
    }


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("case", tiny_cases())
def test_tiny_data(case, reuse):
    X, options = tiny_cases()[case]
    attack = make_attack(reuse_model=reuse, **options).fit(X)
    size = options.get("n_fillers", attack.poison_.nnz // 3)
    assert_array_equal(np.diff(attack.poison_.indptr), size)
    assert np.isin(attack.poison_.data, attack.rating_levels_).all()
    assert type(attack.poison_) is type(X) or isinstance(X, np.ndarray)


@pytest.mark.parametrize(("seed", "reuse"), [(0, True), (1, True), (1, False)])
def test_the_attack_is_stronger_than_random(seed, reuse, target_hr):
    X = make_ratings(600, 800, random_state=seed)
    options = {"attack_size": 0.02, "random_state": seed}
    random = target_hr(RandomAttackTransformer(**options), X)
    assert target_hr(DLAttackTransformer(reuse_model=reuse, **options), X) > random + 0.15


def test_nuke_takes_targets_out_of_lists(target_hr):
    """Targets that a clean model recommends widely."""
    X = make_ratings(400, 600, random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    targets = items[np.argsort(-counts)[:5]]
    scores = clean.user_factors_ @ clean.item_factors_.T
    before = target_hit_ratio_score(scores, targets, seen=X)
    attack = DLAttackTransformer(target_items=targets, goal="nuke", attack_size=0.1, random_state=0)
    assert target_hr(attack, X) < before - 0.3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"selection_decay": 0}, "'selection_decay'"),
        ({"selection_decay": 1.1}, "'selection_decay'"),
        ({"reuse_model": "yes"}, "'reuse_model'"),
        ({"n_update_iter": 0}, "'n_update_iter'"),
        ({"n_factors": 0}, "'n_factors'"),
        ({"n_pretrain_iter": -1}, "'n_pretrain_iter'"),
        ({"n_pretrain_iter": 3, "max_iter": 3}, "n_pretrain_iter=3 must leave"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"attack_weight": -1}, "'attack_weight'"),
        ({"attack_reduction": "max"}, "'attack_reduction'"),
        ({"margin": -0.1}, "'margin'"),
        ({"k": 0}, "'k'"),
        ({"learning_rate": 1e8}, "surrogate diverged"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        DLAttackTransformer(**parameters).fit(ratings)
