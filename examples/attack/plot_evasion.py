"""
Strength against visibility
===========================

Fake profiles that all praise the same items are easily found. An attacker can hide: share the
targets out, so that each profile praises one of them only, vary the ratings, or have a detector in
the loop and change tactics until it finds little. What does that cost in strength?
"""

# %%
# The disguises
# -------------
# They are parameters of every attack, whatever it rates beside the targets. None of them takes more
# profiles or more ratings than the attack as it is, so that strengths can be compared. ``evade`` is
# a detector to which the attack shows its profiles among the users that it knows: it begins as it
# is and hides more and more, as little as will do. Ours is made for EASE, a recommender that looks
# at who rated what, and not at how.
from skrecsec import EASEAttackTransformer, LockstepDetector

disguises = {
    "as it is": {},
    "2 targets each": {"targets_per_profile": 2},
    "1 target each": {"targets_per_profile": 1},
    "two levels": {"target_rating": "mixed"},
    "any of five levels": {"target_rating": 5},
    "detector in the loop": {"evade": LockstepDetector()},
}
attacks = {
    name: EASEAttackTransformer(n_fillers="mean", **settings)
    for name, settings in disguises.items()
}

# %%
# A study of both
# ---------------
# How often are the targets recommended, and which share of the fake profiles does a detector find
# that sees all ratings and knows nothing of the attack?
from skrecsec import EASERecommender
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

study = robustness_study(
    make_ratings(400, 400, density=0.04, random_state=0),
    attacks=attacks,
    recommenders={"EASE": EASERecommender(reg=100.0)},
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
    place = 100 * found[name], strength[name]
    ax.plot(*place, "o", color="#0072B2", markersize=9)
    above = -18 if name == "two levels" else 9
    ax.annotate(
        name, place, (0, above), textcoords="offset points", ha="center"
    )
ax.set(xlim=(-15, 115), ylim=(0, 0.25))
ax.set_xticks(range(0, 101, 20))
ax.set(title="One attack on EASE, more and less hidden")
ax.set_xlabel("Fake profiles that the detector finds (%)")
ax.set_ylabel("HR@50 of targets (share of users and targets)")
ax.grid(alpha=0.3)
plt.show()

# %%
# As it is, the attack is strong, and found to the last profile. EASE does not look at ratings, so
# that varying them costs nothing. Two high levels hide nothing, either. With any of the five,
# nothing is found any more: profiles that give the targets one star, too, do not act alike, and
# EASE counts them all the same. One target in each profile hides as well, but leaves each target a
# fifth of the profiles, and hardly any strength.
#
# The detector in the loop sees only the users that the attacker knows, among whom the fake profiles
# stand out more than they will. So it is careful beyond need, in some of the repeats more than in
# others:
print(
    [
        round(record["target_hr"], 3)
        for record in study.records
        if record["attack"] == "detector in the loop"
    ]
)

# %%
# Whoever claims that a detector stops attacks should let the attacker have it, too, and know which
# disguises cost the attacker anything: that depends on the recommender.
