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
    """The figures of three models: the baseline, clean and attacked, and the defense.

    Parameters
    ----------
    arguments : Namespace
        Those of the command line.

    Attributes
    ----------
    baseline, defense, attack : str
        What tables and plots call them.

    study : RobustnessStudy or None
        The repeats that are finished.
    """

    def __init__(self, arguments: Namespace):
        self.arguments = arguments
        self.baseline = _choices.recommender_title(arguments.victim)
        self.defense = _choices.recommender_title(arguments.defense)
        self.attack = _choices.attack_title(arguments.attack)
        self.study: RobustnessStudy | None = None

    def update(self, results) -> None:
        """Take the results of the repeats that are finished."""
        self.study = RobustnessStudy(
            results.records,
            results.rank_shifts,
            results.target_items,
            baseline=self.baseline,
            k=K,
            protocol=PROTOCOL,
        )

    @property
    def n_repeats(self) -> int:
        """Number of repeats that are finished."""
        return 0 if self.study is None else self.study.n_repeats

    def models(self) -> dict[str, tuple[str, str]]:
        """Return the attack and the recommender, as the study calls them, of each model."""
        return {
            "clean": ("clean", self.baseline),
            "attacked": (self.attack, self.baseline),
            "defended": (self.attack, self.defense),
        }

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
                if (name, column) == ("clean", "rank_shift"):
                    # It is what the others are compared with, where there are targets to be ranked.
                    attacked = rows[column, self.attack, self.baseline]
                    mean, std = (0.0 * attacked[key] for key in ("mean", "std"))
                if column == "ri" and name != "defended":
                    mean = std = math.nan  # that of the baseline is 0, always
                record[column] = None if math.isnan(mean) else mean
                record[f"{column}_std"] = None if math.isnan(std) else std
            records.append(record)
        return records

    def lines(self) -> list[list[str]]:
        """Return the rows of the table as text."""
        titles = self.titles()
        return [
            [titles[record["model"]], *(_as_cell(record, column) for column in COLUMNS)]
            for record in self.records()
        ]


def _as_cell(record, column):
    if record[column] is None or (record["model"], column) == ("clean", "rank_shift"):
        return "-"
    return METRICS[column].write_mean(record[column], record[f"{column}_std"])
