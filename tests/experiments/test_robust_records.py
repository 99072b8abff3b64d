"""Whatever lies in `cache_dir`, and whatever happens to it, a study goes on."""

import errno
import hashlib
import io
import json
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.experiments import _records, _running, robustness_study
from skrecsec.experiments._records import RecordStore


def study(X, **options):
    return robustness_study(
        X,
        attacks={"Average": AverageAttackTransformer()},
        recommenders={"MF": MFRecommender(4, max_iter=2)},
        n_repeats=1,
        k=10,
        random_state=0,
        **options,
    )


def figures(result):
    measured = ("seconds", "peak_memory", "attack_seconds")
    return repr([{k: v for k, v in r.items() if k not in measured} for r in result.records])


@pytest.fixture(scope="module")
def expected(ratings):
    return figures(study(ratings))


@pytest.fixture(scope="module")
def recorded(ratings, tmp_path_factory):
    """Return a folder with the records of a study, which is for copying only."""
    folder = tmp_path_factory.mktemp("recorded")
    study(ratings, cache_dir=folder)
    return folder


@pytest.fixture
def folder(recorded, tmp_path):
    """Return a folder with the records of a study."""
    return Path(shutil.copytree(recorded, tmp_path / "records"))


def parts(path):
    """Return description, values and arrays of a record."""
    content = path.read_bytes().partition(b"\n")[2]
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("json").tobytes())
    return header["description"], header["values"], arrays


def write(path, content):
    """Write content with a checksum that fits."""
    checksum = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(b"skrecsec record " + checksum + b"\n" + content)


def archive(header, arrays):
    file = io.BytesIO()
    if header is not None:
        arrays = {"json": np.frombuffer(header, dtype=np.uint8), **arrays}
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def record_of(folder, kind):
    """Return the path of a record with poison, or with ranks."""
    member = {"poison": "indptr", "ranks": "target_ranks"}[kind]
    return next(path for path in sorted(folder.glob("*.record")) if member in parts(path)[2])


def check_mended(ratings, expected, folder, done, *, replaced=True):
    """Run again: one warning, one unit done, the same figures; and then nothing to do."""
    done.clear()
    with pytest.warns(UserWarning, match="is damaged") as warned:
        assert figures(study(ratings, cache_dir=folder)) == expected
    assert [str(w.message).count("is damaged") for w in warned] == [1]
    assert len(done) == 1
    done.clear()
    if replaced:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert figures(study(ratings, cache_dir=folder)) == expected
        assert not done


# --- what lies in its place -----------------------------------------------------------------------


def make_empty_folder(path):
    path.mkdir()


def make_folder(path):
    path.mkdir()
    (path / "somebody's").write_text("own")


def make_loop(path):
    path.symlink_to(path)


def make_pipe(path):
    os.mkfifo(path)


def make_link_to_folder(path):
    path.symlink_to(path.parent, target_is_directory=True)


def make_endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
@pytest.mark.parametrize(
    ("make", "replaced"),
    [
        (make_empty_folder, True),
        (make_folder, False),
        (make_loop, True),
        (make_pipe, True),
        (make_link_to_folder, True),
        (make_endless, True),
    ],
)
def test_what_is_no_file(ratings, expected, folder, done, make, replaced):
    path = record_of(folder, "ranks")
    path.unlink()
    make(path)
    check_mended(ratings, expected, folder, done, replaced=replaced)
    if not replaced:
        assert (path / "somebody's").read_text() == "own"
    assert not list(folder.glob("*.tmp"))


def test_a_file_that_cannot_be_read(ratings, expected, folder, done, monkeypatch):
    path = record_of(folder, "ranks")
    read = Path.read_bytes

    def refusing(self):
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    check_mended(ratings, expected, folder, done, replaced=False)
    monkeypatch.undo()
    assert figures(study(ratings, cache_dir=folder)) == expected


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_to_nowhere_is_no_record(ratings, expected, folder, done):
    path = record_of(folder, "ranks")
    path.unlink()
    path.symlink_to(folder / "nowhere")
    done.clear()
    assert figures(study(ratings, cache_dir=folder)) == expected
    assert len(done) == 1
    assert path.is_file()
    assert not path.is_symlink()


