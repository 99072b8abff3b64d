"""Ids and titles as text that does no harm where it is printed, whatever stands in them.

What a file calls its users is chosen by whoever registers: markup, spreadsheet formulas, terminal
escape sequences, characters that turn the direction of writing.
"""

from __future__ import annotations

import re
import unicodedata

# What spreadsheets take for the beginning of a formula, in full width, too; and the mark that says
# that it is none, which is doubled so that taking one off always gives the id.
_BEGINS_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|'")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def visible(value) -> str:
    r"""Return text in one line in which what cannot be seen is written as an escape.

    Examples
    --------
    >>> from skrecsec.cli._audit._harmless import visible
    >>> print(visible("red \x1b[31m"))
    red \x1b[31m
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in str(value)
    )


def short(value, width: int) -> str:
    """Return `visible` text in so many columns of a terminal at most.

    Examples
    --------
    >>> from skrecsec.cli._audit._harmless import short
    >>> short("a very long name", 10)
    'a very lo…'
    """
    text = visible(value)
    if columns(text) <= width:
        return text
    kept, taken = [], 0
    for letter in text:
        taken += columns(letter)
        if taken > width - 1:
            break
        kept.append(letter)
    return "".join(kept) + "…"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )  # fmt: skip


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled up with blanks."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def for_spreadsheet(value) -> str:
    """Return `visible` text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> from skrecsec.cli._audit._harmless import for_spreadsheet
    >>> for_spreadsheet("=1+1"), for_spreadsheet(-5), for_spreadsheet("'quoted")
    ("'=1+1", '-5', "''quoted")
    """
    text = visible(value)
    if _BEGINS_FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
