"""The paper's tables and figures as rows, computed from studies and set beside what is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.experiments._paper import (
    ATTACK_SIZES,
    DATASETS,
    KNOWLEDGE,
    PSEUDO_LABEL_RATIOS,
    make_attack,
    make_recommenders,
    printed_numbers,
)
from skrecsec.experiments._reference import reference_recommenders
from skrecsec.experiments._results import RobustnessStudy
from skrecsec.experiments._statistics import CLEAN
from skrecsec.experiments._study import robustness_study

KINDS = ("random", "unpopular")
OWN_ATTACKS = ("CoAttack", "GCoAttack")


class Laboratory:
    """Runs the studies that tables and figures need, on one dataset.

    Parameters
    ----------
    dataset : str
        Name of a dataset of the paper.

    ratings : csr_array of shape (n_users, n_items)
        Its ratings.

    attacks : list of str
        Names of the attacks of the paper to try.

    kinds : list of {"random", "unpopular"}
        Kinds of targets.

    **study_options : dict
        Passed to :func:`~skrecsec.experiments.robustness_study`.
    """

    def __init__(self, dataset: str, ratings: sp.csr_array, *, attacks, kinds, **study_options):
        self.dataset = dataset
        self.ratings = ratings
        self.attacks = list(attacks)
        self.kinds = list(kinds)
        self._study_options = study_options
        self._defense_studies = {}

    def study(self, kind: str, attacks: dict, recommenders: dict) -> RobustnessStudy:
        """Run a study on the published targets of a kind."""
        return robustness_study(
            self.ratings,
            attacks=attacks,
            recommenders=recommenders,
            target_items=DATASETS[self.dataset].targets[kind],
            **self._study_options,
        )

    def defense_study(self, kind: str) -> RobustnessStudy:
        """Run the study of all recommenders, once for the several tables and figures of it."""
        if kind not in self._defense_studies:
            attacks = {name: self.attack(name) for name in self.attacks}
            self._defense_studies[kind] = self.study(kind, attacks, self.recommenders())
        return self._defense_studies[kind]

    def attack(self, name: str, **settings):
        """Return an attack of the paper."""
        return make_attack(name, **settings)

    def recommenders(self, *names: str) -> dict:
        """Return recommenders of the paper with their settings for this dataset."""
        made = make_recommenders(self.dataset)
        return {name: made[name] for name in names or made}

    def varied(self, setting: str, values, names=None) -> dict:
        """Return attacks that differ in a setting, by the names that `variant` makes."""
        return {
            variant(name, value): self.attack(name, **{setting: value})
            for name in (self.attacks if names is None else names)
            for value in values
        }

    def has(self, *names: str) -> list[str]:
        """Return those of these attacks that are to be tried, at least one."""
        found = [name for name in names if name in self.attacks]
        if not found:
            raise ValueError(f"shows the attacks {', '.join(names)}, of which none is to be tried.")
        return found


def variant(name: str, value: float) -> str:
    """Return the name of an attack with a setting."""
    return f"{name}, {value:g}"


def _figures_of(row):
    """Return what a table tells of a row of a study's summary."""
    return {key: row[key] for key in ("mean", "std", "ci_low", "ci_high", "n")}


def _by_pair(rows):
    return {(row["attack"], row["recommender"]): row for row in rows}


# --- tables ---------------------------------------------------------------------------------------

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
        study = lab.study(kind, lab.varied("knowledge", KNOWLEDGE), lab.recommenders("MF"))
        cells = _by_pair(study.summary("target_hr"))
        tests = {(row["attack"], row["other"]): row for row in study.compare_attacks()}
        printed = {
            (row["attack"], row["knowledge"]): row for row in _printed("table3", lab.dataset, kind)
        }
        origin = next(iter(printed.values()))["origin"]
        rows.append(
            {"targets": kind, "attack": CLEAN, "knowledge": "", "paper": origin}
            | _figures_of(cells[CLEAN, "MF"])
            | {"best_baseline": "", "p": float("nan")}
        )
        for knowledge in KNOWLEDGE:
            best = _best_baseline(lab, cells, knowledge)
            for name in lab.attacks:
                full_name = variant(name, knowledge)
                row = {"targets": kind, "attack": name, "knowledge": knowledge}
                row["paper"] = printed[name, knowledge]["hr50"]
                row |= _figures_of(cells[full_name, "MF"])
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
    """Return the hit ratio of the targets and RI by defence and attack.

    `p` is that of the paired t-test of TCD against the better one of AT and RAT.
    """
    rows = []
    for kind in lab.kinds:
        study = lab.defense_study(kind)
        cells, improvements = (_by_pair(study.summary(m)) for m in ("target_hr", "ri"))
        against = {m: _by_pair(study.summary("target_hr", baseline=m)) for m in ("AT", "RAT")}
        printed = _printed_by_method("table4", lab.dataset, kind)
        for method in study.recommenders:
            for attack in study.attacks:
                row = {"targets": kind, "method": method, "attack": attack}
                row["paper"] = printed.get((_METHODS[method], attack), float("nan"))
                row |= _figures_of(cells[attack, method])
                row["ri"] = improvements[attack, method]["mean"]
                row["p"] = float("nan")
                if method == "TCD" and attack != CLEAN:
                    better = min(against, key=lambda m: cells[attack, m]["mean"])
                    row["p"] = against[better][attack, "TCD"]["p"]
                rows.append(row)
    return rows


