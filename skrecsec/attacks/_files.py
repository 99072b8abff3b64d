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

from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._files import write_atomically
from skrecsec.utils._versions import package_versions

_FORMAT = 1
_ARRAYS = ("target_items", "known_users", "rating_levels")


def save_poison(attack: BaseAttackTransformer, path: str | os.PathLike) -> None:
    """Write the fake profiles of a fitted attack to a file, with its parameters.

    Parameters
    ----------
    attack : attack transformer
        Fitted.

    path : str or path-like
        Of the file, by convention with the suffix ``.npz``. It is written whole or not at all, and
        replaces one that is there.

    Raises
    ------
    ValueError
        If `attack` is no attack transformer or not fitted (scikit-learn's NotFittedError), or a
        parameter is neither a number, a string, an array nor None.

    See Also
    --------
    load_poison : Reads the file.

    Notes
    -----
    The file is an archive of NumPy arrays, as :func:`numpy.savez_compressed` makes it. It needs no
    pickle and holds no genuine rating, so that it can be published; but fake profiles of some
    attacks, such as AUSH, are copies of genuine ones in large parts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skrecsec.attacks import AverageAttackTransformer, load_poison, save_poison
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = AverageAttackTransformer(target_items=[3, 7], random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_poison(attack, Path(folder, "average.npz"))
    ...     loaded = load_poison(Path(folder, "average.npz"))
    >>> loaded.attack, loaded.params["attack_size"], loaded.poison.shape
    ('AverageAttackTransformer', 0.03, (3, 80))
    """
    if not isinstance(attack, BaseAttackTransformer):
        raise ValueError(f"attack must be an attack transformer, got {attack!r}.")
    check_is_fitted(attack)
    params = {name: _plain(name, value) for name, value in attack.get_params(deep=False).items()}
    description = {
        "format": _FORMAT,
        "attack": type(attack).__name__,
        "params": params,
        "versions": package_versions("scikit-learn"),
    }
    poison = sp.csr_array(attack.poison_)
    arrays = {name: getattr(attack, f"{name}_") for name in _ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        description=np.array(json.dumps(description)),
        data=poison.data,
        indices=poison.indices,
        indptr=poison.indptr,
        shape=poison.shape,
        **arrays,
    )
    write_atomically(Path(path), buffer.getvalue())


def _plain(name, value):
    """Return a parameter as JSON has it."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    try:
        json.dumps(value)
    except TypeError:
        raise ValueError(
            f"{name}={value!r} cannot be saved; only numbers, strings, arrays and None can. Fit "
            f"the attack with a {name} of that kind."
        ) from None
    return value


def load_poison(path: str | os.PathLike) -> Bunch:
    """Read fake profiles that :func:`save_poison` has written.

    Parameters
    ----------
    path : str or path-like
        Of the file.

    Returns
    -------
    loaded : :class:`~sklearn.utils.Bunch`
        With `poison`, csr_array of shape (n_fake_profiles, n_items), `target_items`,
        `known_users` and `rating_levels`, arrays like the attributes of the attack, and `attack`,
        the name of its class, `params`, its parameters, and `versions`, of the packages that made
        it, str, dict and dict.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file was not written by :func:`save_poison`.

    See Also
    --------
    save_poison : Writes the file.

    Notes
    -----
    To train on the fake profiles, append them to the genuine ratings:
    ``scipy.sparse.vstack([X, loaded.poison], format="csr")``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skrecsec.attacks import RandomAttackTransformer, load_poison, save_poison
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = RandomAttackTransformer(target_items=[3, 7], random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_poison(attack, Path(folder, "random.npz"))
    ...     load_poison(Path(folder, "random.npz")).target_items
    array([3, 7])
    """
    content = Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description = json.loads(str(arrays.pop("description")))
        known_format = description.pop("format") == _FORMAT
        parts = (arrays.pop("data"), arrays.pop("indices"), arrays.pop("indptr"))
        poison = sp.csr_array(parts, shape=tuple(arrays.pop("shape")))
        complete = set(arrays) == set(_ARRAYS) and set(description) == {
            "attack", "params", "versions",
        }  # fmt: skip
    except (ValueError, KeyError, AttributeError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{str(path)!r} does not hold fake profiles: {error}") from error
    if not (known_format and complete):
        raise ValueError(f"{str(path)!r} does not hold fake profiles in a known format.")
    return Bunch(poison=poison, **arrays, **description)
