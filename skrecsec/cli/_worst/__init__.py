"""The search for the worst attack: all are tried, as the main command tries one."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Sequence

from skrecsec.cli._job import make_plan, prepare, run_and_publish, run_plan, tell
from skrecsec.cli._outcome import Outcome
from skrecsec.cli._worst._findings import Findings
from skrecsec.cli._worst._formats import FORMATS
from skrecsec.cli._worst._parser import complete_choices, make_parser
from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.experiments import RecordStore
from skrecsec.utils._files import write_atomically
from skrecsec.utils._shell import describe_error


def find_worst(argv: Sequence[str], *, prog: str, main_prog: str) -> int:
    """Do what the arguments say; return the exit status."""
    parser = make_parser(prog)
    arguments = parser.parse_args(argv)
    complete_choices(arguments)
    what = f"{len(arguments.attacks)} attacks"
    X, targets = prepare(arguments, parser, what)
    findings = Findings(arguments, main_prog)
    command = [*prog.split(), *argv]
    run_and_publish(
        lambda: _try_all(X, targets, findings),
        lambda: _publish(findings, command),
        lambda: len(findings.outcomes),
        what,
    )
    return 0


def _try_all(X, targets, findings):
    """Try the attacks one after another; what is fitted on clean ratings is fitted once.

    Raises
    ------
    ValueError
        If all attacks fail.
    """
    arguments = findings.arguments
    with tempfile.TemporaryDirectory(prefix="skrecsec-") as folder:
        store = RecordStore(folder)
        # If this fails, it is not for an attack.
        clean = make_plan(X, targets, findings.outcome_of(arguments.attacks[0]), is_attacked=False)
        for _ in run_plan(clean, arguments.n_jobs, store):
            pass
        for name in arguments.attacks:
            start = time.perf_counter()
            try:
                outcome = _try(X, targets, findings.outcome_of(name), store)
            except BrokenPipeError:
                raise
            except Exception as error:
                findings.failures[name] = describe_error(error)
                tell(f"{findings.progress()} {name} failed: {findings.failures[name]}")
                continue
            findings.outcomes[name] = outcome
            seconds = time.perf_counter() - start
            tell(f"{findings.progress()} {findings.in_short(name)}, {seconds:.1f} s")
    if not findings.outcomes:
        raise ValueError("no attack can be tried on these ratings")


def _try(X, targets, outcome: Outcome, store: RecordStore) -> Outcome:
    with warnings.catch_warnings():
        # That has been said, of the clean ratings.
        warnings.simplefilter("ignore", UnsuitableRatingsWarning)
        for results in run_plan(make_plan(X, targets, outcome), outcome.arguments.n_jobs, store):
            outcome.update(results)
    return outcome


def _publish(findings, command):
    arguments = findings.arguments
    print(FORMATS[arguments.format](findings), flush=True)
    if arguments.format == "csv":  # which has the figures only
        for sentence in findings.conclusions():
            tell(sentence)
    if arguments.report is not None:
        from skrecsec.cli._worst._page import page_of

        # What a link leads to is replaced, not the link.
        write_atomically(arguments.report.resolve(), page_of(findings, command))
