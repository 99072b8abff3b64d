"""Timestamps of ratings, in the order of the ratings."""

from __future__ import annotations

import datetime

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._sparse import check_structure, fresh_csr


def align_timestamps(timestamps, X, ratings):
    """Return one timestamp per rating, in the order of ``ratings.data``.

    Parameters
    ----------
    timestamps : sparse matrix of shape (n_users, n_items) or array-like of shape (n_ratings,)
        Numbers, dates or times: a matrix with an entry for each rating, or in the order of
        ``X.data``.

    X : sparse matrix or array-like of shape (n_users, n_items)
        Ratings as they were given.

    ratings : csr_array of shape (n_users, n_items)
        The same, checked.

    Returns
    -------
    times : ndarray of shape (n_ratings,)
        Numbers.

    Raises
    ------
    ValueError
        If timestamps do not belong to the ratings, or are no numbers.
    """
    if sp.issparse(timestamps):
        check_structure(timestamps, "timestamps")
        n_stored = timestamps.nnz
        times = fresh_csr(timestamps.tocsr(), sp.csr_array)
        _check_times(times.data)
    else:
        if np.ma.is_masked(timestamps):
            raise ValueError("timestamps have masked entries.")
        values = _as_numbers(np.asarray(timestamps))
        if not (sp.issparse(X) and X.format == "csr"):
            raise ValueError(
                "timestamps in the order of X.data need X in CSR format; convert X first, or pass "
                "timestamps as a sparse matrix with the structure of X."
            )
        if values.shape != (ratings.nnz,):
            raise ValueError(
                f"timestamps must be a sparse matrix with the structure of X, or a 1-D array with "
                f"one entry per rating, of shape {(ratings.nnz,)}; got shape {values.shape}."
            )
        _check_times(values)
        n_stored = ratings.nnz
        times = sp.csr_array((values, X.indices, X.indptr), shape=X.shape)
    times = times.sorted_indices()
    if (
        times.shape != ratings.shape
        or times.nnz != n_stored
        or not np.array_equal(times.indptr, ratings.indptr)
        or not np.array_equal(times.indices, ratings.indices)
    ):
        raise ValueError(
            f"timestamps must store an entry exactly where X does: X has shape {ratings.shape} and "
            f"{ratings.nnz} ratings, timestamps have shape {timestamps.shape} and {n_stored} "
            f"entries."
        )
    return times.data


def _as_numbers(values):
    """Return dates and times as numbers in the same order, all else as it is."""
    if values.dtype.kind == "O" and all(isinstance(v, datetime.date) for v in values.flat):
        is_aware = {getattr(v, "tzinfo", None) is not None for v in values.flat}
        if is_aware == {True}:
            return np.array([v.timestamp() for v in values.flat]).reshape(values.shape)
        if is_aware == {False}:
            values = values.astype("datetime64[us]")
    if values.dtype.kind in "mM":
        if np.isnat(values).any():
            raise ValueError("timestamps contain NaT.")
        return values.astype(np.int64)
    return values


def _check_times(values):
    if values.dtype.kind not in "iuf":
        raise ValueError(f"timestamps must be numbers, got dtype {values.dtype}.")
    if np.isnan(values).any():
        raise ValueError("timestamps contain NaN.")
