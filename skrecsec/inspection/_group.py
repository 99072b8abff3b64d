"""The picture of a group of profiles that act alike, in the matrix of users and items."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrecsec.inspection._base import BaseDisplay
from skrecsec.inspection._style import axes_for
from skrecsec.utils._likeness import members_and_others
from skrecsec.utils._signatures import complete
from skrecsec.utils.validation import check_ratings, find_rating_levels, project_to_levels

# Levels go from light to dark in a map whose lightness falls all the way, which people with colour
# blindness can read, too; without its lightest part, which is kept for no rating at all.
_COLORS, _LIGHTEST, _DARKEST = "viridis_r", 0.12, 1.0
_UNRATED, _BACKGROUND = (0.93, 0.93, 0.93, 1), (1, 1, 1, 1)
_GAP = 2  # rows between the members and the others, for a line of text
_MOST_NAMES = 44  # rows that have their names beside them
_LONGEST_NAME = 18


@complete
class GroupDisplay(BaseDisplay):
    """Profiles of a group, and genuine ones for comparison, in the matrix of users and items.

    Members stand above, genuine users below. The items of the group are the first columns, where
    members agree and others do not; then come those that most of these users have rated. Make one
    with `from_estimator`.

    Parameters
    ----------
    ratings : ndarray of shape (n_shown, n_columns)
        Ratings of these users, 0 for none: those of members first.

    levels : ndarray of shape (n_levels,)
        The rating levels, ascending. A rating has the color of the nearest.

    n_members : int
        How many of the rows are members.

    n_group_items : int
        How many of the columns are items of the group.

    user_names : sequence of str, default=None
        What the rows are called; None leaves them unnamed.

    item_names : sequence of str, default=None
        What the columns are called, of which those of the group are shown.

    title : str, default=None
        What the figure is called, unless `plot` is told otherwise.

    Attributes
    ----------
    ratings : ndarray of shape (n_shown, n_columns)
        As given, and so are the other parameters.

    users_ : ndarray of int of shape (n_shown,)
        Of `from_estimator`: the rows of the rating matrix that are shown.

    items_ : ndarray of int of shape (n_columns,)
        Of `from_estimator`: its columns that are shown.

    %(display.attributes)s

    image_ : matplotlib AxesImage
        The matrix, with a column and rows between its parts.

    See Also
    --------
    skrecsec.base.SuspiciousGroup : What is shown.
    skrecsec.detection.LockstepDetector : Finds groups.

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import LockstepDetector
    >>> from skrecsec.inspection import GroupDisplay
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> poisoned = AverageAttackTransformer(random_state=0).fit_transform(X)
    >>> detector = LockstepDetector().fit(poisoned)
    >>> GroupDisplay.from_estimator(detector, poisoned)  # doctest: +SKIP
    """

    users_: np.ndarray
    items_: np.ndarray

    def __init__(
        self,
        ratings,
        levels,
        *,
        n_members,
        n_group_items,
        user_names=None,
        item_names=None,
        title=None,
    ):
        self.ratings = ratings
        self.levels = levels
        self.n_members = n_members
        self.n_group_items = n_group_items
        self.user_names = user_names
        self.item_names = item_names
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        detector,
        X,
        group: int = 0,
        *,
        n_profiles: int = 20,
        n_items: int = 50,
        user_names=None,
        item_names=None,
        ax=None,
        **plot_options,
    ):
        """Plot a group that a detector has found.

        Parameters
        ----------
        detector : detector
            Fitted on `X`.

        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            The ratings that it has judged.

        group : int, default=0
            Which of its `groups_`.

        n_profiles : int, default=20
            How many members are shown, at most, and how many genuine users: for each of these
            members one with about as many ratings, rather one who has rated an item of the group.
            Members who are called fake come first, and of these the most suspicious.

        n_items : int, default=50
            How many items are shown, those of the group, which are shown in any case, included.

        user_names, item_names : array-like of shape (n_users,) and (n_items,), default=None
            Names, such as the ids of :func:`~skrecsec.datasets.load_ratings`; None takes numbers of
            rows and columns.

        %(ax)s

        **plot_options : dict
            Options of `plot`.

        Returns
        -------
        display : GroupDisplay
            The plot.

        Raises
        ------
        ValueError
            If there is no such group, or `X` or names are not those of what the detector was fitted
            on.
        """
        check_is_fitted(detector, "groups_")
        X = check_ratings(X)
        found = _find_group(detector, X, group)
        _check_count("n_profiles", n_profiles)
        _check_count("n_items", n_items)
        user_names = _check_names("user_names", user_names, X.shape[0])
        item_names = _check_names("item_names", item_names, X.shape[1])
        shown = members_and_others(X, found, detector.profile_scores_, detector.labels_, n_profiles)
        users = np.concatenate([shown.members, shown.others])
        items = _choose_items(X[users], X, found.items, n_items)
        display = cls(
            X[users][:, items].toarray(),
            find_rating_levels(X.data),
            n_members=shown.members.size,
            n_group_items=found.items.size,
            user_names=[user_names[user] for user in users],
            item_names=[item_names[item] for item in items],
            title=_describe(found),
        )
        display.users_, display.items_ = users, items
        return display.plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, title: str | None = None):
        """Plot the matrix.

        Parameters
        ----------
        %(ax)s

        %(title)s

        %(plotted)s
        """
        if np.size(self.ratings) == 0:
            raise ValueError("There is nothing to plot: ratings is empty.")
        ax = axes_for(ax)
        colors = _colors(len(self.levels))
        self.image_ = ax.imshow(self._paint(colors), aspect="auto", interpolation="none")
        n_rows, n_columns = self.image_.get_array().shape[:2]
        # Faint lines between cells.
        ax.set_xticks(np.arange(n_columns + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(n_rows + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=0.6)
        ax.tick_params(which="both", length=0)
        ax.spines[:].set_visible(False)
        self._name_axes(ax)
        self._add_legend(ax, colors)
        ax.set_title(self.title if title is None else title, parse_math=False, fontsize="medium")
        ax.set_xlabel("left: the group's items; right: others, most rated first")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _paint(self, colors):
        """Return the color of each cell, with room between the parts."""
        ratings = np.asarray(self.ratings)
        cells = np.full((*ratings.shape, 4), _UNRATED)
        is_rated = ratings > 0
        levels = project_to_levels(ratings[is_rated], np.asarray(self.levels))
        cells[is_rated] = colors[np.searchsorted(self.levels, levels)]
        cells = np.insert(cells, [self.n_group_items], _BACKGROUND, axis=1)
        gaps = [0] * _GAP
        if len(ratings) > self.n_members:
            gaps += [self.n_members] * _GAP
        return np.insert(cells, gaps, _BACKGROUND, axis=0)

    def _name_axes(self, ax):
        n_rows, n_members = len(self.ratings), self.n_members
        x = self.n_group_items + 0.6
        style = {"fontsize": "small", "va": "center", "ha": "left"}
        ax.text(x, (_GAP - 1) / 2, _count(n_members, "member") + " of the group", **style)
        if n_rows > n_members:
            y = n_members + _GAP + (_GAP - 1) / 2
            text = _count(n_rows - n_members, "other user") + " with about as many ratings"
            ax.text(x, y, text, **style)
        ax.set_xticks([])
        ax.set_yticks([])
        if self.item_names is not None:
            names = [_shorten(name) for name in self.item_names[: self.n_group_items]]
            ax.set_xticks(np.arange(len(names)), names, rotation=90, fontsize="small")
        if self.user_names is not None and n_rows <= _MOST_NAMES:
            rows = np.arange(n_rows) + _GAP + _GAP * (np.arange(n_rows) >= n_members)
            names = [_shorten(name) for name in self.user_names]
            ax.set_yticks(rows, names, fontsize="x-small")
        for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
            label.set_parse_math(False)  # a dollar in a name is a dollar

    def _add_legend(self, ax, colors):
        from matplotlib.patches import Patch

        handles = [
            Patch(facecolor=color, label=f"{level:.3g}")
            for level, color in zip(self.levels, colors, strict=True)
        ]
        handles = [*handles[::-1], Patch(facecolor=_UNRATED, label="none")]
        ax.legend(
            handles=handles, title="rating", loc="upper left", bbox_to_anchor=(1.01, 1),
            frameon=False, borderaxespad=0,
        )  # fmt: skip


def _find_group(detector, X, group):
    groups = detector.groups_
    if not isinstance(group, int | np.integer) or not 0 <= group < len(groups):
        there_are = f"there are {len(groups)}" if groups else "there are none"
        raise ValueError(f"group must be the number of one of the detector's groups: {there_are}.")
    if X.shape[0] != detector.labels_.size:
        raise ValueError(
            f"X must be what the detector was fitted on: it has {X.shape[0]} rows, and the "
            f"detector has judged {detector.labels_.size}."
        )
    return groups[group]


def _check_count(name, value):
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")


def _check_names(parameter, names, n):
    if names is None:
        return range(n)
    if len(names) != n:
        raise ValueError(f"{parameter} must have {n} names, got {len(names)}.")
    return names


def _choose_items(profiles, X, group_items, n_items):
    """Return the items of the group, then those that most of these profiles, and all, have."""
    n_shown, n_all = (np.bincount(Y.indices, minlength=X.shape[1]) for Y in (profiles, X))
    order = np.lexsort((np.arange(X.shape[1]), -n_all, -n_shown))
    others = order[~np.isin(order, group_items) & (n_shown[order] > 0)]
    return np.concatenate([group_items, others[: max(n_items - group_items.size, 0)]])


def _describe(group):
    items = _count(group.items.size, "item")
    what = f"{items} the rating {group.level:g}"
    if group.items.size > 1 and group.min_items < group.items.size:
        what = f"at least {group.min_items} of {what}"
    text = f"{_count(group.n_users, 'user')} gave {what}"
    if np.isfinite(group.expected):
        text += f"; {group.expected:.2g} expected by chance"
    return text


def _count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shorten(name):
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _colors(n_levels):
    from matplotlib import colormaps

    shades = np.linspace(_LIGHTEST, _DARKEST, n_levels) if n_levels > 1 else [_DARKEST]
    return colormaps[_COLORS](shades)
