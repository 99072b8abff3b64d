"""What detectors find, by dataset, kind of targets and attack: mean over seeds.

Area under the ROC curve and average precision of the scores; recall and share of genuine users
flagged by contamination="auto", and how many of the targets are in groups that the detector names;
seconds of processor time of a fit. The first lines of a dataset are for its clean ratings.

    python benchmarks/bench_detection.py --splits PATH --data-home PATH [--dataset ...] [--seeds 3]
        [--detector lockstep pca ...] [--json FILE]

`--targets-per-profile`, `--target-rating`, `--profile-lengths` and `--obfuscation` are those of the
attacks.

`--splits` is a folder with {filmtrust,ml-100k}.{train,test}.rating and ml-1m.test.item. `--levels`
is for the lockstep detector alone. `--json` writes all figures to a file as well.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import NAMES, published_split
from sklearn.metrics import average_precision_score, roc_auc_score

from skrecsec.utils._registry import registered

FIGURES = ("AUC", "AP", "recall", "flagged", "targets named", "seconds")


def main():
    detectors = registered("detector")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--detector", nargs="*", default=list(detectors), choices=list(detectors))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--knowledge", type=float, default=0.4)
    parser.add_argument("--attack-size", type=float, default=0.03)
    parser.add_argument("--n-targets", type=int, default=5)
    parser.add_argument("--targets-per-profile", type=int, default=None)
    ratings = ["top", "near-top", "mixed"]
    parser.add_argument("--target-rating", choices=ratings, default="top")
    parser.add_argument("--profile-lengths", choices=["fixed", "genuine"], default="fixed")
    obfuscations = ["noise", "user-shifting", "popular"]
    parser.add_argument("--obfuscation", choices=obfuscations, default=None)
    parser.add_argument("--goal", default="push")
    parser.add_argument("--levels", default="all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    made = {
        name: detectors[name](**({"levels": args.levels} if name == "lockstep" else {}))
        for name in args.detector
    }
    results = {}
    for name in args.dataset:
        X, _ = published_split(name, args.splits, args.data_home)
        for detector_name, detector in made.items():
            detector.fit(X)  # compiles
            start = time.process_time()
            flagged = (detector.fit(X).labels_ == -1).mean()
            seconds = time.process_time() - start
            print(f"{name} clean {detector_name:9} flagged {flagged:.4f}, {seconds:.2f} s")
            results[f"{name} clean {detector_name}"] = {"flagged": flagged, "seconds": seconds}
        for kind in args.kind:
            for attack_name in args.attack:
                rows = {detector_name: [] for detector_name in made}
                for seed in range(args.seeds):
                    attack = ATTACKS[attack_name](
                        target_items=kind,
                        n_targets=args.n_targets,
                        knowledge=args.knowledge,
                        attack_size=args.attack_size,
                        goal=args.goal,
                        targets_per_profile=args.targets_per_profile,
                        target_rating=args.target_rating,
                        profile_lengths=args.profile_lengths,
                        obfuscation=args.obfuscation,
                        random_state=seed,
                    )
                    poisoned = attack.fit_transform(X)
                    for detector_name, detector in made.items():
                        figures = measured(detector, poisoned, X.shape[0], attack.target_items_)
                        rows[detector_name].append(figures)
                for detector_name in made:
                    means = dict(zip(FIGURES, np.mean(rows[detector_name], axis=0), strict=True))
                    cell = f"{name} {kind} {attack_name} {detector_name}"
                    results[cell] = means
                    print(f"{cell}: {line(means)}", flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def line(figures):
    """Return the figures of a detector in one line."""
    return (
        f"AUC {figures['AUC']:.3f}, AP {figures['AP']:.3f}, recall {figures['recall']:.2f}, "
        f"flagged {figures['flagged']:.4f}, targets named {figures['targets named']:.1f}, "
        f"{figures['seconds']:.2f} s"
    )


def measured(detector, poisoned, n_genuine, targets):
    """Return the figures of a detector, fitted to ratings whose last rows are fake."""
    start = time.process_time()
    detector.fit(poisoned)
    seconds = time.process_time() - start
    is_fake = np.arange(poisoned.shape[0]) >= n_genuine
    area = roc_auc_score(is_fake, -detector.profile_scores_)
    precision = average_precision_score(is_fake, -detector.profile_scores_)
    flagged = detector.labels_ == -1
    named = set().union(*(group.items.tolist() for group in detector.groups_))
    n_named = len(named & set(targets.tolist()))
    return area, precision, flagged[is_fake].mean(), flagged[~is_fake].mean(), n_named, seconds


if __name__ == "__main__":
    main()
