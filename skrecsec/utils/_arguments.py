"""What the command lines have in common."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from skrecsec.utils._shell import one_line


class HelpFormatter(argparse.HelpFormatter):
    """Tells the default of an option that has one, unless its help does."""

    def _get_help_string(self, action):
        default = action.default
        if default is None or isinstance(default, bool) or default == argparse.SUPPRESS:
            return action.help
        if "(default:" in action.help:
            return action.help
        if isinstance(default, list):
            default = " ".join(map(str, default))
        return f"{action.help} (default: {str(default).replace('%', '%%')})"


class OneLineErrorParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def __init__(self, prog=None, *, formatter_class=HelpFormatter, allow_abbrev=False, **options):
        options |= {"formatter_class": formatter_class, "allow_abbrev": allow_abbrev}
        super().__init__(prog, **options)

    def error(self, message):
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def require(self, package: str, who_needs: str, *, extra: str):
        """Exit with an error that names the extra if a package is not installed."""
        if importlib.util.find_spec(package) is None:
            self.error(f'{who_needs} {package}: python -m pip install "skrecsec[{extra}]"')


def number(convert, is_valid, what: str):
    """Return an argparse type: a number that is valid, or an error that says what is expected."""

    def parse(text):
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not is_valid(value):
            raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}")
        return value

    return parse


fraction = number(float, lambda value: 0 < value <= 1, "a fraction in (0, 1]")
positive = number(int, lambda value: 1 <= value <= 10**6, "a whole number from 1 to 1000000")
seed = number(int, lambda value: 0 <= value < 2**31, "a whole number from 0 to 2147483647")
jobs = number(int, lambda value: value != 0, "a whole number other than 0")


def path(text: str) -> Path:
    """Return a path; a leading ``~`` is expanded, where no shell has done it."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such home folder") from None
