"""Configuration of Sphinx. Build, with warnings as errors and without a network, by

python -m sphinx -W --keep-going docs docs/_build/html
"""

import re
import sys
from pathlib import Path

import skrecsec

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import attack_tables  # noqa: E402
import gallery_order  # noqa: E402
import gallery_thumbnails  # noqa: E402
import reference  # noqa: E402
import results_tables  # noqa: E402

project = "skrecsec"
author = "The skrecsec developers"
copyright = author
release = skrecsec.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx-mathjax-offline",  # brings MathJax along, so that formulas need no network
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = ["_build", "templates", "auto_examples/**/*.ipynb", "generated/results"]
default_role = "literal"

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_show_class_members = False  # the class template lists them
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "download_all_examples": False,
    "image_scrapers": ("gallery_thumbnails.scrape",),
    "reset_modules": (),  # no example changes global settings
    "show_signature": False,
    "subsection_order": [f"../examples/{section}" for section in gallery_order.SECTIONS],
    "thumbnail_size": (480, 336),
    "within_subsection_order": "gallery_order.GalleryOrder",
    "write_computation_times": False,  # a page that loads scripts from elsewhere
}

html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_title = "skrecsec"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
pages_without_siblings = [
    "index",
    "install",
    "quick_tour",
    "user_guide",
    "which_recommender",
    "strongest_attack",
    "profile_features",
    "detectors",
    "reproduction",
    "other_toolkits",
    "troubleshooting",
    "glossary",
    "responsible_use",
    "generated/changelog",
    "generated/contributing",
]
html_sidebars = {page: [] for page in pages_without_siblings}
html_show_sourcelink = False


def markdown_as_rst(name):
    """Return a file that keeps to headings, lists, code and links as reStructuredText."""
    text = (DOCS.parent / name).read_text(encoding="utf-8")
    # Blocks of code between fences are indented, the text between them is translated.
    parts = re.split(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    for number in range(0, len(parts), 3):
        parts[number] = _prose_as_rst(parts[number])
    for number in range(1, len(parts), 3):
        parts[number] = f".. code-block:: {parts[number]}\n\n"
        parts[number + 1] = re.sub(r"^(?=.)", "   ", parts[number + 1], flags=re.MULTILINE)
    return "".join(parts)


def _prose_as_rst(text):
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)

    def underline(heading):
        title = heading[2]
        return f"{title}\n{'=-~'[len(heading[1]) - 1] * len(title)}"

    return re.sub(r"^(#+) (.*)$", underline, text, flags=re.MULTILINE)


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn's classes hand down: they are documented there."""
    module = getattr(getattr(obj, "fget", None) or obj, "__module__", None) or ""
    return skip if module.startswith("skrecsec") else True


def write_if_changed(path, text):
    """Write a file, unless it has that content: what has not changed is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    """Connect the above, and write what is derived from other files before sources are read."""
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("builder-inited", gallery_thumbnails.make_thumbnails, priority=900)
    app.add_css_file("skrecsec.css")
    generated = DOCS / "generated"
    write_if_changed(DOCS / "api.rst", reference.api_page())
    write_if_changed(generated / "changelog.rst", markdown_as_rst("CHANGELOG.md"))
    write_if_changed(generated / "contributing.rst", markdown_as_rst("CONTRIBUTING.md"))
    for name, text in {**results_tables.files(), **attack_tables.files()}.items():
        write_if_changed(generated / "results" / name, text)
