"""The page that `--report` writes: a table, plots, and what made them."""

from __future__ import annotations

import base64
import html
import shlex
from collections.abc import Sequence

from skrecsec.cli._outcome import COLUMNS, K, Outcome
from skrecsec.cli._ratings import title_of
from skrecsec.inspection import RankShiftDisplay, RobustnessDisplay
from skrecsec.metrics import METRICS
from skrecsec.utils._figures import as_bytes, figure_without_window
from skrecsec.utils._versions import package_versions

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1.5rem 0; }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; background: white; border-radius: 6px; }
figcaption, footer, dt { color: #777; font-size: .9rem; }
code { background: #8882; padding: .1rem .3rem; border-radius: 4px; }
"""


def page_of(outcome: Outcome, command: Sequence[str]) -> str:
    """Return the page of a result, which was made by a command."""
    titles, records = outcome.titles(), outcome.records()
    points = {titles[record["model"]]: _as_point(record) for record in records}
    robustness = RobustnessDisplay(points, k=K)
    attacked = ("attacked", "defended")
    models, study = outcome.models(), outcome.study
    assert study is not None, "no repeat is finished"
    shifts = RankShiftDisplay(
        {titles[name]: study.rank_shifts(*models[name]) for name in attacked},
        means={titles[r["model"]]: r["rank_shift"] for r in records if r["model"] in attacked},
    )
    explanations = {
        METRICS[column].name(K, short=True): METRICS[column].explain(K)
        for column in COLUMNS
        if column != "seconds"
    }
    explanations[METRICS["rank_shift"].name(K)] += ", against the clean model"
    return report_page(
        title=f"{outcome.defense} against the {outcome.attack}",
        summary=_summary(outcome),
        heading=["", *outcome.heading()],
        lines=outcome.lines(),
        explanations=explanations,
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
        versions=package_versions("scikit-learn", "numpy"),
    )


def _summary(outcome):
    arguments = outcome.arguments
    size, targets = arguments.attack_size, arguments.targets
    share = f"{size:.3g} fake profiles" if size >= 1 else f"{100 * size:.3g}% fake profiles"
    targets = targets if isinstance(targets, str) else " ".join(map(str, targets))
    repeats = str(outcome.n_repeats)
    if outcome.n_repeats < arguments.repeats:
        repeats += f" of {arguments.repeats}, after which it was interrupted"
    who = outcome.who_is_fake()
    return (
        f"Ratings: {title_of(arguments)}. Targets: {targets}. {share}; the attacker sees "
        f"{100 * arguments.knowledge:.3g}% of the users. Repeats: {repeats}."
        + ("" if who is None else f" {who}.")
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


def report_page(*, title, summary, heading, lines, explanations, figures, command, versions) -> str:
    """Return a page that needs no other file and no network.

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

    versions : dict of str
        Versions of packages.
    """
    text = html.escape
    parts = [
        f"<h1>{text(title)}</h1>",
        f"<p>{text(summary)}</p>",
        _table(heading, lines),
        "<dl>",
        *(f"<dt>{text(name)}</dt><dd>{text(what)}</dd>" for name, what in explanations.items()),
        "</dl>",
    ]
    for name, caption, draw in figures:
        image = base64.b64encode(_draw(draw)).decode()
        parts.append(
            f'<figure><h2>{text(name)}</h2><img alt="{text(caption)}" '
            f'src="data:image/png;base64,{image}"><figcaption>{text(caption)}</figcaption></figure>'
        )
    made_by = text(shlex.join(command))
    used = text(", ".join(f"{name} {version}" for name, version in versions.items()))
    parts.append(f"<footer><p>Made by <code>{made_by}</code> with {used}.</p></footer>")
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{text(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _table(heading, lines):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in lines)
    return f"<table><thead>{row(heading, 'th')}</thead>\n<tbody>{body}</tbody></table>"


def _draw(draw):
    figure, (ax,) = figure_without_window(1, (8, 4.6))
    draw(ax)
    return as_bytes(figure, "png")
