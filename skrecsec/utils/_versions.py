"""Versions, for what is to be traced back to them."""

from __future__ import annotations

from importlib.metadata import version


def package_versions(*names: str) -> dict[str, str]:
    """Return the versions of skrecsec, installed or run from a source tree, and of packages."""
    import skrecsec  # which imports this package

    return {"skrecsec": skrecsec.__version__, **{name: version(name) for name in names}}
