"""Ratings of one's own: data frames and files with ids of any kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch

from skrecsec.datasets._base import build_csr, check_count
from skrecsec.datasets._load_columns import number_ids, read_ratings, read_times
from skrecsec.datasets._load_files import Column, Columns, read_columns
from skrecsec.datasets._load_rules import (
    ON_BAD_VALUE,
    ON_REPEAT,
    Observations,
    handle_missing,
    handle_zero_and_negative,
    keep_core,
    merge_repeated,
)


def load_ratings(
    source,
    *,
    user: Column,
    item: Column,
    rating: Column | None,
    timestamp: Column | None = None,
    repeated: str = "error",
    missing: str = "error",
    zero: str = "error",
    negative: str = "error",
    offset: float = 0.0,
    min_user_ratings: int = 1,
    min_item_ratings: int = 1,
    separator: str | None = None,
    names: Sequence[str] | None = None,
) -> Bunch:
    """Load ratings of your own from a data frame or a file.

    Of what a rating matrix cannot hold nothing is decided silently: repeated pairs, missing values,
    zeros and negative ratings are errors that count them, until a rule says what to do.

    Parameters
    ----------
    source : data frame, str or path-like
        A pandas, polars or pyarrow table, or another one that narwhals knows, with a row per
        rating; it is not modified. Or the path of a file: Parquet, or text in UTF-8, gzipped or
        not, with a line per rating. A leading ``~`` is expanded.

    user, item : str or int
        The columns of the ids, by name or position. Ids can be of any type that can be compared:
        numbers, strings, UUIDs, dates. In a text file they are numbers if all are whole numbers
        without leading zeros, and strings otherwise.

    rating : str, int or None
        The column of the ratings; True counts as 1 and False as 0. With None every rating is 1, as
        for clicks or purchases.

    timestamp : str, int or None, default=None
        The column of the times. Numbers stay what they are, whatever their unit. Dates, times and
        ISO 8601 strings become seconds since 1970 in UTC, which is also what times without a time
        zone are taken to be in.

    repeated : {"error", "first", "last", "latest", "mean", "max", "sum"}, default="error"
        What to keep of several ratings of an item by a user: the one in the first or last row, the
        one with the latest timestamp (of several, the last row), or their mean, maximum or sum with
        the latest timestamp. With ``rating=None`` the sum is the number of rows.

    missing : {"error", "drop"}, default="error"
        Whether rows are left out in which an id, the rating or the timestamp is missing (null, NaN,
        or an empty field) or infinite.

    zero, negative : {"error", "drop"}, default="error"
        Whether ratings of zero, and below, are left out, after `offset` is added.

    offset : float, default=0.0
        Added to every rating; ``offset=11`` takes ratings from -10 to 10 to positive ones.

    min_user_ratings, min_item_ratings : int, default=1
        Users and items with fewer ratings are left out, again and again until all have enough:
        leaving out an item may leave a user with too few.

    separator : str or None, default=None
        What separates the fields of a text file. With None it is found out from the first line and
        the suffix: a comma, a tab, ``::``, a semicolon, ``|`` or a blank.

    names : sequence of str or None, default=None
        The names of all columns of a text file without a header. A file in which columns are given
        by position has no header either.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        ratings : scipy.sparse.csr_array of shape (n_users, n_items)
            The ratings, float64, with sorted indices. Every user and every item has one.
        user_ids : ndarray of shape (n_users,)
            The id of the user in each row, ascending. Numbers and times have a dtype of their own,
            everything else is Python objects.
        item_ids : ndarray of shape (n_items,)
            The id of the item in each column, ascending.
        timestamps : scipy.sparse.csr_array of shape (n_users, n_items) or None
            When the ratings were given: int64 if all times are whole, float64 otherwise. Its
            ``indices`` and ``indptr`` are those of `ratings`. None without `timestamp`.
        DESCR : str
            Description, with what was left out.

    Raises
    ------
    ValueError
        If a parameter is invalid, a column is missing, the file cannot be read, values are not
        what their column is said to hold, there is something that no rule settles, or no rating
        is left. The message counts the rows and names the column and the parameter.

    FileNotFoundError
        If there is no such file.

    ImportError
        If narwhals, or what it takes to read the file, is not installed: both come with
        ``skrecsec[data]``.

    See Also
    --------
    recommendations_to_frame : The way back, from indices to ids.
    fetch_movielens_100k : Public ratings, in the same form.

    Notes
    -----
    Rules are applied in the order missing, offset, negative, zero, repeated, minimum counts. The
    order of the rows decides nothing but ``"first"`` and ``"last"``. Ids of several types in a
    column, which only Python objects can be, are sorted by the name of the type first.

    Files are read by pyarrow, polars or pandas, the first of these that is installed; Parquet by
    one of the first two.

    O(n log n) time and O(n) memory for n rows; 20 million in a file take 10 to 25 seconds of one
    core and up to 3 GB.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrecsec.datasets import load_ratings
    >>> frame = pd.DataFrame(
    ...     {
    ...         "who": ["eve", "adam", "eve", "adam"],
    ...         "what": ["figs", "apples", "apples", "apples"],
    ...         "stars": [4, 2, 5, 3],
    ...     }
    ... )
    >>> load_ratings(frame, user="who", item="what", rating="stars")
    Traceback (most recent call last):
        ...
    ValueError: 1 of 4 rows repeat a pair of user and item of an earlier row (pairs that ...
    >>> dataset = load_ratings(frame, user="who", item="what", rating="stars", repeated="last")
    >>> dataset.ratings.toarray()
    array([[3., 0.],
           [5., 4.]])
    >>> dataset.user_ids
    array(['adam', 'eve'], dtype=object)
    """
    _check_choice("repeated", repeated, ON_REPEAT)
    for name, value in (("missing", missing), ("zero", zero), ("negative", negative)):
        _check_choice(name, value, ON_BAD_VALUE)
    _check_offset(offset)
    check_count("min_user_ratings", min_user_ratings)
    check_count("min_item_ratings", min_item_ratings)
    if repeated == "latest" and timestamp is None:
        raise ValueError("repeated='latest' needs the column of the times: pass `timestamp`.")
    wanted = _collect_columns(user=user, item=item, rating=rating, timestamp=timestamp)
    labels = {role: f"column {column!r}" for role, column in wanted.items()}

    columns = read_columns(source, wanted, separator, names)
    log: list[str] = []
    rows, missing_times, user_ids, item_ids = _to_arrays(columns, labels)
    n_rows = len(rows.users)
    rows = handle_missing(rows, missing_times, missing, labels, log)
    rows = handle_zero_and_negative(rows, offset, zero, negative, labels, log)
    rows = merge_repeated(rows, repeated, labels, log)
    rows = keep_core(rows, min_user_ratings, min_item_ratings, log)
    if not len(rows.users):
        raise ValueError(f"No rating is left of {n_rows} rows. {' '.join(log)}".rstrip())
    return _make_bunch(rows, user_ids, item_ids, _describe(columns.origin, n_rows, log))


def _check_choice(name: str, value, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}; got {value!r}.")


def _check_offset(offset) -> None:
    if not isinstance(offset, Real) or isinstance(offset, bool) or not math.isfinite(offset):
        raise ValueError(f"offset must be a finite number, got {offset!r}.")


def _collect_columns(**columns) -> dict[str, Column]:
    """Return the columns that are given, by role."""
    wanted: dict[str, Column] = {}
    for role, column in columns.items():
        if column is None and role in ("rating", "timestamp"):
            continue
        if not isinstance(column, str | Integral) or isinstance(column, bool):
            raise ValueError(f"{role} must be the name or position of a column, got {column!r}.")
        if column in wanted.values():
            raise ValueError(f"{role}={column!r} is the column of something else already.")
        wanted[role] = column if isinstance(column, str) else int(column)
    return wanted


def _to_arrays(
    columns: Columns, labels: dict[str, str]
) -> tuple[Observations, np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the rows, which times are missing, the ids of users and those of items."""
    series = columns.series
    if len(series["user"]) == 0:
        raise ValueError(f"{columns.origin} has no rows.")
    # Each column is let go as soon as it is an array.
    users = number_ids(series.pop("user"), labels["user"], is_text=columns.is_text)
    items = number_ids(series.pop("item"), labels["item"], is_text=columns.is_text)
    if "rating" in series:
        ratings = read_ratings(series.pop("rating"), labels["rating"])
    else:
        ratings = np.ones(len(users.codes))
    times, missing_times = None, None
    if "timestamp" in series:
        times, missing_times = read_times(series.pop("timestamp"), labels["timestamp"])
    rows = Observations(users.codes, items.codes, ratings, times)
    return rows, missing_times, users.values, items.values


def _make_bunch(
    rows: Observations, user_ids: np.ndarray, item_ids: np.ndarray, origin: str
) -> Bunch:
    """Leave out the ids without a rating and build the matrices; rows are sorted."""
    users, user_ids = _close_gaps(rows.users, user_ids)
    items, item_ids = _close_gaps(rows.items, item_ids)
    shape = (len(user_ids), len(item_ids))
    levels = f"from {rows.ratings.min():g} to {rows.ratings.max():g}"
    return Bunch(
        ratings=build_csr(users, items, rows.ratings, shape),
        user_ids=user_ids,
        item_ids=item_ids,
        timestamps=None if rows.times is None else build_csr(users, items, rows.times, shape),
        DESCR=(
            "Ratings from load_ratings\n-------------------------\n"
            f"{len(users):,} ratings, {levels}, of {shape[1]:,} items by {shape[0]:,} users.\n"
            f"\n{origin}"
        ),
    )


def _close_gaps(codes: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    is_used = np.bincount(codes, minlength=len(ids)) > 0
    if is_used.all():
        return codes, ids
    positions = np.cumsum(is_used, dtype=codes.dtype) - 1
    return positions[codes], ids[is_used]


def _describe(origin: str, n_rows: int, log: Sequence[str]) -> str:
    return "\n".join([f"Source: {origin}, {n_rows:,} rows.", *log]) + "\n"
