"""How much memory is to be had."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
CACHE_LINE = 64  # bytes that a processor fetches at once


def available_memory() -> int | None:
    """Return the bytes that can be had without swapping, None where the system does not say.

    On Linux, what is available on the machine, or what a container may still use if that is less.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" stands for no limit
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        found.append(max(0, limit - used))
    return min(found, default=None)


def check_memory(n_bytes: int, what: str) -> None:
    """Raise a MemoryError that names the size if so many bytes are more than can be had.

    An operating system may promise memory that it does not have, and end the process that uses it.

    Examples
    --------
    >>> from skrecsec.utils._memory import check_memory
    >>> check_memory(10**18, "A billion profiles; lower attack_size")
    Traceback (most recent call last):
        ...
    MemoryError: A billion profiles; lower attack_size (they take 1e+09 GB).
    """
    available = available_memory()
    if available is not None and n_bytes > available:
        raise MemoryError(f"{what} (they take {n_bytes / 1e9:.3g} GB).")


def aligned_empty(shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """Return an array as `numpy.empty` does, that begins where a line of the cache does.

    Loads of a whole line, as those of vectors of 16 numbers, then touch one line and not two.

    Examples
    --------
    >>> from skrecsec.utils._memory import aligned_empty
    >>> array = aligned_empty((3, 5))
    >>> array.shape, array.ctypes.data % 64
    ((3, 5), 0)
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array: np.ndarray, dtype=np.float32) -> np.ndarray:
    """Return an array as `astype` does, that begins where a line of the cache does."""
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy
