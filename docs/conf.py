"""Configuration of Sphinx. Build, with warnings as errors and without a network, by

python -m sphinx -W --keep-going docs docs/_build/html
"""

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

from docutils import nodes

import skrecsec

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import attack_tables  # noqa: E402
import certificate_tables  # noqa: E402
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
    "sphinx.ext.viewcode",  # [source] leads to this site's own copy
    "sphinx-mathjax-offline",  # brings MathJax along, so that formulas need no network
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = [
    "_build",
    "templates",
    "auto_examples/**/*.ipynb",
    "generated/backreferences",
    "generated/results",
    "generated/front.rst",  # a part of the first page
]
default_role = "literal"

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_show_class_members = False  # the class template lists them
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"  # the page has the name of the class already

sphinx_gallery_conf = {
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skrecsec",),
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
html_favicon = "static/logo.svg"
copybutton_prompt_text = r">>> |\.\.\. |\$ "  # what is copied can be run
copybutton_prompt_is_regexp = True
html_theme_options = {
    "logo": {"text": "skrecsec", "image_light": "static/logo.svg", "image_dark": "static/logo.svg"},
    "header_links_before_dropdown": 6,  # up to the reference
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["version-and-date"],
}
pages_without_siblings = [
    "index",
    "install",
    "quick_tour",
    "six_tasks",
    "generated/changelog",
    "generated/contributing",
]
html_sidebars = {page: [] for page in pages_without_siblings}
html_show_sourcelink = False


def date_of_the_sources():
    """Return the day of $SOURCE_DATE_EPOCH, or else of the last commit; None if nobody knows.

    The day of the build would make each build another one.
    """
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        command = ["git", "log", "-1", "--format=%ct"]
        try:
            seconds = subprocess.run(
                command, cwd=DOCS, capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError):  # no checkout
            return None
    day = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return f"{day:%Y-%m-%d}"


html_context = {
    "default_mode": "auto",  # without it, the theme finds fault with whoever comes first
    "source_date": date_of_the_sources(),
}


def markdown_as_rst(name, part=None):
    """Return a file that keeps to headings, lists, code and links as reStructuredText.

    Of a part, what is between the comments ``<!-- PART -->`` and ``<!-- end of PART -->``.
    """
    text = (DOCS.parent / name).read_text(encoding="utf-8")
    if part is not None:
        text = text.split(f"<!-- {part} -->\n")[1].split(f"<!-- end of {part} -->\n")[0]
    # Blocks of code between fences are indented, the text between them is translated.
    parts = re.split(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    for number in range(0, len(parts), 3):
        parts[number] = _prose_as_rst(parts[number])
    for number in range(1, len(parts), 3):
        parts[number] = f".. code-block:: {parts[number]}\n\n"
        parts[number + 1] = re.sub(r"^(?=.)", "   ", parts[number + 1], flags=re.MULTILINE)
    return "".join(parts)


def _prose_as_rst(text):
    text = re.sub(r"<!--.*?-->\n?", "", text)
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^]]+)\]\(docs/([\w/]+)\.rst\)", r":doc:`\1 <\2>`", text)
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)

    def underline(heading):
        title = heading[2]
        return f"{title}\n{'=-~'[len(heading[1]) - 1] * len(title)}"

    return re.sub(r"^(#+) (.*)$", underline, text, flags=re.MULTILINE)


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn's classes hand down: they are documented there."""
    module = getattr(getattr(obj, "fget", None) or obj, "__module__", None) or ""
    return skip if module.startswith("skrecsec") else True


def no_mail(app, doctree):
    """Leave HR@50 as it is, which is no address; there is none in these pages."""
    for link in list(doctree.findall(nodes.reference)):
        if link.get("refuri", "").startswith("mailto:"):
            link.replace_self(nodes.Text(link.astext()))


def write_if_changed(path, text):
    """Write a file, unless it has that content: what has not changed is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    """Connect the above, and write what is derived from other files before sources are read."""
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("doctree-read", no_mail)
    app.connect("builder-inited", gallery_thumbnails.make_thumbnails, priority=900)
    app.add_css_file("skrecsec.css")
    generated = DOCS / "generated"
    for name, text in reference.api_pages().items():
        write_if_changed(DOCS / name, text)
    write_if_changed(generated / "front.rst", markdown_as_rst("README.md", "front"))
    write_if_changed(generated / "changelog.rst", markdown_as_rst("CHANGELOG.md"))
    write_if_changed(generated / "contributing.rst", markdown_as_rst("CONTRIBUTING.md"))
    tables = {**results_tables.files(), **attack_tables.files(), **certificate_tables.files()}
    for name, text in tables.items():
        write_if_changed(generated / "results" / name, text)
    certificate_tables.draw(generated / "results" / "certificate.png")
