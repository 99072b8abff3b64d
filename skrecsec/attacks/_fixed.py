"""Fake profiles that come from elsewhere: a file, a paper, another library."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._archive import read_archive
from skrecsec.attacks._files import is_poison, is_sparse_matrix, read_poison
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._items import check_item_indices, check_target_items, find_items
from skrecsec.utils._signatures import complete
from skrecsec.utils._sparse import check_structure, index_dtype
from skrecsec.utils.validation import check_ratings, project_to_levels

_COLUMNS = ("user", "item", "rating")
# Ratings that differ by less from a level, as a share of it, are that level: float32 has 7 digits.
_TOLERANCE = 1e-6


@complete
class FixedAttackTransformer(BaseAttackTransformer):
    """An attack by given profiles, such as those that a paper has published.

    The fake profiles are not crafted but given, as a matrix or as a file. They are checked and
    appended, so that they go wherever attacks do: pipelines, scorers, studies.

    Parameters
    ----------
    profiles : array-like, sparse matrix, Bunch, str or path-like
        The fake profiles; they must rate the items that `X` has. One of

        - a matrix of shape (n_fake_profiles, n_items): a stored entry of a sparse one, or a
          non-zero entry of another, is a rating. A data frame must have the columns of `X`, if
          that is one, too;
        - what :func:`load_poison` returns;
        - the path of a ``.npz`` file written by :func:`save_poison` or, as CSR, CSC or COO, by
          :func:`scipy.sparse.save_npz`;
        - the path of a ``.csv`` file with a rating a line: `user`, `item` and `rating`, as its
          first line names them, and maybe other columns. Each user is a profile, in the order of
          their first lines. Items are indices from 0 or, if `X` is a data frame with named columns,
          their names.

    target_items : array-like of int, default=None
        The items that the profiles promote or demote, by which scorers judge the attack: indices,
        or names if `X` is a data frame. None takes them from what `save_poison` has written, and
        is an error with other profiles, which do not say.

    project : bool, default=False
        Whether ratings that are no level of `X` become the nearest one. If False, they are refused.

    %(keep_ratings)s

    Attributes
    ----------
    %(poison)s

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (0,)
        Empty: the profiles are made of none of the given ones.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels of `X`; ratings of fake profiles are among them.

    %(features)s

    See Also
    --------
    load_poison : Reads fake profiles with what is known of them.
    AverageAttackTransformer : Crafts profiles.

    Notes
    -----
    %(appends_rows)s

    Profiles for other items, ratings that are not finite and positive, and two ratings of one item
    in a profile are refused. Whether the profiles rate the targets, and how many there are, is up
    to who has made them. With ratings that are continuous, the levels are a grid, and `project` has
    to be True.

    There are no defaults for `profiles`, so that the checks of scikit-learn, which try an estimator
    on matrices of many widths, do not apply.

    Time and memory are O(n_ratings + n_items), for a dense array O(n_fake_profiles n_items).

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skrecsec.attacks import FixedAttackTransformer
    >>> X = sp.csr_array([[5, 0, 3, 1], [4, 1, 0, 2], [0, 2, 4, 0]])
    >>> published = sp.csr_array([[0, 5, 4, 0]])
    >>> attack = FixedAttackTransformer(published, target_items=[1])
    >>> attack.fit_transform(X).toarray()
    array([[5., 0., 3., 1.],
           [4., 1., 0., 2.],
           [0., 2., 4., 0.],
           [0., 5., 4., 0.]])
    """

    _parameter_constraints: dict = {
        "profiles": ["array-like", "sparse matrix", dict, str, os.PathLike, None],
        "target_items": ["array-like", None],
        "project": ["boolean"],
        "keep_ratings": ["boolean"],
    }

    def __init__(self, profiles=None, target_items=None, *, project=False, keep_ratings=False):
        self.profiles = profiles
        self.target_items = target_items
        self.project = project
        self.keep_ratings = keep_ratings

    _craft_profiles = None  # type: ignore[assignment]  # they are given

    def _make_poison(self, X, levels):
        names = getattr(self, "feature_names_in_", None)
        given = self._read(X.shape[1], names)
        targets = given.target_items if self.target_items is None else self.target_items
        if targets is None:
            raise ValueError(
                "target_items is None, and the profiles do not say which items they promote or "
                "demote: give their indices."
            )
        targets = check_target_items(targets, X.shape[1], item_names=names)
        return (
            self._on_levels(_check_profiles(given, X.shape[1], names), levels),
            targets,
            np.empty(0, dtype=np.int64),
        )

    def _read(self, n_items, item_names):
        if self.profiles is None:
            raise ValueError(
                "profiles is None: give the fake profiles, as a matrix, as the path of a file or "
                "as what load_poison returns."
            )
        return _read(self.profiles, n_items, item_names)

    def _on_levels(self, profiles, levels):
        """Return the profiles with ratings that are levels, as a CSR array of their own."""
        ratings = project_to_levels(profiles.data, levels)
        is_off = np.abs(ratings - profiles.data) > _TOLERANCE * ratings
        if is_off.any() and not self.project:
            raise ValueError(
                f"profiles has the rating {profiles.data[is_off][0]:g}, which is none of the "
                f"{levels.size} levels of X, from {levels[0]:g} to {levels[-1]:g}: bring the "
                f"profiles to its scale, or let project=True take the nearest level."
            )
        dtype = index_dtype(*profiles.shape, ratings.size)  # those of a file may be wider
        indices, indptr = profiles.indices.astype(dtype), profiles.indptr.astype(dtype)
        return sp.csr_array((ratings, indices, indptr), shape=profiles.shape)


class _Given(NamedTuple):
    """Profiles as they were given, with what came with them."""

    matrix: object
    target_items: np.ndarray | None = None


def _read(profiles, n_items, item_names):
    if isinstance(profiles, dict) and not sp.issparse(profiles):  # a DOK matrix is a dict, too
        if not {"poison", "target_items"} <= set(profiles):
            raise ValueError(
                f"profiles must be a matrix, a path, or what load_poison returns, with 'poison' "
                f"and 'target_items'; got a dict with {sorted(map(str, profiles))}."
            )
        return _Given(profiles["poison"], profiles["target_items"])
    if not isinstance(profiles, (str, os.PathLike)):
        return _Given(profiles)
    path = Path(profiles).expanduser()
    if path.suffix.lower() == ".npz":
        return read_archive(path, _read_profiles, "fake profiles")
    if path.suffix.lower() == ".csv":
        return _Given(_read_csv(path, n_items, item_names))
    raise ValueError(f"profiles are read from files that end in .npz or .csv, got {str(path)!r}.")


def _check_profiles(given, n_items, item_names):
    """Return the profiles as CSR ratings of the items that there are."""
    names = getattr(given.matrix, "columns", None)
    if names is not None and item_names is not None and list(names) != list(item_names):
        raise ValueError(
            "profiles has other columns than X, or in another order: profiles[X.columns] has those "
            "of X."
        )
    try:
        profiles = check_ratings(given.matrix)
    except ValueError as error:
        raise ValueError(f"profiles are no ratings of fake users: {error}") from error
    if profiles.shape[1] != n_items:
        raise ValueError(
            f"profiles has {profiles.shape[1]} items, X has {n_items}: fake profiles must be made "
            f"for the items of X."
        )
    return profiles


# --- files ----------------------------------------------------------------------------------------


def _read_profiles(archive):
    if is_poison(archive):
        loaded = read_poison(archive)
        return _Given(loaded.poison, loaded.target_items)
    if not is_sparse_matrix(archive):
        raise ValueError("neither save_poison nor scipy.sparse.save_npz has written it")
    kind = archive.array("format", "SU", 0).item()
    kind = kind.decode("ascii") if isinstance(kind, bytes) else kind
    if kind not in ("coo", "csr", "csc"):
        raise ValueError(f"it is a matrix of the format {kind!r}; save it as CSR")
    shape = tuple(int(size) for size in archive.array("shape", "iu", 1))
    data = archive.array("data", "fiub", 1).astype(np.float64)
    if len(shape) != 2 or not all(0 < size < 2**31 for size in shape):
        raise ValueError(f"it is a matrix of shape {shape}")
    if kind == "coo":
        rows, columns = archive.arrays(["row", "col"], "iu")
        if max(rows.max(initial=0), columns.max(initial=0)) >= 2**31:
            raise ValueError("its indices are too high")
        matrix = sp.coo_array((data, (rows, columns)), shape=shape)
    else:
        indices, indptr = archive.arrays(["indices", "indptr"], "iu")
        container = sp.csr_array if kind == "csr" else sp.csc_array
        matrix = container((data, indices, indptr), shape=shape)
    check_structure(matrix, "profiles")
    return _Given(matrix)


def _read_csv(path, n_items, item_names):
    """Return the profiles in a long table as COO."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            if not set(_COLUMNS) <= set(lines.fieldnames or []):
                raise ValueError(
                    f"its first line must name the columns {', '.join(_COLUMNS)}, it names "
                    f"{lines.fieldnames}"
                )
            table = [(line["user"], line["item"], _number(line["rating"], lines)) for line in lines]
            if not table:
                raise ValueError("no line has a rating")
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        raise ValueError(f"{str(path)!r} does not hold fake profiles: {error}.") from error
    users, items, ratings = zip(*table, strict=True)
    row_of = {user: row for row, user in enumerate(dict.fromkeys(users))}
    rows = [row_of[user] for user in users]
    columns = _item_indices(items, n_items, item_names, path)
    return sp.coo_array((ratings, (rows, columns)), shape=(len(row_of), n_items))


def _number(text, lines):
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"line {lines.line_num} has no rating but {text!r}")
    return number


def _item_indices(items, n_items, item_names, path):
    name = f"The column item of {str(path)!r}"
    if item_names is not None:
        return np.array(find_items(items, item_names, name=name))
    try:
        indices = np.array([int(item) for item in items])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{name} must hold indices of items from 0; names go with a data frame."
        ) from None
    return check_item_indices(indices, n_items, name=name)
