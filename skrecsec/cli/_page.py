"""The page that `--report` writes: a table, plots, and what made them."""

from __future__ import annotations

from collections.abc import Sequence

from skrecsec.cli import _html
from skrecsec.cli._outcome import COLUMNS, K, Outcome
from skrecsec.cli._ratings import title_of
from skrecsec.inspection import RankShiftDisplay, RobustnessDisplay
from skrecsec.metrics import DETECTION_METRICS, METRICS
from skrecsec.utils._html import html_table


def page_of(outcome: Outcome, command: Sequence[str]) -> str:
    """Return the page of a result, which was made by a command."""
    titles, records = outcome.titles(), outcome.records()
    attacked = [name for name in titles if name not in outcome.clean_models()]
    shown = ("clean", *attacked)  # where the defenses begin, too, would be too many
    points = {titles[r["model"]]: _as_point(r) for r in records if r["model"] in shown}
    robustness = RobustnessDisplay(points, k=K)
    models, study = outcome.models(), outcome.study
    assert study is not None, "no repeat is finished"
    shifts = RankShiftDisplay(
        {titles[name]: study.rank_shifts(*models[name]) for name in attacked},
        means={titles[r["model"]]: r["rank_shift"] for r in records if r["model"] in attacked},
    )
    return report_page(
        title=f"{_contenders(outcome)} against the {outcome.attack}",
        summary=_summary(outcome),
        heading=["", *outcome.heading()],
        lines=outcome.lines(),
        explanations=explain(column for column in COLUMNS if column != "seconds"),
        figures=[
            (
                "Accuracy and robustness",
                "Hit ratios of hidden ratings and of targets, with one standard deviation over "
                "the repeats.",
                robustness.plot,
            ),
            (
                "Rank shifts",
                "By how many places targets moved in the lists of users who had not rated them. "
                "The means are those of the table, in which all repeats count the same.",
                # In the colors of the plot before.
                lambda ax: shifts.plot(ax, styles=getattr(robustness, "styles_", None)),
            ),
        ],
        command=command,
    )


def _contenders(outcome):
    *others, last = outcome.defenses.values() or [outcome.baseline]
    return f"{', '.join(others)} and {last}" if others else last


def explain(columns) -> dict[str, str]:
    """Return what columns of figures mean, by heading."""
    explanations = {}
    for column in columns:
        metric = (METRICS | DETECTION_METRICS)[column]
        explanations[metric.name(K, short=True)] = metric.explain(K) + (
            ", against the same model on clean ratings" if column == "rank_shift" else ""
        )
    return explanations


def _summary(outcome):
    arguments = outcome.arguments
    repeats = str(outcome.n_repeats)
    if outcome.n_repeats < arguments.repeats:
        repeats += f" of {arguments.repeats}, after which it was interrupted"
    who = outcome.who_is_fake()
    return f"{threat_of(arguments)} Repeats: {repeats}." + ("" if who is None else f" {who}.")


def threat_of(arguments) -> str:
    """Return in sentences what is attacked, and at what expense."""
    size, targets = arguments.attack_size, arguments.targets
    share = f"{size:.3g} fake profiles" if size >= 1 else f"{100 * size:.3g}% fake profiles"
    targets = targets if isinstance(targets, str) else " ".join(map(str, targets))
    return (
        f"Ratings: {title_of(arguments)}. Targets: {targets}. {share}; the attacker sees "
        f"{100 * arguments.knowledge:.3g}% of the users."
    )


def _as_point(record):
    """Return a point of a RobustnessDisplay, with one standard deviation to either side."""
    point = {}
    for metric in ("test_hr", "target_hr"):
        mean, spread = record[metric], record[f"{metric}_std"]
        point[metric] = mean
        if spread is not None:
            point[f"{metric}_interval"] = (mean - spread, mean + spread)
    return point


def report_page(*, title, summary, heading, lines, explanations, figures, command, notes=()) -> str:
    """Return a page of one table.

    Parameters
    ----------
    title, summary : str
        What was done.

    heading, lines : list of str, list of list of str
        The table.

    explanations : dict of str
        What the columns mean, by heading.

    figures : list of tuple
        For each figure a title, what it shows, and a function that draws it on axes.

    command : sequence of str
        What was run.

    notes : sequence of str, default=()
        What is said below the table.
    """
    parts = [
        _html.heading(title, level=1),
        _html.paragraph(summary),
        html_table(heading, lines),
        *map(_html.paragraph, notes),
        _html.definitions(explanations),
        *(_html.figure(*figure) for figure in figures),
    ]
    return _html.page(title, parts, command)
