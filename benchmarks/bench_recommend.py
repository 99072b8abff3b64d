"""Recommending to all users of MovieLens-1M, beside `implicit`, both folding their users in.

    python benchmarks/bench_recommend.py

Processor time on one thread, interleaved; needs the extra `implicit`.
"""

import time
import warnings

import implicit
import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from skrecsec import MFRecommender
from skrecsec.datasets import fetch_movielens_1m

N_FACTORS = 128


def main(n_rounds=7):
    warnings.simplefilter("ignore")
    X = fetch_movielens_1m().ratings
    ours = MFRecommender(N_FACTORS, max_iter=3, random_state=0).fit(X)
    Y = sp.csr_matrix(X, dtype=np.float32)  # it takes no sparse arrays
    als = implicit.als.AlternatingLeastSquares(
        factors=N_FACTORS, iterations=2, num_threads=1, random_state=0
    )
    users = np.arange(X.shape[0])
    calls = (
        lambda: ours.recommend(X, k=50),
        lambda: als.recommend(users, Y, N=50, recalculate_user=True),
    )
    with threadpool_limits(1):
        als.fit(Y, show_progress=False)
        seconds = np.array([[processor_time(call) for call in calls] for _ in range(n_rounds + 1)])
    seconds = seconds[1:]  # the first compiles
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    print(f"skrecsec, implicit: {np.median(seconds, axis=0).round(2)} s; median ratio {ratio:.2f}")


def processor_time(call):
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    main()
