"""The paper's tables and figures, from a shell.

``python -m skrecsec.experiments table4 figure7 --dataset filmtrust --repeats 30 --n-jobs 2`` runs
what these need, or finds it in the cache, and writes tables as CSV and Markdown, figures as PNG and
SVG with their data as CSV; ``python -m skrecsec.experiments --help`` says the rest.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from skrecsec.experiments._artifacts import FIGURES, KINDS, TABLES, Laboratory
from skrecsec.experiments._output import (
    draw_panels,
    provenance,
    rows_as_csv,
    table_as_markdown,
)
from skrecsec.experiments._paper import ATTACKS, DATASETS
from skrecsec.utils._arguments import OneLineErrorParser, jobs, positive, seed
from skrecsec.utils._files import write_atomically


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    names = list(dict.fromkeys(arguments.artifact))
    if "all" in names:
        names = [*TABLES, *FIGURES]
    if any(name in FIGURES for name in names):
        parser.require("matplotlib", "figures need", extra="experiments")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: {error}")
    command = shlex.join(["python", "-m", "skrecsec.experiments", *(argv or sys.argv[1:])])
    for dataset in dict.fromkeys(arguments.dataset):
        try:
            laboratory = _laboratory(dataset, arguments)
        except OSError as error:  # the data cannot be had
            print(f"{parser.prog}: error: {error}", file=sys.stderr)
            return 1
        for name in names:
            try:
                _make(name, laboratory, arguments, command)
            except ValueError as error:  # what was asked for does not go together
                print(f"{parser.prog}: error: {name}: {error}", file=sys.stderr)
                return 1
    return 0


def _laboratory(dataset, arguments):
    ratings = DATASETS[dataset].fetch(data_home=arguments.data_home).ratings
    return Laboratory(
        dataset,
        ratings,
        attacks=[name for name in ATTACKS if name in arguments.attack],
        kinds=[kind for kind in KINDS if kind in arguments.targets],
        n_repeats=arguments.repeats,
        n_jobs=arguments.n_jobs,
        random_state=arguments.seed,
        cache_dir=arguments.cache_dir or arguments.out / "records",
        protocol=arguments.protocol,
        verbose=0 if arguments.quiet else 1,
    )


def _make(name, laboratory, arguments, command):
    """Write the files of a table or figure, and print the table."""
    stem = f"{name}_{laboratory.dataset}"
    if not arguments.quiet:
        print(f"{stem}:", file=sys.stderr, flush=True)
    if name in TABLES:
        rows = TABLES[name](laboratory)
        text = table_as_markdown(name, rows)
        print(f"{stem}\n\n{text}", flush=True)
        files = {".md": text}
    else:
        panels = FIGURES[name](laboratory)
        title = f"{DATASETS[laboratory.dataset].title}, {arguments.repeats} repeat"
        title += "s" * (arguments.repeats > 1)
        rows = [row for panel in panels for row in panel.rows]
        files = draw_panels(title, panels)
    files[".csv"] = rows_as_csv(rows)
    files[".json"] = provenance(
        command,
        artifact=name,
        dataset=laboratory.dataset,
        repeats=arguments.repeats,
        protocol=arguments.protocol,
        seed=arguments.seed,
    )
    for suffix, content in files.items():
        write_atomically(arguments.out / f"{stem}{suffix}", content)


def _parser():
    parser = OneLineErrorParser(
        prog="python -m skrecsec.experiments",
        description="Make the tables and figures of the paper's section 6 anew, on real data.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    choices = [*TABLES, *FIGURES, "all"]
    add("artifact", nargs="+", choices=choices, metavar="artifact", help=", ".join(choices))
    add("--dataset", nargs="+", choices=DATASETS, default=["filmtrust"], help="ratings to use")
    add("--repeats", type=positive, default=30, help="number of splits, attacks and fits")
    add("--n-jobs", type=jobs, default=1, help="fits to run side by side; -1: all cores")
    add("--out", type=Path, default=Path("results"), help="folder for the files that are made")
    add("--cache-dir", type=Path, help="folder of finished fits (default: records in --out)")
    add("--data-home", type=Path, help="folder of the datasets (default: $SKRECSEC_DATA)")
    add("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS), help="attacks to try")
    add("--targets", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of targets")
    add(
        "--protocol",
        choices=["in_sample", "fold_in"],
        default="in_sample",
        help="whether users are scored by their trained factors or folded in",
    )
    add("--seed", type=seed, default=0, help="determines splits, attacks and fits")
    add("--quiet", action="store_true", help="print no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
