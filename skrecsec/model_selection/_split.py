"""Hiding ratings of users, and splitters over users."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.model_selection import BaseCrossValidator, KFold, ShuffleSplit
from sklearn.utils import check_random_state, indexable

from skrecsec.utils._signatures import complete
from skrecsec.utils._sparse import check_structure
from skrecsec.utils._timestamps import align_timestamps
from skrecsec.utils._typing import MatrixLike
from skrecsec.utils.validation import check_ratings

__all__ = ["StrongGeneralization", "WeakGeneralization", "leave_one_out_split"]


def leave_one_out_split(
    X: MatrixLike,
    *,
    timestamps: MatrixLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[sp.csr_array | sp.csr_matrix, np.ndarray]:
    """Hide one rating of each user, to be predicted from the others.

    Parameters
    ----------
    X : {sparse matrix, array-like} of shape (n_users, n_items)
        Ratings. Not modified.

    timestamps : sparse matrix of shape (n_users, n_items) or array-like of shape (n_ratings,), \
            default=None
        When the ratings were given: a sparse matrix that stores an entry exactly where `X` does, or
        one number or datetime per rating in the order of ``X.data``, for which `X` must be CSR.
        Stored zeros are times like any other. If given, the latest rating is hidden, and of several
        latest ones a random one; if None, a random rating is.

    random_state : int, RandomState instance or None, default=None
        Determines which ratings are hidden. Pass an int for reproducible output across multiple
        function calls.

    Returns
    -------
    X_train : csr_array or csr_matrix of shape (n_users, n_items)
        The ratings that are left. A ``csr_matrix`` stays one.

    y : ndarray of shape (n_users,), dtype int64
        The hidden item of each user, -1 for users with fewer than two ratings: they keep what they
        have, since nothing can be predicted from an empty profile.

    Raises
    ------
    ValueError
        If `X` is not a valid rating matrix, `timestamps` do not belong to the ratings of `X` or
        contain NaN or NaT.

    See Also
    --------
    HeldOut : Holds many held-out items per user.
    WeakGeneralization : Trains and tests on the users that are split here.

    Notes
    -----
    O(n_ratings) time and memory.

    Hiding the latest rating keeps a model from learning a user's taste from the user's future. It
    does not rule out that it learns from later ratings of other users.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skrecsec.model_selection import leave_one_out_split
    >>> X = sp.csr_array([[5, 3, 0], [0, 4, 0], [2, 0, 1]])
    >>> times = sp.csr_array([[10, 20, 0], [0, 30, 0], [25, 0, 15]])
    >>> X_train, y = leave_one_out_split(X, timestamps=times)
    >>> y
    array([ 1, -1,  0])
    >>> X_train.toarray()
    array([[5., 0., 0.],
           [0., 4., 0.],
           [0., 0., 1.]])
    """
    ratings = check_ratings(X)
    rng = check_random_state(random_state)
    n_ratings = np.diff(ratings.indptr)
    users = np.repeat(np.arange(n_ratings.size), n_ratings)
    may_hide = (n_ratings >= 2)[users]
    if timestamps is not None:
        times = align_timestamps(timestamps, X, ratings)
        latest = np.full(n_ratings.size, times.min(), dtype=times.dtype)
        np.maximum.at(latest, users, times)
        may_hide &= times == latest[users]
    hidden = _choose_one_per_user(np.flatnonzero(may_hide), users, rng)

    y = np.full(n_ratings.size, -1, dtype=np.int64)
    y[users[hidden]] = ratings.indices[hidden]
    keep = np.ones(ratings.nnz, dtype=bool)
    keep[hidden] = False
    indptr = np.concatenate([[0], np.cumsum(n_ratings - (y >= 0))])
    X_train = type(ratings)(
        (ratings.data[keep], ratings.indices[keep], indptr), shape=ratings.shape
    )
    return X_train, y


def _choose_one_per_user(candidates, users, rng):
    """Choose one of each user's candidates, positions of ratings in order, uniformly."""
    _, first, n_candidates = np.unique(users[candidates], return_index=True, return_counts=True)
    if first.size == 0:
        return candidates
    return candidates[first + rng.randint(0, n_candidates)]


