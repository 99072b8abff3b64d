"""The tables of the reproduction page, from the CSV files in docs/results."""

import csv
import json
import textwrap
from pathlib import Path

from skrecsec.experiments.paper import _settings
from skrecsec.experiments.paper._output import panels
from skrecsec.experiments.paper._settings import OWN_ATTACKS
from skrecsec.metrics import robustness_improvement_score
from skrecsec.utils._registry import find

RESULTS = Path(__file__).parent / "results"
DATASETS = {name: find("dataset", name).facts["title"] for name in _settings.DATASETS}
KINDS = {"random": "random targets", "unpopular": "unpopular targets"}
NOTHING = "\u2013"  # a hyphen would begin a list


def read(table, dataset):
    """Return the rows of a table for a dataset, none if it was not made."""
    path = RESULTS / f"{table}_{dataset}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            {key: _number(value) for key, value in row.items()} for row in csv.DictReader(lines)
        ]


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text


def is_ahead(table, row, *, in_doubt=False):
    """Return whether our cell is at least as good as the paper's; None if it has none.

    With `in_doubt` it is enough that it may be, by its 95% confidence interval.
    """
    if row.get("paper", "") == "" or row.get("attack") == "clean":
        return None
    is_lower_better = table == "table4"
    ours = row["mean"]
    if in_doubt and row["n"] > 1:
        ours = row["ci_low" if is_lower_better else "ci_high"]
    return ours <= row["paper"] if is_lower_better else ours >= row["paper"]


def csv_table(title, heading, lines):
    """Return a table in reStructuredText."""
    rows = "\n".join("   " + ", ".join(f'"{cell}"' for cell in line) for line in lines)
    header = ", ".join(f'"{cell}"' for cell in heading)
    return f".. csv-table:: {title}\n   :header: {header}\n   :class: results\n\n{rows}\n"


def tabs(parts):
    """Return a tab for each dataset of which there is something, by name of the dataset."""
    lines = [".. tab-set::", "   :sync-group: ratings", ""]
    for dataset, text in parts.items():
        if text:
            title = DATASETS[dataset]
            lines += [f"   .. tab-item:: {title}", f"      :sync: {dataset}", ""]
            lines += [textwrap.indent(text, " " * 6), ""]
    return "\n".join(lines)


def cells(table):
    """Return the cells of a table, paper against ours, dataset by dataset."""
    across = "knowledge" if table in ("table3", "table3b") else "method"
    parts = {}
    for dataset, title in DATASETS.items():
        tables = []
        for kind, rows in panels(table, read(table, dataset)):
            n = sorted({int(row["n"]) for row in rows})
            repeats = f"{n[-1]} repeats" if n[-1] > 1 else "1 repeat"
            tables.append(_cells(table, f"{title}, {kind} ({repeats})", rows, across))
        parts[dataset] = "\n".join(tables)
    return tabs(parts)


def _cells(table, caption, rows, across):
    down = "attack"
    if table.endswith("c"):  # more defenses than there is room for side by side
        down, across = across, down
    columns = list(dict.fromkeys(row[across] for row in rows))
    found = {(row[down], row[across]): row for row in rows}
    heading = ["", *map(_heading, columns)]
    lines = [
        [_heading(line), *(_cell(table, found.get((line, column))) for column in columns)]
        for line in dict.fromkeys(row[down] for row in rows)
    ]
    return csv_table(caption, heading, lines)


def _heading(value):
    if isinstance(value, float):
        return f"{value:g}"
    return "no attack" if value == "clean" else value


def _cell(table, row):
    if row is None:
        return ""
    ours = f"{row['mean']:.3f}"
    if row["n"] > 1 and not table.endswith("c"):
        ours += f" ± {row['ci_high'] - row['mean']:.3f}"
    if is_ahead(table, row):
        # Where whole rows are compared, of TCD and of the paper's own attacks, as elsewhere.
        ours = f"**{ours}**"
    if table.endswith(("b", "c")) or "paper" not in row:
        return ours  # the paper has no such table
    paper = f"{row['paper']:.3f}" if row["paper"] != "" else NOTHING
    return f"{paper} / {ours}"


