"""The command line: attack a recommender, defend it, say what happened; or audit ratings.

``skrecsec``, or ``python -m skrecsec``, splits ratings, trains a recommender on clean and on
poisoned data and a defense on the same poisoned data, and prints a table; ``skrecsec --help`` says
the rest. ``skrecsec worst-case`` tries all attacks and says which is the worst.
``skrecsec audit FILE`` looks for users who act alike in ratings of one's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from skrecsec.cli._later import import_others
from skrecsec.utils._shell import run_shell

__all__ = ["main"]


def main(argv: Sequence[str] | None = None, *, prog: str = "skrecsec") -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments, of which the first may be ``"audit"`` or ``"worst-case"``; None for those that
        the program was started with.

    prog : str, default="skrecsec"
        How the program is called in messages.

    Returns
    -------
    status : int
        0; 1 with one line on stderr if data, files or settings are at fault; 130 after Ctrl-C, with
        the result of the repeats, or attacks, that were finished. For wrong arguments SystemExit is
        raised, with status 2. Of an audit: 0 if nothing was found, 1 if something was, 2 whatever
        is at fault.

    See Also
    --------
    skrecsec.experiments.robustness_study : Several attacks and defenses at once, from Python.

    Examples
    --------
    >>> from skrecsec.cli import main
    >>> main(["--attack", "random", "--format", "csv"])  # doctest: +SKIP
    """
    argv = sys.argv[1:] if argv is None else argv
    import_others()
    if argv and argv[0] == "audit":
        from skrecsec.cli._audit import FAILED, audit_ratings

        prog = f"{prog} audit"
        return run_shell(partial(audit_ratings, prog=prog), argv[1:], prog=prog, failed=FAILED)
    if argv and argv[0] == "worst-case":
        from skrecsec.cli._worst import find_worst

        job = partial(find_worst, prog=f"{prog} worst-case", main_prog=prog)
        return run_shell(job, argv[1:], prog=f"{prog} worst-case")
    from skrecsec.cli._job import attack_and_defend

    return run_shell(partial(attack_and_defend, prog=prog), argv, prog=prog)
