"""How a result is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from skrecsec.cli._outcome import K, Outcome


def as_table(outcome: Outcome) -> str:
    """Return a table to be read, and below it who the fakes were."""
    lines = [["", *outcome.heading()], *outcome.lines()]
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    table = "\n".join(
        "  ".join(
            cell.rjust(width) if c else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    who = outcome.who_is_fake()
    return table if who is None else f"{table}\n\n{who}"


def as_json(outcome: Outcome) -> str:
    """Return settings and figures; `finished_repeats` is there if not all of them are.

    And `detection`, if there is a detector.
    """
    arguments = outcome.arguments
    left_out = ("format", "n_jobs", "report")
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
        if name not in left_out
    }
    result = {"settings": settings, "k": K, "results": outcome.records()}
    detection = outcome.detection()
    if detection is not None:
        result["detection"] = detection
    if outcome.n_repeats < arguments.repeats:
        result["finished_repeats"] = outcome.n_repeats
    return json.dumps(result, indent=2)


def as_csv(outcome: Outcome) -> str:
    """Return a line of figures for each model."""
    records = outcome.records()
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().rstrip("\n")


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv}
