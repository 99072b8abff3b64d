"""
Your own attack in 30 lines
===========================

An attack is a class with one method. The base class draws up the budget: it chooses the targets,
the users whose profiles the attacker sees, and the number and size of the fake profiles. What is
left to do is the idea: which other items do the fake users rate, and how?

Our idea: a fake user should look like somebody with many opinions. Each copies the favourite items
of one of the most active users, and rates the targets as high as can be.
"""

# %%
# The attack
# ----------
# The method gets the profiles that the attacker knows, the budget, and the random generator that
# all chance has to come from. It returns the ratings of the fillers, those items that are not
# targets. The base class adds the targets, and refuses what exceeds the budget.
import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseAttackTransformer


class CopyAttackTransformer(BaseAttackTransformer):
    """Let fake users copy what the most active known users rate highest."""

    def _craft_profiles(self, known, budget, rng):
        n_ratings = np.diff(known.indptr)
        most_active = np.argsort(-n_ratings, kind="stable")
        profiles = sp.lil_array((budget.n_profiles, known.shape[1]))
        for row in range(budget.n_profiles):
            user = most_active[row % most_active.size]
            ratings = known[[user]].toarray().ravel()
            ratings[budget.target_items] = 0
            rated = rng.permutation(
                np.flatnonzero(ratings)
            )  # in random order among equals
            favourites = rated[np.argsort(-ratings[rated], kind="stable")][
                : budget.n_fillers
            ]
            profiles[row, favourites] = ratings[favourites]
        return profiles


# %%
# Does it keep to the rules?
# --------------------------
# The checks find out whether fake profiles are valid, whether the attack looks only at what it may
# know, whether the same seed gives the same profiles, and more. A check that fails raises an error.
from skrecsec.utils.estimator_checks import attack_checks

checks = list(attack_checks())
for check in checks:
    check(CopyAttackTransformer())
print(f"{len(checks)} checks passed")

# %%
# How strong is it?
# -----------------
# Three attacks of the package are given the same budget, the same targets and the same known users,
# since these follow from ``random_state``. All are tried on a matrix factorisation without a
# defense, and on triple cooperative defense (TCD), with three seeds each.
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    MFRecommender,
    RandomAttackTransformer,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.metrics import TargetHitRatioScorer

X = make_ratings(600, 700, density=0.08, random_state=0)
attacks = {
    "Random": RandomAttackTransformer,
    "Average": AverageAttackTransformer,
    "Copy (ours)": CopyAttackTransformer,
    "CoAttack": CoAttackTransformer,
}
recommenders = {"MF": MFRecommender, "TCD": TCDRecommender}
scorer = TargetHitRatioScorer(k=50)


def strengths(attack, recommender):
    """Return HR@50 of the targets for each of three seeds."""
    pipelines = [
        make_pipeline(attack(random_state=seed), recommender(random_state=seed))
        for seed in range(3)
    ]
    return [scorer(pipeline.fit(X), X) for pipeline in pipelines]


results = {
    name: {
        attack: strengths(attacks[attack], recommender) for attack in attacks
    }
    for name, recommender in recommenders.items()
}
for name, by_attack in results.items():
    for attack, values in by_attack.items():
        print(
            f"{name:3} {attack:12} HR@50 of targets",
            *(f"{value:.3f}" for value in values),
        )

# %%
# Each seed has a small black marker, in the shape of its recommender.
import matplotlib.pyplot as plt

COLORS = {"MF": "#D55E00", "TCD": "#009E73"}  # Okabe and Ito's
MARKERS = {"MF": "o", "TCD": "s"}
LABELS = {"MF": "MF, without a defense (mean)", "TCD": "TCD (mean)"}

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, shift in [("MF", 0.12), ("TCD", -0.12)]:
    color, marker = COLORS[name], MARKERS[name]
    heights = np.arange(len(attacks)) + shift
    values = np.array(list(results[name].values()))
    ax.plot(
        values.mean(axis=1),
        heights,
        marker,
        color=color,
        markersize=11,
        label=LABELS[name],
    )
    for column in values.T:
        ax.plot(column, heights, marker, color="black", markersize=3)
ax.plot([], [], "o", color="black", markersize=3, label="each seed")
ax.set_yticks(range(len(attacks)), attacks)
ax.set(title="Four attacks on two recommenders", ylabel="Attack")
ax.set_xlabel("HR@50 of targets (share of users and targets)")
ax.set(xlim=(-0.03, 1.03), ylim=(-0.6, len(attacks) - 0.4))
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
plt.show()

# %%
# On these data and without a defense, copying beats both simple attacks with each seed, and is far
# behind CoAttack, which trains a recommender of its own to find out what to rate. On other data, or
# against other victims, the order of the first three may be another one. TCD leaves next to nothing
# of any of the four.
#
# In a test, `parametrize_with_checks` of the same module adds scikit-learn's own checks.
