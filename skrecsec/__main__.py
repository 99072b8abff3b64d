"""The command line: ``python -m skrecsec --help`` says what it does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from skrecsec import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return cli.main(argv, prog="python -m skrecsec")


if __name__ == "__main__":
    sys.exit(main())
