"""Whether a change made anything slower: one workload in two checkouts, in turns.

Each run is a process of its own, on one thread, which times fits, rankings, scorers and attacks
after a first round that compiles. What is told is processor time, and runs of the two checkouts
alternate, so that ratios of medians hold on a busy machine.

    python benchmarks/bench_compare.py ../before . [--runs 7]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

WORK = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from skrecsec import *
from skrecsec.datasets import make_ratings
from skrecsec.metrics import HitRatioScorer, TargetHitRatioScorer
from skrecsec.model_selection import leave_one_out_split

X, y = leave_one_out_split(make_ratings(2000, 1500, density=0.06, random_state=0), random_state=0)
models = {}

def fit(name, estimator):
    models[name] = estimator.fit(X)

work = {
    "fit MF": lambda: fit("MF", MFRecommender(max_iter=10, random_state=0)),
    "fit AT": lambda: fit("AT", ATRecommender(max_iter=8, random_state=0)),
    "fit TCD": lambda: fit("TCD", TCDRecommender(max_iter=4, random_state=0)),
    "predict": lambda: models["MF"].predict(X),
    "recommend": lambda: models["MF"].recommend(X, 50),
    "score hit ratio": lambda: HitRatioScorer()(models["MF"], X, y),
    "score targets": lambda: TargetHitRatioScorer([3, 4, 5, 6, 7])(models["MF"], X),
    "Average attack": lambda: AverageAttackTransformer(random_state=0).fit_transform(X),
    "PGA attack": lambda: PGAAttackTransformer(max_iter=3, random_state=0).fit(X),
    "TNA attack": lambda: TNAAttackTransformer(attack_size=5, random_state=0).fit(X),
    "CoAttack": lambda: CoAttackTransformer(max_iter=4, random_state=0).fit(X),
    "GCoAttack": lambda: GCoAttackTransformer(max_iter=3, random_state=0).fit(X),
    "DL attack": lambda: DLAttackTransformer(attack_size=5, max_iter=4, random_state=0).fit(X),
}
for run in work.values():
    run()
seconds = {}
for name, run in work.items():
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    seconds[name] = best
print(json.dumps(seconds))
"""


def run(checkout):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, "PYTHONPATH": checkout, **dict.fromkeys(names, "1")}
    process = subprocess.run(
        [sys.executable, "-c", WORK], env=environment, cwd=checkout, stdout=subprocess.PIPE,
        text=True, check=True,
    )  # fmt: skip
    return json.loads(process.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=os.path.abspath)
    parser.add_argument("after", type=os.path.abspath)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    times = {arguments.before: [], arguments.after: []}
    for number in range(arguments.runs + 1):
        for checkout, runs in times.items():
            seconds = run(checkout)
            if number:  # the first one compiles
                runs.append(seconds)
    print(f"Medians of {arguments.runs} runs, in seconds of processor time:")
    print(f"{'':18}{'before':>10}{'after':>10}{'ratio':>8}")
    for name in times[arguments.before][0]:
        before, after = (statistics.median(r[name] for r in runs) for runs in times.values())
        print(f"{name:18}{before:10.4f}{after:10.4f}{after / before:8.3f}")
    print(f"load average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
