"""Worker processes that end with the process that they work for, and not before.

A terminal sends Ctrl-C to all processes. It is for the one that was started by hand to end the
others; they would only show a traceback each, of whatever they were doing.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator

_SECONDS_BETWEEN_LOOKS = 1.0

# How joblib's backends, loky and multiprocessing, name the processes that they start.
_NAMES = ("LokyProcess", "PoolWorker")

_watching: set[int] = set()  # process ids, since a forked process inherits the set but no thread


def work_for(parent: int) -> None:
    """Let this process end soon after the process `parent` has ended, and not at Ctrl-C.

    A worker of joblib whose parent was killed would wait for work for minutes, and keep open what
    it inherited, so that whoever reads the output of the parent waits with it. All this is only for
    a worker that joblib has started for `parent` itself: not for that process, whatever thread this
    is, nor for a worker of Dask or Ray, which lives on its own account.

    Parameters
    ----------
    parent : int
        Id of the process that the study was started in.

    Notes
    -----
    A thread looks once a second who the parent is, which POSIX systems change when it has died;
    elsewhere nothing is done. Linux could send a signal instead (PR_SET_PDEATHSIG), but it does so
    at the end of the thread that started the worker, which can be long before.
    """
    name = multiprocessing.current_process().name
    if os.name != "posix" or os.getpid() == parent or not any(mark in name for mark in _NAMES):
        return
    if not _is_alive(parent):  # it died while this process was being started
        os._exit(1)
    if os.getppid() == parent and os.getpid() not in _watching:
        _watching.add(os.getpid())
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a worker that was started later
        threading.Thread(target=_watch, args=(parent,), name="skrecsec", daemon=True).start()


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of somebody else
        pass
    return True


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)  # at once: nobody is left to hear of it


@contextlib.contextmanager
def interrupts_held_back(*, until_started: bool) -> Iterator[None]:
    """Hold back Ctrl-C while tasks are handed to workers, which half done upsets joblib.

    Parameters
    ----------
    until_started : bool
        Whether workers will be started. They, too, shall not hear Ctrl-C, and what they inherit is
        that it is ignored; so what comes meanwhile is lost. (A signal mask would not do: starting
        processes, joblib clears it.) Otherwise it is heard at the end.
    """
    handler = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if handler is None or not in_main_thread:  # it cannot be changed, or not be restored
        yield
        return
    came = []
    signal.signal(signal.SIGINT, signal.SIG_IGN if until_started else lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
