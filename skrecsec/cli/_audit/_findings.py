"""What an audit has found: groups with their evidence, users who are flagged, or nothing."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import NamedTuple

import numpy as np

from skrecsec.base import SuspiciousGroup
from skrecsec.cli._audit._fakes import Fakes
from skrecsec.cli._audit._harmless import visible
from skrecsec.cli._ratings import title_of
from skrecsec.detection import VisibleAttack, visible_attacks
from skrecsec.utils._likeness import members_and_others

# The detector whose statistics say how small an attack could be seen.
_EXPLAINED = "lockstep"
_MAX_SHARE = 0.1
# How many other items of a profile are shown, beside those of the group.
_OTHER_ITEMS = 3

NOTE = (
    "A flag is evidence, not proof: it says that users act alike, not why. Genuine fans of the "
    "same items may be among them. Look at their profiles before you decide anything."
)


class Example(NamedTuple):
    """A profile to look at, beside others."""

    user: object
    is_member: bool
    is_flagged: bool
    n_ratings: int
    mean: float
    on_items: list[float | None]  # the ratings of the group's items
    others: list[tuple[object, float]]  # other items, the most popular first


class Finding(NamedTuple):
    """A group, with ids instead of positions."""

    number: int
    group: SuspiciousGroup
    items: list
    users: list  # those who are flagged first, the most suspicious of them first
    is_flagged: list[bool]
    scores: list[float]
    haste: float | None  # the share of all ratings that came while most of the group's did
    examples: list[Example]


class Audit:
    """What was found.

    Parameters
    ----------
    arguments : Namespace
        Those of the command line.

    data : Bunch
        Ratings, ids of users and items, and times or None.

    detector : detector
        Fitted on the ratings.

    fakes : Fakes, default=None
        Fake profiles that were added to the ratings; None if these are as they were.

    Attributes
    ----------
    findings : list of Finding
        The groups, the most surprising first.

    flagged : ndarray of int
        Rows of the users that are flagged, the most suspicious first.

    visible : list of VisibleAttack
        If nothing was found, how small an attack could have been seen; empty where nobody knows.
    """

    def __init__(self, arguments: Namespace, data, detector, fakes: Fakes | None = None):
        self.arguments, self.data, self.detector = arguments, data, detector
        self.fakes = fakes
        self.title = title_of(arguments)
        scores, labels = detector.profile_scores_, detector.labels_
        flagged = np.flatnonzero(labels == -1)
        self.flagged = flagged[np.argsort(scores[flagged], kind="stable")]
        self.findings = [
            self._find(number, group) for number, group in enumerate(detector.groups_, start=1)
        ]
        self.groups_of: dict[int, list[int]] = {int(row): [] for row in self.flagged}
        for finding in self.findings:
            for row in finding.group.users:
                if int(row) in self.groups_of:
                    self.groups_of[int(row)].append(finding.number)
        self.visible: list[VisibleAttack] = []
        is_explained = arguments.detector == _EXPLAINED and self.most_fakes > 0
        if is_explained and not self.found_something:
            self.visible = visible_attacks(
                data.ratings, max_share=_MAX_SHARE, threshold=detector.threshold
            )

    @property
    def found_something(self) -> bool:
        """Whether anybody is flagged."""
        return self.flagged.size > 0

    @property
    def most_fakes(self) -> int:
        """The largest attack that `visible` is about."""
        return int(_MAX_SHARE * self.data.ratings.shape[0])

    def ungrouped(self) -> list[int]:
        """Return the rows of users who are flagged, but belong to no group."""
        return [row for row, groups in self.groups_of.items() if not groups]

    def _find(self, number, group):
        scores, labels = self.detector.profile_scores_, self.detector.labels_
        users = group.users[np.lexsort((group.users, scores[group.users], labels[group.users]))]
        return Finding(
            number,
            group,
            [plain(self.data.item_ids[item]) for item in group.items],
            [plain(self.data.user_ids[user]) for user in users],
            [bool(labels[user] == -1) for user in users],
            [float(scores[user]) for user in users],
            self._haste(group),
            self._examples(group),
        )

    def _haste(self, group):
        """Return in which share of all ratings three in four of a group's are; None without times.

        It has no unit, and quiet days count for less than busy ones.
        """
        if self.data.timestamps is None:
            return None
        X = self.data.ratings
        given = X.data >= group.level if group.or_more else np.isclose(X.data, group.level)
        is_member = np.zeros(X.shape[0], dtype=bool)
        is_member[group.users] = True
        given &= np.isin(X.indices, group.items) & np.repeat(is_member, np.diff(X.indptr))
        times = np.sort(self.data.timestamps.data[given])
        n_most = math.ceil(0.75 * times.size)
        first, last = times[: times.size - n_most + 1], times[n_most - 1 :]
        everything = np.sort(self.data.timestamps.data)
        n_then = np.searchsorted(everything, last, "right") - np.searchsorted(everything, first)
        return float(n_then.min() / X.nnz)

    def _examples(self, group):
        X, labels = self.data.ratings, self.detector.labels_
        scores, n = self.detector.profile_scores_, self.arguments.examples
        shown = members_and_others(X, group, scores, labels, n)
        popularity = np.bincount(X.indices, minlength=X.shape[1])
        return [
            self._example(row, row in shown.members, group.items, popularity)
            for row in (*shown.members, *shown.others)
        ]

    def _example(self, row, is_member, items, popularity):
        X = self.data.ratings
        profile = slice(X.indptr[row], X.indptr[row + 1])
        rated = dict(zip(X.indices[profile].tolist(), X.data[profile].tolist(), strict=True))
        others = sorted(rated.keys() - set(items.tolist()), key=lambda i: (-popularity[i], i))
        return Example(
            plain(self.data.user_ids[row]),
            bool(is_member),
            bool(self.detector.labels_[row] == -1),
            len(rated),
            float(np.mean(list(rated.values()))),
            [rated.get(int(item)) for item in items],
            [(plain(self.data.item_ids[i]), rated[i]) for i in others[:_OTHER_ITEMS]],
        )


def plain(identity):
    """Return an id as a number or text of Python, which any format can write."""
    is_number = isinstance(identity, int | float | np.number) and not isinstance(identity, bool)
    if not is_number or isinstance(identity, np.timedelta64):  # which NumPy counts among numbers
        return str(identity)
    return identity.item() if isinstance(identity, np.number) else identity


def evidence_of(finding: Finding) -> str:
    """Return in words what a group is."""
    group = finding.group
    items = count(group.items.size, "item")
    if 1 < group.min_items < group.items.size:
        items = f"at least {group.min_items} of {items}"
    text = f"{count(group.n_users, 'user')} gave {items} the rating {group.level:g}"
    if math.isfinite(group.expected):
        text += f", where {group.expected:.2g} would be expected by chance and shared tastes"
    return text


def surprise_of(finding: Finding) -> str:
    """Return in words how surprising a group is."""
    score = finding.group.score
    if not math.isfinite(finding.group.expected):
        return f"score {score:.3g}"
    if score <= 0:
        return f"net surprise {score:.1f} nats: such groups come about by chance"
    chance = f"{math.exp(-score):.0e}" if score < 690 else "less than 1e-299"
    return f"net surprise {score:.1f} nats: about {chance} such groups would come about by chance"


def haste_of(finding: Finding) -> str:
    """Return in words how soon after one another a group's ratings came; nothing without times."""
    if finding.haste is None:
        return ""
    return (
        f"three in four of these ratings came while {100 * finding.haste:.2g}% of all ratings did"
    )


