"""The paper's tables as rows, computed from studies and set beside what is printed."""

from __future__ import annotations

import numpy as np

from skrecsec.experiments._statistics import CLEAN
from skrecsec.experiments.paper import _settings
from skrecsec.experiments.paper._laboratory import Laboratory, by_pair, figures_of, variant
from skrecsec.experiments.paper._settings import (
    DATASETS,
    OWN_ATTACKS,
    make_deployed_recommenders,
    printed_numbers,
)

_PRINTED_STATISTICS = {
    "filmtrust": (796, 2011, 30880, 98.07),
    "movielens-100k": (943, 1682, 100000, 93.70),
    "movielens-1m": (6040, 3706, 1000209, 95.53),
}


def table2(lab: Laboratory) -> list[dict]:
    """Return the statistics of the dataset."""
    n_users, n_items = lab.ratings.shape
    sparsity = 100 * (1 - lab.ratings.nnz / (n_users * n_items))
    ours = (n_users, n_items, lab.ratings.nnz, sparsity)
    names = ("users", "items", "ratings", "sparsity in percent")
    return [
        {"statistic": name, "paper": paper, "ours": own}
        for name, paper, own in zip(names, _PRINTED_STATISTICS[lab.dataset], ours, strict=True)
    ]


def table3(lab: Laboratory) -> list[dict]:
    """Return the strength of the attacks on MF, by knowledge.

    `p` is that of the paired t-test of the paper's own attacks against the best of the others with
    the same knowledge.
    """
    rows = []
    for kind in lab.kinds:
        study = lab.study(
            kind, lab.varied("knowledge", _settings.KNOWLEDGE), lab.recommenders("MF")
        )
        cells = by_pair(study.summary("target_hr"))
        tests = {(row["attack"], row["other"]): row for row in study.compare_attacks()}
        printed = {
            (row["attack"], row["knowledge"]): row for row in _printed("table3", lab.dataset, kind)
        }
        origin = next(iter(printed.values()))["origin"]
        rows.append(
            {"targets": kind, "attack": CLEAN, "knowledge": "", "paper": origin}
            | figures_of(cells[CLEAN, "MF"])
            | {"best_baseline": "", "p": float("nan")}
        )
        for knowledge in _settings.KNOWLEDGE:
            best = _best_baseline(lab, cells, knowledge)
            for name in lab.attacks:
                full_name = variant(name, knowledge)
                row = {"targets": kind, "attack": name, "knowledge": knowledge}
                row["paper"] = printed[name, knowledge]["hr50"]
                row |= figures_of(cells[full_name, "MF"])
                row |= {"best_baseline": "", "p": float("nan")}
                if name in OWN_ATTACKS and best is not None:
                    row["best_baseline"] = best
                    row["p"] = tests[full_name, variant(best, knowledge)]["p"]
                rows.append(row)
    return rows


def _best_baseline(lab, cells, knowledge):
    """Return the strongest attack that is not the paper's own, None if none was tried."""
    others = [name for name in lab.attacks if name not in OWN_ATTACKS]
    if not others:
        return None
    return max(others, key=lambda name: cells[variant(name, knowledge), "MF"]["mean"])


_METHODS = {"MF": "MF (attacked)", "AT": "AT", "RAT": "RAT", "TCD": "TCD"}


