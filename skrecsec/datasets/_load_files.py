"""The columns of a data frame or of a file of ratings, whatever has written it."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

# The first one that is installed reads a file. On 20 million ratings pyarrow and polars are equally
# fast and pandas takes a third longer (benchmarks/bench_loading.py); UUIDs in Parquet are no more
# than bytes to polars.
_TEXT_READERS = ("pyarrow", "polars", "pandas")
_PARQUET_READERS = ("pyarrow", "polars")

_SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_SEPARATOR_OF_SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_UNIT_SEPARATOR = "\x1f"  # stands for a separator of several characters; no text file contains it
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 2**20
_MAX_LINE_BYTES = 2**20

Column = str | int


class Columns(NamedTuple):
    """The columns that are asked for, by role, and where they come from."""

    series: dict  # of narwhals series; the roles are "user", "item", "rating" and "timestamp"
    origin: str
    is_text: bool  # all series are strings, at least where the reader does not guess


def import_extra(name: str, purpose: str):
    """Import an optional dependency, or say which extra brings it along."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name}, which comes with: pip install 'skrecsec[data]'."
        ) from error


def read_columns(
    source, wanted: Mapping[str, Column], separator: str | None, names: Sequence[str] | None
) -> Columns:
    """Return the wanted columns of a data frame or file."""
    import_extra("narwhals", "load_ratings")
    if not isinstance(source, str | os.PathLike):
        _refuse_text_options("a data frame", separator, names)
        return _read_frame(source, wanted)
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file.")
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        _refuse_text_options("a Parquet file", separator, names)
        return _read_parquet(path, wanted)
    return _read_text(path, wanted, separator, names)


def _refuse_text_options(kind: str, separator, names) -> None:
    for option, value in (("separator", separator), ("names", names)):
        if value is not None:
            raise ValueError(f"{option} is for text files, and source is {kind}.")


def find_position(column: Column, columns: Sequence, role: str) -> int:
    """Return the position of a column that is given by its name or its position."""
    found = [position for position, name in enumerate(columns) if name == column]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{role}={column!r} is the name of {len(found)} columns.")
    if isinstance(column, int) and 0 <= column < len(columns):
        return column
    raise ValueError(f"{role}={column!r} is not a column; there are {list(columns)}.")


# --- data frames ---


def _read_frame(source, wanted: Mapping[str, Column]) -> Columns:
    import narwhals.stable.v2 as nw

    try:
        frame = nw.from_native(source)
    except TypeError as error:
        raise ValueError(
            "source must be a data frame of pandas, polars, pyarrow or another library that "
            f"narwhals knows, or the path of a file; got {type(source).__name__}."
        ) from error
    columns = frame.collect_schema().names()
    positions = {role: find_position(column, columns, role) for role, column in wanted.items()}
    if isinstance(frame, nw.LazyFrame):
        frame = frame.select([columns[position] for position in positions.values()]).collect()
        series = {role: frame[columns[position]] for role, position in positions.items()}
    else:
        series = {role: frame[:, position] for role, position in positions.items()}
    return Columns(series, f"a data frame of {frame.implementation.value}", is_text=False)


# --- Parquet ---


def _read_parquet(path: Path, wanted: Mapping[str, Column]) -> Columns:
    if _first_installed(_PARQUET_READERS, "A Parquet file") == "polars":
        import polars

        frame = polars.scan_parquet(path, glob=False)
        return _read_frame(frame, wanted)._replace(origin=path.name)
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            kept = [columns[find_position(column, columns, r)] for r, column in wanted.items()]
            table = file.read(columns=kept)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    return _read_frame(table, dict(zip(wanted, kept, strict=True)))._replace(origin=path.name)


def _first_installed(readers: Sequence[str], what: str) -> str:
    for name in readers:
        if find_spec(name) is not None:
            return name
    raise ImportError(
        f"{what} needs {' or '.join(readers)}, and none of them is installed; "
        "pyarrow comes with: pip install 'skrecsec[data]'."
    )


# --- text ---


class _Layout(NamedTuple):
    """How the lines of a text file are to be read."""

    separator: str
    columns: list  # of all columns, by name or position
    has_header: bool


def _read_text(
    path: Path, wanted: Mapping[str, Column], separator: str | None, names: Sequence[str] | None
) -> Columns:
    import narwhals.stable.v2 as nw

    layout = _find_layout(path, wanted, separator, names)
    positions = {
        role: find_position(column, layout.columns, role) for role, column in wanted.items()
    }
    reader = _first_installed(_TEXT_READERS, "A text file")
    try:
        with _open(path) as file:
            frame = _READERS[reader](_with_one_character(file, layout), layout, positions)
    except OSError:
        raise
    except Exception as error:  # every reader has its own
        raise ValueError(
            f"{path} cannot be read as text with the separator {layout.separator!r}: {error}"
        ) from error
    frame = nw.from_native(frame, eager_only=True)
    return Columns({role: frame[role] for role in positions}, path.name, is_text=True)


def _open(path: Path) -> BinaryIO:
    """Open a file, gzipped or not, behind its byte-order mark; it is for the caller to close."""
    with path.open("rb") as file:
        is_gzipped = file.read(2) == b"\x1f\x8b"
    file = cast(BinaryIO, gzip.open(path) if is_gzipped else path.open("rb"))  # noqa: SIM115
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
    return file