# --- odd content with a checksum that fits --------------------------------------------------------

ODD_VALUES = [{}, [], "text", None, {"seconds": 1.0}]
ODD_ENTRIES = [
    {"extra": 1.0},
    {"test_hr": 1.5},
    {"test_hr": None},
    {"test_hr": True},
    {"ndcg": float("nan")},
    {"target_hr": "0.5"},
    {"seconds": -1.0},
    {"seconds": float("inf")},
    {"unit_seconds": 10**400},
    {"peak_memory": [3]},
]


@pytest.mark.parametrize(
    ("odd", "is_all"),
    [(odd, True) for odd in ODD_VALUES] + [(odd, False) for odd in ODD_ENTRIES],
    ids=repr,
)
def test_odd_values(ratings, expected, folder, done, odd, is_all):
    path = record_of(folder, "ranks")
    description, values, arrays = parts(path)
    values = odd if is_all else values | odd
    header = json.dumps({"description": description, "values": values}).encode()
    write(path, archive(header, arrays))
    check_mended(ratings, expected, folder, done)


ODD_RANKS = {
    "missing": None,
    "shape": np.zeros((3, 5), dtype=np.int8),
    "transposed": np.zeros((5, 120), dtype=np.int8),
    "flat": np.zeros(600, dtype=np.int8),
    "too low": np.full((120, 5), -2, dtype=np.int8),
    "too high": np.full((120, 5), 90, dtype=np.int8),
    "floats": np.zeros((120, 5)),
    "unsigned": np.zeros((120, 5), dtype=np.uint64),
    "text": np.full((120, 5), "a"),
    "structured": np.zeros((120, 5), dtype=[("a", "i4")]),
    "scalar": np.array(3),
}


@pytest.mark.parametrize("odd", ODD_RANKS)
def test_odd_ranks(ratings, expected, folder, done, odd):
    change(folder, "ranks", target_ranks=ODD_RANKS[odd])
    check_mended(ratings, expected, folder, done)


ODD_TARGETS = {
    "missing": None,
    "too many": np.arange(6),
    "none": np.arange(0),
    "repeated": np.array([1, 1, 2, 3, 4]),
    "outside": np.array([1, 2, 3, 4, 90]),
    "negative": np.array([-1, 2, 3, 4, 5]),
    "narrow": np.arange(5, dtype=np.int8),
    "floats": np.arange(5.0),
    "square": np.zeros((5, 5), dtype=np.int64),
}


@pytest.mark.parametrize("kind", ["ranks", "poison"])
@pytest.mark.parametrize("odd", ODD_TARGETS)
def test_odd_targets(ratings, expected, folder, done, odd, kind):
    change(folder, kind, target_items=ODD_TARGETS[odd])
    check_mended(ratings, expected, folder, done)


def far(arrays):
    indices = arrays["indices"].copy()
    indices[3] = 90
    return {"indices": indices}


ODD_POISON = {
    "index outside": far,
    "negative index": lambda arrays: {"indices": -1 - arrays["indices"]},
    "repeated index": lambda arrays: {"indices": np.zeros_like(arrays["indices"])},
    "float indices": lambda arrays: {"indices": arrays["indices"].astype(float)},
    "no rows": lambda arrays: {"indptr": np.zeros(1, dtype=np.int64)},
    "no row pointers": lambda arrays: {"indptr": np.zeros(0, dtype=np.int64)},
    "falling": lambda arrays: {"indptr": arrays["indptr"][::-1].copy()},
    "scalar": lambda arrays: {"indptr": np.array(0)},
    "short": lambda arrays: {"data": arrays["data"][:-1]},
    "zeros": lambda arrays: {"data": np.zeros_like(arrays["data"])},
    "NaN": lambda arrays: {"data": np.full_like(arrays["data"], np.nan)},
    "text": lambda arrays: {"data": arrays["data"].astype(str)},
    "missing": lambda arrays: {"data": None},
    "extra": lambda arrays: {"more": np.arange(3)},
}


@pytest.mark.parametrize("odd", ODD_POISON)
def test_odd_poison(ratings, expected, folder, done, odd):
    change(folder, "poison", odd=ODD_POISON[odd])
    check_mended(ratings, expected, folder, done)


