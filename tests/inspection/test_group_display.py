"""The picture of a group: who is shown, which items, in which colors."""

import numpy as np
import pytest
import scipy.sparse as sp
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import AverageAttackTransformer, LockstepDetector
from skrecsec.base import SuspiciousGroup
from skrecsec.datasets import make_ratings
from skrecsec.inspection import GroupDisplay
from skrecsec.utils._likeness import members_and_others


@pytest.fixture(autouse=True)
def backend():
    """Draw without a screen, and leave no figure open."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture(scope="module")
def judged():
    """Return a fitted detector, the ratings, and the attack in them."""
    attack = AverageAttackTransformer(attack_size=15, n_targets=3, random_state=0)
    X = attack.fit_transform(make_ratings(300, 120, density=0.1, random_state=0))
    return LockstepDetector(levels="top").fit(X), X, attack


def group_of(users, items):
    return SuspiciousGroup(np.array(users), np.array(items), 5.0, 1, len(users), 0.1, 9.0)


def test_members_and_others_are_those_that_loops_choose():
    rng = np.random.default_rng(0)
    X = sp.random_array((30, 20), density=0.3, rng=rng, format="csr")
    X.data[X.indptr[4] : X.indptr[5]] = 0
    X.eliminate_zeros()
    labels = np.where(rng.random(30) < 0.3, -1, 1)
    scores = rng.permutation(30).astype(float)
    users, items = [1, 2, 3, 7, 8, 11, 20], [2, 5]
    shown = members_and_others(X, group_of(users, items), scores, labels, 5)

    fakes = sorted((u for u in users if labels[u] == -1), key=lambda u: scores[u])
    rest = sorted((u for u in users if labels[u] == 1), key=lambda u: scores[u])
    assert shown.members.tolist() == (fakes + rest)[:5]
    lengths = [X[[u]].nnz for u in range(30)]
    chosen = []
    for member in shown.members:
        best = None
        for u in range(30):
            if u in chosen or u in users or labels[u] == -1 or lengths[u] == 0:
                continue
            distance = abs(np.log((1 + lengths[u]) / (1 + lengths[member])))
            distance += 0 if X[u, 2] or X[u, 5] else 0.5
            if best is None or distance < best[0]:
                best = distance, u
        chosen.append(best[1])
    assert shown.others.tolist() == chosen


def test_there_may_be_nobody_to_compare_with():
    X = sp.csr_array(np.ones((3, 2)))
    shown = members_and_others(X, group_of([0, 1], [0]), np.zeros(3), np.array([-1, -1, 1]), 2)
    assert shown.others.tolist() == [2]
    shown = members_and_others(X, group_of([0, 1, 2], [0]), np.zeros(3), -np.ones(3), 2)
    assert shown.members.tolist() == [0, 1]
    assert shown.others.tolist() == []
    shown = members_and_others(X, group_of([0, 1], [0]), np.zeros(3), np.ones(3), 0)
    assert shown.members.size == shown.others.size == 0


def test_who_and_what_is_shown(judged):
    detector, X, attack = judged
    display = GroupDisplay.from_estimator(detector, X, n_profiles=6, n_items=12)
    assert display.ratings.shape == (12, 12)
    assert (display.n_members, display.n_group_items) == (6, 3)
    assert_array_equal(display.items_[:3], detector.groups_[0].items)
    assert_array_equal(display.items_[:3], attack.target_items_)
    assert (display.users_[:6] >= 300).all()
    assert (display.users_[6:] < 300).all()
    assert_array_equal(display.ratings, X[display.users_][:, display.items_].toarray())
    assert (display.ratings[:6, :3] == 5).all()
    shown = X[display.users_].toarray() > 0
    counts = shown[:, display.items_[3:]].sum(axis=0)
    assert (np.diff(counts) <= 0).all()
    left_out = np.setdiff1d(np.arange(120), display.items_)
    assert shown[:, left_out].sum(axis=0).max() <= counts.min()
    assert display.figure_ is display.ax_.figure
    assert "15 users gave 3 items the rating 5" in display.ax_.get_title()


def test_cells_have_the_colors_of_the_legend():
    ratings = np.array([[5.0, 5, 0], [5, 0, 1], [0, 3, 2]])
    display = GroupDisplay(
        ratings, np.arange(1.0, 6), n_members=2, n_group_items=2,
        user_names=["a", "b", "c"], item_names=["x", "y", "z"],
    ).plot(title="some")  # fmt: skip
    cells = display.image_.get_array()
    patches = display.ax_.get_legend().get_patches()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["5", "4", "3", "2", "1", "none"]
    colors = {text: patch.get_facecolor() for text, patch in zip(texts, patches, strict=True)}
    assert len({tuple(color) for color in colors.values()}) == 6
    white = to_rgba("white")
    assert cells.shape == (3 + 4, 3 + 1, 4)
    for i, row in ((0, 2), (1, 3), (2, 6)):
        for j, column in ((0, 0), (1, 1), (2, 3)):
            name = f"{ratings[i, j]:g}" if ratings[i, j] else "none"
            assert_allclose(cells[row, column], colors[name])
    assert_allclose(cells[[0, 1, 4, 5]], np.broadcast_to(white, (4, 4, 4)))
    assert_allclose(cells[:, 2], np.broadcast_to(white, (7, 4)))
    ax = display.ax_
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_yticks().tolist() == [2, 3, 6]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y"]
    assert [text.get_text() for text in ax.texts] == [
        "2 members of the group", "1 other user with about as many ratings",
    ]  # fmt: skip
    assert ax.get_title() == "some"


def test_lightness_falls_from_level_to_level():
    """Whoever sees no color still sees which rating is higher."""
    levels = np.arange(1.0, 11)
    display = GroupDisplay([levels], levels, n_members=1, n_group_items=1).plot()
    colors = np.delete(display.image_.get_array()[-1], 1, axis=0)[:, :3]
    lightness = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) < -0.01).all()
    assert lightness[0] < 0.9


def test_names_are_drawn_as_they_are(judged):
    """A dollar begins no formula, and a long name leaves room for the rest."""
    detector, X, _ = judged
    users = [f"$\\frac{{{row}$" for row in range(X.shape[0])]
    items = [f"$x^{{{column}$ and so on and so on" for column in range(X.shape[1])]
    display = GroupDisplay.from_estimator(detector, X, user_names=users, item_names=items)
    display.figure_.canvas.draw()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert all(len(label) == 18 and label.endswith("…") for label in labels)
    assert len(display.ax_.get_yticklabels()) == 30


def test_many_rows_have_no_names():
    names = [str(row) for row in range(60)]
    display = GroupDisplay(
        np.ones((60, 2)), np.ones(1), n_members=30, n_group_items=1, user_names=names
    ).plot()
    assert len(display.ax_.get_yticks()) == 0


def test_given_axes_are_drawn_on(judged):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2)
    display = GroupDisplay.from_estimator(*judged[:2], ax=axes[1], title="mine")
    assert display.ax_ is axes[1]
    assert axes[1].get_title() == "mine"
    assert not axes[0].images


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": 99}, "group must be the number of one of the detector's groups: there are \\d"),
        ({"group": -1}, "group must be"),
        ({"group": "first"}, "group must be"),
        ({"n_profiles": 0}, "n_profiles must be a whole number of at least 1"),
        ({"n_items": 1.5}, "n_items must be a whole number"),
        ({"user_names": ["a"]}, "user_names must have 315 names, got 1"),
        ({"item_names": ["a"]}, "item_names must have 120 names, got 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, judged):
    with pytest.raises(ValueError, match=message):
        GroupDisplay.from_estimator(*judged[:2], **options)


def test_other_ratings_and_no_groups_are_refused(judged):
    detector, X, _ = judged
    with pytest.raises(ValueError, match="X must be what the detector was fitted on: it has 300"):
        GroupDisplay.from_estimator(detector, X[:300])
    nothing = LockstepDetector(levels="top").fit(X[:300])
    with pytest.raises(ValueError, match="there are none"):
        GroupDisplay.from_estimator(nothing, X[:300])
    with pytest.raises(ValueError, match="nothing to plot: ratings is empty"):
        GroupDisplay(np.empty((0, 2)), [1.0], n_members=0, n_group_items=1).plot()