def _find_layout(
    path: Path, wanted: Mapping[str, Column], separator: str | None, names: Sequence[str] | None
) -> _Layout:
    if separator is not None and not (isinstance(separator, str) and separator):
        raise ValueError(f"separator must be a non-empty string or None, got {separator!r}.")
    with _open(path) as file:
        try:
            line = file.readline(_MAX_LINE_BYTES).decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not text in UTF-8: {error}.") from error
    if not line:
        raise ValueError(f"{path} has no first line: it is empty or begins with a blank line.")
    if separator is not None:
        return _lay_out(line, separator, wanted, names)
    suffixes = (suffix for suffix in path.suffixes if suffix in _SEPARATOR_OF_SUFFIX)
    likely = [_SEPARATOR_OF_SUFFIX[suffix] for suffix in suffixes]
    for candidate in (*likely, *_SEPARATORS):
        layout = _lay_out(line, candidate, wanted, names)
        if candidate in line and _has_columns(layout, wanted):
            return layout
    raise ValueError(
        f"No separator of {', '.join(map(repr, _SEPARATORS))} finds the columns "
        f"{', '.join(repr(column) for column in wanted.values())} in the first line of {path}, "
        f"{line[:200]!r}: pass `separator`, or `names` if the file has no header."
    )


def _lay_out(
    line: str, separator: str, wanted: Mapping[str, Column], names: Sequence[str] | None
) -> _Layout:
    """Split the first line; it is a header if columns are known by name, and only from there."""
    if len(separator) == 1:
        fields = next(csv.reader([line], delimiter=separator))
    else:
        fields = line.split(separator)
    if names is not None:
        names = list(names)
        if len(names) != len(fields):
            fields = []  # no column at all
        return _Layout(separator, names if fields else [], has_header=False)
    if all(isinstance(column, int) for column in wanted.values()):
        return _Layout(separator, list(range(len(fields))), has_header=False)
    return _Layout(separator, fields, has_header=True)


def _has_columns(layout: _Layout, wanted: Mapping[str, Column]) -> bool:
    for role, column in wanted.items():
        try:
            find_position(column, layout.columns, role)
        except ValueError:
            return False
    return True


class _ReplacingReader(io.RawIOBase):
    """A file in which one separator stands for another; neither spans lines."""

    def __init__(self, file: BinaryIO, old: bytes, new: bytes):
        self._file, self._old, self._new = file, old, new
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._rest:
            block = self._file.read(_BLOCK_BYTES) + self._file.readline()
            self._rest = memoryview(block.replace(self._old, self._new))
        n_bytes = min(len(buffer), len(self._rest))
        buffer[:n_bytes] = self._rest[:n_bytes]
        self._rest = self._rest[n_bytes:]
        return n_bytes


def _with_one_character(file: BinaryIO, layout: _Layout) -> BinaryIO:
    if len(layout.separator) == 1:
        return file
    replacing = _ReplacingReader(file, layout.separator.encode(), _UNIT_SEPARATOR.encode())
    return io.BufferedReader(replacing, _BLOCK_BYTES)


def _one_character(layout: _Layout) -> str:
    return layout.separator if len(layout.separator) == 1 else _UNIT_SEPARATOR


# Ids are read as strings: what looks like a number in the first thousand lines may be none in the
# next, and 007 is not 7.


def _read_text_with_pyarrow(file: BinaryIO, layout: _Layout, positions: Mapping[str, int]):
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    roles = {position: role for role, position in positions.items()}
    names = [roles.get(position, f"#{position}") for position in range(len(layout.columns))]
    return arrow_csv.read_csv(
        file,
        read_options=arrow_csv.ReadOptions(skip_rows=int(layout.has_header), column_names=names),
        parse_options=arrow_csv.ParseOptions(delimiter=_one_character(layout)),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=list(positions),
            column_types=dict.fromkeys(positions, pa.string()),
            null_values=[""],
            strings_can_be_null=True,  # for what follows to take the fast path
        ),
    )


def _read_text_with_polars(file: BinaryIO, layout: _Layout, positions: Mapping[str, int]):
    import polars

    lines = polars.scan_csv(
        file,
        separator=_one_character(layout),
        has_header=False,
        skip_rows=int(layout.has_header),
        schema={f"#{position}": polars.String for position in range(len(layout.columns))},
    )
    wanted = [polars.col(f"#{position}").alias(role) for role, position in positions.items()]
    is_blank = polars.all_horizontal(polars.all().is_null())
    return lines.select(wanted).filter(~is_blank).collect()


def _read_text_with_pandas(file: BinaryIO, layout: _Layout, positions: Mapping[str, int]):
    import pandas

    with warnings.catch_warnings():
        # Without `usecols`, which would hide that a line has more fields than the first one.
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        frame = pandas.read_csv(
            file,
            sep=_one_character(layout),
            header=None,
            names=range(len(layout.columns)),
            index_col=False,
            skiprows=int(layout.has_header),
            dtype={positions[role]: str for role in ("user", "item")},
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
    return pandas.DataFrame({role: frame[position] for role, position in positions.items()})


_READERS = {
    "pyarrow": _read_text_with_pyarrow,
    "polars": _read_text_with_polars,
    "pandas": _read_text_with_pandas,
}
