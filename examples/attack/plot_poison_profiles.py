"""
What poison looks like
======================

Fake profiles of four attacks beside the genuine users they are mixed with. Random and bandwagon
are classics that need little knowledge, AUSH trains a network to imitate users, and CoAttack
optimises its profiles against a recommender of its own.

We look at which items are rated, how they are rated, and where the profiles lie on a map of the
users. An attack may be easy to see in one view and invisible in another.
"""

# %%
# Four attacks on the same users
# ------------------------------
# With the same ``random_state`` the attacks share the five targets and the users they know of.
# ``fit`` crafts the fake profiles, in ``poison_``. Targets always get the highest rating, so we
# leave them out and look at the other items, the fillers.
import numpy as np

from skrecsec import (
    AUSHAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    RandomAttackTransformer,
)
from skrecsec.datasets import make_ratings

X = make_ratings(random_state=0)
attacks = {
    "Random": RandomAttackTransformer(random_state=0).fit(X),
    "Bandwagon": BandwagonAttackTransformer(random_state=0).fit(X),
    "AUSH": AUSHAttackTransformer(random_state=0).fit(X),
    "CoAttack": CoAttackTransformer(random_state=0).fit(X),
}
targets = attacks["Random"].target_items_
item_popularity = np.bincount(X.indices, minlength=X.shape[1])
profiles = {"Genuine": X} | {
    name: attack.poison_ for name, attack in attacks.items()
}


def fillers(ratings):
    """Return the popularity of the fillers, and their ratings."""
    keep = ~np.isin(ratings.indices, targets)
    return item_popularity[ratings.indices[keep]], ratings.data[keep]


print("           popularity of a filler  rating of a filler")
for name, ratings in profiles.items():
    popularity, stars = fillers(ratings)
    print(
        f"{name:10} {np.median(popularity):15.0f} (median) "
        f"{stars.mean():12.2f} (mean)"
    )

# %%
# Who is like whom
# ----------------
# Copies of one profile would be easy to find. ``n_distinct_profiles_`` counts the distinct ones,
# and here no two are the same. But profiles need not be copies to be suspicious: we also ask how
# much each resembles the most similar other profile, fake or genuine. The cosine similarity is 1
# for two profiles that rate the same items, and 0 for two that have no item in common.
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import binarize


def closest(ratings):
    """Return for each profile its similarity to the most similar other one."""
    similarity = cosine_similarity(binarize(ratings))
    np.fill_diagonal(similarity, 0)  # nobody is compared with themselves
    return similarity.max(axis=1)


low, middle, high = np.quantile(closest(X), [0.05, 0.5, 0.95])
print(
    f"Genuine    {middle:.2f} (median), nine in ten are between {low:.2f} and "
    f"{high:.2f}"
)
for name, attack in attacks.items():
    everyone = sp.vstack([X, attack.poison_], format="csr")
    similarity = np.median(closest(everyone)[X.shape[0] :])
    n_profiles, n_distinct = (
        attack.poison_.shape[0],
        attack.n_distinct_profiles_,
    )
    print(
        f"{name:10} {similarity:.2f} (median), {n_distinct} of {n_profiles} "
        "are distinct"
    )

# %%
# The picture
# -----------
# For the map, a truncated SVD with two components is fitted to the genuine profiles, each scaled
# to length 1, and the fake ones are placed on it.
import matplotlib.pyplot as plt
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

COLORS = {  # Okabe and Ito's, which people with colour blindness can tell apart
    "Genuine": "#999999",
    "Random": "#0072B2",
    "Bandwagon": "#E69F00",
    "AUSH": "#009E73",
    "CoAttack": "#D55E00",
}
STYLES = {
    "Genuine": "-",
    "Random": "--",
    "Bandwagon": "-.",
    "AUSH": ":",
    "CoAttack": "-",
}
MARKERS = {
    "Genuine": ".",
    "Random": "v",
    "Bandwagon": "s",
    "AUSH": "^",
    "CoAttack": "D",
}

svd = TruncatedSVD(n_components=2, random_state=0).fit(normalize(X))
figure, axes = plt.subplot_mosaic(
    [["popularity", "map"], ["ratings", "map"]],
    figsize=(11, 6.4),
    width_ratios=[1, 1.25],
    layout="constrained",
)
for number, (name, ratings) in enumerate(profiles.items()):
    popularity, stars = fillers(ratings)
    color = COLORS[name]
    axes["popularity"].ecdf(
        popularity, color=color, linestyle=STYLES[name], linewidth=2
    )
    shares = np.bincount(stars.astype(int), minlength=6)[1:] / stars.size
    left = np.arange(1, 6) + 0.16 * (number - 2)
    axes["ratings"].bar(left, shares, width=0.16, color=color)
    genuine = name == "Genuine"
    axes["map"].plot(
        *svd.transform(normalize(ratings)).T,
        MARKERS[name],
        color=color,
        alpha=0.5 if genuine else 1,
        markeredgecolor=color if genuine else "black",
        markeredgewidth=0 if genuine else 0.6,
        label=name,
    )
axes["popularity"].set(
    title="Which items are rated",
    xlabel="Popularity of the item (genuine ratings)",
    ylabel="Share of fillers up to here",
    xlim=(0, item_popularity.max()),
)
axes["ratings"].set(
    title="How they are rated",
    xlabel="Rating (levels)",
    ylabel="Share of fillers",
    ylim=(0, 1.05),
)
axes["map"].set(
    title="Where the profiles lie",
    xlabel="First component (no unit)",
    ylabel="Second component (no unit)",
)
for ax in axes.values():
    ax.grid(alpha=0.3)
    ax.set_axisbelow(True)
figure.legend(loc="outside upper center", ncols=5)
plt.show()

# %%
# - **Random** is easy to spot. Its ratings look genuine, but its items do not: most fillers are
#   obscure, and nobody else rates as these profiles do. On the map they lie apart.
# - **Bandwagon** adds a few very popular items and is otherwise random. That moves it to where the
#   least typical users are, and still in a clump.
# - **AUSH** is the hardest to spot in all three views, since each of its profiles starts from that
#   of a genuine user. This is also its weakness: it resembles another profile more than users
#   usually do.
# - **CoAttack** rates popular items only, all alike, here with a 3. Its profiles are distinct, but
#   rate nearly the same items, so that they form a tight clump at the edge of the map.
#
# Being easy to spot does not make an attack weak: CoAttack is the strongest one in
# :ref:`sphx_glr_auto_examples_attack_plot_attack_strength.py`. And whoever made these views knew
# which profiles were fake. A detector does not.
