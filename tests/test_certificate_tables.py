"""The tables and the figure about certificates of bagging say what was measured."""

import json
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def tables(module_at):
    """Return the module that makes the tables."""
    return module_at(DOCS / "certificate_tables.py")


def cell(name, **more):
    falling = [0.5 / (n + 1) for n in range(51)]
    return {
        "name": name,
        "base": "EASERecommender(reg=100.0)",
        "n_models": 2000,
        "n_votes": 400,
        "max_users": 10,
        "list_size": 20,
        "clean": 0.625,
        "precision": falling,
        "recall": [0.0002] * 51,
        **more,
    }


CELLS = [cell("IR"), cell("few", safe=[1.0] * 51)]


def test_tables_say_what_was_measured(tables, tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"cells": CELLS}))
    made = tables.files(path)
    precision = made["certificate_precision.rst"].splitlines()
    assert '"no certificate", "0 fakes", "1 fake", "3 fakes"' in precision[1]
    expected = '"2,000", "400", "0.625", "0.500", "0.250", "0.125", "0.083", "0.050", "0.025"'
    assert precision[4] == f'   "PORE, item similarity", {expected}'
    assert precision[5] == f'   "EASE, 10 users, N\' = 20", {expected}'
    assert made["certificate_recall.rst"].count("\u2013") == 12  # less than is written
    safe = made["certificate_safe.rst"].splitlines()
    assert len(safe) == 5
    assert safe[4].endswith('"400"' + ', "1.000"' * 6)


def test_the_figure_is_drawn(tables, tmp_path):
    tables.draw(tmp_path / "figure.png", CELLS)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_page_shows_all_that_was_measured(tables):
    page = (DOCS / "certificates.rst").read_text(encoding="utf-8")
    for name in [*tables.files(), "certificate.png"]:
        assert f"generated/results/{name}" in page
    for row in tables.read():
        assert len(row["precision"]) == 51
        # More fakes never certify more.
        for figures in ("precision", "recall", "safe"):
            assert row.get(figures, []) == sorted(row.get(figures, []), reverse=True)
