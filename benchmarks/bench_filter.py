"""Recommenders behind a detector: hit ratios of held-out items and of targets, clean and attacked.

For each recommender: on clean ratings without a filter; and for each attack with and without
``FilteredRecommender(LockstepDetector(), recommender)``. Mean over seeds; users are folded in. The
last lines count the cells in which targets gain more, or held-out items lose more, than 0.01.

    python benchmarks/bench_filter.py --splits PATH --data-home PATH [--dataset ...] [--seeds 1]
"""

import argparse
from pathlib import Path

import numpy as np
from bench_attacks import ATTACKS
from bench_quality import NAMES, TARGETS, published_split

from skrecsec import (
    EASERecommender,
    FilteredRecommender,
    ImplicitRecommender,
    LockstepDetector,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer


def recommenders():
    """Return the recommenders by name."""
    from implicit.als import AlternatingLeastSquares

    als = AlternatingLeastSquares(
        factors=64, regularization=10.0, random_state=0, num_threads=1, use_gpu=False
    )
    return {
        "mf": MFRecommender(random_state=0),
        "tcd": TCDRecommender(random_state=0),
        "ease": EASERecommender(),
        "als": ImplicitRecommender(als),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--attack", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--recommender", nargs="*", default=list(recommenders()))
    parser.add_argument("--attack-size", nargs="*", type=float, default=[0.01, 0.03])
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    models = {name: recommenders()[name] for name in args.recommender}
    n_cells, n_missed = dict.fromkeys(models, 0), dict.fromkeys(models, 0)
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        for kind, targets in TARGETS[name].items():
            clean = {model: scores(models[model].fit(X), X, y, targets) for model in models}
            for model, (test, target) in clean.items():
                print(f"{name} {kind:9} clean {model:4} test {test:.3f}, target {target:.3f}")
            for size in args.attack_size:
                for attack in args.attack:
                    rows = {model: [] for model in models}
                    for seed in range(args.seeds):
                        made = ATTACKS[attack](
                            target_items=targets, attack_size=size, random_state=seed
                        )
                        poisoned = made.fit_transform(X)
                        for model, recommender in models.items():
                            bare = scores(recommender.fit(poisoned), X, y, targets)
                            filtered = FilteredRecommender(LockstepDetector(), recommender)
                            kept = scores(filtered.fit(poisoned), X, y, targets)
                            rows[model].append((*bare, *kept))
                    for model in models:
                        figures = np.mean(rows[model], axis=0)
                        missed = figures[3] > clean[model][1] + 0.01
                        missed |= figures[2] < clean[model][0] - 0.01
                        n_cells[model] += 1
                        n_missed[model] += missed
                        bare_test, bare_target, test, target = figures
                        print(
                            f"{name} {kind:9} {size:.2f} {attack:9} {model:4} "
                            f"test {bare_test:.3f}, target {bare_target:.3f}; "
                            f"filtered test {test:.3f}, target {target:.3f}"
                            + (" missed" if missed else ""),
                            flush=True,
                        )
    for model in models:
        print(f"{model}: {n_missed[model]} of {n_cells[model]} cells missed")


def scores(model, X, y, targets):
    """Return hit ratios of held-out items and of targets, of genuine users."""
    return HitRatioScorer()(model, X, y), TargetHitRatioScorer(targets)(model, X)


if __name__ == "__main__":
    main()
