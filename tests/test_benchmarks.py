"""The benchmarks for asv run, whatever time they take."""

import importlib
import sys
from itertools import product
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[1] / "benchmarks" / "suite"


def cases():
    """Yield the classes of the suite and the values that they are run with."""
    sys.path.insert(0, str(SUITE.parent))
    try:
        suite = importlib.import_module("suite.benchmarks")
    finally:
        sys.path.remove(str(SUITE.parent))
    for thing in vars(suite).values():
        if isinstance(thing, type) and thing.__module__ == suite.__name__:
            for values in product(*getattr(thing, "params", ())):
                yield pytest.param(thing, values, id="-".join([thing.__name__, *values]))


@pytest.mark.slow
@pytest.mark.skipif(not SUITE.exists(), reason="there is no checkout")
@pytest.mark.parametrize(("benchmark", "values"), list(cases()) if SUITE.exists() else [])
def test_benchmarks_run(benchmark, values):
    instance = benchmark()
    try:
        getattr(instance, "setup", lambda *values: None)(*values)
    except NotImplementedError as error:  # as asv takes it
        pytest.skip(str(error))
    runs = [name for name in dir(benchmark) if name.startswith(("time_", "timeraw_", "peakmem_"))]
    assert runs
    for name in runs:
        code = getattr(instance, name)(*values)
        if name.startswith("timeraw_"):
            exec(code, {})
