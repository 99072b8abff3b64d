"""The ratings of a job: a public dataset, generated ones, or a file of one's own."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
from sklearn.utils import Bunch

from skrecsec.cli import _choices
from skrecsec.datasets import load_ratings

GENERATED = "generated"

# Options that say how to read a file.
_FILE_OPTIONS = (
    "user_column",
    "item_column",
    "rating_column",
    "timestamp_column",
    "separator",
    "repeated",
    "min_user_ratings",
    "min_item_ratings",
)


def complete_arguments(arguments: Namespace, parser) -> None:
    """Refuse options that would be ignored, and leave out those that say nothing."""
    if arguments.ratings is not None:
        if arguments.dataset != parser.get_default("dataset"):
            parser.error("argument --ratings: not with --dataset, which are other ratings")
        if arguments.repeated == "latest" and arguments.timestamp_column is None:
            parser.error("argument --repeated: 'latest' needs --timestamp-column")
        del arguments.dataset
        return
    del arguments.ratings
    for name in _file_options(arguments):
        if getattr(arguments, name) != parser.get_default(name):
            parser.error(f"argument --{name.replace('_', '-')}: goes with --ratings")
        delattr(arguments, name)
    if not isinstance(getattr(arguments, "targets", ""), str):
        arguments.targets = _as_positions(arguments.targets, parser)


def title_of(arguments: Namespace) -> str:
    """Return what the ratings are called."""
    return arguments.dataset if hasattr(arguments, "dataset") else arguments.ratings.name


def load(arguments: Namespace, parser):
    """Return the ratings, and the targets as the study takes them.

    Raises
    ------
    OSError
        If a file cannot be had.

    ValueError
        If a file is damaged, or holds what no option settles.
    """
    data = load_data(arguments)
    return data.ratings, as_targets(arguments, data, parser)


def as_targets(arguments: Namespace, data: Bunch, parser):
    """Return the targets as attacks take them, found by their ids in a file of one's own."""
    if not hasattr(arguments, "dataset"):
        return _find_ids(arguments.targets, data.item_ids, parser)
    return arguments.targets if isinstance(arguments.targets, str) else np.array(arguments.targets)


def load_data(arguments: Namespace) -> Bunch:
    """Return `ratings`, `user_ids`, `item_ids` and `timestamps`, which may be None.

    Raises
    ------
    OSError
        If a file cannot be had.

    ValueError
        If a file is damaged, or holds what no option settles.
    """
    if not hasattr(arguments, "dataset"):
        options = {
            name.removesuffix("_column"): getattr(arguments, name)
            for name in _file_options(arguments)
        }
        return load_ratings(arguments.ratings, **options)
    entry = _choices.datasets()[arguments.dataset]
    if not entry.facts.get("seeded"):
        return entry()
    X = entry(random_state=getattr(arguments, "seed", 0))
    return Bunch(
        ratings=X,
        user_ids=np.arange(X.shape[0]),
        item_ids=np.arange(X.shape[1]),
        timestamps=None,
    )


def _file_options(arguments):
    """Return those that a command has."""
    return [name for name in _FILE_OPTIONS if hasattr(arguments, name)]


def _as_positions(targets, parser):
    try:
        return [int(target) for target in targets]
    except ValueError:
        parser.error(
            "argument --targets: expected 'unpopular', 'random' or item indices such as 3,17, got "
            f"{','.join(targets)!r}"
        )


def _find_ids(targets, item_ids, parser):
    if isinstance(targets, str):
        return targets
    positions = {str(item): position for position, item in enumerate(item_ids)}
    unknown = [target for target in targets if target not in positions]
    if unknown:
        parser.error(f"argument --targets: there is no item {unknown[0]!r} in the ratings")
    repeated = [target for target in targets if targets.count(target) > 1]
    if repeated:
        parser.error(f"argument --targets: item {repeated[0]!r} is named more than once")
    return np.array([positions[target] for target in targets])
