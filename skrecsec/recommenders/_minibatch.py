"""The mini-batch solver: the same plans as the SGD kernels, carried out by torch.

Gradients are written out (a test compares them with autograd), and the optimiser updates the state
of the rows that a batch touches and no others: an epoch costs what its samples cost, however large
the catalogue is.
"""

from __future__ import annotations

import numpy as np
import torch

from skrecsec.recommenders import _kernels
from skrecsec.recommenders._solver import Triplets


class _LazyOptimiser:
    """An optimiser that updates the rows with a gradient and leaves the others alone.

    In the dense optimiser the moments of a row decay at every step, also at those in which the row
    has no gradient. Here they are decayed in arrears, when the row is touched next.
    """

    def __init__(self, factors, learning_rate):
        self.factors = factors  # (n_rows, n_factors), updated in place
        self.learning_rate = learning_rate
        self.moments = torch.zeros_like(factors), torch.zeros_like(factors)
        self.n_steps = 0
        self.last_step = torch.zeros(factors.shape[0], device=factors.device)

    def step(self, rows, gradient):
        """Update the given rows, which are distinct."""
        self.n_steps += 1
        gap = (self.n_steps - self.last_step.index_select(0, rows)).unsqueeze_(1)
        self.last_step.index_fill_(0, rows, self.n_steps)
        moments = [m.index_select(0, rows) for m in self.moments]
        update = self._update(moments, gradient, gap)
        for m, new in zip(self.moments, moments, strict=True):
            m.index_copy_(0, rows, new)
        self.factors.index_add_(0, rows, update, alpha=-self.learning_rate)


class _LazyAdam(_LazyOptimiser):
    """Adam (Kingma & Ba, 2015), without the drift of rows that have no gradient."""

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

    def _update(self, moments, gradient, gap):
        mean, square = moments
        mean.mul_(self.BETA1**gap).add_(gradient, alpha=1 - self.BETA1)
        square.mul_(self.BETA2**gap).addcmul_(gradient, gradient, value=1 - self.BETA2)
        correction1 = 1 - self.BETA1**self.n_steps
        correction2 = 1 - self.BETA2**self.n_steps
        denominator = (square / correction2).sqrt_().add_(self.EPS)
        return (mean / denominator).div_(correction1)


class _LazyAdadelta(_LazyOptimiser):
    """Adadelta (Zeiler, 2012); exactly the dense one, which does not move rows without gradient."""

    RHO, EPS = 0.95, 1e-6

    def _update(self, moments, gradient, gap):
        square, delta = moments
        decay = self.RHO**gap
        square.mul_(decay).addcmul_(gradient, gradient, value=1 - self.RHO)
        delta.mul_(decay.div_(self.RHO))  # this step's decay comes after its use
        update = ((delta + self.EPS) / (square + self.EPS)).sqrt_().mul_(gradient)
        delta.mul_(self.RHO).addcmul_(update, update, value=1 - self.RHO)
        return update


_OPTIMISERS = {"adam": _LazyAdam, "adadelta": _LazyAdadelta}


