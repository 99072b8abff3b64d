"""Seconds per epoch of the solvers, against a plain loop; `bench_peers.py` has other libraries.

The plain loop is what one would write first: random mini-batches of 2,048 samples through autograd
and `torch.optim`, pseudo-labels drawn up for all cells before each model's turn. Everything runs on
one thread, in turns, so that ratios hold on a busy machine.

With `--floor`, cooperative epochs by SGD instead, with one and two threads, against what their five
products of all cells would take as dense float32 products (two votes, one prediction, two updates).

    SKRECSEC_DATA=... python benchmarks/bench_epochs.py [--repeats 5] [--floor]
"""

import argparse
import statistics
import time

import numpy as np
import torch

from skrecsec.datasets import fetch_movielens_1m, fetch_movielens_100k
from skrecsec.training._data import RatingData, initial_factors
from skrecsec.training._minibatch import MinibatchSolver
from skrecsec.training._plans import plan_pairs, plan_tiles
from skrecsec.training._sgd import SGDSolver
from skrecsec.utils._threads import single_threaded

BATCH_SIZE = 2048  # the paper's
REG = 0.005


class PlainLoop:
    """Autograd and `torch.optim` over random mini-batches."""

    def __init__(self, data, user_factors, item_factors, optimiser):
        self.data = data
        self.models = [
            torch.nn.ModuleList(
                torch.nn.Embedding.from_pretrained(torch.tensor(f[j]), freeze=False)
                for f in (user_factors, item_factors)
            )
            for j in range(len(user_factors))
        ]
        self.optimisers = [optimiser(model.parameters()) for model in self.models]
        self.levels = torch.tensor(data.levels)
        self.midpoints = torch.tensor(data.midpoints)
        self.train = [torch.as_tensor(c.astype(t)) for c, t in zip(data.train, "llf", strict=True)]

    def run_samples(self, j, users, items, ratings):
        (P, Q), optimiser = self.models[j], self.optimisers[j]
        for batch in torch.randperm(len(ratings)).split(BATCH_SIZE):
            p, q = P(users[batch]), Q(items[batch])
            loss = (((p * q).sum(1) - ratings[batch]) ** 2).mean()
            loss = loss + REG * ((p**2).mean() + (q**2).mean())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def mf_epoch(self):
        self.run_samples(0, *self.train)

    def tcd_epoch(self):
        users, items, ratings = self.train
        unobserved = torch.ones(self.data.n_users, self.data.n_items, dtype=torch.bool)
        unobserved[users, items] = False
        for j in range(3):
            with torch.no_grad():
                first, second = (
                    torch.bucketize(P.weight @ Q.weight.T, self.midpoints)
                    for P, Q in (self.models[(j + 1) % 3], self.models[(j + 2) % 3])
                )
            pseudo_users, pseudo_items = (unobserved & (first == second)).nonzero(as_tuple=True)
            labels = self.levels[first[pseudo_users, pseudo_items]]
            self.run_samples(
                j,
                torch.cat([users, pseudo_users]),
                torch.cat([items, pseudo_items]),
                torch.cat([ratings, labels]),
            )


def solvers(data, seed=0):
    """Return the epochs to time by name: (what, how) -> callable."""
    rng = np.random.default_rng(seed)
    n_factors = 128

    def factors(n_models):
        return initial_factors(n_models, data.n_users, data.n_items, n_factors, rng)

    def minibatch(n_models, optimiser, learning_rate):
        return MinibatchSolver(
            data,
            *factors(n_models),
            optimiser=optimiser,
            learning_rate=learning_rate,
            reg=0.0,
            batch_size=BATCH_SIZE,
            device="cpu",
        )

    def mf(solver):
        return lambda: solver.run_pairs(plan_pairs(data, rng))

    def tcd(solver):
        for _ in range(3):  # votes of untrained models would cost less
            solver.run_pairs(plan_pairs(data, rng))

        def epoch():
            for j in range(3):
                solver.run_tiles(j, plan_tiles(data, 1.0, solver.tile_side, rng))

        return epoch

    def plain(n_models, optimiser):
        return PlainLoop(data, *factors(n_models), optimiser)

    def adam(parameters):
        return torch.optim.Adam(parameters, lr=1e-3)

    def adadelta(parameters):
        return torch.optim.Adadelta(parameters, lr=20, rho=0.95)

    return {
        ("MF", "plain loop, Adam"): plain(1, adam).mf_epoch,
        ("MF", "sgd"): mf(SGDSolver(data, *factors(1), learning_rate=0.02, reg=0.0)),
        ("MF", "adam"): mf(minibatch(1, "adam", 1e-3)),
        ("MF", "adadelta"): mf(minibatch(1, "adadelta", 20.0)),
        ("TCD", "plain loop, Adam"): plain(3, adam).tcd_epoch,
        ("TCD", "plain loop, Adadelta"): plain(3, adadelta).tcd_epoch,
        ("TCD", "sgd"): tcd(SGDSolver(data, *factors(3), learning_rate=0.05, reg=0.0)),
        ("TCD", "adam"): tcd(minibatch(3, "adam", 1e-3)),
        ("TCD", "adadelta"): tcd(minibatch(3, "adadelta", 20.0)),
    }


