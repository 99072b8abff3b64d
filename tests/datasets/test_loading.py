"""Ratings of one's own: every kind of source, every rule, and the way back to ids."""

import datetime as dt
import errno
import gzip
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sklearn.utils import Bunch

from skrecsec import MFRecommender
from skrecsec.datasets import (
    _load_columns,
    _load_files,
    fetch_filmtrust,
    fetch_movielens_1m,
    fetch_movielens_100k,
    load_ratings,
    recommendations_to_frame,
)
from skrecsec.model_selection import leave_one_out_split
from skrecsec.utils.validation import check_ratings

COLUMNS = {"user": "who", "item": "what", "rating": "stars", "timestamp": "when"}
POSITIONS = {"user": 1, "item": 0, "rating": 3, "timestamp": 2}
ORDER = ("what", "who", "when", "stars")  # of the columns


def make_rows(n_rows=3000, seed=0):
    """Return rows (user, item, rating, time) with many repeated pairs, in no order."""
    rng = np.random.default_rng(seed)
    return [
        (f"user {rng.integers(70)}", int(rng.integers(-9, 40)), rng.integers(1, 11) / 2, int(time))
        for time in rng.permutation(n_rows) // 500 + 10**9
    ]


def to_columns(rows):
    users, items, ratings, times = (list(column) for column in zip(*rows, strict=True))
    return {"what": items, "who": users, "when": times, "stars": ratings}


def to_lines(rows, separator, header=True):
    lines = [separator.join(ORDER)] if header else []
    lines += [separator.join(map(str, (i, u, t, r))) for u, i, r, t in rows]
    return "\n".join(lines) + "\n"


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas-objects": lambda columns: pd.DataFrame(columns, dtype=object),
    "pandas-categories": lambda columns: pd.DataFrame(columns).astype({"who": "category"}),
    "pandas-shuffled-index": lambda columns: pd.DataFrame(columns, index=[7] * len(columns["who"])),
    "polars": pl.DataFrame,
    "polars-lazy": pl.LazyFrame,
    "polars-categories": lambda columns: pl.DataFrame(columns).cast({"who": pl.Categorical}),
    "pyarrow": pa.table,
    "pyarrow-chunks": lambda columns: pa.concat_tables(
        pa.table({name: column[part] for name, column in columns.items()})
        for part in (slice(0, 100), slice(100, None))
    ),
    "pyarrow-dictionaries": lambda columns: pa.concat_tables(
        pa.table({**columns, "who": pa.array(columns["who"]).dictionary_encode()}).slice(*part)
        for part in ((0, 100), (100, None))
    ),
    "narwhals": lambda columns: nw.from_native(pd.DataFrame(columns)),
}
FILES = {
    "ratings.csv": (",", True),
    "ratings.tsv": ("\t", True),
    "ratings.dat": ("::", False),
    "semicolons.csv": (";", True),
    "pipes.txt": ("|", False),
}


def brute_force(rows, repeated):
    """Return {(user, item): (rating, time)}, pair by pair."""
    observations = defaultdict(list)
    for user, item, rating, when in rows:
        observations[user, item].append((rating, when))
    kept = {}
    for pair, found in observations.items():
        ratings, times = zip(*found, strict=True)
        if repeated == "first":
            kept[pair] = found[0]
        elif repeated == "last":
            kept[pair] = found[-1]
        elif repeated == "latest":
            kept[pair] = [each for each in found if each[1] == max(times)][-1]
        else:
            function = {"mean": np.mean, "max": max, "sum": sum}[repeated]
            kept[pair] = (function(ratings), max(times))
    return kept


def to_dict(dataset):
    """Return {(user, item): (rating, time)} out of the matrices."""
    matrix, times = dataset.ratings, dataset.timestamps
    users = np.repeat(dataset.user_ids, np.diff(matrix.indptr)).tolist()
    items = dataset.item_ids[matrix.indices].tolist()
    values = zip(matrix.data.tolist(), times.data.tolist(), strict=True)
    return dict(zip(zip(users, items, strict=True), values, strict=True))


def check_dataset(dataset):
    """Check what holds of every dataset."""
    assert isinstance(dataset, Bunch)
    checked = check_ratings(dataset.ratings)
    assert dataset.ratings.dtype == np.float64
    assert dataset.ratings.format == "csr"
    assert dataset.ratings.has_sorted_indices
    assert dataset.ratings.shape == (len(dataset.user_ids), len(dataset.item_ids))
    assert np.diff(checked.indptr).min() >= 1
    assert np.bincount(checked.indices, minlength=len(dataset.item_ids)).min() >= 1
    if dataset.timestamps is not None:
        assert np.array_equal(dataset.timestamps.indices, dataset.ratings.indices)
        assert np.array_equal(dataset.timestamps.indptr, dataset.ratings.indptr)
        assert not np.shares_memory(dataset.timestamps.indices, dataset.ratings.indices)


def load(columns, **parameters):
    """Load from a pandas data frame of the columns user, item, rating and perhaps timestamp."""
    frame = pd.DataFrame(columns)
    wanted = {"user": "user", "item": "item", "rating": "rating"}
    if "timestamp" in frame:
        wanted["timestamp"] = "timestamp"
    return load_ratings(frame, **{**wanted, **parameters})


# --- sources ---


