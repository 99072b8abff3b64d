"""
Strength against visibility
===========================

Fake profiles that all praise the same items are easily found. An attacker can hide: share the
targets out, so that each profile praises one of them only, vary the praise, or have a detector in
the loop and change tactics until it finds little. What does that cost in strength?
"""

# %%
# The disguises
# -------------
# They are parameters of every attack, whatever it rates beside the targets. None of them takes more
# profiles or more ratings than the attack as it is, so that strengths can be compared. ``evade`` is
# a detector to which the attack shows its profiles among the users that it knows: it begins as it
# is and hides more and more, as little as will do.
from skrecsec import AverageAttackTransformer, LockstepDetector

disguises = {
    "as it is": {},
    "2 targets each": {"targets_per_profile": 2},
    "1 target each": {"targets_per_profile": 1},
    "mixed ratings": {"target_rating": "mixed"},
    "1 each, mixed": {"targets_per_profile": 1, "target_rating": "mixed"},
    "detector in the loop": {"evade": LockstepDetector()},
}
attacks = {
    name: AverageAttackTransformer(**settings)
    for name, settings in disguises.items()
}

# %%
# A study of both
# ---------------
# How often are the targets recommended, and which share of the fake profiles does a detector find
# that sees all ratings and knows nothing of the attack?
from skrecsec import MFRecommender
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

study = robustness_study(
    make_ratings(800, 800, density=0.04, random_state=0),
    attacks=attacks,
    recommenders={"MF": MFRecommender(n_factors=64)},
    detectors={"Lockstep": LockstepDetector()},
    n_repeats=3,
    random_state=0,
)
strength = {row["attack"]: row["mean"] for row in study.summary("target_hr")}
found = {row["attack"]: row["mean"] for row in study.summary("recall")}
for name in attacks:
    print(
        f"{name:20} HR@50 of targets {strength[name]:.3f}, "
        f"fake profiles found {found[name]:.0%}"
    )

# %%
# The trade
# ---------
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
for name in attacks:
    ax.plot(
        100 * found[name], strength[name], "o", color="#0072B2", markersize=9
    )
    to_the_left = found[name] > 0.6
    ax.annotate(
        name,
        (100 * found[name], strength[name]),
        xytext=(-9 if to_the_left else 9, 0),
        textcoords="offset points",
        ha="right" if to_the_left else "left",
        va="center",
    )
ax.set(xlim=(-5, 105), ylim=(-0.03, 1.03))
ax.set(title="An average attack, more and less hidden")
ax.set_xlabel("Fake profiles that the detector finds (%)")
ax.set_ylabel("HR@50 of targets (share of users and targets)")
ax.grid(alpha=0.3)
plt.show()
