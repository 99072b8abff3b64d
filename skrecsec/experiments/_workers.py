"""Worker processes that end with the process that they work for, and not before."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time

_SECONDS_BETWEEN_LOOKS = 1.0

# How joblib's backends, loky and multiprocessing, name the processes that they start.
_NAMES = ("LokyProcess", "PoolWorker")

_watching: set[int] = set()  # process ids, since a forked process inherits the set but no thread


def die_with(parent: int) -> None:
    """End this process soon after the process `parent` has ended, however that did.

    A worker of joblib whose parent was killed would wait for work for minutes, and keep open what
    it inherited, so that whoever reads the output of the parent waits with it. Only a worker that
    joblib has started for `parent` itself is ended: not that process, whatever thread this is, nor
    a worker of Dask or Ray, which lives on its own account.

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
def interrupts_ignored():
    """Ignore Ctrl-C, for as long as it takes to start processes, and in these for good.

    A terminal sends it to all processes. It is for the one that was started by hand to end the
    others; they would only show a traceback each, of whatever they were doing. To hold it back with
    a signal mask does not do: starting processes, joblib clears that.
    """
    handler = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if handler is None or not in_main_thread:  # it cannot be changed, or not be restored
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