@pytest.mark.parametrize("kind", FRAMES)
def test_data_frames_of_every_library(kind):
    rows = make_rows()
    dataset = load_ratings(FRAMES[kind](to_columns(rows)), **COLUMNS, repeated="last")
    check_dataset(dataset)
    assert to_dict(dataset) == brute_force(rows, "last")
    assert dataset.user_ids.tolist() == sorted({user for user, *_ in rows})
    assert dataset.item_ids.tolist() == sorted({item for _, item, *_ in rows})
    assert dataset.item_ids.dtype == (object if kind == "pandas-objects" else np.int64)
    assert dataset.timestamps.dtype == np.int64


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("reader", ["pyarrow", "polars", "pandas"])
@pytest.mark.parametrize("name", FILES)
def test_text_files(name, reader, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(_load_files, "_TEXT_READERS", (reader,))
    rows = make_rows()
    separator, header = FILES[name]
    text = to_lines(rows, separator, header).encode()
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(text) if packed else text)
    dataset = load_ratings(path, **(COLUMNS if header else POSITIONS), repeated="last")
    check_dataset(dataset)
    assert to_dict(dataset) == brute_force(rows, "last")
    assert dataset.item_ids.dtype == dataset.timestamps.dtype == np.int64
    assert path.name in dataset.DESCR


@pytest.mark.parametrize("reader", ["pyarrow", "polars"])
@pytest.mark.parametrize("columns", [COLUMNS, POSITIONS])
def test_parquet_files(reader, columns, tmp_path, monkeypatch):
    monkeypatch.setattr(_load_files, "_PARQUET_READERS", (reader,))
    rows = make_rows()
    path = tmp_path / "no_suffix [1]"
    parquet.write_table(pa.table({name: to_columns(rows)[name] for name in ORDER}), path)
    dataset = load_ratings(str(path), **columns, repeated="last")
    check_dataset(dataset)
    assert to_dict(dataset) == brute_force(rows, "last")


