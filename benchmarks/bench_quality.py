"""Quality and cost on the paper's published splits: what the defaults reach, mean over seeds.

For every data set and solver: MF on clean data, and TCD on data poisoned by the average attack
(3% fake profiles, 40% knowledge, the paper's target items). HR@50 of the held-out and of the target
items, over genuine users, rated items masked, both for the factors learned in training (in-sample)
and for folded-in profiles.

    python benchmarks/bench_quality.py --splits PATH --data-home PATH [--dataset ...] [--solver ...]

`--splits` is a folder with {filmtrust,ml-100k}.{train,test}.rating and ml-1m.test.item.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from skrecsec import AverageAttackTransformer, MFRecommender, TCDRecommender
from skrecsec.datasets import fetch_movielens_1m
from skrecsec.experiments.paper._settings import DATASETS
from skrecsec.metrics import hit_ratio_score, target_hit_ratio_score

# The items that the paper's published experiments target, by dataset and kind.
NAMES = {"ml-100k": "movielens-100k", "ml-1m": "movielens-1m", "filmtrust": "filmtrust"}
TARGETS = {name: DATASETS[full_name].targets for name, full_name in NAMES.items()}
SHAPES = {"ml-100k": (943, 1682), "filmtrust": (796, 2011)}
# T_pre of the paper, for its optimiser.
PAPER_PRETRAINING = {"filmtrust": 1, "ml-100k": 4, "ml-1m": 2}
PSEUDO_LABEL_RATIOS = {"filmtrust": 1.0, "ml-100k": 1.0, "ml-1m": 0.2}


def published_split(name, splits, data_home):
    """Return the training matrix and the held-out item of each user."""
    if name == "ml-1m":
        X = fetch_movielens_1m(data_home=data_home).ratings
        y = np.loadtxt(splits / "ml-1m.test.item", dtype=int)
        held_out = sp.csr_array((np.ones(y.size), (np.arange(y.size), y)), shape=X.shape)
        X = X - X.multiply(held_out)
        X.eliminate_zeros()
        return sp.csr_array(X), y
    train, test = (np.loadtxt(splits / f"{name}.{part}.rating") for part in ("train", "test"))
    scale = 2 if name == "filmtrust" else 1  # its ratings are doubled there
    users, items = train[:, :2].astype(int).T
    y = np.full(SHAPES[name][0], -1)
    y[test[:, 0].astype(int)] = test[:, 1].astype(int)
    return sp.csr_array((train[:, 2] / scale, (users, items)), shape=SHAPES[name]), y


def score(recommender, X, y, targets):
    """Return test and target HR@50, in-sample and folded in."""
    factors = recommender.user_factors_[: X.shape[0]], recommender.item_factors_.T
    result = []
    for scores in (factors[0].astype(float) @ factors[1], recommender.predict(X)):
        result.append(hit_ratio_score(y, scores, seen=X))
        result.append(target_hit_ratio_score(scores, targets, seen=X))
    return result


def report(what, rows):
    """Print the mean and standard deviation over seeds."""
    rows = np.array(rows)
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    print(
        f"{what:52} in-sample test {mean[0]:.4f} ± {std[0]:.4f}, target {mean[1]:.4f} | "
        f"folded in test {mean[2]:.4f} ± {std[2]:.4f}, target {mean[3]:.4f} | "
        f"best epoch {mean[4]:.1f}, {mean[5]:.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--data-home", type=Path, default=None)
    parser.add_argument("--dataset", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--solver", nargs="*", default=["sgd", "adam", "adadelta"])
    parser.add_argument("--model", nargs="*", default=["mf", "tcd", "tcd-paper"])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    for name in args.dataset:
        X, y = published_split(name, args.splits, args.data_home)
        ratio = PSEUDO_LABEL_RATIOS[name]
        for solver in args.solver:
            models = {
                "mf": lambda s, solver=solver: MFRecommender(solver=solver, random_state=s),
                "tcd": lambda s, solver=solver, ratio=ratio: TCDRecommender(
                    solver=solver, random_state=s, pseudo_label_ratio=ratio
                ),
                "tcd-paper": lambda s, solver=solver, ratio=ratio, name=name: TCDRecommender(
                    solver=solver,
                    random_state=s,
                    pseudo_label_ratio=ratio,
                    n_pretrain_iter=PAPER_PRETRAINING[name],
                ),
            }
            for model in args.model:
                if model == "tcd-paper" and solver == "sgd":
                    continue  # the paper's T_pre goes with a mini-batch solver
                settings = [None] if model == "mf" else []
                for kind in [*settings, *TARGETS[name]]:
                    rows = []
                    for seed in range(args.seeds):
                        targets = TARGETS[name][kind or "unpopular"]
                        attack = AverageAttackTransformer(target_items=targets, random_state=seed)
                        training = X if kind is None else attack.fit_transform(X)
                        recommender = models[model](seed)
                        start = time.perf_counter()
                        recommender.fit(training)
                        seconds = time.perf_counter() - start
                        rows.append(
                            [*score(recommender, X, y, targets), recommender.best_iter_, seconds]
                        )
                    report(f"{name} {model} {solver} {kind or 'clean'}", rows)


if __name__ == "__main__":
    main()
