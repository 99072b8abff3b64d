"""One thread per fit: parallelism lies above, through joblib."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager

from skrecsec.utils._compat import _get_threadpool_controller

_lock = threading.Lock()
_n_inside = 0
_restore = None


@contextmanager
def single_threaded():
    """Hold the BLAS, OpenMP and torch thread pools of this process at one thread.

    The products in this package are small: split over threads they run many times slower, and
    their bits could depend on the number of threads. Blocks may nest, and overlap in several Python
    threads; the first one in sets the limits, the last one out restores them.
    """
    global _n_inside, _restore
    with _lock:
        if _n_inside == 0:
            _restore = _limit()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _restore()


def _limit():
    limits = _get_threadpool_controller().limit(limits=1)
    torch = sys.modules.get("torch")  # never import it only to limit it
    n_torch_threads = torch.get_num_threads() if torch is not None else None
    if torch is not None:
        torch.set_num_threads(1)

    def restore():
        limits.restore_original_limits()
        if torch is not None:
            torch.set_num_threads(n_torch_threads)

    return restore
