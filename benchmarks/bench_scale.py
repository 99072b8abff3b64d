"""Seconds and memory by the number of ratings, each step in a process of its own.

    python benchmarks/bench_scale.py 1 4 20
    python benchmarks/bench_scale.py 20 --steps mf gate recommend

A size is in millions of generated ratings: of MovieLens's shape up to 20, of Netflix's for 100. The
fit of MF is measured for few epochs; that of TCD, only if asked for, is a whole one, with a budget
of pseudo-labels and otherwise its defaults. Processor time on one thread; Linux only. Lines of JSON
go to `--lines`, so that another run can add to them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

SHAPES = {1: (6_040, 3_700), 4: (27_600, 5_400), 20: (138_000, 27_000), 100: (480_000, 18_000)}
# Those that need the model of another step come after it.
STEPS = (
    *("generate", "average", "coattack", "lockstep"),
    *("ease", "mf", "tcd", "gate", "score", "recommend"),
)
N_EPOCHS = 3
EASE_ITEMS = 6_000  # it holds some dense arrays of items x items


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, choices=SHAPES, default=[1, 4])
    steps = [step for step in STEPS if step != "tcd"]  # half an hour at 20 million
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=steps)
    parser.add_argument("--lines", type=Path, help="file to add the results to")
    parser.add_argument("--folder", type=Path, help="where ratings and models are kept")
    parser.add_argument("--one", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.one:
        print(json.dumps(run(args.one, args.sizes[0], args.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        results = []
        for size in sorted(args.sizes):
            for step in steps_of(size, args.steps, args.folder or Path(temporary)):
                results.append(in_a_process(step, size, args.folder or Path(temporary)))
                print(results[-1], file=sys.stderr, flush=True)
                if args.lines:
                    with args.lines.open("a") as file:
                        file.write(json.dumps(results[-1]) + "\n")
    print(table(results))


def steps_of(size, steps, folder):
    """Return the steps that can be run, with those that they need and that were not run before."""
    needed = set(steps) - ({"ease"} if SHAPES[size][1] > EASE_ITEMS else set())
    if needed & {"gate", "score", "recommend"} and not (folder / f"mf{size}.joblib").exists():
        needed.add("mf")
    if not (folder / f"{size}.npz").exists():
        needed.add("generate")
    return [step for step in STEPS if step in needed]


def in_a_process(step, size, folder):
    command = [sys.executable, __file__, str(size), "--one", step, "--folder", str(folder)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        command, env=os.environ | threads, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def run(step, size, folder):
    """Run a step in this process, and return what it took."""
    import scipy.sparse as sp

    from skrecsec.datasets import make_ratings

    small = make_ratings(120, 90, density=0.2, random_state=0)
    work(step, small, None, (*small.shape, small.nnz), None)  # compile
    X = model = None
    if step != "generate":
        X = sp.load_npz(folder / f"{size}.npz")
    if step in ("gate", "score", "recommend"):
        import joblib

        model = joblib.load(folder / f"mf{size}.joblib")
    kept, y = held_out(X) if step == "score" else (X, None)
    given = attacked(X) if step == "lockstep" else kept
    before = peak_gigabytes()
    start = time.process_time()
    result, notes = work(step, given, y, (*SHAPES[size], size * 1_000_000), model)
    seconds = time.process_time() - start
    line = {"size": size, "step": step, "seconds": seconds, "before": before}
    line |= {"peak": peak_gigabytes(), **notes}
    if step == "generate":
        sp.save_npz(folder / f"{size}.npz", result, compressed=False)
    if step == "mf":
        import joblib

        joblib.dump(result, folder / f"mf{size}.joblib")
    return line


def work(step, X, y, shape, model):
    """Do what is measured; return its result, and what to note beside the time."""
    import numpy as np

    import skrecsec
    from skrecsec.datasets import make_ratings
    from skrecsec.detection import LockstepDetector
    from skrecsec.metrics import get_scorer

    if model is None and step in ("gate", "score", "recommend"):
        model = skrecsec.MFRecommender(max_iter=1, random_state=0).fit(X)
        y = held_out(X)[1]
    if step == "generate":
        n_users, n_items, n_ratings = shape
        density = n_ratings / (n_users * n_items)
        X = make_ratings(n_users, n_items, density=density, random_state=0)
        return X, {"shape": X.shape, "ratings": X.nnz}
    if step == "average":
        attack = skrecsec.AverageAttackTransformer(attack_size=0.01, random_state=0)
        return None, {"rows": attack.fit_transform(X).shape[0]}
    if step == "coattack":
        attack = skrecsec.CoAttackTransformer(attack_size=0.01, max_iter=N_EPOCHS, random_state=0)
        return None, {"rows": attack.fit_transform(X).shape[0]}
    if step == "lockstep":
        fake = LockstepDetector().fit(X).labels_ == -1
        n_users = shape[0]
        return None, {"found": fake[n_users:].mean(), "accused": fake[:n_users].mean()}
    if step == "ease":
        return skrecsec.EASERecommender().fit(X), {}
    if step == "mf":
        fitted = skrecsec.MFRecommender(max_iter=N_EPOCHS, random_state=0).fit(X)
        return fitted, {"epochs": fitted.n_iter_}
    if step == "tcd":
        fitted = skrecsec.TCDRecommender(
            pseudo_label_ratio="auto", random_state=0, verbose=int(X.shape[0] > 1000)
        ).fit(X)
        return fitted, {"epochs": fitted.n_iter_}
    if step == "gate":
        gate = skrecsec.ExposureGate(fitted_already(model)).fit(X)
        return None, {"withheld": np.isfinite(gate.thresholds_).mean()}
    if step == "score":
        return None, {"hit_ratio": get_scorer("hit_ratio")(model, X, y)}
    listed = model.recommend(X)
    return None, {"listed": int(np.unique(listed).size)}


def fitted_already(model):
    """Return a recommender whose `fit` leaves the model as it is, so that a gate is timed alone."""
    from sklearn.frozen import FrozenEstimator

    class Frozen(FrozenEstimator):
        def fit(self, X, y=None):
            return self

    return Frozen(model)


def held_out(X):
    from skrecsec.model_selection import leave_one_out_split

    return leave_one_out_split(X, random_state=0)


def attacked(X):
    from skrecsec import AverageAttackTransformer

    return AverageAttackTransformer(attack_size=0.01, random_state=0).fit_transform(X)


def peak_gigabytes():
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def table(results):
    """Return the results, a row per step, with growth exponents over the sizes measured."""
    sizes = sorted({result["size"] for result in results})
    found = {(result["step"], result["size"]): result for result in results}
    heads = [f"{size:>7} M: s    GB" for size in sizes]
    lines = [f"{'':<11}" + " ".join(heads) + "   exponent"]
    for step in (step for step in STEPS if any((step, size) in found for size in sizes)):
        cells = [found.get((step, size)) for size in sizes]
        texts = [f"{c['seconds']:>11.1f} {c['peak']:5.2f}" if c else f"{'-':>17}" for c in cells]
        points = [(c["size"], c["seconds"]) for c in cells if c]
        lines.append(f"{step:<11}" + " ".join(texts) + f"   {exponent(points)}")
    return "\n".join(lines)


def exponent(points):
    """Return the exponent between the smallest and the largest size, as text."""
    (small, seconds), (large, more) = points[0], points[-1]
    if small == large or min(seconds, more) <= 0:
        return "-"
    return f"{math.log(more / seconds) / math.log(large / small):.2f}"


if __name__ == "__main__":
    main()