WHICH = ("MF", "TCD", "Popularity", "ItemKNN", "EASE", "ALS", "BPR")


def which():
    """Return what each recommender finds, and what the strongest attack makes of it."""
    heading = ["Recommender"]
    columns = []
    for dataset in DATASETS:
        tables = {
            "test": [*read("table5", dataset), *read("table5b", dataset)],
            "target": [*read("table4", dataset), *read("table4b", dataset)],
        }
        if read("table4b", dataset):
            title = DATASETS[dataset]
            heading += [f"{title}, held-out", "unpopular, worst", "random, worst"]
            columns.append(tables)
    lines = []
    for method in WHICH:
        line = [method]
        for tables in columns:
            clean = [r["mean"] for r in tables["test"] if _is(method=method, attack="clean")(r)]
            line.append(f"{clean[0]:.3f}")
            for kind in ("unpopular", "random"):
                chosen = filter(_is(method=method, targets=kind), tables["target"])
                worst = max((r for r in chosen if r["attack"] != "clean"), key=lambda r: r["mean"])
                line.append(f"{worst['mean']:.3f} ({worst['attack']})")
        lines.append(line)
    return csv_table("", heading, lines)


def improvements():
    """Return the robustness improvement that follows from tables 3 and 4, and ours."""
    printed = _printed_hit_ratios()
    parts = {}
    for dataset, title in DATASETS.items():
        tables = []
        for kind in ("random", "unpopular"):
            rows = [row for row in read("table4", dataset) if row["targets"] == kind]
            if rows:
                means = {(row["attack"], row["method"]): row["mean"] for row in rows}
                lines = [
                    [attack, *(_improvement(row, means, printed, dataset) for row in of_attack)]
                    for attack, of_attack in _by_attack(rows)
                ]
                heading = ["RI", "AT", "RAT", "TCD"]
                tables.append(csv_table(f"{title}, {KINDS[kind]}", heading, lines))
        parts[dataset] = "\n".join(tables)
    return tabs(parts)


def _by_attack(rows):
    rows = [row for row in rows if row["attack"] != "clean"]
    for attack in dict.fromkeys(row["attack"] for row in rows):
        yield attack, [row for row in rows if row["attack"] == attack and row["method"] != "MF"]


def _improvement(row, means, printed, dataset):
    origin, attacked = printed[dataset, row["targets"], row["attack"]]
    paper = _ri(origin, attacked, row["paper"])
    ours = _ri(means["clean", "MF"], means[row["attack"], "MF"], row["mean"])
    return f"{paper} / {ours}"


def _ri(origin, attacked, defended):
    """Return RI from mean hit ratios, nothing where the attack promotes by less than 0.02."""
    if attacked - origin < 0.02:
        return NOTHING
    return f"{robustness_improvement_score(origin, attacked, defended):.2f}"


def _printed_hit_ratios():
    """Return the paper's hit ratios without and under each attack, from its table 3.

    Its table 4 repeats them in part with shifted columns.
    """
    datasets = {_settings.DATASETS[name].title: name for name in DATASETS}
    return {
        (datasets[row["dataset"]], row["targets"], row["attack"]): (row["origin"], row["hr50"])
        for row in _settings.printed_numbers("table3")
        if row["knowledge"] == 0.4
    }


def scores():
    """Return in how many cells we are ahead of the paper, by what is compared."""
    lines = []
    for attack in OWN_ATTACKS:
        lines.append(
            _score("table3", f"Table 3, {attack} is at least as strong", _is(attack=attack))
        )
    six = "Table 4, TCD lets targets in at most as often, the six other attacks"
    lines.append(
        _score("table4", six, lambda r: r["method"] == "TCD" and r["attack"] not in OWN_ATTACKS)
    )
    for attack in OWN_ATTACKS:
        title = f"Table 4, TCD lets targets in at most as often, {attack}"
        lines.append(_score("table4", title, _is(method="TCD", attack=attack)))
    title = "Table 5, TCD finds held-out items at least as often"
    lines.append(_score("table5", title, _is(method="TCD")))
    title += ", or the paper's number is within the confidence interval"
    lines.append(_score("table5", title, _is(method="TCD"), in_doubt=True))
    title = "Table 4, the recommended defense lets targets in at most as often as the paper's TCD"
    lines.append(_recommended(f"{title}, or as itself without an attack, to within 0.001"))
    return csv_table("", ["Comparison", *DATASETS.values(), "all"], lines)


