"""Adapters of `lenskit` and `cornac`: these libraries themselves, not stand-ins."""

import pickle
import sys
import threading
import time

import cornac.models as cornac_models
import lenskit.basic as lenskit_basic
import lenskit.pipeline as lenskit_pipeline
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from cornac.data import Dataset
from lenskit import als, knn, score
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.flexmf import FlexMFImplicitScorer
from lenskit.training import TrainingOptions
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer, hit_ratio_score
from skrecsec.model_selection import WeakGeneralization, leave_one_out_split
from skrecsec.recommenders import CornacRecommender, EASERecommender, LenskitRecommender


def lenskit_scorers():
    return [
        als.ImplicitMFScorer(embedding_size=5),
        als.ImplicitMFScorer(embedding_size=5, use_ratings=True),
        als.BiasedMFScorer(embedding_size=5),
        knn.ItemKNNScorer(feedback="implicit"),
        knn.ItemKNNScorer(),
        knn.UserKNNScorer(feedback="implicit"),
        knn.UserKNNScorer(),
        knn.EASEScorer(regularization=20),
        knn.SLIMScorer(),
        lenskit_basic.BiasScorer(),
        lenskit_basic.PopScorer(),
    ]


def cornac_kinds():
    return [
        cornac_models.BPR(k=5, learning_rate=0.05),
        cornac_models.WBPR(k=5, learning_rate=0.05),
        cornac_models.MF(k=5),
        cornac_models.MF(k=5, use_bias=False, learning_rate=0.02),
        cornac_models.MF(k=5, backend="pytorch"),
        cornac_models.SVD(k=5),
        cornac_models.NMF(k=5),
        cornac_models.PMF(k=5),
        cornac_models.PMF(k=5, variant="linear"),
        cornac_models.HPF(k=5),
        cornac_models.EASE(lamb=20),
        cornac_models.ItemKNN(k=10),
        cornac_models.ItemKNN(k=10, similarity="pearson", mean_centered=True),
        cornac_models.VAECF(k=5, n_epochs=10),
        cornac_models.BiVAECF(k=5, n_epochs=10),
    ]


def wrapped():
    return [
        *(LenskitRecommender(scorer) for scorer in lenskit_scorers()),
        *(CornacRecommender(model) for model in cornac_kinds()),
    ]


EACH = pytest.mark.parametrize("model", wrapped(), ids=lambda model: type(model.model).__name__)
BOTH = pytest.mark.parametrize("cls", [LenskitRecommender, CornacRecommender])


# --- the contract: tests/test_common.py has the checks of it, and scikit-learn's ---


@EACH
def test_every_kind_keeps_the_contract(model, ratings):
    """Predictions are pure, finite, the same with the same seed, and survive pickling."""
    X = ratings[:60]
    model = clone(model).set_params(random_state=0).fit(X)
    scores = model.predict(ratings)
    assert scores.shape == ratings.shape
    assert np.isfinite(scores).all()
    scale = np.abs(scores).max()
    assert_allclose(model.predict(ratings[[100, 7]]), scores[[100, 7]], atol=1e-5 * scale)
    assert_array_equal(clone(model).fit(X).predict(ratings), scores)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(ratings), scores)
    in_sample = model.predict_training_rows(np.arange(60))
    assert in_sample.shape == X.shape
    assert_array_equal(model.predict_training_rows([7]), in_sample[[7]])
    assert_array_equal(clone(model).fit_predict(X), in_sample)


@EACH
def test_folding_in_agrees_with_what_the_library_scores(model, ratings):
    """On the users of the training; both rank their unrated items alike."""
    in_sample = model.set_params(random_state=0).fit_predict(ratings)
    folded = model.predict(ratings)
    correlations = [
        np.corrcoef(a[unrated], b[unrated])[0, 1]
        for a, b, unrated in zip(in_sample, folded, ratings.toarray() == 0, strict=True)
    ]
    assert np.median(correlations) > 0.8


@EACH
def test_global_random_states_are_left_alone(model, ratings):
    import torch

    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    model.set_params(random_state=0).fit(ratings).predict(ratings)
    assert_array_equal(np.random.get_state()[1], states[0])
    assert_array_equal(torch.get_rng_state(), states[1])


def talks(model):
    """Return whether a model prints whatever it is told."""
    return type(model).__name__ == "HPF" or getattr(model, "backend", "") == "pytorch"


