"""Texts that docstrings share are put in place, in functions, classes and their methods."""

import importlib
import inspect
import pkgutil

import pytest
from sklearn.utils.metaestimators import available_if

import skrecsec
from skrecsec.utils import _signatures
from skrecsec.utils._signatures import complete, describe


@pytest.fixture
def texts(monkeypatch):
    text = "k : int, default={default(k)}\n    Of a {class}."
    monkeypatch.setattr(_signatures, "_TEXTS", {"k": text})


def test_functions_classes_and_methods_are_described(texts):
    @complete
    class Parent:
        """Text.

        %(k)s
        """

        def __init__(self, *, k=1, other="a"):
            pass

        @classmethod
        def make(cls, k="b"):
            """Make one.

            %(k)s
            """

        @property
        def value(self):
            """Not a %(k)s on a line of its own."""

        @available_if(lambda self: False)
        def available(self, k=4):
            """Do it, perhaps.

            %(k)s
            """

        def undocumented(self):
            pass

    @describe
    def function(k=3):
        """Do it.

        %(k)s
        """

    assert inspect.getdoc(function) == "Do it.\n\nk : int, default=3\n    Of a ."
    assert inspect.getdoc(Parent) == "Text.\n\nk : int, default=1\n    Of a Parent."
    assert inspect.getdoc(Parent.make) == 'Make one.\n\nk : int, default="b"\n    Of a Parent.'
    assert inspect.getdoc(Parent.value) == "Not a %(k)s on a line of its own."
    expected = "Do it, perhaps.\n\nk : int, default=4\n    Of a Parent."
    assert inspect.getdoc(Parent.available) == expected
    assert inspect.getdoc(vars(Parent)["available"]) == expected
    assert Parent.undocumented.__doc__ is None

    @complete
    class Child(Parent):
        def __init__(self, first, *, k=2, **rest):
            pass

    assert str(inspect.signature(Child)) == "(first, *, k=2, other='a')"


def test_a_text_or_a_default_that_is_missing_is_an_error(texts):
    def function():
        """Text.

        %(k)s
        """

    with pytest.raises(KeyError, match="k"):
        describe(function)
    function.__doc__ = "Text.\n\n%(none)s\n"
    with pytest.raises(KeyError, match="none"):
        describe(function)


def test_no_docstring_is_left_incomplete():
    incomplete = []
    for module in pkgutil.walk_packages(skrecsec.__path__, "skrecsec."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            if callable(thing) and getattr(thing, "__module__", None) == module.name:
                members = vars(thing).values() if inspect.isclass(thing) else ()
                docs = [inspect.getdoc(part) or "" for part in (thing, *members)]
                incomplete += [name for doc in docs if _signatures._PLACE.search(doc)]
    assert not incomplete