def count(number: int, what: str) -> str:
    """Return how many there are.

    Examples
    --------
    >>> from skrecsec.cli._audit._findings import count
    >>> count(1, "user"), count(1200, "user")
    ('1 user', '1200 users')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def summary_of(audit: Audit) -> str:
    """Return in a sentence what was looked at."""
    n_users, n_items = audit.data.ratings.shape
    times = ", with their times" if audit.data.timestamps is not None else ""
    return f"{n_users} users, {n_items} items, {audit.data.ratings.nnz} ratings{times}"


def verdict_of(audit: Audit) -> str:
    """Return in a sentence what was found."""
    if not audit.found_something:
        text = "Nothing was found: no users act alike beyond what chance and shared tastes explain."
        return text if audit.most_fakes else f"{text} They are too few for that, though."
    n_flagged, n_users = audit.flagged.size, audit.data.ratings.shape[0]
    groups = f", in {count(len(audit.findings), 'group')}" if audit.findings else ""
    if audit.arguments.contamination == "auto":
        return (
            f"{n_flagged} of {n_users} users are flagged{groups}: they act alike, more than chance "
            "and shared tastes explain."
        )
    share = f"{100 * audit.arguments.contamination:g}%"
    return (
        f"{n_flagged} of {n_users} users are flagged{groups}: those who act most alike, because "
        f"{share} were asked for."
    )


def fate_of_fakes(audit: Audit) -> str | None:
    """Return in a sentence what was found of the fake profiles that were added, if any were."""
    if audit.fakes is None:
        return None
    items = ", ".join(visible(item) for item in audit.fakes.items)
    found = audit.fakes.found(audit.detector.labels_)
    return (
        f"Of the {audit.fakes.attack} that was added, on {items}: found {found['found']} of "
        f"{found['fake_profiles']} fake profiles, missed {found['missed']}. Of the "
        f"{found['other_users']} other users {found['others_flagged']} are flagged."
    )


def visibility_table(audit: Audit) -> tuple[list[str], list[list[str]]]:
    """Return heading and lines of a table: how small an attack could have been seen."""
    kinds = {attack.popularity: attack.n_ratings for attack in audit.visible}
    heading = ["", *(f"{kind} ({count(n, 'rating')})" for kind, n in kinds.items())]
    lines = []
    for n_targets in dict.fromkeys(attack.n_targets for attack in audit.visible):
        cells = [
            _as_range(attack, audit.most_fakes)
            for attack in audit.visible
            if attack.n_targets == n_targets
        ]
        lines.append([count(n_targets, "target item"), *cells])
    return heading, lines


def visibility_text(audit: Audit) -> str:
    """Return what the table says."""
    return (
        "How small an attack could have been seen: from so many fake profiles on, which all give "
        "the target items the highest rating, by how popular these were before (ratings of an "
        "item). Where there is a second number, more fakes than that may hide, since they change "
        f"what is usual. A dash: no number up to {audit.most_fakes}, a tenth of the users, is "
        "certain to be seen."
    )


def _as_range(attack, most):
    if attack.smallest is None:
        return "-"
    if attack.largest < most:
        return f"{attack.smallest} to {attack.largest}"
    return str(attack.smallest)