@pytest.mark.parametrize("model", [model for model in wrapped() if not talks(model.model)])
def test_nothing_is_printed(model, ratings, capfd):
    clone(model).fit(ratings).predict(ratings)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_cornac_shows_its_progress_if_asked(ratings, capfd):
    CornacRecommender(random_state=0, verbose=1).fit(ratings)
    assert "Optimization finished" in capfd.readouterr().out


@BOTH
def test_seeds_go_through(cls, ratings):
    first, again, other = (
        cls(random_state=seed).fit(ratings).predict(ratings) for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_without_a_seed_that_of_the_model_holds(ratings):
    models = [cornac_models.BPR(k=5, seed=seed) for seed in (3, 3, 4)]
    first, again, other = (CornacRecommender(m).fit(ratings).predict(ratings) for m in models)
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


@BOTH
def test_a_threshold_leaves_lower_ratings_out(cls, ratings):
    kept = sp.csr_array(np.where(ratings.toarray() >= 4, ratings.toarray(), 0))
    expected = cls(random_state=0).fit(kept).predict(kept)
    scores = cls(interactions=4, random_state=0).fit(ratings).predict(ratings)
    assert_array_equal(scores, expected)


# --- the other library's model ---


@pytest.mark.parametrize(
    ("scorer", "as_pipeline"),
    [
        (scorer, as_pipeline)
        for scorer in lenskit_scorers()
        for as_pipeline in (False, True)
        # There are no pipelines whose scorer does not ask for whom.
        if not (as_pipeline and isinstance(scorer, lenskit_basic.PopScorer))
    ],
)
def test_lenskit_scores_new_users(scorer, as_pipeline, ratings):
    """As it does when it is asked without us."""
    model = lenskit_pipeline.topn_pipeline(scorer) if as_pipeline else scorer
    given = pickle.dumps(model)
    wrapped = LenskitRecommender(model, random_state=5).fit(ratings)
    assert pickle.dumps(model) == given, "the given model is left alone"

    ids = np.arange(ratings.shape[1])
    rows, columns = ratings.nonzero()
    frame = pd.DataFrame({"user_id": rows, "item_id": columns, "rating": ratings.data})
    pipeline = lenskit_pipeline.topn_pipeline(scorer)
    seed = np.random.RandomState(5).randint(2**31 - 1)
    (pipeline if as_pipeline else scorer).train(
        from_interactions_df(frame), TrainingOptions(rng=seed)
    )
    profiles = sp.csr_array(ratings[:4, ::-1])
    scores = wrapped.predict(profiles)
    for row in range(4):
        part = slice(*profiles.indptr[row : row + 2])
        history = ItemList(item_ids=profiles.indices[part], rating=profiles.data[part])
        if isinstance(scorer, lenskit_basic.PopScorer):
            expected = scorer(ItemList(item_ids=ids)).scores()
        else:
            expected = score(pipeline, RecQuery(history_items=history), ids).scores()
        known = np.isfinite(expected)
        assert known.any()
        assert_allclose(scores[row, known], expected[known], rtol=1e-5, atol=1e-5)
        assert (scores[row, ~known] < expected[known].min()).all()


def test_lenskit_without_any_score_serves_what_is_popular():
    X = sp.csr_array(np.kron(np.eye(2), np.ones((4, 3)))[:, :5])  # the last item is alone
    X = sp.block_array([[X, None], [None, sp.csr_array([[1.0]])]], format="csr")
    model = LenskitRecommender(knn.ItemKNNScorer(feedback="implicit")).fit(X)
    assert_allclose(model.predict(X[[-1]])[0], X.toarray().mean(axis=0))
    # Of those with a score, the others rank below.
    assert_array_equal(model.recommend(X[[0]], k=6, exclude_seen=False)[0], [0, 1, 2, 3, 4, 5])


def test_components_of_lenskit_that_learn_nothing(ratings):
    class Long(lenskit_pipeline.Component):
        """Scores by the length of the history."""

        config: None

        def __call__(self, query: RecQuery, items: ItemList) -> ItemList:
            return ItemList(items, scores=np.full(len(items), len(query.history_items)))

    scores = LenskitRecommender(Long()).fit(ratings).predict(ratings[:5])
    assert_array_equal(scores, np.tile(np.diff(ratings.indptr[:6])[:, None], 90))


@pytest.mark.parametrize("name", ["EASE", "ItemKNN", "VAECF"])
def test_cornac_scores_profiles_in_place_of_users(name, ratings):
    model = next(model for model in cornac_kinds() if type(model).__name__ == name)
    recommender = CornacRecommender(model, random_state=0)
    in_sample = recommender.fit_predict(ratings)
    assert_allclose(recommender.predict(ratings), in_sample, rtol=1e-4, atol=1e-7)
    assert len(np.unique(in_sample.round(5), axis=0)) > 100, "users differ"


def test_neighbors_of_cornac_that_know_one_level_have_no_means_to_take_off(ratings):
    model = cornac_models.ItemKNN(k=10)
    recommender = CornacRecommender(model, values="interactions", random_state=0)
    in_sample = recommender.fit_predict(ratings)
    assert recommender.model_.min_rating == recommender.model_.max_rating == 1
    assert_allclose(recommender.predict(ratings), in_sample, rtol=1e-4, atol=1e-7)


def test_ease_of_cornac_is_ours(ratings):
    theirs = CornacRecommender(cornac_models.EASE(lamb=20, posB=False)).fit(ratings)
    ours = EASERecommender(20).fit(ratings)
    assert_allclose(theirs.predict(ratings), ours.predict(ratings), atol=1e-5)


@pytest.mark.parametrize("model", cornac_kinds(), ids=lambda model: type(model).__name__)
def test_cornac_fits_as_without_us(model, ratings):
    """From triplets, in the order of users and items; the given model is left alone."""
    reads = isinstance(
        model, (cornac_models.MF, cornac_models.NMF, cornac_models.PMF, cornac_models.ItemKNN)
    )
    given = pickle.dumps(model)
    scores = CornacRecommender(model, random_state=5).fit_predict(ratings)
    assert pickle.dumps(model) == given
    users, items = ratings.nonzero()
    names = {
        f"global_{kind}_map": {i: i for i in range(n)}
        for kind, n in zip(("uid", "iid"), ratings.shape, strict=True)
    }
    values = ratings.data if reads else np.ones(ratings.nnz)
    data = zip(users.tolist(), items.tolist(), values.tolist(), strict=True)
    seed = np.random.RandomState(5).randint(2**31 - 1)
    theirs = model.clone({"seed": seed, "verbose": False})
    theirs.fit(Dataset.build(list(data), **names, seed=seed))
    expected = [np.ravel(theirs.score(user)) for user in range(ratings.shape[0])]
    assert_allclose(scores, expected, rtol=1e-5, atol=1e-7)


def test_rating_models_of_cornac_fold_in_by_ridge_regression(ratings):
    recommender = CornacRecommender(cornac_models.MF(k=3), fold_in_reg=2.0, random_state=0)
    model = recommender.fit(ratings).model_
    factors = np.column_stack([model.i_factors.astype(float), np.ones(ratings.shape[1])])
    biases = model.global_mean + model.i_biases
    row = ratings[[4]]
    Q = factors[row.indices]
    right = Q.T @ (row.data - biases[row.indices])
    profile = np.linalg.solve(Q.T @ Q + 2 * np.eye(4), right)
    assert_allclose(recommender.predict(row)[0], factors @ profile + biases, rtol=1e-5)


def test_what_cornac_is_given(ratings):
    levels = {}
    for values in ("auto", "interactions", "ratings"):
        for model in (cornac_models.MF(k=2), cornac_models.EASE()):
            fitted = CornacRecommender(model, values=values).fit(ratings).model_
            levels[values, type(model).__name__] = fitted.max_rating
    highest = ratings.data.max()
    assert levels == {
        ("auto", "MF"): highest,
        ("auto", "EASE"): 1,
        ("interactions", "MF"): 1,
        ("interactions", "EASE"): 1,
        ("ratings", "MF"): highest,
        ("ratings", "EASE"): highest,
    }


def test_a_fitted_model_of_cornac_is_not_gone_on_with(ratings):
    fitted = CornacRecommender(random_state=0).fit(ratings).model_
    before = fitted.u_factors.copy()
    X = ratings[:50]
    model = CornacRecommender(fitted, random_state=1).fit(X)
    assert_array_equal(fitted.u_factors, before)
    assert model.model_.u_factors.shape[0] == 50
    fresh = CornacRecommender(fitted.clone(), random_state=1).fit(X)
    assert_array_equal(model.predict(X), fresh.predict(X))


# --- what is refused ---


@BOTH
@pytest.mark.parametrize("model", ["bpr", 3, type, EASERecommender()])
def test_what_is_no_model_is_refused(cls, model, ratings):
    with pytest.raises(ValueError, match="model must be a"):
        cls(model).fit(ratings)


@pytest.mark.parametrize("name", ["UserKNN", "MostPop", "BaselineOnly", "COE", "GCMC", "SANSA"])
def test_models_of_cornac_without_a_way_for_profiles_are_refused(name, ratings):
    with pytest.raises(ValueError, match=r"cannot be folded into .*: what is needed is EASE"):
        CornacRecommender(getattr(cornac_models, name)()).fit(ratings)


def test_models_of_cornac_that_would_not_learn_from_the_ratings_are_refused(ratings):
    with pytest.raises(ValueError, match="trainable=False"):
        CornacRecommender(cornac_models.BPR(trainable=False)).fit(ratings)
    start = {"V": np.zeros((3, 10), dtype=np.float32)}
    with pytest.raises(ValueError, match="init_params"):
        CornacRecommender(cornac_models.BPR(init_params=start)).fit(ratings)


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # torch's own
def test_models_of_lenskit_that_do_not_read_histories_are_refused(ratings):
    scorer = FlexMFImplicitScorer(embedding_size=2, epochs=1)
    with pytest.raises(ValueError, match="scores the users of its training only"):
        LenskitRecommender(scorer).fit(ratings)
    builder = lenskit_pipeline.PipelineBuilder()
    builder.create_input("query", int)
    with pytest.raises(ValueError, match="without a component named 'scorer'"):
        LenskitRecommender(builder.build()).fit(ratings)


@pytest.mark.parametrize(
    ("cls", "module", "extra"),
    [
        (LenskitRecommender, "lenskit.parallel", "lenskit"),
        (CornacRecommender, "cornac.models", "cornac"),
    ],
)
def test_without_the_package_the_extra_is_named(cls, module, extra, ratings, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"skrecsec\[{extra}\]"):
        cls().fit(ratings)


def test_factors_of_other_items_are_refused(ratings):
    model = CornacRecommender(random_state=0).fit(ratings)
    model.model_ = CornacRecommender(random_state=0).fit(ratings[:, :50]).model_
    with pytest.raises(ValueError, match="has 50 items, not 90"):
        model.predict(ratings)


# --- together with everything else ---


@BOTH
def test_in_a_pipeline_and_in_parallel(cls, ratings):
    X, y = leave_one_out_split(ratings, random_state=0)
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), cls(random_state=0))
    options = {
        "cv": WeakGeneralization(2),
        "scoring": {"HR": HitRatioScorer(10), "target": TargetHitRatioScorer(k=10)},
    }
    serial, parallel = (cross_validate(pipeline, X, y, **options, n_jobs=n) for n in (1, 2))
    for name in ("test_HR", "test_target"):
        assert_array_equal(serial[name], parallel[name])
    assert serial["test_HR"].min() > 0.2


