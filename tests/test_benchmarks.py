"""The benchmarks for asv run, whatever time they take."""

import importlib.util
from itertools import product
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[1] / "benchmarks" / "suite" / "benchmarks.py"


def cases():
    """Yield the classes of the suite and the values that they are run with."""
    spec = importlib.util.spec_from_file_location("suite", SUITE)
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    for thing in vars(suite).values():
        if isinstance(thing, type) and thing.__module__ == "suite":
            for values in product(*getattr(thing, "params", ())):
                yield pytest.param(thing, values, id="-".join([thing.__name__, *values]))


@pytest.mark.slow
@pytest.mark.skipif(not SUITE.exists(), reason="there is no checkout")
@pytest.mark.parametrize(("benchmark", "values"), list(cases()) if SUITE.exists() else [])
def test_benchmarks_run(benchmark, values):
    instance = benchmark()
    getattr(instance, "setup", lambda *values: None)(*values)
    runs = [name for name in dir(benchmark) if name.startswith(("time_", "timeraw_", "peakmem_"))]
    assert runs
    for name in runs:
        code = getattr(instance, name)(*values)
        if name.startswith("timeraw_"):
            exec(code, {})
