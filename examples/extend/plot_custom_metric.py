"""
Your own metric in 30 lines
===========================

A scorer is a function of a fitted estimator, profiles and hidden items:
``scorer(estimator, X, y)``. Whatever can be computed of rankings will do, and goes wherever
scikit-learn takes ``scoring``.

Our question: a recommender that shows everybody the same popular items is hard to attack. Is that
robustness, or has it just given up on recommending? We measure how much of the catalog is
recommended to anybody at all.
"""

# %%
# The metric
# ----------
# ``predict`` returns a score for each profile and item, that of a pipeline, too. Rated items have
# no place in a list, and what a recommender withholds has a score of minus infinity.
from dataclasses import dataclass

import numpy as np


def coverage_score(scores, *, k, seen):
    """Return the share of the items that are in anybody's list of k."""
    scores = np.where(seen.toarray() > 0, -np.inf, scores)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    is_listed = np.isfinite(np.take_along_axis(scores, best, axis=1))
    return np.unique(best[is_listed]).size / scores.shape[1]


@dataclass
class CoverageScorer:
    """Scorer of the share of the catalog that is recommended."""

    k: int = 50

    def __call__(self, estimator, X, y=None):
        return coverage_score(estimator.predict(X), k=self.k, seen=X)


# %%
# Is it right?
# ------------
# A case that can be worked out by hand, and what has to hold for any: rated items do not count, the
# order of users does not matter, and a longer list covers no less.
import scipy.sparse as sp

scores = np.array([[9.0, 8.0, 1.0, 0.0], [0.0, 8.0, 9.0, 1.0]])
seen = sp.csr_array([[5, 0, 0, 0], [0, 0, 5, 0]])
assert coverage_score(scores, k=1, seen=seen) == 0.25  # item 1, twice
assert coverage_score(scores, k=2, seen=seen) == 0.75  # items 1, 2 and 3
assert coverage_score(scores[::-1], k=2, seen=seen[[1, 0]]) == 0.75

# %%
# With and without an attack
# --------------------------
# Six recommenders, each behind an attack on models of its kind, and two scorers: ours, and that of
# the targets.
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skrecsec import (
    EASEAttackTransformer,
    EASERecommender,
    ExposureGate,
    ItemKNNRecommender,
    MFRecommender,
    PopularityRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import TargetHitRatioScorer
from skrecsec.model_selection import WeakGeneralization, leave_one_out_split

X, y = leave_one_out_split(
    make_ratings(400, 400, density=0.04, random_state=0), random_state=0
)
recommenders = {
    "MF": MFRecommender(n_factors=32, random_state=0),
    "TCD": TCDRecommender(n_factors=32, random_state=0),
    "Popularity": PopularityRecommender(),
    "ItemKNN": ItemKNNRecommender(),
    "EASE": EASERecommender(reg=100.0),
    "EASE, gate": ExposureGate(EASERecommender(reg=100.0)),
}
scoring = {
    "coverage": CoverageScorer(k=50),
    "targets": TargetHitRatioScorer(k=50),
}
results = {}
for name, recommender in recommenders.items():
    results[name] = cross_validate(
        make_pipeline(EASEAttackTransformer(random_state=0), recommender),
        X,
        y,
        cv=WeakGeneralization(n_splits=1),
        scoring=scoring,
    )
    coverage, targets = (results[name][f"test_{s}"].mean() for s in scoring)
    print(
        f"{name:11} coverage@50 {coverage:.2f}, HR@50 of targets {targets:.3f}"
    )

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
for name, result in results.items():
    x, height = result["test_targets"].mean(), result["test_coverage"].mean()
    ax.plot(x, height, "o", color="#0072B2", markersize=9)
    ax.annotate(
        name, (x, height), (9, 0), textcoords="offset points", va="center"
    )
ax.set(xlim=(-0.03, 0.85), ylim=(0, 1.03), title="Robust, or just monotonous?")
ax.set_xlabel("HR@50 of targets under attack (share of users and targets)")
ax.set_ylabel("Share of the items that anybody is recommended")
ax.grid(alpha=0.3)
plt.show()

# %%
# The list of what is popular is robust because it has nothing else to say: its lists share a third
# of the catalog. TCD shows that robustness need not be dull. The gate, which bounds how often an
# item is shown, makes room for others: with it, EASE recommends more of the catalog, and the
# targets less often.
