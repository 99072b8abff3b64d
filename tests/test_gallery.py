"""The gallery: examples have their places, links lead to one, thumbnails are panels."""

import ast
import re
import sys
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"

matplotlib.use("Agg")


@pytest.fixture
def docs(monkeypatch):
    """Return a function that imports a module of the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return lambda name: __import__(name)


@pytest.fixture(autouse=True)
def forget_modules():
    yield
    for name in ("gallery_order", "gallery_thumbnails"):
        sys.modules.pop(name, None)


def test_examples_are_listed_in_their_sections(docs):
    sections = docs("gallery_order").SECTIONS
    found = {
        header.parent.name: {path.name for path in header.parent.glob("*.py")}
        for header in EXAMPLES.glob("*/GALLERY_HEADER.rst")
    }
    assert found == {section: set(names) for section, names in sections.items()}
    assert not list(EXAMPLES.glob("*.py"))


def test_links_lead_to_examples():
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.rst"), *EXAMPLES.rglob("*.py")]
    files += (ROOT / "skrecsec").rglob("*.py")
    labels, paths = set(), set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        labels |= set(re.findall(r"sphx_glr_auto_examples_(\w+\.py)", text))
        images = re.findall(r"auto_examples/(\w+)/images/(?:thumb/)?sphx_glr_(plot_\w+)\.png", text)
        paths |= {(section, re.sub(r"_(thumb|\d+)$", "", name)) for section, name in images}
        paths |= set(re.findall(r"examples/(\w+)/(plot_\w+)\.(?:py|html)", text))
    examples = {(path.parent.name, path.stem) for path in EXAMPLES.glob("*/plot_*.py")}
    assert labels
    assert labels <= {f"{section}_{name}.py" for section, name in examples}
    assert paths
    assert paths <= examples


def test_code_fits_into_its_box():
    wide = []
    for path in EXAMPLES.glob("*/plot_*.py"):
        text = path.read_text(encoding="utf-8")
        start = ast.parse(text).body[0].end_lineno  # prose, as are comments
        code = [line for line in text.splitlines()[start:] if not line.startswith("#")]
        wide += [(path.name, line) for line in code if len(line) > 80]
    assert not wide


@pytest.mark.parametrize("n_panels", [1, 2])
def test_a_thumbnail_is_one_panel(docs, tmp_path, n_panels):
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots(1, n_panels, figsize=(10, 4), sharey=True, layout="constrained")
    image = tmp_path / "sphx_glr_plot_some_example_001.png"
    figure.savefig(image)
    plt.close(figure)
    docs("gallery_thumbnails")._save_panel(figure, image)
    panel = tmp_path / "panels" / image.name
    assert panel.exists() == (n_panels == 2)
    if n_panels == 2:
        height, width, _ = plt.imread(panel).shape
        assert width == pytest.approx(plt.imread(image).shape[1] / 2, rel=0.1)
        assert height == pytest.approx(plt.imread(image).shape[0], rel=0.1)
