"""The arguments of an audit."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from skrecsec.cli import _choices
from skrecsec.cli._audit._fakes import add_fakes_options
from skrecsec.cli._audit._formats import FORMATS
from skrecsec.cli._parser import add_choice, add_output, add_ratings
from skrecsec.utils._arguments import OneLineErrorParser, number, path


def make_parser(prog: str) -> OneLineErrorParser:
    """Return the parser."""
    parser = OneLineErrorParser(
        prog=prog,
        usage="%(prog)s FILE [options]",
        description="Look for users who act alike, more than chance explains: who they are, on "
        "which items they agree, and how surprising that is. Where nothing is found, say how small "
        "an attack could have been seen.",
        epilog="Exit status: 0 if nothing is found, 1 if something is, 2 if arguments, the file or "
        "anything else is at fault, 130 after Ctrl-C.",
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=path, help="short for --ratings FILE"
    )
    add_ratings(parser.add_argument_group("ratings"), dataset=None, timestamps=True)
    _add_detector(parser.add_argument_group("detector"))
    add_fakes_options(parser)
    group = parser.add_argument_group("output")
    add_output(group, FORMATS)
    group.add_argument(
        "--examples",
        metavar="N",
        type=number(int, lambda value: 0 <= value <= 1000, "a whole number from 0 to 1000"),
        default=3,
        help="members of each group to show, and as many other users beside them",
    )
    return parser


def _add_detector(group):
    add_choice(group, "--detector", _choices.detectors(), "lockstep", "what judges the users")
    group.add_argument(
        "--contamination",
        metavar="SHARE",
        type=_contamination,
        default="auto",
        help="whom to flag: 'auto' decides by evidence; a fraction in (0, 0.5] takes that many of "
        "the most suspicious users, whatever the evidence",
    )
    group.add_argument(
        "--trusted",
        metavar="USERS",
        help="users known to be genuine, who are never flagged: a file with an id per line, or ids "
        "separated by commas",
    )


_as_share = number(float, lambda value: 0 < value <= 0.5, "'auto' or a fraction in (0, 0.5]")


def _contamination(text):
    return text if text == "auto" else _as_share(text)


def complete_file(arguments: argparse.Namespace, parser: OneLineErrorParser) -> None:
    """Have the file be that of --ratings; refuse none, and two."""
    file = arguments.file
    del arguments.file
    if file is not None and arguments.ratings is not None:
        parser.error("argument --ratings: not with FILE, which is short for it")
    if file is not None:
        arguments.ratings = file
    if arguments.ratings is None and arguments.dataset is None:
        parser.error("expected a FILE of ratings, or --dataset NAME")


def find_trusted(text: str | None, user_ids, parser: OneLineErrorParser) -> tuple[list[int], int]:
    """Return the rows of the users that are trusted, and how many ids of a file have no ratings.

    Raises
    ------
    OSError
        If the file cannot be read.

    ValueError
        If it is no text in UTF-8.
    """
    if text is None:
        return [], 0
    file = os.path.expanduser(text)
    is_file = os.path.isfile(file)
    names = Path(file).read_text(encoding="utf-8-sig").split("\n") if is_file else text.split(",")
    names = [name for name in (name.strip() for name in names) if name]
    rows = {str(user): row for row, user in enumerate(user_ids)}
    unknown = [name for name in names if name not in rows]
    if unknown and not is_file:
        parser.error(f"argument --trusted: there is no user or file {unknown[0]!r}")
    return sorted({rows[name] for name in names if name in rows}), len(unknown)
