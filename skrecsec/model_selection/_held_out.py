"""Many held-out items per user, as a `y` that all of scikit-learn's model selection takes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._held_out import held_out_items
from skrecsec.utils._sparse import check_structure

__all__ = ["HeldOut"]


class HeldOut:
    """Held-out items of users, any number for each, indexed by rows.

    A thin wrapper around a sparse matrix. `cross_validate`, `cross_val_score` and `learning_curve`
    refuse a sparse `y`; they take this one. With one held-out item per user a 1-D array of item
    indices does as well.

    Parameters
    ----------
    matrix : sparse matrix of shape (n_users, n_items)
        Stored entries are the held-out items, whatever their values.

    Attributes
    ----------
    matrix : csr_array of shape (n_users, n_items)
        Ones at the held-out items.

    shape : tuple of int
        (n_users, n_items).

    Raises
    ------
    TypeError
        If `matrix` is not sparse.

    ValueError
        If `matrix` is not 2-D or holds NaN.

    See Also
    --------
    leave_one_out_split : Hides one rating per user.

    Notes
    -----
    An index selects users: an integer array, a boolean mask or a slice gives a `HeldOut` of these
    users, a single integer the item indices of that user, in O(users + held-out items): the matrix
    is checked each time.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skrecsec.model_selection import HeldOut
    >>> y = HeldOut(sp.csr_array([[0, 1, 1], [0, 0, 0], [1, 0, 0]]))
    >>> y
    <HeldOut: 3 held-out items, 3 users x 3 items>
    >>> y[[2, 1]]
    <HeldOut: 1 held-out item, 2 users x 3 items>
    >>> y[0]
    array([1, 2])
    """

    def __init__(self, matrix: sp.sparray | sp.spmatrix):
        if not sp.issparse(matrix):
            raise TypeError(
                f"HeldOut wraps a sparse matrix of shape (n_users, n_items), got "
                f"{type(matrix).__name__}."
            )
        if len(matrix.shape) != 2:
            raise ValueError(f"HeldOut wraps a 2-D sparse matrix, got shape {matrix.shape}.")
        # A copy, since the caller may go on to change theirs.
        self.matrix = held_out_items(matrix, *matrix.shape, name="matrix").copy()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return self.matrix.shape

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, rows) -> HeldOut | np.ndarray:
        # scikit-learn indexes rows as y[rows, ...].
        if isinstance(rows, tuple):
            if len(rows) != 2 or not (rows[1] is Ellipsis or rows[1] == slice(None)):
                raise IndexError("HeldOut is indexed by rows only.")
            rows = rows[0]
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.size == 0 and rows.dtype.kind == "f":
                rows = rows.astype(np.intp)  # an empty list
            if rows.dtype.kind not in "iub" or rows.ndim > 1:
                raise IndexError(
                    "HeldOut is indexed by an integer, a slice, or a 1-D array of integers or "
                    "booleans."
                )
            if rows.ndim == 0:
                return self._items_of_user(rows.item())
        check_structure(self.matrix, "matrix")  # it can have been changed
        return HeldOut(self.matrix[rows])

    def _items_of_user(self, user):
        if not -len(self) <= user < len(self):
            raise IndexError(f"User {user} is out of range, there are {len(self)} users.")
        user %= len(self)
        stored = slice(self.matrix.indptr[user], self.matrix.indptr[user + 1])
        return self.matrix.indices[stored].astype(np.int64)

    def __array__(self, dtype=None, copy=None):
        # Without this NumPy would make an array of arrays out of it.
        raise TypeError("HeldOut does not convert to a dense array; take its `matrix`.")

    def __repr__(self) -> str:
        n_users, n_items = self.shape
        plural = "" if self.matrix.nnz == 1 else "s"
        return (
            f"<HeldOut: {self.matrix.nnz} held-out item{plural}, {n_users} users x {n_items} items>"
        )
