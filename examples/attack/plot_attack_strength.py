"""
Attack strength over knowledge and over size
============================================

What does an attacker gain from seeing more users, and what from registering more fake ones? We vary
one at a time, for three attacks on the same matrix factorisation, and measure how often the targets
are among a user's 50 recommendations.
"""

# %%
# One study for both questions
# ----------------------------
# Every setting is an attack with a name of its own. In each of the five repeats all of them get the
# same targets and are aimed at the same clean ratings. Where one setting varies, the other one
# keeps its default: profiles of 40% of the users are known, and 3% fake ones are added.
from skrecsec import (
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    MFRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study

kinds = {
    "Average": AverageAttackTransformer,
    "Bandwagon": BandwagonAttackTransformer,
    "CoAttack": CoAttackTransformer,
}
knowledge = [0.1, 0.2, 0.4, 1.0]  # share of the users who are known
sizes = [0.01, 0.02, 0.03, 0.05]  # fake profiles per genuine user

attacks = {}
for name, kind in kinds.items():
    for share in knowledge:
        attacks[f"{name}, {share:.0%} known"] = kind(knowledge=share)
    for size in sizes:
        attacks[f"{name}, {size:.0%} fake"] = kind(attack_size=size)

study = robustness_study(
    make_ratings(400, 500, density=0.1, random_state=0),
    attacks=attacks,
    recommenders={"MF": MFRecommender(n_factors=64)},
    n_repeats=5,
    random_state=0,
)
for row in study.summary("target_hr"):
    print(
        f"{row['attack']:20} {row['mean']:.3f} ({row['ci_low']:+.3f} to "
        f"{row['ci_high']:.3f})"
    )

# %%
# The curves
# ----------
# A curve lists, for each point on the horizontal axis, which attack of the study belongs there. The
# bands are 95% confidence intervals of the means; with five repeats they are wide, and the formula
# knows nothing of the limits 0 and 1.
import matplotlib.pyplot as plt

from skrecsec.inspection import AttackCurveDisplay

over_knowledge = {
    name: {100 * share: f"{name}, {share:.0%} known" for share in knowledge}
    for name in kinds
}
over_size = {
    name: {100 * size: f"{name}, {size:.0%} fake" for size in sizes}
    for name in kinds
}

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.4), sharey=True, layout="constrained"
)
AttackCurveDisplay.from_study(
    study,
    over_knowledge,
    xlabel="Known users (% of the genuine users)",
    ax=axes[0],
    title="What knowledge buys (3% fake profiles)",
)
AttackCurveDisplay.from_study(
    study,
    over_size,
    xlabel="Fake profiles (% of the genuine users)",
    ax=axes[1],
    title="What size buys (40% known users)",
)
axes[0].set(ylim=(0, 1), ylabel="Target HR@50 (share of users and targets)")
axes[1].set(ylabel="")
plt.show()

# %%
# Average and bandwagon gain nothing visible from knowledge: the means and the most popular items
# that they need can be estimated from a tenth of the users. CoAttack trains a recommender on what
# it knows, and gets better with it, most of all up to 40%.
#
# Size helps all three. One per cent, four fake profiles here, does little whatever the attack. With
# five per cent CoAttack has its targets in nine of ten lists, the others in fewer than half.
#
# All this holds for 400 generated users. Forty known ones are few to train a recommender on; on
# MovieLens, knowledge makes less of a difference to CoAttack, as the
# :ref:`user guide <which-attack>` shows.
