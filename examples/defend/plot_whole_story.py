"""
Who is attacking, and what to do about it
=========================================

A file of ratings in which somebody has planted fake profiles. We find out who they are and for
which items they work, see what they do to four recommenders, and which of these one can still run.
"""

# %%
# The ratings
# -----------
# Generated ratings, and 30 fake profiles among 1,030. Each rates as many items as users do, most of
# them near the item's mean, and gives five items that hardly anybody knows the highest rating. Of
# each genuine user one rating is hidden, which a recommender should find again.
from skrecsec import AverageAttackTransformer
from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split

X, y = leave_one_out_split(make_ratings(random_state=0), random_state=0)
attack = AverageAttackTransformer(attack_size=30, random_state=0)
X_poisoned = attack.fit_transform(X)
n_users, n_items = X_poisoned.shape
print(f"{n_users} users, {n_items} items, {X_poisoned.nnz} ratings")

# %%
# Who they are
# ------------
# The detector is told nothing. It finds a group: users who agree on the same items more than chance
# and shared tastes explain.
from skrecsec import LockstepDetector

detector = LockstepDetector().fit(X_poisoned)
group = detector.groups_[0]
is_flagged = detector.labels_ == -1
n_found, n_accused = is_flagged[-30:].sum(), is_flagged[:-30].sum()
print(f"items of the group: {sorted(group.items.tolist())}")
print(f"attacked: {sorted(attack.target_items_.tolist())}")
print(f"found {n_found} of 30, wrongly accused {n_accused} of 1000")

# %%
# What they do
# ------------
# Four recommenders learn from the poisoned ratings: the matrix factorization that the attack is
# made for; TCD, three factorizations that train one another; EASE, a linear model that is trained
# to rank; and the recommended defense, which is EASE behind the detector and in a gate that bounds,
# by counting, how often any item can be listed. Nobody tells it which profiles are fake either.
from skrecsec import (
    EASERecommender,
    MFRecommender,
    RecommendedDefense,
    TCDRecommender,
)
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer

models = {
    "MF": MFRecommender(random_state=0),
    "TCD": TCDRecommender(random_state=0),
    "EASE": EASERecommender(),
    "Recommended": RecommendedDefense(random_state=0),
}
wanted = HitRatioScorer(k=50)
pushed = TargetHitRatioScorer(attack.target_items_, k=50)
figures = {}
for name, model in models.items():
    model.fit(X_poisoned)
    found, listed = figures[name] = wanted(model, X, y), pushed(model, X)
    print(f"{name:12} HR@50: hidden ratings {found:.3f}, targets {listed:.3f}")

# %%
# The group to the left, members above and other users below: what the members have in common,
# nobody else has. To the right what the attacker gets, and what users get, from each model.
import matplotlib.pyplot as plt
import numpy as np

from skrecsec.inspection import GroupDisplay

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.6), width_ratios=(1.25, 1), layout="constrained"
)
GroupDisplay.from_estimator(detector, X_poisoned, ax=left)
left.set(
    title="Who is attacking: they agree on five items", xticks=[], yticks=[]
)
places = np.arange(len(figures))
for shift, color, label, column in (
    (-0.2, "#D55E00", "five attacked items (what the attacker wants)", 1),
    (0.2, "#0072B2", "hidden ratings (what users want)", 0),
):
    values = [pair[column] for pair in figures.values()]
    bars = right.bar(places + shift, values, 0.38, color=color, label=label)
    right.bar_label(bars, fmt="%.2f", padding=2)
right.set_xticks(places, figures)
right.set(
    title="What they get", ylabel="found in lists of 50 (HR@50)", ylim=(0, 1.25)
)
right.legend(loc="upper right")
right.grid(axis="y", alpha=0.3)
plt.show()

# %%
# From a shell the first half is ``python -m skrecsec audit ratings.csv``, the second ``python -m
# skrecsec --ratings ratings.csv``. One generated data set and a simple attack are no proof:
# :doc:`/strongest_attack` has all attacks on real ratings, and ``skrecsec worst-case`` on yours.
