"""Where compiled code is kept, and that nothing fails where it cannot be."""

import copy
import errno
import importlib.util
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core import caching
from numba.core.base import BaseContext

from skrecsec.utils import _compiling
from skrecsec.utils._compiling import compiled_for, fast_jit, jit, prefetch

SOURCE = """
def total(values):
    result = 0.0
    for value in values:
        result += value
    return result
"""
VALUES = np.arange(5.0)

compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="NUMBA_DISABLE_JIT: nothing is compiled"
)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that compiles a function of a file, with a cache of its own."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "source.py"
    path.write_text(SOURCE)

    def load(compile=jit):
        spec = importlib.util.spec_from_file_location("source", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return compile(module.total)

    return load


@pytest.fixture
def n_refreshed(monkeypatch):
    """Counts how often Numba brought in all that it can compile."""
    counts = []
    refresh = BaseContext.refresh
    monkeypatch.setattr(BaseContext, "refresh", lambda self: (counts.append(1), refresh(self)))
    return counts


def kept(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc"))


@compiled
def test_what_is_compiled_is_kept(load, tmp_path):
    assert load()(VALUES) == 10
    assert [path.suffix for path in kept(tmp_path)] == [".nbc", ".nbi"]
    again = load()
    assert again(VALUES) == 10
    assert sum(again.stats.cache_hits.values()) == 1


@compiled
@pytest.mark.parametrize("newest", [_compiling._NEWEST_NUMBA, (0, 0)], ids=["known", "newer"])
def test_what_takes_numba_to_compile_is_brought_in_when_it_compiles(
    newest, load, n_refreshed, monkeypatch
):
    monkeypatch.setattr(_compiling, "_NEWEST_NUMBA", newest)
    load()(VALUES)
    assert len(n_refreshed) >= 1
    n_refreshed.clear()
    again = load()
    assert again(VALUES) == 10
    assert sum(again.stats.cache_hits.values()) == 1
    assert bool(n_refreshed) == (newest == (0, 0))
    assert again(np.arange(5)) == 10  # for other types it compiles
    assert sum(again.stats.cache_misses.values()) == 1


@compiled
def test_the_numba_at_hand_is_known():
    """Else starting takes longer: look at `Cache.load_overload`, and raise `_NEWEST_NUMBA`."""
    assert numba.version_info.short <= _compiling._NEWEST_NUMBA


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: bytes(byte ^ 0x55 for byte in content),
    "text": lambda content: b"cos\nno_such_name\n.",
    "recursive": lambda content: b"(" * 10**5,
    "huge": lambda content: b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
}


@compiled
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_made_anew(load, tmp_path, suffix, damage):
    load()(VALUES)
    (path,) = [path for path in kept(tmp_path) if path.suffix == suffix]
    path.write_bytes(damage(path.read_bytes()))
    assert load()(VALUES) == 10
    again = load()
    assert again(VALUES) == 10
    assert sum(again.stats.cache_hits.values()) == 1  # it has been put right


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_done_without(load, tmp_path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", refuse)
    assert load()(VALUES) == 10
    assert kept(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_done_without(load, tmp_path):
    load()(VALUES)
    for path in kept(tmp_path):
        path.unlink()
        path.mkdir()
    assert load()(VALUES) == 10


@pytest.mark.parametrize("error", [RuntimeError, OSError, PermissionError])
def test_where_no_folder_can_be_written_to_nothing_is_kept(load, tmp_path, monkeypatch, error):
    def refuse(self):
        raise error("read-only")

    monkeypatch.setattr(numba.core.dispatcher.Dispatcher, "enable_caching", refuse)
    assert load()(VALUES) == load(fast_jit)(VALUES) == 10
    assert kept(tmp_path) == []


class Fake:
    """What another version of Numba could return."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


class FakeWithFixedCache(Fake):
    __slots__ = ()

    @property
    def _cache(self):
        return caching.NullCache()


@pytest.mark.parametrize("fake", [Fake, FakeWithFixedCache])
def test_another_numba_may_keep_its_cache_elsewhere(load, monkeypatch, fake):
    monkeypatch.setattr(_compiling.numba, "njit", lambda **options: fake)
    assert load()(VALUES) == 10


@compiled
def test_copies_of_the_cache_do_not_recurse(load):
    cache = load()._cache
    assert copy.copy(cache).cache_path == cache.cache_path


def test_prefetching_reads_and_writes_nothing():
    @numba.njit
    def fetch(array, position):
        prefetch(array, position)
        return array[0]

    array = np.arange(5, dtype=np.float32)
    # Also of what lies outside of the array, which a processor does not mind.
    assert [fetch(array, position) for position in (0, 4, 10**9, -(10**9))] == [0] * 4
    assert array.tolist() == [0, 1, 2, 3, 4]
    if not numba.config.DISABLE_JIT:
        assert "prefetch" in fetch.inspect_asm(fetch.signatures[0])


def test_the_kind_of_processor_is_named(monkeypatch):
    assert compiled_for()
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic", raising=False)
    assert compiled_for() == "generic"


UNWRITABLE = """
import numba.core.caching as caching
def refuse(self):
    raise OSError("read-only")
caching._CacheLocator.ensure_cache_path = refuse
"""
USE = """
import numpy as np
import skrecsec
from skrecsec.utils._ranking import top_k
print(top_k(np.array([[0.1, 0.9, 0.5]]), 2))
"""


@pytest.mark.parametrize(
    ("first", "variables"),
    [(UNWRITABLE, {"NUMBA_CACHE_DIR": ""}), ("", {"NUMBA_DISABLE_JIT": "1"})],
    ids=["no cache", "no compiler"],
)
def test_the_package_can_be_imported_and_used(first, variables):
    run = subprocess.run(
        [sys.executable, "-c", first + USE],
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "[[1 2]]\n", run.stderr


TWO_WORKERS = """
from joblib import Parallel, delayed
from skrecsec import EASERecommender
X = [[1, 0, 1], [0, 2, 1]]
Parallel(n_jobs=2)(delayed(EASERecommender().fit)(X) for _ in range(4))
"""


@compiled
@pytest.mark.slow
def test_processes_and_their_workers_load_what_another_has_compiled(tmp_path):
    variables = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DEBUG_CACHE": "1"}
    n_saved, n_loaded = [], []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", TWO_WORKERS],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        n_saved.append(run.stdout.count("data saved to"))
        n_loaded.append(run.stdout.count("data loaded from"))
    assert n_saved[0] >= 1
    assert n_saved[1] == 0
    assert n_loaded[1] >= 1
