"""The examples in the documentation run, and print what is written there."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


PAGES = [
    "audit.rst",
    "certificates.rst",
    "detectors.rst",
    "profile_features.rst",
    "quick_tour.rst",
    "troubleshooting.rst",
    "strongest_attack.rst",
    "user_guide.rst",
    "which_recommender.rst",
]


@pytest.mark.parametrize("name", PAGES)
def test_examples(name):
    failed, attempted = doctest.testfile(
        str(ROOT / "docs" / name),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
        encoding="utf-8",
    )
    assert attempted
    assert not failed


@pytest.mark.parametrize("number", [0, 1, 2])
def test_estimators_in_contributing_pass_their_checks(number):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert len(examples) == 3
    # Pickling, one of the checks, asks where a class is defined.
    exec(compile(examples[number], "CONTRIBUTING.md", "exec"), globals())
