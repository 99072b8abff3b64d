"""Ratings to work with: public datasets, fetched on demand, and generated ones."""

from skrecsec.datasets._base import get_data_home
from skrecsec.datasets._filmtrust import fetch_filmtrust
from skrecsec.datasets._generated import make_ratings
from skrecsec.datasets._movielens import fetch_movielens_1m, fetch_movielens_100k

__all__ = [
    "fetch_filmtrust",
    "fetch_movielens_1m",
    "fetch_movielens_100k",
    "get_data_home",
    "make_ratings",
]
