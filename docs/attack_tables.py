"""The tables of the page about the strongest attack, from strongest_attack.json.

``benchmarks/bench_worst_case.py`` writes that file, and adds to it.
"""

import json
from pathlib import Path

import numpy as np
from results_tables import NOTHING, csv_table

from skrecsec.utils._registry import find, registered

FIGURES = Path(__file__).parent / "strongest_attack.json"
DATASETS = {"ml-100k": "MovieLens-100K", "filmtrust": "FilmTrust", "ml-1m": "MovieLens-1M"}
DETECTOR = "Lockstep"
LIMITS = {"any": 1.0, "0.9": 0.9, "0.3": 0.3}  # of average precision, by which a file is named
MOST_TRIED = (5, 0.03)  # the number of targets and attack size at which attacks that hide are tried
SLIGHT = 0.005  # a rise of the hit ratio that names nobody
CLEAN = "clean"


def read(path=FIGURES):
    """Return by setting and attack the means over seeds, as (setting, {attack: figures})."""
    if not path.exists():
        return {}
    groups = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        setting = tuple(cell[key] for key in ("dataset", "targets", "n_targets", "attack_size"))
        groups.setdefault(setting, {}).setdefault(cell["attack"], []).append(cell)
    return {
        setting: {attack: _mean(cells) for attack, cells in attacks.items()}
        for setting, attacks in groups.items()
    }


def _mean(cells):
    """Return the means of all figures of cells that differ in their seed."""
    mean = {"n_seeds": len(cells), "seconds": _mean_of(cell["seconds"] for cell in cells)}
    for who in ("victims", "detectors"):
        names = dict.fromkeys(name for cell in cells for name in cell[who])
        mean[who] = {}
        for name in names:
            known = [cell[who][name] for cell in cells if name in cell[who]]
            mean[who][name] = {key: _mean_of(figures[key] for figures in known) for key in known[0]}
    return mean


def _mean_of(values):
    values = [value for value in values if value is not None]
    return float(np.mean(values)) if values else None


def strongest(figures, limit):
    """Return tables of the strongest attack on each victim that is not seen better than that."""
    parts = []
    for dataset, title in DATASETS.items():
        for kind in ("unpopular", "random"):
            settings = [setting for setting in figures if setting[:2] == (dataset, kind)]
            parts += _strongest(figures, settings, limit, f"{title}, {kind} targets")
    return "\n".join(parts) or "No attack that was tried is seen so little.\n"


def _strongest(figures, settings, limit, caption):
    """Return a table in a list, or an empty one if there is no such attack."""
    victims = {}
    for setting in settings:
        victims = figures[setting][CLEAN]["victims"] | victims
    lines = [
        [victim, *(_worst(figures[setting], victim, limit) for setting in settings)]
        for victim in victims
    ]
    if all(cell == NOTHING for line in lines for cell in line[1:]):
        return []
    for line in lines:
        line.insert(1, f"{victims[line[0]]['test_hr']:.3f}")
    columns = [f"{_setting_title(*s[2:])} ({_seeds(figures[s])})" for s in settings]
    return [csv_table(caption, ["Victim", "held-out, clean", *columns], lines)]


def _seeds(attacks):
    """Return over how many seeds the figures of a setting are means, as text."""
    return _seeds_title(attacks[CLEAN]["n_seeds"])


def _seeds_title(n_seeds):
    return f"{n_seeds} seed{'s' * (n_seeds > 1)}"


def _named(attacks, attack):
    """Return the title of an attack, and its number of seeds where others have more."""
    n_seeds = attacks[attack]["n_seeds"]
    if n_seeds == attacks[CLEAN]["n_seeds"]:
        return attack_title(attack)
    return f"{attack_title(attack)}, {_seeds_title(n_seeds)}"


def _setting_title(n_targets, size):
    return f"{n_targets} target{'s' * (n_targets > 1)}, {100 * size:g}%"


def _worst(attacks, victim, limit):
    """Return the hit ratio of the strongest attack that may be seen so well, and its name."""
    worst = _find_worst(attacks, victim, limit)
    return (
        NOTHING
        if worst is None
        else f"{_moved(attacks, worst, victim):.3f} ({_named(attacks, worst)})"
    )


def _find_worst(attacks, victim, limit):
    """Return the strongest attack on a victim that may be seen so well, None if there is none."""
    hidden = [
        attack
        for attack, figures in attacks.items()
        if attack != CLEAN and victim in figures["victims"] and seen(figures) <= limit
    ]
    return max(hidden, key=lambda attack: _moved(attacks, attack, victim), default=None)


