"""
Who is fake?
============

Whoever runs a recommender asks this first: are there fake profiles among my users, which are they,
and whom do they serve? :class:`~skrecsec.detection.LockstepDetector` answers from the ratings
alone. It is told no labels, neither how many profiles are fake nor which items are attacked, and
looks for users who give the same items the same rating, more often than chance and taste explain.
"""

# %%
# Six attacks
# -----------
# Generated ratings, and attacks that add fake profiles to them. Four promote five items that hardly
# anybody has rated; two promote one item, with ten fake profiles, which leaves less to be seen.
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    CoAttackTransformer,
    LockstepDetector,
    SegmentAttackTransformer,
)
from skrecsec.datasets import make_ratings

X = make_ratings(random_state=0)
few = {"n_targets": 1, "target_items": "random", "attack_size": 10}
attacks = {
    "Average": AverageAttackTransformer(random_state=0),
    "Segment": SegmentAttackTransformer(random_state=0),
    "AUSH": AUSHAttackTransformer(random_state=0),
    "CoAttack": CoAttackTransformer(random_state=0),
    "Average, one target": AverageAttackTransformer(**few, random_state=0),
    "AUSH, one target": AUSHAttackTransformer(**few, random_state=0),
}
pipelines = {
    name: make_pipeline(attack, LockstepDetector()).fit(X)
    for name, attack in attacks.items()
}

# %%
# Who, and on whose behalf
# ------------------------
# The detector of a pipeline has judged all profiles that reached it, the fake ones last. It calls
# some of them fake (``labels_``), and says why: in ``groups_`` are users who act together, with the
# items that they act on, the most surprising first.
n_users = X.shape[0]
for name, pipeline in pipelines.items():
    attack, detector = pipeline[0], pipeline[-1]
    called_fake = detector.labels_ == -1
    n_fake = attack.poison_.shape[0]
    print(
        f"{name}: found {called_fake[n_users:].sum()} of {n_fake} fake "
        "profiles, wrongly accused "
        f"{called_fake[:n_users].sum()} of {n_users} genuine users"
    )
    for group in detector.groups_:
        if set(group.items.tolist()) == set(attack.target_items_.tolist()):
            print(
                f"    {group.n_users} users rated the targets "
                f"{group.items.tolist()} alike"
            )

# %%
# All attacks but the last one are found, to the last profile, and a group names their targets. Its
# users may be more than the fakes: genuine users have rated the one target highly, too. AUSH copies
# genuine profiles, so that with one target only the number of its raters could give it away.
#
# A few genuine users are accused each time, and it is always the same ones: they are in groups of
# their own, which stand out much less. Without an attack, these are all that is found.
clean = LockstepDetector().fit(X)
for group in [*pipelines["Average"][-1].groups_[:3], *clean.groups_[:2]]:
    print(group)

# %%
# So before anybody is banned, look at the groups: at their score, which is the evidence in nats,
# and at the profiles. :class:`~skrecsec.inspection.GroupDisplay` shows those of the first group,
# above genuine ones with about as many ratings.
import matplotlib.pyplot as plt

from skrecsec.inspection import GroupDisplay

figure, ax = plt.subplots(figsize=(9, 5.5), layout="constrained")
poisoned = attacks["Average"].fit_transform(X)
GroupDisplay.from_estimator(pipelines["Average"][-1], poisoned, ax=ax)
plt.show()

# %%
# How well
# --------
# Average precision asks for more than the verdicts: whether the fakes are the most suspicious
# profiles of all, wherever the line is drawn. :class:`~skrecsec.inspection.DetectionDisplay` has
# the curves behind that number, and a marker where the detector itself draws the line. A curve
# along the top finds all fakes before anybody genuine.
from skrecsec.inspection import DetectionDisplay

display = DetectionDisplay.from_estimator(
    pipelines, title="Lockstep, by attack"
)
display.figure_.set_size_inches(9, 4.8)
plt.show()

# %%
# Under five of the attacks the fakes have the lowest scores of all, so that their curves coincide
# at the top; earlier ones are drawn wider. The markers are below the curves because of the genuine
# users whom the automatic rule calls fake, too.
