"""What MFRecommender and TCDRecommender promise their users."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skrecsec import (
    ATRecommender,
    AverageAttackTransformer,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.model_selection import leave_one_out_split

both = pytest.mark.parametrize("cls", [MFRecommender, TCDRecommender])
solvers = pytest.mark.parametrize("solver", ["sgd", "adam", "adadelta"])


def two_tastes(n_users=80, n_items=60, seed=0):
    """Even users rate even items 5 and odd ones 1, odd users the other way round; 40% is seen."""
    rng = np.random.default_rng(seed)
    same = (np.arange(n_users)[:, None] + np.arange(n_items)) % 2 == 0
    return sp.csr_array(np.where(same, 5.0, 1.0) * (rng.random((n_users, n_items)) < 0.4)), same


@both
@solvers
def test_two_tastes_are_learned(cls, solver):
    X, same = two_tastes()
    batch_size = 64 if cls is MFRecommender else 225
    options = {} if cls is MFRecommender else {"n_pretrain_iter": 20}
    recommender = cls(
        16, solver=solver, batch_size=batch_size, random_state=0, max_iter=60, **options
    )
    if solver == "adam":
        recommender.set_params(learning_rate=0.01)
    items = recommender.fit(X).recommend(X, k=5)
    assert same[np.arange(80)[:, None], items].mean() > 0.95
    in_sample = recommender.user_factors_ @ recommender.item_factors_.T
    in_sample[X.nonzero()] = -np.inf
    assert same[np.arange(80), in_sample.argmax(axis=1)].mean() > 0.95


@both
def test_predict_folds_in_and_fit_predict_does_not(cls, ratings):
    recommender = cls(8, fold_in_reg=0.7, max_iter=5, random_state=0)
    in_sample = recommender.fit_predict(ratings)
    P, Q = recommender.user_factors_.astype(float), recommender.item_factors_.astype(float)
    assert P.shape == (120, 8)
    assert Q.shape == (90, 8)
    assert_allclose(in_sample, 5 * P @ Q.T)
    predicted = recommender.predict(ratings)
    for u in (0, 7, 119):
        items = ratings[[u]].indices
        A, r = Q[items], ratings[[u]].data / 5
        profile = np.linalg.solve(A.T @ A + 0.7 * np.eye(8), A.T @ r)
        assert_allclose(predicted[u], 5 * Q @ profile, rtol=1e-8)
    assert_array_equal(recommender.predict(ratings[[3]]).shape, (1, 90))


@both
def test_fitted_attributes(cls, ratings):
    recommender = cls(8, max_iter=8, random_state=0).fit(ratings)
    assert recommender.n_features_in_ == 90
    assert_array_equal(recommender.rating_levels_, [1, 2, 3, 4, 5])
    assert 1 <= recommender.best_iter_ <= recommender.n_iter_ <= 8
    assert len(recommender.history_) == recommender.n_iter_
    best = recommender.history_[recommender.best_iter_ - 1]
    assert best["epoch"] == recommender.best_iter_
    assert best["validation_loss"] == recommender.validation_loss_ > 0


def test_tcd_keeps_all_three_models_and_predicts_with_the_first(ratings):
    recommender = TCDRecommender(8, max_iter=6, random_state=0).fit(ratings)
    assert recommender.user_factors_all_.shape == (3, 120, 8)
    assert recommender.item_factors_all_.shape == (3, 90, 8)
    assert_array_equal(recommender.user_factors_, recommender.user_factors_all_[0])
    assert_array_equal(recommender.item_factors_, recommender.item_factors_all_[0])
    assert not np.allclose(recommender.user_factors_all_[1], recommender.user_factors_all_[0])


@solvers
def test_pretraining_precedes_pseudo_labels(solver, ratings):
    recommender = TCDRecommender(
        8, n_pretrain_iter=2.5, max_iter=5, solver=solver, random_state=0
    ).fit(ratings)
    labels = [record["n_pseudo_labels"] for record in recommender.history_]
    assert labels[:3] == [0, 0, 0]
    n_unobserved = 120 * 90 - 0.9 * ratings.nnz
    assert 0 < min(labels[3:]) <= max(labels[3:]) <= 3 * n_unobserved + 3
    assert recommender.best_iter_ > 3


def test_pseudo_label_ratio_is_proportional(ratings):
    X = make_ratings(500, 600, density=0.02, random_state=0)
    labels = [
        TCDRecommender(8, n_pretrain_iter=1, max_iter=2, pseudo_label_ratio=ratio, random_state=0)
        .fit(X)
        .history_[1]["n_pseudo_labels"]
        for ratio in (1.0, 0.25)
    ]
    assert labels[1] / labels[0] == pytest.approx(0.25, abs=0.05)


def test_automatic_pretraining_counts_visits():
    def n_pretrained(density):
        X = make_ratings(200, 200, density=density, random_state=0)
        history = TCDRecommender(4, random_state=0).fit(X).history_
        return sum(record["n_pseudo_labels"] == 0 for record in history)

    assert n_pretrained(0.3) == 1
    assert 2 < n_pretrained(0.03) < 20


def test_automatic_pretraining_leaves_most_epochs_for_cooperation():
    X = make_ratings(100, 200, density=0.02, random_state=0)
    history = TCDRecommender(4, max_iter=11, random_state=0).fit(X).history_
    assert sum(record["n_pseudo_labels"] == 0 for record in history) == 5


def test_a_fraction_of_an_epoch_trains_less_than_all_of_it(ratings):
    losses = [
        TCDRecommender(8, n_pretrain_iter=n, max_iter=2, random_state=0)
        .fit(ratings)
        .history_[0]["validation_loss"]
        for n in (0.1, 0.5, 1)
    ]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("cls", [TCDRecommender, ATRecommender])
def test_factors_of_pretraining_epochs_are_not_eligible(cls):
    schedule = cls(n_pretrain_iter=3, max_iter=7)._schedule(None, None, None)
    assert [epoch.eligible for epoch in schedule] == [False] * 3 + [True] * 4


@both
def test_without_validation_the_last_epoch_is_kept(cls, ratings):
    recommender = cls(8, validation_fraction=0, max_iter=7, random_state=0).fit(ratings)
    assert recommender.best_iter_ == recommender.n_iter_ == 7
    assert np.isnan(recommender.validation_loss_)


@both
def test_csr_matrix_and_names(cls, ratings):
    pandas = pytest.importorskip("pandas", reason="item names come from data frames")
    frame = pandas.DataFrame(ratings.toarray(), columns=[f"film {i}" for i in range(90)])
    recommender = cls(4, max_iter=5, random_state=0).fit(frame)
    assert recommender.feature_names_in_[3] == "film 3"
    expected = cls(4, max_iter=5, random_state=0).fit(sp.csr_matrix(ratings)).predict(ratings)
    assert_array_equal(recommender.predict(frame), expected)


@both
def test_scale_of_ratings_does_not_matter(cls, ratings):
    options = {"n_factors": 8, "max_iter": 5, "random_state": 0}
    small = cls(**options).fit(ratings).predict(ratings)
    large = cls(**options).fit(ratings * 20).predict(ratings * 20)
    assert_allclose(large, 20 * small, rtol=1e-4, atol=1e-4)


@both
def test_continuous_ratings(cls):
    rng = np.random.default_rng(0)
    X = sp.csr_array(rng.random((60, 50)) * (rng.random((60, 50)) < 0.3))
    recommender = cls(8, max_iter=5, random_state=0).fit(X)
    assert recommender.rating_levels_.size == 10
    assert np.isfinite(recommender.predict(X)).all()


@both
def test_verbose_prints_a_line_per_epoch(cls, ratings, capsys):
    recommender = cls(4, max_iter=5, random_state=0, verbose=1).fit(ratings)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == recommender.n_iter_
    assert lines[0].startswith(f"[{cls.__name__}] epoch 1")
    assert "validation_loss" in lines[0]


@both
def test_recommend_shape_and_errors(cls, ratings):
    recommender = cls(4, max_iter=5, random_state=0)
    with pytest.raises(NotFittedError):
        recommender.recommend(ratings)
    recommender.fit(ratings)
    assert recommender.recommend(ratings).shape == (120, 50)
    assert (recommender.recommend(ratings, k=95)[:, -1] == -1).all()
    for k in (0, -1, 2.5, "many", True):
        with pytest.raises(ValueError, match="k, the length of the list"):
            recommender.recommend(ratings, k=k)
    with pytest.raises(ValueError, match="90 features"):
        recommender.recommend(ratings[:, :80])
    with pytest.raises(ValueError, match="needed to score"):
        recommender.score(ratings, None)


@both
def test_blocks_do_not_change_recommendations(cls, ratings):
    import sklearn

    recommender = cls(4, max_iter=5, random_state=0).fit(ratings)
    expected = recommender.recommend(ratings, k=9)
    with sklearn.config_context(working_memory=0.01):  # a few rows
        assert_array_equal(recommender.recommend(ratings, k=9), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_factors": 0}, "'n_factors'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"solver": "lbfgs"}, "'solver'"),
        ({"learning_rate": 0}, "'learning_rate'"),
        ({"learning_rate": "fast"}, "'learning_rate'"),
        ({"reg": -1}, "'reg'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"validation_fraction": 1.0}, "'validation_fraction'"),
        ({"fold_in_reg": 0}, "'fold_in_reg'"),
        ({"random_state": "lucky"}, "'random_state'"),
        ({"device": "cuda"}, "solver='sgd' runs on device='cpu' only"),
        ({"solver": "adam", "device": "nonsense"}, "device='nonsense'"),
        ({"learning_rate": 1e6}, "lower learning_rate"),
    ],
)
@both
def test_bad_parameters(cls, parameters, message, ratings):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        cls(**parameters).fit(ratings)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_pretrain_iter": -1}, "'n_pretrain_iter'"),
        ({"n_pretrain_iter": 5, "max_iter": 5}, "n_pretrain_iter=5 must leave"),
        ({"pseudo_label_ratio": 0}, "'pseudo_label_ratio'"),
        ({"pseudo_label_ratio": 1.1}, "'pseudo_label_ratio'"),
    ],
)
def test_bad_parameters_of_tcd(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        TCDRecommender(**parameters).fit(ratings)


def test_import_and_sgd_leave_torch_alone():
    code = (
        "import sys, skrecsec; from skrecsec.datasets import make_ratings;"
        "skrecsec.TCDRecommender(4, max_iter=5).fit(make_ratings(60, 50, density=0.2));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- callbacks ---


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback", reason="scikit-learn >= 1.9 has callbacks")


class Recording:
    """Counts the tasks and stops after `stop_at` epochs."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.epochs = []
        self.predictions = []

    def setup(self, estimator, context):
        self.is_set_up = True

    def teardown(self, estimator, context):
        self.is_torn_down = True

    def on_fit_task_begin(self, estimator, context, *, X=None):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self.epochs.append(context.task_id)
            self.predictions.append(fitted_estimator.predict(X))
            return len(self.epochs) == self.stop_at
        return False