@complete
class WeakGeneralization(BaseCrossValidator):
    """Train on all users and test on the same users, repeatedly.

    What is hidden from training are ratings, not users: `X` has the ratings that are left and `y`
    the held-out items, as :func:`leave_one_out_split` returns them.

    Parameters
    ----------
    n_splits : int, default=5
        Number of repetitions.

    See Also
    --------
    StrongGeneralization : Tests on users that were not trained on.
    leave_one_out_split : Hides one rating per user.

    Notes
    -----
    Repetitions differ only by what estimators draw at random. With ``random_state=None`` each fit
    draws anew. An integer gives the same result in each, and so does a RandomState instance, since
    cloning an estimator copies it; then ``n_splits=1`` is enough.

    `cross_val_predict` takes ``n_splits=1`` only.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.model_selection import WeakGeneralization
    >>> cv = WeakGeneralization(n_splits=2)
    >>> cv
    WeakGeneralization(n_splits=2)
    >>> for train, test in cv.split(np.ones((3, 4))):
    ...     print(train, test)
    [0 1 2] [0 1 2]
    [0 1 2] [0 1 2]
    """

    def __init__(self, n_splits: int = 5):
        self.n_splits = _check_n_splits(n_splits)

    def split(self, X, y=None, groups=None):
        """Generate the indices of all users, as training and as test set, `n_splits` times.

        %(split)s
        """
        _check_structures(X, y)
        X, y = indexable(X, y)
        n_users = X.shape[0] if hasattr(X, "shape") else len(X)
        for _ in range(self.n_splits):
            yield np.arange(n_users), np.arange(n_users)

    def get_n_splits(self, X=None, y=None, groups=None) -> int:
        """Return the number of repetitions.

        %(get_n_splits)s
        """
        return self.n_splits


@complete
class StrongGeneralization(BaseCrossValidator):
    """Train on some users and test on others.

    The profiles of the test users are new to the model: it folds them in, and is scored on their
    held-out items.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits.

    test_size : float or int, default=None
        If None, users are divided into `n_splits` folds, and each user is held out once. Otherwise
        this fraction (float) or number (int) of users is drawn anew in each split.

    shuffle : bool, default=True
        Whether users are assigned to folds at random or in order. Must be True if `test_size` is
        given.

    random_state : int, RandomState instance or None, default=None
        Determines who is held out. Pass an int for reproducible splits. Must be None if `shuffle`
        is False.

    Raises
    ------
    ValueError
        If `n_splits`, `test_size` or `random_state` is not what it can be, or the parameters
        contradict each other.

    See Also
    --------
    WeakGeneralization : Tests on the users that were trained on.
    sklearn.model_selection.KFold : What divides users into folds.
    sklearn.model_selection.ShuffleSplit : What draws them anew in each split.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.model_selection import StrongGeneralization
    >>> cv = StrongGeneralization(n_splits=2, shuffle=False)
    >>> cv
    StrongGeneralization(n_splits=2, random_state=None, shuffle=False,
               test_size=None)
    >>> for train, test in cv.split(np.ones((4, 3))):
    ...     print(train, test)
    [2 3] [0 1]
    [0 1] [2 3]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: float | int | None = None,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_splits = _check_n_splits(n_splits)
        self.test_size = test_size
        self.shuffle = shuffle
        self.random_state = random_state
        if test_size is not None:
            _check_test_size(test_size)
        _check_seed(random_state)
        self._splitter()  # contradictions are reported at once, as scikit-learn's splitters do

    def _splitter(self):
        if self.test_size is None:
            return KFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        if not self.shuffle:
            raise ValueError("test_size draws users at random, so that shuffle must be True.")
        return ShuffleSplit(self.n_splits, test_size=self.test_size, random_state=self.random_state)

    def split(self, X, y=None, groups=None):
        """Generate indices of users to train on and of others to test on.

        %(split)s
        """
        _check_structures(X, y)
        yield from self._splitter().split(X, y)

    def get_n_splits(self, X=None, y=None, groups=None) -> int:
        """Return the number of splits.

        %(get_n_splits)s
        """
        return self.n_splits


def _check_structures(X, y):
    """Refuse matrices that are none, before code converts or cuts them that does not look."""
    for name, matrix in (("X", X), ("y", getattr(y, "matrix", y))):
        if sp.issparse(matrix):
            check_structure(matrix, name)


def _check_test_size(test_size):
    if isinstance(test_size, Integral) and not isinstance(test_size, bool):
        is_valid = test_size >= 1
    else:
        is_valid = isinstance(test_size, Real) and not isinstance(test_size, bool)
        is_valid = is_valid and 0 < test_size < 1
    if not is_valid:
        raise ValueError(
            f"test_size must be a fraction in (0, 1), a number of users or None, got {test_size!r}."
        )


def _check_seed(random_state):
    try:
        check_random_state(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            f"random_state must be an int from 0 to {2**32 - 1}, a RandomState or None, got "
            f"{random_state!r}."
        ) from None


def _check_n_splits(n_splits):
    if not isinstance(n_splits, Integral) or isinstance(n_splits, bool) or n_splits < 1:
        raise ValueError(f"n_splits must be an integer >= 1, got {n_splits!r}.")
    return int(n_splits)
