"""The settings of the paper's experiments and the numbers that it prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from importlib import resources
from typing import NamedTuple

from skrecsec.datasets import fetch_filmtrust, fetch_movielens_1m, fetch_movielens_100k
from skrecsec.utils._registry import find, registered


class PaperDataset(NamedTuple):
    """One of the paper's datasets and what its experiments set for it."""

    title: str  # as the paper's tables call it
    fetch: Callable
    targets: dict[str, list[int]]  # of the experiments that the authors published
    n_pretrain_iter: float | str  # of TCD
    reg: float  # of TCD


DATASETS = {
    "filmtrust": PaperDataset(
        "FilmTrust",
        fetch_filmtrust,
        {
            "random": [539, 117, 1600, 1326, 208],
            "unpopular": [1576, 926, 942, 848, 107],
        },
        1,
        0.002,  # more held-out items found, and fewer targets, than without
    ),
    "movielens-100k": PaperDataset(
        "ML-100K",
        fetch_movielens_100k,
        {
            "random": [1018, 946, 597, 575, 516],
            "unpopular": [1485, 1320, 821, 1562, 1531],
        },
        "auto",
        0.005,  # as the paper's text says
    ),
    "movielens-1m": PaperDataset(
        "ML-1M",
        fetch_movielens_1m,
        {
            "random": [1032, 3033, 2797, 2060, 1366],
            "unpopular": [3639, 3698, 3622, 3570, 3503],
        },
        "auto",
        0.0,
    ),
}

ATTACKS = ("Average", "Random", "AUSH", "PGA", "TNA", "DL", "CoAttack", "GCoAttack")
OWN_ATTACKS = ("CoAttack", "GCoAttack")
KINDS = ("random", "unpopular")  # of targets
RECOMMENDERS = ("MF", "AT", "RAT", "TCD")
DEPLOYED_RECOMMENDERS = ("Popularity", "ItemKNN", "EASE", "ALS", "BPR")
# Of the literature that the paper names, and of its successors; and what this package recommends.
LITERATURE_DEFENSES = (
    "Huber",
    "Welsch",
    "L1",
    "R1",
    "Trim",
    "LTS",
    "APT",
    "RVD",
    "APR",
    "VAT",
    "Weighted",
    "Bagged",
    "Recommended",
)
KNOWLEDGE = (0.2, 0.4, 0.6, 0.8, 1.0)
ATTACK_SIZES = (0.01, 0.02, 0.03, 0.04, 0.05)
DETECTORS = tuple(registered("detector"))
PSEUDO_LABEL_RATIOS = (0.05, 0.1, 0.2, 0.3, 0.5)


def make_attack(name: str, *, knowledge: float = 0.4, attack_size: float = 0.03):
    """Return an attack of the paper; its settings are the same for all datasets."""
    return find("attack", name.lower())(knowledge=knowledge, attack_size=attack_size)


def make_detectors(names) -> dict:
    """Return detectors with their defaults, by what tables call them."""
    return {find("detector", name).facts["title"]: find("detector", name)() for name in names}


def make_deployed_recommenders() -> dict:
    """Return recommenders that people run, with their defaults, by name."""
    return {name: find("recommender", name.lower())() for name in DEPLOYED_RECOMMENDERS}


def make_literature_defenses() -> dict:
    """Return defenses of the literature that the paper does not try, with their defaults."""
    return {name: find("recommender", name.lower())() for name in LITERATURE_DEFENSES}


def make_recommenders(dataset: str, pseudo_label_ratio: float = 1.0) -> dict:
    """Return the victim and the paper's three defenses, by name."""
    recommenders = {name: find("recommender", name.lower())() for name in RECOMMENDERS}
    setting = DATASETS[dataset]
    recommenders["TCD"].set_params(
        n_pretrain_iter=setting.n_pretrain_iter,
        pseudo_label_ratio=pseudo_label_ratio,
        reg=setting.reg,
    )
    return recommenders


def printed_numbers(table: str) -> list[dict]:
    """Return the cells of the paper's table 3, 4 or 5, with its hit ratios as floats."""
    file = resources.files("skrecsec.experiments.paper") / "printed" / f"{table}.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    return [
        {
            key: float(value) if key in ("origin", "knowledge", "hr50") else value
            for key, value in row.items()
        }
        for row in rows
    ]