class MinibatchSolver:
    """Mini-batches of ratings and tiles through Adam or Adadelta, on any torch device.

    The loss of a batch is the mean squared error of its samples plus
    `reg * (mean p^2 + mean q^2)` over the factors of its rows.
    """

    def __init__(
        self,
        data,
        user_factors,
        item_factors,
        *,
        optimiser,
        learning_rate,
        reg,
        batch_size,
        device,
    ):
        self.data = data
        self.device = torch.device(device)
        self.reg = reg
        self.batch_size = batch_size
        self.tile_side = max(1, round(batch_size**0.5))
        self.user_factors = self._tensor(user_factors)
        self.item_factors = self._tensor(item_factors)
        optimiser = _OPTIMISERS[optimiser]
        # One optimiser for each model and side: in a cooperative epoch models step by themselves.
        self._optimisers = [
            [optimiser(model, learning_rate) for model in side]
            for side in (self.user_factors, self.item_factors)
        ]
        self._levels = self._tensor(data.levels)
        self._midpoints = self._tensor(data.midpoints)
        self._validation = [self._tensor(column) for column in data.validation]

    def _tensor(self, array):
        array = np.asarray(array)
        if array.dtype == np.int32:
            array = array.astype(np.int64)
        return torch.as_tensor(array, device=self.device)

    def run_pairs(self, pairs):
        """Train all models on mini-batches of the ratings, in the given order."""
        self._run_batches(range(self.user_factors.shape[0]), pairs)

    def _run_batches(self, models, pairs):
        users, items, ratings = (self._tensor(column) for column in pairs)
        for start in range(0, ratings.shape[0], self.batch_size):
            batch = slice(start, start + self.batch_size)
            self._pair_step(models, users[batch], items[batch], ratings[batch])

    def _pair_step(self, models, users, items, ratings):
        """One optimiser step of each model on a batch of ratings."""
        distinct_users, user_slot = torch.unique(users, return_inverse=True)
        distinct_items, item_slot = torch.unique(items, return_inverse=True)
        for j in models:
            p = self.user_factors[j].index_select(0, users)
            q = self.item_factors[j].index_select(0, items)
            error = (p * q).sum(1).sub_(ratings).mul_(2 / ratings.shape[0]).unsqueeze_(1)
            user_gradient, item_gradient = error * q, error * p
            if self.reg > 0:
                decay = 2 * self.reg / p.numel()
                user_gradient.add_(p, alpha=decay)
                item_gradient.add_(q, alpha=decay)
            self._optimisers[0][j].step(
                distinct_users, _sum_slots(user_gradient, user_slot, distinct_users)
            )
            self._optimisers[1][j].step(
                distinct_items, _sum_slots(item_gradient, item_slot, distinct_items)
            )

    def run_tiles(self, model, plan):
        """Train one model on one mini-batch a tile, with batches of the other ratings between."""
        n_pseudo_labels = 0
        n_batches = -(-plan.rest.ratings.size // self.batch_size)
        user_order, item_order = self._tensor(plan.user_order), self._tensor(plan.item_order)
        for t, tile in enumerate(plan.tiles):
            observed = np.zeros((plan.side, plan.side), dtype=np.float32)
            users, items = plan.blocks(tile)
            _kernels.read_tile_ratings(
                plan.user_order[users],
                items.start,
                plan.item_position,
                self.data.indptr,
                self.data.train.items,
                self.data.train.ratings,
                observed,
            )
            users, items = user_order[users], item_order[items]
            observed = torch.from_numpy(observed[: users.shape[0], : items.shape[0]])
            n_pseudo_labels += self._tile_step(model, users, items, observed.to(self.device))
            first, last = (s * n_batches // plan.tiles.size for s in (t, t + 1))
            batches = slice(first * self.batch_size, last * self.batch_size)
            self._run_batches([model], Triplets(*(column[batches] for column in plan.rest)))
        return int(n_pseudo_labels)

    def _tile_step(self, model, users, items, observed):
        """One optimiser step of one model on a tile; return the number of pseudo-labels."""
        blocks = [
            (
                self.user_factors[j].index_select(0, users),
                self.item_factors[j].index_select(0, items),
            )
            for j in ((model + 1) % 3, (model + 2) % 3, model)
        ]
        votes = [torch.bucketize(p @ q.T, self._midpoints) for p, q in blocks[:2]]
        p, q = blocks[2]
        has_rating = observed > 0
        has_label = (votes[0] == votes[1]).logical_and_(~has_rating)
        target = torch.where(has_rating, observed, self._levels[votes[0]])
        has_target = has_rating | has_label
        error = (p @ q.T).sub_(target).mul_(has_target).mul_(2 / has_target.sum().clamp_(min=1))
        user_gradient, item_gradient = error @ q, error.T @ p
        if self.reg > 0:
            user_gradient.add_(p, alpha=2 * self.reg / p.numel())
            item_gradient.add_(q, alpha=2 * self.reg / q.numel())
        self._optimisers[0][model].step(users, user_gradient)
        self._optimisers[1][model].step(items, item_gradient)
        return has_label.sum()

    def validation_loss(self):
        """Return the mean squared error of model 0 on the validation ratings."""
        users, items, ratings = self._validation
        total = 0.0
        for start in range(0, ratings.shape[0], 1 << 16):
            batch = slice(start, start + (1 << 16))
            scores = (self.user_factors[0, users[batch]] * self.item_factors[0, items[batch]]).sum(
                1
            )
            total += float(((scores - ratings[batch]) ** 2).sum(dtype=torch.float64))
        return total / ratings.shape[0]

    def factors(self):
        """Return a copy of the user and item factors of all models."""
        return tuple(f.cpu().numpy().copy() for f in (self.user_factors, self.item_factors))


def _sum_slots(gradient, slot, distinct):
    """Add up the gradients of equal rows: those whose `slot` in `distinct` is the same."""
    total = gradient.new_zeros((distinct.shape[0], gradient.shape[1]))
    return total.index_add_(0, slot, gradient)


def check_device(name: str) -> torch.device:
    """Return the torch device of that name, or raise a ValueError that says what is wrong."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} is not available to torch: {reason}") from error
    return device
