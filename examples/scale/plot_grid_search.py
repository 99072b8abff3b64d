"""
Attack x defense in one grid search
===================================

Attacks are transformers and recommenders are estimators, so a pipeline holds one of each, and
scikit-learn's own :class:`~sklearn.model_selection.GridSearchCV` tries all combinations. No loop of
ours is needed, and ``n_jobs`` would spread the work.
"""

# %%
# The grid
# --------
# The steps themselves are the parameters. ``"passthrough"`` stands for no attack. Since it knows no
# targets, we choose them once, and give the same ones to all attacks and to the scorer.
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skrecsec import (
    ATRecommender,
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.model_selection import WeakGeneralization, leave_one_out_split

X, y = leave_one_out_split(
    make_ratings(600, 700, density=0.08, random_state=0), random_state=0
)
targets = (
    AverageAttackTransformer(random_state=0).fit(X).target_items_
)  # five unpopular items

options = {"target_items": targets, "random_state": 0}
attacks = {
    "no attack": "passthrough",
    "Average": AverageAttackTransformer(**options),
    "Bandwagon": BandwagonAttackTransformer(**options),
    "CoAttack": CoAttackTransformer(**options),
}
models = {
    "MF": MFRecommender(random_state=0),
    "AT": ATRecommender(random_state=0),
    "TCD": TCDRecommender(random_state=0),
}

# %%
# The search
# ----------
# ``WeakGeneralization`` trains on all users and asks about the same users, whose hidden items are
# in ``y``. A pipeline adds fake profiles when it is fitted, and not when it is scored.
#
# There is no single winner, since an attacker wants a high hit ratio of targets, and a defender a
# low one and a high hit ratio of the hidden items. So nothing is refitted.
search = GridSearchCV(
    Pipeline([("attack", "passthrough"), ("model", MFRecommender())]),
    {"attack": list(attacks.values()), "model": list(models.values())},
    cv=WeakGeneralization(n_splits=1),
    scoring={
        "test": HitRatioScorer(k=50),
        "target": TargetHitRatioScorer(targets, k=50),
    },
    refit=False,
).fit(X, y)

# The grid is walked through with the last parameter changing fastest: a row for each attack.
shape = len(attacks), len(models)
test_hr = search.cv_results_["mean_test_test"].reshape(shape)
target_hr = search.cv_results_["mean_test_target"].reshape(shape)
for name, worst in zip(models, target_hr.max(axis=0), strict=True):
    print(
        f"{name}: under the worst attack, a target is in {worst:.1%} of "
        "the lists"
    )

# %%
# The result
# ----------
import matplotlib.pyplot as plt


def heat_map(ax, values, title, cmap):
    """Draw a table of hit ratios with colours and numbers."""
    ax.imshow(values, cmap=cmap, vmin=0, vmax=1, aspect="auto")
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = values[row, column]
            color = "white" if value > 0.6 else "black"
            ax.text(
                column,
                row,
                f"{value:.3f}",
                ha="center",
                va="center",
                color=color,
                size=12,
            )
    ax.set(title=title, xlabel="Recommender", ylabel="Attack")
    ax.set_xticks(range(len(models)), models)
    ax.set_yticks(range(len(attacks)), attacks)


figure, axes = plt.subplots(
    1, 2, figsize=(9.5, 4), sharey=True, layout="constrained"
)
heat_map(axes[0], test_hr, "What users want:\nHR@50 of hidden items", "Blues")
heat_map(
    axes[1], target_hr, "What the attacker wants:\nHR@50 of targets", "Oranges"
)
axes[1].set(ylabel="")
plt.show()

# %%
# Read by columns, the right panel compares attacks: CoAttack puts its targets into nearly all lists
# of MF, average and bandwagon into a tenth of them or fewer. Read by rows, it compares defenses:
# TCD stops all three attacks, while AT lets slightly more through than MF does. The left panel
# tells what that costs in recommendations that users like. For TCD it is nothing: it finds the most
# hidden items in every row, while MF and AT find fewer under every attack than without one.
#
# This is one split and one set of targets. With ``random_state=None`` and more splits, the search
# averages over the draws of attacks and models.
