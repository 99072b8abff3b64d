"""Detectors in searches: alone behind an attack, and before a recommender."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    FilteredRecommender,
    LockstepDetector,
    PopularityRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import DetectionScorer, HitRatioScorer, TargetHitRatioScorer, get_scorer
from skrecsec.model_selection import HeldOut, WeakGeneralization, leave_one_out_split
from skrecsec.utils._held_out import held_out_items


@pytest.fixture(scope="module")
def split():
    return leave_one_out_split(make_ratings(150, 120, density=0.15, random_state=0), random_state=0)


def forms(X, y):
    """Return the held-out items as an array, a sparse matrix, and rows of one."""
    matrix = held_out_items(y, *X.shape)
    return {"array": y, "matrix": matrix, "rows": HeldOut(matrix)}


@pytest.mark.parametrize("form", ["array", "matrix", "rows"])
def test_a_search_takes_the_detector_that_keeps_targets_out(split, form):
    X, y = split
    # The one that is blind calls nobody fake, the other one finds all of the fakes.
    blind, seeing = LockstepDetector(threshold=1e6), LockstepDetector()
    attack = AverageAttackTransformer(random_state=0, attack_size=0.08)
    pipeline = make_pipeline(attack, FilteredRecommender(recommender=PopularityRecommender()))
    search = GridSearchCV(
        pipeline,
        {"filteredrecommender__detector": [blind, seeing]},
        scoring={
            "robust": TargetHitRatioScorer(k=20, greater_is_better=False),
            "accurate": HitRatioScorer(k=20),
            "found": get_scorer("detection_recall"),
        },
        refit="robust",
        cv=WeakGeneralization(1),
    )
    search.fit(X, forms(X, y)[form])
    assert search.best_params_ == {"filteredrecommender__detector": seeing}
    results = search.cv_results_
    assert list(results["mean_test_found"]) == [0, 1]
    assert results["mean_test_robust"][0] < results["mean_test_robust"][1]
    assert (results["mean_test_accurate"] > 0).all()
    fake = np.arange(X.shape[0], X.shape[0] + 12)
    removed = search.best_estimator_[-1].removed_users_
    assert set(fake) <= set(removed)
    assert search.predict(X).shape == X.shape


@pytest.mark.parametrize("form", ["array", "matrix", "rows", None])
def test_a_search_over_the_parameters_of_a_detector(split, form):
    X, y = split
    attack = AverageAttackTransformer(random_state=0, attack_size=0.08)
    search = GridSearchCV(
        make_pipeline(attack, LockstepDetector()),
        {
            "lockstepdetector__evidence": [("items",), ("groups",)],
            "lockstepdetector__threshold": [3.0, 1e6],
        },
        scoring=DetectionScorer("f1"),
        cv=WeakGeneralization(1),
    )
    search.fit(X, None if form is None else forms(X, y)[form])
    assert search.best_params_["lockstepdetector__threshold"] == 3.0
    assert search.best_score_ > 0.9
    scores = search.cv_results_["mean_test_score"]
    assert list(scores[1::2]) == [0, 0]
    assert search.score(X) == DetectionScorer("f1")(search.best_estimator_)
