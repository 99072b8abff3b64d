"""Columns of any type as arrays: ids as positions, ratings as numbers, times as seconds.

A column is a narwhals series, and its `label` is what messages call it.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np

_NAMES_OF_NOTHING = {"", "na", "n/a", "nan", "nat", "null", "none", "<na>", "\\n"}
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # as Python would print it; below 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
_BLOCK_ROWS = 2**20


class Ids(NamedTuple):
    """A column of ids."""

    codes: np.ndarray  # of shape (n_rows,), int32: the position in `values`, -1 where missing
    values: np.ndarray  # of shape (n_ids,): the distinct ids, ascending


# --- ids ---


def number_ids(series, label: str, *, is_text: bool) -> Ids:
    """Return the distinct ids of a column, ascending, and the number of each row's.

    The ids of a text file are strings: they become numbers if all are whole numbers, and empty ones
    are missing.
    """
    codes, values = _encode(series, label)
    positions = np.full(len(values) + 1, -1, dtype=np.int32)  # the code -1 is for the last one
    present = _find_present(values, is_text)
    values = values[present]
    if is_text and all(map(_WHOLE_NUMBER.fullmatch, values)):
        values = values.astype(np.int64)
    order = _sort(values, label)
    positions[present[order]] = np.arange(len(order), dtype=np.int32)
    return Ids(positions[codes], values[order])


def _find_present(values: np.ndarray, is_text: bool = False) -> np.ndarray:
    if values.dtype != object:
        return np.flatnonzero(values == values)  # neither NaN nor NaT
    nothing = (None, "") if is_text else (None,)
    missing = [
        value in nothing or (isinstance(value, float) and math.isnan(value)) for value in values
    ]
    return np.flatnonzero(~np.array(missing, dtype=bool))


def _sort(values: np.ndarray, label: str) -> np.ndarray:
    """Return the order of ids; ids of several types are sorted by the name of the type first."""
    if values.dtype != object:
        return np.argsort(values, kind="stable")
    try:
        return np.array(sorted(range(len(values)), key=values.__getitem__), dtype=np.intp)
    except TypeError:
        pass  # strings and numbers, say
    keys = [(type(value).__name__, value) for value in values]
    try:
        return np.array(sorted(range(len(values)), key=keys.__getitem__), dtype=np.intp)
    except TypeError as error:
        raise ValueError(f"The ids in {label} cannot be put in order: {error}.") from error


def _encode(series, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes, -1 for missing values, and the values they stand for, in any order."""
    if series.dtype.is_nested():
        raise ValueError(f"The values in {label} must be scalars, not {series.dtype}.")
    if series.implementation.is_pyarrow():
        return _encode_arrow(series.to_native())
    try:
        if series.implementation.is_pandas():
            return _encode_pandas(series.to_native())
        return _encode_any(series)
    except TypeError as error:
        raise ValueError(f"The values in {label} must be scalars: {error}.") from error


def _encode_pandas(column) -> tuple[np.ndarray, np.ndarray]:
    import pandas

    codes, values = pandas.factorize(column)
    return codes, _to_array(pandas.Series(values, dtype=values.dtype))  # nothing inferred


