"""Seconds of processor time that starting takes: imports, and the command from its first line on.

    python benchmarks/bench_startup.py
    python benchmarks/bench_startup.py --runs 11 --cases import command

Each is a process of its own, on one thread, with what Numba compiled kept by a run before; the
median of five. The command is ``python -m skrecsec``, whose ratings are generated.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

CASES = {
    "python": ["-c", ""],
    "numba": ["-c", "import numba"],
    "sklearn.base": ["-c", "import sklearn.base"],
    "import": ["-c", "import skrecsec"],
    "recommender": ["-c", "from skrecsec import MFRecommender"],
    "everything": ["-c", "from skrecsec import *"],
    "help": ["-m", "skrecsec", "--help"],
    "command": ["-m", "skrecsec"],
}


def processor_seconds(arguments):
    """Return the processor time of a Python process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for case in arguments.cases:
        processor_seconds(CASES[case])  # compiles, and brings the files into memory
    seconds = {case: [] for case in arguments.cases}
    for _ in range(arguments.runs):  # in turns, so that what else the machine does hits all alike
        for case in arguments.cases:
            seconds[case].append(processor_seconds(CASES[case]))
    for case, values in seconds.items():
        print(f"{case:14}{statistics.median(values):8.2f} s   {' '.join(CASES[case])}")


if __name__ == "__main__":
    main()