def table4(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of the targets and RI by defense and attack.

    `p` is that of the paired t-test of TCD against the better one of AT and RAT.
    """
    rows = []
    for kind in lab.kinds:
        study = lab.defense_study(kind)
        cells, improvements = (by_pair(study.summary(m)) for m in ("target_hr", "ri"))
        against = {m: by_pair(study.summary("target_hr", baseline=m)) for m in ("AT", "RAT")}
        printed = _printed_by_method("table4", lab.dataset, kind)
        for method in study.recommenders:
            for attack in study.attacks:
                row = {"targets": kind, "method": method, "attack": attack}
                row["paper"] = printed.get((_METHODS[method], attack), float("nan"))
                row |= figures_of(cells[attack, method])
                row["ri"] = improvements[attack, method]["mean"]
                row["p"] = float("nan")
                if method == "TCD" and attack != CLEAN:
                    better = min(against, key=lambda m: cells[attack, m]["mean"])
                    row["p"] = against[better][attack, "TCD"]["p"]
                rows.append(row)
    return rows


def table5(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of held-out items by defense and attack.

    `difference` and `p` are those of the paired t-test against MF under the same attack.
    """
    rows = []
    for kind in lab.kinds:
        study = lab.defense_study(kind)
        printed = _printed_by_method("table5", lab.dataset, kind)
        for row in study.summary("test_hr"):
            method, attack = row["recommender"], row["attack"]
            cell = {"targets": kind, "method": method, "attack": attack}
            cell["paper"] = printed.get((_METHODS[method], attack), float("nan"))
            if (method, attack) == ("MF", CLEAN):
                clean = [value for (name, _), value in printed.items() if name == "MF (clean)"]
                cell["paper"] = float(np.mean(clean))
            rows.append(cell | figures_of(row) | {n: row[n] for n in ("difference", "p")})
    return rows


def table3b(lab: Laboratory) -> list[dict]:
    """Return the strength of the attacks on recommenders that people run, by knowledge."""
    rows = []
    for kind in lab.kinds:
        study = lab.study(
            kind, lab.varied("knowledge", _settings.KNOWLEDGE), make_deployed_recommenders()
        )
        cells = by_pair(study.summary("target_hr"))
        rows += [
            {"targets": kind, "method": method, "attack": attack, "knowledge": knowledge}
            | {"paper": float("nan")}
            | figures_of(cells[variant(attack, knowledge), method])
            | {"p": float("nan")}
            for method in study.recommenders
            for attack in lab.attacks
            for knowledge in _settings.KNOWLEDGE
        ]
    return rows


def table4b(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of the targets on recommenders that people run, by attack."""
    return _without_printed(lab, lab.deployed_study, "target_hr")


def table5b(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of held-out items of recommenders that people run, by attack."""
    return _without_printed(lab, lab.deployed_study, "test_hr")


def table4c(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of the targets by defense of the literature and attack."""
    return _without_printed(lab, lab.literature_study, "target_hr")


def table5c(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of held-out items by defense of the literature and attack."""
    return _without_printed(lab, lab.literature_study, "test_hr")


def _without_printed(lab, study, metric):
    """Return the summaries of a study of which the paper prints nothing."""
    rows = []
    for kind in lab.kinds:
        for row in study(kind).summary(metric):
            cell = {"targets": kind, "method": row["recommender"], "attack": row["attack"]}
            rows.append(cell | {"paper": float("nan")} | figures_of(row) | {"p": float("nan")})
    return rows


_DETECTION = ("average_precision", "recall", "false_positive_rate")


def detection(lab: Laboratory) -> list[dict]:
    """Return what detectors find of the attacks, and of the ratings without one whom they accuse.

    The paper tries none.
    """
    rows = []
    for kind in lab.kinds:
        study = lab.detection_study(kind)
        rows += [
            {"targets": kind, "metric": metric, "method": row["detector"], "attack": row["attack"]}
            | figures_of(row)
            for metric in _DETECTION
            for row in study.summary(metric)
            if row["n"]  # on clean ratings there is nothing to be found
        ]
    return rows


def _printed(table, dataset, kind):
    """Return the paper's cells for a dataset and a kind of targets."""
    title = DATASETS[dataset].title
    return [
        row for row in printed_numbers(table) if row["dataset"] == title and row["targets"] == kind
    ]


def _printed_by_method(table, dataset, kind):
    return {(row["method"], row["attack"]): row["hr50"] for row in _printed(table, dataset, kind)}


TABLES = {
    function.__name__: function
    for function in (
        table2,
        table3,
        table3b,
        table4,
        table4b,
        table4c,
        table5,
        table5b,
        table5c,
        detection,
    )
}