def _is(**values):
    return lambda row: all(row[key] == value for key, value in values.items())


def _score(table, title, is_meant, **options):
    counts = []
    for dataset in DATASETS:
        judged = [is_ahead(table, row, **options) for row in read(table, dataset) if is_meant(row)]
        judged = [ahead for ahead in judged if ahead is not None]
        counts.append((sum(judged), len(judged)))
    counts.append(tuple(map(sum, zip(*counts, strict=True))))
    return [title, *(f"{ahead} of {n}" if n else NOTHING for ahead, n in counts)]


def _recommended(title):
    """Count the cells in which the recommended defense lets in no more than it has to."""
    counts = []
    for dataset in DATASETS:
        ours = list(filter(_is(method="Recommended"), read("table4c", dataset)))
        paper = list(filter(_is(method="TCD"), read("table4", dataset)))
        printed = {(row["targets"], row["attack"]): row["paper"] for row in paper}
        clean = {row["targets"]: row["mean"] for row in ours if row["attack"] == "clean"}
        holds = [
            row["mean"]
            <= max(printed[row["targets"], row["attack"]], clean[row["targets"]] + 0.001)
            for row in ours
            if row["attack"] != "clean"
        ]
        counts.append((sum(holds), len(holds)))
    counts.append(tuple(map(sum, zip(*counts, strict=True))))
    return [title, *(f"{held} of {n}" if n else NOTHING for held, n in counts)]


FIGURES = {
    "figure4": "Rank shifts of unpopular targets on MF, by attack (the paper's Figure 4).",
    "figure5": "Strength of the attacks on MF by their size, random targets (Figure 5).",
    "figure6": "Strength of the attacks on MF by their size, unpopular targets (Figure 6).",
    "figure7": "Rank shifts of unpopular targets by the TNA attack, by defense (Figure 7).",
    "figure8": "Robustness improvement of TCD by the attackers' knowledge (Figure 8), without "
    "points at which an attack moves its targets by less than 0.02 in a repeat, or up in one and "
    "down in another.",
    "figure9": "RI and target HR@50 of TCD by the share of the cells looked at for pseudo-labels, "
    "unpopular targets (Figure 9).",
}


def figure(name):
    """Return the images of a figure, one per dataset, that were made."""
    parts = {}
    for dataset, title in DATASETS.items():
        path = RESULTS / f"{name}_{dataset}.png"
        if path.exists():
            caption = FIGURES[name].replace("@", "\\@")
            parts[dataset] = (
                f".. figure:: /results/{path.name}\n   :alt: {title}. {FIGURES[name]}\n"
                f"   :width: {'100%' if name in ('figure8', 'figure9') else '70%'}\n\n"
                f"   {title}. {caption}\n"
            )
    return tabs(parts)


def commands():
    """Return the commands that made the results."""
    sources = (path.read_text(encoding="utf-8") for path in sorted(RESULTS.glob("*.json")))
    found = dict.fromkeys(json.loads(source)["command"] for source in sources)
    lines = ["   " + command for command in found]
    return ".. code-block:: bash\n\n" + "\n".join(lines) + "\n"


def files():
    """Return what is to be included by the page, by file name."""
    return {
        "table3.rst": cells("table3"),
        "table3b.rst": cells("table3b"),
        "table4.rst": cells("table4"),
        "table4b.rst": cells("table4b"),
        "which.rst": which(),
        "improvements.rst": improvements(),
        "table4c.rst": cells("table4c"),
        "table5.rst": cells("table5"),
        "table5b.rst": cells("table5b"),
        "table5c.rst": cells("table5c"),
        "detection.rst": cells("detection"),
        "scores.rst": scores(),
        "commands.rst": commands(),
        **{f"{name}.rst": figure(name) for name in FIGURES},
    }
