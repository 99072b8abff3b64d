"""The main job from a shell: attack a recommender, defend it, and say what happened.

``python -m skrecsec`` splits ratings, trains a recommender on clean and on poisoned data and a
defence on the same poisoned data, and prints a table; ``python -m skrecsec --help`` says the rest.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skrecsec import ATRecommender, MFRecommender, TCDRecommender, attacks, datasets
from skrecsec._report import report_page
from skrecsec.base import choose_targets
from skrecsec.metrics import robustness_improvement_score
from skrecsec.model_selection import leave_one_out_split
from skrecsec.utils._arguments import OneLineErrorParser, fraction, jobs, number, positive, seed
from skrecsec.utils._files import write_atomically
from skrecsec.utils._scoring import held_out_ranks, hit_share, profiles_for, target_ranks
from skrecsec.utils._versions import package_versions

K = 50

ATTACKS = {
    "aush": attacks.AUSHAttackTransformer,
    "average": attacks.AverageAttackTransformer,
    "bandwagon": attacks.BandwagonAttackTransformer,
    "coattack": attacks.CoAttackTransformer,
    "dl": attacks.DLAttackTransformer,
    "gcoattack": attacks.GCoAttackTransformer,
    "lovehate": attacks.LoveHateAttackTransformer,
    "pga": attacks.PGAAttackTransformer,
    "random": attacks.RandomAttackTransformer,
    "reversebandwagon": attacks.ReverseBandwagonAttackTransformer,
    "segment": attacks.SegmentAttackTransformer,
    "tna": attacks.TNAAttackTransformer,
}
DEFENSES = {
    "tcd": TCDRecommender,
    "at": ATRecommender,
    "rat": partial(ATRecommender, perturbation="random"),
}
DATASETS = {
    "generated": lambda seed: datasets.make_ratings(random_state=seed),
    "movielens-100k": lambda seed: datasets.fetch_movielens_100k().ratings,
    "movielens-1m": lambda seed: datasets.fetch_movielens_1m().ratings,
    "filmtrust": lambda seed: datasets.fetch_filmtrust().ratings,
}

COLUMNS = ["test_hr", "target_hr", "rank_shift", "ri", "seconds"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.report is not None:
        _check_report(arguments.report, parser)
    try:
        X = DATASETS[arguments.dataset](arguments.seed)
    except OSError as error:  # the data cannot be had
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    try:
        choose_targets(X, arguments.targets, 5, np.random.default_rng(0))
    except ValueError as error:
        parser.error(f"argument --targets: {error}")
    _report(
        f"{arguments.dataset}: {X.shape[0]} users, {X.shape[1]} items, {X.nnz} ratings; "
        f"{arguments.attack} attack on {arguments.targets} targets"
    )
    repeats, shifts = [], []
    work = (delayed(_repeat)(X, arguments, arguments.seed + r) for r in range(arguments.repeats))
    for rows, moved in Parallel(n_jobs=arguments.n_jobs, return_as="generator")(work):
        repeats.append(rows)
        shifts.append(moved)
        seconds = sum(row["seconds"] for row in rows.values())
        _report(f"repeat {len(repeats)} of {arguments.repeats} done, {seconds:.1f} s of training")
    records = _summarise(repeats)
    print(_FORMATS[arguments.format](records, arguments))
    if arguments.report is not None:
        page = _as_page(records, shifts, arguments, sys.argv[1:] if argv is None else argv)
        write_atomically(arguments.report, page)
    return 0


def _check_report(path, parser):
    """Refuse before anything is computed what could not be written at the end."""
    parser.require("matplotlib", "argument --report: needs", extra="plots")
    if not path.parent.is_dir():
        parser.error(f"argument --report: the folder {str(path.parent)!r} does not exist")
    if path.is_dir():
        parser.error(f"argument --report: {str(path)!r} is a folder")


def _report(message):
    print(message, file=sys.stderr, flush=True)


# --- the job --------------------------------------------------------------------------------------


def _make_attack(arguments, seed):
    return ATTACKS[arguments.attack](
        target_items=arguments.targets,
        attack_size=arguments.attack_size,
        knowledge=arguments.knowledge,
        goal=arguments.goal,
        random_state=seed,
    )


def _repeat(X, arguments, seed) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """Split, attack and defend once.

    Return a row of figures for each of the three models, and the rank shifts of all pairs of users
    and targets for those that are attacked.
    """
    _compile(arguments)
    X, y = leave_one_out_split(X, random_state=seed)
    attack = _make_attack(arguments, seed)
    poisoned = attack.fit_transform(X)
    defense = DEFENSES[arguments.defense](random_state=seed)
    models = {
        "clean": (MFRecommender(random_state=seed), X),
        "attacked": (MFRecommender(random_state=seed), poisoned),
        "defended": (defense, poisoned),
    }
    rows, ranks, shifts = {}, {}, {}
    for name, (model, training_ratings) in models.items():
        start = time.perf_counter()
        model.fit(training_ratings)
        seconds = time.perf_counter() - start
        # Genuine users only, what they rated masked, ranked among all other items.
        scores = profiles_for(model, X).score_rows
        ranks[name] = target_ranks(attack.target_items_, X.shape, scores, X)
        shifts[name] = _rank_shifts(ranks["clean"], ranks[name])
        _, test_ranks = held_out_ranks(y, X.shape, scores, X)
        rows[name] = {
            "test_hr": hit_share(test_ranks, K),
            "target_hr": hit_share(ranks[name], K),
            "rank_shift": float(shifts[name].mean()) if shifts[name].size else float("nan"),
            "ri": float("nan"),
            "seconds": seconds,
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an attack without effect: RI is undefined
        rows["defended"]["ri"] = float(
            robustness_improvement_score(*(rows[name]["target_hr"] for name in models))
        )
    del shifts["clean"]
    return rows, shifts


def _compile(arguments):
    """Have the kernels compiled or read from their cache, so that no fit is timed with that."""
    X = datasets.make_ratings(20, 20, density=0.3, random_state=0)
    for model in (MFRecommender(2), DEFENSES[arguments.defense](2)):
        model.fit(X).recommend(X, 1)


def _rank_shifts(before, after):
    """Return how many places targets were promoted, by users who can be shown them."""
    unrated = before >= 0
    return (before - after)[unrated]


def _summarise(repeats):
    """Return a record per model: the mean and standard deviation of each figure."""
    records = []
    for name in repeats[0]:
        record = {"model": name}
        for column in COLUMNS:
            values = np.array([rows[name][column] for rows in repeats])
            values = values[~np.isnan(values)]
            record[column] = float(values.mean()) if values.size else None
            record[f"{column}_std"] = float(values.std(ddof=1)) if values.size > 1 else None
        records.append(record)
    return records


# --- the result -----------------------------------------------------------------------------------

_HEADINGS = {
    "model": "",
    "test_hr": f"test HR@{K}",
    "target_hr": f"target HR@{K}",
    "rank_shift": "mean rank shift",
    "ri": "RI",
    "seconds": "seconds",
}
_PATTERNS = {
    "test_hr": "{:.4f}",
    "target_hr": "{:.4f}",
    "rank_shift": "{:+.1f}",
    "ri": "{:.3f}",
    "seconds": "{:.2f}",
}


def _titles(arguments):
    """Return what tables and plots call the three models."""
    attack = f"{arguments.attack.removesuffix('attack')} attack"
    return {
        "clean": "MF, clean",
        "attacked": f"MF, {attack}",
        "defended": f"{arguments.defense.upper()}, {attack}",
    }


def _as_lines(records, arguments):
    """Return the rows of the table, without its heading."""
    titles = _titles(arguments)
    return [
        [titles[record["model"]], *(_as_cell(record, column) for column in COLUMNS)]
        for record in records
    ]


def _as_table(records, arguments):
    lines = [list(_HEADINGS.values()), *_as_lines(records, arguments)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if c else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _as_cell(record, column):
    if record[column] is None:
        return "-"
    if column == "rank_shift" and record["model"] == "clean":
        return "-"  # it is what the others are compared with
    cell = _PATTERNS[column].format(record[column])
    spread = record[f"{column}_std"]
    return cell if spread is None else f"{cell} ± {_PATTERNS[column].format(spread).lstrip('+')}"


def _as_json(records, arguments):
    settings = {k: v for k, v in vars(arguments).items() if k not in ("format", "n_jobs", "report")}
    return json.dumps({"settings": settings, "k": K, "results": records}, indent=2)


def _as_csv(records, arguments):
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().rstrip("\n")


def _as_page(records, shifts, arguments, argv):
    from skrecsec.inspection import RankShiftDisplay, RobustnessDisplay

    titles = _titles(arguments)
    points = {titles[record["model"]]: _as_point(record) for record in records}
    distributions = {
        titles[name]: np.unique(
            np.concatenate([moved[name] for moved in shifts]), return_counts=True
        )
        for name in shifts[0]
    }
    size = arguments.attack_size
    share = f"{size:.3g} fake profiles" if size >= 1 else f"{100 * size:.3g}% fake profiles"
    targets = arguments.targets
    targets = targets if isinstance(targets, str) else " ".join(map(str, targets))
    return report_page(
        title=f"{arguments.defense.upper()} against the {titles['attacked'].split(', ')[1]}",
        summary=f"Ratings: {arguments.dataset}. Targets: {targets}. {share}; the attacker sees "
        f"{100 * arguments.knowledge:.3g}% of the users. Repeats: {arguments.repeats}.",
        heading=list(_HEADINGS.values()),
        lines=_as_lines(records, arguments),
        explanations={
            f"test HR@{K}": f"share of hidden ratings among {K} recommendations; higher is better",
            f"target HR@{K}": f"how often a target is among {K} recommendations",
            "mean rank shift": "places by which targets moved up, against the clean model",
            "RI": "share of the damage that the defence undoes",
        },
        figures=[
            (
                "Accuracy and robustness",
                "Hit ratios of hidden ratings and of targets, with one standard deviation over "
                "the repeats.",
                lambda ax: RobustnessDisplay(points, k=K).plot(ax),
            ),
            (
                "Rank shifts",
                "By how many places targets moved in the lists of users who had not rated them.",
                lambda ax: RankShiftDisplay(distributions).plot(ax),
            ),
        ],
        arguments=argv,
        versions=package_versions("scikit-learn", "numpy"),
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


_FORMATS = {"table": _as_table, "json": _as_json, "csv": _as_csv}


# --- arguments ------------------------------------------------------------------------------------


def _parser():
    parser = OneLineErrorParser(
        prog="python -m skrecsec",
        description="Attack a recommender with fake profiles, defend it, and say what happened.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", choices=DATASETS, default="generated", help="ratings to use")
    add("--attack", choices=ATTACKS, default="average", help="how profiles are faked")
    add("--defense", choices=DEFENSES, default="tcd", help="recommender that defends itself")
    add(
        "--targets",
        type=_targets,
        default="unpopular",
        help="items to attack: 'unpopular', 'random', or indices separated by commas",
    )
    add(
        "--goal",
        choices=["push", "nuke"],
        default="push",
        help="promote the targets or demote them",
    )
    add(
        "--attack-size",
        type=_attack_size,
        default=0.03,
        help="fake profiles: a fraction of the users in (0, 1], or a whole number",
    )
    add(
        "--knowledge",
        type=fraction,
        default=0.4,
        help="fraction of the users whose profiles the attacker sees, in (0, 1]",
    )
    add("--repeats", type=positive, default=1, help="number of splits and attacks")
    add("--n-jobs", type=jobs, default=1, help="repeats to run side by side; -1: all cores")
    add("--seed", type=seed, default=0, help="seed of the first repeat, others follow")
    add("--report", type=Path, help="also write an HTML page with the table and plots to this file")
    add("--format", choices=_FORMATS, default="table", help="how the result is printed")
    return parser


_SIZES = "a fraction in (0, 1] or a whole number of at least 1"
_size_as_count = number(int, lambda value: value >= 1, _SIZES)
_size_as_fraction = number(float, lambda value: 0 < value <= 1, _SIZES)


def _attack_size(text):
    return _size_as_count(text) if text.strip().isdigit() else _size_as_fraction(text)


def _targets(text):
    if text in ("unpopular", "random"):
        return text
    try:
        return [int(item) for item in text.split(",")]
    except ValueError:
        message = f"expected 'unpopular', 'random' or item indices such as 3,17, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


if __name__ == "__main__":
    sys.exit(main())