def table5(lab: Laboratory) -> list[dict]:
    """Return the hit ratio of held-out items by defence and attack, and of references.

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
            rows.append(cell | _figures_of(row) | {n: row[n] for n in ("difference", "p")})
    # They know of no targets, and an attack has to be named.
    study = lab.study(lab.kinds[0], {"Average": lab.attack("Average")}, reference_recommenders())
    for row in study.summary("test_hr"):
        if row["attack"] == CLEAN:
            cell = {"targets": "", "method": row["recommender"], "attack": CLEAN}
            cell["paper"] = float("nan")
            nothing = {"difference": float("nan"), "p": float("nan")}
            rows.append(cell | _figures_of(row) | nothing)
    return rows


def _printed(table, dataset, kind):
    """Return the paper's cells for a dataset and a kind of targets."""
    title = DATASETS[dataset].title
    return [
        row for row in printed_numbers(table) if row["dataset"] == title and row["targets"] == kind
    ]


def _printed_by_method(table, dataset, kind):
    return {(row["method"], row["attack"]): row["hr50"] for row in _printed(table, dataset, kind)}


# --- figures --------------------------------------------------------------------------------------


class Panel(NamedTuple):
    """A panel of a figure: how it is drawn on given axes, and the rows that it shows."""

    draw: Callable
    rows: list[dict]


def figure4(lab: Laboratory) -> list[Panel]:
    """Return the rank shifts of unpopular targets on MF by DL, CoAttack and GCoAttack."""
    names = lab.has("DL", *OWN_ATTACKS)
    study = lab.defense_study("unpopular")
    return [_rank_shifts(study, names, ["MF"], "Unpopular targets, MF")]


def figure5(lab: Laboratory) -> list[Panel]:
    """Return the strength of the attacks on MF by their size, random targets."""
    return [_over_attacks(lab, "random", "attack_size", ATTACK_SIZES, "target_hr", "MF")]


def figure6(lab: Laboratory) -> list[Panel]:
    """Return the strength of the attacks on MF by their size, unpopular targets."""
    return [_over_attacks(lab, "unpopular", "attack_size", ATTACK_SIZES, "target_hr", "MF")]


def figure7(lab: Laboratory) -> list[Panel]:
    """Return the rank shifts of unpopular targets by TNA, by defence."""
    names = lab.has("TNA")
    study = lab.defense_study("unpopular")
    return [_rank_shifts(study, names, study.recommenders, "Unpopular targets, TNA attack")]


def figure8(lab: Laboratory) -> list[Panel]:
    """Return the robustness improvement of TCD by the knowledge of the attacks."""
    return [_over_attacks(lab, kind, "knowledge", KNOWLEDGE, "ri", "TCD") for kind in lab.kinds]


def figure9(lab: Laboratory) -> list[Panel]:
    """Return RI and hit ratios of unpopular targets of TCD by the share of pseudo-labels."""
    recommenders = lab.recommenders("MF") | {
        variant("TCD", ratio): make_recommenders(lab.dataset, ratio)["TCD"]
        for ratio in PSEUDO_LABEL_RATIOS
    }
    study = lab.study("unpopular", {n: lab.attack(n) for n in lab.attacks}, recommenders)
    curves = {
        name: {ratio: (name, variant("TCD", ratio)) for ratio in PSEUDO_LABEL_RATIOS}
        for name in lab.attacks
    }
    panels = []
    for metric in ("ri", "target_hr"):
        settings = {"metric": metric, "xlabel": "Share of the cells looked at for pseudo-labels"}
        panels.append(_curves(study, curves, "Unpopular targets, TCD", **settings))
    return panels


def _rank_shifts(study, attacks, recommenders, title):
    def draw(ax):
        from skrecsec.inspection import RankShiftDisplay

        RankShiftDisplay.from_study(study, attacks, recommenders, ax=ax, title=title)

    rows = []
    for attack in attacks:
        for recommender in recommenders:
            shifts, counts = study.rank_shifts(attack, recommender)
            rows += [
                {"attack": attack, "method": recommender, "rank_shift": int(s), "count": int(c)}
                for s, c in zip(shifts, counts, strict=True)
            ]
    return Panel(draw, rows)


_XLABELS = {
    "attack_size": "Attack size (fake profiles as a share of the users)",
    "knowledge": "Knowledge (share of the users whose profiles are seen)",
}


def _over_attacks(lab, kind, setting, values, metric, recommender):
    """Return a panel with a curve per attack over one of its settings."""
    names = ["MF"] if recommender == "MF" else ["MF", recommender]
    study = lab.study(kind, lab.varied(setting, values), lab.recommenders(*names))
    curves = {
        name: {value: (variant(name, value), recommender) for value in values}
        for name in lab.attacks
    }
    title = f"{kind.capitalize()} targets, {recommender}"
    return _curves(study, curves, title, metric=metric, xlabel=_XLABELS[setting])


def _curves(study, curves, title, *, metric, xlabel):
    def draw(ax):
        from skrecsec.inspection import AttackCurveDisplay

        AttackCurveDisplay.from_study(
            study, curves, metric=metric, xlabel=xlabel, ax=ax, title=title
        )

    cells = _by_pair(study.summary(metric))
    rows = [
        {"panel": title, "metric": metric, "attack": name, "x": x} | _figures_of(cells[pair])
        for name, points in curves.items()
        for x, pair in points.items()
    ]
    return Panel(draw, rows)


TABLES = {function.__name__: function for function in (table2, table3, table4, table5)}
FIGURES = {
    function.__name__: function
    for function in (figure4, figure5, figure6, figure7, figure8, figure9)
}
