"""
Honest evaluation
=================

The same fitted model can be given very different marks. We train one matrix factorisation on
poisoned ratings, evaluate it honestly, and then repeat the evaluation with four mistakes that are
easily made, one at a time:

- fake profiles are scored as if they were users,
- items that users have rated already stay in their rankings,
- an item has to beat 100 randomly sampled items only, instead of all,
- the epoch is chosen by the very ratings that are reported.

Two numbers are asked for: how often the recommender finds what users like, and how often it
recommends what the attacker wants.
"""

# %%
# One model, evaluated honestly
# -----------------------------
# Of each genuine user one rating is hidden. The model learns from the others and from 3% fake
# profiles. Only genuine users are scored, rated items are left out of their rankings, all other
# items are ranked, and the epoch was chosen by training ratings that ``fit`` holds back for it.
import numpy as np

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.datasets import make_ratings
from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score
from skrecsec.model_selection import leave_one_out_split

K = 10  # length of the lists

X, y = leave_one_out_split(make_ratings(random_state=0), random_state=0)
attack = AverageAttackTransformer(random_state=0)
X_poisoned = attack.fit_transform(X)
targets = attack.target_items_
model = MFRecommender(random_state=0).fit(X_poisoned)


def evaluate(y, scores, seen):
    """Return HR@K of the hidden items and of the targets."""
    return (
        hit_ratio_score(y, scores, k=K, seen=seen),
        target_hit_ratio_score(scores, targets, k=K, seen=seen),
    )


scores = model.predict(X)
results = {"Honest": evaluate(y, scores, X)}

# %%
# Mistake 1: fake profiles are users
# ----------------------------------
# Whoever splits the ratings after they were poisoned hides a rating of each fake profile too, and
# scores it along with the genuine ones.
import scipy.sparse as sp

X_fake, y_fake = leave_one_out_split(attack.poison_, random_state=0)
X_all = sp.vstack([X, X_fake], format="csr")
y_all = np.concatenate([y, y_fake])
results["Fake profiles\nare users"] = evaluate(
    y_all, model.predict(X_all), X_all
)

# %%
# Mistake 2: rated items are ranked
# ---------------------------------
# Nobody needs to be told what they have rated. Left in, these items take up places.
results["Rated items\nare ranked"] = evaluate(y, scores, None)

# %%
# Mistake 3: 100 sampled negatives
# --------------------------------
# For each user we draw 100 of the items that they have not rated. Scores of minus infinity take
# all others but the one in question out of the ranking. Targets are judged one after the other.
rng = np.random.default_rng(0)
lottery = rng.random(X.shape)
lottery[X.toarray() > 0] = 0
lottery[np.arange(y.size), y] = 0
drawn = lottery >= np.sort(lottery, axis=1)[:, [-100]]


def against_sample(items):
    """Return the scores of the sampled items and of one item per user."""
    ranked = drawn.copy()
    ranked[np.arange(len(scores)), items] = True
    return np.where(ranked, scores, -np.inf)


results["100 sampled\nnegatives"] = (
    hit_ratio_score(y, against_sample(y), k=K, seen=X),
    np.mean(
        [
            target_hit_ratio_score(against_sample(t), [t], k=K, seen=X)
            for t in targets
        ]
    ),
)

# %%
# Mistake 4: the epoch is chosen by the test ratings
# --------------------------------------------------
# With the same ``random_state``, a smaller ``max_iter`` stops the same training sooner. Among all
# epochs that our model went through, we keep the one that looks best on the hidden ratings.
epochs = range(1, model.best_iter_ + 1)
by_epoch = [
    evaluate(
        y,
        MFRecommender(max_iter=n, random_state=0).fit(X_poisoned).predict(X),
        X,
    )
    for n in epochs
]
best = int(np.argmax([test_hr for test_hr, _ in by_epoch]))
results["Epoch chosen by\ntest ratings"] = by_epoch[best]
print(
    f"Epoch chosen by validation ratings {model.best_iter_}, by test ratings "
    f"{epochs[best]}"
)

# %%
# What the mistakes do
# --------------------
import matplotlib.pyplot as plt

for name, (test_hr, target_hr) in results.items():
    name = name.replace("\n", " ")
    print(
        f"{name:28} HR@{K} of hidden items {test_hr:.3f}, of targets "
        f"{target_hr:.3f}"
    )

titles = ["What users want", "What the attacker wants"]
labels = [
    f"HR@{K} of hidden items (share of users)",
    f"HR@{K} of targets (share of users and targets)",
]
colors = ["#0072B2"] + [
    "#E69F00"
] * 4  # Okabe and Ito's: blue is honest, orange is not

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.4), sharey=True, layout="constrained"
)
for ax, title, label, values in zip(
    axes, titles, labels, zip(*results.values(), strict=True), strict=True
):
    bars = ax.barh(
        list(results), values, color=colors, edgecolor="black", linewidth=0.6
    )
    ax.bar_label(bars, fmt="%.3f", padding=4, bbox={"color": "white", "pad": 1})
    ax.axvline(values[0], color="#0072B2", linestyle="--", linewidth=1.5)
    ax.set(title=title, xlabel=label, xlim=(0, 1.15))
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
axes[0].invert_yaxis()
plt.show()

# %%
# The model is the same in the first four rows, and in the last one it is the same training run, cut
# short. What changes is the marks:
#
# - Scoring **fake profiles** makes both numbers slightly lower. Random fillers cannot be guessed,
#   and who has rated the targets cannot be recommended them, which dilutes the attack's success.
# - Where **rated items** are ranked, they crowd out the others. The recommender seems half as good,
#   and the attack nearly harmless.
# - Against **100 sampled items** the recommender seems almost three times as good. An attack that
#   gets into a third of the lists of ten seems to get into all, so that no stronger attack could be
#   told from it.
# - An **epoch chosen by the test ratings** can only raise the first number. Here that gains next to
#   nothing, but the earlier epoch hides a quarter of the attack's success.
#
# The errors go in both directions and differ in size, so that results obtained in different ways
# cannot be compared. How much each matters depends on data, model and list length. The scorers of
# this package leave fake profiles out, mask what is rated and rank everything else.
