"""How a result is printed."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from pathlib import Path

from skrecsec.cli._outcome import K, Outcome

# Options that say how it is done and told, not what.
CHANGE_NO_FIGURE = ("format", "n_jobs", "report")


def as_table(outcome: Outcome) -> str:
    """Return a table to be read, and below it who the fakes were."""
    table = aligned([["", *outcome.heading()], *outcome.lines()])
    who = outcome.who_is_fake()
    return table if who is None else f"{table}\n\n{who}"


def aligned(lines: list[list[str]]) -> str:
    """Return lines of cells as columns, the first one to the left and the others to the right."""
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if c else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def as_json(outcome: Outcome) -> str:
    """Return settings and figures; `finished_repeats` is there if not all of them are.

    And `detection`, if there is a detector.
    """
    arguments = outcome.arguments
    result = {"settings": settings_of(arguments), "k": K, "results": outcome.records()}
    detection = outcome.detection()
    if detection is not None:
        result["detection"] = detection
    if outcome.n_repeats < arguments.repeats:
        result["finished_repeats"] = outcome.n_repeats
    return json.dumps(result, indent=2)


def settings_of(arguments: Namespace) -> dict:
    """Return the arguments that figures depend on, as JSON has them."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
        if name not in CHANGE_NO_FIGURE
    }


def as_csv(outcome: Outcome) -> str:
    """Return a line of figures for each model."""
    return records_as_csv(outcome.records())


def records_as_csv(records: list[dict]) -> str:
    """Return a line for each record, and a heading."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().rstrip("\n")


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv}
