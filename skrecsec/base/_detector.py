"""The contract of detectors."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin

from skrecsec.utils._compat import Number, StrOptions, _fit_context
from skrecsec.utils._documentation import DocumentationLinkMixin
from skrecsec.utils._fitting import AtomicFitMixin
from skrecsec.utils._html import html_table
from skrecsec.utils._items import check_item_indices
from skrecsec.utils._signatures import complete
from skrecsec.utils._timestamps import align_timestamps
from skrecsec.utils.validation import check_ratings


@dataclass(frozen=True, eq=False)
class SuspiciousGroup:
    """Profiles that act together, on which items, and how surprising that is.

    Parameters
    ----------
    users : ndarray of int of shape (n_members,)
        Rows of the rating matrix, ascending: who belongs to the group. Genuine users may be among
        them, namely genuine raters of the items.

    items : ndarray of int of shape (n_group_items,)
        Columns of the rating matrix, ascending: the suspected target items.

    level : float
        The rating that they share.

    min_items : int
        How many of the items a member has given that rating, at least.

    n_users : int
        How many users have.

    expected : float
        How many would be expected to by chance.

    score : float
        How surprising that is, in nats, less what the search for it costs.

    or_more : bool, default=False
        Whether they share ratings of that level or higher ones.

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import LockstepDetector
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> group = LockstepDetector().fit(attack.fit_transform(X)).groups_[0]
    >>> bool((group.items == attack.target_items_).all())
    True
    """

    users: np.ndarray
    items: np.ndarray
    level: float
    min_items: int
    n_users: int
    expected: float
    score: float
    or_more: bool = False

    def matches(self, X) -> np.ndarray:
        """Say which profiles have rated the items as the members have.

        This is how new profiles are judged by what was found before.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_rows, n_items)
            Ratings of the same items.

        Returns
        -------
        is_match : ndarray of bool of shape (n_rows,)
            Whether a row gives at least `min_items` of the items the level.

        Raises
        ------
        ValueError
            If `X` is no rating matrix, or has too few columns.
        """
        X = check_ratings(X)
        if self.items.size and self.items[-1] >= X.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} items, and the group rates item {self.items[-1]}."
            )
        given = X[:, self.items]
        same = given.data >= self.level if self.or_more else np.isclose(given.data, self.level)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(given.indptr))
        return np.bincount(rows[same], minlength=X.shape[0]) >= self.min_items

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(items={self.items.tolist()}, level={self.level:g}"
            f"{' or more' if self.or_more else ''}, "
            f"min_items={self.min_items}, n_users={self.n_users}, "
            f"expected={self.expected:.3g}, score={self.score:.1f})"
        )

    def _repr_html_(self) -> str:
        return GroupList([self])._repr_html_()


class GroupList(list):
    """A list of groups, which notebooks show as a table."""

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No groups: nobody acts alike by more than chance and shared tastes.</p>"
        return html_table(_HEADING, [_as_row(group) for group in self])


# So many users and items of a group are named in a notebook; all of them are in the group itself.
_MOST_NAMED = 10
_HEADING = ("users", "items", "rating", "shared items", "who share them", "by chance", "surprise")


def _as_row(group):
    return (
        _named(group.users),
        _named(group.items),
        f"{group.level:g}{' or more' if group.or_more else ''}",
        f"{group.min_items} of {group.items.size}",
        str(group.n_users),
        f"{group.expected:.3g}",
        f"{group.score:.1f} nats",
    )


def _named(indices):
    more = f", ... ({indices.size} in all)" if indices.size > _MOST_NAMED else ""
    return ", ".join(map(str, indices[:_MOST_NAMED])) + more


@complete
class BaseProfileDetector(
    AtomicFitMixin, DocumentationLinkMixin, OutlierMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base class of detectors: which profiles of a rating matrix are fake.

    A subclass implements `_judge(X, is_trusted)`, which takes checked ratings (CSR) and who is
    known to be genuine, and returns the scores of the profiles, the lower the more abnormal, the
    score below which ``contamination="auto"`` calls a profile fake, and whatever `_find_groups`
    needs to explain that.

    There is no `predict`: who acts together is a property of the crowd, and a profile cannot be
    judged apart from it.

    Parameters
    ----------
    %(detector.contamination)s

    %(detector.trusted_users)s

    See Also
    --------
    skrecsec.utils.estimator_checks.detector_checks : What a subclass must pass.

    Examples
    --------
    A detector that suspects those who give the highest rating more often than others do:

    >>> import numpy as np
    >>> from skrecsec.base import BaseProfileDetector
    >>> class EnthusiastDetector(BaseProfileDetector):
    ...     def _judge(self, X, is_trusted):
    ...         is_highest = X == X.data.max(initial=0)
    ...         shares = np.ravel(is_highest.sum(axis=1)) / np.maximum(np.diff(X.indptr), 1)
    ...         return -shares, -0.9, None
    >>> EnthusiastDetector().fit_predict([[5, 3, 1, 0], [5, 5, 5, 5], [2, 0, 5, 4]])
    array([ 1, -1,  1])
    """

    _parameter_constraints: dict = {
        "contamination": [StrOptions({"auto"}), Number(0, 0.5, closed="right")],
        "trusted_users": ["array-like", None],
    }

    def __init__(self, *, contamination="auto", trusted_users=None):
        self.contamination = contamination
        self.trusted_users = trusted_users

    @abstractmethod
    def _judge(self, X, is_trusted) -> tuple[np.ndarray, float, object]:
        """Return profile scores (n_users,), the automatic threshold, and what explains them."""

    def _find_groups(self, evidence, labels) -> list[SuspiciousGroup]:
        """Return who acts together, the most surprising first."""
        return []

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Judge the profiles of a rating matrix.

        %(ratings)s

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid.
        """
        return self._fit(X)

    def _fit(self, X, timestamps=None):
        """Judge the profiles; `_judge` is given the times of ratings where there are any."""
        ratings = check_ratings(X, estimator=self)
        is_trusted = self._find_trusted(ratings.shape[0])
        more = {}
        if timestamps is not None:
            more["times"] = align_timestamps(timestamps, X, ratings)
        scores, offset, evidence = self._judge(ratings, is_trusted, **more)
        if not isinstance(self.contamination, str):
            offset = float(np.percentile(scores, 100 * self.contamination))
        if is_trusted.any():
            # They are above the threshold, too, where all others are below it.
            scores = np.where(is_trusted, max(scores.max(), offset), scores)
        self.profile_scores_ = scores
        self.offset_ = offset
        self.labels_ = np.where(scores < offset, -1, 1)
        self.groups_ = GroupList(self._find_groups(evidence, self.labels_))
        return self

    def _find_trusted(self, n_users):
        """Return which rows are known to be genuine."""
        is_trusted = np.zeros(n_users, dtype=bool)
        if self.trusted_users is not None:
            users = check_item_indices(
                self.trusted_users, n_users, name="trusted_users", what="user"
            )
            is_trusted[users] = True
        return is_trusted

    def fit_predict(self, X, y=None) -> np.ndarray:
        """Judge the profiles of a rating matrix, and return the verdicts.

        %(ratings)s

        Returns
        -------
        labels : ndarray of int of shape (n_users,)
            1 for a genuine profile, -1 for a fake one: a copy of `labels_`.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid.
        """
        return self.fit(X).labels_.copy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = False
        return tags
