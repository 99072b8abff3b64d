"""The arguments of the command line."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path

from skrecsec import __version__
from skrecsec.cli import _choices
from skrecsec.cli._formats import CHANGE_NO_FIGURE, FORMATS
from skrecsec.cli._ratings import GENERATED
from skrecsec.utils._arguments import (
    OneLineErrorParser,
    fraction,
    jobs,
    number,
    path,
    positive,
    seed,
)
from skrecsec.utils._files import check_writable
from skrecsec.utils._shell import describe_error


def make_parser(prog: str) -> OneLineErrorParser:
    """Return the parser."""
    parser = OneLineErrorParser(
        prog=prog,
        usage="%(prog)s [options]\n       %(prog)s worst-case [options]\n"
        "       %(prog)s audit FILE [options]",
        description="Attack a recommender with fake profiles, defend it, and say what happened: "
        "the victim is trained on clean and on poisoned ratings, defenses on the poisoned "
        "ones. Or try all attacks, and say which is the worst: '%(prog)s worst-case --help' says "
        "how. Or audit ratings of your own, which looks for users who act alike: "
        "'%(prog)s audit --help' says how.",
    )
    parser.add_argument("--version", action="version", version=f"skrecsec {__version__}")
    add_ratings(parser.add_argument_group("ratings"))
    group = parser.add_argument_group("attack and defense")
    add_choice(group, "--attack", _choices.attacks(), "average", "how profiles are faked")
    add_models(group, defense=["tcd", "ease", "recommended"])
    add_threat(group)
    add_repeats(parser.add_argument_group("repeats"))
    add_output(parser.add_argument_group("output"), FORMATS)
    return parser


def add_ratings(group, dataset=GENERATED, *, timestamps=False) -> None:
    """Add what says which ratings are used; without a dataset there is no default."""
    add_choice(group, "--dataset", _choices.datasets(), dataset, "ratings to use")
    add = group.add_argument
    add(
        "--ratings",
        metavar="FILE",
        type=path,
        help="ratings of your own: CSV, TSV, other text, or Parquet, a rating per row",
    )
    for role in ("user", "item", "rating"):
        add(
            f"--{role}-column",
            metavar="NAME",
            type=_column,
            default=role,
            help=f"column of --ratings with the {role}s; its number, from 0, without a header",
        )
    if timestamps:
        add(
            "--timestamp-column",
            metavar="NAME",
            type=_column,
            help="column of --ratings with the times, numbers or dates: then bursts are evidence",
        )
    add("--separator", metavar="TEXT", help="what separates columns; found out if not given")
    rules = ["error", "first", "last", *(["latest"] if timestamps else []), "mean", "max", "sum"]
    add(
        "--repeated",
        metavar="RULE",
        choices=rules,
        default="error",
        help=f"which of several ratings of an item by a user is kept: {', '.join(rules)}",
    )
    for what in ("user", "item"):
        add(
            f"--min-{what}-ratings",
            metavar="N",
            type=positive,
            default=1,
            help=f"leave out {what}s with fewer ratings",
        )


def add_models(group, defense: str | list[str]) -> None:
    """Add what says who is attacked, what defends, and who judges.

    If several defenses are the default, several can be named.
    """
    recommenders = _choices.recommenders()
    add_choice(group, "--victim", recommenders, "mf", "recommender that is attacked")
    add_choice(
        group,
        "--defense",
        [*recommenders, _choices.NONE],
        defense,
        "what to use instead, on the same poisoned ratings",
        nargs="+" if isinstance(defense, list) else None,
    )
    detectors = [*_choices.detectors(), _choices.NONE]
    add_choice(
        group,
        "--filter",
        detectors,
        _choices.NONE,
        "detector that drops profiles before the defense learns",
    )
    add_choice(group, "--detector", detectors, "lockstep", "detector that says who is fake")


def add_threat(group) -> None:
    """Add what says for which items and at what expense profiles are faked."""
    add = group.add_argument
    add(
        "--targets",
        metavar="ITEMS",
        type=_targets,
        default="unpopular",
        help="items to attack: 'unpopular' or 'random' for such items, chosen in each repeat, or "
        "indices separated by commas; of --ratings their ids",
    )
    add(
        "--n-targets",
        metavar="N",
        type=positive,
        default=5,
        help="how many items are chosen where --targets says of which kind",
    )
    add(
        "--goal",
        choices=["push", "nuke"],
        default="push",
        help="promote the targets or demote them",
    )
    add(
        "--attack-size",
        metavar="SIZE",
        type=_attack_size,
        default=0.03,
        help="fake profiles: a fraction of the users in (0, 1], such as 1.0 for as many, or their "
        "number, such as 1",
    )
    add(
        "--knowledge",
        metavar="SHARE",
        type=fraction,
        default=0.4,
        help="fraction of the users whose profiles the attacker sees, in (0, 1]",
    )
    _add_disguise(group)


def _add_disguise(group):
    """Add what says how fake profiles hide."""
    add = group.add_argument
    add(
        "--targets-per-profile",
        metavar="N",
        type=positive,
        default=None,
        help="how many of the targets a fake profile rates; all if not given",
    )
    add(
        "--target-rating",
        metavar="LEVEL",
        type=_target_rating,
        default="top",
        help="the level that targets are given: 'top' for the highest, 'near-top' for the next "
        "one, 'mixed' for both in turn, a number for any of so many; with --goal nuke from the "
        "lowest on",
    )
    add(
        "--profile-lengths",
        choices=["fixed", "genuine"],
        default="fixed",
        help="whether fake profiles are alike in length, or as genuine ones are",
    )
    add(
        "--obfuscation",
        choices=["noise", "user-shifting", "popular"],
        default=None,
        help="how fillers are blurred: by noise, by another level for each, or by popular items",
    )
    add_choice(
        group,
        "--evade",
        [*_choices.detectors(), _choices.NONE],
        _choices.NONE,
        "detector that the attacker tries profiles on, and hides from with what is above",
    )


def add_repeats(group) -> None:
    """Add what says how often all is done, with which seeds, and how much at a time."""
    add = group.add_argument
    add("--repeats", metavar="N", type=positive, default=1, help="number of splits and attacks")
    add(
        "--n-jobs",
        metavar="N",
        type=jobs,
        default=1,
        help="attacks and fits to run side by side, each of which then takes longer; -1: as many "
        "as there are cores",
    )
    add(
        "--seed",
        metavar="N",
        type=seed,
        default=0,
        help="seed of the generated ratings and of the split, the attack and the models of the "
        "first repeat; the others have the numbers that follow",
    )


def add_output(group, formats) -> None:
    """Add what says how the result is told."""
    add_choice(group, "--format", formats, "table", "how the result is printed")
    group.add_argument(
        "--report",
        metavar="FILE",
        type=path,
        help="write an HTML page with the table and plots, too",
    )


def add_choice(group, option, choices, default, what, **more) -> None:
    """Add an option of which the help lists the choices."""
    # No list in the usage, which is read more often than it is needed there.
    group.add_argument(
        option,
        metavar="NAME",
        choices=choices,
        default=default,
        help=f"{what}: {', '.join(choices)}",
        **more,
    )


def complete_defenses(arguments: argparse.Namespace, parser: OneLineErrorParser) -> None:
    """Have each defense be named once, and a single one by itself; refuse none among others.

    Where nobody has named any, the victim is none.
    """
    names = list(dict.fromkeys(arguments.defense))
    if _choices.NONE in names and len(names) > 1:
        parser.error(f"argument --defense: {_choices.NONE!r} goes alone")
    if names == parser.get_default("defense") and arguments.filter == _choices.NONE:
        names = [name for name in names if name != arguments.victim]
    arguments.defense = names if len(names) > 1 else names[0]


def check_recommenders(arguments: argparse.Namespace, parser: OneLineErrorParser) -> None:
    """Refuse recommenders whose package is not installed, and a comparison with itself."""
    defenses, is_filtered = _choices.names_of(arguments.defense), arguments.filter != _choices.NONE
    for option, name in [("victim", arguments.victim), *(("defense", name) for name in defenses)]:
        package = _choices.recommenders()[name].facts.get("package")
        if package is not None:
            parser.require(package, f"argument --{option}: needs", extra=package)
    if is_filtered and not defenses:
        parser.error("argument --filter: goes with --defense")
    if arguments.victim in defenses and not is_filtered:
        parser.error("argument --defense: the same as --victim, choose another")


def check_number_of_targets(arguments: argparse.Namespace, parser: OneLineErrorParser) -> None:
    """Have it be the number of the items that are named; refuse another one."""
    if isinstance(arguments.targets, str):
        return
    number = len(arguments.targets)
    if arguments.n_targets not in (parser.get_default("n_targets"), number):
        parser.error(f"argument --n-targets: --targets names {number}; leave it out")
    arguments.n_targets = number


def as_command(
    arguments: argparse.Namespace, parser: OneLineErrorParser, always: tuple[str, ...]
) -> list[str]:
    """Return the options with which a parser would return these arguments.

    Those that change no figure are left out, and so are defaults but for those to say always.
    """
    words = []
    for name, value in vars(arguments).items():
        is_default = value == parser.get_default(name)
        if name in CHANGE_NO_FIGURE or (is_default and name not in always):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "defense":  # of which several are words by themselves
            words += [option, *([value] if isinstance(value, str) else value)]
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        # Else what begins with a hyphen would be taken for an option.
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words


def check_report(report: Path, parser: OneLineErrorParser) -> None:
    """Refuse before anything is computed what could not be written at the end."""
    parser.require("matplotlib", "argument --report: needs", extra="plots")
    try:
        file = report.resolve()
        fault = _fault_of(file)
        if fault is None:
            check_writable(file.parent)
    except (OSError, RuntimeError) as error:  # the latter for links that lead to themselves
        fault = describe_error(error)
    if fault is not None:
        parser.error(f"argument --report: {fault}")


def _fault_of(report):
    """Say why a file cannot be replaced by a new one, or return None."""
    if not report.parent.is_dir():
        return f"the folder {str(report.parent)!r} does not exist"
    if report.is_dir():
        return f"{str(report)!r} is a folder"
    if report.exists() and not stat.S_ISREG(report.stat().st_mode):
        return f"{str(report)!r} is not a regular file"  # a device, say, which would be replaced
    return None


_SIZES = "a fraction in (0, 1] or a whole number of at least 1"
_size_as_count = number(int, lambda value: value >= 1, _SIZES)
_size_as_fraction = number(float, lambda value: 0 < value <= 1, _SIZES)


def _attack_size(text):
    return _size_as_count(text) if text.strip().isdigit() else _size_as_fraction(text)


_number_of_levels = number(
    int, lambda value: value >= 1, "'top', 'near-top', 'mixed' or a whole number of levels"
)


def _targets(text):
    if text in ("unpopular", "random"):
        return text
    return [item.strip() for item in text.split(",")]


def _target_rating(text):
    return text if text in ("top", "near-top", "mixed") else _number_of_levels(text)


def _column(text):
    return int(text) if text.isdigit() else text
