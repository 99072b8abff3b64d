"""The house: imports run downwards, there is no circle, and what is private stays in its room."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import skrecsec

PACKAGE = Path(skrecsec.__file__).parent

# A room may import those on lower floors, and none on its own.
FLOORS = [
    {"exceptions"},
    {"utils"},
    {"training", "base", "datasets", "metrics", "model_selection"},
    {"inspection", "recommenders", "attacks", "detection"},
    {"experiments"},
    {"cli"},
    {"__main__"},
]
# The package itself hands on what lies below.
TOP = "skrecsec"
ABOVE_THE_TOP = {"experiments", "cli", "__main__"}


@cache
def modules():
    """Return the modules of the package by name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = [TOP, *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports():
    """Return (importing module, imported module or name) of all imports, also within functions."""
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(name, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name} has a relative import"
                found += [(name, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def own_imports():
    """Return the imports between modules of the package, (importing, imported)."""
    for name, imported in imports():
        if imported.split(".")[0] != TOP:
            continue
        if imported not in modules():
            imported = imported.rpartition(".")[0]
        yield name, imported


def room(module):
    return (module.split(".") + [""])[1]


def floor(name):
    (number,) = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    return number


def test_every_room_has_a_floor():
    rooms = {room(module) for module in modules()} - {""}
    unknown = rooms - set().union(*FLOORS)
    assert not unknown


def test_imports_run_downwards_only():
    climbing = []
    for name, imported in own_imports():
        here, there = room(name), room(imported)
        if name == TOP or (here == there and imported != TOP):
            continue
        if imported == TOP:
            if here not in ABOVE_THE_TOP:
                climbing.append((name, imported))
        elif floor(there) >= floor(here):
            climbing.append((name, imported))
    assert not climbing


def test_there_is_no_circle():
    graph = {name: set() for name in modules()}
    for name, imported in own_imports():
        graph[name].add(imported)
        # Importing a module runs the packages that it is in, unless it is in them itself.
        parents = [imported.rsplit(".", n)[0] for n in range(1, imported.count(".") + 1)]
        graph[name].update(p for p in parents if not name.startswith(p + ".") and p != TOP)
        graph[name].discard(name)
    assert find_circle(graph) is None


def find_circle(graph):
    """Return the modules of a circle, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :] + [name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(graph.get(name, ())):
            circle = visit(other)
            if circle:
                return circle
        path.pop()
        done.add(name)
        return None

    for name in graph:
        circle = visit(name)
        if circle:
            return circle
    return None


def test_circles_are_found():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_nobody_imports_the_private_modules_of_another_room():
    foreign = []
    for name, imported in imports():
        if imported.split(".")[0] != TOP or room(name) == room(imported) or name == TOP:
            continue
        if room(imported) == "utils":
            continue
        if any(part.startswith("_") and part != "__main__" for part in imported.split(".")[2:]):
            foreign.append((name, imported))
    assert not foreign


@pytest.mark.parametrize("path", modules().values(), ids=list(modules()))
def test_modules_are_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


def test_private_places_of_scikit_learn_are_in_one_module():
    private = [
        (name, imported)
        for name, imported in imports()
        if imported.split(".")[0] == "sklearn"
        and any(part.startswith("_") for part in imported.split("."))
        and name != "skrecsec.utils._compat"
    ]
    assert not private


def test_kernels_are_compiled_in_one_module():
    users = {name for name, imported in imports() if imported.split(".")[0] == "numba"}
    assert users == {"skrecsec.utils._compiling"}


def printed_by(code):
    """Return what code prints in a process of its own, where nothing has been imported."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_importing_the_package_brings_next_to_nothing():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import skrecsec\n"
        "brought = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(brought - sys.stdlib_module_names)"
    )
    assert printed_by(code) == "{'skrecsec'}"


def test_the_package_hands_on_what_its_packages_have():
    packages = ("attacks", "detection", "recommenders")
    lived_in = {name: f"{TOP}.{package}" for package in packages for name in dir_of(package)}
    for name in skrecsec.__all__:
        assert getattr(skrecsec, name).__module__.startswith(lived_in[name] + ".")
    assert set(skrecsec.__all__) | set(packages) <= set(dir(skrecsec))


def dir_of(package):
    return getattr(skrecsec, package).__all__


def test_what_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'MFRecommenders'"):
        skrecsec.MFRecommenders  # noqa: B018


def test_by_name_there_is_also_what_was_not_imported():
    code = (
        "import numpy as np\n"
        "from skrecsec.recommenders import FilteredRecommender, PopularityRecommender\n"
        "X = np.tril(np.ones((30, 20)))\n"
        "print(FilteredRecommender(recommender=PopularityRecommender()).fit(X).detector_)"
    )
    assert printed_by(code) == "LockstepDetector()"


def test_importing_brings_nothing_that_is_not_needed():
    heavy = {"torch", "pandas", "polars", "pyarrow", "matplotlib", "implicit", "pytest", "dask"}
    code = (
        # Some versions of scikit-learn bring pandas along.
        "import sys, sklearn.base, sklearn.pipeline, sklearn.model_selection\n"
        "before = set(sys.modules)\n"
        "import skrecsec.experiments, skrecsec.inspection\n"
        "from skrecsec import *\n"
        f"print(sorted(({heavy} & set(sys.modules)) - before))"
    )
    assert printed_by(code) == "[]"
