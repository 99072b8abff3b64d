"""Every public name is documented, in the form that numpydoc asks for, and listed in the docs."""

import configparser
import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest
from numpydoc import docscrape
from numpydoc.validate import get_validation_checks, validate

import skrecsec
from skrecsec.utils._registry import registered

ROOT = Path(__file__).resolve().parents[1]

# The modules whose names users import; those of `skrecsec` itself are theirs too.
USER_MODULES = [
    "skrecsec.attacks",
    "skrecsec.base",
    "skrecsec.datasets",
    "skrecsec.detection",
    "skrecsec.exceptions",
    "skrecsec.experiments",
    "skrecsec.inspection",
    "skrecsec.metrics",
    "skrecsec.model_selection",
    "skrecsec.recommenders",
    "skrecsec.utils.estimator_checks",
    "skrecsec.utils.validation",
]

# Packages that others of skrecsec use, and users have no need of.
INTERNAL = ["skrecsec.training"]


@cache
def public_modules():
    """Return the names of all modules without a leading underscore on the way."""
    found = pkgutil.walk_packages(skrecsec.__path__, "skrecsec.")
    return ["skrecsec", *(m.name for m in found if "._" not in m.name and m.name not in INTERNAL)]


@cache
def public_objects():
    """Return the path of each public class, function, method and property, once."""
    paths = set()
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            path = f"{thing.__module__}.{thing.__qualname__}"
            paths.add(path)
            if inspect.isclass(thing):
                paths |= {f"{path}.{member}" for member in _own_members(thing)}
    return sorted(paths)


def _own_members(cls):
    """Yield the public methods and properties that this package, not scikit-learn, wrote."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        is_ours = getattr(function, "__module__", None) or ""
        if not name.startswith("_") and is_ours.startswith("skrecsec"):
            yield name


@cache
def enabled_checks():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    checks = config["tool:numpydoc_validation"]["checks"]
    return get_validation_checks({check.strip() for check in checks.split(",")})


@pytest.mark.parametrize("path", public_objects())
def test_docstring_is_valid(path):
    problems = [text for check, text in validate(path)["errors"] if check in enabled_checks()]
    assert not problems


@pytest.mark.parametrize("module_name", USER_MODULES)
def test_classes_and_functions_have_an_example(module_name):
    module = importlib.import_module(module_name)
    without = [
        name
        for name in module.__all__
        if not docscrape.get_doc_object(getattr(module, name))["Examples"]
        # To be subclassed, not used: an example is in docs/guide/extending.rst.
        and not name.startswith("Base")
        and name not in ("Budget", "parametrize_with_checks")
    ]
    assert not without


@pytest.mark.parametrize("module_name", public_modules())
def test_modules_and_all_that_they_define_are_documented(module_name):
    module = importlib.import_module(module_name)
    assert inspect.getdoc(module)
    undocumented = [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", None) == module_name
        and not inspect.getdoc(thing)
    ]
    assert not undocumented


def test_api_reference_lists_exactly_the_public_names(module_at):
    module = None
    listed = set()
    for line in "\n".join(
        module_at(ROOT / "docs" / "reference.py").api_pages().values()
    ).splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.fullmatch(r" {3}([A-Za-z]\w*)", line):
            listed.add(f"{module}.{found[1]}")
    public = {
        f"{name}.{member}"
        for name in USER_MODULES
        for member in importlib.import_module(name).__all__
    }
    assert listed == public


def test_the_readme_lists_what_there_is(module_at):
    reference = module_at(ROOT / "docs" / "reference.py")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == reference.readme(), "run python docs/reference.py"
    for name in (*skrecsec.__all__, *registered("attack"), *registered("scorer")):
        assert f"`{name}`" in text


def test_top_level_names_are_those_of_the_subpackages():
    offered = {
        name: getattr(importlib.import_module(module), name)
        for module in USER_MODULES
        for name in importlib.import_module(module).__all__
    }
    assert {name: getattr(skrecsec, name) for name in skrecsec.__all__}.items() <= offered.items()
