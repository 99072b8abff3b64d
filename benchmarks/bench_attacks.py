"""Strength of the attacks on the paper's published splits and targets, mean over seeds.

Target HR@50 on MF and TCD victims (defaults), in-sample and folded in.

    python benchmarks/bench_attacks.py --splits PATH --data-home PATH [--dataset ...] [--seeds 5]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bench_quality import PSEUDO_LABEL_RATIOS, TARGETS, published_split, score

from skrecsec import MFRecommender, TCDRecommender, attacks

ATTACKS = {
    "random": attacks.RandomAttackTransformer,
    "average": attacks.AverageAttackTransformer,
    "bandwagon": attacks.BandwagonAttackTransformer,
    "segment": attacks.SegmentAttackTransformer,
    "aush": attacks.AUSHAttackTransformer,
    "pga": attacks.PGAAttackTransformer,
    "tna": attacks.TNAAttackTransformer,
    "dl": attacks.DLAttackTransformer,
    "co": attacks.CoAttackTransformer,
    "gco": attacks.GCoAttackTransformer,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--victim", nargs="*", default=["mf", "tcd"])
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--knowledge", type=float, default=0.4)
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        ratio = PSEUDO_LABEL_RATIOS[name]
        for kind in args.kind:
            targets = TARGETS[name][kind]
            for attack_name in args.attack:
                seconds, n_distinct = [], []
                rows = {victim: [] for victim in args.victim}
                for seed in range(args.seeds):
                    attack = ATTACKS[attack_name](
                        target_items=targets,
                        knowledge=args.knowledge,
                        attack_size=args.attack_size,
                        random_state=seed,
                    )
                    start = time.perf_counter()
                    poisoned = attack.fit_transform(X)
                    seconds.append(time.perf_counter() - start)
                    n_distinct.append(attack.n_distinct_profiles_ / attack.poison_.shape[0])
                    for victim, scores in rows.items():
                        model = (
                            MFRecommender(random_state=seed)
                            if victim == "mf"
                            else TCDRecommender(pseudo_label_ratio=ratio, random_state=seed)
                        )
                        scores.append(score(model.fit(poisoned), X, y, targets))
                line = f"{name} {kind:9} {attack_name:9} {np.mean(seconds):5.1f} s, "
                line += f"{np.mean(n_distinct):.2f} distinct"
                for victim, scores in rows.items():
                    test, target, folded_test, folded_target = np.mean(scores, axis=0)
                    line += (
                        f" | {victim} target {target:.3f} ± {np.std(scores, axis=0)[1]:.3f}, "
                        f"folded {folded_target:.3f}, test {test:.3f}, folded {folded_test:.3f}"
                    )
                print(line, flush=True)


if __name__ == "__main__":
    main()
