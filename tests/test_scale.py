"""No step of fitting, recommending or scoring holds a dense users x items array."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.pipeline import make_pipeline

import skrecsec
from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.metrics import HitRatioScorer, RobustnessImprovementScorer, TargetHitRatioScorer
from skrecsec.model_selection import leave_one_out_split
from skrecsec.utils._estimator_checks._tools import prepared

SHAPE = (3000, 2500)
DENSE = 4 * SHAPE[0] * SHAPE[1]  # bytes, in single precision
FAST = {"n_factors": 4, "max_iter": 3, "n_pretrain_iter": 1, "pseudo_label_ratio": 0.02}


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(SHAPE[0]), 4)
    items = rng.integers(SHAPE[1], size=users.size)
    matrix = sp.coo_array((np.ones(users.size), (users, items)), shape=SHAPE).tocsr()
    matrix.data = rng.integers(1, 6, size=matrix.nnz).astype(float)
    return matrix


@pytest.fixture(scope="module")
def recommender(wide):
    return MFRecommender(4, max_iter=2, random_state=0).fit(wide)


def peak_memory(function):
    """Return the bytes that a call allocates at most, on top of what there is."""
    with sklearn.config_context(working_memory=1):
        function()  # compiles, imports and fills caches
        tracemalloc.start()
        try:
            function()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


# Where the factors are those of another model, these are few as well; and profiles that are given.
OPTIONS = {
    **{
        name: lambda: {"recommender": MFRecommender(4, max_iter=2)}
        for name in (
            "BaggedRecommender",
            "ExposureGate",
            "FilteredRecommender",
            "WeightedRecommender",
        )
    },
    "BlackBoxAttackTransformer": lambda: {"victim": MFRecommender(4, max_iter=2), "max_iter": 6},
    "CooperativeRecommender": lambda: {"estimator": MFRecommender(4, max_iter=2)},
    "CornacRecommender": lambda: {"model": pytest.importorskip("cornac.models").BPR(k=4)},
    "SimulatedAttackDetector": lambda: {"n_simulations": 1},
    "FixedAttackTransformer": lambda: {
        "profiles": sp.csr_array(([5.0] * 9, ([0] * 9, range(9))), shape=(3, SHAPE[1])),
        "target_items": [3, 7],
    },
}


SLOW = ("CornacRecommender", "DLAttackTransformer", "LenskitRecommender", "TNAAttackTransformer")


# EASE, what is made of it and the attack through it hold an array of items x items, as they say.
HAS_PAIRS_OF_ITEMS = {"EASEAttackTransformer", "EASERecommender", "RecommendedDefense"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in sorted(set(skrecsec.__all__) - HAS_PAIRS_OF_ITEMS)
        if isinstance(getattr(skrecsec, name), type)
    ],
)
def test_fit(name, wide):
    estimator = prepared(getattr(skrecsec, name)(**OPTIONS.get(name, dict)()))
    estimator.set_params(**{k: v for k, v in FAST.items() if k in estimator.get_params()})
    # Here users have few ratings: 46 features of each are no less than a fourth of all cells.
    share = 3 if name == "SimulatedAttackDetector" else 4
    assert peak_memory(lambda: estimator.fit(wide)) < DENSE / share


def test_recommend(recommender, wide):
    assert peak_memory(lambda: recommender.recommend(wide, k=5)) < DENSE / 4


def test_the_measure_measures(recommender, wide):
    assert peak_memory(lambda: recommender.predict(wide)) > DENSE


@pytest.mark.parametrize(
    "scorer",
    [
        HitRatioScorer(k=5),
        TargetHitRatioScorer([7, 99], k=5),
        RobustnessImprovementScorer(MFRecommender(4, max_iter=2, random_state=0), k=5),
    ],
    ids=lambda scorer: type(scorer).__name__,
)
def test_scorers(scorer, wide):
    train, y = leave_one_out_split(wide, random_state=0)
    attack = AverageAttackTransformer(target_items=[7, 99], attack_size=1.0, random_state=0)
    pipeline = make_pipeline(attack, MFRecommender(4, max_iter=2, random_state=0)).fit(train)
    assert peak_memory(lambda: scorer(pipeline, train, y)) < DENSE / 4
