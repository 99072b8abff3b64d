"""The detector in the loop: an attack that hides as much as it has to, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.base._disguise import Disguise
from skrecsec.exceptions import EvasionWarning
from skrecsec.utils._labels import flagged_profiles
from skrecsec.utils._random import with_seed
from skrecsec.utils._warnings import warn_caller

# How often the number of fake profiles is halved at most.
_N_HALVINGS = 2


class Step(NamedTuple):
    """A way to attack: how many profiles, in which disguise.

    `n_fillers` is None where it is what the attack was asked for.
    """

    n_profiles: int
    disguise: Disguise
    n_fillers: int | None = None

    def settings(self) -> dict:
        """Return the parameters by which an attack does the same without a detector."""
        settings = {"attack_size": self.n_profiles, **self.disguise._asdict()}
        return settings if self.n_fillers is None else {**settings, "n_fillers": self.n_fillers}


class Crafted(NamedTuple):
    """The fake profiles of a step, and the attributes that the attack has with them."""

    fakes: sp.csr_array
    attributes: dict


def find_steps(first: Step, n_targets: int, n_levels: int) -> Iterator[Step]:
    """Yield ways to attack, from the one that was asked for to the least conspicuous one.

    Each gives the targets fewer ratings than the one before, or the same number less alike: the
    targets of a profile are halved down to one, each time also with mixed and with all levels;
    then the number of profiles is.
    """
    n_profiles, disguise = first.n_profiles, first.disguise
    asked = disguise.targets_per_profile
    n_each = disguise.n_targets_each(n_targets)
    ratings = _milder_ratings(disguise.target_rating, n_levels)
    while True:
        for rating in ratings:
            yield Step(
                n_profiles,
                disguise._replace(
                    targets_per_profile=asked if n_each == n_targets else n_each,
                    target_rating=rating,
                ),
            )
        if n_each == 1:
            break
        n_each = -(-n_each // 2)
    fewest = disguise._replace(
        targets_per_profile=asked if n_targets == 1 else 1, target_rating=ratings[-1]
    )
    for _ in range(_N_HALVINGS):
        if n_profiles == 1:
            return
        n_profiles = -(-n_profiles // 2)
        yield Step(n_profiles, fewest)


def with_room(
    steps: Iterator[Step], n_fillers: int | str, n_targets: int, n_items: int
) -> Iterator[Step]:
    """Yield the steps, those after the first with no more fillers than there is room for.

    The targets that a profile leaves out are items that it cannot rate. A number of fillers for
    which the attack as it is asked for has no room is not corrected.
    """
    yield next(steps)
    for step in steps:
        room = n_items - n_targets + step.disguise.n_targets_each(n_targets)
        is_too_long = not isinstance(n_fillers, str) and n_fillers > room
        yield step._replace(n_fillers=room) if is_too_long else step


def _milder_ratings(asked, n_levels):
    """Return what targets are rated with: what was asked for and, if that is one level, more."""
    if asked not in ("top", "near-top"):
        return [asked]
    return [asked, *["mixed", n_levels][: min(n_levels - 1, 2)]]


def share_detected(detector, known, fakes, seed: int) -> float:
    """Return the share of the fake profiles that a detector finds among the known ones.

    All of them are shown to it, though the known users are fewer than those that they are to join:
    with fewer of them, what they have in common would stand out less than it will. Found are those
    that are flagged and, where there are `profile_scores_`, those among the most abnormal profiles,
    as many as there are fakes: another threshold than the detector's own would find them.
    """
    detector = with_seed(detector, seed)
    crowd = sp.csr_array(sp.vstack([known, fakes], format="csr"))
    is_found = flagged_profiles(detector, crowd, name="evade")
    scores = getattr(detector, "profile_scores_", None)
    if scores is not None:
        is_found |= scores < np.sort(scores)[fakes.shape[0]]
    return float(is_found[known.shape[0] :].mean())


def evading(
    craft: Callable[[Step], Crafted],
    detected: Callable[[sp.csr_array], float],
    steps: Iterator[Step],
    max_detected: float,
) -> tuple[Crafted, dict]:
    """Return what the first step that is seldom enough detected has crafted, and what it was.

    Where none is, that of the step that is detected least, the first of equal ones, with a
    warning.
    """
    evasion: dict = {"detected": np.inf}
    for n_tried, step in enumerate(steps, start=1):
        tried = craft(step)
        share = detected(tried.fakes)
        if share < evasion["detected"]:
            crafted, evasion = tried, {**step.settings(), "detected": share}
        evasion["n_tried"] = n_tried
        if share <= max_detected:
            break
    if evasion["detected"] > max_detected:
        warn_caller(
            f"However the fake profiles were disguised, the detector found at least "
            f"{evasion['detected']:.0%} of them, more than max_detected={max_detected:g}.",
            EvasionWarning,
        )
    return crafted, evasion
