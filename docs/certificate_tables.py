"""The tables and the figure about certificates of bagging, from certificate.json.

``benchmarks/bench_certificate.py`` writes that file.
"""

import json
from pathlib import Path

from results_tables import NOTHING, csv_table

FIGURES = Path(__file__).parent / "certificate.json"
N_FAKES = (0, 1, 3, 5, 9, 19)
PUBLISHED = {"IR": "PORE, item similarity", "BPR": "PORE, BPR"}


def read(path=FIGURES):
    """Return what was measured of each ensemble."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []


def title(cell):
    """Return what tables call an ensemble."""
    if cell["name"] in PUBLISHED:
        return PUBLISHED[cell["name"]]
    base = cell["base"].partition("(")[0].removesuffix("Recommender")
    return f"{base}, {cell['max_users']} users, N' = {cell['list_size']}"


def precision(cells):
    """Return a table of certified precision by the number of fakes."""
    return _by_fakes("Certified precision@10, by the number of fake profiles", cells, "precision")


def recall(cells):
    """Return a table of certified recall by the number of fakes."""
    return _by_fakes("Certified recall@10, by the number of fake profiles", cells, "recall")


def safe(cells):
    """Return a table of the users who cannot be made to list a target."""
    caption = "Share of users who cannot be made to list an unpopular target"
    return _by_fakes(caption, [cell for cell in cells if "safe" in cell], "safe")


def _by_fakes(caption, cells, figures):
    heading = ["Ensemble", "models", "votes for a user", "no certificate", *map(_fakes, N_FAKES)]
    if figures != "precision":
        heading.remove("no certificate")
    lines = []
    for cell in cells:
        line = [title(cell), f"{cell['n_models']:,}", f"{cell['n_votes']:,}"]
        if figures == "precision":
            line.append(f"{cell['clean']:.3f}")
        values = [f"{cell[figures][n]:.3f}" for n in N_FAKES]
        lines.append([*line, *(NOTHING if value == "0.000" else value for value in values)])
    return csv_table(caption, heading, lines)


def _fakes(n):
    return f"{n} fake{'s' * (n != 1)}"


def draw(path, cells=None):
    """Draw certified precision, and the share of users who are safe, by the number of fakes."""
    from matplotlib.figure import Figure

    cells = read() if cells is None else cells
    most = {cell["name"]: cell["n_models"] for cell in cells}  # of which there are most models last
    cells = [cell for cell in cells if cell["n_models"] == most[cell["name"]]]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = dict(zip(("precision", "safe"), figure.subplots(1, 2), strict=True))
    for number, cell in enumerate(cells):
        style = {"color": f"C{number}", "ls": "--" if cell["name"] in PUBLISHED else "-"}
        for name, ax in axes.items():
            if name in cell:
                label = f"{title(cell)} ({cell['n_models']:,} models)"
                ax.plot(cell[name][:31], label=label, **style)
    axes["precision"].set_title("Held-out items in lists of 10, for certain", fontsize="medium")
    axes["precision"].set_ylabel("certified precision@10")
    axes["safe"].set_title("Users who cannot be made to list a target", fontsize="medium")
    axes["safe"].set_ylabel("share of users")
    for ax in axes.values():
        ax.set_xlabel("fake profiles")
        ax.set_xlim(0, 30)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    handles, labels = axes["precision"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(path, dpi=120)


def files(path=FIGURES):
    """Return what is to be included by the page, by file name."""
    cells = read(path)
    return {
        "certificate_precision.rst": precision(cells),
        "certificate_recall.rst": recall(cells),
        "certificate_safe.rst": safe(cells),
    }
