"""
An attack made for the victim
=============================

Most attacks are made for recommenders that predict ratings, and leave one cold that only looks at
who rated what. :class:`~skrecsec.recommenders.EASERecommender` is of that kind. Its weights have a
closed form, so that an attacker can follow the gradient through it:
:class:`~skrecsec.attacks.EASEAttackTransformer` does. What is gained by knowing the kind of model?
"""

# %%
# Three attacks on EASE
# ---------------------
# Each is given more and more fake profiles. All of them see the profiles of 40% of the users, and
# aim at the same five items that hardly anybody has rated. CoAttack, the strongest one against
# matrix factorisation, trains factorisations to find out what to rate.
from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    EASEAttackTransformer,
    EASERecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

kinds = {
    "Average": AverageAttackTransformer,
    "CoAttack": CoAttackTransformer,
    "EASE attack": EASEAttackTransformer,
}
sizes = [0.01, 0.02, 0.03, 0.05]  # fake profiles per genuine user
attacks = {
    f"{name}, {size:.0%}": kind(attack_size=size)
    for name, kind in kinds.items()
    for size in sizes
}
study = robustness_study(
    make_ratings(400, 400, density=0.04, random_state=0),
    attacks=attacks,
    recommenders={"EASE": EASERecommender(reg=100.0)},
    n_repeats=3,
    random_state=0,
)

# %%
# What they reach
# ---------------
import matplotlib.pyplot as plt

from skrecsec.inspection import AttackCurveDisplay

curves = {
    name: {100 * size: f"{name}, {size:.0%}" for size in sizes}
    for name in kinds
}
figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
AttackCurveDisplay.from_study(
    study,
    curves,
    xlabel="Fake profiles (% of the genuine users)",
    ax=ax,
    title="Three attacks on EASE",
)
ax.set(ylim=(0, None), ylabel="HR@50 of targets (share of users and targets)")
plt.show()

# %%
# With 3% fake profiles, average attack and CoAttack put their targets into about one list in fifty;
# the attack that is made for EASE, into one in five. The bands are 95% confidence intervals of the
# means, wide with three repeats.
#
# That a model withstands attacks made for other models says little about it. Which attack is the
# worst for which recommender is measured in :doc:`/strongest_attack`.
