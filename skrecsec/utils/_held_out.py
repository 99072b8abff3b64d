"""The forms in which held-out items are passed as `y`, made one."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._items import check_item_indices
from skrecsec.utils._sparse import check_structure, fresh_csr

__all__ = ["held_out_items"]


def held_out_items(y, n_rows: int, n_items: int, *, name: str = "y") -> sp.csr_array:
    """Return held-out items as an indicator matrix, whatever form they came in.

    Parameters
    ----------
    y : array-like of int of shape (n_rows,), sparse matrix of shape (n_rows, n_items) or HeldOut
        One held-out item per row with -1 for none; or a matrix whose stored entries are the
        held-out items, whatever their values; or that matrix in a
        :class:`~skrecsec.model_selection.HeldOut` (any object with a sparse attribute `matrix`).

    n_rows : int
        Number of users, the rows of `X`.

    n_items : int
        Number of items, the columns of `X`.

    name : str, default="y"
        What the error messages call the argument.

    Returns
    -------
    held_out : csr_array of shape (n_rows, n_items), dtype int64
        Ones at the held-out items, with sorted indices. `y` is not modified.

    Raises
    ------
    ValueError
        If `y` is None, has another number of rows or items than `X`, or holds values that are no
        item indices.

    Notes
    -----
    O(n_rows + number of held-out items) time and memory.

    Examples
    --------
    >>> from skrecsec.utils._held_out import held_out_items
    >>> held_out_items([2, -1], 2, 3).toarray()
    array([[0, 0, 1],
           [0, 0, 0]])
    """
    if y is None:
        raise ValueError(f"{name} holds the held-out items, needed to score; got None.")
    y = getattr(y, "matrix", y)
    if sp.issparse(y):
        return _from_sparse(y, n_rows, n_items, name)
    if getattr(y, "ndim", 1) == 2:
        raise ValueError(
            f"{name} must be a 1-D array with one held-out item per row, a sparse matrix with the "
            f"shape of X or a HeldOut; got a dense 2-D array. Wrap it in scipy.sparse.csr_array if "
            f"its non-zero entries are the held-out items."
        )
    items = check_item_indices(y, n_items, name=name, lowest=-1)
    if items.size != n_rows:
        raise ValueError(
            f"{name} must hold one held-out item per row of X, that is per user: X has {n_rows} "
            f"rows, {name} has {items.size} entries."
        )
    has_item = items >= 0
    indptr = np.concatenate([[0], np.cumsum(has_item)])
    return _indicator(items[has_item], indptr, n_rows, n_items)


def _from_sparse(y, n_rows, n_items, name):
    if y.shape != (n_rows, n_items):
        raise ValueError(
            f"{name} must have the shape of X, {(n_rows, n_items)}, rows are users and columns are "
            f"items; got a sparse matrix of shape {y.shape}."
        )
    check_structure(y, name)
    y = fresh_csr(y.tocsr(), sp.csr_array)
    if y.dtype.kind in "fc" and np.isnan(y.data).any():
        raise ValueError(f"{name} contains NaN.")
    if not y.has_canonical_format:
        # Sorts as well. On a copy, since the arrays are still the caller's.
        y = y.copy()
        y.sum_duplicates()
    return _indicator(y.indices, y.indptr, n_rows, n_items)


def _indicator(indices, indptr, n_rows, n_items):
    ones = np.ones(indices.size, dtype=np.int64)
    return sp.csr_array((ones, indices, indptr), shape=(n_rows, n_items))
