"""Texts that several docstrings share, and classes that have the parameters of their parents.

A line of a docstring that is only ``%(name)s`` stands for a text of `_parameters`,
`_attack_parameters` or `_texts`, in which ``{default(parameter)}`` is the default of the function
or class at hand and ``{class}`` the name of the class. `describe` puts the texts in place for a
function, `complete` for a class and its methods.

scikit-learn reads the parameters of an estimator from the signature of its `__init__`. A class with
parameters of its own and those of a parent need not repeat the latter, since `complete` gives
`__init__` the full signature::

    @complete
    class AverageAttackTransformer(BaseAttackTransformer):
        def __init__(self, *, own=1, **threat_model):
            super().__init__(**threat_model)
            self.own = own
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import TypeVar

from skrecsec.utils import _attack_parameters, _parameters, _texts

_PLACE = re.compile(r"^([ \t]*)%\(([\w.]+)\)s$", flags=re.MULTILINE)
_WRAPPED = ("__func__", "fget", "fn")
_TEXTS = _parameters.TEXTS | _attack_parameters.TEXTS | _texts.TEXTS

Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable)


def describe(function: Function) -> Function:
    """Complete the docstring of a function, and return it."""
    _fill(function, _defaults(function))
    return function


def complete(cls: Class) -> Class:
    """Complete the signature and the docstrings of a class, and return it."""
    if "__init__" in vars(cls):
        _complete_signature(cls)
    _fill(cls, _defaults(getattr(cls, "__init__")), cls.__name__)  # noqa: B009  mypy
    for member in list(vars(cls).values()):
        # Class methods, properties and what `available_if` returns have a copy of the docstring.
        function = next((getattr(member, a) for a in _WRAPPED if hasattr(member, a)), member)
        if inspect.isfunction(function):
            for thing in {function, member}:
                _fill(thing, _defaults(function), cls.__name__)
    return cls


def _complete_signature(cls):
    """Replace the ``**`` of `__init__` by the parameters of the next class that has any.

    Those of its own come first, then the parent's in their order, some with another default.
    """
    own = inspect.signature(cls.__init__).parameters
    if all(p.kind is not p.VAR_KEYWORD for p in own.values()):
        return
    inherited = inspect.signature(super(cls, cls).__init__).parameters
    positional = [p for p in own.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    taken = {p.name for p in positional}
    parameters = [p for p in own.values() if p.kind is p.KEYWORD_ONLY and p.name not in inherited]
    for name, parameter in inherited.items():
        if name not in taken:
            parameters.append(own.get(name, parameter).replace(kind=parameter.KEYWORD_ONLY))
    cls.__init__.__signature__ = inspect.Signature(positional + parameters)


def _defaults(function):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def _fill(thing, defaults, class_name=""):
    def text(place):
        indent, name = place.groups()
        text = re.sub(r"\{default\((\w+)\)\}", lambda m: _shown(defaults[m[1]]), _TEXTS[name])
        return textwrap.indent(text.replace("{class}", class_name), indent)

    if thing.__doc__ is not None and _PLACE.search(thing.__doc__):  # there is none with python -OO
        thing.__doc__ = _PLACE.sub(text, thing.__doc__)


def _shown(default):
    return f'"{default}"' if isinstance(default, str) else repr(default)
