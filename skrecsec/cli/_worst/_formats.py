"""How it is printed what was found of the attacks."""

from __future__ import annotations

import json

from skrecsec.cli._formats import aligned, records_as_csv, settings_of
from skrecsec.cli._outcome import K
from skrecsec.cli._worst._findings import OF_DETECTOR, Findings


def as_table(findings: Findings) -> str:
    """Return a table to be read, and below it which is the worst."""
    table = aligned([["", *findings.heading()], *findings.lines()])
    return "\n".join([table, "", *findings.conclusions()])


def as_json(findings: Findings) -> str:
    """Return settings and figures, the worst attack first; `failed` has those without figures."""
    worst = findings.names()[0]
    result = {
        "settings": settings_of(findings.arguments),
        "k": K,
        **{record["model"]: record for record in findings.clean_records()},
        "attacks": findings.records(),
        "failed": findings.failures,
        "worst": {"attack": worst, "command": findings.command(worst)},
        "conclusions": findings.conclusions(),
    }
    return json.dumps(result, indent=2)


def as_csv(findings: Findings) -> str:
    """Return a line of figures for each attack and model, the worst first."""
    lines = [{"attack": "", **record} for record in findings.clean_records()]
    for record in findings.records():
        seen = record.get("detection", {})
        more = {"attack_seconds": record["attack_seconds"]}
        more |= {name: seen[name] for name in OF_DETECTOR if seen}
        lines += [{"attack": record["attack"], **model, **more} for model in record["results"]]
    columns = dict.fromkeys(name for line in lines for name in line)
    return records_as_csv([{name: line.get(name) for name in columns} for line in lines])


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv}