@pytest.mark.parametrize("reader", ["pyarrow", "polars", "pandas"])
def test_text_files_in_detail(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(_load_files, "_TEXT_READERS", (reader,))
    path = tmp_path / "ratings.csv"
    # A byte-order mark, quotes, line ends of Windows, blank lines, names of other columns.
    lines = [
        'title,"who",what,stars',
        '"a, b","a, b",007,3.5',
        "",
        'x,NA,7,"2"',
        ',"",7,1',
        ",z,7,",
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    columns = {"user": "who", "item": "what", "rating": "stars"}
    with pytest.raises(ValueError, match=r"1 in column 'who', 1 in column 'stars', of 4 rows"):
        load_ratings(path, **columns)
    dataset = load_ratings(path, **columns, missing="drop")
    assert dataset.user_ids.tolist() == ["NA", "a, b"]
    assert dataset.item_ids.tolist() == ["007", "7"]
    assert dataset.ratings.toarray().tolist() == [[0, 2], [3.5, 0]]


@pytest.mark.parametrize("reader", ["pyarrow", "polars", "pandas"])
@pytest.mark.parametrize("bad_line", ["1,2,3,4", "1,2"])
@pytest.mark.parametrize("which", ["first", "last", "all"])
def test_lines_of_another_length_are_refused(reader, bad_line, which, tmp_path, monkeypatch):
    monkeypatch.setattr(_load_files, "_TEXT_READERS", (reader,))
    path = tmp_path / "ratings.csv"
    lines = {"first": [bad_line, "1,1,5"], "last": ["1,1,5", bad_line], "all": [bad_line]}[which]
    path.write_text("\n".join(["u,i,r", *lines]))
    with pytest.raises(ValueError, match=r"ratings\.csv cannot be read as text|1 in column 'r'"):
        load_ratings(path, user="u", item="i", rating="r")


@pytest.mark.parametrize(
    ("line", "parameters", "expected"),
    [
        ("u;i;r\n1;2,5;4\n", {"user": "u", "item": "i", "rating": "r"}, "2,5"),
        ("a:b::2,5::4\n", {"user": 0, "item": 1, "rating": 2}, "2,5"),
        ("x::y::z,2.5,4\n", {"user": 0, "item": 1, "rating": 2}, "2.5"),  # of the suffix, first
        ("\ufeffi,u,r\n1,2,4\n", {"user": "u", "item": "i", "rating": "r"}, 1),
        ("\ufeff1,2,4\n", {"user": 1, "item": 0, "rating": 2}, 1),
        ("1 2,5 4\n", {"user": 0, "item": 1, "rating": 2}, "2,5"),
        ("1\t2,5\t4\n", {"user": "u", "item": "i", "rating": "r", "names": "uir"}, "2,5"),
        ("1/2,5/4\n", {"user": 0, "item": 1, "rating": 2, "separator": "/"}, "2,5"),
        ("1<>2,5<>4\n", {"user": 0, "item": 1, "rating": 2, "separator": "<>"}, "2,5"),
    ],
)
@pytest.mark.parametrize("reader", ["pyarrow", "polars", "pandas"])
def test_the_separator_is_the_one_that_finds_the_columns(
    line, parameters, expected, reader, tmp_path, monkeypatch
):
    monkeypatch.setattr(_load_files, "_TEXT_READERS", (reader,))
    path = tmp_path / "ratings.csv"
    path.write_text(line, encoding="utf-8")
    dataset = load_ratings(path, **parameters)
    assert dataset.item_ids.tolist() == [expected]
    assert dataset.ratings.toarray().tolist() == [[4.0]]


def test_a_long_file_in_which_separators_are_replaced(tmp_path):
    # Longer than the blocks in which that happens, which must not cut a separator in two.
    path = tmp_path / "ratings.dat"
    rows = [(f"u{k}" + "x" * (k % 50), k % 7, 1 + k % 5, k) for k in range(60_000)]
    path.write_text(to_lines(rows, "::", header=False))
    assert path.stat().st_size > 2 * _load_files._BLOCK_BYTES
    dataset = load_ratings(path, **POSITIONS)
    assert to_dict(dataset) == brute_force(rows, "last")


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.csv").write_text("u,i,r\n1,2,3\n")
    assert load_ratings("~/mine.csv", user="u", item="i", rating="r").ratings.nnz == 1


def test_columns_by_position_in_frames():
    frame = pd.DataFrame([["a", "x", 2.0]])  # whose columns are called 0, 1 and 2
    assert load_ratings(frame, user=1, item=0, rating=2).user_ids.tolist() == ["x"]
    frame = pl.DataFrame({"a": ["x"], "b": ["y"], "c": [2.0]})
    assert load_ratings(frame, user=1, item=0, rating=2).user_ids.tolist() == ["y"]


@pytest.mark.parametrize(
    ("fetch", "file", "parameters"),
    [
        (fetch_movielens_100k, "ml-100k/u.data", {"timestamp": 3}),
        (fetch_movielens_1m, "ml-1m/ratings.dat", {"timestamp": 3}),
        (fetch_filmtrust, "filmtrust/ratings.txt", {"repeated": "last", "min_user_ratings": 15}),
    ],
)
def test_the_files_of_the_fetchers(fetch, file, parameters, data_home):
    expected = fetch(data_home=data_home)
    dataset = load_ratings(data_home / file, user=0, item=1, rating=2, **parameters)
    assert np.array_equal(dataset.user_ids, expected.user_ids)
    order = np.argsort(expected.item_ids)
    assert np.array_equal(dataset.item_ids, expected.item_ids[order])
    assert (dataset.ratings != expected.ratings[:, order]).nnz == 0
    if expected.timestamps is not None:
        assert (dataset.timestamps != expected.timestamps[:, order]).nnz == 0


# --- ids and times ---

UUIDS = [uuid.UUID(int=5), uuid.UUID(int=2**100), uuid.UUID(int=0)]
DATES = [dt.date(2020, 5, 1), dt.date(1999, 1, 2), dt.date(2020, 1, 1)]
MOMENTS = [dt.datetime(2020, 5, 1, 3), dt.datetime(1999, 1, 2), dt.datetime(2020, 1, 1)]
LIBRARIES = {
    "pandas": lambda ids: pd.DataFrame({"u": pd.Series(ids)}),
    "objects": lambda ids: pd.DataFrame({"u": pd.Series(ids, dtype=object)}),
    "polars": lambda ids: pl.DataFrame({"u": pl.Series(ids)}),
    "pyarrow": lambda ids: pa.table({"u": pa.array(ids)}),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "ids",
    [
        [3, -1, 2**40],
        [2.5, -1.0, 0.25],
        ["é", "", "a"],
        ["10", "9", "010"],
        ["a" * 5000, "b", "c\0"],
        [b"y", b"x", b"\xff"],
        [Decimal("1.50"), Decimal("1.25"), Decimal("-7.00")],
        UUIDS,
        DATES,
        MOMENTS,
        [moment.replace(tzinfo=dt.UTC) for moment in MOMENTS],
    ],
    ids=lambda ids: type(ids[0]).__name__,
)
def test_ids_of_any_type(ids, library):
    frame = LIBRARIES[library]([*ids, ids[0]])
    items = [1, 1, 1, 2]
    if library == "pyarrow":
        frame = frame.append_column("i", pa.array(items))
    else:
        frame = nw.from_native(frame)
        column = nw.new_series("i", items, nw.Int64, backend=frame.implementation)
        frame = frame.with_columns(column).to_native()
    dataset = load_ratings(frame, user="u", item="i", rating=None)
    found = dataset.user_ids
    if found.dtype == "datetime64[ns]":
        found = found.astype("datetime64[us]")  # older pandas has nanoseconds, which become ints
    assert found.tolist() == sorted(ids)
    # Who has two ratings is the id that stands in two rows.
    assert found[dataset.ratings.sum(axis=1) == 2].tolist() == [ids[0]]
    backend = library if library in ("polars", "pyarrow") else "pandas"
    back = recommendations_to_frame([[0], [0], [0]], dataset, backend=backend)
    assert nw.from_native(back)["user"].to_list() == sorted(ids)


def test_ids_of_several_types_are_kept_apart():
    ids = ["1", 1, "a", 10, 9, UUIDS[0]]
    dataset = load({"user": pd.Series(ids, dtype=object), "item": 1, "rating": 1})
    assert dataset.user_ids.tolist() == [UUIDS[0], 1, 9, 10, "1", "a"]


def test_whole_numbers_in_text_files_are_numbers_only_if_nothing_is_lost(tmp_path):
    path = tmp_path / "ratings.csv"
    for ids, expected in (
        (["10", "9", "-3"], [-3, 9, 10]),
        (["10", "9", "03"], ["03", "10", "9"]),
        (["10", "9", "9223372036854775808"], ["10", "9", "9223372036854775808"]),
        (["10", "9", "1e3"], ["10", "1e3", "9"]),
    ):
        path.write_text("u,i,r\n" + "".join(f"{user},1,1\n" for user in ids))
        dataset = load_ratings(path, user="u", item="i", rating="r")
        assert dataset.user_ids.tolist() == expected


SECONDS = [1588302000, 915235200, 1577836800]  # of MOMENTS


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([5, -3, 2**62 + 1], None),
        ([5.5, -3.0, 1e9], None),
        (["5", "-3", "1588302000"], [5, -3, 1588302000]),
        (["5", "-3.5", "1e3"], [5.0, -3.5, 1000.0]),
        (MOMENTS, SECONDS),
        ([moment.replace(tzinfo=dt.UTC) for moment in MOMENTS], SECONDS),
        ([moment.replace(microsecond=250_000) for moment in MOMENTS], [s + 0.25 for s in SECONDS]),
        (DATES, [1588291200, 915235200, 1577836800]),
        ([date.isoformat() for date in DATES], [1588291200, 915235200, 1577836800]),
        ([moment.isoformat() for moment in MOMENTS], SECONDS),
        ([moment.isoformat(" ") + "Z" for moment in MOMENTS], SECONDS),
        (["2020-05-01T05:00:00+02:00", "1999-01-02", "2020-01-01T00:00:00"], SECONDS),
        (["2020-05-01T03:00:00.5", "1999-01-02", "2020-01-01"], [1588302000.5, *SECONDS[1:]]),
    ],
)
def test_times_of_any_type(times, expected, library):
    if library == "objects" and times[-1] == 2**62 + 1:
        times = [5, -3, 2**53]  # as Python objects they are read as floats
    expected = times if expected is None else expected
    frame = nw.from_native(LIBRARIES[library](times)).rename({"u": "t"})
    wanted = {"i": [0, 1, 2], "u": [1, 1, 1]}
    series = [
        nw.new_series(name, values, nw.Int64, backend=frame.implementation)
        for name, values in wanted.items()
    ]
    frame = frame.with_columns(*series).to_native()
    dataset = load_ratings(frame, user="u", item="i", rating=None, timestamp="t")
    assert dataset.timestamps.data.tolist() == expected
    is_whole = all(float(time).is_integer() for time in expected)
    assert dataset.timestamps.dtype == (np.int64 if is_whole else np.float64)


