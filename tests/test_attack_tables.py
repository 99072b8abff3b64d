"""The tables of the page about the strongest attack say what was measured."""

import json
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def tables(module_at):
    """Return the module that makes the tables."""
    return module_at(DOCS / "attack_tables.py")


def cell(attack, seed, target_hr, precision, **setting):
    detected = {"average_precision": precision, "n_fake": 9, "n_found": 4 * (seed + 1)}
    return {
        "dataset": "filmtrust",
        "targets": "random",
        "n_targets": 5,
        "attack_size": 0.03,
        "seed": seed,
        "attack": attack,
        "seconds": None if attack == "clean" else 1.0,
        "victims": {"EASE": {"test_hr": 0.5 + seed / 5, "target_hr": target_hr}},
        "detectors": {"Lockstep": {**detected, "n_genuine": 90, "n_accused": 2}},
        **setting,
    }


CELLS = [
    cell("clean", 0, 0.0, None),
    cell("clean", 1, 0.0, None),
    cell("average", 0, 0.9, 1.0),
    cell("average", 1, 0.8, 1.0),
    cell("gcoattack", 0, 0.2, 0.5),
    cell("gcoattack", 1, 0.4, 0.7),
    cell("aush, targets_per_profile=2", 0, 0.1, 0.2),
    cell("aush, targets_per_profile=2", 1, 0.1, 0.3),
    cell("clean", 0, 0.0, None, n_targets=1, attack_size=0.01),
    cell("random", 0, 0.25, 0.1, n_targets=1, attack_size=0.01),
]


@pytest.fixture
def made(tables, tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"versions": {}, "cells": CELLS}))
    return tables.files(path)


def rows(text):
    """Return the cells of the rows of a table."""
    lines = [line.strip() for line in text.splitlines() if line.startswith('   "')]
    return [line.strip('"').split('", "') for line in lines]


@pytest.mark.parametrize(
    ("name", "worst"),
    [
        ("any", "0.850 (Average)"),
        ("0.9", "0.300 (GCoAttack)"),
        ("0.3", "0.100 (AUSH, 2 targets a profile)"),
    ],
)
def test_the_strongest_that_is_seen_so_little(name, worst, made):
    text = made[f"strongest_{name}.rst"]
    assert ".. csv-table:: FilmTrust, random targets\n" in text
    columns = '"5 targets, 3% (2 seeds)", "1 target, 1% (1 seed)"'
    assert f'"Victim", "held-out, clean", {columns}' in text
    assert rows(text) == [["EASE", "0.600", worst, "0.250 (Random)"]]


def test_strength_by_visibility(made):
    text = made["strongest_by_visibility.rst"]
    assert text.count(".. csv-table") == 1  # only where attacks that hide are tried
    assert ".. csv-table:: FilmTrust, random targets\n" in text
    assert '"no attack", "AP at most 0.3", "AP at most 0.9", "any AP"' in text
    at_most = {
        "0.3": "0.100 (AUSH, 2 targets a profile; 0.25)",
        "0.9": "0.300 (GCoAttack; 0.60)",
        "any": "0.850 (Average; 1.00)",
    }
    assert rows(text) == [["EASE", "0.000", *at_most.values()]]


def test_nobody_is_named_who_moves_nothing(tables, tmp_path):
    path = tmp_path / "figures.json"
    clean, weak = cell("clean", 0, 0.2, None), cell("average", 0, 0.204, 0.8)
    path.write_text(json.dumps({"versions": {}, "cells": [clean, weak]}))
    table = rows(tables.files(path)["strongest_by_visibility.rst"])
    assert table == [["EASE", "0.200", tables.NOTHING, "0.204", "0.204"]]


def test_fewer_seeds_than_those_of_others_are_said(tables, tmp_path):
    path = tmp_path / "figures.json"
    cells = [*CELLS, cell("copy, target_rating=mixed", 0, 0.95, 0.7)]
    path.write_text(json.dumps({"versions": {}, "cells": cells}))
    made = tables.files(path)
    named = "Copy, mixed levels, 1 seed"
    assert rows(made["strongest_any.rst"])[0][2] == f"0.950 ({named})"
    assert rows(made["strongest_by_visibility.rst"])[0][3] == f"0.950 ({named}; 0.70)"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("ease", "EASE"),
        ("coattack, targets_per_profile=1", "CoAttack, 1 target a profile"),
        ("copy, target_rating=mixed", "Copy, mixed levels"),
        ("copy, target_rating=near-top", "Copy, near-top level"),
        ("aush, targets_per_profile=2, target_rating=8", "AUSH, 2 targets a profile, 8 levels"),
        ("average, n_fillers=9", "Average, n_fillers=9"),
        ("my own, again", "my own, again"),
    ],
)
def test_attacks_are_named_in_words(name, title, tables):
    assert tables.attack_title(name) == title


def test_all_figures(made, tables):
    nothing = tables.NOTHING
    five, one = made["strongest_all.rst"].split("\n\n.. csv-table")
    assert rows(five) == [
        ["clean", "0.600 / 0.000", nothing, nothing, "2 of 90", nothing],
        ["Average", "0.600 / 0.850", "1.00", "6 of 9", "2 of 90", "1.0"],
        ["GCoAttack", "0.600 / 0.300", "0.60", "6 of 9", "2 of 90", "1.0"],
        ["AUSH, 2 targets a profile", "0.600 / 0.100", "0.25", "6 of 9", "2 of 90", "1.0"],
    ]
    assert rows(one)[1] == ["Random", "0.500 / 0.250", "0.10", "4 of 9", "2 of 90", "1.0"]


def test_nothing_was_measured(tables, tmp_path):
    made = tables.files(tmp_path / "none.json")
    assert made["strongest_any.rst"] == "No attack that was tried is seen so little.\n"
    assert made["strongest_by_visibility.rst"] == ""
    assert made["strongest_all.rst"] == ""


def test_the_page_includes_what_is_made(tables):
    page = (DOCS / "strongest_attack.rst").read_text(encoding="utf-8")
    for name, text in tables.files().items():
        assert f".. include:: generated/results/{name}\n" in page
        assert text
    assert len(tables.read()) >= 8
