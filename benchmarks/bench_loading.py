"""Time and peak memory of `load_ratings`, on one core, in a process of its own per source.

    python benchmarks/bench_loading.py
    python benchmarks/bench_loading.py --sources csv parquet --readers polars pandas --ids string

Ratings of 140,000 users and 30,000 items, as skewed as real ones and with a timestamp each. A data
frame is read from Parquet before the clock starts, its memory counts. Linux only.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FRAMES = ("pandas", "polars", "pyarrow")
FILES = ("csv", "csv.gz", "dat", "parquet")
COLUMNS = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
POSITIONS = {"user": 0, "item": 1, "rating": 2, "timestamp": 3}


def make_file(folder, source, ids, n_rows):
    """Write ratings in random order, a few pairs of them repeated."""
    import polars as pl

    rng = np.random.default_rng(0)
    users = (140_000 * rng.random(n_rows) ** 2).astype(np.int64)
    items = (30_000 * rng.random(n_rows) ** 3).astype(np.int64)
    frame = pl.DataFrame(
        {
            "user": users,
            "item": items,
            "rating": rng.integers(1, 11, n_rows) / 2,
            "timestamp": rng.integers(8 * 10**8, 16 * 10**8, n_rows),
        }
    )
    if ids == "string":
        frame = frame.with_columns(
            pl.format("user-{}-of-them", "user").alias("user"),
            pl.format("item-{}", "item").alias("item"),
        )
    if source == "csv":
        frame.write_csv(folder / "ratings.csv")
    elif source == "csv.gz":
        frame.write_csv(folder / "ratings.csv")
        subprocess.run(["gzip", "-1", folder / "ratings.csv"], check=True)
    elif source == "dat":
        text = frame.write_csv(include_header=False).replace(",", "::")
        (folder / "ratings.dat").write_text(text)
    else:
        frame.write_parquet(folder / "ratings.parquet")


def measure(folder, source, reader):
    from skrecsec.datasets import _load_files, load_ratings

    if reader:
        _load_files._TEXT_READERS = _load_files._PARQUET_READERS = (reader,)
    if source == "pandas":
        import pandas

        data = pandas.read_parquet(folder / "ratings.parquet")
    elif source == "polars":
        import polars

        data = polars.read_parquet(folder / "ratings.parquet")
    elif source == "pyarrow":
        from pyarrow import parquet

        data = parquet.read_table(folder / "ratings.parquet")
    else:
        data = folder / f"ratings.{source}"
    before = peak_megabytes()
    start, cpu_start = time.perf_counter(), time.process_time()
    columns = POSITIONS if source == "dat" else COLUMNS
    dataset = load_ratings(data, **columns, repeated="last")
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    print(
        f"{source:8} {reader or '':8} {dataset.ratings.nnz:,} ratings, {seconds:5.1f} s "
        f"({cpu_seconds:.1f} of processor time), "
        f"peak {peak_megabytes():,.0f} MB, {before:,.0f} MB of them before",
        flush=True,
    )


def peak_megabytes():
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", nargs="+", choices=FRAMES + FILES, default=FRAMES + FILES)
    parser.add_argument("--readers", nargs="+", choices=FRAMES, default=[""], help="of files")
    parser.add_argument("--ids", choices=["int", "string"], default="int")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        folder, step, reader = args.step
        if step.startswith("make-"):
            make_file(Path(folder), step.removeprefix("make-"), args.ids, args.rows)
        else:
            measure(Path(folder), step, reader)
        return
    one_core = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # which child processes inherit
    command = [sys.executable, __file__, "--ids", args.ids, "--rows", str(args.rows), "--step"]
    for source in args.sources:
        with tempfile.TemporaryDirectory() as folder:
            file = "parquet" if source in FRAMES else source
            readers = [""] if source in FRAMES else args.readers
            for step, reader in ((f"make-{file}", ""), *((source, reader) for reader in readers)):
                subprocess.run(
                    [*command, folder, step, reader], env={**os.environ, **one_core}, check=True
                )


if __name__ == "__main__":
    main()
