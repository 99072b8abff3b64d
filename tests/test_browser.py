"""Every page of the site and the HTML reports in a browser, wide and narrow."""

import os
from pathlib import Path

import pytest

from skrecsec import cli
from skrecsec.datasets import make_ratings

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "_build" / "html"
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture(scope="module")
def tool(module_at):
    """Return tools/open_pages.py as a module."""
    return module_at(ROOT / "tools" / "open_pages.py")


@pytest.fixture(scope="module")
def chromium(tool):
    path = tool.find_browser()
    if path is None:
        pytest.skip("needs Chromium, as of apt-get install chromium")
    return path


def page(body):
    return f"<!doctype html><html><head><meta charset='utf-8'></head><body>{body}</body></html>"


@pytest.mark.slow
def test_faults_are_found(tmp_path, tool, chromium):
    """So that what is not found is not there."""
    pages = {
        "good.html": f"<p>text</p><img src='data:image/gif;base64,{PIXEL}'>",
        "image.html": "<img src='none.png'>",
        "style.html": "<link rel='stylesheet' href='none.css'>",
        "script.html": "<script>undefinedName()</script>",
        "console.html": "<script>console.error('oh')</script>",
        "wide.html": "<div style='width: 600px'>x</div>",
        "wider.html": "<div style='width: 2000px'>x</div>",
        "scrolls.html": "<div style='overflow-x: auto'><div style='width: 2000px'>x</div></div>",
    }
    for name, body in pages.items():
        (tmp_path / name).write_text(page(body), encoding="utf-8")
    faults = tool.faults_of(tmp_path, [*pages], chromium)
    assert set(faults) == set(pages) - {"good.html", "scrolls.html"}
    assert "no image: none.png" in faults["image.html"]
    assert "no file: /none.css" in faults["style.html"]
    assert "undefinedName" in faults["script.html"][0]
    assert faults["console.html"] == ["oh"]
    assert [fault.split()[-1] for fault in faults["wide.html"]] == ["390"]
    assert [fault.split()[-1] for fault in faults["wider.html"]] == ["1280", "390"]


@pytest.mark.slow
def test_the_site(tool, chromium):
    pages = tool.pages_of(SITE)
    if not pages:
        if os.environ.get("CI"):
            pytest.fail("the site is not built")
        pytest.skip("the site is not built")
    assert tool.faults_of(SITE, pages, chromium) == {}


@pytest.mark.slow
def test_the_reports(tmp_path, tool, chromium):
    X = make_ratings(120, 90, density=0.2, random_state=0).tocoo()
    rows = zip(X.row, X.col, X.data, strict=True)
    file = tmp_path / "ratings.csv"
    lines = [f"{user},{item},{rating:g}" for user, item, rating in rows]
    file.write_text("\n".join(["user,item,rating", *lines]) + "\n", encoding="utf-8")
    ratings = ["--ratings", str(file)]
    commands = {
        "audit.html": ["audit", str(file), "--attack", "average"],
        "nothing.html": ["audit", str(file)],
        "attack.html": [*ratings, "--defense", "ease"],
        "worst.html": [
            "worst-case",
            *ratings,
            "--victim",
            "itemknn",
            "--attacks",
            "average",
            "aush",
        ],
    }
    for name, command in commands.items():
        assert cli.main([*command, "--report", str(tmp_path / name)]) in (0, 1)
    assert tool.faults_of(tmp_path, [*commands], chromium) == {}
