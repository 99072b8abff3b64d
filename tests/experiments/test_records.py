"""Records and the descriptions by which they are found."""

import functools
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.experiments._describe import describe
from skrecsec.experiments._records import Record, RecordStore
from skrecsec.metrics import HitRatioScorer
from skrecsec.utils._digest import digest, digest_csr

DESCRIPTION = {"seed": 3, "estimator": {"list": [1, None, True, {"float": "0x1p-1"}]}}
RECORD = Record({"hr": 0.1 + 0.2, "n": 3, "ri": float("nan")}, {"ranks": np.arange(-1, 9)})


def test_round_trip(tmp_path):
    store = RecordStore(tmp_path / "a" / "b")
    assert store.load(DESCRIPTION) is None
    store.save(DESCRIPTION, RECORD)
    values, arrays = RecordStore(tmp_path / "a" / "b").load(DESCRIPTION)
    assert repr(values) == repr(RECORD.values)
    assert list(arrays) == ["ranks"]
    assert arrays["ranks"].dtype == RECORD.arrays["ranks"].dtype
    assert_array_equal(arrays["ranks"], RECORD.arrays["ranks"])
    assert [path.suffix for path in (tmp_path / "a" / "b").iterdir()] == [".record"]


@pytest.mark.parametrize("position", [0, 5, 20, 79, 80, 81, 82, 150, -60, -1])
def test_each_byte_counts(tmp_path, position):
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, RECORD)
    path = store.path(DESCRIPTION)
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="checksum"):
        assert store.load(DESCRIPTION) is None


@pytest.mark.parametrize("length", [0, 10, 80, 81, 200])
def test_truncated(tmp_path, length):
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, RECORD)
    os.truncate(store.path(DESCRIPTION), length)
    with pytest.warns(UserWarning, match="checksum"):
        assert store.load(DESCRIPTION) is None
    store.save(DESCRIPTION, RECORD)
    assert store.load(DESCRIPTION) is not None


def test_a_record_under_a_wrong_name(tmp_path):
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, RECORD)
    os.replace(store.path(DESCRIPTION), store.path({"seed": 4}))
    with pytest.warns(UserWarning, match="something else"):
        assert store.load({"seed": 4}) is None


def test_pickles_are_not_read(tmp_path):
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, Record({}, {"evil": np.array([print], dtype=object)}))
    with pytest.warns(UserWarning, match="allow_pickle=False"):
        assert store.load(DESCRIPTION) is None


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, step):
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, RECORD)

    def fail(*args):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="no space left"):
            store.save(DESCRIPTION, Record({"hr": 1.0}, {}))
    assert store.load(DESCRIPTION).values["hr"] == RECORD.values["hr"]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_record_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    for step in ("fsync", "replace"):
        original = getattr(os, step)
        monkeypatch.setattr(os, step, lambda *args, s=step, f=original: calls.append(s) or f(*args))
    RecordStore(tmp_path).save(DESCRIPTION, RECORD)
    assert calls[:2] == ["fsync", "replace"]


def test_a_record_that_somebody_reads_on_windows_stays(tmp_path, monkeypatch):
    """There it cannot be replaced; its content is the same."""
    store = RecordStore(tmp_path)
    store.save(DESCRIPTION, RECORD)

    def refuse(*args):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", refuse)
    store.save(DESCRIPTION, RECORD)
    assert list(tmp_path.iterdir()) == [store.path(DESCRIPTION)]
    with pytest.raises(PermissionError):
        store.save({"seed": 4}, RECORD)
    assert list(tmp_path.iterdir()) == [store.path(DESCRIPTION)]


def test_abandoned_temporary_files_go_and_recent_ones_stay(tmp_path):
    old, recent = tmp_path / "old.tmp", tmp_path / "recent.tmp"
    for path in (old, recent):
        path.write_text("half a record")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    RecordStore(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recent.tmp"]


@pytest.mark.filterwarnings("error")
def test_writers_and_readers_at_once(tmp_path):
    def work(worker):
        store = RecordStore(tmp_path)
        for turn in range(20):
            store.save({"n": turn % 3}, RECORD)
            assert store.load({"n": turn % 3}).values["n"] == 3
            store.load({"n": (turn + worker) % 3})  # none there, or whole: no warning

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(list(tmp_path.iterdir())) == 3


# --- descriptions ---------------------------------------------------------------------------------


def test_equal_things_have_equal_descriptions():
    X = sp.csr_array([[0, 3.0], [1, 0]])
    wide = sp.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape
    )
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert digest_csr(X) == digest_csr(wide) == digest_csr(sp.csr_matrix(X))
    assert describe(X.tocoo()) == describe(X)
    assert describe(np.float64(0.2)) == describe(0.2)
    assert describe(np.int32(2)) == describe(2)
    assert describe(np.True_) is True
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert digest(fortran) == digest(np.ascontiguousarray(fortran))
    assert digest(np.arange(3, dtype=">i4")) == digest(np.arange(3, dtype="<i4"))
    assert describe(MFRecommender(4)) == describe(MFRecommender(n_factors=4))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (0.1, np.nextafter(0.1, 1)),
        ("a", ["a"]),
        ([1, [2]], [[1], 2]),
        ((1, 2), [1, 2]),
        ({"a": 1}, {"a": 2}),
        ({1: "a"}, {"1": "a"}),
        (np.arange(3), np.arange(3.0)),
        (np.arange(6), np.arange(6).reshape(2, 3)),
        (np.arange(9999), np.where(np.arange(9999) == 5000, 0, np.arange(9999))),
        (np.array(["a", None], dtype=object), np.array([None, "a"], dtype=object)),
        (sp.csr_array([[1.0, 0]]), sp.csr_array([[0, 1.0]])),
        (sp.csr_array([[1.0, 0]]), sp.csr_array([[1.0, 0, 0]])),
        (np.mean, np.median),
        (functools.partial(int, base=2), functools.partial(int, base=3)),
        (MFRecommender, MFRecommender()),
        (MFRecommender(), AverageAttackTransformer()),
        (MFRecommender(reg=0.0), MFRecommender(reg=1e-12)),
        (make_pipeline(MFRecommender(3)), make_pipeline(MFRecommender(4))),
        (HitRatioScorer(3), HitRatioScorer(4)),
    ],
)
def test_different_things_have_different_descriptions(one, other):
    # As JSON, in which they are hashed: in Python, 1 equals True.
    assert json.dumps(describe(one)) != json.dumps(describe(other))


@dataclass
class Outer:
    inner: object


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ValueError, match=r"r\.inner is of type object, .* use cache_dir=None"):
        describe(Outer(object()), "r")
    with pytest.raises(ValueError, match="lambda"):
        describe({"f": lambda: 0})

    class Local(MFRecommender):
        pass

    with pytest.raises(ValueError, match="Local"):
        describe(Local())
