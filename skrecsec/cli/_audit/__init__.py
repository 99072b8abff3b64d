"""The audit: who acts alike in ratings of one's own, on which items, and how surprising that is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sklearn.utils.validation import has_fit_parameter

from skrecsec.cli import _choices
from skrecsec.cli._audit._fakes import add_fakes, complete_fakes
from skrecsec.cli._audit._findings import Audit
from skrecsec.cli._audit._formats import FORMATS
from skrecsec.cli._audit._parser import complete_file, find_trusted, make_parser
from skrecsec.cli._parser import check_report
from skrecsec.cli._ratings import complete_arguments, load_data
from skrecsec.utils._files import write_atomically
from skrecsec.utils._shell import say

NOTHING_FOUND, FOUND, FAILED = 0, 1, 2


def audit_ratings(argv: Sequence[str], *, prog: str) -> int:
    """Do what the arguments say; return the exit status."""
    parser = make_parser(prog)
    arguments = parser.parse_args(argv)
    complete_file(arguments, parser)
    complete_fakes(arguments, parser)
    complete_arguments(arguments, parser)
    _check_timestamps(arguments, parser)
    if arguments.report is not None:
        check_report(arguments.report, parser)
    data = load_data(arguments)
    if not _takes_timestamps(arguments):
        data.timestamps = None
    fakes = add_fakes(arguments, data, parser)
    audit = Audit(arguments, data, _fit(arguments, data, parser, prog), fakes)
    _print(FORMATS[arguments.format](audit))
    if arguments.report is not None:
        from skrecsec.cli._audit._page import page_of

        # What a link leads to is replaced, not the link.
        write_atomically(arguments.report.resolve(), page_of(audit, [*prog.split(), *argv]))
    return FOUND if audit.found_something else NOTHING_FOUND


def _check_timestamps(arguments, parser):
    """Refuse a column of times that the detector would not look at."""
    if getattr(arguments, "timestamp_column", None) is None or _takes_timestamps(arguments):
        return
    if arguments.repeated != "latest":  # which looks at them
        name = arguments.detector
        parser.error(f"argument --timestamp-column: the detector {name!r} does not look at times")


def _takes_timestamps(arguments):
    detector = _choices.detectors()[arguments.detector].make
    return has_fit_parameter(detector, "timestamps")


def _fit(arguments, data, parser, prog):
    """Return the detector, fitted on the ratings, and on their times if it takes them."""
    trusted, n_unknown = find_trusted(arguments.trusted, data.user_ids, parser)
    if n_unknown:
        say(f"{prog}: warning: {n_unknown} of the trusted users have no ratings here")
    options, times = {"contamination": arguments.contamination}, {}
    if trusted:
        options["trusted_users"] = trusted
    if data.timestamps is not None:
        times["timestamps"] = data.timestamps
    return _choices.detectors()[arguments.detector](**options).fit(data.ratings, **times)


def _print(text):
    """Print, with escapes for what the terminal's encoding does not have."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
