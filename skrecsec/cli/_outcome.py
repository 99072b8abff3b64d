"""What came out: the study behind a job, and the records that are printed."""

from __future__ import annotations

import math
from argparse import Namespace

from skrecsec.cli import _choices
from skrecsec.experiments import RobustnessStudy
from skrecsec.metrics import METRICS

K = 50  # length of the lists of recommendations
PROTOCOL = "fold_in"
COLUMNS = ("test_hr", "target_hr", "rank_shift", "ri", "seconds")


class Outcome:
    """The figures of the models, clean and attacked: the baseline, and the defenses, if any.

    Parameters
    ----------
    arguments : Namespace
        Those of the command line.

    Attributes
    ----------
    baseline, attack, detector : str
        What tables and plots call them; `detector` is None if nobody is judged.

    defenses : dict of str
        What tables and plots call the defenses, by name, in order.

    study : RobustnessStudy or None
        The repeats that are finished.
    """

    def __init__(self, arguments: Namespace):
        self.arguments = arguments
        self.baseline = _choices.recommender_title(arguments.victim)
        behind = ""
        if arguments.filter != _choices.NONE:
            behind = f" behind {_choices.detector_title(arguments.filter)}"
        self.defenses = {
            name: _choices.recommender_title(name) + behind
            for name in _choices.names_of(arguments.defense)
        }
        self.detector = None
        if arguments.detector != _choices.NONE:
            self.detector = _choices.detector_title(arguments.detector)
        self.attack = _choices.attack_title(arguments.attack)
        self.study: RobustnessStudy | None = None

    def update(self, results) -> None:
        """Take the results of the repeats that are finished."""
        self.study = RobustnessStudy(
            results.records,
            results.rank_shifts,
            results.target_items,
            detections=results.detections,
            verdicts=results.verdicts,
            baseline=self.baseline,
            k=K,
            protocol=PROTOCOL,
        )

    @property
    def defense(self) -> str | None:
        """What the first defense is called; None without one."""
        return next(iter(self.defenses.values()), None)

    @property
    def n_repeats(self) -> int:
        """Number of repeats that are finished."""
        return 0 if self.study is None else self.study.n_repeats

    def models(self) -> dict[str, tuple[str, str]]:
        """Return the attack and the recommender, as the study calls them, of each model."""
        models = {"clean": ("clean", self.baseline), "attacked": (self.attack, self.baseline)}
        for number, (name, title) in enumerate(self.defenses.items()):
            which = "" if number == 0 else f"_{name}"
            models[f"clean_defense{which}"] = ("clean", title)
            models[f"defended{which}"] = (self.attack, title)
        return models

    def clean_models(self) -> list[str]:
        """Return those of the models that have learned from clean ratings."""
        return [name for name, (attack, _) in self.models().items() if attack == "clean"]

    def titles(self) -> dict[str, str]:
        """Return what tables and plots call the models."""
        return {
            name: f"{recommender}, {attack}"
            for name, (attack, recommender) in self.models().items()
        }

    def heading(self) -> list[str]:
        """Return the heading of the table, without that of the models."""
        return [METRICS[column].name(K, short=True) for column in COLUMNS]

    def records(self) -> list[dict]:
        """Return for each model the mean of each figure and its standard deviation, or None."""
        assert self.study is not None, "no repeat is finished"
        rows = {
            (row["metric"], row["attack"], row["recommender"]): row
            for column in COLUMNS
            for row in self.study.summary(column)
        }
        records = []
        for name, model in self.models().items():
            record: dict = {"model": name}
            for column in COLUMNS:
                mean, std = (rows[column, *model][key] for key in ("mean", "std"))
                if (model[0], column) == ("clean", "rank_shift"):
                    # What the attacked one is compared with, where there are targets to be ranked.
                    attacked = rows[column, self.attack, model[1]]
                    mean, std = (0.0 * attacked[key] for key in ("mean", "std"))
                if column == "ri" and model[1] == self.baseline:
                    mean = std = math.nan  # that of the baseline is 0, always
                record[column] = None if math.isnan(mean) else mean
                record[f"{column}_std"] = None if math.isnan(std) else std
            record["recommender"] = model[1]
            records.append(record)
        return records

    def detection(self) -> dict | None:
        """Return whom the detector found, missed and accused, in all repeats; None without one."""
        if self.detector is None or self.study is None:
            return None
        n_fake, n_found, n_genuine, n_accused = (
            sum(record[count] for record in self.study.detections)
            for count in ("n_fake", "n_found", "n_genuine", "n_accused")
        )
        found: dict = {
            "detector": self.arguments.detector,
            "fake_profiles": n_fake,
            "found": n_found,
            "missed": n_fake - n_found,
            "genuine_users": n_genuine,
            "wrongly_accused": n_accused,
        }
        for metric in ("average_precision", "roc_auc", "detection_seconds"):
            (row,) = self.study.summary(metric)
            found[metric] = None if math.isnan(row["mean"]) else row["mean"]
        return found

    def who_is_fake(self) -> str | None:
        """Return in a sentence who the fakes were, by the detector; None without one."""
        found = self.detection()
        if found is None:
            return None
        repeats = f", in {self.n_repeats} repeats" if self.n_repeats > 1 else ""
        return (
            f"{self.detector}: found {found['found']} of {found['fake_profiles']} fake profiles, "
            f"missed {found['missed']}, wrongly accused {found['wrongly_accused']} of "
            f"{found['genuine_users']} genuine users{repeats}"
        )

    def lines(self) -> list[list[str]]:
        """Return the rows of the table as text."""
        titles, clean = self.titles(), self.clean_models()
        return [
            [titles[record["model"]], *(_as_cell(record, column, clean) for column in COLUMNS)]
            for record in self.records()
        ]


def _as_cell(record, column, clean):
    if record[column] is None or (record["model"] in clean and column == "rank_shift"):
        return "-"
    return METRICS[column].write_mean(record[column], record[f"{column}_std"])
