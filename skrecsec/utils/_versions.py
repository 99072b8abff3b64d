"""Versions, and the processor, for what is to be traced back to them."""

from __future__ import annotations

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Return the version of skrecsec, installed or run from a source tree."""
    try:
        return version("skrecsec")
    except PackageNotFoundError:  # pragma: no cover - running from a source tree
        return "0.0.0"


def package_versions(*names: str) -> dict[str, str]:
    """Return the versions of skrecsec and of packages."""
    return {"skrecsec": package_version(), **{name: version(name) for name in names}}


def processor() -> dict[str, str]:
    """Return the model of the processor, and the kind of processor that kernels are compiled for.

    The same seed gives the same bits on processors of one kind: compiled code adds up in the order
    that suits the width of the processor's registers.

    Examples
    --------
    >>> from skrecsec.utils._versions import processor
    >>> list(processor())
    ['model', 'compiled_for']
    """
    from skrecsec.utils._compiling import compiled_for  # Numba is not needed for a version

    return {"model": _processor_model(), "compiled_for": compiled_for()}


def _processor_model():
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
