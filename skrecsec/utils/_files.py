"""Writing files."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; with the path that was asked for.
    """
    if isinstance(content, str):
        content = content.encode()
    with _named(path):
        _write(path, content)


@contextlib.contextmanager
def _named(path):
    """Have an error of the system name a path, rather than that of a temporary file or none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path, content):
    # With all of a long name it would be too long.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def check_writable(folder: Path) -> None:
    """Raise an OSError, which names the folder, if no file can be made in it."""
    with _named(folder), tempfile.NamedTemporaryFile(dir=folder, prefix=".skrecsec."):
        pass
