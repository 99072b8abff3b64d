"""One thread per fit: parallelism lies above, through joblib."""

from __future__ import annotations

import functools
import sys
import threading
from contextlib import contextmanager

import threadpoolctl

_lock = threading.Lock()
_n_inside = 0
_restore_process = None


@contextmanager
def single_threaded():
    """Hold the BLAS, OpenMP and torch thread pools at one thread.

    The products in this package are small: split over threads they run many times slower, and
    their bits could depend on the number of threads. Blocks may nest, and overlap in several Python
    threads: the setting of OpenMP belongs to a thread, which restores its own; those of BLAS and
    torch belong to the process: the first block in sets them, the last one out restores them. A
    `threadpoolctl` block that the user holds open in another Python thread keeps its say on BLAS.
    Import torch before entering if it is to be used inside.
    """
    global _n_inside, _restore_process
    torch = sys.modules.get("torch")  # never import it only to limit it
    if not hasattr(torch, "set_num_threads"):
        torch = None  # or another thread is still importing it
    controller = _controller(torch is not None)
    n_torch_threads = torch.get_num_threads() if torch is not None else None
    own_limits = controller.select(user_api="openmp").limit(limits=1)
    with _lock:
        if _n_inside == 0:
            _restore_process = _limit_process(controller, torch, n_torch_threads)
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _restore_process()
        own_limits.restore_original_limits()


@functools.lru_cache(maxsize=2)
def _controller(with_torch):
    """Return the controller of the thread pools in this process; torch brings new ones."""
    return threadpoolctl.ThreadpoolController()


def _limit_process(controller, torch, n_torch_threads):
    limits = controller.select(user_api="blas").limit(limits=1)
    release_openblas()
    if torch is not None:
        torch.set_num_threads(1)

    def restore():
        limits.restore_original_limits()
        release_openblas()
        if torch is not None:
            torch.set_num_threads(n_torch_threads)

    return restore


def release_openblas():
    """Let other Python threads set OpenBLAS's number of threads.

    Recent versions of threadpoolctl leave that to the thread that did so first, and ignore others
    silently; but the last block out need not be in the same thread as the first one in.
    """
    openblas = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(openblas, "clear_controlling_thread"):
        openblas.clear_controlling_thread()
