"""
A bound by counting
===================

Whoever wants an item recommended to thousands needs a few fake profiles only. That is the lever of
every attack, and :class:`~skrecsec.recommenders.ExposureGate` takes it away: an item is listed for
at most so many times as many users as have rated it. However clever an attack is, its fake profiles
can only be as many as they are.
"""

# %%
# The attack
# ----------
# It is made for the model, EASE, and sees all genuine profiles, the worst case. We add more and
# more fake profiles, for five items that hardly anybody has rated, and ask how many genuine users
# are recommended them.
from skrecsec import EASEAttackTransformer, EASERecommender, ExposureGate
from skrecsec.datasets import make_ratings
from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score
from skrecsec.model_selection import leave_one_out_split

ratings = make_ratings(400, 400, density=0.04, random_state=0)
X, y = leave_one_out_split(ratings, random_state=0)
sizes = [0, 2, 4, 8, 12, 16, 20]  # fake profiles

models = {
    "EASE": EASERecommender(100.0),
    "EASE behind a gate": ExposureGate(
        EASERecommender(100.0), max_exposure=2.0
    ),
}
targets = EASEAttackTransformer(random_state=0).fit(X).target_items_
reached = {name: [] for name in models}
for size in sizes:
    poisoned = X
    if size:
        attack = EASEAttackTransformer(
            target_items=targets,
            attack_size=size,
            knowledge=1.0,
            random_state=0,
        )
        poisoned = attack.fit_transform(X)
    for name, model in models.items():
        scores = model.fit(poisoned).predict(X)
        reached[name].append(target_hit_ratio_score(scores, targets, seen=X))

# %%
# What the gate promises
# ----------------------
# The bound is known before anybody attacks: twice the raters, genuine and fake, of each target,
# divided by the number of users. It holds for any list, any attack and any model behind the gate.
gate = models["EASE behind a gate"].fit(X)
bound = [gate.exposure_bound(size)[targets].mean() for size in sizes]

# %%
# It has a price where items have few ratings, as here: users want some of them more often. A wider
# gate costs less and promises less; ``max_exposure="auto"`` looks for one that the ratings
# can bear.
for name, model in models.items():
    hidden = hit_ratio_score(y, model.fit(X).predict(X), seen=X)
    print(f"{name:20} HR@50 of hidden ratings {hidden:.3f}")
auto = ExposureGate(EASERecommender(100.0), max_exposure="auto").fit(X)
hidden = hit_ratio_score(y, auto.predict(X), seen=X)
print(
    f"max_exposure={auto.max_exposure_:g}       HR@50 of hidden ratings "
    f"{hidden:.3f}"
)

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
styles = {"EASE": ("#D55E00", "s-"), "EASE behind a gate": ("#0072B2", "o-")}
for name, (color, style) in styles.items():
    ax.plot(sizes, reached[name], style, color=color, linewidth=2, label=name)
ax.plot(
    sizes,
    bound,
    "--",
    color="black",
    label="What the gate lets through at most",
)
ax.set(ylim=(0, None), title="Targets that are recommended")
ax.set_xticks(sizes)
ax.set_xlabel(f"Fake profiles (beside {X.shape[0]} users)")
ax.set_ylabel("HR@50 of targets (share of users and targets)")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Behind the gate the targets stay below the line, and close to it: the attack takes all that the
# gate leaves it. Twenty fake profiles buy forty lists, and not more than a hundred.