def test_times_whose_nanoseconds_are_cut_off():
    times = pd.Series(["2020-01-01T00:00:00.123456789"]).astype("datetime64[ns]")
    dataset = load({"user": [1], "item": [1], "rating": [1], "timestamp": times})
    assert dataset.timestamps.data.tolist() == [1577836800.123456]


def test_times_in_categories():
    times = pd.Series(MOMENTS).astype("datetime64[ns]").astype("category")
    dataset = load({"user": 1, "item": [1, 2, 3], "rating": 1, "timestamp": times})
    assert dataset.timestamps.data.tolist() == SECONDS
    times = pa.array(MOMENTS, pa.timestamp("ns")).dictionary_encode()
    frame = pa.table({"u": [1, 1, 1], "i": [1, 2, 3], "t": times})
    dataset = load_ratings(frame, user="u", item="i", rating=None, timestamp="t")
    assert dataset.timestamps.data.tolist() == SECONDS


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process is fixed")
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_time_zone_of_the_machine_does_not_matter(library, monkeypatch):
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            test_times_of_any_type(MOMENTS, SECONDS, library)
            test_times_of_any_type([str(moment) for moment in MOMENTS], SECONDS, library)
    finally:
        time.tzset()


def test_dictionaries_that_hold_a_value_twice():
    users = pa.DictionaryArray.from_arrays([0, 1, 2, 2], ["b", "a", "b"])
    frame = pa.table({"u": users, "i": [1, 2, 3, 4]})
    assert load_ratings(frame, user="u", item="i", rating=None).user_ids.tolist() == ["a", "b"]


def test_unsigned_times_that_are_too_large_for_int64():
    times = np.array([2**64 - 1], dtype=np.uint64)
    dataset = load({"user": [1], "item": [1], "rating": [1], "timestamp": times})
    assert dataset.timestamps.data.tolist() == [2.0**64]


def test_leave_one_out_by_time():
    rows = make_rows(n_rows=1000)
    rows = [(*row[:3], 10**9 + k) for k, row in enumerate(rows)]  # no two at the same time
    dataset = load_ratings(pl.DataFrame(to_columns(rows)), **COLUMNS, repeated="latest")
    X_train, y = leave_one_out_split(dataset.ratings, timestamps=dataset.timestamps)
    latest = {}
    for user, item, _, _ in rows:
        latest[user] = item
    assert dict(zip(dataset.user_ids, dataset.item_ids[y], strict=True)) == latest
    assert X_train.nnz == dataset.ratings.nnz - len(latest)


# --- rules ---


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("repeated", ["first", "last", "latest", "mean", "max", "sum"])
def test_repeated_pairs(repeated, library):
    rows = make_rows()
    assert max(Counter(row[:2] for row in rows).values()) > 2
    assert len({row[:2] + row[3:] for row in rows}) < len(rows)  # some at the same time
    frame = FRAMES[library](to_columns(rows))
    dataset = load_ratings(frame, **COLUMNS, repeated=repeated)
    check_dataset(dataset)
    expected = brute_force(rows, repeated)
    assert to_dict(dataset).keys() == expected.keys()
    for pair, found in to_dict(dataset).items():
        assert found == pytest.approx(expected[pair], rel=1e-14)
    assert f": {repeated}." in dataset.DESCR


def test_the_mean_of_equal_ratings_is_no_new_level():
    dataset = load({"user": 1, "item": 1, "rating": [0.1, 0.1, 0.1]}, repeated="mean")
    assert dataset.ratings.data.tolist() == [0.1]
    assert np.mean([0.1, 0.1, 0.1]) != 0.1  # which is what could go wrong


