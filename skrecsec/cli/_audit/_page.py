"""The page that `--report` writes about an audit: groups, profiles side by side, and plots."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from skrecsec.cli._audit._findings import (
    NOTE,
    Audit,
    evidence_of,
    fate_of_fakes,
    haste_of,
    summary_of,
    surprise_of,
    verdict_of,
    visibility_table,
    visibility_text,
)
from skrecsec.cli._audit._formats import example_table
from skrecsec.cli._audit._harmless import short, visible
from skrecsec.cli._html import figure, heading, page, paragraph
from skrecsec.inspection import GroupDisplay
from skrecsec.utils._html import html_table

_LONGEST_ID = 60
# How many groups have a picture, and how many members are named; JSON and CSV have all.
_MOST_PICTURES, _MOST_IDS = 8, 200
_N_BINS = 60


def page_of(audit: Audit, command: Sequence[str]) -> str:
    """Return the page of an audit, which was made by a command."""
    title = f"Audit of {visible(audit.title)}"
    parts = [
        heading(title, level=1),
        paragraph(f"{summary_of(audit)}. {verdict_of(audit)}"),
    ]
    fate = fate_of_fakes(audit)
    if fate is not None:
        parts.append(paragraph(fate))
    if audit.found_something:
        parts.append(paragraph(NOTE))
    names = [[visible(name) for name in ids] for ids in (audit.data.user_ids, audit.data.item_ids)]
    for finding in audit.findings:
        parts += _group(finding, audit, *names)
    alone = audit.ungrouped()
    if alone:
        parts += [
            heading("In no group, but much like other profiles"),
            paragraph(_listed("Users", [audit.data.user_ids[row] for row in alone])),
        ]
    if audit.visible:
        parts += [
            heading("What could have been seen"),
            paragraph(visibility_text(audit)),
            html_table(*visibility_table(audit)),
        ]
    parts.append(
        _picture("Scores of all users", _caption(audit), lambda ax: draw_scores(audit, ax))
    )
    return page(title, parts, [visible(part) for part in command])


def _group(finding, audit, user_names, item_names):
    parts = [
        heading(f"Group {finding.number}"),
        paragraph(
            "; ".join(filter(None, (evidence_of(finding), surprise_of(finding), haste_of(finding))))
            + "."
        ),
        paragraph(_listed("Items", finding.items)),
        paragraph(
            _listed(
                f"Users ({sum(finding.is_flagged)} of {len(finding.users)} are flagged)",
                finding.users,
            )
        ),
    ]
    if finding.examples:
        parts.append(html_table(*example_table(finding, _LONGEST_ID, _LONGEST_ID)))
    if finding.number <= _MOST_PICTURES:
        caption = (
            "Members of the group above, other users with about as many ratings below; the items "
            "of the group are on the left."
        )
        parts.append(
            _picture(
                f"Group {finding.number} in the matrix of users and items",
                caption,
                lambda ax: GroupDisplay.from_estimator(
                    audit.detector,
                    audit.data.ratings,
                    finding.number - 1,
                    user_names=user_names,
                    item_names=item_names,
                    ax=ax,
                ),
                height=6.0,
            )
        )
    return parts


def _listed(what, ids):
    text = f"{what}: {', '.join(short(identity, _LONGEST_ID) for identity in ids[:_MOST_IDS])}"
    if len(ids) > _MOST_IDS:
        text += f", and {len(ids) - _MOST_IDS} more"
    return text + "."


def _picture(title, caption, draw, **options):
    with warnings.catch_warnings():
        # A letter that no font has is drawn as a box.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        return figure(title, caption, draw, **options)


def _caption(audit):
    text = "The lower the score, the more a user acts like others."
    if audit.arguments.contamination == "auto":
        text += " Who is below the threshold is flagged."
    return text


def draw_scores(audit: Audit, ax) -> None:
    """Draw a histogram of the scores, those of users who are flagged apart, and the threshold."""
    scores, is_flagged = audit.detector.profile_scores_, audit.detector.labels_ == -1
    threshold = audit.detector.offset_
    # The threshold is an edge, so that no bar has users on either side of it.
    width = (max(scores.max(), threshold) - min(scores.min(), threshold)) / _N_BINS or 1.0
    first, last = np.floor((scores.min() - threshold) / width), (scores.max() - threshold) / width
    edges = threshold + width * np.arange(min(first, 0), max(np.floor(last), 0) + 2)
    for mask, color, label in (
        (~is_flagged, "#0072B2", "not flagged"),
        (is_flagged, "#D55E00", "flagged"),
    ):
        if mask.any():
            name = f"{label} ({mask.sum()})"
            ax.hist(scores[mask], edges, color=color, alpha=0.8, label=name)
    ax.axvline(threshold, color="black", linestyle="--", label="threshold")
    ax.set(xlabel="score (lower: acts more like others)", ylabel="users", yscale="log")
    ax.legend()
