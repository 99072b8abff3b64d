"""The FilmTrust ratings."""

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

_MIN_RATINGS_PER_USER = 15

FILMTRUST = DataSource(
    filename="filmtrust/ratings.txt",
    url="https://www.librec.net/datasets/filmtrust.zip",
    member="ratings.txt",
    archive_sha256=None,
    member_md5="4a463fd55c8741491e876fbd2865ed84",
    columns=("user", "item", "rating"),
    separator=None,
)

_DESCR = f"""\
FilmTrust
---------
30,880 ratings, from 0.5 to 4 in steps of 0.5, of 2,011 films by 796 users of the FilmTrust web
site, crawled in June 2011.

The file has 35,497 ratings by 1,508 users. Of a film that a user has rated more than once the
last rating counts, and users with fewer than {_MIN_RATINGS_PER_USER} ratings are left out. Rows
and columns are what remains of users and films, by ascending id.

Source: LibRec, https://www.librec.net/datasets.html.

Terms: none are stated; the authors ask for the citation.

Citation: Guibing Guo, Jie Zhang and Neil Yorke-Smith. A Novel Bayesian Similarity Measure for
Recommender Systems. Proceedings of the 23rd International Joint Conference on Artificial
Intelligence (IJCAI), 2619-2625, 2013.
"""


@register("dataset", "filmtrust", title="FilmTrust")
@describe
def fetch_filmtrust(
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the FilmTrust ratings, downloading them if necessary.

    Users with fewer than 15 ratings are left out, and of a repeated rating the last one counts.

    =======   ========
    Users          796
    Items        2,011
    Ratings     30,880
    Levels    0.5 to 4
    =======   ========

    %(fetch)s

        ratings : scipy.sparse.csr_array of shape (796, 2011)
            The ratings; users and items are in ascending order of their ids.
        timestamps : None
            FilmTrust has no times.
    %(fetched)s

    See Also
    --------
    fetch_movielens_100k : Denser ratings of movies.
    make_ratings : Generated ratings.

    Notes
    -----
    The file is kept as ``filmtrust/ratings.txt``. What is downloaded is checked against its
    checksum. A file that is already in the data home is not: any file of this format does.

    References
    ----------
    .. [1] G. Guo, J. Zhang and N. Yorke-Smith, "A Novel Bayesian Similarity Measure for
       Recommender Systems", IJCAI, 2013.

    Examples
    --------
    >>> from skrecsec.datasets import fetch_filmtrust
    >>> filmtrust = fetch_filmtrust()  # doctest: +SKIP
    >>> filmtrust.ratings.shape, filmtrust.ratings.nnz  # doctest: +SKIP
    ((796, 2011), 30880)
    """
    path, lines = fetch_lines(FILMTRUST, data_home, download_if_missing, n_retries, delay)
    lines = _filter(path, lines)
    user_ids, rows = np.unique(lines["user"], return_inverse=True)
    item_ids, columns = np.unique(lines["item"], return_inverse=True)
    return Bunch(
        ratings=build_csr(rows, columns, lines["rating"], (len(user_ids), len(item_ids))),
        user_ids=user_ids,
        item_ids=item_ids,
        timestamps=None,
        DESCR=_DESCR,
    )


def _filter(path: Path, lines: np.ndarray) -> np.ndarray:
    """Return the last rating of each item by each user with enough of them, sorted."""
    order, repeats = sort_by_user_and_item(lines["user"], lines["item"])
    lines = lines[order[~np.append(repeats[1:], False)]]
    n_ratings = np.bincount(lines["user"])
    lines = lines[n_ratings[lines["user"]] >= _MIN_RATINGS_PER_USER]
    if not len(lines):
        raise ValueError(f"{path} has no user with {_MIN_RATINGS_PER_USER} ratings or more.")
    return lines
