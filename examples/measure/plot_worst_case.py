"""
The worst case
==============

A recommender that withstands one attack may fall to the next. So a claim of robustness is worth as
much as the strongest attack that was tried. Here six attacks are tried on three recommenders;
:meth:`~skrecsec.experiments.RobustnessStudy.worst_case` names the strongest for each, and a
detector says which of them would have gone unnoticed.
"""

# %%
# Six attacks
# -----------
# All of them promote the same item with 3% fake profiles, and see the same users' profiles.
from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    CopyAttackTransformer,
    EASEAttackTransformer,
    EASERecommender,
    ItemKNNRecommender,
    LockstepDetector,
    MFRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

study = robustness_study(
    make_ratings(400, 500, density=0.03, random_state=0),
    attacks={
        "Average": AverageAttackTransformer(),
        "Bandwagon": BandwagonAttackTransformer(),
        "AUSH": AUSHAttackTransformer(),
        "CoAttack": CoAttackTransformer(),
        "Copy": CopyAttackTransformer(),
        "EASE attack": EASEAttackTransformer(),
    },
    recommenders={
        "MF": MFRecommender(n_factors=64),
        "ItemKNN": ItemKNNRecommender(),
        "EASE": EASERecommender(reg=100.0),
    },
    detectors={"Lockstep": LockstepDetector()},
    n_targets=1,
    n_repeats=3,
    random_state=0,
)
print(study.to_markdown("target_hr"))

# %%
# Strength, and visibility
# ------------------------
# How visible an attack is does not depend on the recommender. How strong it is does.
strength = {
    (row["attack"], row["recommender"]): row["mean"]
    for row in study.summary("target_hr")
}
recall = {row["attack"]: row["mean"] for row in study.summary("recall")}
for recommender in study.recommenders:
    worst = study.worst_case(recommender)
    print(
        f"{recommender}: {worst}, HR@50 of targets "
        f"{strength[worst, recommender]:.3f}, {recall[worst]:.0%} of its "
        "profiles found"
    )

# %%
import matplotlib.pyplot as plt

STYLES = {
    "MF": ("#D55E00", "o"),
    "ItemKNN": ("#E69F00", "^"),
    "EASE": ("#0072B2", "s"),
}

figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
attacks = study.attacks[1:]  # the first one is "clean"
places = range(len(attacks))
for name, (color, marker) in STYLES.items():
    values = [strength[attack, name] for attack in attacks]
    ax.plot(values, places, marker, color=color, markersize=9, label=name)
    worst = attacks.index(study.worst_case(name))
    ax.plot(
        values[worst],
        worst,
        "o",
        markersize=19,
        markerfacecolor="none",
        color=color,
    )
ax.plot(
    [],
    [],
    "o",
    markersize=14,
    markerfacecolor="none",
    color="black",
    label="worst case",
)
ax.set_yticks(
    places, [f"{attack}\n({recall[attack]:.0%} found)" for attack in attacks]
)
ax.invert_yaxis()
ax.set(xlim=(-0.03, 1.03), title="Six attacks on three recommenders")
ax.set_xlabel("HR@50 of targets (share of users and targets)")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Average attack, CoAttack and copying hardly move ItemKNN and EASE. Had only those been tried, both
# would have seemed safe. The attack made for EASE says otherwise, of ItemKNN, too, which it was not
# made for.
#
# A single target is one at which fake profiles are harder to see: AUSH, the worst case for MF, is
# mostly not found. The one target also makes the means uncertain, as the confidence intervals in
# the table tell. For a file of ratings, ``python -m skrecsec worst-case`` does all this, with every
# attack of the package: see :doc:`/strongest_attack`.