def product_rate(side=1536):
    """Return how many multiplications and additions a dense product does in a second."""
    A = np.ones((side, side), np.float32)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        A @ A
        seconds.append(time.process_time() - start)
    return 2 * side**3 / min(seconds)


def against_the_floor(name, X, repeats, n_factors=128):
    """Print seconds of cooperative epochs, by the wall and by the processor, and their floor."""
    data = RatingData.from_matrix(X, 0.1, np.random.default_rng(0))
    runs = {}
    for n_threads in (1, 2):
        rng = np.random.default_rng(1)
        factors = initial_factors(3, data.n_users, data.n_items, n_factors, rng)
        solver = SGDSolver(data, *factors, learning_rate=0.05, n_threads=n_threads)
        solver.run_pairs(plan_pairs(data, rng))
        runs[n_threads] = solver, rng, [], []
    rates = []
    for _ in range(repeats + 1):  # the first one compiles
        rates.append(product_rate())
        for solver, rng, wall, processor in runs.values():
            start = time.perf_counter(), time.process_time()
            for j in range(3):
                solver.run_tiles(j, plan_tiles(data, 1.0, solver.tile_side, rng))
            wall.append(time.perf_counter() - start[0])
            processor.append(time.process_time() - start[1])
    floor = 3 * 5 * 2 * n_factors * data.n_users * data.n_items / max(rates)
    print(f"{name}: floor {floor:.3f} s, at {max(rates) / 1e9:.0f} GFLOP/s")
    for n_threads, (solver, _, wall, processor) in runs.items():
        assert (solver.user_factors == runs[1][0].user_factors).all()
        best, median = min(wall[1:]), statistics.median(processor[1:])
        print(
            f"  {n_threads} thread(s): wall {best:.3f} s at best, processor {median:.3f} s, "
            f"{median / floor:.2f} x the floor"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--floor", action="store_true")
    args = parser.parse_args()
    if args.floor:
        with single_threaded():
            against_the_floor("MovieLens-100K", fetch_movielens_100k().ratings, args.repeats)
            against_the_floor("MovieLens-1M", fetch_movielens_1m().ratings, args.repeats)
        return
    X = fetch_movielens_100k().ratings
    data = RatingData.from_matrix(X, 0.1, np.random.default_rng(0))
    epochs = solvers(data)
    seconds = {name: [] for name in epochs}
    with single_threaded():
        for name, epoch in epochs.items():
            if not name[1].startswith("plain"):
                epoch()  # compile
        for _ in range(args.repeats):
            for name, epoch in epochs.items():
                start = time.perf_counter()
                epoch()
                seconds[name].append(time.perf_counter() - start)
    print(f"MovieLens-100K, one thread, median of {args.repeats}")
    for name, times in seconds.items():
        median = statistics.median(times)
        baselines = [n for n in seconds if n[0] == name[0] and n[1].startswith("plain")]
        own = [n for n in baselines if name[1] in n[1].lower()] or baselines[:1]
        ratio = statistics.median(b / t for b, t in zip(seconds[own[0]], times, strict=True))
        print(f"{name[0]:4} {name[1]:22} {median * 1e3:9.1f} ms   {ratio:6.1f} x")


if __name__ == "__main__":
    main()
