"""How an audit is printed."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from pathlib import Path

from skrecsec.cli._audit._findings import (
    NOTE,
    Audit,
    evidence_of,
    fate_of_fakes,
    haste_of,
    plain,
    summary_of,
    surprise_of,
    verdict_of,
    visibility_table,
    visibility_text,
)
from skrecsec.cli._audit._harmless import columns, for_spreadsheet, padded, short, visible
from skrecsec.utils._versions import package_versions

_WIDTH = 100
_ID_WIDTH, _ITEM_WIDTH = 24, 12
# How many ids of a group a table lists, and how many of its items have a column.
_MOST_IDS, _MOST_ITEMS = 30, 8


def as_table(audit: Audit) -> str:
    """Return text to be read."""
    parts = [f"{visible(audit.title)}: {summary_of(audit)}", _wrap(verdict_of(audit))]
    parts += [_group_as_text(finding, audit) for finding in audit.findings]
    alone = audit.ungrouped()
    if alone:
        ids = [audit.data.user_ids[row] for row in alone]
        parts.append("In no group, but much like other profiles:\n" + _list("users", ids))
    fate = fate_of_fakes(audit)
    if fate is not None:
        parts.append(_wrap(fate))
    if audit.found_something:
        parts.append(_wrap(NOTE))
    elif audit.visible:
        heading, lines = visibility_table(audit)
        parts += [_wrap(visibility_text(audit)), _grid([heading, *lines])]
    return "\n\n".join(parts)


def _group_as_text(finding, audit):
    lines = [
        _wrap(f"Group {finding.number}: {evidence_of(finding)}"),
        _wrap(surprise_of(finding), indent="  "),
        *([_wrap(haste_of(finding), indent="  ")] if haste_of(finding) else []),
        _list("items", finding.items),
        _list(f"users, {sum(finding.is_flagged)} of {len(finding.users)} flagged", finding.users),
    ]
    if finding.examples:
        lines += ["", _examples_as_text(finding)]
    return "\n".join(lines)


def example_table(finding, id_width: int, item_width: int) -> tuple[list[str], list[list[str]]]:
    """Return heading and lines of a table of profiles, `visible` and cut to so many columns."""
    items = finding.items[:_MOST_ITEMS]
    heading = ["", "user", "ratings", "mean", *(short(item, item_width) for item in items)]
    lines = []
    for example in finding.examples:
        who = "member" if example.is_member else "other"
        ratings = ["-" if rating is None else f"{rating:g}" for rating in example.on_items]
        others = (f"{short(item, item_width)} ({rating:g})" for item, rating in example.others)
        lines.append(
            [
                who + (", flagged" if example.is_flagged else ""),
                short(example.user, id_width),
                str(example.n_ratings),
                f"{example.mean:.2f}",
                *ratings[:_MOST_ITEMS],
                ", ".join(others),
            ]
        )
    return [*heading, "some other items"], lines


def _examples_as_text(finding):
    heading, lines = example_table(finding, _ID_WIDTH, _ITEM_WIDTH)
    left = (0, 1, len(heading) - 1)
    return _grid([heading, *lines], left=left, indent="  ")


def _grid(lines, *, left=(0,), indent=""):
    widths = [max(columns(line[c]) for line in lines) for c in range(len(lines[0]))]
    return "\n".join(
        indent
        + "  ".join(
            padded(cell, width, right=c not in left)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _list(what, ids):
    shown = [short(identity, _ID_WIDTH) for identity in ids[:_MOST_IDS]]
    text = f"{what}: {', '.join(shown)}"
    if len(ids) > _MOST_IDS:
        text += f", and {len(ids) - _MOST_IDS} more (--format csv or json lists all)"
    return _wrap(text, indent="  ")


def _wrap(text, indent=""):
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent and indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_csv(audit: Audit) -> str:
    """Return a line for each user who is flagged."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(["user", "score", "group", "items"])
    findings = {finding.number: finding for finding in audit.findings}
    for row in audit.flagged:
        groups = audit.groups_of[int(row)]
        items = json.dumps(findings[groups[0]].items) if groups else ""
        score = float(audit.detector.profile_scores_[row])
        user = for_spreadsheet(plain(audit.data.user_ids[row]))
        writer.writerow([user, score, groups[0] if groups else "", items])
    return text.getvalue().rstrip("\n")


def as_json(audit: Audit) -> str:
    """Return all that was found, with ids as they are."""
    X = audit.data.ratings
    result = {
        "versions": package_versions("scikit-learn", "numpy"),
        "settings": _settings(audit.arguments),
        "ratings": {
            "n_users": X.shape[0],
            "n_items": X.shape[1],
            "n_ratings": X.nnz,
            "has_times": audit.data.timestamps is not None,
        },
        "verdict": verdict_of(audit),
        "threshold": _number(audit.detector.offset_),
        "groups": [_group_as_record(finding) for finding in audit.findings],
        "flagged": [
            {
                "user": plain(audit.data.user_ids[row]),
                "score": _number(audit.detector.profile_scores_[row]),
                "groups": audit.groups_of[int(row)],
            }
            for row in audit.flagged
        ],
        "visible_attacks": [attack._asdict() for attack in audit.visible],
        "note": NOTE,
    }
    if audit.fakes is not None:
        items = [plain(item) for item in audit.fakes.items]
        result["attack"] = {**audit.fakes.found(audit.detector.labels_), "items": items}
    return json.dumps(result, indent=2, allow_nan=False)


def _settings(arguments):
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
        if name not in ("format", "report")
    }


def _group_as_record(finding):
    group = finding.group
    members = zip(finding.users, finding.is_flagged, finding.scores, strict=True)
    return {
        "number": finding.number,
        "evidence": evidence_of(finding),
        "surprise": surprise_of(finding),
        "haste": finding.haste,
        "items": finding.items,
        "rating": group.level,
        "min_items": group.min_items,
        "n_users": group.n_users,
        "expected": _number(group.expected),
        "net_surprise": _number(group.score),
        "users": [
            {"user": user, "flagged": is_flagged, "score": _number(score)}
            for user, is_flagged, score in members
        ],
        "examples": [_example_as_record(example) for example in finding.examples],
    }


def _example_as_record(example):
    return {
        **example._asdict(),
        "others": [{"item": item, "rating": rating} for item, rating in example.others],
    }


def _number(value):
    return float(value) if math.isfinite(value) else None


FORMATS = {"table": as_table, "json": as_json, "csv": as_csv}
