"""Classes that have the parameters of their parents, and the texts that describe them.

scikit-learn reads the parameters of an estimator from the signature of its `__init__`. A class with
parameters of its own and those of a parent need not repeat the latter::

    @complete
    class AverageAttackTransformer(BaseAttackTransformer):
        '''One line.

        (as usual, and among the parameters:)

        %(threat_model)s
        '''

        def __init__(self, *, own=1, **threat_model):
            super().__init__(**threat_model)
            self.own = own

`complete` gives `__init__` the full signature and puts the texts of `_parameters` in place, with
the defaults of this class.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TypeVar

from skrecsec.utils._parameters import TEXTS

_PLACE = re.compile(r"^([ \t]*)%\(([\w.]+)\)s$", flags=re.MULTILINE)

Class = TypeVar("Class", bound=type)


def complete(cls: Class) -> Class:
    """Complete the signature and the docstring of a class, and return it."""
    if "__init__" in vars(cls):
        _complete_signature(cls)
    if cls.__doc__ is not None:  # there is none with python -OO
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
        }
        cls.__doc__ = _PLACE.sub(lambda place: _text(place, defaults), cls.__doc__)
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


def _text(place, defaults):
    indent, name = place.groups()
    text = re.sub(r"\{default\((\w+)\)\}", lambda m: _shown(defaults[m[1]]), TEXTS[name])
    return textwrap.indent(text, indent)


def _shown(default):
    return f'"{default}"' if isinstance(default, str) else repr(default)
