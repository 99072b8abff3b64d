"""Checks of sparse matrices: SciPy does not look whether indices lie within the shape.

Compiled code, ours and SciPy's own, reads and writes where an index says. So nothing is done with a
matrix before it has been here.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_AXES = ("row", "column")


def check_structure(X, name: str = "X") -> None:
    """Raise a ValueError if a sparse matrix holds indices that point outside of it.

    Parameters
    ----------
    X : sparse matrix or array
        Of any format. Not modified, and not converted.

    name : str, default="X"
        What messages call it.

    Raises
    ------
    ValueError
        If it is not 2-D, or its arrays do not fit together.

    Notes
    -----
    O(stored entries + rows + columns).

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skrecsec.utils._sparse import check_structure
    >>> X = sp.csr_array([[5, 0], [0, 3]])
    >>> X.indices[1] = 7
    >>> check_structure(X)
    Traceback (most recent call last):
        ...
    ValueError: X is no valid sparse matrix: it stores an entry in column 7, but has 2 columns.
    """
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D input for {name}, a row per user and a column per item, got a sparse "
            f"array of shape {X.shape}."
        )
    check = _CHECKS.get(X.format)
    if check is not None:
        check(X, name)


def check_compressed(
    indptr: np.ndarray,
    indices: np.ndarray,
    n_data: int,
    shape: tuple[int, int],
    name: str = "X",
    axes: tuple[str, str] = _AXES,
) -> None:
    """Raise a ValueError if these are not the arrays of a compressed matrix of this shape.

    `shape` is (number of compressed rows, number of values that an index can have), and `axes`
    what messages call them.
    """
    n_major, n_minor = shape
    fits = (
        all(a.ndim == 1 and a.dtype.kind in "iu" for a in (indptr, indices))
        and indptr.size == n_major + 1
        and indices.size == n_data
        and indptr[0] == 0
        and indptr[-1] <= n_data
        and bool(np.all(indptr[1:] >= indptr[:-1]))
    )
    if not fits:
        _fail(name, f"its arrays do not describe {n_major} {axes[0]}s")
    _check_range(indices, n_minor, name, axes[1])


def _check_range(indices, n, name, axis):
    if indices.size == 0:
        return
    if indices.dtype.kind not in "iu":
        _fail(name, f"its indices have the dtype {indices.dtype}")
    lowest, highest = indices.min(), indices.max()
    if lowest < 0 or highest >= n:
        outside = lowest if lowest < 0 else highest
        _fail(name, f"it stores an entry in {axis} {outside}, but has {n} {axis}s")


def _fail(name, reason):
    raise ValueError(f"{name} is no valid sparse matrix: {reason}.")


def _check_values(X, n_dimensions, name):
    if X.data.ndim != n_dimensions:
        _fail(name, f"its values are an array of shape {X.data.shape}")


def _check_csr(X, name):
    _check_values(X, 1, name)
    check_compressed(X.indptr, X.indices, X.data.shape[0], X.shape, name)


def _check_csc(X, name):
    _check_values(X, 1, name)
    check_compressed(X.indptr, X.indices, X.data.shape[0], X.shape[::-1], name, _AXES[::-1])


def _check_bsr(X, name):
    _check_values(X, 3, name)
    blocks = tuple(n // size for n, size in zip(X.shape, X.data.shape[1:], strict=True))
    check_compressed(
        X.indptr, X.indices, X.data.shape[0], blocks, name, ("block row", "block column")
    )


def _check_coo(X, name):
    _check_values(X, 1, name)
    if len({X.row.size, X.col.size, X.data.size}) > 1:
        _fail(name, "its arrays have different lengths")
    for indices, n, axis in zip((X.row, X.col), X.shape, _AXES, strict=True):
        _check_range(indices, n, name, axis)


def _check_lil(X, name):
    if [len(row) for row in X.rows] != [len(row) for row in X.data] or len(X.rows) != X.shape[0]:
        _fail(name, "its lists have different lengths")
    indices = [index for row in X.rows for index in row]
    _check_range(np.asarray(indices) if indices else np.empty(0, int), X.shape[1], name, _AXES[1])


def _check_dok(X, name):
    entries = np.array(list(X.keys())).reshape(-1, 2)
    for indices, n, axis in zip(entries.T, X.shape, _AXES, strict=True):
        _check_range(indices, n, name, axis)


def _check_dia(X, name):
    _check_values(X, 2, name)
    if X.offsets.shape != X.data.shape[:1] or X.offsets.dtype.kind not in "iu":
        _fail(name, f"{X.data.shape[0]} diagonals have {X.offsets.size} places")
    if np.unique(X.offsets).size < X.offsets.size:
        _fail(name, "it stores a diagonal twice")


_CHECKS = {
    "csr": _check_csr,
    "csc": _check_csc,
    "bsr": _check_bsr,
    "coo": _check_coo,
    "lil": _check_lil,
    "dok": _check_dok,
    "dia": _check_dia,
}


def index_dtype(*sizes: int) -> type[np.integer]:
    """Return the integers that sparse matrices of these sizes have for indices, int32 if they can.

    SciPy leaves int64 indices as they are, and compiled code such as scikit-learn's trees takes
    int32 only.
    """
    return np.int32 if max(sizes) <= np.iinfo(np.int32).max else np.int64


def fresh_csr(X, container=None):
    """Return a CSR container of its own around the same arrays, which knows what it holds.

    SciPy remembers whether indices are sorted and distinct; who changes them does not tell it.
    """
    container = type(X) if container is None else container
    return container((X.data, X.indices, X.indptr), shape=X.shape)


def pattern_of(X, name: str = "X") -> sp.csr_array:
    """Return which entries a sparse matrix, which is checked, stores, as ones, indices sorted.

    Explicit zeros are stored entries, too. The argument is not modified.
    """
    check_structure(X, name)
    X = X.tocsr() if X.format != "coo" else _coo_pattern(X)
    pattern = sp.csr_array(
        (np.ones(X.indices.size, dtype=np.int8), X.indices, X.indptr), shape=X.shape
    )
    if not pattern.has_canonical_format:
        pattern = pattern.copy()
        pattern.sum_duplicates()
        pattern.data[:] = 1
    return pattern


def _coo_pattern(X):
    return sp.coo_array((np.ones(X.row.size, dtype=np.int8), (X.row, X.col)), shape=X.shape).tocsr()
