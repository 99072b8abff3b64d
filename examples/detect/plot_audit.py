"""
Audit your own ratings
======================

You have a file of ratings and a suspicion: somebody praises their own books with made-up accounts.
We look for users who act alike, more than chance explains, name them and the books by the ids of
the file, and draw a picture that a person can judge.
"""

# %%
# The file
# --------
# Any data frame or text file with a row per rating will do, with ids of any kind. Ours is made up:
# 400 readers, and 12 accounts that give five hardly read books the highest rating. Otherwise they
# are careful: each rates as many books as readers do, at random, near the mean of the book.
import pandas as pd

from skrecsec import AverageAttackTransformer
from skrecsec.datasets import load_ratings, make_ratings

genuine = make_ratings(400, 200, density=0.1, random_state=0)
poisoned = (
    AverageAttackTransformer(random_state=0).fit_transform(genuine).tocoo()
)
frame = pd.DataFrame(
    {
        "reader": [
            f"reader-{user:03}" if user < 400 else f"new-{user}"
            for user in poisoned.row
        ],
        "book": [f"book-{item:03}" for item in poisoned.col],
        "stars": poisoned.data,
    }
).sample(frac=1, random_state=0)
frame.head()

# %%
# Who acts alike
# --------------
# The detector is told neither how many accounts are made up nor for which books. ``groups_`` are in
# terms of rows and columns; the ids are those of :func:`~skrecsec.datasets.load_ratings`.
from skrecsec import LockstepDetector

data = load_ratings(frame, user="reader", item="book", rating="stars")
detector = LockstepDetector().fit(data.ratings)
for group in detector.groups_:
    print(
        f"{group.n_users} readers gave all of these {group.level:g} "
        "stars, where"
    )
    print(
        f"{group.expected:.2g} were expected; net surprise "
        f"{group.score:.0f} nats:"
    )
    print("books:", ", ".join(data.item_ids[group.items]))
    print("readers:", ", ".join(data.user_ids[group.users]))

# %%
# The evidence
# ------------
# A name on a list proves nothing. In the picture members of the group stand above, and below, for
# each, another reader with about as many ratings. On the left are the books that members agree on;
# on the right others, those first that most of these readers have rated. Readers flock to the same
# popular books and hardly know the group's. Members do it the other way round.
import matplotlib.pyplot as plt

from skrecsec.inspection import GroupDisplay

figure, ax = plt.subplots(figsize=(9, 5.5), layout="constrained")
GroupDisplay.from_estimator(
    detector,
    data.ratings,
    user_names=data.user_ids,
    item_names=data.item_ids,
    ax=ax,
)
plt.show()

# %%
# What could have been seen
# -------------------------
# Had nothing been found, how small an attack could that have missed? From so many accounts on, an
# attack on books of median popularity stands out by its size alone. Of one or two such books none
# is sure to, among so few readers.
from skrecsec.detection import visible_attacks

for attack in visible_attacks(genuine, popularities=["median"]):
    seen = "-" if attack.smallest is None else f"{attack.smallest} accounts"
    print(
        f"targets: {attack.n_targets}, with {attack.n_ratings} ratings "
        f"each; {seen}"
    )

# %%
# From a shell all of this is one command, ``python -m skrecsec audit ratings.csv --user-column
# reader --item-column book --rating-column stars --report report.html``: see :doc:`/audit`, which
# also says what to do with a finding. A flag is evidence, not proof.
