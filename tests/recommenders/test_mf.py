"""Details of training and predicting that all factor models share, shown on the plainest one."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.model_selection import leave_one_out_split

solvers = pytest.mark.parametrize("solver", ["sgd", "adam", "adadelta"])


def fit(X, **parameters):
    return MFRecommender(**{"n_factors": 8, "max_iter": 5, "random_state": 0, **parameters}).fit(X)


@pytest.mark.parametrize("seed", [0, 1])
def test_training_stops_after_five_epochs_without_improvement(seed, ratings):
    recommender = fit(ratings, max_iter=300, random_state=seed)
    losses = [record["validation_loss"] for record in recommender.history_]
    assert recommender.n_iter_ == recommender.best_iter_ + 5 < 300
    assert recommender.best_iter_ == 1 + np.argmin(losses)


def test_more_epochs_extend_a_fit(ratings):
    short, long = fit(ratings, max_iter=3), fit(ratings, max_iter=6)
    assert long.history_[:3] == short.history_


@solvers
def test_low_rank_ratings_are_completed(solver):
    """Ratings p . q of rank 2, a third of which is held back."""
    rng = np.random.default_rng(0)
    full = rng.uniform(0.5, 1, (90, 2)) @ rng.uniform(0.5, 1, (2, 70))
    observed = rng.random(full.shape) < 2 / 3
    recommender = fit(
        sp.csr_array(full * observed),
        solver=solver,
        max_iter=300,
        batch_size=64,
        learning_rate={"sgd": 0.1, "adam": 0.01, "adadelta": 5.0}[solver],
    )
    scores = recommender.fit_predict(sp.csr_array(full * observed))
    error = np.sqrt(np.mean((scores - full)[~observed] ** 2))
    assert error < full.std() / 4


def test_users_who_were_not_there_are_recommended_what_their_group_likes():
    rng = np.random.default_rng(0)
    same = (np.arange(80)[:, None] + np.arange(60)) % 2 == 0
    X = sp.csr_array(np.where(same, 5.0, 1.0) * (rng.random(same.shape) < 0.4))
    recommender = fit(X[:60], max_iter=60, n_factors=16)
    items = recommender.recommend(X[60:], k=5)
    assert same[60 + np.arange(20)[:, None], items].mean() > 0.95


def test_a_profile_without_ratings_is_ranked_by_popularity(ratings):
    counts = np.bincount(ratings.indices, minlength=90)
    model = fit(ratings)
    assert_array_equal(model.predict(sp.csr_array((2, 90))), np.tile(counts / 120, (2, 1)))
    best = np.argsort(-counts, kind="stable")[:4]
    assert_array_equal(model.recommend(sp.csr_array((1, 90)), k=4), [best])


def test_strong_folding_regularisation_shrinks_predictions(ratings):
    sizes = [np.abs(fit(ratings, fold_in_reg=reg).predict(ratings)).mean() for reg in (1, 10, 100)]
    assert sizes[0] > sizes[1] > sizes[2] > 0


@solvers
def test_reg_shrinks_the_factors(solver, ratings):
    options = {"solver": solver, "validation_fraction": 0, "max_iter": 20, "batch_size": 128}
    reg = 0.3 if solver == "sgd" else 10.0
    plain, shrunk = fit(ratings, **options), fit(ratings, reg=reg, **options)
    assert np.square(shrunk.item_factors_).mean() < 0.7 * np.square(plain.item_factors_).mean()


@pytest.mark.parametrize("solver", ["adam", "adadelta"])
def test_batch_size_matters_to_the_minibatch_solvers_only(solver, ratings):
    large, small = (fit(ratings, solver=solver, batch_size=size) for size in (2048, 100))
    assert not np.allclose(large.item_factors_, small.item_factors_)
    large, small = (fit(ratings, batch_size=size) for size in (2048, 100))
    assert_array_equal(large.item_factors_, small.item_factors_)


@pytest.mark.parametrize("solver", ["adam", "adadelta"])
def test_a_loss_that_is_not_finite_is_divergence_even_if_the_factors_are(solver, ratings):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="lower learning_rate"):
        fit(ratings, solver=solver, max_iter=1, learning_rate=1e20)


def test_a_random_state_instance_goes_on_between_fits(ratings):
    state = np.random.RandomState(0)
    first, second = fit(ratings, random_state=state), fit(ratings, random_state=state)
    assert not np.array_equal(first.item_factors_, second.item_factors_)
    again = fit(ratings, random_state=np.random.RandomState(0))
    assert_array_equal(first.item_factors_, again.item_factors_)


def test_without_a_random_state_fits_differ(ratings):
    first, second = fit(ratings, random_state=None), fit(ratings, random_state=None)
    assert not np.array_equal(first.item_factors_, second.item_factors_)


def test_refitting_forgets_the_first_fit(ratings):
    recommender = fit(ratings[:50, :40])
    expected = fit(ratings)
    recommender.fit(ratings)
    assert recommender.n_features_in_ == 90
    assert_array_equal(recommender.predict(ratings), expected.predict(ratings))


def test_fitting_leaves_its_input_alone(ratings):
    X = ratings.copy()
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    recommender = fit(X)
    recommender.recommend(X, k=3)
    assert_array_equal(X.toarray(), ratings.toarray())


def test_clones_are_unfitted_and_pickles_are_fitted(ratings):
    recommender = fit(ratings)
    assert not hasattr(clone(recommender), "item_factors_")
    restored = pickle.loads(pickle.dumps(recommender))
    assert_array_equal(restored.recommend(ratings, k=3), recommender.recommend(ratings, k=3))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_tiny_matrices(shape, solver):
    recommender = fit(np.full(shape, 3.0), solver=solver)
    assert np.isfinite(recommender.predict(np.full(shape, 3.0))).all()
    assert recommender.recommend(np.zeros(shape), k=1).shape == (shape[0], 1)


def test_ratings_of_another_scale_may_be_predicted(ratings):
    """Levels are those of the training data; a profile is divided by their highest all the same."""
    recommender = fit(ratings)
    assert_allclose(recommender.predict(2 * ratings), 2 * recommender.predict(ratings))


class TestDataFrames:
    """Item names are checked where they are given, and asked for no more often than that."""

    @pytest.fixture
    def frame(self, ratings):
        pandas = pytest.importorskip("pandas", reason="item names come from data frames")
        X, y = leave_one_out_split(ratings, random_state=0)
        return pandas.DataFrame(X.toarray(), columns=[f"film {i}" for i in range(90)]), y

    def test_other_names_are_refused(self, frame):
        X, _ = frame
        recommender = fit(X)
        with pytest.raises(ValueError, match="feature names"):
            recommender.predict(X.rename(columns={"film 0": "book 0"}))
        with pytest.raises(ValueError, match="feature names"):
            recommender.recommend(X[X.columns[::-1]])

    @pytest.mark.parametrize(
        "score",
        [
            lambda recommender, X, y: recommender.score(X, y),
            HitRatioScorer(),
            TargetHitRatioScorer([1, 2]),
        ],
        ids=["score", "HitRatioScorer", "TargetHitRatioScorer"],
    )
    def test_scoring_a_frame_does_not_warn_about_names(self, frame, score):
        X, y = frame
        recommender = fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score(recommender, X, y)

    def test_an_attack_knows_the_names(self, frame):
        X, _ = frame
        attack = AverageAttackTransformer(random_state=0).fit(X)
        assert attack.feature_names_in_[3] == "film 3"
        with pytest.raises(ValueError, match="feature names"):
            attack.transform(X[X.columns[::-1]])
