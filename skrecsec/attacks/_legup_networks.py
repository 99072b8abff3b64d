"""The generative adversarial network of Leg-UP, whose generator gives rating levels.

To be imported late: torch takes seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import softplus

from skrecsec.attacks._aush_networks import Adam, Perceptron, discriminator_loss, tensor


class LevelGenerator:
    """A perceptron whose outputs are cut into levels, at thresholds that are learned by item.

    A threshold starts in the middle between two levels, where outputs would be rounded.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,)
        Rating levels on the [0, 1] scale, at least two.

    n_items, n_hidden : int
        Number of inputs and outputs, and of units of the hidden layer.

    learning_rate : float
        Step size of Adam.

    rng : Generator
        Draws the weights.
    """

    def __init__(self, levels, n_items, n_hidden, learning_rate, rng):
        self._lowest = float(levels[0])
        self._gaps = tensor(np.diff(levels))
        middles = (levels[1:] + levels[:-1]) / 2
        # The softplus of what is learned is the distance from the threshold below.
        distances = np.log(np.expm1(np.diff(middles)))
        self.perceptron = Perceptron([n_items, n_hidden, n_items], learning_rate, rng)
        self.first = tensor(np.full(n_items, middles[0])).requires_grad_()
        self.distances = tensor(np.tile(distances, (n_items, 1))).requires_grad_()
        parameters = [*self.perceptron.parameters, self.first]
        if distances.size > 0:
            parameters.append(self.distances)
        self._adam = Adam(parameters, learning_rate)

    def thresholds(self):
        """Return where outputs pass from one level to the next, (n_items, n_levels - 1)."""
        first = self.first[:, None]
        return torch.cat([first, first + softplus(self.distances).cumsum(dim=1)], dim=1)

    def __call__(self, profiles, rows, items):
        """Return the levels, (n_ratings,), for some items of profiles, (n_profiles, n_items)."""
        outputs = self.perceptron(profiles).sigmoid()[rows, items]
        outputs = self._lowest + (1 - self._lowest) * outputs
        return self._lowest + step(outputs[:, None] - self.thresholds()[items], self._gaps)

    def step(self, loss):
        """Take one step down the gradient of a loss."""
        self._adam.step(loss)


def step(distances, gaps):
    """Return the sum of the gaps of levels at thresholds that are passed, (n_ratings,).

    `distances` are those from the thresholds, (n_ratings, n_thresholds). The derivative is that of
    hyperbolic tangents, as wide as the gaps.
    """
    smooth = (1 + (distances / gaps).tanh()) / 2
    passed = (distances > 0).to(smooth.dtype)
    return (smooth + (passed - smooth).detach()) @ gaps


class LegUPNetworks:
    """The generator, which rates what is kept of templates, and the judge of profiles.

    Profiles come in as CSR on the [0, 1] scale.
    """

    def __init__(self, levels, n_items, n_hidden, learning_rate, weights, rng):
        self._reconstruction_weight, self._attack_weight = weights
        self.generator = LevelGenerator(levels, n_items, n_hidden, learning_rate, rng)
        self.discriminator = Perceptron([n_items, n_hidden, n_hidden, 1], learning_rate, rng)

    def generate(self, fillers):
        """Return the ratings of what templates have rated, and the profiles of them.

        The shapes are (n_ratings,), as `fillers.data` has, and (n_profiles, n_items).
        """
        rows = np.repeat(np.arange(fillers.shape[0]), np.diff(fillers.indptr))
        places = torch.from_numpy(rows), torch.from_numpy(fillers.indices.astype(np.int64))
        templates = tensor(fillers.toarray())
        ratings = self.generator(templates, *places)
        return ratings, torch.zeros_like(templates).index_put(places, ratings)

    def reconstruct(self, fillers):
        """Train the generator to give the ratings of the templates."""
        ratings, _ = self.generate(fillers)
        self.generator.step((ratings - tensor(fillers.data)).square().mean())

    def judge(self, genuine, generated):
        """Train the discriminator to tell genuine profiles from generated ones."""
        on_genuine = self.discriminator(tensor(genuine.toarray()))
        on_generated = self.discriminator(generated.detach())
        self.discriminator.step(discriminator_loss(on_genuine, on_generated))

    def step(self, ratings, profiles, genuine, slopes):
        """Train the generator on what it has just generated.

        `genuine` are the ratings of the templates, `slopes` the derivatives of the attack loss by
        the generated ones.
        """
        loss = softplus(-self.discriminator(profiles)).mean()
        errors = (ratings - tensor(genuine)).square().mean()
        attack = (ratings * tensor(slopes)).mean()
        loss = loss + self._reconstruction_weight * errors + self._attack_weight * attack
        self.generator.step(loss)
