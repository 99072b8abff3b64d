"""Reads archives of NumPy arrays that may be damaged, or made to harm.

:func:`numpy.load` allocates what the header of an array asks for, and evaluates the header. Here
nothing is evaluated, unpickled or allocated beyond what the archive says that it holds, and that is
limited.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

# All arrays of an archive together may take so many bytes: 20 million ratings.
MAX_BYTES = 2**28

_MAGIC = b"\x93NUMPY\x01\x00"
# As NumPy writes it: a header made otherwise is no header of ours.
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufSU]\d{1,9})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n"
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


class Archive:
    """The names and the arrays of an archive that is open.

    Raises
    ------
    ValueError
        If the file, or what is asked for, is no archive of arrays that is as it should be; also for
        what Python's and SciPy's code raise on damaged files.
    """

    def __init__(self, file):
        self._zip = zipfile.ZipFile(file)
        members = self._zip.infolist()
        self._members = {member.filename: member for member in members}
        if len(self._members) < len(members):
            raise ValueError("two arrays have the same name")
        if sum(member.file_size for member in members) > MAX_BYTES:
            raise ValueError(f"its arrays take more than {MAX_BYTES} bytes")

    @property
    def names(self) -> set[str]:
        """Names of the arrays, without the suffix."""
        return {name.removesuffix(".npy") for name in self._members}

    def array(self, name: str, kinds: str, n_dimensions: int) -> np.ndarray:
        """Return an array of one of the given kinds of NumPy's dtypes, writeable and native."""
        member = self._members.get(f"{name}.npy")
        if member is None:
            raise ValueError(f"there is no {name!r}")
        if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name!r} is compressed or encrypted in another way")
        array = _parse(self._zip.read(member), name)
        if array.dtype.kind not in kinds or array.ndim != n_dimensions:
            raise ValueError(
                f"{name!r} is an array of dtype {array.dtype} with {array.ndim} dimensions"
            )
        return array.astype(array.dtype.newbyteorder("="))

    def arrays(self, names: Iterable[str], kinds: str) -> list[np.ndarray]:
        """Return several one-dimensional arrays of the same kinds."""
        return [self.array(name, kinds, 1) for name in names]


def _parse(content: bytes, name: str) -> np.ndarray:
    """Return the array that a .npy file holds, read-only."""
    start = len(_MAGIC) + 2
    if content[: len(_MAGIC)] != _MAGIC or len(content) < start:
        raise ValueError(f"{name!r} is no NumPy array")
    (length,) = struct.unpack("<H", content[len(_MAGIC) : start])
    header = _HEADER.fullmatch(content[start : start + length])
    if header is None:
        raise ValueError(f"{name!r} has an unknown header")
    dtype = np.dtype(header[1].decode("ascii"))
    shape = [int(size) for size in header[3].split(b",") if size.strip()]
    n_values = 1
    for size in shape:
        n_values *= size
    if dtype.itemsize == 0 or n_values * dtype.itemsize != len(content) - start - length:
        raise ValueError(f"{name!r} does not hold what its header says")
    values = np.frombuffer(content, dtype, offset=start + length)
    return values.reshape(shape, order="F" if header[2] == b"True" else "C")


def read_archive(path: str | os.PathLike, read, what: str):
    """Return ``read(archive)`` for the archive in a file.

    Parameters
    ----------
    path : str or path-like
        Of the file; ``~`` is the home folder.

    read : callable
        Takes an :class:`Archive`, and may raise a ValueError.

    what : str
        What the file should hold, for messages.

    Returns
    -------
    result : object
        What `read` returns.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the file cannot be opened.
    ValueError
        If it holds anything else, whatever that is.
    """
    path = Path(path).expanduser()
    if path.exists() and not path.is_file():
        raise ValueError(f"{str(path)!r} is no file.")
    with open(path, "rb") as file:
        try:
            return read(Archive(file))
        # Whatever Python's and SciPy's code makes of damaged bytes: BadZipFile, zlib.error,
        # NotImplementedError, RuntimeError, RecursionError, MemoryError, struct.error and more.
        except Exception as error:
            raise ValueError(f"{str(path)!r} does not hold {what}: {error}") from error