def _encode_arrow(column) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa

    extension = column.type if isinstance(column.type, pa.BaseExtensionType) else None
    if extension is not None:  # such as UUIDs
        column = pa.chunked_array([chunk.storage for chunk in column.chunks])
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # a dictionary may hold a value twice
    encoded = column.dictionary_encode().unify_dictionaries()
    codes = np.concatenate(
        [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    )
    values = encoded.chunk(0).dictionary
    if extension is not None:
        values = pa.ExtensionArray.from_storage(extension, values)
    return codes, _to_array(pa.chunked_array([values]))


def _encode_any(series) -> tuple[np.ndarray, np.ndarray]:
    import narwhals.stable.v2 as nw

    if series.dtype in (nw.Object, nw.Unknown):  # Python objects, one by one
        values = series.to_list()
        numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
        codes = np.fromiter(map(numbers.__getitem__, values), dtype=np.int32, count=len(values))
        return codes, to_objects(list(numbers))
    if series.dtype in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    distinct = series.drop_nulls().unique()
    numbers = [*range(len(distinct)), -1]
    codes = series.replace_strict([*distinct.to_list(), None], numbers, return_dtype=nw.Int32)
    return codes.to_numpy(), _to_array(distinct.to_native())


def _to_array(native) -> np.ndarray:
    """Return numbers and times as numpy has them, and everything else as Python objects."""
    import narwhals.stable.v2 as nw

    series = nw.from_native(native, series_only=True)
    dtype = series.dtype
    is_plain = dtype.is_integer() or dtype.is_float() or dtype in (nw.Boolean, nw.Date)
    if is_plain or (dtype == nw.Datetime and dtype.time_zone is None):
        array = np.array(series.to_numpy())
        if array.dtype != object and (dtype.is_float() or not series.is_null().any()):
            return array
    return to_objects(series.to_list())


def to_objects(values: list) -> np.ndarray:
    """Return an array of Python objects, whatever NumPy would make of them."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# --- ratings ---


def read_ratings(series, label: str) -> np.ndarray:
    """Return a column of numbers as float64, not finite where there is none."""
    import narwhals.stable.v2 as nw

    if series.dtype == nw.String or series.dtype == nw.Boolean or series.dtype.is_numeric():
        try:
            return _to_floats(series)
        except Exception:  # every library has its own
            pass  # looked into below, value by value
    return _read_by_value(series, label, "numbers", [float])


def _to_floats(series) -> np.ndarray:
    import narwhals.stable.v2 as nw

    # A copy: what is the data frame's own is not ours to change.
    return np.array(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _read_by_value(series, label: str, kind: str, parsers: Sequence[Callable]) -> np.ndarray:
    """Parse each distinct value once, in the way that suits most rows, and refuse all others."""
    codes, values = _encode(series, label)
    if values.dtype.kind == "M":  # of which float() would take nanoseconds
        values = values.astype("datetime64[us]").astype(object)
    n_rows = np.bincount(codes[codes >= 0], minlength=len(values))
    attempts = []
    for parse in parsers:
        parsed, is_bad = _parse_all(values, parse)
        attempts.append((n_rows[is_bad].sum(), parsed, is_bad))
    n_bad, parsed, is_bad = min(attempts, key=lambda attempt: attempt[0])
    if n_bad:
        row = np.flatnonzero(np.append(is_bad, False)[codes])[0]
        raise ValueError(
            f"{n_bad} of {len(codes)} values in {label} are not {kind}, the first is "
            f"{values[codes[row]]!r} in row {row}: correct them or leave these rows out."
        )
    return np.append(parsed, np.nan)[codes]


def _parse_all(values: np.ndarray, parse: Callable) -> tuple[np.ndarray, np.ndarray]:
    parsed = np.full(len(values), np.nan)
    is_bad = np.zeros(len(values), dtype=bool)
    for k in _find_present(values):
        value = values[k]
        if isinstance(value, str):
            value = value.strip()
            if value.lower() in _NAMES_OF_NOTHING:
                continue
        try:
            parsed[k] = parse(value)
        except (TypeError, ValueError, OverflowError):
            is_bad[k] = True
    return parsed, is_bad


# --- timestamps ---


def read_times(series, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times and which of them are missing; int64 if all are whole, float64 otherwise.

    Numbers stay as they are; dates and times become seconds since 1970, and are taken to be in UTC
    if they have no time zone.
    """
    import narwhals.stable.v2 as nw

    dtype = series.dtype
    if dtype.is_integer():
        return _read_integers(series)
    if dtype.is_float():
        return _shorten(_to_floats(series))
    if dtype == nw.Date:
        return _read_datetimes(series.cast(nw.Datetime("us")))
    if dtype == nw.Datetime:
        return _read_datetimes(series)
    if dtype == nw.String:
        for read in (_read_integer_strings, _read_float_strings, _read_iso_strings):
            try:
                return read(series)
            except Exception:  # every library has its own
                continue  # the last word is below, value by value
    return _shorten(_read_by_value(series, label, "times", [float, _parse_time]))


def _read_integers(series) -> tuple[np.ndarray, np.ndarray]:
    missing = np.array(series.is_null().to_numpy(), dtype=bool)
    times = np.array(series.fill_null(0).to_numpy() if missing.any() else series.to_numpy())
    if times.dtype == np.uint64 and times.max(initial=0) > np.iinfo(np.int64).max:
        return times.astype(np.float64), missing
    return times.astype(np.int64, copy=False), missing


def _read_datetimes(series) -> tuple[np.ndarray, np.ndarray]:
    times, missing = _read_integers(series.dt.timestamp("us"))
    return _to_seconds(times, missing)


def _to_seconds(microseconds: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seconds, rest = np.divmod(microseconds, _MICROSECONDS)
    if rest.any():
        return microseconds / _MICROSECONDS, missing
    return seconds, missing


def _read_integer_strings(series) -> tuple[np.ndarray, np.ndarray]:
    import narwhals.stable.v2 as nw

    return _read_integers(series.cast(nw.Int64))


def _read_float_strings(series) -> tuple[np.ndarray, np.ndarray]:
    return _shorten(_to_floats(series))


def _read_iso_strings(series) -> tuple[np.ndarray, np.ndarray]:
    """Let numpy parse ISO 8601, in blocks, since it does so with Python strings only."""
    if not series.drop_nulls().str.contains("^[0-9]{4}-[0-9]{2}").all():
        raise ValueError("numpy would take 1999 for a year, and knows 'now'")
    times = np.empty(len(series), dtype="datetime64[us]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy announces that it converts to UTC
        for start in range(0, len(series), _BLOCK_ROWS):
            block = series[start : start + _BLOCK_ROWS].fill_null("NaT").to_list()
            times[start : start + _BLOCK_ROWS] = to_objects(block).astype("datetime64[us]")
    missing = np.isnat(times)
    return _to_seconds(np.where(missing, 0, times.view(np.int64)), missing)


def _shorten(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = ~np.isfinite(times)
    times[missing] = 0
    if (np.abs(times) < 2**63).all() and (times == np.rint(times)).all():
        return times.astype(np.int64), missing
    return times, missing


def _parse_time(value) -> float:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, date):
        raise TypeError(f"{value!r} is not a time")
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH).total_seconds()
