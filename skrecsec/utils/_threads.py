"""One thread per fit: parallelism lies above, through joblib."""

from __future__ import annotations

import functools
import sys
import threading
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_n_inside = 0
_restore_process = None


@contextmanager
def single_threaded():
    """Hold the BLAS, OpenMP and torch thread pools at one thread.

    The products in this package are small: split over threads they run many times slower, and
    their bits could depend on the number of threads. Blocks may nest, and overlap in several Python
    threads: the setting of OpenMP belongs to a thread, which restores its own; those of BLAS and
    torch belong to the process: the first block in sets them, the last one out restores them.
    Import torch before entering if it is to be used inside.
    """
    global _n_inside, _restore_process
    torch = sys.modules.get("torch")  # never import it only to limit it
    if not hasattr(torch, "set_num_threads"):
        torch = None  # or another thread is still importing it
    controller = _controller(torch is not None)
    n_torch_threads = torch.get_num_threads() if torch is not None else None
    own_limits = controller.limit(limits=1, user_api="openmp")
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
    return ThreadpoolController()


def _limit_process(controller, torch, n_torch_threads):
    limits = controller.limit(limits=1, user_api="blas")
    if torch is not None:
        torch.set_num_threads(1)

    def restore():
        limits.restore_original_limits()
        if torch is not None:
            torch.set_num_threads(n_torch_threads)

    return restore
