"""
Parallel cross-validation
=========================

A study of attacks and defenses is many fits that do not depend on one another. Each fit of this
package uses one core; to use several, tell scikit-learn's tools how many fits may run at a time, by
``n_jobs``. Since every estimator draws its random numbers from its own ``random_state``, the
results are the same however many that is, down to the last bit.

Here two attacks and three recommenders are cross-validated with one process and with two.
"""

# %%
# Pipelines and scores
# --------------------
# A pipeline is an attack and a recommender. Three scorers look at each of them: how often it finds
# the hidden ratings, how often it recommends the attacker's targets, and which share of the damage
# to an undefended recommender it undoes (RI, robustness improvement).
from sklearn.pipeline import make_pipeline

from skrecsec import (
    ATRecommender,
    AverageAttackTransformer,
    CoAttackTransformer,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import (
    HitRatioScorer,
    RobustnessImprovementScorer,
    TargetHitRatioScorer,
)
from skrecsec.model_selection import leave_one_out_split

X, y = leave_one_out_split(
    make_ratings(600, 500, random_state=0), random_state=0
)

attacks = {
    "Average": AverageAttackTransformer(random_state=0),
    "CoAttack": CoAttackTransformer(random_state=0),
}
recommenders = {
    "MF": MFRecommender(64, random_state=0),
    "AT": ATRecommender(64, random_state=0),
    "TCD": TCDRecommender(64, random_state=0),
}
scoring = {
    "test_hr": HitRatioScorer(k=50),
    "target_hr": TargetHitRatioScorer(k=50),
    "ri": RobustnessImprovementScorer(MFRecommender(64, random_state=0), k=50),
}

# %%
# One process, two processes
# --------------------------
# `StrongGeneralization` trains on some users and tests on others, so that each of its splits is
# another data set. (`WeakGeneralization`, which trains on all users and tests on the same, suits
# estimators with ``random_state=None``: with integers, as here, its repeats would be equal.)
from time import perf_counter

from sklearn.model_selection import cross_validate

from skrecsec.model_selection import StrongGeneralization

cv = StrongGeneralization(n_splits=3, random_state=0)


def cross_validate_all(n_jobs):
    """Return scores by attack and recommender, with a value for each split."""
    results = {}
    for attack in attacks:
        for recommender in recommenders:
            pipeline = make_pipeline(attacks[attack], recommenders[recommender])
            results[attack, recommender] = cross_validate(
                pipeline, X, y, cv=cv, scoring=scoring, n_jobs=n_jobs
            )
    return results


start = perf_counter()
serial = cross_validate_all(n_jobs=1)
print(f"One process:   {perf_counter() - start:.1f} seconds")
start = perf_counter()
parallel = cross_validate_all(n_jobs=2)
print(f"Two processes: {perf_counter() - start:.1f} seconds")

for names in serial:
    for metric in scoring:
        assert (
            serial[names][f"test_{metric}"] == parallel[names][f"test_{metric}"]
        ).all()
print(
    f"All {len(serial) * len(scoring) * cv.get_n_splits()} scores are the "
    "same, bit by bit"
)

# %%
# Each new process first has to import the package, which takes seconds. With fits as short as these
# there is little to gain by it, or nothing; beside fits of minutes it does not matter. For a
# cluster, the call is put in a block, once a ``dask.distributed.Client`` is connected:
#
# .. code-block:: python
#
#    with joblib.parallel_config(backend="dask"):
#        cross_validate_all(n_jobs=-1)
#
# The scores
# ----------
# Hit ratios are means over the splits; RI is shown for each split.
print(
    "attack    model   HR@50 of hidden ratings   HR@50 of targets   RI of "
    "each split"
)
for (attack, recommender), scores in serial.items():
    found, pushed = (
        scores["test_test_hr"].mean(),
        scores["test_target_hr"].mean(),
    )
    improvements = "  ".join(f"{value:5.2f}" for value in scores["test_ri"])
    print(
        f"{attack:9} {recommender:5} {found:25.3f} {pushed:18.3f}   "
        f"{improvements}"
    )

# %%
# RI needs care. In the first split the average attack hardly works, and RI divides by that little
# damage: it is 0 for TCD, which recommends the targets as rarely as MF does there, and far below 0
# for adversarial training (AT), which makes a small hit ratio a little larger.
#
# In the figure, bars reach from the lowest value of a split to the highest. The upper left is the
# place to be.
import matplotlib.pyplot as plt

from skrecsec.inspection import RobustnessDisplay


def point(scores):
    """Return mean and range of two hit ratios, as the display takes them."""
    result = {}
    for metric in ("test_hr", "target_hr"):
        values = scores[f"test_{metric}"]
        result[metric] = values.mean()
        result[f"{metric}_interval"] = values.min(), values.max()
    return result


figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.4), sharey=True, layout="constrained"
)
for ax, attack in zip(axes, attacks, strict=True):
    points = {
        recommender: point(serial[attack, recommender])
        for recommender in recommenders
    }
    RobustnessDisplay(points, k=50).plot(ax=ax, title=f"Attack: {attack}")
    ax.set_xlim(-0.05, 1.05)
plt.show()

# %%
# TCD keeps the targets out of the lists under either attack, and finds more of the hidden ratings.
# The vertical bars are long since some test users are easier to please than others, whichever
# recommender is asked. AT is no better than no defense at all here.
