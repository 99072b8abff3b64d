"""What the units of a study found, put together repeat by repeat."""

from __future__ import annotations

import numpy as np

from skrecsec.experiments._statistics import CLEAN, figures_of_verdicts
from skrecsec.experiments._units import Unit
from skrecsec.utils._verdicts import Verdicts


class Results:
    """What the units of a study found, put together repeat by repeat.

    Parameters
    ----------
    plan : Plan
        The plan of the study.

    Attributes
    ----------
    records, rank_shifts, target_items, detections, verdicts : list, dict, list, list, dict
        What :class:`~skrecsec.experiments.RobustnessStudy` takes. If repeats are missing, those
        that there are have other numbers.
    """

    def __init__(self, plan):
        self.plan = plan
        self._repeats = {}

    def collect(self, repeat, done):
        """Add a repeat, all units of which are done."""
        plan = self.plan
        found = {"records": [], "rank_shifts": {}, "detections": [], "verdicts": {}}
        for unit in plan.clean_units([repeat]) + plan.attacked_units([repeat]):
            attack = CLEAN if unit.attack is None else unit.attack
            if unit.detector is not None:
                verdicts, record = self._judged(unit, done)
                found["verdicts"][attack, unit.detector] = verdicts
                found["detections"].append({"attack": attack, "detector": unit.detector} | record)
                continue
            record, shifts = self._scored(unit, done)
            found["records"].append({"attack": attack, "recommender": unit.recommender} | record)
            if shifts is not None:
                found["rank_shifts"][attack, unit.recommender] = shifts
        found["target_items"] = done[unit].arrays["target_items"]
        self._repeats[repeat] = found

    def _scored(self, unit, done):
        """Return the figures of a recommender, and the distribution of rank shifts or None."""
        values, arrays = done[unit]
        record = {
            "test_hr": values["test_hr"],
            "target_hr": values["target_hr"],
            "ri": float("nan"),
            "ndcg": values["ndcg"],
            "rank_shift": float("nan"),
            "seconds": values["seconds"],
            "peak_memory": values["peak_memory"],
            "attack_seconds": float("nan"),
        }
        if unit.attack is None:
            return record, None
        clean = done[Unit(unit.repeat, None, unit.recommender)].arrays["target_ranks"]
        shifts = _rank_shifts(clean, arrays["target_ranks"])
        record["rank_shift"] = float(np.mean(shifts)) if shifts.size else float("nan")
        crafted = done[Unit(unit.repeat, unit.attack, None)]
        record["attack_seconds"] = crafted.values["seconds"]
        distinct, counts = np.unique(shifts, return_counts=True)
        # Kept for all repeats, so in the smallest space.
        return record, (distinct, counts.astype(np.int32))

    def _judged(self, unit, done):
        """Return the verdicts of a detector, and its figures."""
        values, arrays = done[unit]
        is_fake = np.arange(arrays["scores"].size) >= self.plan.X.shape[0]
        verdicts = Verdicts(is_fake, arrays["scores"], arrays["is_flagged"])
        return verdicts, figures_of_verdicts(verdicts) | {"detection_seconds": values["seconds"]}

    @property
    def records(self) -> list[dict]:
        return self._as_list("records")

    @property
    def detections(self) -> list[dict]:
        return self._as_list("detections")

    @property
    def rank_shifts(self) -> dict:
        return self._as_dict("rank_shifts")

    @property
    def verdicts(self) -> dict:
        return self._as_dict("verdicts")

    @property
    def target_items(self) -> list[np.ndarray]:
        return [found["target_items"] for found in self._in_order()]

    def _as_list(self, name):
        return [
            {"repeat": number} | record
            for number, found in enumerate(self._in_order())
            for record in found[name]
        ]

    def _as_dict(self, name):
        return {
            (number, *key): value
            for number, found in enumerate(self._in_order())
            for key, value in found[name].items()
        }

    def _in_order(self):
        return [self._repeats[repeat] for repeat in sorted(self._repeats)]


def _rank_shifts(before, after):
    """Return the shifts of the pairs of users and targets that have ranks, as one array."""
    ranked = before >= 0
    return before[ranked].astype(np.int32) - after[ranked]
