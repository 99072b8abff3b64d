"""How strong is the strongest attack: attacks x victims x detectors, on the published splits.

HR@50 of held-out items and of targets for each victim, clean and under each attack, users folded
in; and what each detector, which is told nothing, sees of the attack. One target is that of the
seed among the five published ones. `--vary targets_per_profile=2 target_rating=mixed,n_fillers=20`
tries each attack that knows such settings with them, too, here in two variants.

    python benchmarks/bench_worst_case.py --splits PATH --data-home PATH --cache-dir PATH
        [--dataset ...] [--seeds 1] [--json docs/strongest_attack.json]

`--splits` is a folder with {filmtrust,ml-100k}.{train,test}.rating and ml-1m.test.item. What is in
`--cache-dir` is not done again. `--json` is written anew after each study: figures with the same
settings are replaced, all others kept. The tables of docs/strongest_attack.rst are made of it.
"""

import argparse
import ast
import itertools
import json
import math
from pathlib import Path

from bench_quality import NAMES, TARGETS, published_split

from skrecsec.detection import LockstepDetector
from skrecsec.experiments import robustness_study
from skrecsec.recommenders import ImplicitRecommender
from skrecsec.utils._files import write_atomically
from skrecsec.utils._registry import find, registered
from skrecsec.utils._versions import package_versions

VICTIMS = ("mf", "tcd", "ease", "als", "bpr", "bpr-implicit", "itemknn")
OF_IMPLICIT = "bpr-implicit"  # beside that of this library, since attacks tell them apart
OF_MIXED_LEVELS = "lockstep-mixed"  # looks for what gives its targets several levels
LEFT_OUT = ("lovehate", "reversebandwagon", "blackbox")  # they demote; it fits its victim often
SETTING = ("dataset", "targets", "n_targets", "attack_size", "knowledge", "seed")
OF_VICTIMS = ("test_hr", "target_hr", "rank_shift")
OF_DETECTORS = ("average_precision", "n_fake", "n_found", "n_genuine", "n_accused")


