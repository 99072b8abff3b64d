"""Descriptions of data and estimators from which a record's name is made.

A description consists of what JSON knows, is complete, and is equal for what is equal: no `repr`,
which abbreviates arrays, and no pickle, whose bytes depend on how an object came about.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._digest import digest, digest_csr


def describe(value, where: str = "value"):
    """Describe an estimator, or a value that one of its parameters can have.

    Parameters
    ----------
    value : object
        An estimator, a number, a string, None, an array, a sparse matrix, a container, a dataclass
        instance, a class or a function that can be imported, or a partial of one.

    where : str, default="value"
        What error messages call it.

    Returns
    -------
    description : object
        Made of dicts, lists, strings, booleans, integers and None.

    Raises
    ------
    ValueError
        If it holds an object of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.experiments._describe import describe
    >>> describe([1, np.float64(0.5)])
    {'list': [1, {'float': '0x1.0000000000000p-1'}]}
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return {"float": float(value).hex()}
    for recognises, describe_kind in _KINDS:
        if recognises(value):
            return describe_kind(value, where)
    raise ValueError(
        f"{where} is of type {type(value).__qualname__}, which cannot be described for the records "
        f"in cache_dir; use cache_dir=None."
    )


def _describe_array(value, where):
    if value.dtype.kind == "O":
        return {"array": [describe(entry, f"{where}[...]") for entry in value.ravel()]}
    return {"array": digest(value)}


def _describe_sparse(value, where):
    value = value.tocsr(copy=True)
    value.sum_duplicates()
    return {"sparse": digest_csr(value)}


def _describe_sequence(value, where):
    return {
        type(value).__name__: [describe(entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    }


def _describe_mapping(value, where):
    # Not as a dict of JSON, whose keys are strings only. Order counts, as in a pipeline's steps.
    return {
        "dict": [
            [describe(key, f"{where} key"), describe(entry, f"{where}[{key!r}]")]
            for key, entry in value.items()
        ]
    }


def _describe_estimator(value, where):
    return {
        **_origin(type(value), where),
        "params": {
            name: describe(parameter, f"{where}.{name}")
            for name, parameter in sorted(value.get_params(deep=False).items())
        },
    }


def _describe_dataclass(value, where):
    return {
        **_origin(type(value), where),
        "fields": {
            field.name: describe(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        },
    }


def _describe_partial(value, where):
    return {
        "partial": describe(value.func, where),
        "args": describe(value.args, where),
        "keywords": describe(value.keywords, where),
    }


def _origin(thing, where):
    """Return where a class or function is from, with the version of its package."""
    name = thing.__qualname__
    if "<" in name:  # <lambda>, <locals>: two of them can have the same name
        raise ValueError(
            f"{where} is, or comes from, {name!r}, which cannot be imported by that name, so that "
            f"it cannot be described for the records in cache_dir; define it in a module, or use "
            f"cache_dir=None."
        )
    package = sys.modules.get(thing.__module__.partition(".")[0])
    return {
        "name": f"{thing.__module__}.{name}",
        "version": str(getattr(package, "__version__", None)),
    }


_KINDS = [
    (lambda value: isinstance(value, np.ndarray), _describe_array),
    (sp.issparse, _describe_sparse),
    (lambda value: type(value) in (list, tuple), _describe_sequence),
    (lambda value: isinstance(value, Mapping), _describe_mapping),
    (lambda value: isinstance(value, functools.partial), _describe_partial),
    (lambda value: inspect.isclass(value) or inspect.isroutine(value), _origin),
    (lambda value: hasattr(value, "get_params"), _describe_estimator),
    (dataclasses.is_dataclass, _describe_dataclass),
]