def test_repeats_like_those_of_ciaodvd_are_counted():
    rng = np.random.default_rng(0)
    pairs = rng.choice(17_615 * 16_121, size=72_345, replace=False)
    pairs = np.concatenate([pairs, rng.choice(pairs, size=320, replace=False)])
    pairs = rng.permutation(pairs)
    users, items = np.divmod(pairs, 16_121)
    frame = pd.DataFrame(
        {"u": users.astype(str), "i": [f"m{i}" for i in items], "r": rng.integers(1, 6, len(pairs))}
    )
    assert len(frame) == 72_665
    columns = {"user": "u", "item": "i", "rating": "r"}
    message = (
        r"^320 of 72665 rows repeat a pair of user and item of an earlier row \(pairs that "
        r"occur more than once: 320\), by column 'u' and column 'i'. Say with `repeated` what to "
        r"keep: 'first', 'last', 'latest', 'mean', 'max', 'sum'\.$"
    )
    for source in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        with pytest.raises(ValueError, match=message):
            load_ratings(source, **columns)
    dataset = load_ratings(frame, **columns, repeated="max")
    assert dataset.ratings.nnz == 72_345
    expected = frame.groupby(["u", "i"])["r"].max()
    rows = np.repeat(dataset.user_ids, np.diff(dataset.ratings.indptr))
    keys = list(zip(rows, dataset.item_ids[dataset.ratings.indices], strict=True))
    assert dataset.ratings.data.tolist() == expected.loc[keys].tolist()


def test_a_pair_that_occurs_three_times_is_two_repeats():
    with pytest.raises(ValueError, match=r"^2 of 3 rows .* \(pairs that occur more than once: 1"):
        load({"user": 1, "item": 1, "rating": [1, 2, 3]})


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_missing_ratings(library, bad):
    columns = {"u": [1, 2, 3, 4], "i": [1, 2, 2, 1], "r": [bad, 2.0, 3.0, bad]}
    frame = FRAMES[library](columns)
    wanted = {"user": "u", "item": "i", "rating": "r"}
    message = r"missing or not finite: 2 in column 'r', of 4 rows. Pass missing='drop'"
    with pytest.raises(ValueError, match=message):
        load_ratings(frame, **wanted)
    dataset = load_ratings(frame, **wanted, missing="drop")
    assert dataset.ratings.toarray().tolist() == [[2.0], [3.0]]
    assert dataset.user_ids.tolist() == [2, 3]
    assert dataset.item_ids.tolist() == [2]  # item 1 is left without a rating
    assert "2 rows with missing values left out (2 in column 'r')" in dataset.DESCR


