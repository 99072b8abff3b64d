"""
What no attack can do
=====================

That an attack fails does not say that every attack would. The weights of EASE have a closed form,
of which more can be said: :meth:`~skrecsec.recommenders.EASERecommender.certify` bounds how many
users can be made to list an item, whatever the fake profiles rate, and whatever the attacker knows.
"""

# %%
# A new item
# ----------
# An item that nobody has rated is what an attacker would promote. Lists have ten items, and fake
# profiles ten ratings at most.
from skrecsec import EASERecommender
from skrecsec.datasets import make_ratings

TARGET, SIZE, K = 59, 10, 10

X = make_ratings(300, 60, density=0.3, random_state=0).tolil()
X[:, [TARGET]] = 0
X = X.tocsr()
model = EASERecommender(reg=100.0).fit(X)

# %%
# The bound, and an attack
# ------------------------
# ``hit_ratio`` holds without any condition. ``hit_ratio_fixed`` holds as long as the fake profiles
# do not push other items down, at which they are not good. Between these and what attacks reach is
# what is not known. The attack that we try follows the gradient through EASE, and knows all ratings
# and the penalty.
from skrecsec import EASEAttackTransformer
from skrecsec.metrics import target_hit_ratio_score

numbers = [1, 3, 6, 10, 15, 20, 30]  # fake profiles
certificates = [
    model.certify(X, [TARGET], n_fakes=n, profile_size=SIZE, k=K)
    for n in numbers
]
reached = []
for n in numbers:
    attack = EASEAttackTransformer(
        reg=100.0,
        target_items=[TARGET],
        attack_size=n,
        n_fillers=SIZE - 1,
        knowledge=1.0,
        k=K,
        random_state=0,
    )
    scores = EASERecommender(reg=100.0).fit(attack.fit_transform(X)).predict(X)
    reached.append(target_hit_ratio_score(scores, [TARGET], k=K, seen=X))

for n, certificate, hit_ratio in zip(
    numbers, certificates, reached, strict=True
):
    print(
        f"{n:2} fakes: at most {certificate.hit_ratio[0]:.3f} of the users, "
        "at most "
        f"{certificate.hit_ratio_fixed[0]:.3f} with fixed lists; reached "
        f"{hit_ratio:.3f}"
    )

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
all_lists = [certificate.hit_ratio[0] for certificate in certificates]
fixed_lists = [certificate.hit_ratio_fixed[0] for certificate in certificates]
ax.fill_between(numbers, all_lists, 1, color="#0072B2", alpha=0.15, linewidth=0)
ax.plot(
    numbers,
    all_lists,
    "-",
    color="#0072B2",
    linewidth=2,
    label="No attack exceeds this",
)
ax.plot(
    numbers,
    fixed_lists,
    "--",
    color="#0072B2",
    label="Nor this, if other items stay put",
)
ax.plot(
    numbers,
    reached,
    "o-",
    color="#D55E00",
    label="An attack that knows everything",
)
ax.set(
    xlim=(numbers[0], numbers[-1]),
    ylim=(0, 1),
    title="How many users can be won",
)
ax.set_xlabel(f"Fake profiles (beside {X.shape[0]} users)")
ax.set_ylabel(f"HR@{K} of the target (share of users)")
ax.grid(alpha=0.3)
ax.legend(loc="upper left")
plt.show()

# %%
# Up to a handful of fake profiles, the bound without conditions is worth something; with twenty it
# says no more than that there are no more users than all. The one with fixed lists is about three
# times what this attack reaches with thirty. A stronger attack may exist. One above the line does
# not.
#
# :ref:`certificates` has the proofs, figures for MovieLens, and what a larger penalty buys.
