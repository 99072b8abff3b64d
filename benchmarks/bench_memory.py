"""Peak memory and time of a fit, in a process of its own.

    python benchmarks/bench_memory.py movielens-1m tcd --pseudo-label-ratio 0.2
    python benchmarks/bench_memory.py large mf
    python benchmarks/bench_memory.py large tcd --pseudo-label-ratio 0.0005

`large` is a generated matrix of 200,000 x 100,000 with 5 million ratings. Linux only.
"""

import argparse
import resource
import time

from skrecsec import MFRecommender, TCDRecommender
from skrecsec.datasets import fetch_movielens_1m, make_ratings


def peak_megabytes():
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=["movielens-1m", "large"])
    parser.add_argument("model", choices=["mf", "tcd"])
    parser.add_argument("--pseudo-label-ratio", type=float, default=0.2)
    parser.add_argument("--max-iter", type=int, default=40)
    args = parser.parse_args()
    imported = peak_megabytes()
    if args.dataset == "large":
        X = make_ratings(200_000, 100_000, density=5e6 / 2e10, random_state=0)
    else:
        X = fetch_movielens_1m().ratings
    loaded = peak_megabytes()
    if args.model == "mf":
        recommender = MFRecommender(max_iter=args.max_iter, random_state=0)
    else:
        recommender = TCDRecommender(
            max_iter=args.max_iter,
            pseudo_label_ratio=args.pseudo_label_ratio,
            random_state=0,
        )
    start = time.perf_counter()
    recommender.fit(X)
    seconds = time.perf_counter() - start
    fitted = peak_megabytes()
    recommender.recommend(X[:1000])
    print(
        f"{args.dataset} {args.model}: {X.shape[0]} x {X.shape[1]}, {X.nnz} ratings; "
        f"{recommender.n_iter_} epochs in {seconds:.1f} s; peak {fitted:.0f} MB, "
        f"{fitted - imported:.0f} above import, {fitted - loaded:.0f} above loading; "
        f"{peak_megabytes():.0f} MB after recommending to 1000 users"
    )


if __name__ == "__main__":
    main()
