"""Poison in files: fake profiles with what they are for and how they were made."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skrecsec.attacks._archive import MAX_BYTES, Archive, read_archive
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._files import write_atomically
from skrecsec.utils._items import check_target_items
from skrecsec.utils._signatures import describe
from skrecsec.utils._sparse import check_compressed
from skrecsec.utils._versions import package_versions
from skrecsec.utils.validation import check_ratings

_FORMAT = 1
_ARRAYS = ("data", "indices", "indptr", "shape", "target_items", "known_users", "rating_levels")
# What describes them; `not_saved` may be missing.
_FACTS = {"attack": str, "params": dict, "versions": dict, "not_saved": dict}
# The text of the description takes at most so many bytes, four a character.
_MAX_DESCRIPTION = 2**24


@describe
def save_poison(
    attack: BaseAttackTransformer, path: str | os.PathLike, *, check_only: bool = False
) -> None:
    """Write the fake profiles of a fitted attack to a file, with its parameters.

    Parameters
    ----------
    attack : attack transformer
        Fitted, unless `check_only` is True.

    path : str or path-like
        Of the file, with the suffix ``.npz``; ``~`` is the home folder. It is written whole or not
        at all, and replaces one that is there.

    check_only : bool, default=False
        Whether only to check that the file can be written, before a fit that takes long.

    Raises
    ------
    ValueError
        If `attack` is no attack transformer or not fitted (scikit-learn's NotFittedError), the
        suffix is another, or there are more fake profiles than :func:`load_poison` reads.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If no file can be written there.

    See Also
    --------
    load_poison : Reads the file.

    Notes
    -----
    The file is an archive of NumPy arrays, as :func:`numpy.savez_compressed` makes it. It needs no
    pickle and holds no genuine rating, so that it can be published; but fake profiles of some
    attacks, such as AUSH, are copies of genuine ones in large parts, and `known_users` says who was
    known. A pickle of an attack holds no genuine ratings either, unless it has `keep_ratings`.

    Parameters are stored as JSON has them: arrays, ranges, tuples and indexes of pandas as lists,
    and given targets as the indices of items. What JSON does not have, such as a `RandomState`, is
    stored as None, and `not_saved` of what is loaded names it with its type: a detector by
    ``"evade"``, or, in a list, by ``"defense[1]"``.

    %(saved_poison)s
    >>> loaded.attack, loaded.params["attack_size"], loaded.poison.shape
    ('AverageAttackTransformer', 0.03, (3, 80))
    """
    if not isinstance(attack, BaseAttackTransformer):
        raise ValueError(f"attack must be an attack transformer, got {attack!r}.")
    path = _check_path(path)
    if check_only:
        return
    check_is_fitted(attack)
    poison = sp.csr_array(check_ratings(attack.poison_, allow_no_ratings=True))
    arrays = {
        "description": np.array(json.dumps(_describe(attack))),
        "data": poison.data,
        "indices": poison.indices,
        "indptr": poison.indptr,
        "shape": np.array(poison.shape),
        "target_items": attack.target_items_,
        "known_users": attack.known_users_,
        "rating_levels": attack.rating_levels_,
    }
    n_bytes = sum(array.nbytes for array in arrays.values())
    if n_bytes > MAX_BYTES // 2 or arrays["description"].nbytes > _MAX_DESCRIPTION:
        raise ValueError(
            f"{poison.nnz} fake ratings, or the parameters, are more than a file of poison holds."
        )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _check_path(path):
    """Return the path of a file that can be written, or raise an error that says why not."""
    path = Path(path).expanduser()
    if path.suffix.lower() != ".npz":
        raise ValueError(
            f"Poison is written as an archive of NumPy arrays, whose name ends in .npz; got "
            f"{str(path)!r}."
        )
    folder = path.parent
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder {str(folder)!r} to write {path.name!r} to.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is no folder to write {path.name!r} to.")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"No file can be written to the folder {str(folder)!r}.")
    return path


def _describe(attack):
    params = attack.get_params(deep=False)
    if not isinstance(params.get("target_items", ""), str):
        params["target_items"] = attack.target_items_
    not_saved: dict[str, str] = {}
    plain = {name: _plain(value, name, not_saved) for name, value in params.items()}
    description = {
        "format": _FORMAT,
        "attack": type(attack).__name__,
        "params": plain,
        "versions": package_versions("scikit-learn"),
    }
    return {**description, "not_saved": not_saved} if not_saved else description


def _plain(value, name, not_saved):
    """Return a parameter as JSON has it, with None for what it has not, whose types are noted."""
    kind = type(value).__name__
    if hasattr(value, "tolist"):  # arrays, scalars of NumPy, columns of data frames
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return [_plain(part, f"{name}[{i}]", not_saved) for i, part in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(part, f"{name}[{key!r}]", not_saved) for key, part in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    not_saved[name] = kind
    return None


@describe
def load_poison(path: str | os.PathLike) -> Bunch:
    """Read fake profiles that :func:`save_poison` has written.

    Parameters
    ----------
    path : str or path-like
        Of the file; ``~`` is the home folder.

    Returns
    -------
    loaded : :class:`~sklearn.utils.Bunch`
        With `poison`, csr_array of shape (n_fake_profiles, n_items), `target_items`,
        `known_users` and `rating_levels`, arrays like the attributes of the attack, and `attack`,
        the name of its class, `params`, its parameters, `not_saved`, those of them, or elements of
        them, that could not be saved, with their types, and `versions`, of the packages that made
        it, str, dict, dict and dict.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it cannot be read.
    ValueError
        If the file was not written by :func:`save_poison`, is damaged, or takes more than
        256 MiB when decompressed. Nothing in it is executed or unpickled.

    See Also
    --------
    save_poison : Writes the file.
    FixedAttackTransformer : Appends the fake profiles to ratings, as an attack in a pipeline.

    %(saved_poison)s
    >>> loaded.target_items
    array([3, 7])
    """
    return read_archive(path, read_poison, "fake profiles")


def is_poison(archive: Archive) -> bool:
    """Return whether an archive is one that `save_poison` writes, to all appearances."""
    return "description" in archive.names


def is_sparse_matrix(archive: Archive) -> bool:
    """Return whether an archive is one that `scipy.sparse.save_npz` writes, to all appearances."""
    return {"format", "shape", "data"} <= archive.names


def read_poison(archive: Archive) -> Bunch:
    """Return what :func:`load_poison` does, from an open archive."""
    if not is_poison(archive):
        if is_sparse_matrix(archive):
            raise ValueError(
                "it is a sparse matrix as scipy.sparse.save_npz writes it; "
                "FixedAttackTransformer(path, target_items) takes that"
            )
        raise ValueError("save_poison has not written it")
    _require(archive.names == {"description", *_ARRAYS}, "it is in no known format")
    description = _read_description(archive)
    data = archive.array("data", "f", 1)
    indices, indptr, shape, known_users = archive.arrays(
        ["indices", "indptr", "shape", "known_users"], "iu"
    )
    target_items = archive.array("target_items", "iu", 1)
    levels = archive.array("rating_levels", "f", 1).astype(np.float64)
    _require(
        levels.size > 0 and bool(np.isfinite(levels).all()) and levels[0] > 0,
        "rating levels are no ratings",
    )
    _require(bool((np.diff(levels) > 0).all()), "rating levels are not sorted")
    _require(shape.size == 2 and shape.min() > 0 and shape.max() < 2**31, "its shape is none")
    n_profiles, n_items = (int(size) for size in shape)
    check_compressed(indptr, indices, data.size, (n_profiles, n_items), "poison")
    _require(indptr[-1] == data.size == indices.size, "there are ratings of nobody")
    poison = sp.csr_array((data.astype(np.float64), indices, indptr), shape=(n_profiles, n_items))
    _require(poison.has_canonical_format, "items of a profile are not sorted or not distinct")
    _require(bool(np.isin(poison.data, levels).all()), "fake ratings are not among the levels")
    # As unsigned ones, small numbers may follow on larger ones.
    known_users = known_users.astype(np.int64)
    _require(
        # Not the differences alone: that to a very small number is too large for its type.
        not (known_users < 0).any() and bool((np.diff(known_users) > 0).all()),
        "known users are not sorted, or not distinct",
    )
    return Bunch(
        poison=poison,
        target_items=check_target_items(target_items, n_items),
        known_users=known_users,
        rating_levels=levels,
        **description,
    )


def _read_description(archive):
    text = archive.array("description", "U", 0)
    _require(text.nbytes <= _MAX_DESCRIPTION, "its description is too long")
    description = json.loads(text.item())
    _require(isinstance(description, dict), "its description is none")
    is_known = description.pop("format", None) == _FORMAT
    description.setdefault("not_saved", {})
    is_known = is_known and {key: type(value) for key, value in description.items()} == _FACTS
    _require(is_known, "it is in no known format")
    return description


def _require(condition, problem):
    if not condition:
        raise ValueError(problem)
