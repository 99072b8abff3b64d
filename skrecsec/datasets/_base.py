"""What the fetchers share: the data home, the download and the reading of rating files."""

import hashlib
import io
import logging
import math
import os
import re
import shutil
import tempfile
import time
import warnings
import zipfile
import zlib
from http.client import HTTPException
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import scipy.sparse as sp

logger = logging.getLogger(__name__)

_TIMEOUT = 60.0  # seconds without an answer before a download counts as failed

# Ids become positions, so a matrix is as large as its largest id: a corrupt one must not pass.
_MIN_ID, _MAX_ID = 1, 10_000_000


class DataSource(NamedTuple):
    """Where the rating file of a dataset comes from, and where it is kept."""

    filename: str  # relative to the data home
    url: str  # of a zip archive
    member: str  # the rating file in the archive
    archive_sha256: str | None  # None: the owner publishes no checksum to rely on
    member_md5: str | None
    columns: tuple[str, ...]  # the fields of a line: user, item, rating and perhaps timestamp
    separator: str | None  # of the fields; None is any run of blanks


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Return the folder in which the fetchers look for, and keep, their files.

    The folder is created when a dataset is downloaded, not here.

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        The folder; a leading ``~`` is expanded. With None it is the value of the environment
        variable ``SKRECSEC_DATA`` if that is set, and ``~/skrecsec_data`` otherwise.

    Returns
    -------
    data_home : pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If `data_home` is none of the above.

    See Also
    --------
    fetch_movielens_100k : Load MovieLens-100K from it.

    Examples
    --------
    >>> from skrecsec.datasets import get_data_home
    >>> get_data_home("ratings").name
    'ratings'
    """
    if data_home is None:
        data_home = os.environ.get("SKRECSEC_DATA") or "~/skrecsec_data"
    try:
        if data_home == "":  # which would be the current folder
            raise TypeError
        return Path(data_home).expanduser()
    except TypeError as error:
        raise ValueError(f"data_home must be a path or None, got {data_home!r}.") from error
    except RuntimeError as error:  # the ~ of nobody
        raise ValueError(f"data_home must be a path, got {data_home!r}: {error}") from error


def fetch_lines(
    source: DataSource,
    data_home: str | os.PathLike | None,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
) -> tuple[Path, np.ndarray]:
    """Return the path and the lines of a rating file, downloading it if need be."""
    path = _fetch_file(source, data_home, download_if_missing, n_retries, delay)
    return path, read_rating_lines(path, source.columns, source.separator)


def _fetch_file(source, data_home, download_if_missing, n_retries, delay):
    if download_if_missing not in (True, False):
        raise ValueError(f"download_if_missing must be a bool, got {download_if_missing!r}.")
    if not isinstance(n_retries, Integral) or isinstance(n_retries, bool) or n_retries < 0:
        raise ValueError(f"n_retries must be an integer of at least 0, got {n_retries!r}.")
    if not isinstance(delay, Real) or isinstance(delay, bool) or not 0 <= delay < math.inf:
        raise ValueError(f"delay must be a finite number of at least 0, got {delay!r}.")

    path = get_data_home(data_home) / source.filename
    if path.is_file():
        return path
    by_hand = f"To install it by hand, save {source.member} from {source.url} as {path}."
    if not download_if_missing:
        raise OSError(f"{path} does not exist and download_if_missing is False. {by_hand}")
    try:
        _install(source, path, get_data_home(data_home), n_retries, delay)
    except (OSError, HTTPException) as error:
        raise OSError(f"{path} could not be had from {source.url}: {error}. {by_hand}") from error
    return path


def _install(source: DataSource, path: Path, data_home: Path, n_retries: int, delay: float) -> None:
    """Download the archive and move its rating file to `path`, or leave no trace."""
    data_home.mkdir(parents=True, exist_ok=True)
    # The folder goes away however its block is left, a KeyboardInterrupt included. It lies in
    # the data home for the last step to be a rename, which no reader can see half done.
    with tempfile.TemporaryDirectory(prefix=".download-", dir=data_home) as folder:
        archive, member = Path(folder, "archive.zip"), Path(folder, "member")
        logger.info("Downloading %s to %s", source.url, path)
        _download(source.url, archive, n_retries, delay)
        _check_digest(archive, "sha256", source.archive_sha256)
        _extract(archive, source.member, member)
        _check_digest(member, "md5", source.member_md5)
        path.parent.mkdir(exist_ok=True)
        os.replace(member, path)


def _download(url: str, target: Path, n_retries: int, delay: float) -> None:
    while True:
        try:
            with urlopen(url, timeout=_TIMEOUT) as response, target.open("wb") as file:
                shutil.copyfileobj(response, file)
            return
        except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # it is the response as well, with its connection
            if n_retries == 0:
                raise
            n_retries -= 1
            warnings.warn(f"Retry downloading from url: {url}", stacklevel=6)
            time.sleep(delay)


def _check_digest(path: Path, algorithm: str, expected: str | None) -> None:
    if expected is None:
        return
    with path.open("rb") as file:
        # It guards against accidents; md5 is what the owners publish.
        found = hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()
    if found != expected:
        raise OSError(f"the {algorithm} checksum of the {path.stem} is {found}, not {expected}")


def _extract(archive: Path, member: str, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            opened.open(member) as packed,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file)
    except KeyError as error:
        raise OSError(f"the archive has no member {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise OSError(f"the archive is corrupt ({error})") from error


def read_rating_lines(path: Path, columns: tuple[str, ...], separator: str | None) -> np.ndarray:
    """Read a file of numbers with one rating per line.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    columns : tuple of str
        What the fields of a line are: "user", "item", "rating" and perhaps "timestamp".

    separator : str or None
        What separates the fields; None is any run of blanks.

    Returns
    -------
    lines : structured ndarray of shape (n_lines,)
        Its fields are the columns, its element r is line r + 1 of the file.

    Raises
    ------
    ValueError
        If the file is empty or a line malformed; the message names the file and the line.
    """
    text = path.read_bytes().rstrip(b"\r\n")
    if not text.strip():
        raise ValueError(f"{path} is empty: it holds no rating.")
    delimiter = separator
    if separator is not None and len(separator) > 1:
        # The C reader wants a single character, here one that no text file contains.
        delimiter = "\x1f"
        text = text.replace(separator.encode(), delimiter.encode())
    try:
        lines = _parse(text, columns, delimiter)
    except (ValueError, DeprecationWarning) as error:
        _raise_for_first_bad_line(path, text, columns, delimiter, error)
    # The reader skips blank lines, after which elements and lines no longer correspond.
    if len(lines) != text.count(b"\n") + 1 or not _are_valid(lines):
        _raise_for_first_bad_line(path, text, columns, delimiter)
    return lines


def _parse(text: bytes, columns: tuple[str, ...], delimiter: str | None) -> np.ndarray:
    types = [(name, np.float64 if name == "rating" else np.int64) for name in columns]
    with warnings.catch_warnings():
        # Older versions of numpy truncate 1.5 to an integer, and warn.
        warnings.simplefilter("error", DeprecationWarning)
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")  # found out later
        return np.loadtxt(
            io.BytesIO(text),
            dtype=types,
            delimiter=delimiter,
            comments=None,
            ndmin=1,
            encoding="latin-1",
        )


def _are_valid(lines: np.ndarray) -> bool:
    """Tell whether no field has a fault in the sense of `_find_fault`."""
    ids_are_valid = (
        (lines[name] >= _MIN_ID) & (lines[name] <= _MAX_ID) for name in ("user", "item")
    )
    ratings_are_valid = np.isfinite(lines["rating"]) & (lines["rating"] > 0)
    return bool(ratings_are_valid.all() and all(valid.all() for valid in ids_are_valid))


def _find_fault(name: str, field: str) -> str | None:
    """Say what is wrong with a field, or return None."""
    try:
        value = float(field.replace("_", "?"))  # Python's 1_000 is no number in a file
    except ValueError:
        return "is not a number"
    if not math.isfinite(value):
        return "is not finite"
    if name == "rating":
        return None if value > 0 else "is not positive"
    if re.fullmatch(r"\s*[+-]?[0-9]+\s*", field) is None:
        return "is not a whole number"
    low, high = (-(2**63), 2**63 - 1) if name == "timestamp" else (_MIN_ID, _MAX_ID)
    if not low <= int(field) <= high:
        return f"is out of range: it must be from {low} to {high}"
    return None


def _raise_for_first_bad_line(
    path: Path,
    text: bytes,
    columns: tuple[str, ...],
    delimiter: str | None,
    cause: Exception | None = None,
) -> NoReturn:
    """Go through the lines one by one, which is slow, and raise for the first bad one."""
    for number, line in enumerate(text.decode("latin-1").split("\n"), start=1):
        if "\r" in line.rstrip("\r"):
            raise ValueError(
                f"{path}, line {number}: a carriage return stands within the line."
            ) from cause
        fields = line.split(delimiter) if line.strip() else []
        if len(fields) != len(columns):
            raise ValueError(
                f"{path}, line {number}: expected {len(columns)} fields "
                f"({', '.join(columns)}), found {len(fields)}."
            ) from cause
        for name, field in zip(columns, fields, strict=True):
            fault = _find_fault(name, field)
            if fault is not None:
                raise ValueError(f"{path}, line {number}: {name} {field!r} {fault}.") from cause
    raise ValueError(f"{path} cannot be read as ratings: {cause}.") from cause


def check_count(name: str, value) -> int:
    """Return a parameter that counts something as a Python integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def sort_by_user_and_item(
    users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that sorts ratings, and which of them, in it, repeat the one before.

    The order is stable: of several ratings of an item by a user the last line comes last, or with
    `times` the latest one, and of these the last line.
    """
    # In place, since there may be many.
    pairs = users.astype(np.int64)
    pairs *= int(items.max(initial=0)) + 1
    pairs += items
    order = np.argsort(pairs, kind="stable") if times is None else np.lexsort((times, pairs))
    pairs = pairs[order]
    repeats = np.zeros(pairs.size, dtype=bool)
    np.equal(pairs[1:], pairs[:-1], out=repeats[1:])
    return order, repeats


def build_csr(
    users: np.ndarray, items: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> sp.csr_array:
    """Build a CSR array from entries sorted by user and item; zeros remain stored."""
    indptr = np.zeros(shape[0] + 1, dtype=np.int32)
    np.cumsum(np.bincount(users, minlength=shape[0]), out=indptr[1:])
    values = np.ascontiguousarray(values)
    return sp.csr_array((values, items.astype(np.int32), indptr), shape=shape)