@pytest.mark.parametrize("values", [[5, None, 5, 7], ["5", None, "5", "7"], [5.0, None, 5.0, 7.0]])
@pytest.mark.parametrize("role", ["user", "item", "timestamp"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_missing_ids_and_times(library, role, values):
    columns = {"user": [1, 2, 3, 4], "item": [1, 2, 3, 4], "rating": [1, 2, 3, 4]}
    columns = {**columns, "timestamp": [1, 2, 3, 4], role: values}
    frame = FRAMES[library](columns)
    wanted = {name: name for name in columns}
    with pytest.raises(ValueError, match=rf": 1 in column '{role}', of 4 rows"):
        load_ratings(frame, **wanted)
    dataset = load_ratings(frame, **wanted, missing="drop")
    assert dataset.ratings.data.tolist() == [1, 3, 4]
    if role == "timestamp":
        assert dataset.timestamps.data.tolist() == [5, 5, 7]
        assert dataset.timestamps.dtype == np.int64
    else:
        assert [str(each).removesuffix(".0") for each in dataset[f"{role}_ids"]] == ["5", "7"]


@pytest.mark.parametrize("value", ["NA", "NaN", "null", "None", "", " "])
def test_names_of_missing_ratings_and_times(value):
    columns = {"user": [1, 2], "item": [1, 2], "rating": ["4", value]}
    with pytest.raises(ValueError, match=r": 1 in column 'rating', of 2 rows"):
        load(columns)
    assert load(columns, missing="drop").ratings.data.tolist() == [4]
    columns = {"user": [1, 2], "item": [1, 2], "rating": 1, "timestamp": ["4", value]}
    with pytest.raises(ValueError, match=r": 1 in column 'timestamp', of 2 rows"):
        load(columns)
    assert load(columns, missing="drop").timestamps.data.tolist() == [4]


def test_zero_and_negative_ratings():
    columns = {"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 2, 1], "rating": [-1.5, 0, 0, 2, -3]}
    with pytest.raises(
        ValueError,
        match=r"2 of 5 ratings in column 'rating' are negative; ratings must be positive, and the "
        r"lowest is -3. Pass `offset` to shift all of them, or negative='drop' if they are to be",
    ):
        load(columns)
    message = r"2 of 3 ratings in column 'rating' are zero; .* or zero='drop' if a zero means that"
    with pytest.raises(ValueError, match=message):
        load(columns, negative="drop")
    with pytest.raises(ValueError, match="2 of 5 ratings in column 'rating' are negative"):
        load(columns, zero="drop")
    dataset = load(columns, negative="drop", zero="drop")
    assert dataset.ratings.toarray().tolist() == [[2]]
    assert (dataset.user_ids, dataset.item_ids) == ([2], [2])
    assert "2 negative ratings left out.\n2 zero ratings left out." in dataset.DESCR
    shifted = load(columns, offset=4)
    assert shifted.ratings.toarray().tolist() == [[2.5, 4], [4, 6], [1, 0]]
    assert "4 added to every rating." in shifted.DESCR
    with pytest.raises(ValueError, match="1 of 5 ratings in column 'rating' are zero after 3 is"):
        load(columns, offset=3)
    assert load(columns, offset=3, zero="drop").ratings.nnz == 4


def test_ratings_that_are_true_or_false():
    columns = {"user": [1, 2], "item": [1, 2], "rating": [True, False]}
    with pytest.raises(ValueError, match="1 of 2 ratings in column 'rating' are zero"):
        load(columns)
    assert load(columns, zero="drop").ratings.data.tolist() == [1]


def test_no_ratings_are_ones_and_their_sum_a_count():
    columns = {"user": [1, 2, 1, 1], "item": [1, 2, 1, 2]}
    with pytest.raises(ValueError, match="1 of 4 rows repeat"):
        load(columns, rating=None)
    once = load(columns, rating=None, repeated="first")
    assert once.ratings.toarray().tolist() == [[1, 1], [0, 1]]
    assert once.timestamps is None
    assert load(columns, rating=None, repeated="sum").ratings.toarray().tolist() == [[2, 1], [0, 1]]


@pytest.mark.parametrize(("least_user", "least_item"), [(1, 1), (3, 1), (1, 8), (5, 7), (6, 6)])
def test_minimum_counts_hold_together(least_user, least_item):
    rng = np.random.default_rng(3)
    pairs = {(int(60 * rng.random() ** 2), int(50 * rng.random() ** 2)) for _ in range(600)}
    kept = set(pairs)
    while True:
        users, items = Counter(u for u, _ in kept), Counter(i for _, i in kept)
        fewer = {(u, i) for u, i in kept if users[u] >= least_user and items[i] >= least_item}
        if fewer == kept:
            break
        kept = fewer
    frame = pd.DataFrame(sorted(pairs), columns=["user", "item"])
    minimum = {"min_user_ratings": least_user, "min_item_ratings": least_item}
    dataset = load(frame, rating=None, **minimum)
    rows, columns = dataset.ratings.nonzero()
    found = zip(dataset.user_ids[rows].tolist(), dataset.item_ids[columns].tolist(), strict=True)
    assert set(found) == kept
    n_left_out = len(pairs) - len(kept)
    assert (f"{n_left_out} ratings left out for min_user" in dataset.DESCR) == (n_left_out > 0)


def test_counts_are_of_what_is_left_of_repeats():
    columns = {"user": [1, 1, 2, 2], "item": [1, 1, 1, 2]}
    dataset = load(columns, rating=None, repeated="first", min_user_ratings=2)
    assert dataset.user_ids.tolist() == [2]


# --- what is refused ---


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"repeated": "median"}, "repeated must be one of 'error', 'first', .* got 'median'"),
        ({"repeated": "latest"}, "repeated='latest' needs .*: pass `timestamp`"),
        ({"missing": "ignore"}, "missing must be one of 'error', 'drop'; got 'ignore'"),
        ({"zero": None}, "zero must be one of 'error', 'drop'; got None"),
        ({"negative": True}, "negative must be one of 'error', 'drop'; got True"),
        ({"offset": float("nan")}, "offset must be a finite number, got nan"),
        ({"offset": "1"}, "offset must be a finite number, got '1'"),
        ({"min_user_ratings": 0}, "min_user_ratings must be an integer of at least 1, got 0"),
        ({"min_item_ratings": 1.5}, "min_item_ratings must be an integer of at least 1, got 1.5"),
        ({"user": None}, "user must be the name or position of a column, got None"),
        ({"item": 1.5}, "item must be the name or position of a column, got 1.5"),
        ({"rating": True}, "rating must be the name or position of a column, got True"),
        ({"item": "user"}, "item='user' is the column of something else already"),
        ({"user": "reader"}, r"user='reader' is not a column; there are \['user', 'item', 'rat"),
        ({"user": 3}, "user=3 is not a column"),
        ({"user": -1}, "user=-1 is not a column"),
        ({"separator": ","}, "separator is for text files, and source is a data frame"),
        ({"names": ["a"]}, "names is for text files, and source is a data frame"),
        ({"min_user_ratings": 2}, r"No rating is left of 2 rows\. 2 ratings left out for min_user"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        load({"user": [1, 2], "item": [1, 2], "rating": [1, 2]}, **parameters)


@pytest.mark.parametrize("source", [[[1, 2, 3]], np.ones((2, 3)), None, 7, {"user": [1]}])
def test_sources_that_are_no_data_frames(source):
    with pytest.raises(ValueError, match=rf"source must be .*; got {type(source).__name__}\."):
        load_ratings(source, user="user", item="item", rating="rating")


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_values_that_are_not_what_their_column_is_for(library):
    columns = {"user": [1, 2, 3], "item": [1, 2, 3], "rating": [1, 2, 3], "timestamp": [1, 2, 3]}
    wanted = {name: name for name in columns}
    for role, values, message in (
        (
            "rating",
            ["1", "x", "x"],
            "2 of 3 values in column 'rating' are not numbers, .*'x' in ro",
        ),
        (
            "rating",
            DATES,
            "3 of 3 values in column 'rating' are not numbers, the first is .* row 0",
        ),
        (
            "timestamp",
            ["1", "2", "x"],
            "1 of 3 values in column 'timestamp' are not times, the fir",
        ),
        ("timestamp", ["2020-01-01", "978300760", "2020-01-01"], "1 of 3 values .*'978300760'"),
        (
            "timestamp",
            ["2020-01-01", "now", "2020-13-01"],
            "2 of 3 values in .* not times, .*'now'",
        ),
        ("user", [[1], [2], [3]], "The values in column 'user' must be scalars"),
        ("rating", [[1], [2], [3]], "The values in column 'rating' must be scalars"),
    ):
        with pytest.raises(ValueError, match=message):
            load_ratings(FRAMES[library]({**columns, role: values}), **wanted)
    empty = FRAMES[library]({name: [] for name in columns})
    with pytest.raises(ValueError, match=f"a data frame of {library} has no rows"):
        load_ratings(empty, **wanted)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "pandas"])
def test_whole_numbers_beside_nulls_do_not_become_floats(kind):
    """As those above 2**53 must not; NumPy has no integers with nulls."""
    values = [2**53 + 1, None]
    series = {
        "polars": lambda: pl.Series(values),
        "pyarrow": lambda: pa.chunked_array([values]),
        "pandas": lambda: pd.Series(values, dtype="Int64"),
    }[kind]()
    array = _load_columns._to_array(series)
    assert array.dtype == object
    assert array[0] == values[0]


