"""The mini-batch solver against autograd and `torch.optim`."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose

from skrecsec.training._data import RatingData, Triplets
from skrecsec.training._minibatch import MinibatchSolver
from skrecsec.training._optimisers import LazyAdadelta, LazyAdam
from skrecsec.training._plans import plan_pairs, plan_tiles
from skrecsec.training._solvers import check_device
from skrecsec.training._terms import AttackTerm, PairWeights, Perturbation

D = 6


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_solver(
    rng, shape=(40, 50), *, batch_size=64, reg=0.3, optimiser="adadelta", sigmoid=False
):
    ratings = rng.integers(1, 6, shape) * (rng.random(shape) < 0.2)
    data = RatingData.from_matrix(sp.csr_array(ratings.astype(float)), 0.1, rng)
    P, Q = (rng.normal(0, 0.4, (3, n, D)).astype(np.float32) for n in shape)
    return MinibatchSolver(
        data,
        P,
        Q,
        optimiser=optimiser,
        learning_rate=1.0,
        reg=reg,
        batch_size=batch_size,
        device="cpu",
        sigmoid=sigmoid,
    )


class Recorder:
    """Stands in for an optimiser and keeps what it is given."""

    def __init__(self):
        self.steps = []

    def step(self, rows, gradient):
        self.steps.append((rows.clone(), gradient.clone()))


def dense(steps, n_rows):
    """Return the gradient of all rows from the one recorded step."""
    ((rows, gradient),) = steps
    assert len(set(rows.tolist())) == len(rows)
    result = torch.zeros(n_rows, D)
    result[rows.long()] = gradient
    return result


def autograd(solver, model, loss):
    factors = solver._factors[model].clone().requires_grad_()
    n_users = solver.data.n_users
    loss(factors[:n_users], factors[n_users:]).backward()
    return factors.grad


def test_pair_gradient_is_that_of_the_stated_loss(rng):
    solver = make_solver(rng)
    solver._optimisers = [Recorder() for _ in range(3)]
    batch = Triplets(*(column[:64] for column in plan_pairs(solver.data, rng)))
    solver.run_pairs(batch)
    users, items, ratings = (torch.as_tensor(np.asarray(c)) for c in batch)

    def loss(P, Q):
        p, q = P[users.long()], Q[items.long()]
        return (((p * q).sum(1) - ratings) ** 2).mean() + 0.3 * ((p**2).mean() + (q**2).mean())

    for j in range(3):
        expected = autograd(solver, j, loss)
        assert_allclose(dense(solver._optimisers[j].steps, 90), expected, rtol=1e-4, atol=1e-6)


def test_weighted_gradient_is_that_of_the_weighted_losses(rng):
    """What users learn is the gradient of one weighted loss, what items learn that of another."""
    solver = make_solver(rng)
    solver._optimisers = [Recorder() for _ in range(3)]
    batch = Triplets(*(column[:64] for column in plan_pairs(solver.data, rng)))
    weights = PairWeights(*rng.random((2, 64)).astype(np.float32))
    solver.run_weighted_pairs(batch, weights)
    users, items, ratings = (torch.as_tensor(np.asarray(c)) for c in batch)

    def weighted(side):
        def loss(P, Q):
            p, q = P[users.long()], Q[items.long()]
            errors = (p * q).sum(1) - ratings
            return (torch.as_tensor(weights[side]) * errors**2).mean() + 0.3 * (
                (p**2).mean() + (q**2).mean()
            )

        return loss

    n_users = solver.data.n_users
    for j in range(3):
        found = dense(solver._optimisers[j].steps, 90)
        expected = [autograd(solver, j, weighted(side)) for side in (0, 1)]
        assert_allclose(found[:n_users], expected[0][:n_users], rtol=1e-4, atol=1e-6)
        assert_allclose(found[n_users:], expected[1][n_users:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", [0, 1, 2])
def test_tile_gradient_is_that_of_the_stated_loss(rng, model):
    solver = make_solver(rng, shape=(7, 8), batch_size=100)  # one tile holds everything
    solver._optimisers = [Recorder() for _ in range(3)]
    data = solver.data
    n_labels = solver.run_tiles(model, plan_tiles(data, 1.0, solver.tile_side, rng))
    target = torch.zeros(7, 8)
    target[data.train.users, data.train.items] = torch.tensor(data.train.ratings)
    votes = [
        (f[:7] @ f[7:].T).unsqueeze(-1).sub(torch.tensor(data.levels)).abs().argmin(-1)
        for f in (solver._factors[(model + 1) % 3], solver._factors[(model + 2) % 3])
    ]
    agreed = (votes[0] == votes[1]) & (target == 0)
    target[agreed] = torch.tensor(data.levels)[votes[0][agreed]]
    assert n_labels == int(agreed.sum()) > 0

    def loss(P, Q):
        error = ((P @ Q.T - target)[target > 0] ** 2).mean()
        return error + 0.3 * ((P**2).mean() + (Q**2).mean())

    expected = autograd(solver, model, loss)
    assert_allclose(dense(solver._optimisers[model].steps, 15), expected, rtol=1e-4, atol=1e-6)
    assert all(not solver._optimisers[j].steps for j in {0, 1, 2} - {model})


def test_every_rating_is_visited_once_in_a_partial_tile_epoch(rng):
    solver = make_solver(rng, reg=0.0)
    seen = []
    solver._tile_step = lambda *tile: None
    solver._pair_step = lambda models, users, items, ratings, *others: seen.extend(
        zip(users.tolist(), items.tolist(), strict=True)
    )
    plan = plan_tiles(solver.data, 0.3, solver.tile_side, rng)
    solver.run_tiles(0, plan)
    expected = zip(plan.rest.users.tolist(), (plan.rest.items + 40).tolist(), strict=True)
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize(
    ("lazy", "dense_optimiser", "all_rows"),
    [
        (LazyAdadelta, lambda p: torch.optim.Adadelta(p, lr=2.0, rho=0.95), False),
        (LazyAdam, lambda p: torch.optim.Adam(p, lr=0.02), True),
    ],
)
def test_lazy_optimisers_equal_the_dense_ones(rng, lazy, dense_optimiser, all_rows, kernel):
    """Adadelta always (it leaves rows without gradient alone), Adam where all rows take part."""
    start = torch.tensor(rng.normal(size=(10, D)), dtype=torch.float32)
    factors, parameter = start.clone(), start.clone().requires_grad_()
    ours = lazy(factors, 2.0 if lazy is LazyAdadelta else 0.02)
    if not kernel:
        ours._arrays = None  # what a device other than the CPU runs
    theirs = dense_optimiser([parameter])
    for _ in range(60):
        rows = torch.as_tensor(rng.permutation(10)[: 10 if all_rows else rng.integers(1, 6)])
        gradient = torch.tensor(rng.normal(size=(len(rows), D)), dtype=torch.float32)
        ours.step(rows, gradient)
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad[rows] = gradient
        theirs.step()
    assert_allclose(factors, parameter.detach(), rtol=1e-4, atol=1e-5)
    assert not torch.equal(factors, start)


def test_pseudo_labels_in_torch_are_those_of_the_kernel(rng):
    solver = make_solver(rng)
    plan = plan_tiles(solver.data, 1.0, solver.tile_side, rng)
    users, items = plan.blocks(plan.tiles[0])
    users, items = plan.user_order[users], plan.item_order[items] + np.int32(40)
    results = []
    for add in (
        solver._label_maker(1, plan.side),
        lambda *tile: solver._add_pseudo_labels(1, *tile),
    ):
        target = np.zeros((plan.side, plan.side), np.float32)
        target[0, :3] = 0.6
        results.append((add(users, items, target), target))
    assert results[0][0] == results[1][0] > 0
    assert_allclose(results[0][1], results[1][1])


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", "meta"])
def test_unknown_devices_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"device='{name}' is not available"):
        check_device("adam", name)


def test_perturbed_gradient_is_that_of_both_losses(rng):
    solver = make_solver(rng, reg=0.0)
    solver._optimisers = [Recorder() for _ in range(3)]
    batch = Triplets(*(column[:64] for column in plan_pairs(solver.data, rng)))
    solver.run_perturbed_pairs(batch, Perturbation(0.2, np.empty((0, D), np.float32), rng))
    users, items, ratings = (torch.as_tensor(np.asarray(c)) for c in batch)

    def loss(P, Q):
        return (((P[users.long()] * Q[items.long()]).sum(1) - ratings) ** 2).mean()

    gradient = autograd(solver, 0, loss)
    delta = 0.2 * torch.nn.functional.normalize(gradient, dim=1)
    expected = gradient + autograd(solver, 0, lambda P, Q: loss(P + delta[:40], Q + delta[40:]))
    assert_allclose(dense(solver._optimisers[0].steps, 90), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("goal", [1, -1])
def test_a_batch_descends_ratings_and_attack_loss_in_one_step(rng, goal):
    """One batch holds all ratings and all users, so the loss is the whole one."""
    solver = make_solver(rng, reg=0.0, batch_size=4096, sigmoid=True)
    solver._optimisers = [Recorder() for _ in range(3)]
    known, targets = solver_ratings(solver)[:30], torch.tensor([3, 8])
    term = AttackTerm(known, targets.numpy(), k=4, margin=0.2, goal=goal, weight=0.7)
    pairs = plan_pairs(solver.data, rng)
    P, Q = (factors[0] for factors in solver.factors())
    last = torch.as_tensor(term.last_items(P[:30], Q))
    solver.run_pairs(pairs, term, rng)
    users, items, ratings = (torch.as_tensor(np.asarray(column)) for column in pairs)
    is_listed = torch.as_tensor(known.toarray()[:, targets] == 0)

    def loss(P, Q):
        h = torch.sigmoid(P @ Q.T)
        fit = ((h[users.long(), items.long()] - ratings) ** 2).mean()
        log_h = torch.log(h[:30])
        gap = goal * (log_h[torch.arange(30), last][:, None] - log_h[:, targets])
        attack = (gap.clamp(min=-0.2) * is_listed).sum()
        return fit + 2 * 0.7 / ratings.shape[0] * attack

    assert 0 < is_listed.sum() < 60
    expected = autograd(solver, 0, loss)
    assert_allclose(dense(solver._optimisers[0].steps, 90), expected, rtol=1e-4, atol=1e-6)


def solver_ratings(solver):
    users, items, ratings = solver.data.train
    shape = (solver.data.n_users, solver.data.n_items)
    return sp.csr_array((ratings, (users, items)), shape=shape)


@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_a_cooperative_epoch_shows_the_attack_every_user_once(rng, ratio):
    solver = make_solver(rng, shape=(37, 50), batch_size=81)
    known = sp.csr_array(np.eye(30, 50))
    term = AttackTerm(known, np.array([3, 8]), k=4, margin=0.2, goal=1, weight=1.0)
    seen = []
    gradient = solver._attack_gradient
    solver._attack_gradient = lambda model, term, users, *rest: (
        seen.extend(users) or gradient(model, term, users, *rest)
    )
    solver.run_tiles(1, plan_tiles(solver.data, ratio, solver.tile_side, rng), term, rng)
    assert sorted(seen) == list(range(30))
    assert seen != sorted(seen)


def test_shares_of_the_users_stand_for_all(rng):
    """The mean of the gradients of equal shares is the gradient of all users."""
    solver = make_solver(rng)
    known = sp.csr_array(np.eye(30, 50))
    term = AttackTerm(known, np.array([3, 8]), k=4, margin=0.2, goal=1, weight=1.0)

    def total(share):
        rows, gradient = solver._attack_gradient(0, *share)
        return torch.zeros(90, D).index_add_(0, rows, gradient)

    (whole,) = solver._attack_shares(0, term, 1, np.random.default_rng(1))
    parts = solver._attack_shares(0, term, 5, np.random.default_rng(1))
    mean = torch.stack([total(part) for part in parts]).mean(0)
    assert whole[1].size == 30
    assert [part[1].size for part in parts] == [6] * 5
    assert_allclose(mean, total(whole), rtol=1e-4, atol=1e-7)


def test_a_tile_with_logistic_output_has_the_gradient_of_its_squared_error(rng):
    solver = make_solver(rng, reg=0.0, sigmoid=True)
    solver._optimisers = [Recorder() for _ in range(3)]
    users, items = np.arange(5, 13), np.arange(20, 28)
    target = (rng.integers(0, 6, (8, 8)) / 5).astype(np.float32)
    solver._tile_step(0, users, items + 40, target)
    known = torch.as_tensor(target)

    def loss(P, Q):
        h = torch.sigmoid(P[users] @ Q[items].T)
        return (((h - known) ** 2) * (known > 0)).sum() / (known > 0).sum()

    expected = autograd(solver, 0, loss)
    assert_allclose(dense(solver._optimisers[0].steps, 90), expected, rtol=1e-4, atol=1e-6)


def test_logistic_output_votes_and_validates_by_its_predictions(rng):
    solver = make_solver(rng, sigmoid=True)
    P, Q = (factors.astype(float) for factors in solver.factors())
    h = 1 / (1 + np.exp(-P @ Q.transpose(0, 2, 1)))
    levels = solver.data.levels
    votes = np.abs(h[1:, :8, :8, None] - levels).argmin(-1)
    expected = np.where(votes[0] == votes[1], levels[votes[0]], 0)
    target = np.zeros((8, 8), dtype=np.float32)
    label = solver._label_maker(0, 8)
    assert label(np.arange(8), np.arange(40, 48), target) == np.count_nonzero(expected)
    assert_allclose(target, expected)
    users, items, ratings = solver.data.validation
    assert solver.validation_loss() == pytest.approx(
        np.mean((h[0, users, items] - ratings) ** 2), rel=1e-5
    )


def test_validation_loss_is_the_mean_squared_error_of_the_first_model(rng):
    solver = make_solver(rng)
    users, items, ratings = solver.data.validation
    P, Q = (factors[0].astype(float) for factors in solver.factors())
    expected = np.mean(((P[users] * Q[items]).sum(axis=1) - ratings) ** 2)
    assert solver.validation_loss() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("batch_size", "side"), [(1, 1), (64, 8), (2048, 45)])
def test_a_tile_has_about_as_many_cells_as_a_batch(rng, batch_size, side):
    assert make_solver(rng, batch_size=batch_size).tile_side == side


def test_more_batches_than_tiles_are_spread_over_the_tiles(rng):
    solver = make_solver(rng, batch_size=4)
    plan = plan_tiles(solver.data, 0.02, 10, rng)  # one tile of twenty
    order = []
    solver._tile_step = lambda *tile: order.append("tile")
    solver._pair_step = lambda *batch: order.extend(batch[3].tolist())
    solver.run_tiles(0, plan)
    assert order[0] == "tile"
    assert_allclose(order[1:], plan.rest.ratings)
