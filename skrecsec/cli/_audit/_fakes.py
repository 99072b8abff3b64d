"""Fake profiles that are added to the ratings, to see what an audit makes of them."""

from __future__ import annotations

from argparse import Namespace
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skrecsec.cli import _choices
from skrecsec.cli._parser import add_choice, add_threat, check_number_of_targets
from skrecsec.cli._ratings import as_targets
from skrecsec.utils._arguments import OneLineErrorParser, seed


class Fakes(NamedTuple):
    """What was added: the last rows of the ratings."""

    n_fakes: int
    attack: str
    items: list  # ids of the targets

    def found(self, labels: np.ndarray) -> dict[str, int]:
        """Return how many of them are flagged, and how many others."""
        is_flagged = labels == -1
        n_others = labels.size - self.n_fakes
        n_found = int(is_flagged[n_others:].sum())
        return {
            "fake_profiles": self.n_fakes,
            "found": n_found,
            "missed": self.n_fakes - n_found,
            # Who of them is genuine, nobody knows.
            "other_users": n_others,
            "others_flagged": int(is_flagged[:n_others].sum()),
        }


def add_fakes_options(parser: OneLineErrorParser) -> None:
    """Add what says whether fake profiles are added, and which."""
    group = parser.add_argument_group("an attack to try")
    add_choice(
        group,
        "--attack",
        _choices.attacks(),
        None,
        "add fake profiles before the ratings are audited, and say who of them is found",
    )
    _add_details(group)


def _add_details(group):
    add_threat(group)
    what = "seed of the attack, and of generated ratings"
    group.add_argument("--seed", metavar="N", type=seed, default=0, help=what)


def complete_fakes(arguments: Namespace, parser: OneLineErrorParser) -> None:
    """Refuse what says how an attack is made if there is none, and leave out what says nothing."""
    if arguments.attack is not None:
        if getattr(arguments, "timestamp_column", None) is not None:
            parser.error("argument --timestamp-column: not with --attack, which has no times")
        check_number_of_targets(arguments, parser)
        return
    details = OneLineErrorParser()
    _add_details(details)
    for name in vars(details.parse_args([])):
        if getattr(arguments, name) != parser.get_default(name):
            parser.error(f"argument --{name.replace('_', '-')}: goes with --attack")
        delattr(arguments, name)
    del arguments.attack


def add_fakes(arguments: Namespace, data: Bunch, parser: OneLineErrorParser) -> Fakes | None:
    """Append fake profiles to the ratings if that is asked for; return what was added."""
    if not hasattr(arguments, "attack"):
        return None
    attack = _choices.make_attack(
        arguments,
        target_items=as_targets(arguments, data, parser),
        n_targets=arguments.n_targets,
        random_state=arguments.seed,
    )
    data.ratings = attack.fit_transform(data.ratings)
    n_fakes = attack.poison_.shape[0]
    data.user_ids = np.array([*data.user_ids, *_new_names(n_fakes, data.user_ids)], dtype=object)
    data.timestamps = None  # the fakes have none
    items = [data.item_ids[item] for item in attack.target_items_]
    return Fakes(n_fakes, _choices.attack_title(arguments.attack), items)


def _new_names(n_fakes, taken):
    """Return names that nobody has."""
    taken, prefix = set(map(str, taken)), "fake"
    while True:
        names = [f"{prefix} {number}" for number in range(1, n_fakes + 1)]
        if taken.isdisjoint(names):
            return names
        prefix = f"added {prefix}"
