"""Versions, for what is to be traced back to them."""

from __future__ import annotations

from importlib.metadata import version


def package_version() -> str:
    """Return the version of skrecsec, installed or run from a source tree."""
    import skrecsec  # which imports this package

    return skrecsec.__version__


def package_versions(*names: str) -> dict[str, str]:
    """Return the versions of skrecsec and of packages."""
    return {"skrecsec": package_version(), **{name: version(name) for name in names}}