def _moved(attacks, attack, victim):
    return attacks[attack]["victims"][victim]["target_hr"]


def by_visibility(figures):
    """Return tables of what the strongest attack reaches on each victim, and how it is seen."""
    parts = []
    for dataset, title in DATASETS.items():
        for kind in ("unpopular", "random"):
            attacks = figures.get((dataset, kind, *MOST_TRIED))
            if attacks:
                parts.append(_by_visibility(attacks, f"{title}, {kind} targets"))
    return "\n".join(parts)


def _by_visibility(attacks, caption):
    limits = sorted(LIMITS.values())
    names = [f"AP at most {limit:g}" if limit < 1 else "any AP" for limit in limits]
    lines = [
        [
            victim,
            f"{clean['target_hr']:.3f}",
            *(_risen(attacks, victim, limit, clean["target_hr"]) for limit in limits),
        ]
        for victim, clean in attacks[CLEAN]["victims"].items()
    ]
    return csv_table(caption, ["Victim", "no attack", *names], lines)


def _risen(attacks, victim, limit, clean):
    """Return what the strongest attack reaches; by whom, if targets rise, and how well seen."""
    worst = _find_worst(attacks, victim, limit)
    if worst is None:
        return NOTHING
    reached = f"{_moved(attacks, worst, victim):.3f}"
    if float(reached) - clean < SLIGHT:
        return reached
    return f"{reached} ({_named(attacks, worst)}; {seen(attacks[worst]):.2f})"


def seen(figures):
    """Return the average precision by which the detector tells the fakes of an attack."""
    return figures["detectors"][DETECTOR]["average_precision"]


def attack_title(name):
    """Return what tables call an attack, by its class, and in words how it hides."""
    name, *settings = name.split(", ")
    settings = [_in_words(*setting.partition("=")) for setting in settings]
    if name not in registered("attack"):
        return ", ".join([name, *settings])
    title = find("attack", name).make.__name__.removesuffix("Transformer")
    if title.lower() != name:
        title = title.removesuffix("Attack")
    return ", ".join([title, *settings])


def _in_words(name, is_set, value):
    """Return what a setting does, or the setting where there are no words for it."""
    if name == "targets_per_profile":
        return f"{value} target{'s' * (value != '1')} a profile"
    if name == "target_rating":
        return f"{value} levels" if value.isdigit() or value == "mixed" else f"{value} level"
    return name + is_set + value


def everything(figures):
    """Return for each setting a table of all attacks, victims and what the detector sees."""
    order = {dataset: number for number, dataset in enumerate(DATASETS)}
    parts = []
    for setting in sorted(figures, key=lambda s: (order[s[0]], s[1] == "random", -s[2], -s[3])):
        dataset, kind, n_targets, size = setting
        caption = f"{DATASETS[dataset]}, {kind}, {_setting_title(n_targets, size)}"
        parts.append(_everything(figures[setting], caption))
    return "\n".join(parts)


def _everything(attacks, caption):
    victims = list(attacks[CLEAN]["victims"])
    heading = ["held-out / targets", *victims, "AP", "found", "accused", "seconds"]
    lines = []
    for attack, figures in attacks.items():
        line = [CLEAN if attack == CLEAN else attack_title(attack)]
        for victim in victims:
            hit_ratios = figures["victims"].get(victim)
            line.append(
                f"{hit_ratios['test_hr']:.3f} / {hit_ratios['target_hr']:.3f}"
                if hit_ratios
                else NOTHING
            )
        detected = figures["detectors"][DETECTOR]
        is_clean = attack == CLEAN
        line += [
            NOTHING if is_clean else f"{detected['average_precision']:.2f}",
            NOTHING if is_clean else f"{detected['n_found']:g} of {detected['n_fake']:g}",
            f"{detected['n_accused']:g} of {detected['n_genuine']:g}",
            NOTHING if is_clean else f"{figures['seconds']:.1f}",
        ]
        lines.append(line)
    return csv_table(caption, heading, lines)


def files(path=FIGURES):
    """Return what is to be included by the page, by file name."""
    figures = read(path)
    tables = {f"strongest_{name}.rst": strongest(figures, limit) for name, limit in LIMITS.items()}
    return tables | {
        "strongest_by_visibility.rst": by_visibility(figures),
        "strongest_all.rst": everything(figures),
    }
