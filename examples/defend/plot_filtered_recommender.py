"""
Drop the fakes, then learn
==========================

A defense can be a model that is hard to bend, or a doorkeeper: a detector finds the fake profiles,
and any recommender learns from the others. :class:`~skrecsec.recommenders.FilteredRecommender` is
the second. It goes wherever a recommender goes, behind an attack in a pipeline or into a study, and
knows as little of the attack as anybody: what it drops by mistake is lost to it.
"""

# %%
# A study
# -------
# Two recommenders that people run, item neighbours and EASE, each with and without a detector
# before it. Where items have many ratings, attacks hardly move either. Here they have six in the
# mean, and half of them one at most, so that 3% fake profiles weigh much. In each repeat the
# detector itself is judged, too.
from skrecsec import (
    AUSHAttackTransformer,
    EASERecommender,
    FilteredRecommender,
    ItemKNNRecommender,
    LockstepDetector,
    SegmentAttackTransformer,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

X = make_ratings(600, 1500, density=0.01, random_state=0)
recommenders = {"ItemKNN": ItemKNNRecommender(), "EASE": EASERecommender()}
filtered = {
    f"{name}, filtered": FilteredRecommender(LockstepDetector(), recommender)
    for name, recommender in recommenders.items()
}
study = robustness_study(
    X,
    attacks={
        "Segment": SegmentAttackTransformer(),
        "AUSH": AUSHAttackTransformer(),
    },
    recommenders=recommenders | filtered,
    detectors={"Lockstep": LockstepDetector()},
    n_repeats=3,
    random_state=0,
)
for metric in ("recall", "false_positive_rate", "target_hr", "test_hr"):
    print(study.to_markdown(metric), end="\n\n")

# %%
# What the attacker gets, and what users get
# ------------------------------------------
import matplotlib.pyplot as plt
import numpy as np

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
colors = {"clean": "#777777", "Segment": "#0072B2", "AUSH": "#D55E00"}
hatches = {"clean": "", "Segment": "//", "AUSH": ".."}
labels = {
    "target_hr": "HR@50 of targets (share of users and targets)",
    "test_hr": "HR@50 of hidden ratings (share of users)",
}
places = np.arange(len(study.recommenders))
for ax, (metric, label) in zip(axes, labels.items(), strict=True):
    means = {
        (r["attack"], r["recommender"]): r["mean"]
        for r in study.summary(metric)
    }
    for number, attack in enumerate(study.attacks):
        ax.bar(
            places + 0.27 * (number - 1),
            [means[attack, name] for name in study.recommenders],
            width=0.25,
            color=colors[attack],
            hatch=hatches[attack],
            edgecolor="white",
            label="No attack" if attack == "clean" else f"{attack} attack",
        )
    ax.set(ylabel=label)
    ax.set_xticks(
        places, [name.replace(", ", ",\n") for name in study.recommenders]
    )
    ax.grid(alpha=0.3, axis="y")
    ax.set_axisbelow(True)
axes[0].legend()
plt.show()

# %%
# Under both attacks all fakes are found, and either recommender is as it was without them: targets
# are in no more lists, and as many hidden ratings are found. Unfiltered, AUSH brings each of its
# targets into every eighth to tenth list, while the hidden ratings, in the right panel, do not tell
# that anything is wrong.
#
# That is as good as the detector. Genuine users whom it drops by mistake, one or two in a hundred
# under AUSH, are served all the same, and what it does not find, as one target of profiles that are
# copied, it does not keep out.
