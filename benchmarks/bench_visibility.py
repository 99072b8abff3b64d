"""How small an attack the lockstep detector is said to see, and whether it does.

For each kind of attack the smallest and the largest visible number of fakes; for multiples of the
smallest, the shares of the fakes of Average attacks that are flagged.

    python benchmarks/bench_visibility.py [--dataset ...] [--seeds 3] [--times 0.5 1 1.5 2]
"""

import argparse
import math

import numpy as np

from skrecsec import AverageAttackTransformer, LockstepDetector
from skrecsec.datasets import (
    fetch_filmtrust,
    fetch_movielens_1m,
    fetch_movielens_100k,
    make_ratings,
)
from skrecsec.detection import visible_attacks

DATASETS = {
    "generated": lambda: make_ratings(random_state=0),
    "ml-100k": lambda: fetch_movielens_100k().ratings,
    "filmtrust": lambda: fetch_filmtrust().ratings,
    "ml-1m": lambda: fetch_movielens_1m().ratings,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", nargs="*", default=list(DATASETS)[:3], choices=list(DATASETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", type=float, nargs="*", default=[0.5, 1.0, 1.5, 2.0])
    args = parser.parse_args()
    found = {times: [] for times in args.times}
    for name in args.dataset:
        X = DATASETS[name]()
        for attack in visible_attacks(X):
            print(
                f"{name} {X.shape}, {attack.n_ratings} ratings, {attack.n_targets} targets: "
                f"{attack.smallest} to {attack.largest}"
            )
            for times in args.times if attack.smallest else []:
                shares = [flagged(X, attack, times, seed) for seed in range(args.seeds)]
                found[times] += shares
                print(f"    x {times}: {np.round(shares, 2)}", flush=True)
    for times, shares in found.items():
        print(
            f"x {times}: flagged {np.mean(shares):.3f} of the fakes, at least {min(shares):.2f} "
            f"in each of {len(shares)} attacks, none in {np.mean(np.equal(shares, 0)):.2f} of them"
        )


def flagged(X, attack, times, seed):
    """Return the share of the fakes that are flagged."""
    counts = np.bincount(X.indices, minlength=X.shape[1])
    rated = np.flatnonzero(counts)
    alike = rated[np.argsort(np.abs(counts[rated] - attack.n_ratings), kind="stable")[:20]]
    n_fakes = times * attack.smallest
    poisoned = AverageAttackTransformer(
        target_items=np.random.default_rng(seed).choice(alike, attack.n_targets, replace=False),
        attack_size=math.ceil(n_fakes) if times >= 1 else max(1, math.floor(n_fakes)),
        random_state=seed,
    ).fit_transform(X)
    return (LockstepDetector().fit(poisoned).labels_[X.shape[0] :] == -1).mean()


if __name__ == "__main__":
    main()
