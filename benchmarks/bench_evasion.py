"""What attacks lose by hiding: strength against visibility, mean over seeds.

For each way to hide, on the paper's published splits and targets: average precision and recall of
``LockstepDetector`` on the poisoned ratings, and HR@50 of the targets for victims that do not
filter, users folded in. The last way has the detector in its loop.

    python benchmarks/bench_evasion.py --splits PATH --data-home PATH [--dataset ...] [--seeds 2]
        [--attack co gco ...] [--way "2 targets" ...] [--json FILE]
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import TARGETS, published_split
from sklearn.metrics import average_precision_score

from skrecsec import EASERecommender, LockstepDetector, MFRecommender, TCDRecommender
from skrecsec.exceptions import EvasionWarning
from skrecsec.metrics import TargetHitRatioScorer

WAYS = {
    "none": {},
    "2 targets": {"targets_per_profile": 2},
    "1 target": {"targets_per_profile": 1},
    "near-top": {"target_rating": "near-top"},
    "mixed": {"target_rating": "mixed"},
    "any level": {"target_rating": "all"},
    "genuine lengths": {"profile_lengths": "genuine"},
    "noise": {"obfuscation": "noise"},
    "user-shifting": {"obfuscation": "user-shifting"},
    "popular": {"obfuscation": "popular"},
    "2 targets, mixed": {"targets_per_profile": 2, "target_rating": "mixed"},
    "2 targets, any level": {"targets_per_profile": 2, "target_rating": "all"},
    "2 targets, mixed, popular": {
        "targets_per_profile": 2,
        "target_rating": "mixed",
        "obfuscation": "popular",
    },
    "1 target, mixed": {"targets_per_profile": 1, "target_rating": "mixed"},
    "detector in the loop": {"evade": LockstepDetector()},
    "the same, from mixed": {"evade": LockstepDetector(), "target_rating": "mixed"},
}
VICTIMS = {
    "mf": lambda seed: MFRecommender(random_state=seed),
    "ease": lambda seed: EASERecommender(),
    "tcd": lambda seed: TCDRecommender(random_state=seed),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    names = ["ml-100k", "filmtrust"]
    parser.add_argument("--dataset", nargs="*", default=names, choices=list(TARGETS))
    parser.add_argument("--attack", nargs="*", default=["gco"], choices=list(ATTACKS))
    parser.add_argument("--victim", nargs="*", default=list(VICTIMS), choices=list(VICTIMS))
    parser.add_argument("--kind", nargs="*", default=["unpopular", "random"])
    parser.add_argument("--way", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    warnings.simplefilter("ignore", EvasionWarning)
    results = {}
    for name in args.dataset:
        X, _ = published_split(name, args.splits, args.data_home)
        for kind in args.kind:
            for attack_name in args.attack:
                for way in args.way:
                    cell = measured(ATTACKS[attack_name], WAYS[way], X, TARGETS[name][kind], args)
                    results[f"{name} {kind} {attack_name} {way}"] = cell
                    figures = ", ".join(f"{what} {mean:.3f}" for what, mean in cell.items())
                    print(f"{name} {kind:9} {attack_name:7} {way:25} {figures}", flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measured(make, way, X, targets, args):
    """Return the means over seeds."""
    rows = []
    for seed in range(args.seeds):
        settings = dict(way)
        if settings.get("target_rating") == "all":
            settings["target_rating"] = np.unique(X.data).size
        attack = make(target_items=targets, random_state=seed, **settings)
        start = time.process_time()
        poisoned = attack.fit_transform(X)
        row = {"seconds": time.process_time() - start, "fakes": attack.poison_.shape[0]}
        detector = LockstepDetector().fit(poisoned)
        is_fake = np.arange(poisoned.shape[0]) >= X.shape[0]
        row["AP"] = average_precision_score(is_fake, -detector.profile_scores_)
        row["recall"] = (detector.labels_[is_fake] == -1).mean()
        if attack.evasion_ is not None:
            row["targets each"] = attack.evasion_["targets_per_profile"] or len(targets)
            row["found of known"] = attack.evasion_["detected"]
        score = TargetHitRatioScorer(target_items=targets)
        for victim in args.victim:
            row[victim] = score(VICTIMS[victim](seed).fit(poisoned), X)
        rows.append(row)
    return {what: float(np.mean([row[what] for row in rows])) for what in rows[0]}


if __name__ == "__main__":
    main()
