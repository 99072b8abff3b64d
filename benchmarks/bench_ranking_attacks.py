"""Strength of attacks on models of implicit feedback, on the paper's published splits and targets.

Target HR@50 of genuine users, folded in, mean and standard deviation over seeds, which draw known
users and profiles: EASE, and ALS and BPR of `implicit`, and MF beside them.

    python benchmarks/bench_ranking_attacks.py --splits PATH --data-home PATH [--dataset ...]

`--attack` takes any attack by its registered name.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from bench_quality import NAMES, TARGETS, published_split

from skrecsec import EASERecommender, ImplicitRecommender, MFRecommender
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.utils._registry import find, registered

VICTIMS = {
    "ease": lambda seed: EASERecommender(),
    "als": lambda seed: ImplicitRecommender("als", random_state=seed),
    "bpr": lambda seed: ImplicitRecommender("bpr", random_state=seed),
    "mf": lambda seed: MFRecommender(random_state=seed),
}
VARIANTS = {  # of attacks on models of ratings, by name
    "pga-ranking": ("pga", {"surrogate": "ranking"}),
    "tna-ranking": ("tna", {"surrogate": "ranking", "subset_size": 1.0}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--attack", nargs="*", default=["average", "coattack", "ease", "revadv"])
    parser.add_argument("--victim", nargs="*", default=list(VICTIMS), choices=list(VICTIMS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--knowledge", type=float, default=0.4)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    unknown = set(args.attack) - set(VARIANTS) - set(registered("attack"))
    if unknown:
        parser.error(f"no such attacks: {', '.join(sorted(unknown))}")
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        for kind in args.kind:
            targets = TARGETS[name][kind]
            for attack in args.attack:
                name_of, settings = VARIANTS.get(attack, (attack, {}))
                make = partial(find("attack", name_of), **settings)
                rows, seconds, sizes = {victim: [] for victim in args.victim}, [], []
                for seed in range(args.seeds):
                    made = make(
                        target_items=targets,
                        knowledge=args.knowledge,
                        attack_size=args.attack_size,
                        random_state=seed,
                    )
                    start = time.process_time()
                    poisoned = made.fit_transform(X)
                    seconds.append(time.process_time() - start)
                    sizes.append(made.poison_.nnz / made.poison_.shape[0])
                    for victim, figures in rows.items():
                        figures.append(hit_ratios(VICTIMS[victim](seed), poisoned, X, y, targets))
                line = f"{name} {kind:9} {attack:11} {np.mean(seconds):5.1f} s, "
                line += f"{np.mean(sizes):5.1f} ratings"
                for victim, figures in rows.items():
                    test, target = np.mean(figures, axis=0)
                    spread = np.std(figures, axis=0)[1]
                    line += f" | {victim} {target:.3f} ± {spread:.3f} (test {test:.3f})"
                print(line, flush=True)


def hit_ratios(model, poisoned, X, y, targets):
    """Return hit ratios of held-out items and of targets, of genuine users, folded in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the scale of ratings
        model.fit(poisoned)
    return HitRatioScorer()(model, X, y), TargetHitRatioScorer(targets)(model, X)


if __name__ == "__main__":
    main()