def test_ids_without_an_order():
    with pytest.raises(ValueError, match="ids in column 'user' cannot be put in order: '<' not"):
        load({"user": [1j, 2j], "item": 1, "rating": 1})


def test_columns_of_the_same_name():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["u", "u", "i", "r"])
    with pytest.raises(ValueError, match="u"):
        load_ratings(frame, user="u", item="i", rating="r")


@pytest.mark.parametrize(
    ("content", "parameters", "message"),
    [
        (b"", {}, "has no first line"),
        (b"\nu,i,r\n", {}, "has no first line: it is empty or begins with a blank line"),
        (b"u,i,r\n", {}, r"ratings\.csv has no rows"),
        (b"u,i,r\n1,2,3\n", {"user": "x"}, r"finds the columns 'x', 'i', 'r' in the first line of"),
        (b"u,i,r\n1,2,3\n", {"user": "x", "separator": ","}, r"user='x' is not a .*'u', 'i', 'r'"),
        (b"u,i,r\n1,2,3\n", {"separator": ";"}, r"user='u' is not a column; there are \['u,i,r'\]"),
        (b"u,i,r\n1,2,3\n", {"separator": ""}, "separator must be a non-empty string or None, got"),
        (b"u,u,i,r\n1,2,3,4\n", {"separator": ","}, "user='u' is the name of 2 columns"),
        (b"1,2,3\n", {"names": ["u", "i"]}, "pass `separator`, or `names` if the file has no head"),
        (b"1,2,3\n", {"names": ["u", "i"], "separator": ","}, "user='u' is not a column"),
        (
            b"u,i,r\n1,2,x\n",
            {},
            "1 of 1 values in column 'r' are not numbers, the first is 'x' in ",
        ),
        (b"u,i,r\n1,2,3\n", {"user": 0, "item": 1, "rating": 2}, "column 2 are not numbers.* 'r' "),
        (b"\xff\xfeu,i,r\n", {}, r"ratings\.csv is not text in UTF-8"),
        (b"u,i,r\n\xff,2,3\n", {}, r"ratings\.csv cannot be read as text with the separator ','"),
        (b"PAR1 and nothing else", {}, r"ratings\.csv cannot be read as Parquet"),
        (b"PAR1 and nothing else", {"names": "uir"}, "names is for text files, and source is a Pa"),
    ],
)
def test_files_that_cannot_be_read(content, parameters, message, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_ratings(path, **{"user": "u", "item": "i", "rating": "r", **parameters})


@pytest.mark.parametrize("reader", ["pyarrow", "polars", "pandas"])
def test_an_error_of_the_disk_is_no_error_of_the_text(reader, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "ratings.csv"
    path.write_text("u,i,r\n1,2,3\n")
    monkeypatch.setattr(_load_files, "find_spec", lambda name: name == reader or None)
    monkeypatch.setitem(_load_files._READERS, reader, fail)
    with pytest.raises(OSError, match="Input/output error"):
        load_ratings(path, user="u", item="i", rating="r")


def test_files_that_do_not_exist(tmp_path):
    for path in (tmp_path / "ratings.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"{path} is not a file"):
            load_ratings(path, user="u", item="i", rating="r")


# --- dependencies ---


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    path = tmp_path / "ratings.csv"
    path.write_text("u,i,r\n1,2,3\n")
    columns = {"user": "u", "item": "i", "rating": "r"}
    monkeypatch.setattr(_load_files, "find_spec", lambda name: None)
    message = r"text file needs pyarrow or polars or pandas, and none .*skrecsec\[data\]"
    with pytest.raises(ImportError, match=message):
        load_ratings(path, **columns)
    path.write_bytes(b"PAR1")
    message = r"Parquet file needs pyarrow or polars, and none .*skrecsec\[data\]"
    with pytest.raises(ImportError, match=message):
        load_ratings(path, **columns)


def test_narwhals_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    message = r"load_ratings needs narwhals, which comes with: pip install 'skrecsec\[data\]'"
    with pytest.raises(ImportError, match=message):
        load({"user": [1], "item": [1], "rating": [1]})


def test_nothing_of_this_is_imported_before_it_is_used():
    script = """
import sys
for name in ("pandas", "polars", "pyarrow"):
    sys.modules[name] = None  # as if not installed; narwhals is scikit-learn's own
import skrecsec.datasets as datasets
datasets.make_ratings(20, 10, density=0.5)
try:
    datasets.recommendations_to_frame([[0]], ["a"])
except ImportError as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.stdout == (
        "A data frame of recommendations needs pandas, which comes with: pip install "
        "'skrecsec[data]'.\n"
    ), process.stderr


# --- properties ---


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("repeated", ["latest", "sum"])
def test_the_data_frame_stays_as_it_is(library, repeated):
    rows = make_rows()
    frame = FRAMES[library](to_columns(rows))
    dataset = load_ratings(frame, **COLUMNS, repeated=repeated, offset=1, min_user_ratings=3)
    for part in (dataset.ratings, dataset.timestamps):
        part.data[:] = 0
    dataset.item_ids[:] = 0
    assert FRAMES[library](to_columns(rows)).equals(frame)

    columns = {"u": [1, 2], "i": [1, 2], "r": [0.5, 1.0], "t": [1.0, float("inf")]}
    frame = FRAMES[library](columns)
    load_ratings(frame, user="u", item="i", rating="r", timestamp="t", missing="drop")
    assert FRAMES[library](columns).equals(frame)


def test_the_order_of_the_rows_decides_nothing():
    rows = make_rows()
    rows = list({row[:2]: row for row in rows}.values())
    one = load_ratings(pd.DataFrame(to_columns(rows)), **COLUMNS)
    other = load_ratings(pl.DataFrame(to_columns(rows[::-1])), **COLUMNS)
    for name in ("user_ids", "item_ids"):
        assert np.array_equal(one[name], other[name])
    for name in ("ratings", "timestamps"):
        for part in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(one[name], part), getattr(other[name], part))


ids = st.one_of(
    st.lists(st.text(max_size=4), min_size=1, unique=True),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True),
    st.lists(st.uuids(), min_size=1, unique=True),
)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip(library, data):
    users, items = data.draw(ids), data.draw(ids)
    pairs = st.tuples(st.sampled_from(users), st.sampled_from(items))
    pairs = data.draw(st.lists(pairs, min_size=1, unique=True))
    # Distinct, for the order of the items of a user to be known.
    ratings = data.draw(
        st.lists(st.floats(2**-10, 2**10), min_size=len(pairs), max_size=len(pairs), unique=True)
    )
    columns = {
        "u": [user for user, _ in pairs],
        "i": [item for _, item in pairs],
        "r": ratings,
        "t": list(range(len(pairs))),
    }
    dataset = load_ratings(FRAMES[library](columns), user="u", item="i", rating="r", timestamp="t")
    check_dataset(dataset)
    observed = dict(zip(pairs, zip(ratings, columns["t"], strict=True), strict=True))
    assert to_dict(dataset) == observed

    dense = dataset.ratings.toarray()
    best = np.argsort(-dense, axis=1, kind="stable")
    scores = np.take_along_axis(dense, best, axis=1)
    best[scores == 0] = -1
    frame = recommendations_to_frame(best, dataset, scores=scores, backend=library)
    table = nw.from_native(frame).to_dict(as_series=False)
    back = zip(table["user"], table["item"], strict=True)
    assert dict(zip(back, table["score"], strict=True)) == {
        pair: rating for pair, (rating, _) in observed.items()
    }
    for user in users:
        of_user = [k for k, who in enumerate(table["user"]) if who == user]
        assert [table["rank"][k] for k in of_user] == list(range(1, len(of_user) + 1))
        of_user = [table["score"][k] for k in of_user]
        assert of_user == sorted(of_user, reverse=True)


# --- the way back ---


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_recommendations_of_a_fitted_recommender(backend):
    rows = make_rows()
    dataset = load_ratings(pd.DataFrame(to_columns(rows)), **COLUMNS, repeated="last")
    X = dataset.ratings
    recommender = MFRecommender(8, max_iter=2, random_state=0).fit(X)
    items = recommender.recommend(X, k=20)
    assert (items == -1).any()  # some have rated nearly everything
    predictions = recommender.predict(X)
    scores = np.take_along_axis(predictions, items, axis=1)
    frame = recommendations_to_frame(items, dataset, scores=scores, backend=backend)
    module = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}[backend]
    assert isinstance(frame, module)
    expected = [
        {
            "user": dataset.user_ids[row],
            "rank": rank,
            "item": dataset.item_ids[item],
            "score": predictions[row, item],
        }
        for row in range(len(items))
        for rank, item in enumerate(items[row], start=1)
        if item >= 0
    ]
    assert list(nw.from_native(frame).iter_rows(named=True)) == expected


def test_recommendations_to_some_profiles_or_to_nobody_known():
    dataset = Bunch(user_ids=np.array(["a", "b", "c"]), item_ids=np.array([10, 20]))
    frame = recommendations_to_frame([[1, 0]], dataset, user_ids=["b"])
    assert frame.to_dict("list") == {"user": ["b", "b"], "rank": [1, 2], "item": [20, 10]}
    frame = recommendations_to_frame(np.array([[1, -1], [0, 1]]), [10, "x"])
    assert frame.to_dict("list") == {"user": [0, 1, 1], "rank": [1, 1, 2], "item": ["x", 10, "x"]}
    assert recommendations_to_frame(np.empty((0, 5), dtype=int), [10, 20]).shape == (0, 3)
    assert recommendations_to_frame([[-1, -1]], [10, 20]).shape == (0, 3)


@pytest.mark.parametrize(
    ("items", "parameters", "message"),
    [
        ([0, 1], {}, r"items must be indices of shape .* got an array of shape \(2,\)"),
        ([[0.0, 1.0]], {}, "items must be indices of shape .* dtype float64"),
        ([[0, 2]], {}, "items must be indices from 0 to 1, or -1 for none; they are from 0 to 2"),
        ([[0, -2]], {}, "or -1 for none; they are from -2 to 0"),
        (
            [[0]],
            {"ids": Bunch(item_ids=[1], user_ids=[1, 2])},
            "items has 1 profiles and there are 2",
        ),
        (
            [[0]],
            {"user_ids": [1, 2]},
            "there are 2 ids of users; pass those of the profiles as `us",
        ),
        (
            [[0]],
            {"user_ids": np.ones((1, 1))},
            r"user_ids must be one-dimensional, got shape \(1, 1",
        ),
        ([[0]], {"ids": np.ones((2, 2))}, r"ids must be one-dimensional, got shape \(2, 2\)"),
        (
            [[0]],
            {"scores": [[1, 2]]},
            r"scores must have the shape of items, \(1, 1\), got \(1, 2\)",
        ),
        (
            [[0]],
            {"backend": "numpy"},
            "backend must be one of 'pandas', 'polars', 'pyarrow'; got 'n",
        ),
    ],
)
def test_recommendations_that_are_refused(items, parameters, message):
    with pytest.raises(ValueError, match=message):
        recommendations_to_frame(items, **{"ids": ["a", "b"], **parameters})
