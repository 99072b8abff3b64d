"""The recommended defense, and the gate alone: hit ratios, clean and attacked.

For each cell, that is data set, kind and number of targets, targets a profile, size and attack:
HR@50 of held-out items and of targets, of genuine users, for the model of `recommended_defense`
alone, in its gate, and behind filter and gate; on clean ratings and on poisoned ones. All settings
are found from the poisoned ratings. It is checked that no item is listed for more training profiles
than the gate allows. The last lines say, for each kind of cell, by how much targets rise at most
and how few held-out items are found at least.

    python benchmarks/bench_defenses.py --splits PATH --data-home PATH [--dataset ...]
        [--attack ...] [--design 5 1 shared below mixed hidden] [--size .01 .03] [--seeds 1]
        [--first-seed 0] [--profiles FOLDER] [--json FILE]

`--targets published` takes the paper's targets instead of drawing them. `--profiles` is a folder in
which the fake profiles are kept, and taken from if they are there.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from bench_attacks import ATTACKS as OF_RATINGS
from bench_quality import NAMES, TARGETS, published_split

from skrecsec import ExposureGate, FilteredRecommender, recommended_defense
from skrecsec.attacks import (
    CopyAttackTransformer,
    EASEAttackTransformer,
    GTAAttackTransformer,
    LegUPAttackTransformer,
    NeighborhoodAttackTransformer,
    PowerItemAttackTransformer,
    PowerUserAttackTransformer,
    RevAdvAttackTransformer,
    load_poison,
    save_poison,
)
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer

ATTACKS = {
    **OF_RATINGS,
    "ease": EASEAttackTransformer,
    "revadv": RevAdvAttackTransformer,
    "copy": CopyAttackTransformer,
    "neighborhood": NeighborhoodAttackTransformer,
    "poweruser": PowerUserAttackTransformer,
    "poweritem": PowerItemAttackTransformer,
    "gta": GTAAttackTransformer,
    "legup": LegUPAttackTransformer,
}
# How profiles hide: one target; or five, of which each rates two, or rated below the top, or with
# two levels; or all of that.
DESIGNS = {
    "5": {},
    "1": {"n_targets": 1},
    "shared": {"targets_per_profile": 2},
    "below": {"target_rating": "near-top"},
    "mixed": {"target_rating": "mixed"},
    "hidden": {"targets_per_profile": 2, "target_rating": "mixed"},
}
ROWS = ("model", "gate", "defense")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument(
        "--dataset", nargs="*", default=["ml-100k", "filmtrust"], choices=list(NAMES)
    )
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--design", nargs="*", default=["5", "1", "shared"], choices=list(DESIGNS))
    parser.add_argument("--size", nargs="*", type=float, default=[0.01, 0.03])
    parser.add_argument("--targets", choices=["drawn", "published"], default="drawn")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--profiles", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    cells, worst = [], defaultdict(list)
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        clean = {row: model.fit(X) for row, model in variants(X).items()}
        report(f"{name} clean", {row: scores(model, X, y, None) for row, model in clean.items()})
        for kind, design, size, attack, seed in designs(args):
            fakes, targets = profiles(X, name, kind, design, size, attack, seed, args)
            poisoned = sp.csr_array(sp.vstack([X, fakes]))
            figures = {}
            for row, model in variants(poisoned).items():
                model.fit(poisoned)
                figures[f"clean {row}"] = scores(clean[row], X, y, targets)
                figures[row] = scores(model, X, y, targets)
                check_bound(model, poisoned)
            report(f"{name} {kind:9} {design:6} {size} {attack} {seed}", figures)
            cells.append([name, kind, design, size, attack, seed, figures])
            for row in ROWS:
                rise = figures[row][1] - figures[f"clean {row}"][1]
                worst[name, kind, design, size, row].append((rise, figures[row][0]))
            if args.json is not None:
                args.json.write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
    for cell, values in worst.items():
        rises, tests = np.transpose(values)
        name = " ".join(map(str, cell))
        print(
            f"{name}: targets rise by {rises.max():+.3f} at most, test {tests.min():.3f} at least"
        )


def designs(args):
    """Yield the cells of a data set."""
    for kind in args.kind:
        for design in args.design:
            for size in args.size:
                for attack in args.attack:
                    for seed in range(args.first_seed, args.first_seed + args.seeds):
                        yield kind, design, size, attack, seed


def variants(X):
    """Return the model, the model in its gate, and the recommended defense, for these ratings."""
    defense = recommended_defense(X)
    gate = defense.recommender
    return dict(zip(ROWS, (gate.recommender, gate, defense), strict=True))


def profiles(X, name, kind, design, size, attack_name, seed, args):
    """Return fake profiles and their targets, from the folder or made."""
    options = dict(DESIGNS[design])
    path = None
    if args.profiles is not None:
        cell = f"{name}-{attack_name}-{kind}-{args.targets}-{design}-{size}-{seed}"
        path = args.profiles / f"{cell}.npz"
        if path.exists():
            poison = load_poison(path)
            return poison.poison, poison.target_items
    targets = kind
    if args.targets == "published":
        targets = TARGETS[name][kind][: options.pop("n_targets", None)]
    attack = ATTACKS[attack_name](
        target_items=targets, attack_size=size, random_state=seed, **options
    ).fit(X)
    if path is not None:
        save_poison(attack, path)
    return attack.poison_, attack.target_items_


def scores(model, X, y, targets):
    """Return hit ratios of held-out items and of targets, of genuine users."""
    target = None if targets is None else TargetHitRatioScorer(targets)(model, X)
    return HitRatioScorer()(model, X, y), target


def check_bound(model, X):
    """Raise an error if a gate lets an item into more lists than it should."""
    if isinstance(model, FilteredRecommender):
        X = X[np.setdiff1d(np.arange(X.shape[0]), model.removed_users_)]
        model = model.recommender_
    if isinstance(model, ExposureGate):
        listed = model.recommend(X)
        counts = np.bincount(listed[listed >= 0], minlength=X.shape[1])
        assert (counts <= model.exposures_).all(), "an item is listed too often"


def report(cell, figures):
    """Print the figures of a cell."""
    shown = (
        f"{row} test {test:.3f}" + ("" if target is None else f" target {target:.3f}")
        for row, (test, target) in figures.items()
    )
    print(f"{cell}: {'; '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
