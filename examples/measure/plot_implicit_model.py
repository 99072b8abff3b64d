"""
A model of implicit as the victim
=================================

You run alternating least squares (ALS) of the package `implicit`. It knows nothing of this package,
and need not: :class:`~skrecsec.recommenders.ImplicitRecommender` makes a recommender of it, which
is attacked, filtered and cross-validated like any other.

This example needs ``pip install "skrecsec[implicit]"``.
"""

# %%
# The model
# ---------
# With the settings that it has in production. A copy of it is fitted.
from implicit.als import AlternatingLeastSquares

from skrecsec.recommenders import ImplicitRecommender

als = ImplicitRecommender(
    AlternatingLeastSquares(factors=16, regularization=5.0, iterations=10)
)

# %%
# How far can an attacker get?
# ----------------------------
# Fake profiles that cost nothing to make, and such as are made for models of implicit feedback.
# Next to ALS stand itself behind a detector, which drops profiles that act alike before ALS learns,
# and EASE.
from skrecsec import (
    AverageAttackTransformer,
    EASEAttackTransformer,
    EASERecommender,
    FilteredRecommender,
    LockstepDetector,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

sizes = [0.01, 0.03, 0.05]  # fake profiles per genuine user
kinds = {
    "Average": AverageAttackTransformer,
    "EASE attack": EASEAttackTransformer,
}
study = robustness_study(
    make_ratings(400, 400, density=0.04, random_state=0),
    attacks={
        f"{name}, {size:.0%}": kind(attack_size=size)
        for name, kind in kinds.items()
        for size in sizes
    },
    recommenders={
        "ALS": als,
        "ALS, filtered": FilteredRecommender(LockstepDetector(), als),
        "EASE": EASERecommender(reg=100.0),
    },
    n_repeats=3,
    random_state=0,
)
print(study.to_markdown("test_hr"), study.to_markdown("target_hr"), sep="\n\n")

# %%
# What it found
# -------------
import matplotlib.pyplot as plt

from skrecsec.inspection import RobustnessDisplay

figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
RobustnessDisplay.from_study(
    study,
    "EASE attack, 3%",
    ax=ax,
    title="3% fake profiles made for such models",
)
plt.show()

# %%
# As EASE does, ALS finds what users like. Both shrug off the average attack, and give in to the one
# that is made for models of implicit feedback, though it was made for EASE and not for ALS. Behind
# the detector ALS is as good as without an attack. Whether that holds for an attacker who hides is
# the question of :ref:`sphx_glr_auto_examples_attack_plot_evasion.py`.
#
# For a model of another library, take :class:`~skrecsec.recommenders.LenskitRecommender` or
# :class:`~skrecsec.recommenders.CornacRecommender`; for one of your own, see
# :doc:`/generated/contributing`.
