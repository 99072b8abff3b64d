"""What the system says of memory and processor, and what is done where it says nothing."""

import platform
import sys

import numpy as np
import pytest

from skrecsec.experiments import _memory as peak
from skrecsec.utils import _memory, _versions
from skrecsec.utils._random import preserved_global_states


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("5000", "2000", 3000),
        ("5000", "6000", 0),
        ("9000000", "0", 4096),  # the machine has less
        ("max", "2000", 4096),
        ("5000", None, 4096),
    ],
)
def test_a_container_may_have_less_memory_than_the_machine(
    limit, used, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory, "_CGROUP", tmp_path)
    assert _memory.available_memory() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  4 kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    if used is not None:
        (tmp_path / "memory.current").write_text(f"{used}\n")
    assert _memory.available_memory() == expected


@pytest.mark.parametrize("status", [None, "VmRSS: 5 kB\n"])
def test_the_peak_where_linux_does_not_say_it(status, tmp_path, monkeypatch):
    pytest.importorskip("resource", reason="Windows has none")
    if status is not None:
        (tmp_path / "status").write_text(status)
    monkeypatch.setattr(peak, "_STATUS", str(tmp_path / "status"))
    monkeypatch.setattr(sys, "platform", "linux")
    in_kib = peak.peak_memory()
    assert in_kib > 10
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak.peak_memory() == pytest.approx(in_kib / 1024, rel=0.1)  # of bytes


def test_the_peak_of_linux(tmp_path, monkeypatch):
    (tmp_path / "status").write_text("VmRSS: 5 kB\nVmHWM:     3072 kB\n")
    monkeypatch.setattr(peak, "_STATUS", str(tmp_path / "status"))
    assert peak.peak_memory() == 3


@pytest.mark.parametrize(("processor", "expected"), [("i686", "i686"), ("", "arm64")])
def test_the_processor_where_linux_does_not_name_it(processor, expected, monkeypatch):
    def refuse(*args, **options):
        raise FileNotFoundError

    monkeypatch.setattr(_versions, "open", refuse, raising=False)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert _versions.processor()["model"] == expected


def test_the_random_state_is_put_back_where_torch_is_not_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    before = np.random.get_state()[1].copy()
    with preserved_global_states():
        np.random.seed(3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
