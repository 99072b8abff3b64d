"""Validation of item indices: held-out items and target items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["check_item_indices", "check_target_items"]


def check_item_indices(
    values: ArrayLike, n_items: int, *, name: str, lowest: int = 0, what: str = "item"
):
    """Return item indices as a 1-D int64 array, or say what is wrong with them.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        Integers in [`lowest`, `n_items`). Floats are accepted where they hold integers.

    n_items : int
        Number of items, the columns of the rating matrix.

    name : str
        What the error messages call the array.

    lowest : int, default=0
        The lowest value allowed; -1 where that stands for "no item".

    what : str, default="item"
        What they are indices of: rows are users.

    Returns
    -------
    items : ndarray of shape (n_values,), dtype int64
        A copy.

    Raises
    ------
    ValueError
        If `values` is not 1-D, not integer, holds NaN or an index out of range.

    Examples
    --------
    >>> from skrecsec.utils._items import check_item_indices
    >>> check_item_indices([2.0, 0.0], 3, name="items")
    array([2, 0])
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        if lowest != -1:
            raise ValueError(f"{name} has masked entries.")
        values = values.filled(-1)
    try:
        items = np.asarray(values)
    except ValueError:
        raise ValueError(
            f"{name} must be a 1-D array of {what} indices, got ragged rows."
        ) from None
    if items.ndim != 1:
        raise ValueError(
            f"{name} must be a 1-D array of {what} indices, got an array of shape {items.shape}."
        )
    if items.dtype.kind == "f":
        if np.isnan(items).any():
            raise ValueError(f"{name} contains NaN.")
        not_whole = items[items != np.floor(items)]
        if not_whole.size:
            raise ValueError(f"{name} must hold integer {what} indices, got {not_whole[0]}.")
    elif items.dtype.kind not in "iu":
        is_name = what == "item" and items.dtype.kind in "UO"
        remedy = " (names of items go with a data frame)" if is_name else ""
        raise ValueError(
            f"{name} must hold integer {what} indices, got dtype {items.dtype}{remedy}."
        )
    # Compared before the cast, which would wrap what does not fit into int64.
    outside = items[(items < lowest) | (items >= n_items)]
    if outside.size:
        none = " or -1 for none" if lowest == -1 else ""
        raise ValueError(
            f"{name} must hold {what} indices from 0 to {n_items - 1}{none} "
            f"(X has {n_items} {what}s), got {outside[0]}."
        )
    return items.astype(np.int64)


def check_target_items(
    target_items: ArrayLike, n_items: int, *, item_names: np.ndarray | None = None
) -> np.ndarray:
    """Return the indices of the target items of an attack, checked, in the given order.

    Parameters
    ----------
    target_items : array-like of shape (n_targets,)
        Distinct item indices in [0, `n_items`), at least one.

    n_items : int
        Number of items, the columns of the rating matrix.

    item_names : ndarray of shape (n_items,), default=None
        Names of the items, which targets may be given by.

    Returns
    -------
    target_items : ndarray of shape (n_targets,), dtype int64
        A copy.

    Raises
    ------
    ValueError
        If `target_items` is empty, not 1-D, not integer, out of range or has duplicates.

    Examples
    --------
    >>> from skrecsec.utils._items import check_target_items
    >>> check_target_items([7, 2], 10)
    array([7, 2])
    """
    target_items = _find_names(target_items, item_names)
    items = check_item_indices(target_items, n_items, name="target_items")
    if items.size == 0:
        raise ValueError("target_items is empty; at least one target item is required.")
    distinct, counts = np.unique(items, return_counts=True)
    if distinct.size < items.size:
        raise ValueError(
            f"target_items must be distinct, but item {distinct[counts > 1][0]} is repeated."
        )
    return items


def _find_names(target_items, item_names):
    """Return the indices of targets that are given by name, or what is given as it is."""
    names = np.asarray(target_items, dtype=object)
    if names.ndim != 1 or names.size == 0 or not all(isinstance(name, str) for name in names):
        return target_items
    if item_names is None:
        return target_items  # which is refused
    return find_items(names, item_names, name="target_items")


def find_items(names, item_names, *, name: str) -> list[int]:
    """Return the indices of items that are given by name; `name` is what messages call them."""
    index = {item_name: item for item, item_name in enumerate(item_names)}
    unknown = [item_name for item_name in names if item_name not in index]
    if unknown:
        raise ValueError(f"{name} names {unknown[0]!r}, which is no column of X.")
    return [index[item_name] for item_name in names]
