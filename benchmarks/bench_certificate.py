"""How many held-out items bagging recommends for certain, by the number of fake profiles.

MovieLens-100K, a quarter of each user's ratings held out. `--published` is a checkout of
https://github.com/liu00222/PORE-Provably-Robust-Recommender-Systems-against-Data-Poisoning-Attacks:
with it the split is that of its files, and what its votes of 100,000 models certify is added.

    python benchmarks/bench_certificate.py --cache-dir PATH [--data-home PATH] [--published PATH]
        [--setting few] [--models 100000] [--part 2000] [--json docs/certificate.json]

Models are counted in parts, each with a seed of its own from 0 on; those in `--cache-dir` are not
counted again, so that `--models`, a multiple of `--part`, may be raised later. `--json` is written
anew: a setting with as many models is replaced, all else kept. The tables and the figure of
docs/certificates.rst are made of it.
"""

import argparse
import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from bench_quality import TARGETS as BENCH_TARGETS

from skrecsec import BaggedRecommender, EASERecommender, PopularityRecommender
from skrecsec.datasets import fetch_movielens_100k
from skrecsec.recommenders._bagging_bounds import clean_share, confidence_bounds, kept_items
from skrecsec.utils._files import write_atomically
from skrecsec.utils._versions import package_versions

K = 10
CONFIDENCE = 0.999
N_FAKES = np.arange(51)
# Base model, users of each, length of its lists.
SETTINGS = {
    "many": (EASERecommender(100.0), 200, 1),
    "some": (EASERecommender(100.0), 30, 20),
    "few": (EASERecommender(100.0), 10, 20),
    "fewer": (EASERecommender(100.0), 5, 20),
    "popular": (PopularityRecommender(), 10, 20),
}
PUBLISHED = {"IR": "sar", "BPR": "bpr"}
N_PUBLISHED, USERS_PUBLISHED, LIST_PUBLISHED = 100_000, 200, 1
TARGETS = BENCH_TARGETS["ml-100k"]["unpopular"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache-dir", type=Path, required=True)
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--published", type=Path)
    parser.add_argument("--setting", nargs="*", default=[], choices=list(SETTINGS))
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--part", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    ratings = fetch_movielens_100k(data_home=args.data_home).ratings
    X, y = split(ratings, args.published)
    cells = {}
    if args.json and args.json.exists():
        known = json.loads(args.json.read_text(encoding="utf-8"))["cells"]
        cells = {(cell["name"], cell["n_models"]): cell for cell in known}
    for name in args.setting:
        ensemble = counted(X, name, args)
        cells[name, args.models] = measured(ensemble, X, y, name, args.published is not None)
    for name, folder in PUBLISHED.items() if args.published else ():
        votes = published_votes(args.published, folder, X.shape)
        held_out = published_items(args.published, folder, X.shape)
        cells[name, N_PUBLISHED] = published(votes, held_out, name)
    for cell in cells.values():
        print(
            cell["name"],
            cell["n_models"],
            *np.round(cell["precision"], 4)[[0, 1, 3, 5, 9, 19]],
            cell.get("seconds"),
        )
    if args.json:
        order = [*PUBLISHED, *SETTINGS]
        ordered = [cells[key] for key in sorted(cells, key=lambda key: (order.index(key[0]), key))]
        settings = {"k": K, "confidence": CONFIDENCE, "targets": TARGETS}
        figures = {
            "versions": package_versions("numpy", "scipy", "numba"),
            "settings": settings,
            "cells": ordered,
        }
        write_atomically(args.json, json.dumps(figures, indent=1) + "\n")


def split(ratings, folder):
    """Return training ratings and held-out items: the published ones, or a quarter at random."""
    if folder is None:
        # The places of a user's ratings, in random order; every fourth is held out.
        rng = np.random.default_rng(0)
        users = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        order = np.lexsort((rng.random(ratings.nnz), users))
        places = np.empty(ratings.nnz, dtype=np.int64)
        places[order] = np.arange(ratings.nnz) - ratings.indptr[users]
        is_held_out = places % 4 == 3
        pairs = (users[is_held_out], ratings.indices[is_held_out])
        held_out = sp.csr_array((np.ones(pairs[0].size), pairs), shape=ratings.shape)
    else:
        held_out = published_items(folder, "sar", ratings.shape)
    train = sp.csr_array(ratings - ratings * held_out)
    train.eliminate_zeros()
    return train, held_out


def folder_of(folder, base):
    return folder / "data" / "100k" / f"100k_{USERS_PUBLISHED}_1_{N_PUBLISHED}_{base}_default"


def published_items(folder, base, shape):
    with (folder_of(folder, base) / "test_1.csv").open() as lines:
        pairs = np.array([(int(r["userID"]), int(r["itemID"])) for r in csv.DictReader(lines)]) - 1
    return sp.csr_array((np.ones(len(pairs)), tuple(pairs.T)), shape=shape)


def published_votes(folder, base, shape):
    votes = np.zeros(shape, dtype=np.int64)
    text = (folder_of(folder, base) / "frequency_aggregation_1.txt").read_text()
    for user, line in enumerate(text.splitlines()):
        for item, count in re.findall(r"\((\d+),(\d+)\)", line):
            votes[user, int(item) - 1] = int(count)
    return votes


class Counted(BaggedRecommender):
    """An ensemble whose votes for its training profiles are known."""

    def _votes(self, X):
        return self.votes


def counted(X, name, args):
    """Return an ensemble of all models, counted part by part."""
    base, n_users, list_size = SETTINGS[name]
    total, seconds = np.zeros(X.shape, dtype=np.int64), 0.0
    options = {"max_users": n_users, "list_size": list_size, "keep_models": False}
    source = "published" if args.published else "drawn"  # of the split
    for seed in range(args.models // args.part):
        path = args.cache_dir / f"{name}-{source}-{args.part}-{seed}.npz"
        if not path.exists():
            start = time.process_time()
            part = BaggedRecommender(base, n_estimators=args.part, random_state=seed, **options)
            # A share of votes, and less than half a vote for what is popular.
            votes = np.floor(part.fit(X).predict(X) * args.part + 0.25).astype(np.int32)
            spent = time.process_time() - start
            print(f"{path.stem}: {1000 * spent / args.part:.1f} ms a model", flush=True)
            np.savez_compressed(path, votes=votes, seconds=spent)
        with np.load(path) as found:
            total += found["votes"]
            seconds += float(found["seconds"])
    ensemble = Counted(base, n_estimators=1, **options, random_state=0).fit(X)
    ensemble.subsets_ = np.broadcast_to(ensemble.subsets_, (args.models, n_users))
    ensemble.votes, ensemble.seconds = total, seconds
    return ensemble


def measured(ensemble, X, y, name, is_published):
    found = ensemble.certify(
        X, y, n_fakes=N_FAKES, target_items=TARGETS, k=K, confidence=CONFIDENCE
    )
    unrated = X[:, TARGETS].toarray() == 0
    safe = [(found.safe_fakes >= n)[unrated].mean() for n in N_FAKES]
    base, n_users, list_size = SETTINGS[name]
    return {
        "name": name,
        "base": str(base),
        "split": "published" if is_published else "drawn",
        "n_models": len(ensemble.subsets_),
        "n_votes": len(ensemble.subsets_),
        "max_users": n_users,
        "list_size": list_size,
        "seconds": round(ensemble.seconds),
        "clean": clean_precision(ensemble.votes, X, y),
        **curves(found.n_hits, y),
        "kept": _rounded(found.n_kept.mean(axis=0) / K),
        "safe": _rounded(safe),
    }


def published(votes, y, name):
    """Return what the published votes certify, of models that vote for their own users alone.

    Given that a user is drawn, the others are a random subset one smaller of all others.
    """
    n_users, n_items = votes.shape
    lower, upper = confidence_bounds(N_PUBLISHED, (1 - CONFIDENCE) / (n_users * n_items))
    is_held_out = y.toarray() > 0
    scale = n_users / USERS_PUBLISHED
    listed = -np.sort(-np.where(is_held_out, lower[votes], 0), axis=1)[:, :K] * scale
    others = -np.sort(-np.where(is_held_out, 0, upper[votes]), axis=1)[:, :K] * scale
    shares = clean_share(n_users - 1, USERS_PUBLISHED - 1, N_FAKES)
    n_hits = np.array([kept_items(listed, others, share, LIST_PUBLISHED) for share in shares]).T
    return {
        "name": name,
        "base": name,
        "split": "published",
        "n_models": N_PUBLISHED,
        "n_votes": round(votes.sum(axis=1).mean() / LIST_PUBLISHED),
        "max_users": USERS_PUBLISHED,
        "list_size": LIST_PUBLISHED,
        "clean": clean_precision(votes, None, y),
        **curves(n_hits, y),
    }


def clean_precision(votes, X, y):
    """Return the precision without fakes."""
    best = np.argsort(-votes, axis=1, kind="stable")[:, :K]
    return float(np.take_along_axis(y.toarray() > 0, best, axis=1).mean())


def curves(n_hits, y):
    """Return certified precision, recall and F1 for each number of fakes."""
    n_held_out = np.diff(y.indptr)[:, np.newaxis]
    return {
        "precision": _rounded((n_hits / K).mean(axis=0)),
        "recall": _rounded((n_hits / n_held_out).mean(axis=0)),
        "f1": _rounded((2 * n_hits / (K + n_held_out)).mean(axis=0)),
    }


def _rounded(values):
    return np.round(values, 5).tolist()


if __name__ == "__main__":
    main()
