"""Adversarial training, and its random variant."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec import ATRecommender, MFRecommender

perturbations = pytest.mark.parametrize("perturbation", ["adversarial", "random"])
solvers = pytest.mark.parametrize("solver", ["sgd", "adam", "adadelta"])


@perturbations
@solvers
def test_pretraining_is_ordinary_training(perturbation, solver, ratings):
    options = {"n_factors": 8, "solver": solver, "random_state": 0}
    mf = MFRecommender(max_iter=4, **options).fit(ratings)
    at = ATRecommender(perturbation=perturbation, n_pretrain_iter=4, max_iter=6, **options).fit(
        ratings
    )
    losses = [record["validation_loss"] for record in at.history_]
    assert losses[:4] == [record["validation_loss"] for record in mf.history_]
    assert at.best_iter_ > 4


@solvers
def test_the_perturbation_matters(solver, ratings):
    options = {"n_factors": 8, "solver": solver, "random_state": 0, "max_iter": 8}
    fits = [
        ATRecommender(perturbation=perturbation, epsilon=epsilon, **options).fit(ratings)
        for perturbation, epsilon in (("adversarial", 0.5), ("random", 0.5), ("adversarial", 0))
    ]
    predictions = [fit.predict(ratings) for fit in fits]
    assert not np.allclose(predictions[0], predictions[1])
    assert not np.allclose(predictions[0], predictions[2])


@solvers
def test_without_epsilon_both_are_the_same(solver, ratings):
    options = {"n_factors": 8, "solver": solver, "random_state": 0, "epsilon": 0, "max_iter": 7}
    adversarial = ATRecommender(n_pretrain_iter=6, **options).fit(ratings)
    random = ATRecommender(n_pretrain_iter=6, perturbation="random", **options).fit(ratings)
    assert_array_equal(adversarial.user_factors_, random.user_factors_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"perturbation": "none"}, "'perturbation'"),
        ({"epsilon": -1}, "'epsilon'"),
        ({"n_pretrain_iter": 0.5}, "'n_pretrain_iter'"),
        ({"n_pretrain_iter": 5, "max_iter": 5}, "n_pretrain_iter=5 must leave"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        ATRecommender(**parameters).fit(ratings)