@BOTH
def test_threads_are_as_before(cls, ratings):
    import threadpoolctl
    import torch
    from torch import multiprocessing

    def state():
        pools = {
            pool["filepath"]: pool["num_threads"]
            for pool in threadpoolctl.threadpool_info()
            if pool["filepath"] in known
        }
        return pools, torch.get_num_threads(), multiprocessing.get_sharing_strategy()

    known = {pool["filepath"] for pool in threadpoolctl.threadpool_info()}
    before = state()
    cls(random_state=0).fit(ratings).predict(ratings)
    assert state() == before


@BOTH
def test_in_several_python_threads(cls, ratings):
    expected = cls(random_state=0).fit(ratings).predict(ratings)
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(cls(random_state=0).fit(ratings).predict(ratings))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for scores in results:
        assert_array_equal(scores, expected)


@pytest.mark.parametrize(
    ("model", "bars"),
    [
        (LenskitRecommender(random_state=0), (0.61, 0.88)),
        (LenskitRecommender(knn.EASEScorer(regularization=300)), (0.62, 0.88)),
        (CornacRecommender(random_state=0), (0.60, 0.87)),
        (CornacRecommender(cornac_models.EASE(lamb=300, posB=False)), (0.62, 0.88)),
        (CornacRecommender(cornac_models.MF(), random_state=0), (0.13, 0.09)),
        (CornacRecommender(cornac_models.PMF(), random_state=0), (0.14, 0.55)),
        (CornacRecommender(cornac_models.NMF(), random_state=0), (0.04, 0.0)),
    ],
    ids=lambda value: "",
)
def test_quality_on_the_published_splits(model, bars, published_splits):
    for (X, y), bar in zip(published_splits, bars, strict=True):
        model.fit(X)
        start = time.perf_counter()
        hit_ratio = HitRatioScorer(50)(model, X, y)
        assert time.perf_counter() - start < 30
        assert hit_ratio >= bar
        in_sample = model.predict_training_rows(np.arange(X.shape[0]))
        assert hit_ratio > hit_ratio_score(y, in_sample, k=50, seen=X) - 0.02
