"""What the command lines have in common."""

from __future__ import annotations

import argparse
import importlib.util


class OneLineErrorParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message):
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")

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
positive = number(int, lambda value: value >= 1, "a whole number of at least 1")
seed = number(int, lambda value: 0 <= value < 2**31, "a whole number from 0 to 2147483647")
jobs = number(int, lambda value: value != 0, "a whole number other than 0")
