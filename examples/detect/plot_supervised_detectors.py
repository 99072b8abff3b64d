"""
Why training on poisoned data fails
===================================

A classifier can tell fake profiles from genuine ones, given features of profiles and labels. Labels
come from attacks that one makes oneself: the profiles that an attack appends are fake, and all
others are genuine, if the ratings were clean before. But who needs a detector does not have clean
ratings. The ratings at hand may be poisoned, and whoever trains on them teaches the classifier that
the very fakes that it should find are genuine.

We train six classifiers on three kinds of ratings, and have them judge fakes of an attack that was
not among those simulated.
"""

# %%
# What is judged
# --------------
# Of 618 profiles 18 are fake; they push three items. We repeat the attack on other items.
import numpy as np

from skrecsec import SegmentAttackTransformer
from skrecsec.datasets import make_ratings

SEEDS = range(3)

genuine = make_ratings(600, 400, density=0.08, random_state=0)
judged = [
    SegmentAttackTransformer(
        n_targets=3, attack_size=0.03, random_state=seed
    ).fit_transform(genuine)
    for seed in SEEDS
]
is_fake = np.arange(judged[0].shape[0]) >= genuine.shape[0]
print(f"{is_fake.size} profiles, {is_fake.sum()} of them fake")

# %%
# Labels without leaks
# --------------------
# Three attacks of other kinds, on other items and of other sizes, make labeled profiles in a crowd.
# Each crowd is described in its own terms, for which labels are not needed: every feature is a rank
# within the crowd, which means the same in another one.
import pandas as pd

from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    BandwagonAttackTransformer,
)
from skrecsec.detection import ProfileFeatures

simulated = [
    AverageAttackTransformer(n_targets=5, attack_size=0.02, random_state=10),
    BandwagonAttackTransformer(n_targets=1, attack_size=0.05, random_state=11),
    AUSHAttackTransformer(n_targets=3, attack_size=0.05, random_state=12),
]


def described(X):
    """Return all features of the profiles of a crowd, by name."""
    return (
        ProfileFeatures(scale="rank")
        .set_output(transform="pandas")
        .fit_transform(X)
    )


def labeled(crowd):
    """Return features and labels of the crowd under each attack."""
    poisoned = [attack.fit_transform(crowd) for attack in simulated]
    labels = [np.arange(X.shape[0]) >= crowd.shape[0] for X in poisoned]
    return pd.concat([described(X) for X in poisoned]), np.concatenate(
        labels
    ).astype(int)


# %%
# The classifiers
# ---------------
# They are scikit-learn's, on the features that the papers name. SemiSAD, naive Bayes that trains
# itself, also sees the profiles that are judged, without labels: -1 stands for none.
from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

classifiers = {
    "DegreeSAD": (
        "degree",
        DecisionTreeClassifier(criterion="entropy", random_state=0),
    ),
    "kNN": ("burke", KNeighborsClassifier(9)),
    "SVM": ("burke", SVC()),
    "AdaBoost": (
        "radaboost",
        AdaBoostClassifier(n_estimators=50, random_state=0),
    ),
    "SemiSAD": ("semisad", SelfTrainingClassifier(GaussianNB())),
    "Extra-trees": ("all", ExtraTreesClassifier(100, random_state=0)),
}


def average_precision(name, X, y, Z):
    """Train on X and y; return the average precision for the fakes in Z."""
    features, classifier = classifiers[name]
    columns = ProfileFeatures(features).fit(genuine).get_feature_names_out()
    X, Z = X[columns], Z[columns]
    if name == "SemiSAD":
        X, y = pd.concat([X, Z]), np.concatenate([y, np.full(len(Z), -1)])
    classifier.fit(X, y)
    if hasattr(classifier, "predict_proba"):
        return average_precision_score(
            is_fake, classifier.predict_proba(Z)[:, 1]
        )
    return average_precision_score(is_fake, classifier.decision_function(Z))


# %%
# Three crowds to train on
# ------------------------
# Clean ratings of the same users are an oracle, since nobody has them. The ratings that are judged
# are what is at hand; all of them are taken for genuine. And generated ratings, of other users and
# other items, are clean because a generator made them.
clean = labeled(genuine)
generated = labeled(make_ratings(800, 500, density=0.06, random_state=1))
results = {}
for X in judged:
    crowds = {
        "clean ratings of these users (oracle)": clean,
        "the poisoned ratings themselves": labeled(X),
        "generated ratings": generated,
    }
    for crowd, (features, labels) in crowds.items():
        for name in classifiers:
            score = average_precision(name, features, labels, described(X))
            results.setdefault((crowd, name), []).append(score)

# %%
# What they find
# --------------
# :class:`~skrecsec.detection.LockstepDetector`, which needs no labels, serves as a yardstick.
from skrecsec import LockstepDetector

lockstep = np.mean(
    [
        average_precision_score(
            is_fake, -LockstepDetector().fit(X).profile_scores_
        )
        for X in judged
    ]
)
for name in classifiers:
    print(
        f"{name:12}",
        *(f"{np.mean(results[crowd, name]):.2f}" for crowd in crowds),
    )
print(f"LockstepDetector {lockstep:.2f}")

# %%
import matplotlib.pyplot as plt

COLORS = ["#777777", "#D55E00", "#0072B2"]  # Okabe and Ito's

figure, ax = plt.subplots(figsize=(8, 5.2), layout="constrained")
places = np.arange(len(classifiers))
bars = []
for number, (crowd, color) in enumerate(zip(crowds, COLORS, strict=True)):
    scores = np.array([results[crowd, name] for name in classifiers])
    at = places + 0.27 * (number - 1)
    bars += [ax.barh(at, scores.mean(axis=1), 0.25, color=color, label=crowd)]
    dots = ax.plot(
        scores, at, "o", color="white", markeredgecolor="black", markersize=4
    )
dots[0].set_label("each of three attacks")
ax.axvline(lockstep, color="#009E73", linestyle="--", linewidth=2)
ax.set_yticks(places, classifiers)
ax.invert_yaxis()
ax.set(xlim=(0, 1.03), xlabel="Average precision (bars: means)")
ax.set_title("Fakes of an attack that training has not seen")
ax.annotate(
    "LockstepDetector,\nno labels",
    (lockstep, 0),
    (-8, 0),
    textcoords="offset points",
    ha="right",
    va="center",
    color="#00664B",
)
ax.grid(axis="x", alpha=0.3)
ax.set_axisbelow(True)
ax.legend(handles=dots[:1], loc="center right", bbox_to_anchor=(0.95, 0.25))
figure.legend(
    handles=bars,
    title="Trained on attacks simulated in",
    loc="outside lower center",
    ncols=2,
)
plt.show()

# %%
# With clean ratings in hand, most classifiers recognize an attack that they have never seen, best
# of all the one that has all features. The same classifiers, trained on the ratings that they are
# to judge, find next to nothing; and those that remember best what they are taught, such as the
# trees and the neighbors, fail most thoroughly: the fakes were in their training set, as genuine
# users. Published figures are mostly of the first kind.
#
# Training on generated ratings avoids that, and works here nearly as well as the oracle, with some
# classifiers better. That flatters it: the genuine ratings of this example come from the same
# generator, while real ratings differ from generated ones. :ref:`profile-features` has the figures
# for real ratings, and what each feature is.
