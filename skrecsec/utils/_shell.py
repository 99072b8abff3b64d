"""Running a command line, so that a person is told in one line what went wrong outside of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor

INTERRUPTED = 130  # as of a program that dies of SIGINT ...
BROKEN_PIPE = 141  # ... and of SIGPIPE

# What the system, the files and the arguments can cause. Others are faults of the program, whose
# traceback whoever reports them will need.
_NOT_OUR_FAULT = (
    OSError,  # no space, no permission, no file, no network
    ValueError,  # data or settings that do not go together, said in a sentence
    ImportError,  # an extra is not installed
    MemoryError,
    BrokenExecutor,  # a worker was killed, most likely for want of memory
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


def run_shell(
    main: Callable[[Sequence[str] | None], int],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    failed: int = 1,
) -> int:
    """Run the main function of a command line, and return the exit status.

    Parameters
    ----------
    main : callable
        Takes `argv`, returns the exit status. An exception may carry notes (`add_note`), which are
        shown with its message: of a KeyboardInterrupt, say, what was finished.

    argv : sequence of str, default=None
        Arguments; None for those that the program was started with.

    prog : str
        How the program is called in messages.

    failed : int, default=1
        The status of a failure. Where it is not 1, which then means something else, faults of the
        program have it, too: otherwise the interpreter would end with 1.

    Returns
    -------
    status : int
        That of `main`; 130 after Ctrl-C; 141 where nobody reads the output any more, about which
        nothing is said; `failed` with one line on stderr for what the system, a file, or settings
        that do not go together have caused. SystemExit, by which argparse ends, is let through.

    Examples
    --------
    >>> from skrecsec.utils._shell import run_shell
    >>> run_shell(lambda argv: len(argv), ["--a", "--b"], prog="count")
    2
    """
    with warnings.catch_warnings(), _threads_silent_once_interrupted():
        return _run(main, argv, prog, failed)


def _run(main, argv, prog, failed):
    format_warning = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{prog}: warning: {one_line(message)}\n"
    try:
        try:
            return main(argv)
        finally:
            # Here, where an error of it can be met, and not when the interpreter ends.
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt as error:
        warnings.simplefilter("ignore")  # joblib's generators, of what has not been used
        say(f"{prog}: {'; '.join(['interrupted', *_notes(error)])}")
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except _NOT_OUR_FAULT as error:
        say(f"{prog}: error: {describe_error(error)}")
        return failed
    except Exception:
        if failed == 1:
            raise
        traceback.print_exc()
        return failed
    finally:
        warnings.formatwarning = format_warning
        for stream in (sys.stdout, sys.stderr):
            _give_up_if_broken(stream)


@contextlib.contextmanager
def _threads_silent_once_interrupted():
    """Let no other thread print a traceback after Ctrl-C.

    Those of joblib may find the work gone that they were about to hand out, which is as it should
    be.
    """
    handler, hook = signal.getsignal(signal.SIGINT), threading.excepthook
    if handler is not signal.default_int_handler or not _in_main_thread():
        yield  # it is not heard here
        return
    came = False

    def interrupt(number, frame):
        nonlocal came
        came = True
        handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    threading.excepthook = lambda failed: None if came else hook(failed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        threading.excepthook = hook


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()


def say(line: str) -> None:
    """Print a line on stderr, if anybody listens."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def describe_error(error: BaseException) -> str:
    """Return what an exception says, in one line.

    Examples
    --------
    >>> from skrecsec.utils._shell import describe_error
    >>> describe_error(FileNotFoundError(2, "No such file or directory", "u.data"))
    'u.data: No such file or directory'
    >>> describe_error(MemoryError())
    'MemoryError'
    """
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        message = f"{where}{error.strerror}"
    message = one_line(message) or type(error).__name__
    return " ".join([message, *(f"({one_line(note)})" for note in _notes(error))])


def one_line(message) -> str:
    """Return a message without line breaks."""
    return " ".join(str(message).split())


def _notes(error):
    return getattr(error, "__notes__", [])


def _give_up_if_broken(stream):
    """Let what a stream still holds go nowhere if it cannot be written.

    Otherwise the interpreter would try again at its end, and complain.
    """
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # a stream that is no file
            number = stream.fileno()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
    except (ValueError, AttributeError):  # closed, or there is none
        pass
