"""What the lockstep detector finds, by dataset, kind of targets and attack: mean over seeds.

Average precision of the scores; recall and share of genuine users flagged by contamination="auto",
and how many of the targets are in groups that the detector names; seconds of a fit. The first line
of a dataset is for its clean ratings.

    python benchmarks/bench_detection.py --splits PATH --data-home PATH [--dataset ...] [--seeds 3]

`--splits` is a folder with {filmtrust,ml-100k}.{train,test}.rating and ml-1m.test.item.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import NAMES, published_split
from sklearn.metrics import average_precision_score

from skrecsec import LockstepDetector


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--n-targets", type=int, default=5)
    parser.add_argument("--goal", default="push")
    parser.add_argument("--levels", default="all")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    detector = LockstepDetector(levels=args.levels)
    for name in args.dataset:
        X, _ = published_split(name, args.splits, args.data_home)
        start = time.perf_counter()
        flagged = (detector.fit(X).labels_ == -1).mean()
        print(f"{name} clean: flagged {flagged:.4f}, {time.perf_counter() - start:.1f} s")
        for kind in args.kind:
            for attack_name in args.attack:
                rows = []
                for seed in range(args.seeds):
                    attack = ATTACKS[attack_name](
                        target_items=kind,
                        n_targets=args.n_targets,
                        attack_size=args.attack_size,
                        goal=args.goal,
                        random_state=seed,
                    )
                    rows.append(measured(detector, attack, X))
                precision, recall, flagged, n_named, seconds = np.mean(rows, axis=0)
                print(
                    f"{name} {kind:9} {attack_name:9} AP {precision:.3f}, recall {recall:.2f}, "
                    f"flagged {flagged:.4f}, targets named {n_named:.1f}, {seconds:.1f} s",
                    flush=True,
                )


def measured(detector, attack, X):
    """Return average precision, recall, genuine users flagged, targets named and seconds."""
    poisoned = attack.fit_transform(X)
    start = time.perf_counter()
    detector.fit(poisoned)
    seconds = time.perf_counter() - start
    is_fake = np.arange(poisoned.shape[0]) >= X.shape[0]
    precision = average_precision_score(is_fake, -detector.profile_scores_)
    flagged = detector.labels_ == -1
    named = set().union(*(group.items.tolist() for group in detector.groups_))
    n_named = len(named & set(attack.target_items_.tolist()))
    return precision, flagged[is_fake].mean(), flagged[~is_fake].mean(), n_named, seconds


if __name__ == "__main__":
    main()
