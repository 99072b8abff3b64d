"""The records of finished units: one file each, written at once or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import stat
import time
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skrecsec.utils._shell import describe_error

# Increase it whenever records are written differently or mean something else: records of another
# format have other names, and are left alone.
RECORD_FORMAT = 1

POISON = ("data", "indices", "indptr")  # the arrays of fake profiles, as those of CSR

_HEADER = b"skrecsec record "
_ABANDONED_AFTER = 24 * 3600.0  # seconds


class Record(NamedTuple):
    """What a unit found out.

    Parameters
    ----------
    values : dict
        Numbers by name, of types that JSON knows; NaN is one of them.

    arrays : dict
        Arrays by name, without objects.
    """

    values: dict[str, float]
    arrays: dict[str, np.ndarray]


class RecordStore:
    """The records in a folder, found by the description of what they are the result of.

    A record is a file that is named by the SHA-256 of the description. It starts with a line that
    has the SHA-256 of what follows: an archive as :func:`numpy.savez_compressed` writes it, in
    which the member `json` holds description and values. No part of it is unpickled.

    A record is written to a temporary file beside it, which then takes its name. So a process may
    be killed at any time, and several may use a folder at once: at worst two of them compute the
    same.

    Parameters
    ----------
    folder : str or path-like
        Made if it does not exist; a leading ``~`` is expanded.

    Raises
    ------
    ValueError
        If `folder` is empty, or exists and is no folder.

    OSError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skrecsec.experiments._records import Record, RecordStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = RecordStore(folder)
    ...     store.save({"seed": 1}, Record({"hr": 0.5}, {"ranks": np.arange(3)}))
    ...     store.load({"seed": 1}), store.load({"seed": 2})
    (Record(values={'hr': 0.5}, arrays={'ranks': array([0, 1, 2])}), None)
    """

    def __init__(self, folder: str | os.PathLike):
        if not os.fspath(folder):
            raise ValueError("cache_dir is empty; name a folder, '.' for the current one, or None.")
        try:
            self.folder = Path(folder).expanduser()
        except RuntimeError as error:
            raise ValueError(f"cache_dir={str(folder)!r}: {error}") from None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"cache_dir={str(folder)!r} is not a folder.") from None
        self._remove_abandoned()

    def path(self, description: dict) -> Path:
        """Return the path of the record with this description."""
        return self.folder / f"{hashlib.sha256(_as_json(description)).hexdigest()}.record"

    def load(
        self,
        description: dict,
        *,
        check: Callable[[Record], None] | None = None,
        max_bytes: int | None = None,
    ) -> Record | None:
        """Return a record, None if there is none; warn and return None if it is no good.

        Parameters
        ----------
        description : dict
            What it is the result of.

        check : callable, default=None
            Raises a ValueError if the record does not hold what it should.

        max_bytes : int, default=None
            More than that is not read into memory.
        """
        path = self.path(description)
        try:
            content = _read(path, max_bytes)
            if content is None:
                return None
            record = _decode(content, description, max_bytes)
            if check is not None:
                check(record)
        except (OSError, ValueError) as error:
            warnings.warn(
                f"The record {path.name} in cache_dir is damaged ({describe_error(error)}); it is "
                f"made anew.",
                UserWarning,
                stacklevel=2,
            )
            return None
        return record

    def save(self, description: dict, record: Record) -> None:
        """Write a record; when this returns, it is on the disk.

        Raises
        ------
        OSError
            If it cannot be written; what was there before still is.
        """
        path = self.path(description)
        # Not by tempfile, which lets no one else read it: a group may share a folder.
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            with open(temporary, "xb") as file:
                file.write(_encode(description, record))
                file.flush()
                os.fsync(file.fileno())
            _take_name(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _remove_abandoned(self):
        """Remove temporary files of killed processes; those of running ones are younger."""
        for path in self.folder.glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                    path.unlink()


def _read(path, max_bytes):
    """Return the content of a file, None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):  # a pipe, say, would never end
        raise ValueError("it is no file")
    if max_bytes is not None and status.st_size > max_bytes:
        raise ValueError(f"it is too large, {status.st_size} bytes")
    return path.read_bytes()


def _take_name(temporary, path):
    with contextlib.suppress(OSError):
        os.rmdir(path)  # if it is an empty folder; one that is not stays
    try:
        os.replace(temporary, path)
    except PermissionError:
        # Windows replaces no file that another process reads: one with the same content.
        if not path.exists():
            raise
        os.unlink(temporary)
        return
    with contextlib.suppress(OSError):  # a folder cannot be opened on Windows
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _encode(description, record):
    header = _as_json({"description": description, "values": record.values})
    archive = io.BytesIO()
    np.savez_compressed(archive, json=np.frombuffer(header, dtype=np.uint8), **record.arrays)
    content = archive.getvalue()
    return _HEADER + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _decode(content, description, max_bytes):
    line, _, content = content.partition(b"\n")
    # Before anything is parsed: what passes has been written by `_encode`, or made to look so.
    if line != _HEADER + hashlib.sha256(content).hexdigest().encode():
        raise ValueError("its checksum does not fit")
    try:
        return _parse(content, description, max_bytes)
    except Exception as error:  # NumPy, zipfile and json have a dozen kinds for bytes from anywhere
        raise ValueError(str(error) or type(error).__name__) from error


def _parse(content, description, max_bytes):
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        size = sum(member.file_size for member in archive.zip.infolist())
        if max_bytes is not None and size > max_bytes:
            raise ValueError(f"it is too large, {size} bytes")
        arrays = {name: archive[name] for name in archive.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("it holds something else than arrays")
    header = json.loads(arrays.pop("json").tobytes())
    if header["description"] != description:
        raise ValueError("it is the record of something else")
    return Record(dict(header["values"]), arrays)
