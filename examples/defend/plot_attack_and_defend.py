"""
Attack a recommender and defend it
==================================

Fake profiles are cheap. Here an attacker who sees two fifths of the users adds 3% fake ones, to
have five items that hardly anybody rated recommended. We look at two recommenders trained on the
poisoned ratings: a matrix factorisation that trusts all profiles, and triple cooperative defense
(TCD), three factorisations that train one another on what two of them agree about.

Both are asked two questions, for lists of any length: how often do they find what users like, and
how often do they recommend what the attacker wants?
"""

# %%
# The data
# --------
# Generated ratings have the long tail and the sparsity of real ones. Of each user one rating is
# hidden: a recommender should find it again.
from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split

ratings = make_ratings(random_state=1)
X, y = leave_one_out_split(ratings, random_state=1)
print(f"{X.shape[0]} users, {X.shape[1]} items, {X.nnz} ratings to learn from")

# %%
# Attack and defense
# ------------------
# An attack is a transformer. ``fit_transform`` appends its fake profiles to the ratings and
# ``transform`` does not, so that a pipeline learns from poisoned ratings and is asked about genuine
# users only. The same ``random_state`` gives both pipelines the same fake profiles.
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer, MFRecommender, TCDRecommender

attack = AverageAttackTransformer(
    attack_size=0.03, knowledge=0.4, random_state=1
)
models = {
    "MF, clean": MFRecommender(random_state=1),
    "MF, attacked": make_pipeline(attack, MFRecommender(random_state=1)),
    "TCD, attacked": make_pipeline(attack, TCDRecommender(random_state=1)),
}
scores = {name: model.fit(X).predict(X) for name, model in models.items()}
targets = attack.target_items_
print(f"{attack.poison_.shape[0]} fake profiles for the targets {targets}")

# %%
# What happened
# -------------
# Rated items are left out of a user's ranking, all others are ranked. As a yardstick for the hidden
# ratings serves the list of the most popular items, the same for everyone.
import numpy as np

from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score

popularity = np.bincount(X.indices, minlength=X.shape[1])
scores["Most popular"] = np.tile(popularity, (X.shape[0], 1))
lengths = np.unique(np.geomspace(1, X.shape[1], 40).astype(int))
found = {
    name: [hit_ratio_score(y, s, k=k, seen=X) for k in lengths]
    for name, s in scores.items()
}
pushed = {
    name: [target_hit_ratio_score(s, targets, k=k, seen=X) for k in lengths]
    for name, s in scores.items()
}
for name, s in scores.items():
    hidden, attacked = (
        hit_ratio_score(y, s, seen=X),
        target_hit_ratio_score(s, targets, seen=X),
    )
    print(
        f"{name:14} HR@50 of hidden ratings {hidden:.3f}, of targets "
        f"{attacked:.3f}"
    )

# %%
# The attack hardly shows in the left panel: whoever watches accuracy alone does not notice it. In
# the right panel, it lifts the targets from the end of the ranking into nearly everyone's first
# fifty items. TCD, trained on the same poisoned ratings, keeps them out of the first hundred, and
# finds more of the hidden ratings than either factorisation or the most popular items.
import matplotlib.pyplot as plt

COLORS = {  # Okabe and Ito's, which people with colour blindness can tell apart
    "MF, clean": "#0072B2",
    "MF, attacked": "#D55E00",
    "TCD, attacked": "#009E73",
    "Most popular": "#777777",
}
STYLES = {
    "MF, clean": "--",
    "MF, attacked": "-.",
    "TCD, attacked": "-",
    "Most popular": ":",
}

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained"
)
panels = [
    ("What users want", "HR@k of hidden ratings (share of users)", found),
    (
        "What the attacker wants",
        "HR@k of targets (share of users and targets)",
        pushed,
    ),
]
ticks = [1, 10, 50, 100, 1000]
for ax, (title, label, curves) in zip(axes, panels, strict=True):
    for name, curve in curves.items():
        ax.plot(
            lengths,
            curve,
            STYLES[name],
            color=COLORS[name],
            linewidth=2,
            label=name,
        )
    ax.axvline(50, color="black", linewidth=0.8)
    ax.set(
        title=title,
        xlabel="Length k of the list (items)",
        ylabel=label,
        xscale="log",
    )
    ax.set(xlim=(1, X.shape[1]), ylim=(-0.02, 1.02))
    ax.set_xticks(ticks, ticks)
    ax.grid(alpha=0.3)
axes[0].legend()
plt.show()