@both
@pytest.mark.usefixtures("callback")
def test_callbacks_follow_and_stop_the_epochs(cls, ratings):
    record = Recording(stop_at=4)
    recommender = cls(4, validation_fraction=0, random_state=0)
    recommender.set_callbacks(record).fit(ratings)
    assert record.is_set_up
    assert record.is_torn_down
    assert record.epochs == [0, 1, 2, 3]
    assert recommender.n_iter_ == 4
    assert not np.allclose(record.predictions[0], record.predictions[3])
    assert_array_equal(record.predictions[3], recommender.predict(ratings))


def test_scoring_monitor(callback, ratings):
    X, y = leave_one_out_split(ratings, random_state=0)
    monitor = callback.ScoringMonitor(
        scoring=lambda estimator, X, y: {"HR": HitRatioScorer(k=10)(estimator, X, y)}
    )
    recommender = MFRecommender(4, max_iter=5, random_state=0)
    recommender.set_callbacks(monitor).fit(X, y)
    (log,) = monitor.get_logs() if isinstance(monitor.get_logs(), list) else [monitor.get_logs()]
    scores = [row["HR"] for row in log.data if row["task_name"] == "epoch"]
    assert len(scores) == recommender.n_iter_


def test_progress_bar(callback, ratings):
    pytest.importorskip("rich", reason="the progress bar needs rich")
    MFRecommender(4, max_iter=5).set_callbacks(callback.ProgressBar()).fit(ratings)


