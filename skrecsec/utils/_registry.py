"""The one list of all that is added by name, from which all other lists are made.

Things register where they are defined, so that whoever adds one writes its name there and nowhere
else: estimator checks, command line, reference pages and the README's table list what is here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from sklearn.base import clone

# Who imports a package has all that it registers; who asks by name need not have imported it.
_PACKAGES = {
    "attack": "skrecsec.attacks",
    "recommender": "skrecsec.recommenders",
    "detector": "skrecsec.detection",
    "dataset": "skrecsec.datasets",
    "scorer": "skrecsec.metrics",
}
KINDS = tuple(_PACKAGES)

Thing = TypeVar("Thing", bound=Callable)


class Entry(NamedTuple):
    """What the registry knows of a thing.

    Parameters
    ----------
    kind : str
        One of `KINDS`.

    name : str
        What a shell calls it, in lower case.

    make : callable
        The class or function.

    options : dict
        Keyword arguments that make this thing of it.

    facts : dict
        Whatever else lists want to know.
    """

    kind: str
    name: str
    make: Callable
    options: dict[str, Any]
    facts: dict[str, Any]

    def __call__(self, **options):
        """Make one, with further keyword arguments."""
        return self.make(**{**self.options, **options})


_entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}


def register(kind: str, name: str, *, options: dict | None = None, **facts) -> Callable:
    """Return a decorator that registers a class or function, and returns it as it is.

    Raises
    ------
    ValueError
        If the name is taken by something that is defined elsewhere.
    """

    def add(thing: Thing) -> Thing:
        known = _entries[kind].get(name)
        if known is not None and _origin(known.make) != _origin(thing):
            raise ValueError(f"The {kind} {name!r} is registered already, as {known.make!r}.")
        _entries[kind][name] = Entry(kind, name, thing, options or {}, facts)
        return thing

    return add


def _origin(thing):
    return thing.__module__, thing.__qualname__


def registered(kind: str) -> dict[str, Entry]:
    """Return the entries of a kind by name, in alphabetical order."""
    import_module(_PACKAGES[kind])
    return dict(sorted(_entries[kind].items()))


def find(kind: str, name: str) -> Entry:
    """Return an entry.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    entries = registered(kind)
    if name not in entries:
        raise ValueError(f"{name!r} is no {kind}; there are {', '.join(entries)}.")
    return entries[name]


def clone_or_default(estimator, kind: str, name: str):
    """Return a clone, or of None the default, by its name: its package need not be imported."""
    return find(kind, name)() if estimator is None else clone(estimator)
