"""The examples in the documentation run, and print what is written there."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


PAGES = [
    "audit.rst",
    "certificates.rst",
    "detectors.rst",
    "guide/scaling.rst",
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


@pytest.fixture(scope="module")
def conf():
    """Return the configuration of the site, as a module."""
    spec = importlib.util.spec_from_file_location("skrecsec_docs_conf", ROOT / "docs" / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_page_has_a_part_of_the_readme(conf):
    text = conf.markdown_as_rst("README.md", "front")
    titles = [
        title
        for title, line in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if line and line == "-" * len(title)
    ]
    assert [title[-1] for title in titles[-4:]] == ["?"] * 4
    assert not re.search(r"```|\]\(|<!--", text)
    for page in re.findall(r":doc:`[^<]+<(\w+)>`", text):
        assert (ROOT / "docs" / f"{page}.rst").is_file()
    assert ":doc:`Audit your own ratings <audit>`" in text


def test_the_date_is_that_of_the_sources(conf, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert conf.date_of_the_sources() == "1970-01-02"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(conf, "DOCS", ROOT / "no such folder")
    assert conf.date_of_the_sources() is None


def test_a_hit_ratio_is_no_address(conf):
    from docutils.core import publish_doctree

    doctree = publish_doctree("HR@50 and https://doi.org/10.1007/x")
    conf.no_mail(None, doctree)
    assert doctree.astext() == "HR@50 and https://doi.org/10.1007/x"
    (link,) = doctree.findall(conf.nodes.reference)
    assert link["refuri"] == "https://doi.org/10.1007/x"
