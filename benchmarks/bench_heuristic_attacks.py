"""Strength of Leg-UP, and of attacks without a gradient, on recommenders that people run.

Target HR@50 as `predict` has it, mean over seeds, on the paper's published splits and targets, 3%
fake profiles and 40% knowledge; of models with factors of users also in-sample. The black-box
attack is made anew for each victim. With --lockstep, also the average precision of
LockstepDetector.

    python benchmarks/bench_heuristic_attacks.py --splits PATH [--dataset ...] [--attack ...]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bench_quality import TARGETS, published_split
from sklearn.metrics import average_precision_score

from skrecsec import attacks, detection, recommenders
from skrecsec.metrics import target_hit_ratio_score

ATTACKS = {
    "average": attacks.AverageAttackTransformer,
    "co": attacks.CoAttackTransformer,
    "copy": attacks.CopyAttackTransformer,
    "power-user": attacks.PowerUserAttackTransformer,
    "power-item": attacks.PowerItemAttackTransformer,
    "neighborhood": attacks.NeighborhoodAttackTransformer,
    "gta": attacks.GTAAttackTransformer,
    "leg-up": attacks.LegUPAttackTransformer,
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


def precision(poisoned, n_genuine):
    """Return the average precision of LockstepDetector."""
    scores = -detection.LockstepDetector().fit(poisoned).profile_scores_
    return average_precision_score(np.arange(scores.size) >= n_genuine, scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--dataset", nargs="*", default=["ml-100k", "filmtrust"])
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--victim", nargs="*", default=list(VICTIMS), choices=list(VICTIMS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--calls", type=int, default=30, help="of the victim, by black-box")
    parser.add_argument("--victim-seeds", type=int, default=1, help="of black-box, for each way")
    parser.add_argument("--lockstep", action="store_true")
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
    seconds, seen = [], []
    for seed in range(args.seeds):
        options = {"target_items": targets, "random_state": seed}
        poisoned = None
        for victim, rows in found.items():
            if name == "black-box":
                asked = VICTIMS[victim](None if args.victim_seeds > 1 else seed + 100)
                options |= {"victim": asked, "max_iter": args.calls}
                options |= {"n_victim_seeds": args.victim_seeds}
            if poisoned is None or name == "black-box":
                start = time.perf_counter()
                poisoned = ATTACKS[name](**options).fit_transform(X)
                seconds.append(time.perf_counter() - start)
                if args.lockstep:
                    seen.append(precision(poisoned, X.shape[0]))
            rows.append(hit_ratios(VICTIMS[victim](seed), poisoned, X, targets))
    print(
        f"{dataset} {kind:9} {name:12} {np.mean(seconds):5.1f} s",
        *(
            f"{victim} {' '.join(f'{v:.3f}' for v in np.mean(rows, axis=0))} "
            f"± {np.std(rows, axis=0)[0]:.3f}"
            for victim, rows in found.items()
        ),
        *([f"AP {np.mean(seen):.2f}"] if seen else []),
        sep=" | ",
        flush=True,
    )


if __name__ == "__main__":
    main()