# --- what it is all for; wide margins, fixed seeds ---


def test_mf_beats_the_item_means():
    X = make_ratings(random_state=0)
    rng = np.random.default_rng(0)
    in_test = rng.random(X.nnz) < 0.1
    rows, columns = X.nonzero()
    train = sp.csr_array((X.data[~in_test], (rows[~in_test], columns[~in_test])), shape=X.shape)
    counts = np.maximum(np.bincount(train.indices, minlength=X.shape[1]), 1)
    means = np.bincount(train.indices, train.data, minlength=X.shape[1]) / counts
    test = rows[in_test], columns[in_test]
    predicted = MFRecommender(random_state=0).fit_predict(train)[test]

    def rmse(values):
        return np.sqrt(np.mean((values - X.data[in_test]) ** 2))

    assert rmse(predicted) < 0.9 * rmse(means[test[1]])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_attack_works_and_the_defense_defends(seed):
    X, y = leave_one_out_split(make_ratings(random_state=seed), random_state=seed)
    attack = AverageAttackTransformer(random_state=seed)
    poisoned = attack.fit_transform(X)
    clean = MFRecommender(random_state=seed).fit(X)
    attacked = MFRecommender(random_state=seed).fit(poisoned)
    defended = TCDRecommender(random_state=seed).fit(poisoned)
    target_hr = TargetHitRatioScorer(attack.target_items_)
    assert target_hr(clean, X) < 0.05
    assert target_hr(attacked, X) > 0.3
    assert target_hr(defended, X) < 0.05
    assert defended.score(X, y) > attacked.score(X, y) + 0.05
