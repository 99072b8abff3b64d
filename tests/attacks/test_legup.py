"""The Leg-UP attack."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import AUSHAttackTransformer, LegUPAttackTransformer, RandomAttackTransformer
from skrecsec.attacks._legup_networks import LegUPNetworks, LevelGenerator, step
from skrecsec.attacks._legup_surrogate import ListSurrogate, list_loss
from skrecsec.datasets import make_ratings
from skrecsec.utils._threads import single_threaded

LEVELS = np.array([0.2, 0.4, 0.8, 1.0])


@pytest.fixture
def one_thread():
    with single_threaded():
        yield


# --- the loss of lists ---


def plain_loss(scores, seen, targets, sign):
    losses = []
    for user, row in enumerate(sign * 5 * scores):
        for target in targets:
            if not seen[user, target]:
                above = [s for i, s in enumerate(row) if not seen[user, i] and s >= row[target]]
                losses.append(np.log(np.exp(above).sum()) - row[target])
    return np.mean(losses)


@pytest.mark.parametrize("sign", [1, -1])
def test_loss_of_lists_against_plain_loops_and_its_derivatives(sign, monkeypatch):
    rng = np.random.default_rng(0)
    P, Q = rng.normal(size=(9, 3)), rng.normal(size=(12, 3))
    known = sp.csr_array((rng.random((7, 12)) < 0.3) * 0.5)  # two users more are fake
    seen = known.toarray() > 0
    targets = np.array([2, 5])
    assert seen[:, targets].any()
    loss, *gradients = list_loss(P, Q, known, targets, sign)
    assert loss == pytest.approx(plain_loss(P[:7] @ Q.T, seen, targets, sign))
    for factors, gradient in zip((P, Q), gradients, strict=True):
        for place in np.ndindex(factors.shape):
            at = factors[place]
            sides = []
            for moved in (at + 1e-6, at - 1e-6):
                factors[place] = moved
                sides.append(plain_loss(P[:7] @ Q.T, seen, targets, sign))
            factors[place] = at
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-6)
    monkeypatch.setattr(
        "skrecsec.attacks._legup_surrogate.row_blocks", lambda n, _: [slice(0, 2), slice(2, n)]
    )
    again, *others = list_loss(P, Q, known, targets, sign)
    assert again == pytest.approx(loss)
    for one, other in zip(gradients, others, strict=True):
        assert_allclose(one, other, atol=1e-12)


def test_a_target_on_top_has_no_loss():
    known = sp.csr_array(np.array([[1.0, 0, 0]]))
    P, Q = np.array([[1.0]]), np.array([[3.0], [1.0], [2.0]])
    assert list_loss(P, Q, known, np.array([2]), 1)[0] == pytest.approx(0)
    assert list_loss(P, Q, known, np.array([1]), -1)[0] == pytest.approx(0)
    assert list_loss(P, Q, known, np.array([0]), 1)[0] == 0  # rated
    assert list_loss(P, Q, known, np.array([1]), 1)[0] == pytest.approx(np.log1p(np.exp(5)))


def test_slopes_are_derivatives_through_the_fit():
    """With many sweeps, those of the optimum, by finite differences."""
    rng = np.random.default_rng(1)
    known = sp.csr_array((rng.random((20, 8)) < 0.6) * rng.choice(LEVELS, (20, 8)))
    fakes = (rng.random((2, 8)) < 0.6) * rng.choice(LEVELS, (2, 8))
    fakes[:, 0] = 1.0
    targets = np.array([0])

    def slopes(values):
        surrogate = ListSurrogate(
            known, targets, 2, 1,
            n_factors=2, reg=0.3, n_sweeps=100, rng=np.random.default_rng(2),
        )  # fmt: skip
        surrogate._is_fitted = True  # no shorter first fit
        return surrogate.slopes(sp.csr_array(values), rows, items)

    rows, items = np.nonzero(fakes[:, 1:])
    items = items + 1
    _, found = slopes(fakes)
    expected = []
    for row, item in zip(rows, items, strict=True):
        sides = []
        for move in (1e-5, -1e-5):
            moved = fakes.copy()
            moved[row, item] += move
            sides.append(slopes(moved)[0])
        expected.append((sides[0] - sides[1]) / 2e-5)
    assert np.abs(expected).max() > 1e-3
    assert_allclose(found, expected, atol=1e-5)


# --- networks ---


def make_generator(n_items=6, learning_rate=0.01):
    return LevelGenerator(LEVELS, n_items, 8, learning_rate, np.random.default_rng(0))


def test_steps_by_hand():
    """Gaps of 0.2, 0.4 and 0.2: those whose thresholds are passed are added up."""
    gaps = torch.tensor([0.2, 0.4, 0.2])
    distances = torch.tensor([[-0.1, -0.2, -0.3], [0.1, -0.1, -0.2], [0.5, 0.3, 0.1]])
    distances.requires_grad_()
    steps = step(distances, gaps)
    assert_allclose(steps.detach(), [0, 0.2, 0.8], atol=1e-6)
    (slopes,) = torch.autograd.grad(steps.sum(), [distances])
    x = distances.detach().numpy()
    assert_allclose(slopes, (1 - np.tanh(x / gaps.numpy()) ** 2) / 2, rtol=1e-5)


def test_thresholds_start_in_the_middle_and_stay_in_order():
    generator = make_generator()
    assert_allclose(generator.thresholds().detach(), np.tile([0.3, 0.6, 0.9], (6, 1)), rtol=1e-5)
    for _ in range(200):
        unmoved = 0 * sum(parameter.sum() for parameter in generator.perceptron.parameters)
        generator.step((generator.thresholds()[:3, 2] ** 2).sum() + unmoved)
    learned = generator.thresholds().detach().numpy()
    assert (np.diff(learned, axis=1) > 0).all()
    assert learned[:3, 2].max() < 0.6
    assert learned[3:, 2].min() > 0.8


@pytest.mark.usefixtures("one_thread")
def test_ratings_are_levels_of_the_outputs_at_the_thresholds():
    generator = make_generator()
    rng = np.random.default_rng(1)
    with torch.no_grad():
        generator.first += torch.tensor(rng.normal(0, 0.1, 6), dtype=torch.float32)
        generator.perceptron.parameters[2] *= 10
    profiles = torch.tensor(rng.random((40, 6)), dtype=torch.float32)
    rows, items = np.nonzero(rng.random((40, 6)) < 0.7)
    ratings = generator(profiles, torch.from_numpy(rows), torch.from_numpy(items)).detach().numpy()
    outputs = 0.2 + 0.8 / (1 + np.exp(-generator.perceptron(profiles).detach().numpy()))
    thresholds = generator.thresholds().detach().numpy()
    expected = [
        LEVELS[(outputs[row, item] > thresholds[item]).sum()]
        for row, item in zip(rows, items, strict=True)
    ]
    assert_allclose(ratings, expected, atol=1e-6)
    assert np.unique(expected).size == 4


def make_networks(n_items=6, weights=(1.0, 0.0), learning_rate=0.01):
    return LegUPNetworks(LEVELS, n_items, 16, learning_rate, weights, np.random.default_rng(0))


def rates(networks, profiles):
    return networks.generate(profiles)[0].detach().numpy()


def two_groups(n_users=60):
    """Return profiles of users who love one half of the items and hate the other."""
    rng = np.random.default_rng(1)
    first = np.arange(n_users) % 2 == 0
    preferences = np.where(first[:, None], [1, 1, 1, 0.2, 0.2, 0.2], [0.2, 0.2, 0.2, 1, 1, 1])
    return sp.csr_array(preferences * (rng.random((n_users, 6)) < 0.8))


@pytest.mark.usefixtures("one_thread")
def test_the_generator_learns_to_reconstruct():
    networks, profiles = make_networks(), two_groups()
    before = np.abs(rates(networks, profiles) - profiles.data).mean()
    for _ in range(150):
        networks.reconstruct(profiles)
    ratings = rates(networks, profiles)
    assert np.abs(ratings - profiles.data).mean() < 0.1 < 0.3 < before
    assert_allclose(LEVELS[np.abs(ratings[:, None] - LEVELS).argmin(axis=1)], ratings, atol=1e-6)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("direction", [1, -1])
def test_the_attack_moves_ratings_down_the_slopes(direction):
    networks, profiles = make_networks(weights=(0.0, 10.0)), two_groups()
    slopes = np.where(profiles.indices < 2, -direction, direction)
    for _ in range(100):
        networks.step(*networks.generate(profiles), profiles.data, slopes)
    ratings = rates(networks, profiles)
    means = [ratings[profiles.indices < 2].mean(), ratings[profiles.indices >= 2].mean()]
    assert direction * (means[0] - means[1]) > 0.5


@pytest.mark.usefixtures("one_thread")
def test_the_discriminator_learns_to_tell_profiles():
    """The generator is held where it is."""
    networks, profiles = make_networks(), two_groups()
    for _ in range(100):
        _, generated = networks.generate(profiles)
        networks.judge(profiles, generated)
    genuine = torch.tensor(profiles.toarray(), dtype=torch.float32)
    assert_array_equal((generated != 0).numpy(), profiles.toarray() > 0)
    assert (networks.discriminator(genuine) > 0).float().mean() > 0.9
    assert (networks.discriminator(generated) < 0).float().mean() > 0.9


# --- the attack ---


@pytest.fixture
def options():
    return {
        "target_items": [4, 9],
        "n_fillers": 17,
        "n_pretrain_iter": 3,
        "max_iter": 3,
        "random_state": 0,
    }


@pytest.mark.parametrize("goal", ["push", "nuke"])
@pytest.mark.parametrize("filler_sampling", ["popularity", "random", "rating"])
def test_items_are_those_of_a_template(goal, filler_sampling, options, ratings):
    attack = LegUPAttackTransformer(goal=goal, filler_sampling=filler_sampling, **options)
    poison = attack.fit(ratings).poison_.toarray()
    assert ((poison > 0).sum(axis=1) == 17).all()
    assert (poison[:, [4, 9]] == (5 if goal == "push" else 1)).all()
    poison[:, [4, 9]] = 0
    known = ratings.toarray()[attack.known_users_]
    templates = []
    for profile in poison:
        contains = ((profile == 0) | (known > 0)).all(axis=1)
        templates.append(contains.argmax())
        assert contains.any()
    assert len(set(templates)) == len(templates)
    assert attack.n_iter_ == 3


def surrogate_loss(attack, X):
    """Return the loss of lists of an attack's poison on its known users, well converged."""
    known = sp.csr_array(X[attack.known_users_]) / 5
    fakes = sp.csr_array(attack.poison_) / 5
    sign = 1 if attack.goal == "push" else -1
    surrogate = ListSurrogate(
        known, attack.target_items_, fakes.shape[0], sign,
        n_factors=16, reg=0.05, n_sweeps=30, rng=np.random.default_rng(5),
    )  # fmt: skip
    surrogate._is_fitted = True
    return surrogate.slopes(fakes, np.array([0]), np.array([0]))[0]


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_the_attack_loss_is_lower_where_it_counts(goal, options, ratings):
    options |= {"goal": goal, "attack_size": 20, "max_iter": 60}
    with_it = LegUPAttackTransformer(attack_weight=10.0, **options).fit(ratings)
    without = LegUPAttackTransformer(attack_weight=0.0, **options).fit(ratings)
    pattern = (with_it.poison_.toarray() > 0, without.poison_.toarray() > 0)
    assert_array_equal(*pattern)
    assert surrogate_loss(with_it, ratings) < surrogate_loss(without, ratings) - 0.01


