"""The detector in the loop: an attack that hides as much as it has to, and no more."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.base._disguise import Disguise
from skrecsec.exceptions import EvasionWarning
from skrecsec.utils._random import with_seed

# How often the number of fake profiles is halved at most.
_N_HALVINGS = 2


class Step(NamedTuple):
    """A way to attack: how many profiles, in which disguise."""

    n_profiles: int
    disguise: Disguise

    def settings(self) -> dict:
        """Return the parameters by which an attack does the same without a detector."""
        return {"attack_size": self.n_profiles, **self.disguise._asdict()}


def find_steps(first: Step, n_targets: int, n_levels: int) -> Iterator[Step]:
    """Yield ways to attack, from the one that was asked for to the least conspicuous one.

    Each gives the targets fewer ratings than the one before, or the same number less alike: the
    targets of a profile are halved down to one, each time also with mixed levels; then the number
    of profiles is.
    """
    n_profiles, disguise = first
    asked = disguise.targets_per_profile
    n_each = n_targets if asked in (None, "all") else min(int(asked), n_targets)
    mixes = disguise.target_rating in ("top", "near-top") and n_levels > 1
    ratings = [disguise.target_rating, *(["mixed"] if mixes else [])]
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


def share_detected(detector, known, fakes, n_shown: int, rng: np.random.Generator) -> float:
    """Return the share of the fake profiles that a detector flags among the known ones.

    `n_shown` of them are shown to it, drawn at random.
    """
    shown = np.sort(rng.choice(fakes.shape[0], n_shown, replace=False))
    detector = with_seed(detector, int(rng.integers(np.iinfo(np.int32).max)))
    crowd = sp.csr_array(sp.vstack([known, fakes[shown]], format="csr"))
    labels = np.asarray(detector.fit_predict(crowd))
    if labels.shape != crowd.shape[:1]:
        raise ValueError(
            f"evade must return a label for each of the {crowd.shape[0]} profiles, "
            f"{type(detector).__name__} returned an array of shape {labels.shape}."
        )
    return float((labels[known.shape[0] :] == -1).mean())


def evading(
    craft: Callable[[Step], sp.csr_array],
    detected: Callable[[sp.csr_array], float],
    steps: Iterator[Step],
    max_detected: float,
) -> tuple[sp.csr_array, dict]:
    """Return the profiles of the first step that is seldom enough detected, and what it was.

    Where none is, those of the step that is detected least, the first of equal ones, with a
    warning.
    """
    best, n_tried = None, 0
    for step in steps:
        n_tried += 1
        fakes = craft(step)
        share = detected(fakes)
        if best is None or share < best[1]["detected"]:
            best = fakes, {**step.settings(), "detected": share}
        if share <= max_detected:
            break
    fakes, evasion = best
    if evasion["detected"] > max_detected:
        warnings.warn(
            f"However the fake profiles were disguised, the detector flagged at least "
            f"{evasion['detected']:.0%} of them, more than max_detected={max_detected:g}.",
            EvasionWarning,
            stacklevel=4,
        )
    return fakes, {**evasion, "n_tried": n_tried}
