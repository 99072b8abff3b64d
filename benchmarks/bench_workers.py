"""How long a study would take with many workers: a model, from the seconds of units that were run.

    python benchmarks/bench_workers.py RECORDS [--units 3000] [--workers 1 2 10 30 100]

RECORDS is the `cache_dir` of a study. Units are drawn from it, and dealt out as a study does: in
waves of some units for each worker, a unit to whoever is free, the next wave once all of the last
one are done. Ratings travel once to each worker, and `--overhead` seconds are lost with each unit.
"""

import argparse
import heapq
import io
import json
from pathlib import Path

import numpy as np

from skrecsec.experiments._plan import _UNITS_PER_WORKER


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("--units", type=int, default=3000)
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2, 10, 30, 100])
    parser.add_argument("--overhead", type=float, default=0.05)
    args = parser.parse_args()
    known = [seconds_of(path) for path in sorted(args.records.glob("*.record"))]
    print(f"{len(known)} units known: {np.mean(known):.2f} s each, at most {max(known):.1f} s")
    seconds = np.random.default_rng(0).choice(known, args.units)
    for n_workers in args.workers:
        taken = study_seconds(seconds + args.overhead, n_workers)
        share = seconds.sum() / taken
        print(f"{n_workers:4} workers: {taken / 60:7.1f} min, {share:5.1f} times as fast as one")


def seconds_of(path):
    """Return the seconds that a unit took; a record begins with a line about the archive."""
    with path.open("rb") as file:
        file.readline()
        archive = np.load(io.BytesIO(file.read()))
    return json.loads(archive["json"].tobytes())["values"]["unit_seconds"]


def study_seconds(seconds, n_workers):
    """Return how long units take, wave after wave, each by the worker who is free first."""
    total, size = 0.0, _UNITS_PER_WORKER * n_workers
    for start in range(0, len(seconds), size):
        free = [0.0] * n_workers
        for unit in seconds[start : start + size]:
            heapq.heapreplace(free, free[0] + unit)
        total += max(free)
    return total


if __name__ == "__main__":
    main()