def test_reconstruction_keeps_ratings_genuine(options, ratings):
    options |= {"attack_size": 20, "max_iter": 60, "n_pretrain_iter": 60}
    errors = []
    for weight in (100.0, 0.0):
        attack = LegUPAttackTransformer(reconstruction_weight=weight, **options).fit(ratings)
        known = ratings.toarray()[attack.known_users_]
        means = known.sum(axis=0) / np.maximum((known > 0).sum(axis=0), 1)
        poison = attack.poison_.toarray()
        poison[:, [4, 9]] = 0
        errors.append(np.abs(poison - means)[poison > 0].mean())
    assert errors[0] < errors[1] - 0.1


def test_nothing_is_trained_for_one_level(options, ratings, monkeypatch):
    monkeypatch.setattr(LegUPNetworks, "__init__", None)
    ones = sp.csr_array((ratings > 0) * 1.0)
    poison = LegUPAttackTransformer(**options).fit(ones).poison_
    assert_array_equal(np.unique(poison.data), [1])
    assert_array_equal(np.diff(poison.indptr), 17)
    with pytest.raises(TypeError):
        LegUPAttackTransformer(**options).fit(ratings)


def test_without_fillers_there_are_targets_only(options, ratings):
    poison = LegUPAttackTransformer(**options | {"n_fillers": 2}).fit(ratings).poison_
    assert_array_equal(np.unique(poison.indices), [4, 9])


