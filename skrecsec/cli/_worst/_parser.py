"""The arguments of a search for the worst attack."""

from __future__ import annotations

import argparse

from skrecsec.cli import _choices
from skrecsec.cli._parser import add_models, add_output, add_ratings, add_repeats, add_threat
from skrecsec.cli._worst._formats import FORMATS
from skrecsec.utils._arguments import OneLineErrorParser


def make_parser(prog: str) -> OneLineErrorParser:
    """Return the parser."""
    parser = OneLineErrorParser(
        prog=prog,
        usage="%(prog)s [options]",
        description="Try all attacks on a recommender and, if there is one, on a defense, which "
        "learns from the same poisoned ratings. Say how far each moves its targets and whether a "
        "detector sees it, the worst first, and how to repeat that one.",
        epilog="An attack that fails on these ratings is named, and the others go on.",
    )
    add_ratings(parser.add_argument_group("ratings"))
    group = parser.add_argument_group("attacks and defense")
    attacks = _choices.attacks()
    group.add_argument(
        "--attacks",
        metavar="NAME",
        nargs="+",
        choices=attacks,
        help=f"those to try, all if none is named: {', '.join(attacks)}",
    )
    add_models(group, defense=_choices.NONE)
    add_threat(group)
    add_repeats(parser.add_argument_group("repeats"))
    add_output(parser.add_argument_group("output"), FORMATS)
    return parser


def complete_choices(arguments: argparse.Namespace) -> None:
    """Have all attacks tried if none is named; a filter alone is to defend the victim itself."""
    arguments.attacks = list(dict.fromkeys(arguments.attacks or _choices.attacks()))
    if arguments.defense == _choices.NONE and arguments.filter != _choices.NONE:
        arguments.defense = arguments.victim
