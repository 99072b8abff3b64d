"""Seconds per epoch of training, beside other libraries, in turns and on one thread.

Matrix factorisation by SGD on ratings: of this library, cornac and Surprise. BPR: of this library,
`implicit`, cornac and RecBole; and, for scale, sweeps of the least squares of `implicit`. All see
the same ratings and have as many factors; a fit of several epochs is divided by their number, so
that what a library prepares before counts with all. What is not installed is left out, and named;
RecBole needs tensorboard, too.

    SKRECSEC_DATA=... python benchmarks/bench_peers.py [--dataset ml-100k ml-1m] [--repeats 5]
"""

import argparse
import logging
import statistics
import time
import warnings

from suite.peers import MAKERS, N_EPOCHS, OURS

from skrecsec.datasets import fetch_movielens_1m, fetch_movielens_100k
from skrecsec.utils._threads import single_threaded

FETCHERS = {"ml-100k": fetch_movielens_100k, "ml-1m": fetch_movielens_1m}


def fits_of(X):
    """Return what fits each model of each library, by model and library; name what is absent."""
    fits = {}
    for name, make in MAKERS.items():
        try:
            fits[name] = make(X)
        except ImportError as error:
            print(f"{' of '.join(name)} left out: {error}")
    return fits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", nargs="*", choices=list(FETCHERS), default=["ml-100k"])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for dataset in args.dataset:
        fits = fits_of(FETCHERS[dataset]().ratings)
        seconds = {name: [] for name in fits}
        with single_threaded():
            for repeat in range(args.repeats + 1):  # the first one compiles
                for name, fit in fits.items():
                    start = time.process_time()
                    fit()
                    if repeat:
                        seconds[name].append((time.process_time() - start) / N_EPOCHS[name[0]])
        print(f"{dataset}, one thread, median of {args.repeats}")
        for (model, library), times in seconds.items():
            line = f"{model:4} {library:10} {statistics.median(times) * 1e3:9.1f} ms an epoch"
            if (model, OURS) in seconds and library != OURS:
                own = seconds[model, OURS]
                ratios = [t / o for t, o in zip(times, own, strict=True)]
                line += f", {statistics.median(ratios):.2f} x ours"
            print(line)


if __name__ == "__main__":
    main()
