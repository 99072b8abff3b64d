"""The compiled solver: stochastic gradient descent, one sample at a time."""

from __future__ import annotations

import numpy as np

from skrecsec.training import _kernels, _kernels_perturbed, _kernels_tiles, _kernels_weighted
from skrecsec.training._data import vote_thresholds
from skrecsec.training._threads import independent_tiles, run_levels, run_side_by_side


class SGDSolver:
    """Stochastic gradient descent, one sample at a time, by compiled kernels.

    With `sigmoid`, ratings are predicted by the logistic function of p . q instead of p . q.

    Results do not depend on `n_threads`: models that do not look at one another are trained side by
    side, and so are tiles that share neither users nor items.
    """

    tile_side = _kernels_tiles.TILE

    def __init__(
        self,
        data,
        user_factors,
        item_factors,
        *,
        learning_rate,
        reg=0.0,
        sigmoid=False,
        n_threads=1,
    ):
        self.data = data
        self.user_factors = user_factors
        self.item_factors = item_factors
        self._options = np.float32(learning_rate), np.float32(reg), sigmoid
        self.n_threads = n_threads
        self._thresholds = vote_thresholds(data, sigmoid)

    def run_pairs(self, pairs, attack=None, rng=None):
        """Train all models on the ratings, in the given order. O(n_ratings n_factors).

        With an `AttackTerm`, the first model then descends the attack loss.
        """

        def train(j):
            P, Q = self.user_factors[j : j + 1], self.item_factors[j : j + 1]
            _kernels.sgd_pairs(P, Q, *pairs, *self._options)

        run_side_by_side(train, list(range(len(self.user_factors))), self.n_threads)
        if attack is not None:
            self.run_attack(0, attack, rng)

    def run_perturbed_pairs(self, pairs, perturbation):
        """Train on the ratings, each under current and under perturbed factors."""
        learning_rate, reg, _ = self._options
        n_choices = 0 if perturbation.is_adversarial else pairs.ratings.size
        _kernels_perturbed.sgd_perturbed_pairs(
            self.user_factors[0],
            self.item_factors[0],
            *pairs,
            learning_rate,
            reg,
            np.float32(perturbation.epsilon),
            perturbation.directions,
            perturbation.choose((n_choices, 2)),
        )

    def run_weighted_pairs(self, pairs, weights):
        """Train on the ratings, each of which counts as much as its weights say."""
        learning_rate, reg, _ = self._options
        _kernels_weighted.sgd_weighted_pairs(
            self.user_factors[0], self.item_factors[0], *pairs, *weights, learning_rate, reg
        )

    def run_tiles(self, model, plan, attack=None, rng=None):
        """Train one model on the tiles. O((n_cells + n_ratings) n_factors).

        With an `AttackTerm`, it then descends the attack loss.
        """
        # In tile order, so that a tile is a slice: a tile's rows would lie anywhere otherwise.
        P = _kernels_tiles.in_tile_order(self.user_factors, plan.user_order)
        Q = _kernels_tiles.in_tile_order(self.item_factors, plan.item_order)
        ratings = _kernels_tiles.sort_by_tile(
            plan.user_order, plan.item_position, self.data.indptr, *self.data.train[1:]
        )
        rest = (
            plan.user_position[plan.rest.users],
            plan.item_position[plan.rest.items],
            plan.rest.ratings,
        )

        def train(tiles):
            return _kernels_tiles.sgd_tiles(
                P,
                Q,
                model,
                self.data.n_users,
                self.data.n_items,
                tiles,
                *ratings,
                *rest,
                self.data.levels,
                self._thresholds,
                *self._options,
            )

        if self.n_threads == 1 or plan.rest.ratings.size > 0:  # which conflict with any tile
            n_pseudo_labels = train(plan.tiles)
        else:
            n_blocks = (padded.shape[1] // self.tile_side for padded in (P, Q))
            levels = independent_tiles(plan.tiles, *n_blocks)
            n_pseudo_labels = run_levels(train, levels, self.n_threads)
        self.user_factors[model, plan.user_order] = P[model, : self.data.n_users]
        self.item_factors[model, plan.item_order] = Q[model, : self.data.n_items]
        if attack is not None:
            self.run_attack(model, attack, rng)
        return n_pseudo_labels

    def run_attack(self, model, term, rng):
        """Descend the attack loss once for each known user, in random order."""
        P, Q = self.user_factors[model], self.item_factors[model]
        learning_rate, _, _ = self._options
        users, last_items, masked = term.draw(P, Q, rng)
        _kernels.sgd_attack(
            P,
            Q,
            users,
            last_items,
            term.target_items,
            masked,
            np.float32(term.goal),
            np.float32(term.weight) * learning_rate,
            np.float32(term.margin),
        )

    def validation_loss(self):
        """Return the mean squared error of model 0 on the validation ratings."""
        return _kernels.squared_error(
            self.user_factors[0], self.item_factors[0], *self.data.validation
        )

    def factors(self):
        """Return a copy of the user and item factors of all models."""
        return self.user_factors.copy(), self.item_factors.copy()
