"""The mini-batch solver: the same plans as the SGD kernels, carried out by torch.

Gradients are written out (a test compares them with autograd), and the optimiser updates the state
of the rows that a batch touches and no others: an epoch costs what its samples cost, however large
the catalogue is.
"""

from __future__ import annotations

from itertools import pairwise, repeat

import numpy as np
import torch

from skrecsec.training import _kernels_tiles
from skrecsec.training._data import vote_thresholds
from skrecsec.training._optimisers import OPTIMISERS

# Steps without a share of the attack loss.
_NO_SHARES = repeat(None)


class MinibatchSolver:
    """Mini-batches of ratings and tiles through Adam or Adadelta, on any torch device.

    The loss of a batch is the mean squared error of its samples plus
    `reg * (mean p^2 + mean q^2)` over the factors of its rows. With `sigmoid`, ratings are
    predicted by the logistic function of p . q instead of p . q. User and item factors are the rows
    of one matrix per model, items after users, so that a batch is gathered and updated at once.
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
        device="cpu",
        sigmoid=False,
    ):
        self.data = data
        self.device = torch.device(device)
        self.reg = float(reg)
        self.sigmoid = sigmoid
        self.batch_size = batch_size
        # A tile is at most the whole matrix.
        self.tile_side = min(max(1, round(batch_size**0.5)), max(data.n_users, data.n_items))
        self._factors = self._tensor(np.concatenate([user_factors, item_factors], axis=1))
        # One optimiser for each model: in a cooperative epoch models step by themselves.
        self._optimisers = [OPTIMISERS[optimiser](m, float(learning_rate)) for m in self._factors]
        self._levels = self._tensor(data.levels)
        self._thresholds = self._tensor(vote_thresholds(data, sigmoid))
        self._validation = [self._tensor(column) for column in data.validation]

    def _tensor(self, array):
        array = np.asarray(array)
        if array.dtype == np.int32:
            array = array.astype(np.int64)
        return torch.as_tensor(array, device=self.device)

    def run_pairs(self, pairs, attack=None, rng=None):
        """Train all models on mini-batches of the ratings, in the given order.

        With an `AttackTerm`, each batch takes its share of the attack loss into its step.
        """
        n_batches = -(-pairs.ratings.size // self.batch_size)
        shares = self._attack_shares(0, attack, n_batches, rng)
        self._run_batches(range(self._factors.shape[0]), pairs, shares=shares)

    def run_perturbed_pairs(self, pairs, perturbation):
        """Train on the ratings, each under current and under perturbed factors."""
        epsilon = perturbation.epsilon
        directions = self._tensor(perturbation.directions)

        def perturb(gradient):
            if perturbation.is_adversarial:
                return epsilon * torch.nn.functional.normalize(gradient, dim=1)
            return epsilon * directions[self._tensor(perturbation.choose(gradient.shape[0]))]

        self._run_batches(range(self._factors.shape[0]), pairs, perturb)

    def run_weighted_pairs(self, pairs, weights):
        """Train on the ratings, each of which counts as much as its weights say."""
        self._run_batches(range(self._factors.shape[0]), pairs, weights=weights)

    def _run_batches(self, models, pairs, perturb=None, shares=_NO_SHARES, weights=None):
        users, items, ratings = (self._tensor(column) for column in pairs)
        items = items + self.data.n_users
        if weights is not None:
            weights = torch.stack([self._tensor(column) for column in weights])
        starts = range(0, ratings.shape[0], self.batch_size)
        for start, share in zip(starts, shares, strict=False):
            batch = slice(start, start + self.batch_size)
            weight = None if weights is None else weights[:, batch].reshape(-1, 1)
            self._pair_step(
                models, users[batch], items[batch], ratings[batch], perturb, share, weight
            )

    def _pair_step(self, models, users, items, ratings, perturb=None, share=None, weight=None):
        """One optimiser step of each model on a batch of ratings."""
        rows, slot = torch.unique(torch.cat([users, items]), return_inverse=True)
        for j in models:
            block = self._factors[j].index_select(0, rows)
            gradient = self._pair_gradient(block, slot, ratings, weight)
            if perturb is not None:
                gradient += self._pair_gradient(block + perturb(gradient), slot, ratings)
            self._descend(j, rows, gradient, share)

    def _descend(self, model, rows, gradient, share):
        """Take an optimiser step along the gradient in distinct rows, and the attack loss's."""
        if share is not None:
            attack_rows, attack_gradient = self._attack_gradient(model, *share)
            rows, slot = torch.unique(torch.cat([rows, attack_rows]), return_inverse=True)
            gradient = gradient.new_zeros(rows.shape[0], gradient.shape[1]).index_add_(
                0, slot, torch.cat([gradient, attack_gradient])
            )
        self._optimisers[model].step(rows, gradient)

    def _attack_shares(self, model, term, n_steps, rng):
        """Spread the known users over the steps of an epoch; return what each step's part is."""
        if term is None:
            return _NO_SHARES
        users, last_items, masked = term.draw(*(f[model] for f in self._split_factors()), rng)
        bounds = np.linspace(0, users.size, n_steps + 1).astype(int)
        return [
            (term, users[a:b], last_items[a:b], masked[a:b]) if b > a else None
            for a, b in pairwise(bounds)
        ]

    def _attack_gradient(self, model, term, users, last_items, masked):
        """Return rows, with repetitions, and the attack loss's gradient in them.

        The loss of the users at hand stands for that of all, on the scale of the mean squared
        error.
        """
        n_targets = term.target_items.size
        columns = (
            np.repeat(users, n_targets),
            np.repeat(last_items, n_targets) + self.data.n_users,
            np.tile(term.target_items, users.size) + self.data.n_users,
        )
        active = ~masked.ravel() & (columns[1] != columns[2])
        rows = self._tensor(np.concatenate([column[active] for column in columns]))
        p, q_last, q_target = self._factors[model].index_select(0, rows).chunk(3)
        log_last = torch.nn.functional.logsigmoid((p * q_last).sum(1))
        log_target = torch.nn.functional.logsigmoid((p * q_target).sum(1))
        weight = term.weight * 2 / self.data.train.ratings.size * term.known.shape[0] / users.size
        beyond = term.goal * (log_last - log_target) > -term.margin
        step = (term.goal * weight * beyond).unsqueeze_(1)
        # d log h / d score = 1 - h
        push = step * -torch.expm1(log_last).unsqueeze_(1)
        pull = step * -torch.expm1(log_target).unsqueeze_(1)
        return rows, torch.cat([push * q_last - pull * q_target, push * p, -pull * p])

    def _pair_gradient(self, block, slot, ratings, weight=None):
        """Return the gradient of a batch in its distinct rows; `slot` says which are whose.

        `weight`, a column, is that of each rating for its user, then for its item.
        """
        p, q = block.index_select(0, slot).split(ratings.shape[0])
        error = self._error((p * q).sum(1), ratings).mul_(2 / ratings.shape[0]).unsqueeze_(1)
        gradient = torch.cat([q, p]).mul_(error.repeat(2, 1))
        if weight is not None:
            gradient.mul_(weight)
        if self.reg > 0:
            gradient.add_(torch.cat([p, q]), alpha=2 * self.reg / p.numel())
        # Samples that share a user or an item add up.
        return torch.zeros_like(block).index_add_(0, slot, gradient)

    def _error(self, score, target):
        """Return half the derivative of the squared error in the score."""
        if not self.sigmoid:
            return score.sub_(target)
        output = score.sigmoid_()
        return (output - target).mul_(output).mul_(1 - output)

    def run_tiles(self, model, plan, attack=None, rng=None):
        """Train one model on one mini-batch a tile, with batches of the other ratings between.

        With an `AttackTerm`, each tile takes its share of the attack loss into its step.
        """
        n_pseudo_labels = 0
        n_batches = -(-plan.rest.ratings.size // self.batch_size)
        item_rows = plan.item_order + np.int32(self.data.n_users)
        add_pseudo_labels = self._label_maker(model, plan.side)
        shares = self._attack_shares(model, attack, plan.tiles.size, rng)
        for t, (tile, share) in enumerate(zip(plan.tiles, shares, strict=False)):
            users, items = plan.blocks(tile)
            target = np.empty((plan.side, plan.side), dtype=np.float32)
            _kernels_tiles.read_tile_ratings(
                plan.user_order[users],
                items.start,
                plan.item_position,
                self.data.indptr,
                self.data.train.items,
                self.data.train.ratings,
                target,
            )
            users, items = plan.user_order[users], item_rows[items]
            n_pseudo_labels += add_pseudo_labels(users, items, target)
            self._tile_step(model, users, items, target[: users.size, : items.size], share)
            first, last = (s * n_batches // plan.tiles.size for s in (t, t + 1))
            if last > first:
                batches = slice(first * self.batch_size, last * self.batch_size)
                self._run_batches([model], plan.rest.take(batches))
        return n_pseudo_labels

    def _label_maker(self, model, side):
        """Return the function that fills in a tile's pseudo-labels and counts them."""
        if self.device.type != "cpu":  # pragma: no cover - needs a GPU
            return lambda users, items, target: self._add_pseudo_labels(model, users, items, target)
        # On the CPU the compiled kernel does it in a fifth of the time, on the same memory.
        factors = self._factors.numpy()
        padded = -(-side // _kernels_tiles.GROUP) * _kernels_tiles.GROUP
        P, Q = np.empty((2, padded, factors.shape[2]), dtype=np.float32)
        votes = np.empty((2, padded, padded), dtype=np.float32)
        levels, thresholds = self.data.levels, self._thresholds.numpy()
        return lambda users, items, target: _kernels_tiles.add_pseudo_labels(
            factors, factors, model, users, items, levels, thresholds, P, Q, votes, target
        )

    def _add_pseudo_labels(self, model, users, items, target):
        """Do in torch what `_kernels_tiles.add_pseudo_labels` does."""
        rows = self._tensor(np.concatenate([users, items]))
        votes = []
        for other in ((model + 1) % 3, (model + 2) % 3):
            p, q = self._factors[other].index_select(0, rows).split([users.size, items.size])
            votes.append(torch.bucketize(p @ q.T, self._thresholds))
        label = self._levels[votes[0]].mul_(votes[0] == votes[1]).cpu().numpy()
        tile = target[: users.size, : items.size]
        label *= tile == 0
        tile += label
        return np.count_nonzero(label)

    def _tile_step(self, model, users, items, target, share=None):
        """One optimiser step of one model on the cells of a tile that have a target."""
        rows = torch.as_tensor(np.concatenate([users, items]), device=self.device)
        scale = 2 / max(1, np.count_nonzero(target))
        target = torch.as_tensor(target, device=self.device)
        block = self._factors[model].index_select(0, rows)
        p, q = block[: users.size], block[users.size :]
        error = self._error(p @ q.T, target).mul_(scale).mul_(target > 0)
        gradient = torch.empty_like(block)
        torch.mm(error, q, out=gradient[: users.size])
        torch.mm(error.T, p, out=gradient[users.size :])
        if self.reg > 0:
            gradient[: users.size].add_(p, alpha=2 * self.reg / p.numel())
            gradient[users.size :].add_(q, alpha=2 * self.reg / q.numel())
        self._descend(model, rows, gradient, share)

    def validation_loss(self):
        """Return the mean squared error of model 0 on the validation ratings."""
        users, items, ratings = self._validation
        total = 0.0
        for start in range(0, ratings.shape[0], 1 << 16):
            batch = slice(start, start + (1 << 16))
            p = self._factors[0].index_select(0, users[batch])
            q = self._factors[0].index_select(0, items[batch] + self.data.n_users)
            predicted = (p * q).sum(1)
            if self.sigmoid:
                predicted = predicted.sigmoid_()
            total += float(((predicted - ratings[batch]) ** 2).sum(dtype=torch.float64))
        return total / ratings.shape[0]

    def factors(self):
        """Return a copy of the user and item factors of all models."""
        return tuple(part.copy() for part in self._split_factors())

    def _split_factors(self):
        factors = self._factors.cpu().numpy()
        return np.split(factors, [self.data.n_users], axis=1)
