"""The peak of a process's resident memory."""

from __future__ import annotations

import contextlib
import sys

try:
    import resource
except ImportError:  # pragma: no cover - Windows
    resource = None  # type: ignore[assignment]

# Writing 5 there makes Linux forget the peak so far, see proc(5).
_RESET = "/proc/self/clear_refs"
_STATUS = "/proc/self/status"


def reset_peak_memory() -> None:
    """Start the peak anew at the present use, where the system allows it."""
    with contextlib.suppress(OSError), open(_RESET, "w", encoding="ascii") as file:
        file.write("5")


def peak_memory() -> float:
    """Return the peak in MiB, NaN where the system does not say.

    On Linux that is since the last reset, elsewhere since the process was started. `getrusage` is
    second choice on Linux: a child inherits its peak from the process that it was forked from.
    """
    with contextlib.suppress(OSError), open(_STATUS, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if resource is None:  # pragma: no cover - Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)
