"""Validation of rating matrices, and the rating levels found in them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from skrecsec.utils._compat import validate_data

__all__ = ["check_ratings", "find_rating_levels", "project_to_levels"]

# Above this many distinct values, ratings count as continuous ...
_MAX_DISTINCT_LEVELS = 50
# ... and are described by this many equally spaced levels.
_N_GRID_LEVELS = 10


def check_ratings(X, *, estimator=None, reset: bool = True, allow_no_ratings: bool = False):
    """Check a rating matrix and return it as CSR with sorted indices.

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Rows are profiles. A stored entry of a sparse matrix, or a non-zero entry of a dense one, is
        a rating; it must be finite and positive. An absent entry is unobserved.

    estimator : estimator instance, default=None
        If given, the number and names of the items are recorded on it (`reset=True`) or compared
        with what it was fitted on (`reset=False`), and error messages name it.

    reset : bool, default=True
        Whether `estimator` learns `n_features_in_` from `X`.

    allow_no_ratings : bool, default=False
        Whether a matrix without a single rating is acceptable. Rows and columns without ratings
        always are.

    Returns
    -------
    X : csr_array or csr_matrix of shape (n_users, n_items), dtype float64
        A ``csr_matrix`` stays one; everything else becomes a ``csr_array``. The input is never
        modified; it is copied only where it has to be.

    Raises
    ------
    ValueError
        If `X` is not a non-empty 2-D matrix, has NaN, infinite, negative or explicitly stored zero
        ratings, stores two ratings for one user and item, or has another number of items than
        `estimator` was fitted on.

    Examples
    --------
    >>> from skrecsec.utils.validation import check_ratings
    >>> check_ratings([[5, 0, 3], [0, 1, 0]]).nnz
    3
    >>> check_ratings([[5, 0, -3]])
    Traceback (most recent call last):
        ...
    ValueError: Negative values in data passed to X: ratings must be positive, found -3.0.
    """
    # Converting from COO adds duplicates up, which shows in the count of stored entries.
    n_coo_entries = X.nnz if sp.issparse(X) and X.format == "coo" else None
    if sp.issparse(X) and X.format in ("bsr", "dia"):
        X = X.tocsr(copy=True)
        X.eliminate_zeros()  # those that fill up a block or a diagonal
    options = {"accept_sparse": "csr", "dtype": np.float64}
    if estimator is None:
        X = check_array(X, input_name="X", **options)
    else:
        X = validate_data(estimator, X, reset=reset, **options)
    if not sp.issparse(X):
        X = sp.csr_array(X)
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    if not X.has_canonical_format or n_coo_entries not in (None, X.nnz):
        raise ValueError(
            "X stores more than one rating for the same user and item; keep one of them."
        )
    _check_rating_values(X.data)
    if X.nnz == 0 and not allow_no_ratings:
        raise ValueError("X has no ratings: at least one stored entry is required.")
    return X


def _check_rating_values(ratings):
    if ratings.size == 0:
        return
    lowest = ratings.min()
    if lowest < 0:
        # scikit-learn's own wording, so that users (and checks) recognise it.
        raise ValueError(
            f"Negative values in data passed to X: ratings must be positive, found {lowest}."
        )
    if lowest == 0:
        raise ValueError(
            "X stores explicit zeros. A stored entry is a rating and must be positive; "
            "call X.eliminate_zeros() if zeros mean that there is no rating."
        )


def find_rating_levels(ratings) -> np.ndarray:
    """Return the sorted levels that ratings can take.

    Parameters
    ----------
    ratings : array-like of shape (n_ratings,)
        Ratings, all finite and positive.

    Returns
    -------
    levels : ndarray of shape (n_levels,), dtype float64
        The sorted distinct ratings if there are at most 50 of them; otherwise the ratings are taken
        as continuous and the levels are 10 equally spaced values from the lowest to the highest.

    Examples
    --------
    >>> from skrecsec.utils.validation import find_rating_levels
    >>> find_rating_levels([3, 1, 5, 3])
    array([1., 3., 5.])
    """
    levels = np.unique(np.asarray(ratings, dtype=np.float64))
    if levels.size > _MAX_DISTINCT_LEVELS:
        levels = np.linspace(levels[0], levels[-1], _N_GRID_LEVELS)
    return levels


def project_to_levels(values, levels) -> np.ndarray:
    """Return, for each value, the nearest level: the projection of the paper.

    Parameters
    ----------
    values : array-like of any shape
        Real numbers, such as predicted ratings.

    levels : ndarray of shape (n_levels,)
        Sorted rating levels.

    Returns
    -------
    projected : ndarray of the shape of `values`
        The nearest level of each value; the lower one if two are equally near.

    Notes
    -----
    O(n_values log n_levels) time.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.utils.validation import project_to_levels
    >>> project_to_levels(np.array([0.2, 2.6, 9.0]), np.array([1.0, 2.0, 3.0]))
    array([1., 3., 3.])
    """
    midpoints = (levels[1:] + levels[:-1]) / 2
    return levels[np.searchsorted(midpoints, values, side="left")]
