"""Validation of rating matrices, and the rating levels found in them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.utils._compat import validate_data
from skrecsec.utils._sparse import check_structure, fresh_csr, pattern_of
from skrecsec.utils._warnings import warn_caller

__all__ = [
    "check_pattern",
    "check_ratings",
    "find_rating_levels",
    "project_to_levels",
    "warn_of_unsuitable_ratings",
]

# So many ratings show most of the levels that there are.
_N_FIRST = 1000

# Above this many times the median, the highest rating makes all others nearly 0.
_MAX_OVER_MEDIAN = 100

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
        a rating; it must be finite and positive. An absent entry is unobserved, and so is a masked
        one of a masked array. It is no long table of users, items and ratings.

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
        If `X` is not a non-empty 2-D matrix, has indices outside of its shape, has NaN, infinite,
        negative or explicitly stored zero ratings, dates or times, no rating at all unless that is
        allowed, or two ratings for one user and item, or has another number of items than
        `estimator` was fitted on.

    Warns
    -----
    UserWarning
        If `X` is a data frame whose columns are named like those of a long table.

    Notes
    -----
    O(n_ratings) time; for a dense `X`, O(n_users n_items).

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
    X, n_coo_entries = _prepare(X)
    options = {"accept_sparse": "csr", "dtype": np.float64, "ensure_all_finite": False}
    if estimator is None:
        X = check_array(X, input_name="X", **options)
    else:
        X = validate_data(estimator, X, reset=reset, **options)
    X = fresh_csr(X) if sp.issparse(X) else sp.csr_array(X)
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


def check_pattern(X, *, name: str = "X") -> sp.csr_array:
    """Return which entries of a matrix are ratings, whatever their values.

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Stored entries of a sparse matrix, non-zero ones of a dense one, are ratings.

    name : str, default="X"
        What messages call it.

    Returns
    -------
    pattern : csr_array of shape (n_users, n_items), dtype int8
        Ones at the ratings, with sorted indices.

    Raises
    ------
    ValueError
        If `X` is not 2-D, has indices outside of its shape, or NaN or infinite values.

    Examples
    --------
    >>> from skrecsec.utils.validation import check_pattern
    >>> check_pattern([[-3.5, 0.0], [0.0, 2.0]]).indices
    array([0, 1], dtype=int32)
    """
    X, _ = _prepare(X, name)
    X = check_array(
        X, accept_sparse=True, dtype=None, ensure_all_finite=False, input_name=name,
        ensure_min_samples=0, ensure_min_features=0,
    )  # fmt: skip
    X = X if sp.issparse(X) else sp.csr_array(X.astype(np.float64, copy=False))
    if X.dtype.kind == "f":
        _check_finite(X.tocsr().data if X.format in ("lil", "dok") else X.data, name)
    return pattern_of(X, name)


def _prepare(X, name="X"):
    """Check and convert what scikit-learn would not; return also the number of entries of a COO.

    Converting from COO adds duplicates up, which shows in the count of stored entries.
    """
    if isinstance(X, np.ma.MaskedArray):
        X = X.filled(0)  # a masked rating is none
    if not sp.issparse(X):
        _refuse_times(X, name)
        _warn_of_long_table(X, name)
        return X, None
    check_structure(X, name)
    n_coo_entries = X.nnz if X.format == "coo" else None
    if X.format in ("bsr", "dia"):
        X = X.tocsr(copy=True)
        X.eliminate_zeros()  # those that fill up a block or a diagonal
    return X, n_coo_entries


def _refuse_times(X, name):
    """Refuse what NumPy would make numbers of, so many nanoseconds since 1970."""
    dtypes = [getattr(X, "dtype", None), *getattr(X, "dtypes", ())]
    if any(getattr(dtype, "kind", None) in ("m", "M") for dtype in dtypes):
        raise ValueError(f"{name} holds dates or times, not ratings.")


_LONG_COLUMNS = (("user", "uid"), ("item", "iid", "movie", "product"), ("rating", "score", "stars"))


def _warn_of_long_table(X, name):
    columns = getattr(X, "columns", None)
    if columns is None or not 3 <= len(columns) <= 5:
        return
    names = [str(column).lower() for column in columns]
    if all(any(n.startswith(options) for n in names) for options in _LONG_COLUMNS):
        warn_caller(
            f"{name} has the columns {', '.join(map(str, columns))}: a long table with a rating "
            f"per row? It is taken for a matrix with a row per user and a column per item. "
            f"skrecsec.datasets.load_ratings makes such a matrix of a table.",
            UserWarning,
        )


def _check_finite(values, name):
    if np.isfinite(values).all():
        return
    if np.isnan(values).any():
        raise ValueError(
            f"Input {name} contains NaN. If NaN stands for no rating, use {name}.fillna(0) or a "
            f"sparse matrix: what nobody has rated is left out, not imputed."
        )
    raise ValueError(f"Input {name} contains infinity; ratings must be finite.")


def _check_rating_values(ratings):
    if ratings.size == 0:
        return
    _check_finite(ratings, "X")
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


def warn_of_unsuitable_ratings(ratings: np.ndarray, *, one_level: bool = True) -> None:
    """Warn where ratings are valid but not what a model of ratings can learn from.

    Parameters
    ----------
    ratings : ndarray of shape (n_ratings,)
        Finite and positive.

    one_level : bool, default=True
        Whether to warn of ratings that are all the same.

    Warns
    -----
    UnsuitableRatingsWarning
        If all ratings are the same, or the highest is more than 100 times the median: all are
        divided by the highest one, next to which most would be nearly 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.utils.validation import warn_of_unsuitable_ratings
    >>> warn_of_unsuitable_ratings(np.array([1.0, 5.0, 3.0]))
    """
    lowest, highest = ratings.min(), ratings.max()
    # The median is not below the lowest, and takes a while.
    if highest > _MAX_OVER_MEDIAN * lowest and highest > _MAX_OVER_MEDIAN * np.median(ratings):
        message = (
            f"The highest rating, {highest:g}, is more than {_MAX_OVER_MEDIAN} times the median, "
            f"as in counts. Ratings are divided by the highest, so that most are nearly 0: take "
            f"np.log1p of the counts, or bin them."
        )
    elif one_level and lowest == highest:
        message = (
            f"All ratings are {highest:g}, as in clicks or purchases. A model of ratings has "
            f"nothing to tell apart, and ranks badly: use a model of implicit feedback."
        )
    else:
        return
    warn_caller(message, UnsuitableRatingsWarning, stacklevel=4)  # at whoever calls `fit`


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
    levels = _distinct(np.asarray(ratings, dtype=np.float64))
    if levels.size > _MAX_DISTINCT_LEVELS:
        levels = np.linspace(levels[0], levels[-1], _N_GRID_LEVELS)
    return levels


def _distinct(ratings):
    """Return what np.unique does, in a tenth of the time for a few levels: it sorts them all."""
    levels = np.unique(ratings[:_N_FIRST])
    if levels.size > _MAX_DISTINCT_LEVELS:
        return np.unique(ratings)
    return np.union1d(levels, ratings[~np.isin(ratings, levels)])


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
