"""Ratings to work with: public datasets, fetched on demand, generated ones, and one's own."""

from skrecsec.datasets._base import get_data_home
from skrecsec.datasets._filmtrust import fetch_filmtrust
from skrecsec.datasets._generated import make_ratings
from skrecsec.datasets._loading import load_ratings
from skrecsec.datasets._movielens import fetch_movielens_1m, fetch_movielens_100k
from skrecsec.datasets._recommendations import recommendations_to_frame

__all__ = [
    "fetch_filmtrust",
    "fetch_movielens_1m",
    "fetch_movielens_100k",
    "get_data_home",
    "load_ratings",
    "make_ratings",
    "recommendations_to_frame",
]
