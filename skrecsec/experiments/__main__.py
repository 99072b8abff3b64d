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

from skrecsec.experiments.paper._figures import FIGURES
from skrecsec.experiments.paper._laboratory import Laboratory, why_not
from skrecsec.experiments.paper._output import (
    draw_panels,
    provenance,
    rows_as_csv,
    table_as_markdown,
)
from skrecsec.experiments.paper._settings import ATTACKS, DATASETS, DETECTORS, KINDS
from skrecsec.experiments.paper._tables import TABLES
from skrecsec.utils._arguments import OneLineErrorParser, jobs, path, positive, seed
from skrecsec.utils._files import check_writable, write_atomically
from skrecsec.utils._shell import describe_error, run_shell, say
from skrecsec.utils._versions import package_version

PROG = "python -m skrecsec.experiments"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_shell(_main, argv, prog=PROG)


def _main(argv):
    parser = _parser()
    arguments = parser.parse_args(argv)
    names = _names(arguments)
    if any(name in FIGURES for name in names):
        parser.require("matplotlib", "figures need", extra="experiments")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        check_writable(arguments.out)
    except OSError as error:
        parser.error(f"argument --out: {describe_error(error)}")
    command = shlex.join(["python", "-m", "skrecsec.experiments", *(argv or sys.argv[1:])])
    written = []
    try:
        for dataset in dict.fromkeys(arguments.dataset):
            laboratory = _laboratory(dataset, arguments)
            for name in names:
                stem = f"{name}_{dataset}"
                try:
                    _make(name, stem, laboratory, arguments, command)
                except Exception as error:
                    error.add_note(f"while making {stem}")
                    raise
                written.append(stem)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"written: {', '.join(written) or 'nothing'}")
        raise
    return 0


def _names(arguments):
    """Return the tables and figures to make; raise a ValueError if one cannot be made."""
    names = list(dict.fromkeys(arguments.artifact))
    is_all = "all" in names
    made = []
    for name in [*TABLES, *FIGURES] if is_all else names:
        reason = why_not(
            {**TABLES, **FIGURES}[name], attacks=arguments.attack, kinds=arguments.targets
        )
        if reason is None:
            made.append(name)
        elif is_all:
            say(f"{PROG}: left out: {name} {reason}")
        else:
            raise ValueError(f"{name}: {reason}")
    return made


def _laboratory(dataset, arguments):
    ratings = DATASETS[dataset].fetch(data_home=arguments.data_home).ratings
    return Laboratory(
        dataset,
        ratings,
        attacks=[name for name in ATTACKS if name in arguments.attack],
        kinds=[kind for kind in KINDS if kind in arguments.targets],
        detectors=[n for n in DETECTORS if n in arguments.detector or "all" in arguments.detector],
        n_repeats=arguments.repeats,
        n_jobs=arguments.n_jobs,
        random_state=arguments.seed,
        cache_dir=arguments.cache_dir or arguments.out / "records",
        protocol=arguments.protocol,
        verbose=0 if arguments.quiet else 1,
    )


def _make(name, stem, laboratory, arguments, command):
    """Write the files of a table or figure, and print the table."""
    if not arguments.quiet:
        print(f"{stem}:", file=sys.stderr, flush=True)
    if name in TABLES:
        rows = TABLES[name](laboratory)
        text = table_as_markdown(name, rows)
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
    if name in TABLES:  # last, since whoever reads it may have stopped reading
        print(f"{stem}\n\n{text}", flush=True)


def _parser():
    parser = OneLineErrorParser(
        prog=PROG,
        description="Make the tables and figures of the paper's section 6 anew, on real data; and "
        "tables that it has none of: of recommenders that people run (b), of defenses of the "
        "literature (c), of detection.",
    )
    add = parser.add_argument
    names = [*TABLES, *FIGURES, "all"]
    add("--version", action="version", version=f"skrecsec {package_version()}")
    add("artifact", nargs="+", choices=names, metavar="artifact", help=", ".join(names))
    _add_choices(add, "--dataset", DATASETS, ["filmtrust"], "ratings to use")
    _add_choices(add, "--attack", ATTACKS, list(ATTACKS), "attacks to try")
    _add_choices(add, "--targets", KINDS, list(KINDS), "kinds of targets")
    choices = [*DETECTORS, "all"]
    _add_choices(add, "--detector", choices, ["lockstep"], "detectors of the table `detection`")
    add("--repeats", type=positive, default=30, help="number of splits, attacks and fits")
    add("--n-jobs", type=jobs, default=1, help="fits to run side by side; -1: all cores")
    folder = {"type": _folder, "metavar": "FOLDER"}
    add("--out", **folder, default=Path("results"), help="folder for the files that are made")
    add("--cache-dir", **folder, help="folder of finished fits (default: records in --out)")
    add("--data-home", **folder, help="folder of the datasets (default: $SKRECSEC_DATA)")
    add(
        "--protocol",
        choices=["in_sample", "fold_in"],
        default="in_sample",
        help="whether users are scored by their trained factors or folded in",
    )
    add("--seed", type=seed, default=0, help="determines splits, attacks and fits")
    add("--quiet", action="store_true", help="print no progress")
    return parser


def _add_choices(add, option, choices, default, what):
    shown = "all" if default == list(choices) else " ".join(default)
    text = f"{what}: {', '.join(choices)} (default: {shown})"
    add(option, nargs="+", metavar="NAME", choices=choices, default=default, help=text)


def _folder(text):
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got an empty name")
    return path(text)


if __name__ == "__main__":
    sys.exit(main())
