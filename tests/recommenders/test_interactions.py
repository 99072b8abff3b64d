"""Recommenders of implicit feedback: popularity, item neighbors, EASE, and other libraries'."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import NMF, TruncatedSVD
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer, hit_ratio_score
from skrecsec.model_selection import WeakGeneralization, leave_one_out_split
from skrecsec.recommenders import (
    APRRecommender,
    BPRRecommender,
    DecompositionRecommender,
    EASERecommender,
    ImplicitRecommender,
    ItemKNNRecommender,
    PopularityRecommender,
    VATRecommender,
    _ease,
)

MODELS = [
    PopularityRecommender(),
    ItemKNNRecommender(),
    EASERecommender(),
    BPRRecommender(8, max_iter=20, random_state=0),
    APRRecommender(8, max_iter=20, random_state=0),
    VATRecommender(8, max_iter=20, random_state=0),
    DecompositionRecommender(random_state=0),
    ImplicitRecommender(random_state=0),
]


def ones(ratings, threshold=0):
    return (ratings.toarray() > threshold).astype(float)


# --- what counts as an interaction ---


@pytest.mark.parametrize("model", MODELS)
def test_values_do_not_matter_unless_there_is_a_threshold(model, ratings):
    other = ratings.copy()
    other.data = np.where(other.data >= 4, 5.0, 1.0)
    assert_array_equal(model.fit(ratings).predict(ratings), model.fit(other).predict(other))


@pytest.mark.parametrize("model", MODELS)
def test_a_threshold_leaves_lower_ratings_out(model, ratings):
    kept = sp.csr_array(np.where(ratings.toarray() >= 4, ratings.toarray(), 0))
    expected = model.fit(kept).predict(kept)
    model = type(model)(**model.get_params() | {"interactions": 4})
    assert_array_equal(model.fit(ratings).predict(ratings), expected)
    with pytest.raises(ValueError, match=r"interactions=6: no rating is that high"):
        model.set_params(interactions=6).fit(ratings)
    model.set_params(interactions=4).fit(ratings)
    # What is rated low is rated, and not recommended; who rates nothing high gets the popular.
    low = sp.csr_array(([1.0, 2.0], ([0, 0], [3, 7])), shape=(1, ratings.shape[1]))
    popularity = ones(ratings, 3.5).mean(axis=0)
    assert_allclose(model.predict(low)[0], popularity)
    best = np.argsort(-popularity, kind="stable")
    assert_array_equal(model.recommend(low, k=5)[0], best[~np.isin(best, [3, 7])][:5])


# --- single models against oracles ---


def test_popularity_counts(ratings):
    assert_allclose(
        PopularityRecommender().fit(ratings).predict(ratings),
        np.tile(ones(ratings).mean(axis=0), (ratings.shape[0], 1)),
    )


def test_ease_by_its_formula(ratings):
    B = ones(ratings)
    P = np.linalg.inv(B.T @ B + 20 * np.eye(B.shape[1]))
    W = -P / np.diag(P)
    np.fill_diagonal(W, 0)
    model = EASERecommender(20.0).fit(ratings)
    assert_allclose(model.item_weights_, W, atol=1e-6)
    assert_allclose(model.predict(ratings), B @ W, atol=1e-5)


def test_ease_of_few_users_is_the_same_model(ratings, monkeypatch):
    few = sp.csr_array(ratings[:11])
    model = EASERecommender(20.0).fit(few)
    by_users, weights = model.predict(ratings), model.item_weights_
    monkeypatch.setattr(_ease, "_FEW_USERS", 90)
    by_items = EASERecommender(20.0).fit(few)
    assert_allclose(weights, by_items.item_weights_, atol=1e-6)
    assert_allclose(by_users, by_items.predict(ratings), atol=1e-5)
    # Of a profile alone as of all, to the last bit.
    assert_array_equal(model.predict(ratings[:3]), by_users[:3])
    alone = np.vstack([model.predict(ratings[[row]]) for row in range(3)])
    assert_array_equal(alone, by_users[:3])


def test_ease_of_few_users_says_when_the_penalty_is_too_small():
    X = sp.csr_array(np.eye(2, 16))
    with pytest.raises(ValueError, match="increase reg"):
        EASERecommender(1e-300).fit(X)


def test_ease_has_no_weights_before_it_is_fitted():
    assert not hasattr(EASERecommender(), "item_weights_")


@pytest.mark.parametrize("n_items", [1, 31, 32, 33, 90])
def test_ease_divides_by_columns_to_the_bit(n_items):
    rng = np.random.default_rng(0)
    symmetric = rng.normal(size=(n_items, n_items))
    symmetric += symmetric.T + 4 * np.eye(n_items)
    symmetric[3:5] = symmetric[:, 3:5] = -0.0  # items that meet no other
    symmetric.flat[:: n_items + 1] += 1
    expected = np.zeros((n_items, n_items), np.float32)
    for i in range(n_items):
        for j in range(n_items):
            if i != j:
                entry = np.float32(0) + np.float32(symmetric[i, j])
                expected[i, j] = entry / -np.float32(symmetric[j, j])
    given = np.where(np.tri(n_items, dtype=bool), symmetric, np.nan)  # which is not looked at
    weights = np.empty_like(expected)
    _ease._divide_columns(given, weights)
    assert weights.tobytes() == expected.tobytes()


def test_ease_adds_weights_up_in_order_whatever_the_lengths():
    """Four weights at a time and the rest, in strips of columns of which the last is short."""
    rng = np.random.default_rng(0)
    lengths = [0, 1, 2, 3, 4, 5, 8, 11]
    items = [rng.permutation(1100)[:length] for length in lengths]
    X = sp.csr_array(
        (np.ones(sum(lengths)), np.concatenate(items), np.cumsum([0, *lengths])), (8, 1100)
    )
    ease = EASERecommender()
    ease.item_weights_ = rng.normal(size=(1100, 1100)).astype(np.float32)
    expected = np.zeros((8, 1100), dtype=np.float32)
    for row, rated in enumerate(items):
        for item in rated:
            expected[row] += ease.item_weights_[item]
    assert_array_equal(ease._score_profiles(X), expected)


def test_ease_weights_are_optimal(ratings):
    """The gradient of the penalised squared error vanishes off the diagonal."""
    B, W = ones(ratings), EASERecommender(20.0).fit(ratings).item_weights_.astype(float)
    gradient = B.T @ (B @ W - B) + 20 * W
    off = ~np.eye(W.shape[0], dtype=bool)
    assert np.abs(gradient[off]).max() < 1e-4
    assert np.abs(gradient[~off]).min() > 0.1


def test_ease_refuses_what_does_not_fit_before_it_starts(ratings, monkeypatch):
    monkeypatch.setattr(_ease, "available_memory", lambda: 12 * 90**2 - 1)
    model = EASERecommender()
    with pytest.raises(ValueError, match=r"needs 0\.0 GiB for 90 items.*drop items.*ItemKNN"):
        model.fit(ratings)
    assert not hasattr(model, "n_features_in_")
    monkeypatch.setattr(_ease, "available_memory", lambda: 12 * 90**2)
    model.fit(ratings)


def test_ease_says_when_the_penalty_is_too_small():
    X = sp.csr_array(np.ones((3, 4)))
    with pytest.raises(ValueError, match="increase reg"):
        EASERecommender(1e-300).fit(X)


@pytest.mark.parametrize("shrinkage", [0.0, 7.0])
def test_item_neighbors_by_brute_force(shrinkage, ratings):
    B = ones(ratings)
    common, counts = B.T @ B, B.sum(axis=0)
    n_items = B.shape[1]
    expected = np.zeros((n_items, n_items))
    for i in range(n_items):
        similarity = np.zeros(n_items)
        for j in range(n_items):
            if i != j and common[i, j] > 0:
                similarity[j] = common[i, j] / (np.sqrt(counts[i] * counts[j]) + shrinkage)
        nearest = [j for j in np.argsort(-similarity, kind="stable") if similarity[j] > 0][:6]
        expected[i, nearest] = similarity[nearest]
    model = ItemKNNRecommender(6, shrinkage=shrinkage).fit(ratings)
    assert_allclose(model.similarities_.toarray(), expected)
    assert_allclose(model.predict(ratings), B @ expected.T)


def test_item_neighbors_do_not_depend_on_blocks(ratings):
    import sklearn

    whole = ItemKNNRecommender(6).fit(ratings).similarities_.toarray()
    with sklearn.config_context(working_memory=0.01):
        assert_array_equal(ItemKNNRecommender(6).fit(ratings).similarities_.toarray(), whole)


@pytest.mark.parametrize("decomposition", [TruncatedSVD(5, random_state=0), NMF(5, random_state=0)])
@pytest.mark.parametrize("values", ["interactions", "ratings"])
def test_decompositions_fold_in_by_themselves(decomposition, values, ratings):
    data = ones(ratings) if values == "interactions" else ratings.toarray()
    model = DecompositionRecommender(decomposition, values=values).fit(ratings)
    fitted = decomposition.fit(sp.csr_array(data))
    expected = fitted.transform(sp.csr_array(data)) @ fitted.components_
    assert_allclose(model.predict(ratings), expected, rtol=1e-6, atol=1e-8)


def test_decompositions_take_the_seed(ratings):
    models = [DecompositionRecommender(NMF(5), random_state=s).fit(ratings) for s in (0, 0, 1)]
    first, again, other = (model.predict(ratings) for model in models)
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_what_is_no_decomposition_is_refused(ratings):
    from sklearn.preprocessing import MaxAbsScaler

    with pytest.raises(ValueError, match="must have components_"):
        DecompositionRecommender(MaxAbsScaler()).fit(ratings)
    with pytest.raises(ValueError, match="'decomposition' parameter"):
        DecompositionRecommender("svd").fit(ratings)


def test_folding_into_rankings_is_a_regression_on_the_trained_factors(ratings):
    model = BPRRecommender(5, max_iter=10, fold_in_reg=0.5, random_state=0).fit(ratings)
    B, Q = ones(ratings), model.item_factors_.astype(float)
    sums = B @ (Q - Q.mean(axis=0)) / np.sqrt(B.sum(axis=1, keepdims=True))
    P = model.user_factors_.astype(float)
    W = np.linalg.lstsq(
        np.vstack([sums, np.sqrt(0.5) * np.eye(5)]), np.vstack([P, np.zeros((5, 5))]), rcond=None
    )[0]
    assert_allclose(model.fold_in_matrix_, W, rtol=1e-6)
    assert_allclose(model.predict(ratings), sums @ W @ Q.T + model.item_biases_, rtol=1e-6)
    assert_allclose(model.fit_predict(ratings), P @ Q.T + model.item_biases_, rtol=1e-6, atol=1e-9)


def test_bpr_says_when_it_diverges(ratings):
    with pytest.raises(ValueError, match="choose a lower learning_rate"):
        BPRRecommender(learning_rate=1e30, random_state=0).fit(ratings)


@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
def test_bpr_by_popularity_compares_with_rated_items_only(negatives, ratings):
    X = ratings.toarray()
    X[:, 7] = 0
    model = BPRRecommender(4, max_iter=3, negatives=negatives, random_state=0).fit(X)
    assert (model.item_biases_[7] == 0) == (negatives == "popularity")
    assert np.count_nonzero(model.item_biases_) >= 89


def test_bpr_tells_of_epochs(ratings, capsys):
    BPRRecommender(2, max_iter=2, verbose=1, random_state=0).fit(ratings)
    assert capsys.readouterr().out.splitlines() == [
        "[BPRRecommender] epoch 1 of 2",
        "[BPRRecommender] epoch 2 of 2",
    ]


@pytest.mark.parametrize(("n_pretrain_iter", "n_alike"), [("auto", 4), (5, 5)])
def test_apr_is_bpr_until_perturbations_set_in(n_pretrain_iter, n_alike, ratings):
    bpr, longer = (
        BPRRecommender(6, max_iter=n, random_state=0).fit(ratings) for n in (n_alike, n_alike + 1)
    )
    seen = []

    class Watched(APRRecommender):
        def _run_epoch(self, solver, plan, epoch):
            super()._run_epoch(solver, plan, epoch)
            seen.append(solver.item_factors.copy())

    Watched(6, max_iter=8, n_pretrain_iter=n_pretrain_iter, random_state=0).fit(ratings)
    assert_array_equal(seen[n_alike - 1], bpr.item_factors_)
    assert not np.array_equal(seen[n_alike], longer.item_factors_)
    assert len(seen) == 8


def test_apr_needs_an_epoch_for_itself(ratings):
    with pytest.raises(ValueError, match="n_pretrain_iter=80 must leave at least one"):
        APRRecommender(n_pretrain_iter=80).fit(ratings)
    assert APRRecommender(2, max_iter=1, random_state=0).fit(ratings).n_iter_ == 1


def test_vat_moves_those_farther_who_are_fitted_better():
    class Fitted:
        def user_losses(self, plan):
            return np.array([0.5, np.nan, 0.1, 0.9, 0.0])

    lengths = VATRecommender(epsilon=0.3)._epsilons(Fitted(), None)
    assert lengths[0] == pytest.approx(0.6 / (1 + np.exp(1 - 0.375 / 0.5)))
    assert lengths[3] < lengths[0] < lengths[2] < lengths[4] == pytest.approx(0.6)
    assert_allclose(lengths[1], 0.6 / (1 + np.e))
    assert VATRecommender(epsilon=0.3)._epsilons(Fitted(), None).min() > 0.3 * 0.53


def test_vat_is_apr_where_all_are_fitted_alike(ratings):
    class Alike(VATRecommender):
        def _epsilons(self, solver, plan):
            losses = solver.user_losses(plan)
            solver.user_losses = lambda plan: np.full(losses.size, 0.4)
            return super()._epsilons(solver, plan)

    options = {"n_factors": 6, "max_iter": 6, "epsilon": 0.5, "random_state": 0}
    apr, alike, vat = (
        cls(**options).fit(ratings) for cls in (APRRecommender, Alike, VATRecommender)
    )
    assert_allclose(alike.item_factors_, apr.item_factors_, rtol=1e-5, atol=1e-6)
    assert not np.allclose(vat.item_factors_, apr.item_factors_, rtol=1e-3, atol=1e-4)


# --- implicit ---


def test_als_is_that_of_implicit(ratings):
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=8, regularization=1.0, random_state=3, num_threads=1)
    wrapped = ImplicitRecommender(model).fit(ratings)
    assert model.user_factors is None, "the given model is left alone"
    model.fit(sp.csr_matrix(ones(ratings), dtype=np.float32), show_progress=False)
    assert_array_equal(
        wrapped.fit_predict(ratings),
        model.user_factors.astype(float) @ model.item_factors.astype(float).T,
    )
    # One more solution for the users, given the items, is what folding in is.
    assert_allclose(wrapped.predict(ratings), wrapped.fit_predict(ratings), atol=0.2)


@pytest.mark.parametrize("name", ["als", "bpr", "lmf"])
def test_seeds_go_through(name, ratings):
    predictions = [
        ImplicitRecommender(name, random_state=seed).fit(ratings).predict(ratings)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(predictions[0], predictions[1])
    assert not np.allclose(predictions[0], predictions[2])


def test_neighbors_of_implicit(ratings):
    from implicit.nearest_neighbours import CosineRecommender

    model = ImplicitRecommender(CosineRecommender(10)).fit(ratings)
    assert_allclose(model.predict(ratings), ones(ratings) @ model.model_.similarity.toarray())
    assert_array_equal(model.fit_predict(ratings), model.predict(ratings))


def test_a_model_without_threads_or_a_seed(ratings):
    class Popular:
        """The least that a model of implicit has."""

        def fit(self, matrix, show_progress):
            self.similarity = sp.csr_matrix(np.tile(matrix.sum(axis=0), (matrix.shape[1], 1)))

    model = ImplicitRecommender(Popular(), random_state=0).fit(ratings)
    assert vars(model.model_).keys() == {"similarity"}
    B = ones(ratings)
    assert_allclose(model.predict(ratings), np.outer(B.sum(axis=1), B.sum(axis=0)))


def test_factors_of_other_items_are_refused(ratings):
    model = ImplicitRecommender(random_state=0).fit(ratings)
    model.model_.item_factors = model.model_.item_factors[:50]
    with pytest.raises(ValueError, match="has factors of 50 items, not of 90"):
        model.predict(ratings)


@pytest.mark.parametrize("model", ["svd", 3, None, ImplicitRecommender, type])
def test_what_is_no_model_is_refused(model, ratings):
    with pytest.raises(ValueError, match="model must be a model of implicit, or one of 'als'"):
        ImplicitRecommender(model).fit(ratings)


def test_without_implicit_the_extra_is_named(ratings, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(ImportError, match=r"skrecsec\[implicit\]"):
        ImplicitRecommender().fit(ratings)


# --- together with everything else ---


def test_victims_in_a_search_and_in_parallel(ratings):
    X, y = leave_one_out_split(ratings, random_state=0)
    pipeline = make_pipeline(AverageAttackTransformer(random_state=0), MODELS[0])
    scoring = {"HR": HitRatioScorer(10), "target": TargetHitRatioScorer(k=10)}
    cv = WeakGeneralization(1)
    serial, parallel = (
        cross_validate(pipeline, X, y, cv=cv, scoring=scoring, n_jobs=n_jobs) for n_jobs in (1, 2)
    )
    assert_array_equal(serial["test_HR"], parallel["test_HR"])
    grid = {"popularityrecommender": MODELS}
    search = GridSearchCV(pipeline, grid, cv=cv, scoring=scoring, refit="HR").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_target"]).all()
    assert search.best_index_ != 0, "any of them ranks better than popularity"


@pytest.mark.parametrize(
    ("model", "bars"),
    [
        (PopularityRecommender(), (0.32, 0.86)),
        (ItemKNNRecommender(), (0.55, 0.87)),
        (EASERecommender(), (0.61, 0.88)),
        (BPRRecommender(random_state=0), (0.59, 0.87)),
        (APRRecommender(random_state=0), (0.57, 0.88)),
        (VATRecommender(random_state=0), (0.55, 0.88)),
        (ImplicitRecommender("als", random_state=0), (0.60, 0.86)),
        (ImplicitRecommender("bpr", random_state=0), (0.52, 0.78)),
        (ImplicitRecommender("lmf", random_state=0), (0.52, 0.85)),
        (DecompositionRecommender(random_state=0), (0.58, 0.78)),
    ],
    ids=lambda value: "",
)
def test_quality_on_the_published_splits(model, bars, published_splits):
    for (X, y), bar in zip(published_splits, bars, strict=True):
        hit_ratio = HitRatioScorer(50)(model.fit(X), X, y)
        assert hit_ratio >= bar
        if hasattr(model, "predict_training_rows"):  # folding in loses nothing
            in_sample = model.predict_training_rows(np.arange(X.shape[0]))
            assert hit_ratio > hit_ratio_score(y, in_sample, k=50, seen=X) - 0.02
