"""The page that `--report` writes about all attacks: how strong and how visible they are."""

from __future__ import annotations

from collections.abc import Sequence

from skrecsec.cli._outcome import K
from skrecsec.cli._page import explain, report_page, threat_of
from skrecsec.cli._worst._findings import COLUMNS, Findings
from skrecsec.inspection import MARKERS, styles_for
from skrecsec.metrics import DETECTION_METRICS, METRICS

_PER_ATTACK = 0.32  # inches
_FILLS = ("full", "none", "left")


def page_of(findings: Findings, command: Sequence[str]) -> str:
    """Return the page of what was found, which was made by a command."""
    outcome = next(iter(findings.outcomes.values()))
    model = outcome.models()[findings.judged][1]
    columns = [*COLUMNS, "attack_seconds"]
    figures = [
        (
            "How far targets move",
            f"{METRICS['target_hr'].name(K)} under each attack; a line is that on clean ratings.",
            lambda ax: draw_strength(findings, ax),
            1.6 + _PER_ATTACK * len(findings.outcomes),
        )
    ]
    if outcome.detector is not None:
        columns.append("average_precision")
        figures.append(
            (
                "Strength against visibility",
                "The further up, the further targets are moved; the further to the left, the less "
                f"{outcome.detector} sees of it.",
                lambda ax: draw_visibility(findings, ax),
                5.4,
            )
        )
    return report_page(
        title=f"The worst of {len(findings.outcomes)} attacks on {model}",
        summary=f"{threat_of(findings.arguments)} Repeats: {findings.arguments.repeats}.",
        heading=["", *findings.heading()],
        lines=findings.lines(),
        explanations=explain(columns),
        figures=figures,
        command=command,
        notes=findings.conclusions(),
    )


def draw_strength(findings: Findings, ax) -> None:
    """Draw how often targets are recommended under each attack, the worst on top."""
    names = findings.names()[::-1]
    outcome = findings.outcomes[names[0]]
    labels = [findings.outcomes[name].attack for name in names]
    drawn = [("attacked", "#999999", 0.8)]
    drawn += [("defended", "#0072B2", 0.45)] if outcome.defense is not None else []
    for model, color, height in drawn:
        values = [findings.record(name, model)["target_hr"] or 0.0 for name in names]
        recommender = outcome.models()[model][1]
        ax.barh(labels, values, height, color=color, label=recommender)
        clean = findings.clean(model)["target_hr"]
        if clean is not None:
            style = "--" if model == findings.judged else ":"
            label = findings.clean_title(model)
            ax.axvline(clean, color="black", linestyle=style, label=label)
    ax.set(xlabel=METRICS["target_hr"].name(K))
    ax.legend()


def draw_visibility(findings: Findings, ax) -> None:
    """Draw each attack by how much a detector sees of it, and by how far it moves targets."""
    names = findings.names()
    for number, (name, style) in enumerate(styles_for(names).items()):
        outcome = findings.outcomes[name]
        found, record = outcome.detection(), findings.record(name)
        if found is None or found["average_precision"] is None or record["target_hr"] is None:
            continue
        color, marker = style["color"], style["marker"]
        ax.plot(
            found["average_precision"],
            record["target_hr"],
            color=color,
            marker=marker,
            linestyle="none",
            markersize=9,
            # Where colors and markers come round again.
            fillstyle=_FILLS[number // len(MARKERS) % len(_FILLS)],
            label=outcome.attack,
        )
    outcome = findings.outcomes[names[0]]
    precision = DETECTION_METRICS["average_precision"].name(K)
    ax.set(
        xlabel=f"{precision} of {outcome.detector} (left: hidden)",
        ylabel=f"{METRICS['target_hr'].name(K)} of {outcome.models()[findings.judged][1]}",
        xlim=(-0.03, 1.03),
    )
    ax.margins(y=0.1)
    ax.set_ylim(bottom=-0.02)
    ax.grid(alpha=0.3)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
