"""
The recommended defense
=======================

Which defense should one take, with which settings? For the ratings at hand,
:func:`~skrecsec.recommenders.recommended_defense` answers: a detector drops profiles that act
alike, EASE learns from the others, and a gate bounds what those can do that were not found. It
looks at nothing but the ratings, and does not mind that they may be poisoned.
"""

# %%
# Three attacks
# -------------
# Generated ratings, one of each user hidden. The attacks differ in kind: one is simple, one copies
# genuine profiles, and one is made for EASE.
from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    EASEAttackTransformer,
)
from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split

ratings = make_ratings(400, 400, density=0.04, random_state=0)
X, y = leave_one_out_split(ratings, random_state=0)
attacks = {
    "Average attack": AverageAttackTransformer(random_state=0),
    "AUSH": AUSHAttackTransformer(random_state=0),
    "EASE attack": EASEAttackTransformer(random_state=0),
}
poisoned = {name: attack.fit_transform(X) for name, attack in attacks.items()}

# %%
# What it takes for these ratings
# -------------------------------
# It comes unfitted. The penalty of EASE was chosen by attacking the ratings; how narrow the gate
# is, is found when it is fitted.
from skrecsec import recommended_defense

defense = recommended_defense(poisoned["Average attack"])
print(defense)

# %%
# Beside others
# -------------
# The same poisoned ratings for a matrix factorisation, for triple cooperative defense (TCD), and
# for EASE by itself.
from skrecsec import EASERecommender, MFRecommender, TCDRecommender
from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score

recommenders = {
    "MF": lambda _: MFRecommender(32, random_state=0),
    "TCD": lambda _: TCDRecommender(32, random_state=0),
    "EASE": lambda _: EASERecommender(),
    "Recommended": recommended_defense,
}
results = {}
for attack, X_poisoned in poisoned.items():
    targets = attacks[attack].target_items_
    for name, make in recommenders.items():
        scores = make(X_poisoned).fit(X_poisoned).predict(X)
        results[attack, name] = (
            hit_ratio_score(y, scores, seen=X),
            target_hit_ratio_score(scores, targets, seen=X),
        )
        print(
            f"{attack:14} {name:11} HR@50 of hidden ratings "
            f"{results[attack, name][0]:.3f}, of targets "
            f"{results[attack, name][1]:.3f}"
        )

# %%
# Up and to the left is where a defense should be: it finds what users like, and keeps the targets
# out. The markers of the recommended defense are on top of one another.
import matplotlib.pyplot as plt

COLORS = ["#D55E00", "#009E73", "#E69F00", "#0072B2"]  # Okabe and Ito's
MARKERS = {"Average attack": "o", "AUSH": "^", "EASE attack": "s"}

figure, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
for name, color in zip(recommenders, COLORS, strict=True):
    for attack, marker in MARKERS.items():
        found, pushed = results[attack, name]
        ax.plot(pushed, found, marker, color=color, markersize=10)
for name, color in zip(recommenders, COLORS, strict=True):
    ax.plot([], [], "D", color=color, label=name)
for attack, marker in MARKERS.items():
    ax.plot(
        [],
        [],
        marker,
        color="white",
        markeredgecolor="black",
        label=attack,
    )
ax.set(
    xlim=(-0.02, 0.52),
    ylim=(0.55, 0.8),
    title="What users get, and what the attacker gets",
)
ax.set_xlabel("HR@50 of targets (share of users and targets)")
ax.set_ylabel("HR@50 of hidden ratings (share of users)")
ax.grid(alpha=0.3)
ax.legend(loc="lower right", ncols=2)
plt.show()

# %%
# Under each of the attacks, the recommended defense finds as many hidden ratings as the best, and
# keeps the targets out of the lists. TCD does so, too, and finds a little less. EASE by itself
# finds as much, but the attack that is made for it gets into one list in five.
#
# These are generated ratings and three attacks, which all promote five items with the same
# profiles. What was measured on real ratings, also of attacks that hide, is in the :ref:`user guide
# <exposure-gate>`.
