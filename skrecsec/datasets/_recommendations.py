"""Recommendations with ids instead of positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from skrecsec.datasets._load_columns import to_objects
from skrecsec.datasets._load_files import import_extra

_BACKENDS = ("pandas", "polars", "pyarrow")


def recommendations_to_frame(
    items: ArrayLike,
    ids: Bunch | ArrayLike,
    *,
    user_ids: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    backend: str = "pandas",
):
    """Return recommendations as a data frame with the ids of users and items.

    Parameters
    ----------
    items : array-like of int of shape (n_profiles, k)
        What `recommend` returns: the indices of the items for each profile, best first, -1 where
        there is no more item.

    ids : :class:`~sklearn.utils.Bunch` or array-like of shape (n_items,)
        What :func:`load_ratings` or a fetcher has returned; or the ids of the items alone.

    user_ids : array-like of shape (n_profiles,) or None, default=None
        The id of each profile. With None they are those of `ids`, of which there must be as many
        as profiles, or the positions of the profiles if `ids` has none.

    scores : array-like of shape (n_profiles, k) or None, default=None
        The predicted rating of each of `items`. From all predictions ``np.take_along_axis(
        predictions, items, axis=1)`` takes them; what belongs to -1 is ignored.

    backend : {"pandas", "polars", "pyarrow"}, default="pandas"
        The library of the data frame.

    Returns
    -------
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        A row per recommendation, by profile and rank, with the columns ``user``, ``rank`` (from 1),
        ``item``, and ``score`` if there are scores.

    Raises
    ------
    ValueError
        If shapes do not belong together or `items` has an index that is no item's.

    ImportError
        If the library is not installed.

    See Also
    --------
    load_ratings : The way from ids to indices.

    Notes
    -----
    O(n_profiles * k) time and memory.

    Examples
    --------
    >>> from skrecsec.datasets import recommendations_to_frame
    >>> recommendations_to_frame([[2, 0], [1, -1]], ["figs", "nuts", "apples"], user_ids=["a", "e"])
      user  rank    item
    0    a     1  apples
    1    a     2    figs
    2    e     1    nuts
    """
    items = _check_items(items)
    if isinstance(ids, Bunch):
        user_ids = ids.user_ids if user_ids is None else user_ids
        ids = ids.item_ids
    item_ids = _to_ids("ids", ids)
    user_ids = np.arange(len(items)) if user_ids is None else _to_ids("user_ids", user_ids)
    if len(user_ids) != len(items):
        raise ValueError(
            f"items has {len(items)} profiles and there are {len(user_ids)} ids of users; pass "
            "those of the profiles as `user_ids`."
        )
    if items.size and not -1 <= items.min() <= items.max() < len(item_ids):
        raise ValueError(
            f"items must be indices from 0 to {len(item_ids) - 1}, or -1 for none; they are from "
            f"{items.min()} to {items.max()}."
        )
    profiles, ranks = np.nonzero(items >= 0)
    columns = {
        "user": user_ids[profiles],
        "rank": ranks + 1,
        "item": item_ids[items[profiles, ranks]],
    }
    if scores is not None:
        columns["score"] = _check_scores(scores, items)[profiles, ranks]
    return _to_frame(columns, backend)


def _check_items(items: ArrayLike) -> np.ndarray:
    array = np.asarray(items)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            "items must be indices of shape (n_profiles, k), as recommend() returns them; got an "
            f"array of shape {array.shape} and dtype {array.dtype}."
        )
    return array


def _to_ids(name: str, ids: ArrayLike) -> np.ndarray:
    array = ids if isinstance(ids, np.ndarray) else _keep_types(list(cast(Iterable, ids)))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    return array


def _keep_types(values: list) -> np.ndarray:
    """Return an array of ids, whose types numpy would make equal: 1 and "1" are two ids."""
    kinds = set(map(type, values))
    return np.asarray(values) if len(kinds) == 1 and str not in kinds else to_objects(values)


def _check_scores(scores: ArrayLike, items: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != items.shape:
        raise ValueError(
            f"scores must have the shape of items, {items.shape}, got {scores.shape}. Of what "
            "predict() returns, pass np.take_along_axis(predictions, items, axis=1)."
        )
    return scores


def _to_frame(columns: dict[str, np.ndarray], backend: str):
    if backend not in _BACKENDS:
        expected = ", ".join(map(repr, _BACKENDS))
        raise ValueError(f"backend must be one of {expected}; got {backend!r}.")
    library = import_extra(backend, "A data frame of recommendations")
    if backend == "pandas":
        return library.DataFrame(columns)
    # Neither library takes all that Python objects can be out of an array.
    columns = {
        name: column.tolist() if column.dtype == object else column
        for name, column in columns.items()
    }
    return library.DataFrame(columns) if backend == "polars" else library.table(columns)
