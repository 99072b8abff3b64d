"""Defenses of the literature beside MF, AT, RAT and TCD: held-out items and targets, HR@50.

On the published splits and targets, with defaults, folded in, mean over seeds, each of attack and
model alike. On clean ratings also how many items are recommended to anybody.

    python benchmarks/bench_robust.py --splits PATH --data-home PATH [--dataset ...] [--model ...]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import NAMES, TARGETS, published_split

from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.utils._registry import find

MODELS = ("mf", "at", "rat", "tcd", "huber", "welsch", "l1", "r1", "trim", "lts", "apt", "rvd")


def make(name, seed):
    """Return a recommender with its defaults, and the seed if it takes one."""
    model = find("recommender", name)()
    takes_seed = "random_state" in model.get_params(deep=False)
    return model.set_params(random_state=seed) if takes_seed else model


def measure(model, X, y, kinds, training):
    """Return test and target hit ratios after a fit, how many items are listed, and the time."""
    start = time.perf_counter()
    model.fit(training)
    seconds = time.perf_counter() - start
    targets = [TargetHitRatioScorer(items)(model, X) for items in kinds]
    return HitRatioScorer()(model, X, y), *targets, np.unique(model.recommend(X)).size, seconds


def report(what, rows):
    """Print means over seeds."""
    test, *targets, n_items, seconds = np.mean(rows, axis=0)
    shares = ", ".join(f"{target:.3f}" for target in targets)
    print(
        f"{what:40} test {test:.3f}, target {shares}, {n_items:.0f} items, {seconds:.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=["filmtrust", "ml-100k"], choices=NAMES)
    parser.add_argument("--attack", nargs="*", default=["average", "pga", "co", "gco"])
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--model", nargs="*", default=list(MODELS))
    parser.add_argument("--seed", nargs="*", type=int, default=[11, 12])
    args = parser.parse_args()
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        for model in args.model:
            made = [make(model, seed) for seed in args.seed]
            report(
                f"{name} clean {model} ({', '.join(TARGETS[name])})",
                [measure(m, X, y, TARGETS[name].values(), X) for m in made],
            )
        for kind, targets in TARGETS[name].items():
            for attack in args.attack:
                poisoned = [
                    ATTACKS[attack](
                        target_items=targets, attack_size=args.attack_size, random_state=seed
                    ).fit_transform(X)
                    for seed in args.seed
                ]
                for model in args.model:
                    rows = [
                        measure(make(model, seed), X, y, [targets], training)
                        for seed, training in zip(args.seed, poisoned, strict=True)
                    ]
                    report(f"{name} {kind} {attack} {model}", rows)


if __name__ == "__main__":
    main()
