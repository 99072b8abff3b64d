"""Strength of the attacks without a gradient on recommenders that people run, mean over seeds.

Target HR@50 as `predict` has it, on the paper's published splits and targets, 3% fake profiles and
40% knowledge; of models with factors of users also in-sample. The black-box attack is made anew for
each victim.

    python benchmarks/bench_heuristic_attacks.py --splits PATH [--dataset ...] [--attack ...]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bench_quality import TARGETS, published_split

from skrecsec import attacks, recommenders
from skrecsec.metrics import target_hit_ratio_score

ATTACKS = {
    "average": attacks.AverageAttackTransformer,
    "co": attacks.CoAttackTransformer,
    "copy": attacks.CopyAttackTransformer,
    "power-user": attacks.PowerUserAttackTransformer,
    "power-item": attacks.PowerItemAttackTransformer,
    "neighborhood": attacks.NeighborhoodAttackTransformer,
    "black-box": attacks.BlackBoxAttackTransformer,
}
VICTIMS = {
    "mf": lambda seed: recommenders.MFRecommender(random_state=seed),
    "ease": lambda seed: recommenders.EASERecommender(),
    "als": lambda seed: recommenders.ImplicitRecommender("als", random_state=seed),
    "bpr": lambda seed: recommenders.ImplicitRecommender("bpr", random_state=seed),
    "knn": lambda seed: recommenders.ItemKNNRecommender(),
}


def hit_ratios(victim, poisoned, X, targets):
    """Return the hit ratios of the targets as predicted, and in-sample where there is that."""
    victim.fit(poisoned)
    scores = [victim.predict(X)]
    if hasattr(victim, "predict_training_rows"):
        scores.append(victim.predict_training_rows(np.arange(X.shape[0])))
    return [target_hit_ratio_score(s, targets, seen=X) for s in scores]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--dataset", nargs="*", default=["ml-100k", "filmtrust"])
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--victim", nargs="*", default=list(VICTIMS), choices=list(VICTIMS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--calls", type=int, default=30, help="of the victim, by black-box")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    for dataset in args.dataset:
        X, _ = published_split(dataset, args.splits, None)
        for kind in args.kind:
            for name in args.attack:
                measure(name, dataset, kind, X, args)


def measure(name, dataset, kind, X, args):
    """Print a line for an attack."""
    targets = TARGETS[dataset][kind]
    found = {victim: [] for victim in args.victim}
    seconds = []
    for seed in range(args.seeds):
        options = {"target_items": targets, "random_state": seed}
        poisoned = None
        for victim, rows in found.items():
            if name == "black-box":
                options |= {"victim": VICTIMS[victim](seed + 100), "max_iter": args.calls}
            if poisoned is None or name == "black-box":
                start = time.perf_counter()
                poisoned = ATTACKS[name](**options).fit_transform(X)
                seconds.append(time.perf_counter() - start)
            rows.append(hit_ratios(VICTIMS[victim](seed), poisoned, X, targets))
    print(
        f"{dataset} {kind:9} {name:12} {np.mean(seconds):5.1f} s",
        *(
            f"{victim} {' '.join(f'{v:.3f}' for v in np.mean(rows, axis=0))} "
            f"± {np.std(rows, axis=0)[0]:.3f}"
            for victim, rows in found.items()
        ),
        sep=" | ",
        flush=True,
    )


if __name__ == "__main__":
    main()
