"""The plan of an epoch and the loop over epochs."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec.training._data import RatingData
from skrecsec.training._loop import PATIENCE, Epoch, train
from skrecsec.training._plans import plan_pairs, plan_tiles

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
seeds = st.integers(0, 2**31 - 1)


def make_data(shape, seed, validation_fraction=0.0):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, shape) * (rng.random(shape) < 0.3)
    ratings[0, 0] = 5
    return RatingData.from_matrix(sp.csr_array(ratings.astype(float)), validation_fraction, rng)


def as_pairs(triplets):
    return sorted(zip(*(column.tolist() for column in triplets), strict=True))


@settings(deadline=None)
@given(shape=shapes, seed=seeds, fraction=st.floats(0, 0.99))
def test_rating_data_splits_every_rating_once(shape, seed, fraction):
    rng = np.random.default_rng(seed)
    X = sp.csr_array(rng.integers(1, 6, shape) * (rng.random(shape) < 0.5) + np.eye(*shape) * 9)
    data = RatingData.from_matrix(X, fraction, rng)
    assert data.validation.ratings.size == int(fraction * X.nnz)
    rows, columns = X.nonzero()
    everything = (rows, columns, (X.data / X.max()).astype(np.float32))
    assert as_pairs(everything) == sorted(as_pairs(data.train) + as_pairs(data.validation))
    assert_array_equal(np.diff(data.indptr), np.bincount(data.train.users, minlength=shape[0]))
    assert (np.diff(data.train.users) >= 0).all()
    assert data.levels[-1] == 1
    assert_allclose(data.midpoints, (data.levels[1:] + data.levels[:-1]) / 2)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, fraction=st.floats(0, 1))
def test_plan_pairs_is_a_random_part(shape, seed, fraction):
    data = make_data(shape, seed)
    rng = np.random.default_rng(seed)
    everything = as_pairs(data.train)
    assert as_pairs(plan_pairs(data, rng)) == everything
    part = plan_pairs(data, rng, fraction)
    assert part.ratings.size == round(fraction * len(everything))
    assert set(as_pairs(part)) <= set(everything)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, side=st.integers(1, 15), ratio=st.floats(0.01, 1))
def test_plan_tiles_covers_what_it_says(shape, seed, side, ratio):
    data = make_data(shape, seed)
    plan = plan_tiles(data, ratio, side, np.random.default_rng(seed))
    covered = np.zeros(shape, dtype=int)
    for tile in plan.tiles:
        users, items = plan.blocks(tile)
        covered[np.ix_(plan.user_order[users], plan.item_order[items])] += 1
    n_tiles = -(-shape[0] // side) * -(-shape[1] // side)
    assert plan.tiles.size == max(1, round(ratio * n_tiles))
    assert covered.max() == 1  # no cell twice
    assert_array_equal(plan.item_order[plan.item_position], np.arange(shape[1]))
    outside = covered[data.train.users, data.train.items] == 0
    assert as_pairs(plan.rest) == as_pairs(column[outside] for column in data.train)
    if ratio == 1:
        assert covered.min() == 1


class FakeSolver:
    """A solver whose validation losses are given."""

    def __init__(self, losses, has_validation=True):
        self.data = make_data((10, 10), 0, 0.2 if has_validation else 0.0)
        self.losses = losses
        self.epoch = 0

    def run(self):
        self.epoch += 1
        return {"note": self.epoch}

    def validation_loss(self):
        return self.losses[self.epoch - 1]

    def factors(self):
        return np.full((1, 1, 1), self.epoch, float), np.zeros((1, 1, 1))


def run(losses, *, n_pretrain=0, has_validation=True, **options):
    solver = FakeSolver(losses, has_validation)
    schedule = [Epoch(solver.run, eligible=e >= n_pretrain) for e in range(len(losses))]
    return train(solver, schedule, **options)


def test_the_epoch_with_the_lowest_loss_is_kept():
    result = run([5, 3, 4, 2, 6])
    assert result.user_factors == 4
    assert (result.best_iter, result.n_iter, result.validation_loss) == (4, 5, 2)
    assert [record["validation_loss"] for record in result.history] == [5, 3, 4, 2, 6]
    assert [record["note"] for record in result.history] == [1, 2, 3, 4, 5]


def test_pretraining_epochs_are_not_kept():
    assert run([1, 1, 4, 3, 5], n_pretrain=2).best_iter == 4


def test_training_stops_out_of_patience():
    result = run([3, 2, *range(3, 30)])
    assert (result.best_iter, result.n_iter) == (2, 2 + PATIENCE)


def test_without_validation_the_last_epoch_is_kept():
    result = run([3, 1, 2] * 5, has_validation=False)
    assert (result.best_iter, result.n_iter) == (15, 15)
    assert np.isnan(result.validation_loss)


def test_on_epoch_stops():
    assert run([5, 4, 3, 2], on_epoch=lambda record, solver: record["epoch"] == 2).n_iter == 2


def test_divergence_stops_and_keeps_the_best_before():
    result = run([5, 4, np.nan, 1])
    assert (result.best_iter, result.n_iter) == (2, 3)


def test_divergence_from_the_start_is_an_error():
    solver = FakeSolver([np.inf])
    solver.factors = lambda: (np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="learning_rate"):
        train(solver, [Epoch(solver.run)])


def test_tiles_of_a_large_matrix_are_never_listed():
    """Two thousand million tiles, of which a few are chosen."""
    X = sp.csr_array(([1.0, 2.0], ([0, 2_000_000], [0, 2_000_000])), shape=(2_000_001, 2_000_001))
    data = RatingData.from_matrix(X, 0.0, np.random.default_rng(0))
    plan = plan_tiles(data, 3e-9, 48, np.random.default_rng(0))
    assert plan.tiles.size == round(3e-9 * 41667**2)
    assert plan.rest.ratings.size == 2
    assert plan_pairs(data, np.random.default_rng(0)).ratings.size == 2


def test_a_loss_that_is_not_finite_from_the_start_is_an_error():
    """The factors are still finite, their products are not."""
    with pytest.raises(ValueError, match="learning_rate"):
        run([np.inf])


def test_divergence_without_validation_is_an_error():
    solver = FakeSolver([1.0] * 3, has_validation=False)
    solver.factors = lambda: (np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="learning_rate"):
        train(solver, [Epoch(solver.run)] * 3)


def test_stopping_during_pretraining_keeps_the_epoch_that_was_reached():
    result = run([5, 4, 3, 2], n_pretrain=3, on_epoch=lambda record, solver: record["epoch"] == 2)
    assert (result.best_iter, result.n_iter) == (2, 2)
    assert result.user_factors == 2


def test_pretraining_does_not_use_up_patience():
    assert run([1] * 20 + [3, 2], n_pretrain=20).best_iter == 22


def test_an_equal_loss_is_no_improvement():
    assert run([3, 2, 2, 2]).best_iter == 2


def spread(orders):
    """Return the mean place of each element over many orders, relative to the middle."""
    places = np.argsort(orders, axis=1)
    return places.mean(axis=0) / ((places.shape[1] - 1) / 2)


def test_orders_are_random():
    data = make_data((30, 30), 0)
    rng = np.random.default_rng(0)
    code = 30 * data.train.users + data.train.items
    rank = np.empty(900, dtype=int)
    rank[code] = np.arange(code.size)
    orders = np.array(
        [
            rank[30 * pairs.users + pairs.items]
            for pairs in (plan_pairs(data, rng) for _ in range(400))
        ]
    )
    assert_allclose(spread(orders), 1, atol=0.15)  # five standard deviations
    tiles = np.array([plan_tiles(data, 1.0, 6, rng).tiles for _ in range(400)])
    assert_allclose(spread(tiles), 1, atol=0.15)


def test_ratings_outside_of_the_tiles_come_in_random_order():
    data = make_data((40, 40), 0)
    rest = plan_tiles(data, 0.1, 4, np.random.default_rng(0)).rest
    code = 40 * rest.users + rest.items
    assert abs(np.corrcoef(code, np.arange(code.size))[0, 1]) < 0.2


def test_plans_are_drawn_anew():
    data, rng = make_data((30, 30), 0), np.random.default_rng(0)
    first, second = (plan_tiles(data, 0.3, 4, rng) for _ in range(2))
    for name in ("user_order", "item_order", "tiles"):
        assert not np.array_equal(getattr(first, name), getattr(second, name))


def test_stopping_during_pretraining_without_validation_is_no_divergence():
    result = run(
        [1.0] * 3,
        n_pretrain=2,
        has_validation=False,
        on_epoch=lambda record, solver: record["epoch"] == 1,
    )
    assert (result.best_iter, result.n_iter) == (1, 1)
