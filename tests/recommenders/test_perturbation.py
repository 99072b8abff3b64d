"""The perturbations of adversarial training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skrecsec import ATRecommender


def test_random_directions_are_unit_vectors_without_a_preferred_one():
    recommender = ATRecommender(6, perturbation="random", epsilon=0.4)
    perturbation = recommender._draw_perturbation(np.random.default_rng(0))
    directions = perturbation.directions
    assert (perturbation.epsilon, perturbation.is_adversarial) == (0.4, False)
    assert directions.dtype == np.float32
    assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    assert_allclose(directions.mean(axis=0), 0, atol=0.08)  # five standard deviations
    chosen = perturbation.choose((500, 2))
    assert chosen.min() >= 0
    assert chosen.max() < directions.shape[0]
    assert np.unique(chosen).size > 500


def test_adversarial_directions_are_those_of_the_gradient():
    perturbation = ATRecommender(6)._draw_perturbation(np.random.default_rng(0))
    assert perturbation.is_adversarial
    assert perturbation.directions.shape == (0, 6)


@pytest.mark.parametrize("perturbation", ["adversarial", "random"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adadelta"])
def test_the_perturbed_objective_trains_too(perturbation, solver, ratings):
    """It costs some fit to the ratings, not all of it."""
    recommender = ATRecommender(
        8, perturbation=perturbation, solver=solver, batch_size=128, random_state=0
    ).fit(ratings)
    losses = [record["validation_loss"] for record in recommender.history_]
    assert recommender.validation_loss_ < 0.5 * losses[0]
    assert recommender.validation_loss_ == min(losses[5:])