def main():
    args = make_parser().parse_args()
    attacks = varied({name: find("attack", name) for name in args.attack}, args.vary)
    recommenders = dict(map(_victim, args.victim))
    detectors = dict(map(_detector, args.detector))
    cells = read(args.json)
    splits = {name: published_split(name, args.splits, args.data_home) for name in args.dataset}
    for seed, n_targets, size, kind, name in itertools.product(
        range(args.seeds), args.n_targets, args.attack_size, args.kind, args.dataset
    ):
        X, y = splits[name]
        targets = TARGETS[name][kind]
        if n_targets == 1:
            targets = [targets[seed % len(targets)]]
        study = robustness_study(
            X,
            y=y,
            attacks=made(attacks, n_targets, attack_size=size, knowledge=args.knowledge),
            recommenders=recommenders,
            detectors=detectors,
            target_items=targets,
            n_repeats=1,
            protocol="fold_in",
            random_state=seed,
            cache_dir=args.cache_dir,
            verbose=1,
        )
        setting = (name, kind, n_targets, size, args.knowledge, seed)
        for attack, figures in cells_of(study).items():
            renew(cells, (*setting, attack), figures)
        tell(setting, study)
        if args.json is not None:
            write(args.json, cells)


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--cache-dir", type=Path, default=None)
    datasets = ["ml-100k", "filmtrust"]
    parser.add_argument("--dataset", nargs="*", default=datasets, choices=list(NAMES))
    attacks = [name for name in registered("attack") if name not in LEFT_OUT]
    parser.add_argument("--attack", nargs="*", default=attacks, choices=list(registered("attack")))
    victims = [*registered("recommender"), OF_IMPLICIT]
    parser.add_argument("--victim", nargs="*", default=list(VICTIMS), choices=victims)
    detectors = [*registered("detector"), OF_MIXED_LEVELS]
    parser.add_argument("--detector", nargs="*", default=["lockstep"], choices=detectors)
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--n-targets", nargs="*", type=int, default=[5, 1], choices=[5, 1])
    parser.add_argument("--attack-size", nargs="*", type=float, default=[0.03, 0.01])
    parser.add_argument("--knowledge", type=float, default=0.4)
    parser.add_argument("--vary", nargs="*", type=_variation, default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    return parser


def _variation(text):
    """Return settings by name: of `name=2,other=word`."""
    settings = {}
    for part in text.split(","):
        name, is_given, value = part.partition("=")
        if not (name.isidentifier() and is_given):
            raise argparse.ArgumentTypeError(f"expected SETTING=VALUE, got {part!r}")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    return settings


def varied(entries, variations):
    """Return what makes each attack, plain and with the settings that it knows, by title."""
    makers = {}
    for name, entry in entries.items():
        makers[name] = (entry, {})
        known = entry().get_params()
        for settings in variations:
            if settings.keys() <= known.keys():
                title = ", ".join([name, *(f"{key}={value}" for key, value in settings.items())])
                makers[title] = (entry, settings)
    return makers


def made(makers, n_targets, **options):
    """Return the attacks; one target cannot be shared out."""
    return {
        title: entry(**{**options, **settings})
        for title, (entry, settings) in makers.items()
        if settings.get("targets_per_profile") not in range(n_targets + 1, 100)
    }


def _victim(name):
    """Return what a recommender is called in tables, and a new one."""
    if name == OF_IMPLICIT:
        return "BPR (implicit)", ImplicitRecommender("bpr")
    return _title("recommender", name), find("recommender", name)()


def _detector(name):
    """Return what a detector is called in tables, and a new one."""
    if name == OF_MIXED_LEVELS:
        return "Lockstep, mixed", LockstepDetector(levels="mixed")
    return _title("detector", name), find("detector", name)()


def _title(kind, name):
    return find(kind, name).facts["title"]


def cells_of(study):
    """Return the figures of a study of one repeat by attack, clean data among them."""
    cells = {attack: {"victims": {}, "detectors": {}} for attack in study.attacks}
    for record in study.records:
        figures = {name: _plain(record[name]) for name in OF_VICTIMS}
        cells[record["attack"]]["victims"][record["recommender"]] = figures
        cells[record["attack"]]["seconds"] = _plain(record["attack_seconds"], 2)
    for record in study.detections:
        figures = {name: _plain(record[name]) for name in OF_DETECTORS}
        cells[record["attack"]]["detectors"][record["detector"]] = figures
    return cells


def _plain(value, decimals=4):
    """Return a number as JSON has it, None for NaN."""
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(value, decimals)


def renew(cells, key, figures):
    """Put figures into a cell, beside those of other victims and detectors."""
    known = cells.get(key, {})
    cells[key] = figures | {
        who: known.get(who, {}) | figures[who] for who in ("victims", "detectors")
    }


def read(path):
    """Return the cells of a file by settings and attack, none if there is no file."""
    if path is None or not path.exists():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {tuple(row.pop(name) for name in (*SETTING, "attack")): row for row in rows}


def write(path, cells):
    """Write the cells, each with what it was measured with."""
    rows = [
        json.dumps(dict(zip((*SETTING, "attack"), key, strict=True)) | figures)
        for key, figures in cells.items()
    ]
    versions = json.dumps(package_versions("scikit-learn", "numpy", "scipy", "numba", "implicit"))
    text = ",\n  ".join(rows)
    write_atomically(path, f'{{"versions": {versions},\n "cells": [\n  {text}\n ]}}\n')


def tell(setting, study):
    """Print what each victim suffers most of, and whether that is seen."""
    print(" ".join(map(str, setting)))
    precision = {(r["attack"], r["detector"]): r["average_precision"] for r in study.detections}
    for victim in study.recommenders:
        records = [r for r in study.records if r["recommender"] == victim]
        worst = max(records[1:], key=lambda record: record["target_hr"])
        seen = ", ".join(
            f"{detector} AP {precision[worst['attack'], detector]:.2f}"
            for detector in study.detectors
        )
        print(
            f"  {victim:8} clean test {records[0]['test_hr']:.3f}, target "
            f"{records[0]['target_hr']:.3f}; {worst['attack']}: test {worst['test_hr']:.3f}, "
            f"target {worst['target_hr']:.3f}, {seen}",
            flush=True,
        )


if __name__ == "__main__":
    main()
