"""The links of the built documentation lead somewhere; its search finds what users type."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"


class _Page(HTMLParser):
    """What a page links to, shows and can be linked at."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        self.links += [attrs[name] for name in ("href", "src") if attrs.get(name)]


def dead_links(site):
    """Return "page: link" for each link within a site to a file or an anchor that it lacks."""
    site = site.resolve()
    pages = {
        path: _Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue  # of another site, or of none (data:)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            found = target.is_file() and target.is_relative_to(site)
            if found and anchor and target in pages:
                found = anchor in pages[target].anchors
            if not found:
                dead.append(f"{path.relative_to(site)}: {link}")
    return sorted(set(dead))


@pytest.fixture
def small_site(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">A</h1><a href="part/b.html#caf%C3%A9">b</a><a href="#top">up</a>'
        '<a href="https://example.org/none">elsewhere</a><img src="data:image/png;base64,AA==">'
    )
    (tmp_path / "part" / "b.html").write_text(
        '<h1 id="café">B</h1><a href="../index.html?q=1#top">a</a>', encoding="utf-8"
    )
    return tmp_path


def test_whole_links(small_site):
    assert dead_links(small_site) == []


@pytest.mark.parametrize(
    "link", ["none.html", "#none", "part/b.html#none", "part/", "../outside.html"]
)
@pytest.mark.parametrize("tag", ['<a href="{}">', '<img src="{}">'])
def test_dead_links(small_site, link, tag):
    (small_site.parent / "outside.html").write_text("")
    with (small_site / "index.html").open("a") as page:
        page.write(tag.format(link))
    assert dead_links(small_site) == [f"index.html: {link}"]


@pytest.fixture
def built_site():
    if not (SITE / "index.html").is_file():
        if os.environ.get("CI"):
            pytest.fail("the documentation is not built")
        pytest.skip("the documentation is not built")
    return SITE


@pytest.mark.slow  # after the documentation was built
def test_links_of_the_documentation(built_site):
    assert dead_links(built_site) == []


@pytest.mark.slow  # after the documentation was built
@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("csv", "audit"),
        ("implicit", "install"),
        ("spam", "glossary"),
        ("shilling", "glossary"),
        ("fake", "detectors"),
        ("bot", "glossary"),
        ("bots", "glossary"),
        ("trust", "responsible_use"),
        ("als", "which_recommender"),
    ],
)
def test_search_finds(built_site, word, page):
    english = pytest.importorskip("sphinx.search.en").SearchEnglish({})
    text = (built_site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    found = index["terms"].get(english.stem(word), [])
    found = found if isinstance(found, list) else [found]
    assert page in {index["docnames"][number] for number in found}
