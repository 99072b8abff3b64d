"""What is released: one version everywhere, a description that needs no checkout, a recipe."""

import re
import tomllib
from pathlib import Path

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = CONFIGURATION["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def description(module_at):
    """Return the function of setup.py that makes the description of a README."""
    return module_at(ROOT / "setup.py").description


@pytest.fixture(scope="module")
def recipe():
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    rendered = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(PYTHON="python")
    return yaml.safe_load(rendered)


def test_one_version_everywhere(recipe):
    latest, day = re.search(r"^## (\S+) \((\S+)\)$", CHANGELOG, flags=re.MULTILINE).groups()
    assert PROJECT["version"] == CITATION["version"] == latest
    assert str(recipe["package"]["version"]) == latest
    assert str(CITATION["date-released"]) == day


def test_the_changelog_says_how_to_upgrade():
    latest, first = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:3]
    assert f"### Upgrading from {first.split()[0]}\n" in latest


def test_the_citation_is_complete():
    for key in ("cff-version", "message", "title", "authors", "license", "abstract", "keywords"):
        assert CITATION[key]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["abstract"].rstrip(".") == PROJECT["description"]
    (paper,) = CITATION["references"]
    assert f"https://doi.org/{paper['doi']}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_description_has_what_a_readme_says(description):
    readme = (
        "# A\n\n![Two\nlines](docs/a.png)\n\n<!-- front -->\nSee [this](docs/a.rst) and "
        "[that](https://example.org/b).\n\n![shown](https://example.org/a.png)\n"
    )
    assert description(readme) == (
        "# A\n\nSee this and [that](https://example.org/b).\n\n![shown](https://example.org/a.png)\n"
    )


def test_the_description_needs_no_checkout(description):
    text = description((ROOT / "README.md").read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert "<!--" not in text
    assert "python -m skrecsec audit" in text


def test_the_recipe_asks_for_what_the_package_asks_for(recipe):
    requirements = recipe["requirements"]
    asked = {f"python {PROJECT['requires-python']}"}
    for requirement in PROJECT["dependencies"]:
        name, bound = re.fullmatch(r"([a-z-]+)(>=[0-9.]+)", requirement).groups()
        asked.add(f"{ {'torch': 'pytorch'}.get(name, name) } {bound}")
    assert set(requirements["run"]) == asked
    (builder,) = CONFIGURATION["build-system"]["requires"]
    assert builder.replace(">=", " >=") in requirements["host"]
    ((name, function),) = PROJECT["scripts"].items()
    assert recipe["build"]["entry_points"] == [f"{name} = {function}"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]