def test_global_state_of_torch_is_neither_used_nor_changed(options, ratings):
    expected = LegUPAttackTransformer(**options).fit(ratings).poison_
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            attack = LegUPAttackTransformer(**options).fit(ratings)
    finally:
        torch.set_default_dtype(torch.float32)
    assert (attack.poison_ != expected).nnz == 0
    assert torch.equal(torch.get_rng_state(), state)


def test_templates_are_those_of_aush(options, ratings):
    """Without selected items, both draw the same."""
    options = {key: options[key] for key in ("target_items", "n_fillers", "random_state")}
    legup = LegUPAttackTransformer(max_iter=1, **options).fit(ratings).poison_
    aush = AUSHAttackTransformer(selected_fraction=0, **options).fit(ratings).poison_
    assert_array_equal(legup.indices, aush.indices)
    assert (legup.data != aush.data).any()


def test_the_attack_is_stronger_than_random(target_hr):
    X = make_ratings(400, 500, random_state=0)
    options = {"attack_size": 0.02, "random_state": 1}
    random = target_hr(RandomAttackTransformer(**options), X)
    assert target_hr(LegUPAttackTransformer(**options), X) > random + 0.08


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"filler_sampling": "similarity"}, "'filler_sampling'"),
        ({"reconstruction_weight": -1}, "'reconstruction_weight'"),
        ({"attack_weight": -1}, "'attack_weight'"),
        ({"n_hidden": 0}, "'n_hidden'"),
        ({"n_pretrain_iter": -1}, "'n_pretrain_iter'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"n_factors": 0}, "'n_factors'"),
        ({"reg": 1}, "'reg'"),
        ({"n_sweeps": 0}, "'n_sweeps'"),
        ({"learning_rate": 1e30}, "networks diverged; decrease learning_rate=1e"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        LegUPAttackTransformer(**parameters).fit(ratings)
