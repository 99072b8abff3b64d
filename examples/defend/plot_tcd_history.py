"""
How TCD's pseudo-labels grow and agree over epochs
==================================================

Triple cooperative defense (TCD) trains three matrix factorisations. At first they learn from the
ratings alone. Then, epoch by epoch, each of them is also trained on pseudo-ratings: on every cell
of the rating matrix that nobody has filled in and for which the two others predict the same rating
level.

A fitted recommender keeps a record of this in ``history_``. Here we look at it twice: for clean
ratings, and for the same ratings with 3% fake profiles among them.
"""

# %%
# The data
# --------
# Generated ratings, one of each user hidden.
from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split

ratings = make_ratings(800, 800, density=0.04, random_state=1)
X, y = leave_one_out_split(ratings, random_state=1)
print(f"{X.shape[0]} users, {X.shape[1]} items, {X.nnz} ratings to learn from")

# %%
# Training with and without the attack
# ------------------------------------
# In a pipeline the attack appends its fake profiles when the pipeline is fitted. The matrix
# factorisation without a defense is here to show that the attack is a strong one.
from sklearn.pipeline import make_pipeline

from skrecsec import CoAttackTransformer, MFRecommender, TCDRecommender
from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score

attack = CoAttackTransformer(random_state=1)
undefended = make_pipeline(attack, MFRecommender(random_state=1)).fit(X)
clean = TCDRecommender(random_state=1).fit(X)
poisoned = make_pipeline(attack, TCDRecommender(random_state=1)).fit(X)

models = {
    "MF, poisoned": undefended,
    "TCD, clean": clean,
    "TCD, poisoned": poisoned,
}
for name, model in models.items():
    scores = model.predict(X)
    found = hit_ratio_score(y, scores, seen=X)
    pushed = target_hit_ratio_score(scores, attack.target_items_, seen=X)
    print(
        f"{name:13} HR@50 of hidden ratings {found:.3f}, of targets "
        f"{pushed:.3f}"
    )

# %%
# Epoch by epoch
# --------------
# :class:`~skrecsec.inspection.TrainingHistoryDisplay` draws the history: the loss on ratings that
# were held back from training, and the pseudo-ratings as a share of all cells. Both panels get the
# same axes, so that they can be compared.
import matplotlib.pyplot as plt

from skrecsec.inspection import TrainingHistoryDisplay

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
figure.get_layout_engine().set(wspace=0.08)  # between the two scales
panels = {"Clean ratings": clean, "Poisoned ratings": poisoned}
for ax, (title, model) in zip(axes, panels.items(), strict=True):
    display = TrainingHistoryDisplay.from_estimator(model, ax=ax)
    ax.set(title=title, xlim=(0, 25), ylim=(0, 0.5))
    display.pseudo_ax_.set_ylim(0, 1)
handles = axes[0].get_legend().legend_handles
axes[0].legend(
    handles=handles, fontsize="small", loc="center", bbox_to_anchor=(0.44, 0.5)
)
axes[1].get_legend().remove()  # the left one serves both
plt.show()

# %%
# Pre-training comes first: two epochs here, without any pseudo-ratings.
# ``n_pretrain_iter="auto"`` makes it longer where ratings are sparser. None of its epochs is kept.
#
# In the third epoch pseudo-ratings set in, and at once they outnumber the ratings by far: models
# that know little already agree on nine cells out of ten. The share grows slowly while they learn,
# towards all cells but the few that hold a rating. The loss reaches its lowest point in the epoch
# at the dotted line, whose factors are kept, and training ends five epochs later.
#
# The attack hardly shows in these curves. They tell whether training went well, not whether
# somebody lied.
#
# What they agree about
# ---------------------
# The factors of all three models are kept, so we can ask on which levels two of them agree in the
# end: for all cells of the genuine users, and for those of the attacked items.
import numpy as np


def agreed_levels(recommender):
    """Return the levels on which two models agree, NaN where they do not."""
    lowest, highest = recommender.rating_levels_[[0, -1]]
    factors = zip(
        recommender.user_factors_all_,
        recommender.item_factors_all_,
        strict=True,
    )
    predicted = [highest * users @ items.T for users, items in factors]
    first, second = (
        np.clip(np.round(ratings), lowest, highest) for ratings in predicted[:2]
    )
    return np.where(first == second, first, np.nan)


for name, recommender in [("clean", clean), ("poisoned", poisoned[-1])]:
    levels = agreed_levels(recommender)[: X.shape[0]]  # fake profiles come last
    print(
        f"{name}: epoch {recommender.best_iter_} of {recommender.n_iter_} "
        "was kept"
    )
    for cells, agreed in [
        ("all cells", levels),
        ("targets", levels[:, attack.target_items_]),
    ]:
        some, lowest = np.isfinite(agreed).mean(), (agreed == 1).mean()
        print(
            f"  {cells:9}  agreed {some:.3f}, on the lowest level {lowest:.3f}"
        )

# %%
# On four cells out of five they agree on the lowest level, and on nearly all cells of the attacked
# items. There are 24 fake profiles that give each of these items the highest level; for almost all
# of the 800 genuine users, a pseudo-rating of the lowest level stands against them. That is the
# defense.
