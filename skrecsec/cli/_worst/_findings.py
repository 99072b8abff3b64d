"""What was found of each attack, which is the worst, and the command that repeats it."""

from __future__ import annotations

import math
import shlex
from argparse import Namespace

from skrecsec.cli import _choices
from skrecsec.cli._outcome import K, Outcome
from skrecsec.cli._parser import as_command, make_parser
from skrecsec.experiments import strength
from skrecsec.metrics import DETECTION_METRICS, METRICS

# What is told of the recommender that the attacks are sorted by.
COLUMNS = ("test_hr", "target_hr", "rank_shift")
OF_DETECTOR = ("average_precision", "found", "missed", "wrongly_accused")
# What the command that repeats an attack names in any case.
_ALWAYS_SAID = ("attack", "victim", "seed")
_HARDLY_SEEN = 0.5  # a detector that finds fewer of the fakes hardly sees an attack


class Findings:
    """The outcome of each attack, each as the main command has it.

    Parameters
    ----------
    arguments : Namespace
        Those of the command line.

    main_prog : str
        How the main command is called.

    Attributes
    ----------
    outcomes : dict of Outcome
        By name of the attack, those that were tried.

    failures : dict of str
        By name of the attack, what those that failed said.
    """

    def __init__(self, arguments: Namespace, main_prog: str):
        self.arguments, self.main_prog = arguments, main_prog
        self.outcomes: dict[str, Outcome] = {}
        self.failures: dict[str, str] = {}

    def outcome_of(self, name: str) -> Outcome:
        """Return the outcome of an attack that has not been tried, as of the main command."""
        others = {key: value for key, value in vars(self.arguments).items() if key != "attacks"}
        return Outcome(Namespace(attack=name, **others))

    @property
    def judged(self) -> str:
        """The model that attacks are sorted by: that of the defense, or else of the victim."""
        return "attacked" if self.arguments.defense == _choices.NONE else "defended"

    def names(self) -> list[str]:
        """Return the attacks that were tried, the worst first.

        Of those that a defense undoes alike, the worst for the victim comes first.
        """

        def key(name):
            return self._strength(self.record(name)), self._strength(self.record(name, "attacked"))

        return sorted(self.outcomes, key=key, reverse=True)

    def _strength(self, record):
        values = (record["target_hr"], record["rank_shift"])
        figures = (math.nan if value is None else value for value in values)
        return strength(*figures, self.arguments.goal)

    def record(self, name: str, model: str | None = None) -> dict:
        """Return the figures of a model under an attack; None: of the one that is judged."""
        models = {record["model"]: record for record in self.outcomes[name].records()}
        return models[self.judged if model is None else model]

    def _any_outcome(self) -> Outcome:
        """Return the outcome of some attack, for what is the same under all."""
        return next(iter(self.outcomes.values()))

    def clean(self, model: str | None = None) -> dict:
        """Return the figures of a model on clean ratings; None: of the one that is judged."""
        on_clean = {"attacked": "clean", "defended": "clean_defense"}
        name = on_clean[self.judged if model is None else model]
        return next(record for record in self.clean_records() if record["model"] == name)

    def clean_records(self) -> list[dict]:
        """Return the figures of the victim and of the defense, if any, on clean ratings."""
        outcome = self._any_outcome()
        clean = outcome.clean_models()
        return [record for record in outcome.records() if record["model"] in clean]

    def clean_title(self, model: str | None = None) -> str:
        """Return what tables and plots call a model on clean ratings; None: the one judged."""
        return self._any_outcome().titles()[self.clean(model)["model"]]

    def attack_seconds(self, name: str) -> float:
        """Return the mean time of crafting."""
        outcome = self.outcomes[name]
        assert outcome.study is not None, "no repeat is finished"
        rows = outcome.study.summary("attack_seconds")
        (mean,) = (r["mean"] for r in rows if r["attack"] != "clean" and _is_of(r, outcome))
        return mean

    def records(self) -> list[dict]:
        """Return a record for each attack, the worst first, with all of its figures."""
        records = []
        for name in self.names():
            outcome = self.outcomes[name]
            record = {"attack": name, "attack_seconds": self.attack_seconds(name)}
            clean = outcome.clean_models()
            record["results"] = [r for r in outcome.records() if r["model"] not in clean]
            detection = outcome.detection()
            if detection is not None:
                record["detection"] = detection
            records.append(record)
        return records

    # --- the table --------------------------------------------------------------------------------

    def heading(self) -> list[str]:
        """Return the heading of the table, without that of the models."""
        heading = [METRICS[column].name(K, short=True) for column in COLUMNS]
        outcome = self._any_outcome()
        if outcome.defense is not None:
            heading.append(f"{METRICS['target_hr'].name(K)} of {outcome.baseline}")
        if outcome.detector is not None:
            heading += [DETECTION_METRICS["average_precision"].name(K), "found", "accused"]
        return [*heading, METRICS["attack_seconds"].name(K)]

    def lines(self) -> list[list[str]]:
        """Return the rows of the table as text: clean ratings, and attacks, the worst first."""
        outcome = self._any_outcome()
        clean = [*(_cell(self.clean(), column) for column in COLUMNS[:2]), "-"]
        if outcome.defense is not None:
            clean.append(_cell(self.clean("attacked"), "target_hr"))
        missing = ["-"] * (len(self.heading()) - len(clean))
        return [
            [self.clean_title(), *clean, *missing],
            *([self.outcomes[n].titles()[self.judged], *self._cells(n)] for n in self.names()),
        ]

    def _cells(self, name):
        outcome = self.outcomes[name]
        cells = [_cell(self.record(name), column) for column in COLUMNS]
        if outcome.defense is not None:
            cells.append(_cell(self.record(name, "attacked"), "target_hr"))
        found = outcome.detection()
        if found is not None:
            precision = found["average_precision"]
            metric = DETECTION_METRICS["average_precision"]
            cells += [
                "-" if precision is None else metric.write(precision),
                f"{found['found']} of {found['fake_profiles']}",
                f"{found['wrongly_accused']} of {found['genuine_users']}",
            ]
        return [*cells, METRICS["attack_seconds"].write(self.attack_seconds(name))]

    # --- sentences --------------------------------------------------------------------------------

    def progress(self) -> str:
        """Return how many attacks are done."""
        n_done = len(self.outcomes) + len(self.failures)
        return f"attack {n_done} of {len(self.arguments.attacks)}:"

    def in_short(self, name: str) -> str:
        """Return what became of the targets under an attack."""
        title = self.outcomes[name].titles()[self.judged]
        return f"{title}, {METRICS['target_hr'].name(K)} {_cell(self.record(name), 'target_hr')}"

    def conclusions(self) -> list[str]:
        """Return which attack is the worst, what the detector makes of it, and which failed."""
        worst = self.names()[0]
        sentences = [f"The worst is the {self._told(worst)}."]
        if self._strength(self.record(worst))[0] <= self._strength(self.clean())[0]:
            number = "more" if self.arguments.goal == "push" else "fewer"
            sentences.insert(
                0, f"No attack gets its targets into {number} lists than clean ratings do."
            )
        hidden = self.worst_hidden()
        detector = self.outcomes[worst].detector
        if hidden is not None and hidden != worst:
            sentences.append(
                f"Of the attacks of which {detector} finds less than half, the worst is the "
                f"{self._told(hidden)}."
            )
        elif hidden is None and detector is not None:
            sentences.append(f"{detector} finds at least half of the fakes of every attack.")
        sentences += [f"{name} failed: {message}" for name, message in self.failures.items()]
        tried = {*self.outcomes, *self.failures}
        missing = [name for name in self.arguments.attacks if name not in tried]
        if missing:
            sentences.append(f"Not tried, for it was interrupted: {', '.join(missing)}.")
        sentences.append(f"The worst again: {self.command(worst)}")
        return sentences

    def worst_hidden(self) -> str | None:
        """Return the worst attack that the detector hardly sees, None if there is none."""
        for name in self.names():
            found = self.outcomes[name].detection()
            if found is not None and found["found"] < _HARDLY_SEEN * found["fake_profiles"]:
                return name
        return None

    def command(self, name: str) -> str:
        """Return the command that repeats an attack, with the same figures."""
        parser = make_parser(self.main_prog)
        words = as_command(self.outcomes[name].arguments, parser, _ALWAYS_SAID)
        return shlex.join([*self.main_prog.split(), *words])

    def _told(self, name):
        """Return what an attack does."""
        outcome, record = self.outcomes[name], self.record(name)
        model = outcome.models()[self.judged][1]
        text = (
            f"{outcome.attack}: it moves {METRICS['target_hr'].name(K)} from "
            f"{_cell(self.clean(), 'target_hr')} ({self.clean_title()}) to "
            f"{_cell(record, 'target_hr')} ({model})"
        )
        who = outcome.who_is_fake()
        return text if who is None else f"{text}; {who}"


def _is_of(row, outcome):
    return row["recommender"] == outcome.baseline


def _cell(record, column):
    if record[column] is None:
        return "-"
    return METRICS[column].write_mean(record[column], record[f"{column}_std"])
