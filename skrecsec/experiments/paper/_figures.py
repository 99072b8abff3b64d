"""The paper's figures as panels: how they are drawn, and the rows that they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skrecsec.experiments.paper import _settings
from skrecsec.experiments.paper._laboratory import Laboratory, by_pair, figures_of, shows, variant
from skrecsec.experiments.paper._settings import OWN_ATTACKS
from skrecsec.inspection import AttackCurveDisplay, RankShiftDisplay

_FIGURE_4 = ("DL", *OWN_ATTACKS)


class Panel(NamedTuple):
    """A panel of a figure: how it is drawn on given axes, and the rows that it shows."""

    draw: Callable
    rows: list[dict]


@shows(kind="unpopular", attacks=_FIGURE_4)
def figure4(lab: Laboratory) -> list[Panel]:
    """Return the rank shifts of unpopular targets on MF by DL, CoAttack and GCoAttack."""
    names = [name for name in _FIGURE_4 if name in lab.attacks]
    study = lab.defense_study("unpopular")
    return [_rank_shifts(study, names, ["MF"], "Unpopular targets, MF")]


@shows(kind="random")
def figure5(lab: Laboratory) -> list[Panel]:
    """Return the strength of the attacks on MF by their size, random targets."""
    return [_over_attacks(lab, "random", "attack_size", _settings.ATTACK_SIZES, "target_hr", "MF")]


@shows(kind="unpopular")
def figure6(lab: Laboratory) -> list[Panel]:
    """Return the strength of the attacks on MF by their size, unpopular targets."""
    return [
        _over_attacks(lab, "unpopular", "attack_size", _settings.ATTACK_SIZES, "target_hr", "MF")
    ]


@shows(kind="unpopular", attacks=("TNA",))
def figure7(lab: Laboratory) -> list[Panel]:
    """Return the rank shifts of unpopular targets by TNA, by defense."""
    study = lab.defense_study("unpopular")
    return [_rank_shifts(study, ["TNA"], study.recommenders, "Unpopular targets, TNA attack")]


def figure8(lab: Laboratory) -> list[Panel]:
    """Return the robustness improvement of TCD by the knowledge of the attacks."""
    return [
        _over_attacks(lab, kind, "knowledge", _settings.KNOWLEDGE, "ri", "TCD")
        for kind in lab.kinds
    ]


@shows(kind="unpopular")
def figure9(lab: Laboratory) -> list[Panel]:
    """Return RI and hit ratios of unpopular targets of TCD by the share of pseudo-labels."""
    recommenders = lab.recommenders("MF") | {
        variant("TCD", ratio): lab.recommenders("TCD", pseudo_label_ratio=ratio)["TCD"]
        for ratio in _settings.PSEUDO_LABEL_RATIOS
    }
    study = lab.study("unpopular", lab.all_attacks(), recommenders)
    curves = {
        name: {ratio: (name, variant("TCD", ratio)) for ratio in _settings.PSEUDO_LABEL_RATIOS}
        for name in lab.attacks
    }
    panels = []
    for metric in ("ri", "target_hr"):
        settings = {"metric": metric, "xlabel": "Share of the cells looked at for pseudo-labels"}
        panels.append(_curves(study, curves, "Unpopular targets, TCD", **settings))
    return panels


def _rank_shifts(study, attacks, recommenders, title):
    def draw(ax):
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
        AttackCurveDisplay.from_study(
            study, curves, metric=metric, xlabel=xlabel, ax=ax, title=title
        )

    cells = by_pair(study.summary(metric))
    rows = [
        {"panel": title, "metric": metric, "attack": name, "x": x} | figures_of(cells[pair])
        for name, points in curves.items()
        for x, pair in points.items()
    ]
    return Panel(draw, rows)


FIGURES = {
    function.__name__: function
    for function in (figure4, figure5, figure6, figure7, figure8, figure9)
}
