"""The examples in the documentation run, and print what is written there."""

import doctest
import re
import textwrap
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
    "which_recommender.rst",
]
# All of the guide but what is code to be copied, which another test runs.
PAGES += [f"guide/{path.name}" for path in sorted((ROOT / "docs" / "guide").glob("*.rst"))]
PAGES.remove("guide/extending.rst")


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


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_what_one_writes_oneself_passes_its_checks(number):
    text = (ROOT / "docs" / "guide" / "extending.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, flags=re.MULTILINE)
    assert len(blocks) == 4
    # In 30 lines, but for what calls it. Pickling, a check, asks where a class is defined.
    assert textwrap.dedent(blocks[number]).strip().count("\n") < 36
    exec(compile(textwrap.dedent(blocks[number]), "extending.rst", "exec"), globals())


@pytest.fixture(scope="module")
def conf(module_at):
    """Return the configuration of the site, as a module."""
    return module_at(ROOT / "docs" / "conf.py")


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
