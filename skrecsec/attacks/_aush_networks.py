"""The generative adversarial network of AUSH: a generator of ratings, and a judge of profiles.

To be imported late: torch takes seconds.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import softplus

from skrecsec.utils._memory import check_memory


class Adam:
    """Adam (Kingma & Ba, 2015).

    The first optimiser of torch's in a process takes a second to import: hence it is not used.
    """

    _BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8

    def __init__(self, parameters, learning_rate: float):
        self._parameters = parameters
        self._moments = [parameter.new_zeros((2, *parameter.shape)) for parameter in parameters]
        self._learning_rate = learning_rate
        self._n_steps = 0

    def step(self, loss):
        """Take one step down the gradient of a loss that was computed with the parameters."""
        gradients = torch.autograd.grad(loss, self._parameters)
        self._n_steps += 1
        step_size = self._learning_rate / (1 - self._BETA1**self._n_steps)
        correction = 1 - self._BETA2**self._n_steps
        with torch.no_grad():
            for parameter, gradient, (mean, square) in zip(
                self._parameters, gradients, self._moments, strict=True
            ):
                mean.lerp_(gradient, 1 - self._BETA1)
                square.lerp_(gradient.square(), 1 - self._BETA2)
                scale = (square / correction).sqrt_().add_(self._EPS)
                parameter.addcdiv_(mean, scale, value=-step_size)


class Perceptron:
    """A perceptron of rectified linear units, trained by Adam.

    Modules of torch draw their weights from its global random state when they are made: hence none
    is used.
    """

    def __init__(self, sizes, learning_rate: float, rng):
        """Draw the weights of layers with the given numbers of units, Xavier-uniform."""
        self.parameters = []
        n_weights = sum(a * b for a, b in pairwise(sizes))
        # Drawn in double precision, trained in single with two moments and a gradient.
        check_memory(24 * n_weights, f"A network with layers of {sizes} units has too many weights")
        for n_inputs, n_outputs in pairwise(sizes):
            bound = np.sqrt(6 / (n_inputs + n_outputs))
            weights = rng.uniform(-bound, bound, (n_inputs, n_outputs))
            self.parameters += [tensor(weights), tensor(np.zeros(n_outputs))]
        for parameter in self.parameters:
            parameter.requires_grad_()
        self._adam = Adam(self.parameters, learning_rate)

    def __call__(self, x):
        """Return the outputs of the last layer, (n_rows, n_outputs), before any non-linearity."""
        *hidden, last = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for weights, bias in hidden:
            x = (x @ weights + bias).relu()
        return x @ last[0] + last[1]

    def step(self, loss):
        """Take one step down the gradient of a loss that was computed with this network."""
        self._adam.step(loss)


class AdversarialNetworks:
    """The generator, which rates selected items, and the discriminator, which judges profiles.

    Fillers come in as CSR, ratings of selected items as arrays, 0 where there is none, all on the
    scale of the data; the networks see them divided by the highest level. The shilling loss drives
    ratings to `shilling_aim`: those of `n_shilled` items of its own, or of the selected ones for 0.
    """

    def __init__(
        self,
        *,
        n_items,
        n_selected,
        n_shilled,
        shilling_aim,
        n_hidden,
        rating_range,
        loss_weights,
        learning_rate,
        rng,
    ):
        self._lowest, self._highest = (float(level) for level in rating_range)
        self._n_selected = n_selected
        self._first_shilled = n_selected if n_shilled else 0
        self._shilling_aim = float(shilling_aim) / self._highest
        self._loss_weights = loss_weights
        sizes = [n_items, n_hidden, n_selected + n_shilled]
        self.generator = Perceptron(sizes, learning_rate, rng)
        self.discriminator = Perceptron(
            [n_items + n_selected, n_hidden, n_hidden, 1], learning_rate, rng
        )

    def rate(self, fillers) -> np.ndarray:
        """Return the generator's ratings of the selected items, (n_profiles, n_selected)."""
        ratings, _ = self._generate(tensor(fillers.toarray() / self._highest))
        return ratings.detach().numpy().astype(np.float64) * self._highest

    def step(self, fillers, selected):
        """Train the discriminator, then the generator, on a batch of templates."""
        fillers = tensor(fillers.toarray() / self._highest)
        genuine = tensor(selected / self._highest)
        rated = (genuine > 0).to(genuine.dtype)
        generated, shilled = self._generate(fillers)
        on_genuine = self._judge(fillers, genuine)
        on_generated = self._judge(fillers, generated.detach() * rated)
        self.discriminator.step(discriminator_loss(on_genuine, on_generated))
        judgement = self._judge(fillers, generated * rated)
        shortfalls = self._shilling_aim - shilled
        loss = generator_loss(judgement, generated, genuine, rated, shortfalls, *self._loss_weights)
        self.generator.step(loss)

    def _generate(self, fillers):
        """Return the ratings of the selected items and those that the shilling loss acts on."""
        lowest = self._lowest / self._highest
        ratings = lowest + (1 - lowest) * self.generator(fillers).sigmoid()
        return ratings[:, : self._n_selected], ratings[:, self._first_shilled :]

    def _judge(self, fillers, selected):
        """Return the log-odds, to the discriminator, that profiles are genuine."""
        return self.discriminator(torch.cat([fillers, selected], dim=1))


def discriminator_loss(on_genuine, on_generated):
    """Return the mean negative log-likelihood of both labels, given log-odds of being genuine."""
    return softplus(-on_genuine).mean() + softplus(on_generated).mean()


def generator_loss(
    judgement,
    generated,
    genuine,
    rated,
    shortfalls,
    reconstruction_weight: float,
    shilling_weight: float,
):
    """Return adversarial, reconstruction and shilling loss together.

    `judgement` is the discriminator's on the generated profiles, `rated` is 1 where a template has
    rated a selected item, `shortfalls` are what ratings lack of those aimed at; all ratings are on
    the [0, 1] scale.
    """
    adversarial = softplus(-judgement).mean()
    errors = (generated - genuine).square() * rated
    reconstruction = errors.sum() / rated.sum().clamp(min=1)
    shilling = shortfalls.square().mean()
    return adversarial + reconstruction_weight * reconstruction + shilling_weight * shilling


def tensor(array):
    """Return an array in single precision."""
    # A copy, in memory that torch has aligned: the bits of its products may depend on that.
    return torch.tensor(array, dtype=torch.float32, device="cpu")
