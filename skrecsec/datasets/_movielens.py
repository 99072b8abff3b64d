"""The MovieLens ratings."""

import os
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skrecsec.datasets._base import (
    DataSource,
    build_csr,
    fetch_lines,
    sort_by_user_and_item,
)
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import describe

_COLUMNS = ("user", "item", "rating", "timestamp")

ML_100K = DataSource(
    filename="ml-100k/u.data",
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    member="ml-100k/u.data",
    archive_sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    member_md5="6e47046882bad158b0efbb84cd5cb987",
    columns=_COLUMNS,
    separator="\t",
)
ML_1M = DataSource(
    filename="ml-1m/ratings.dat",
    url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    member="ml-1m/ratings.dat",
    archive_sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    member_md5=None,
    columns=_COLUMNS,
    separator="::",
)

_TERMS = """\
Source: GroupLens Research, University of Minnesota, https://grouplens.org/datasets/movielens/.

Terms: for research. The data may neither be used commercially nor redistributed without
permission; no endorsement by the University of Minnesota or GroupLens may be claimed.

Citation: F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context.
ACM Transactions on Interactive Intelligent Systems 5(4), 19:1-19:19, 2015.
https://doi.org/10.1145/2827872
"""

_ML_100K_DESCR = f"""\
MovieLens-100K
--------------
100,000 ratings, from 1 to 5, of 1,682 movies by 943 users of the MovieLens web site, given
between September 1997 and April 1998. Every user rated at least 20 movies.

Row u is user u + 1 of u.data and column i is movie i + 1.

{_TERMS}"""

_ML_1M_DESCR = f"""\
MovieLens-1M
------------
1,000,209 ratings, from 1 to 5, of 3,706 movies by 6,040 users who joined MovieLens in 2000.
Every user rated at least 20 movies.

Row u is user u + 1 of ratings.dat; the columns are the movies in the order in which the file
first mentions them.

{_TERMS}"""


@register("dataset", "movielens-100k", title="MovieLens-100K")
@describe
def fetch_movielens_100k(
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the MovieLens-100K ratings, downloading them if necessary.

    =======   =======
    Users         943
    Items       1,682
    Ratings   100,000
    Levels     1 to 5
    =======   =======

    %(fetch)s

        ratings : scipy.sparse.csr_array of shape (943, 1682)
            The ratings; row u is user u + 1 and column i is item i + 1.
        timestamps : scipy.sparse.csr_array of shape (943, 1682)
            When the ratings were given, in seconds since 1970, int64. Its ``indices`` and
            ``indptr`` are those of `ratings`.
    %(fetched)s

    See Also
    --------
    fetch_movielens_1m : Ten times as many ratings.
    fetch_filmtrust : A third as many, of films as well.
    make_ratings : Generated ratings of the same kind.

    Notes
    -----
    The file is kept as ``ml-100k/u.data``. The downloaded archive and file are checked against
    their checksums. A file that is already in the data home is not: any file of this format does,
    and the matrix is then as large as the largest ids.

    References
    ----------
    %(harper_konstan)s

    Examples
    --------
    >>> from skrecsec.datasets import fetch_movielens_100k
    >>> movielens = fetch_movielens_100k()  # doctest: +SKIP
    >>> movielens.ratings.shape, movielens.ratings.nnz  # doctest: +SKIP
    ((943, 1682), 100000)
    """
    path, lines = fetch_lines(ML_100K, data_home, download_if_missing, n_retries, delay)
    item_ids = np.arange(1, lines["item"].max() + 1)
    return _make_bunch(path, lines, lines["item"] - 1, item_ids, _ML_100K_DESCR)


@register("dataset", "movielens-1m", title="MovieLens-1M")
@describe
def fetch_movielens_1m(
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the MovieLens-1M ratings, downloading them if necessary.

    =======   =========
    Users         6,040
    Items         3,706
    Ratings   1,000,209
    Levels       1 to 5
    =======   =========

    %(fetch)s

        ratings : scipy.sparse.csr_array of shape (6040, 3706)
            The ratings; row u is user u + 1, and the columns are the items in the order in which
            the file first mentions them.
        timestamps : scipy.sparse.csr_array of shape (6040, 3706) or None
            When the ratings were given, in seconds since 1970, int64. Its ``indices`` and
            ``indptr`` are those of `ratings`. None if the file has nothing but zeros for them,
            as copies without times do.
    %(fetched)s

    See Also
    --------
    fetch_movielens_100k : A tenth as many ratings.
    fetch_filmtrust : Few ratings of films.
    make_ratings : Generated ratings of the same kind.

    Notes
    -----
    The file is kept as ``ml-1m/ratings.dat``. The downloaded archive is checked against its
    checksum. A file that is already in the data home is not: any file of this format does, and the
    matrix then has as many rows as the largest user id.

    References
    ----------
    %(harper_konstan)s

    Examples
    --------
    >>> from skrecsec.datasets import fetch_movielens_1m
    >>> movielens = fetch_movielens_1m()  # doctest: +SKIP
    >>> movielens.ratings.shape, movielens.ratings.nnz  # doctest: +SKIP
    ((6040, 3706), 1000209)
    """
    path, lines = fetch_lines(ML_1M, data_home, download_if_missing, n_retries, delay)
    item_ids, columns = _number_by_first_appearance(lines["item"])
    bunch = _make_bunch(path, lines, columns, item_ids, _ML_1M_DESCR)
    if not bunch.timestamps.data.any():
        bunch.timestamps = None
    return bunch


def _number_by_first_appearance(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ids in order of appearance and the position of each id among them."""
    distinct, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    position = np.empty_like(by_appearance)
    position[by_appearance] = np.arange(len(distinct))
    return distinct[by_appearance], position[inverse]


def _make_bunch(
    path: Path, lines: np.ndarray, columns: np.ndarray, item_ids: np.ndarray, descr: str
) -> Bunch:
    """Assemble what the fetchers return from the lines of the file and the items' positions."""
    rows = lines["user"] - 1
    order, repeats = sort_by_user_and_item(rows, columns)
    if repeats.any():
        again = order[repeats].min()
        raise ValueError(
            f"{path}, line {again + 1}: user {lines['user'][again]} has rated item "
            f"{lines['item'][again]} on an earlier line."
        )
    lines, rows, columns = lines[order], rows[order], columns[order]
    shape = (int(rows[-1]) + 1, len(item_ids))
    return Bunch(
        ratings=build_csr(rows, columns, lines["rating"], shape),
        user_ids=np.arange(1, shape[0] + 1),
        item_ids=item_ids,
        timestamps=build_csr(rows, columns, lines["timestamp"], shape),
        DESCR=descr,
    )
