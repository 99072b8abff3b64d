"""What scikit-learn hardly uses is imported when it is used, by a command and only there."""

import copy
import pickle
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from skrecsec.cli import _later
from skrecsec.cli._later import Later, import_others

AS_EVER = """
import gc, sys
from skrecsec.cli import main
try:
    main({argv!r})
except SystemExit as end:
    assert end.code == 0
assert gc.isenabled() and gc.get_freeze_count() > 10_000
left = [n for n in ("pandas", "pyarrow", "scipy.stats", "numpy.f2py", "torch", "yaml")]
left = [n for n in left if n in sys.modules]
print("left:", left, file=sys.stderr)
"""
USED = """
import numpy as np, scipy, sklearn.utils.fixes
from sklearn.covariance import MinCovDet
from sklearn.metrics import label_ranking_average_precision_score
print(label_ranking_average_precision_score([[1, 0, 0]], [[0.5, 0.75, 0.1]]))
print(MinCovDet(random_state=0).fit(np.random.default_rng(0).normal(size=(30, 2))).support_.any())
import scipy.stats
assert scipy.stats is sys.modules["scipy.stats"] and float(scipy.stats.norm.cdf(0)) == 0.5
import scipy.stats.mstats, numpy.f2py
assert np.f2py is numpy.f2py and callable(np.f2py.run_main)
try:
    import pandas
except ImportError:
    assert sklearn.utils.fixes.pd is None
else:
    assert sklearn.utils.fixes.pd.DataFrame is pandas.DataFrame
    from sklearn.preprocessing import MaxAbsScaler
    frame = pandas.DataFrame({"a": [1.0, 2.0]})
    assert list(MaxAbsScaler().set_output(transform="pandas").fit_transform(frame)) == ["a"]
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_help_needs_neither_and_whoever_does_has_them():
    done = run(AS_EVER.format(argv=["--help"]) + USED)
    assert done.stderr == "left: []\n"
    assert done.stdout.endswith("0.5\nTrue\n")


@pytest.mark.slow
def test_neither_does_the_first_command():
    done = run(AS_EVER.format(argv=[]))
    assert done.stderr.endswith("left: []\n"), done.stderr


def test_where_something_is_imported_already_all_is_left_as_it_is(monkeypatch):
    before = dict(sys.modules)
    import_others()
    assert sys.modules == before
    assert not isinstance(np.f2py, Later)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a module that says when it is imported."""
    (tmp_path / "slow_to_import.py").write_text(
        "print('imported')\n"
        "def twice(x):\n    return 2 * x\n"
        "class Law:\n    mean = 3\n    def __call__(self):\n        return 4\n"
        "law = Law()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_later, "_LATER", {"slow_to_import": ("twice", "law")})
    yield "slow_to_import"
    sys.modules.pop("slow_to_import", None)


def test_names_are_stood_in_for_until_they_are_used(module, capsys):
    with _later._left_for_later():
        from slow_to_import import law, twice
    assert module not in sys.modules
    assert capsys.readouterr().out == ""
    assert twice(21) == 42
    assert (law.mean, law()) == (3, 4)
    assert capsys.readouterr().out == "imported\n"
    assert type(sys.modules[module]) is ModuleType
    assert copy.copy(law).mean == 3
    assert sys.modules[module].twice is not twice


def test_other_names_are_not(module, capsys):
    with _later._left_for_later():
        from slow_to_import import Law
    assert capsys.readouterr().out == "imported\n"
    assert sys.modules[module].Law is Law


def test_modules_without_names_are_asked_about_themselves(module, monkeypatch, capsys):
    monkeypatch.setattr(_later, "_LATER", {module: ()})
    with _later._left_for_later():
        import slow_to_import
    assert isinstance(slow_to_import, Later)
    assert capsys.readouterr().out == ""
    assert slow_to_import.__file__.endswith("slow_to_import.py")
    assert slow_to_import.twice(1) == 2
    assert pickle.loads(pickle.dumps(slow_to_import.twice)) is sys.modules[module].twice


def test_what_is_not_installed_or_there_already_is_not_stood_in_for(monkeypatch):
    monkeypatch.setattr(_later, "_LATER", {"not_installed": (), "numpy": (), "neither.nor": ()})
    with _later._left_for_later():
        assert not {"not_installed", "neither.nor"} & set(sys.modules)
        assert sys.modules["numpy"] is np


def test_they_go_whatever_happens(module):
    def fail():
        with _later._left_for_later():
            assert isinstance(sys.modules[module], Later)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert module not in sys.modules
