"""The schedule of the triple cooperative defense."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec import TCDRecommender
from skrecsec.datasets import make_ratings
from skrecsec.recommenders import _tcd


def is_cooperative(recommender):
    return [record["n_pseudo_labels"] > 0 for record in recommender.history_]


def losses(recommender):
    return [record["validation_loss"] for record in recommender.history_]


def test_a_pretraining_epoch_is_not_kept_even_if_it_has_the_lowest_loss(ratings):
    recommender = TCDRecommender(
        8, n_pretrain_iter=15, max_iter=16, learning_rate=0.2, random_state=0
    ).fit(ratings)
    assert np.argmin(losses(recommender)) < 15
    assert recommender.best_iter_ == 16
    assert recommender.validation_loss_ == losses(recommender)[15]


def test_part_of_an_epoch_of_pretraining_is_part_of_the_work(ratings):
    options = {"max_iter": 8, "learning_rate": 0.3, "random_state": 0}
    parts, first = [0.25, 0.5, 0.75, 1], []
    for part in parts:
        recommender = TCDRecommender(8, n_pretrain_iter=part, **options).fit(ratings)
        assert is_cooperative(recommender)[:2] == [False, True]
        first.append(losses(recommender)[0])
    assert (np.diff(first) < -0.05).all()

    recommender = TCDRecommender(8, n_pretrain_iter=1.5, **options).fit(ratings)
    assert is_cooperative(recommender)[:3] == [False, False, True]
    assert losses(recommender)[0] == first[-1]  # a whole epoch, then half of one


def test_no_pretraining_at_all(ratings):
    recommender = TCDRecommender(8, n_pretrain_iter=0, max_iter=3, random_state=0).fit(ratings)
    assert all(is_cooperative(recommender))


@pytest.mark.parametrize(("max_iter", "n_pretrain"), [(1, 0), (2, 0), (3, 1), (7, 3), (8, 3)])
def test_automatic_pretraining_takes_less_than_half_of_the_epochs(max_iter, n_pretrain):
    X = make_ratings(200, 200, density=0.03, random_state=0)  # wants 8 epochs of it
    recommender = TCDRecommender(4, max_iter=max_iter, random_state=0).fit(X)
    assert_array_equal(is_cooperative(recommender), np.arange(max_iter) >= n_pretrain)


def test_the_three_models_are_different_ones(ratings):
    recommender = TCDRecommender(8, n_pretrain_iter=1, max_iter=2, random_state=0).fit(ratings)
    models = recommender.user_factors_all_
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(models[a] - models[b]).max() > 0.1


def test_with_one_level_every_cell_becomes_a_pseudo_rating(ratings):
    """Implicit feedback: there is nothing to disagree on."""
    X = (ratings > 0).astype(float)
    recommender = TCDRecommender(4, n_pretrain_iter=1, max_iter=3, random_state=0).fit(X)
    n_train = X.nnz - int(0.1 * X.nnz)
    assert recommender.history_[1]["n_pseudo_labels"] == 3 * (120 * 90 - n_train)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_callbacks_are_shown_the_factors_of_the_first_model(solver, ratings):
    pytest.importorskip("sklearn.callback", reason="scikit-learn >= 1.9 has callbacks")

    class KeepsFactors:
        def __init__(self):
            self.factors = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                self.factors.append(
                    (fitted_estimator.user_factors_, fitted_estimator.item_factors_)
                )

    callback = KeepsFactors()
    recommender = TCDRecommender(8, solver=solver, max_iter=6, random_state=0)
    recommender.set_callbacks(callback).fit(ratings)
    user_factors, item_factors = callback.factors[recommender.best_iter_ - 1]
    assert_array_equal(recommender.user_factors_, user_factors)
    assert_array_equal(recommender.item_factors_, item_factors)


def test_an_affordable_share_is_all_of_few_cells(ratings):
    options = {"max_iter": 2, "n_pretrain_iter": 0, "random_state": 0}
    auto = TCDRecommender(8, pseudo_label_ratio="auto", **options).fit(ratings)
    every = TCDRecommender(8, **options).fit(ratings)
    assert_array_equal(auto.user_factors_all_, every.user_factors_all_)


@pytest.mark.parametrize(("per_rating", "fewest"), [(3, 1), (1e-9, 4000)])
def test_an_affordable_share_is_a_number_of_cells(monkeypatch, per_rating, fewest):
    """So many per rating, those set aside for validation included, but no fewer than some."""
    monkeypatch.setattr(_tcd, "_CELLS_PER_RATING", per_rating)
    monkeypatch.setattr(_tcd, "_FEWEST_CELLS", fewest)
    X = make_ratings(150, 120, density=0.1, random_state=0)
    share = max(per_rating * X.nnz, fewest) / (150 * 120)
    assert 0.2 < share < 0.4
    options = {"max_iter": 2, "n_pretrain_iter": 0, "random_state": 0}
    auto = TCDRecommender(8, pseudo_label_ratio="auto", **options).fit(X)
    same = TCDRecommender(8, pseudo_label_ratio=share, **options).fit(X)
    assert_array_equal(auto.user_factors_all_, same.user_factors_all_)


def test_the_share_is_a_number_or_auto(ratings):
    with pytest.raises(ValueError, match="pseudo_label_ratio"):
        TCDRecommender(pseudo_label_ratio="all").fit(ratings)