def change(folder, kind, odd=lambda arrays: {}, **changes):
    """Replace arrays of a record, or take them away."""
    path = record_of(folder, kind)
    description, values, arrays = parts(path)
    arrays |= odd(arrays) | changes
    header = json.dumps({"description": description, "values": values}).encode()
    write(path, archive(header, {k: v for k, v in arrays.items() if v is not None}))


def test_odd_files(ratings, expected, folder, done):
    path = record_of(folder, "ranks")
    description, values, arrays = parts(path)
    header = json.dumps({"description": description, "values": values}).encode()
    good = archive(header, arrays)
    single = io.BytesIO()
    np.save(single, np.arange(3))
    # A member that says it has 8e12 bytes, and has none.
    huge = io.BytesIO()
    shape = {"descr": "<i8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(huge, shape)
    for content in (
        b"",
        b"no archive",
        good[:-30],
        good[: len(good) // 2],
        good.replace(b"target_items", b"target_xtems"),
        archive(None, arrays),
        archive(b"", arrays),
        archive(b"\xff", arrays),
        archive(b"[" * 100_000, arrays),
        archive(b"[]", arrays),
        archive(b"3", arrays),
        archive(json.dumps({"values": values}).encode(), arrays),
        archive(json.dumps({"description": description}).encode(), arrays),
        archive(json.dumps({"description": {}, "values": values}).encode(), arrays),
        archive(header, {**arrays, "bomb": np.zeros(10**7)}),
        with_member(good, "target_ranks.npy", huge.getvalue()),
        with_member(good, "target_ranks.npy", b"no array"),
        with_member(good, "json.npy", b"{}"),
        single.getvalue(),
    ):
        write(path, content)
        check_mended(ratings, expected, folder, done)


def with_member(content, name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.namelist():
            new.writestr(member, data if member == name else old.read(member))
    return file.getvalue()


def test_large_files_are_not_read(ratings, expected, folder, done):
    path = record_of(folder, "ranks")
    with path.open("r+b") as file:
        file.truncate(2**40)  # a hole
    check_mended(ratings, expected, folder, done)


# --- what happens meanwhile -----------------------------------------------------------------------


def full(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_full_disk(ratings, expected, tmp_path, monkeypatch, step):
    if step == "open":
        monkeypatch.setattr(_records, "open", full, raising=False)
    else:
        monkeypatch.setattr(os, step, full)
    with pytest.warns(UserWarning, match="No record can be written to cache_dir") as warned:
        assert figures(study(ratings, cache_dir=tmp_path)) == expected
    assert len(warned) == 1
    assert "No space left on device" in str(warned[0].message)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_goes_away(ratings, expected, tmp_path, monkeypatch):
    folder = tmp_path / "records"
    save = RecordStore.save

    def leaving(self, *args):
        save(self, *args)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        monkeypatch.undo()

    monkeypatch.setattr(RecordStore, "save", leaving)
    with pytest.warns(UserWarning, match="No record can be written") as warned:
        assert figures(study(ratings, cache_dir=folder)) == expected
    assert len(warned) == 1


def test_what_comes_later_is_recorded_again(ratings, tmp_path, monkeypatch, done):
    fsync = os.fsync
    calls = []

    def full_at_first(handle):
        calls.append(1)
        return full() if len(calls) == 1 else fsync(handle)

    monkeypatch.setattr(os, "fsync", full_at_first)
    with pytest.warns(UserWarning, match="No record can be written"):
        study(ratings, cache_dir=tmp_path)
    assert len(list(tmp_path.glob("*.record"))) == len(done) - 1


# --- the folder -----------------------------------------------------------------------------------


def test_an_empty_name_is_refused(ratings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_running, "run_task", None)
    with pytest.raises(ValueError, match="cache_dir is empty"):
        study(ratings, cache_dir="")
    assert not list(tmp_path.iterdir())


def test_home_is_expanded(ratings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    study(ratings, cache_dir="~/records")
    assert [path.name for path in tmp_path.iterdir()] == ["records"]
    with pytest.raises(ValueError, match="cache_dir='~nobody-here/records'"):
        study(ratings, cache_dir="~nobody-here/records")
