"""The AUSH attack."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import MFRecommender, RandomAttackTransformer
from skrecsec.attacks._aush import AUSHAttackTransformer, add_ratings, popular_items
from skrecsec.attacks._aush_networks import (
    AdversarialNetworks,
    Perceptron,
    discriminator_loss,
    generator_loss,
)
from skrecsec.attacks._templates import FillerSampler, choose_templates, filler_weights
from skrecsec.base import Budget
from skrecsec.datasets import make_ratings
from skrecsec.metrics import target_hit_ratio_score
from skrecsec.utils._threads import single_threaded

SAMPLINGS = ["popularity", "random", "rating", "similarity"]


def make_budget(targets=(), n_profiles=2, n_fillers=2):
    targets = np.array(targets, dtype=int)
    return Budget(n_profiles, n_fillers + targets.size, targets, 5.0, np.arange(1.0, 6.0))


# --- templates ---


def test_popular_items_by_hand():
    """Items 0 to 4 have 1, 2, 3, 2, 0 ratings, whatever their values."""
    known = sp.csr_array([[0, 1, 1, 5, 0], [0, 0, 1, 5, 0], [5, 1, 1, 0, 0]])
    assert_array_equal(popular_items(known, 2, make_budget()), [1, 2])
    assert_array_equal(popular_items(known, 2, make_budget([2])), [1, 3])
    assert_array_equal(popular_items(known, 4, make_budget([1])), [0, 2, 3, 4])
    assert_array_equal(popular_items(known, 0, make_budget()), [])


KNOWN = sp.csr_array(
    [
        [1, 2, 3, 4, 5],  # three fillers: 0, 1, 2
        [0, 0, 0, 0, 0],
        [0, 0, 0, 4, 0],  # the selected item alone
        [1, 0, 3, 0, 0],  # two fillers
        [5, 0, 0, 3, 3],  # one filler
    ]
)


@pytest.mark.parametrize(
    ("n_fillers", "n_profiles", "users"),
    [
        (3, 1, [0]),
        (2, 1, [0, 3]),  # all that have enough
        (1, 2, [0, 3, 4]),
        (3, 2, [0, 3]),  # too few have enough: the longest come next
        (3, 9, [0, 2, 3, 4]),  # never one without ratings
        (0, 1, [0, 2, 3, 4]),
    ],
)
def test_templates_by_hand(n_fillers, n_profiles, users):
    budget = make_budget([4], n_profiles=n_profiles)
    templates = choose_templates(KNOWN, np.array([3]), n_fillers, budget)
    dense = KNOWN.toarray()[users]
    assert templates.n_users == len(users)
    assert_array_equal(templates.selected, dense[:, [3]])
    assert_array_equal(templates.fillers.toarray(), dense * [1, 1, 1, 0, 0])


def test_filler_weights_by_brute_force():
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 6, (30, 8)) * (rng.random((30, 8)) < 0.4).astype(float)
    dense[:, 6] = 0  # an item without ratings
    known, selected = sp.csr_array(dense), np.array([1, 4])
    norms = np.linalg.norm(dense, axis=0)
    expected = {
        "random": [1] * 8,
        "popularity": [np.count_nonzero(column) for column in dense.T],
        "rating": [column[column > 0].mean() if column.any() else 0 for column in dense.T],
        "similarity": [
            sum(dense[:, i] @ dense[:, s] / (norms[i] * norms[s]) for s in selected)
            if norms[i]
            else 0
            for i in range(8)
        ],
    }
    for sampling in SAMPLINGS:
        weights = filler_weights(known, selected, sampling)
        assert (weights > 0).all()
        assert_allclose(weights, expected[sampling], atol=1e-8)


def test_a_sample_is_a_part_of_each_profile(ratings):
    ratings = sp.csr_array(ratings)
    sampler = FillerSampler(np.ones(ratings.shape[1]), 15)
    sample = sampler.sample(ratings, np.random.default_rng(0))
    n_rated = np.diff(ratings.indptr)
    assert n_rated.min() < 15 < n_rated.max()
    assert_array_equal(np.diff(sample.indptr), np.minimum(n_rated, 15))
    kept = sample.toarray()
    assert_array_equal(kept, np.where(kept > 0, ratings.toarray(), 0))
    assert sample.has_canonical_format
    again = sampler.sample(ratings, np.random.default_rng(1))
    assert (again != sample).nnz > 0


def test_fillers_are_sampled_by_weight_without_replacement():
    """The chance that two successive draws take items i and j, against its formula."""
    weights = np.array([1.0, 2.0, 0.0, 3.0, 9.0])
    rated = [0, 1, 3]
    profiles = sp.csr_array(np.tile([1.0, 1.0, 0.0, 1.0, 0.0], (20000, 1)))
    sample = FillerSampler(weights, 2).sample(profiles, np.random.default_rng(0)).toarray()
    p = weights[rated] / weights[rated].sum()
    for left_out in range(3):
        i, j = np.delete(np.arange(3), left_out)
        expected = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert_allclose((sample[:, rated[left_out]] == 0).mean(), expected, atol=0.015)


def test_ratings_are_added():
    profiles = sp.csr_array([[0.0, 1, 0, 0], [2, 0, 0, 0]])
    added = add_ratings(profiles, np.array([2, 3]), np.array([[3.0, 4], [5, 6]]))
    assert_array_equal(added.toarray(), [[0, 1, 3, 4], [2, 0, 5, 6]])


# --- networks ---


@pytest.fixture
def one_thread():
    with single_threaded():
        yield


def make_perceptron(learning_rate=0.01):
    return Perceptron([4, 3, 2], learning_rate, np.random.default_rng(0))


def test_perceptron_by_numpy():
    network = make_perceptron()
    W1, b1, W2, b2 = (p.detach().numpy() for p in network.parameters)
    for weights, n_units in ((W1, 4 + 3), (W2, 3 + 2)):
        assert 0.8 < np.abs(weights).max() / np.sqrt(6 / n_units) <= 1  # Xavier-uniform
    b1 += 0.1  # shares the memory of the network
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    expected = np.maximum(x @ W1 + b1, 0) @ W2 + b2
    assert_allclose(network(torch.tensor(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_adam_is_that_of_torch():
    network, reference = make_perceptron(), make_perceptron()
    optimiser = torch.optim.Adam(reference.parameters, lr=0.01)
    x = torch.tensor(np.random.default_rng(1).normal(size=(5, 4)), dtype=torch.float32)
    for _ in range(5):
        network.step(network(x).square().mean())
        optimiser.zero_grad()
        reference(x).square().mean().backward()
        optimiser.step()
    for parameter, expected in zip(network.parameters, reference.parameters, strict=True):
        assert_allclose(parameter.detach(), expected.detach(), rtol=1e-4, atol=1e-6)


def test_discriminator_loss_by_hand():
    """The log-odds of probabilities 0.8 and 0.5, 0.1 and 0.4."""
    odds = [torch.tensor(p).logit() for p in ([0.8, 0.5], [0.1, 0.4])]
    expected = -np.mean(np.log([0.8, 0.5])) - np.mean(np.log([0.9, 0.6]))
    assert_allclose(discriminator_loss(*odds), expected, rtol=1e-6)


def test_generator_loss_by_hand():
    judgement = torch.tensor([0.8, 0.5]).logit()
    generated = torch.tensor([[0.5, 0.6], [0.7, 0.9]])
    genuine = torch.tensor([[0.2, 0.0], [0.6, 1.0]])
    rated = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    adversarial = -np.mean(np.log([0.8, 0.5]))
    reconstruction = (0.3**2 + 0.1**2 + 0.1**2) / 3
    shilling = (0.5**2 + 0.4**2 + 0.3**2 + 0.1**2) / 4
    shortfalls = 1 - generated
    loss = generator_loss(judgement, generated, genuine, rated, shortfalls, 7.0, 3.0)
    assert_allclose(loss, adversarial + 7 * reconstruction + 3 * shilling, rtol=1e-6)
    loss = generator_loss(judgement, generated, genuine, 0 * rated, shortfalls, 7.0, 3.0)
    assert_allclose(loss, adversarial + 3 * shilling, rtol=1e-6)


def make_networks(
    n_items, n_selected, loss_weights, learning_rate=0.005, n_shilled=0, shilling_aim=5.0
):
    return AdversarialNetworks(
        n_items=n_items,
        n_selected=n_selected,
        n_shilled=n_shilled,
        shilling_aim=shilling_aim,
        n_hidden=16,
        rating_range=(1.0, 5.0),
        loss_weights=loss_weights,
        learning_rate=learning_rate,
        rng=np.random.default_rng(0),
    )


def two_groups(n_users=60):
    """Return fillers and selected ratings of users who love one item and hate the other."""
    first = np.arange(n_users) % 2 == 0
    rng = np.random.default_rng(1)
    preferences = np.where(first[:, None], [5, 5, 5, 1, 1, 1], [1, 1, 1, 5, 5, 5])
    fillers = sp.csr_array(preferences * (rng.random((n_users, 6)) < 0.7).astype(float))
    return fillers, np.where(first[:, None], [5.0, 1.0], [1.0, 5.0])


@pytest.mark.usefixtures("one_thread")
def test_the_generator_learns_to_reconstruct():
    fillers, selected = two_groups()
    networks = make_networks(6, 2, (10.0, 0.0), learning_rate=0.01)
    untrained = np.abs(networks.rate(fillers) - selected).mean()
    for _ in range(150):
        networks.step(fillers, selected)
    rates = networks.rate(fillers)
    assert np.abs(rates - selected).mean() < 0.6 < 1.5 < untrained
    assert rates.min() >= 1
    assert rates.max() <= 5


@pytest.mark.usefixtures("one_thread")
def test_the_shilling_loss_raises_selected_items():
    fillers, selected = two_groups()
    networks = make_networks(6, 2, (0.0, 100.0), learning_rate=0.01)
    for _ in range(100):
        networks.step(fillers, selected)
    assert networks.rate(fillers).mean() > 4.4 > 3.1 > selected.mean()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("aim", [1.0, 5.0])
def test_the_shilling_loss_drives_targets_to_their_rating(aim):
    """Targets are outputs of the generator of their own; the discriminator does not see them."""
    fillers, selected = two_groups()
    networks = make_networks(6, 2, (10.0, 1.0), learning_rate=0.01, n_shilled=3, shilling_aim=aim)
    for _ in range(150):
        networks.step(fillers, selected)
    x = torch.tensor(fillers.toarray() / 5, dtype=torch.float32)
    rates, shilled = (ratings.detach().numpy() * 5 for ratings in networks._generate(x))
    assert rates.shape == (60, 2)
    assert shilled.shape == (60, 3)
    assert np.abs(shilled - aim).mean() < 0.4
    assert np.abs(rates - selected).mean() < 0.6


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_the_shilling_loss_acts_on_targets(goal, options, ratings, monkeypatch):
    made = []
    init = AdversarialNetworks.__init__

    def record(self, **arguments):
        made.append(arguments)
        init(self, **arguments)

    monkeypatch.setattr(AdversarialNetworks, "__init__", record)
    for shilling_items in ("targets", "selected"):
        AUSHAttackTransformer(goal=goal, shilling_items=shilling_items, **options).fit(ratings)
    assert [(m["n_shilled"], m["shilling_aim"]) for m in made] == [
        (2, 5 if goal == "push" else 1),
        (0, 5),
    ]


@pytest.mark.usefixtures("one_thread")
def test_adversarial_loss_alone_makes_ratings_that_go_with_the_fillers():
    fillers, selected = two_groups()
    networks = make_networks(6, 2, (0.0, 0.0), learning_rate=0.01)
    for _ in range(150):
        networks.step(fillers, selected)
    assert np.abs(networks.rate(fillers) - selected).mean() < 1


@pytest.mark.usefixtures("one_thread")
def test_the_discriminator_learns_to_tell_profiles():
    """The generator is held where it is: all selected ratings are those of its start."""
    fillers, selected = two_groups()
    networks = make_networks(6, 2, (0.0, 0.0))
    networks.generator.step = lambda loss: None
    for _ in range(100):
        networks.step(fillers, selected)
    x = torch.tensor(fillers.toarray() / 5, dtype=torch.float32)
    genuine, generated = (
        torch.tensor(r / 5, dtype=torch.float32) for r in (selected, networks.rate(fillers))
    )
    assert (networks._judge(x, genuine) > 0).float().mean() > 0.95
    assert (networks._judge(x, generated) < 0).float().mean() > 0.95


@pytest.mark.usefixtures("one_thread")
def test_unrated_selected_items_leave_the_adversarial_game():
    """Without a shilling loss, an item that no template has rated moves neither network."""
    fillers, selected = two_groups()
    selected[:, 1] = 0
    networks = make_networks(6, 2, (10.0, 0.0))
    outputs, inputs = networks.generator.parameters[-1], networks.discriminator.parameters[0][6:]
    before = outputs.detach().clone(), inputs.detach().clone()
    networks.step(fillers, selected)
    assert_array_equal(outputs != before[0], [True, False])
    assert_array_equal((inputs != before[1]).any(axis=1), [True, False])


# --- the attack ---


@pytest.fixture
def options():
    return {"target_items": [4, 9], "n_fillers": 17, "max_iter": 3, "random_state": 0}


@pytest.mark.parametrize("goal", ["push", "nuke"])
@pytest.mark.parametrize("filler_sampling", SAMPLINGS)
def test_profiles_are_genuine_but_for_selected_and_target_items(
    goal, filler_sampling, options, ratings
):
    attack = AUSHAttackTransformer(goal=goal, filler_sampling=filler_sampling, **options)
    poison = attack.fit(ratings).poison_.toarray()
    selected = attack.selected_items_
    assert selected.size == 3  # a fifth of 15
    assert np.intersect1d(selected, [4, 9]).size == 0
    assert ((poison > 0).sum(axis=1) == 17).all()
    assert (poison[:, [4, 9]] == (5 if goal == "push" else 1)).all()
    assert (poison[:, selected] > 0).all()
    poison[:, [4, 9, *selected]] = 0
    known = ratings.toarray()[attack.known_users_]
    templates = []
    for profile in poison:
        agrees = ((profile == 0) | (profile == known)).all(axis=1)
        assert agrees.sum() == 1
        templates.append(agrees.argmax())
    assert len(set(templates)) == len(templates)  # there are enough
    assert attack.n_distinct_profiles_ == len(templates)


def test_every_epoch_visits_every_template_with_other_fillers(options, ratings, monkeypatch):
    batches = []
    step = AdversarialNetworks.step

    def record(self, fillers, selected):
        batches.append(np.hstack([selected, fillers.toarray()]))
        step(self, fillers, selected)

    monkeypatch.setattr(AdversarialNetworks, "step", record)
    attack = AUSHAttackTransformer(**options, batch_size=1000).fit(ratings)
    assert len(batches) == attack.n_iter_ == 3
    known = ratings.toarray()[attack.known_users_]
    fillers = known.copy()
    fillers[:, [4, 9, *attack.selected_items_]] = 0
    known = np.hstack([known[:, attack.selected_items_], fillers])
    has_enough = (fillers > 0).sum(axis=1) >= 12
    for batch in batches:
        assert ((batch[:, 3:] > 0).sum(axis=1) == 12).all()
        agrees = ((batch[:, None] == 0) | (batch[:, None] == known)).all(axis=2)
        assert_array_equal(np.sort(agrees.argmax(axis=1)), np.flatnonzero(has_enough))
    assert len({batch.sum() for batch in batches}) == 3


def test_no_network_is_trained_without_selected_items(options, ratings, monkeypatch):
    monkeypatch.setattr(AdversarialNetworks, "__init__", None)
    AUSHAttackTransformer(selected_fraction=0, **options).fit(ratings)
    with pytest.raises(TypeError):
        AUSHAttackTransformer(**options).fit(ratings)


def test_selected_items_are_the_most_popular_known_ones(options, ratings):
    attack = AUSHAttackTransformer(**options).fit(ratings)
    counts = (ratings[attack.known_users_].toarray() > 0).sum(axis=0)
    counts[[4, 9]] = 0
    others = np.delete(counts, attack.selected_items_)
    assert counts[attack.selected_items_].min() >= others.max()


def test_templates_are_used_in_turn(options, ratings):
    """Seven known users, twenty fake profiles: each is a template two or three times."""
    options |= {"n_fillers": 7, "attack_size": 20, "knowledge": 7 / 120}
    attack = AUSHAttackTransformer(**options).fit(ratings)
    known = ratings.toarray()[attack.known_users_]
    fillers = attack.poison_.toarray()
    fillers[:, [4, 9, *attack.selected_items_]] = 0
    counts = np.zeros(7)
    for profile in fillers:
        counts += ((profile == 0) | (profile == known)).all(axis=1)
    assert set(counts) == {2, 3}
    assert attack.n_distinct_profiles_ == 20


def test_selected_items_of_profiles_follow_the_template():
    """Each half of the users loves one selected item, and hates the other."""
    fillers, selected = two_groups(200)
    X = sp.csr_array(np.hstack([fillers.toarray(), selected, np.full((200, 1), 3)]))
    attack = AUSHAttackTransformer(
        target_items=[8], n_fillers=5, selected_fraction=0.5, attack_size=40,
        learning_rate=0.01, max_iter=100, shilling_weight=0, random_state=0,
    )  # fmt: skip
    poison = attack.fit(X).poison_.toarray()
    assert_array_equal(attack.selected_items_, [6, 7])
    loves_first = poison[:, :3].max(axis=1) == 5
    assert 5 < loves_first.sum() < 35
    expected = np.where(loves_first[:, None], [5, 1], [1, 5])
    assert np.abs(poison[:, [6, 7]] - expected).mean() < 1


def test_shilling_and_reconstruction_weights_matter(options, ratings):
    options |= {"max_iter": 50, "attack_size": 30, "learning_rate": 0.01}
    options["shilling_items"] = "selected"
    high = AUSHAttackTransformer(shilling_weight=50, **options).fit(ratings)
    true = AUSHAttackTransformer(shilling_weight=0, **options).fit(ratings)
    assert_array_equal(high.selected_items_, true.selected_items_)
    means = [a.poison_[:, a.selected_items_].mean() for a in (high, true)]
    assert means[0] > means[1] + 0.5


def test_ratings_of_targets_are_not_looked_at(options, ratings):
    other = ratings.toarray()
    other[:, 4] = np.where(other[:, 4] > 0, 6 - other[:, 4], 0)
    poisons = [AUSHAttackTransformer(**options).fit(X).poison_ for X in (ratings, other)]
    assert (poisons[0] != poisons[1]).nnz == 0


def test_unknown_users_are_not_looked_at(options, ratings):
    attack = AUSHAttackTransformer(**options).fit(ratings)
    other = ratings.toarray()
    unknown = np.setdiff1d(np.arange(other.shape[0]), attack.known_users_)
    other[unknown] = np.roll(other[unknown], 1, axis=1)
    assert (AUSHAttackTransformer(**options).fit(other).poison_ != attack.poison_).nnz == 0


@pytest.mark.parametrize(
    "parameter",
    [
        *({"filler_sampling": sampling} for sampling in SAMPLINGS[1:]),
        {"selected_fraction": 0.4},
        {"max_iter": 40},
        {"learning_rate": 0.1},
        {"batch_size": 4},
        {"n_hidden": 3},
        {"reconstruction_weight": 100},
        {"shilling_weight": 100},
        {"shilling_items": "selected"},
    ],
)
def test_parameters_make_a_difference(parameter, options, ratings):
    options |= {"attack_size": 40, "max_iter": 20, "learning_rate": 0.01}
    changed = AUSHAttackTransformer(**(options | parameter)).fit(ratings).poison_
    assert (changed != AUSHAttackTransformer(**options).fit(ratings).poison_).nnz > 0


@pytest.mark.parametrize("n_fillers", [2, 3, 4, 90])
@pytest.mark.parametrize("selected_fraction", [0, 0.2, 1])
def test_extreme_budgets(n_fillers, selected_fraction, options, ratings):
    options |= {"n_fillers": n_fillers}
    attack = AUSHAttackTransformer(selected_fraction=selected_fraction, **options).fit(ratings)
    sizes = np.diff(attack.poison_.indptr)
    n_selected = round(selected_fraction * (n_fillers - 2))
    assert attack.selected_items_.size == n_selected
    assert sizes.max() <= n_fillers
    assert sizes.min() >= 2 + n_selected
    if n_fillers < 90:  # no template is that long
        assert (sizes == n_fillers).all()


@pytest.mark.parametrize("level", [1, 3.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiny_data_with_one_level(level, dtype):
    rng = np.random.default_rng(0)
    X = level * (rng.random((10, 10)) < 0.4).astype(dtype)
    X[:5] = 0
    X[:, 2] = 0
    for sampling in SAMPLINGS:
        attack = AUSHAttackTransformer(
            n_targets=2, n_fillers=6, filler_sampling=sampling, knowledge=1.0, random_state=0
        )
        poison = attack.fit(X).poison_
        assert_array_equal(np.unique(poison.data), [level])
        assert (poison[:, attack.target_items_].toarray() == level).all()


def test_global_state_of_torch_is_neither_used_nor_changed(options, ratings):
    expected = AUSHAttackTransformer(**options).fit(ratings).poison_
    state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            attack = AUSHAttackTransformer(**options).fit(ratings)
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    assert (attack.poison_ != expected).nnz == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize("seed", [0, 1])
def test_the_attack_is_stronger_than_random(seed, target_hr):
    X = make_ratings(random_state=seed)
    options = {"attack_size": 0.01, "random_state": seed}
    random = target_hr(RandomAttackTransformer(**options), X)
    assert target_hr(AUSHAttackTransformer(**options), X) > random + 0.15


def test_nuke_takes_targets_out_of_lists(target_hr):
    """Targets that a clean model recommends widely."""
    X = make_ratings(random_state=0)
    clean = MFRecommender(random_state=0).fit(X)
    items, counts = np.unique(clean.recommend(X, 50), return_counts=True)
    targets = items[np.argsort(-counts)[:5]]
    scores = clean.user_factors_ @ clean.item_factors_.T
    before = target_hit_ratio_score(scores, targets, seen=X)
    attack = AUSHAttackTransformer(
        target_items=targets, goal="nuke", attack_size=0.1, random_state=0
    )
    assert target_hr(attack, X) < before - 0.1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"selected_fraction": 1.1}, "'selected_fraction'"),
        ({"filler_sampling": "recency"}, "'filler_sampling'"),
        ({"reconstruction_weight": -1}, "'reconstruction_weight'"),
        ({"shilling_weight": -1}, "'shilling_weight'"),
        ({"shilling_items": "fillers"}, "'shilling_items'"),
        ({"n_hidden": 0}, "'n_hidden'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"learning_rate": 1e30}, "networks diverged; decrease learning_rate=1e"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        AUSHAttackTransformer(**parameters).fit(ratings)
