"""Two or more threads for one epoch, with the bits of one.

Kernels release the GIL, so threads of Python are enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from skrecsec.utils._compiling import jit


def run_side_by_side(function: Callable, arguments: list, n_threads: int) -> None:
    """Call a function with each argument; calls must not touch what others write."""
    if n_threads == 1:
        for argument in arguments:
            function(argument)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(function, arguments))


def run_levels(
    function: Callable[[np.ndarray], int], levels: list[np.ndarray], n_threads: int
) -> int:
    """Call a function with a share of each level, level after level; return the sum of results.

    Within a level, calls must not touch what others write.
    """
    barrier = threading.Barrier(n_threads)

    def work(thread):
        total = 0
        try:
            for tiles in levels:
                total += function(tiles[thread::n_threads])
                barrier.wait()
        except threading.BrokenBarrierError:  # another thread says why
            return total
        except BaseException:
            barrier.abort()
            raise
        return total

    with ThreadPoolExecutor(n_threads) as pool:
        return sum(pool.map(work, range(n_threads)))


def independent_tiles(tiles: np.ndarray, n_user_blocks: int, n_item_blocks: int) -> list:
    """Cut a sequence of tiles into levels, within which no two share users or items.

    A tile comes in a later level than all tiles before it in the sequence that share its users or
    its items: level after level, each is trained on what it would be trained on in sequence.
    O(n_tiles log n_tiles).
    """
    level = _levels(tiles, n_user_blocks, n_item_blocks)
    order = np.argsort(level, kind="stable")
    bounds = np.flatnonzero(np.diff(level[order])) + 1
    return np.split(tiles[order], bounds)


@jit
def _levels(tiles, n_user_blocks, n_item_blocks):
    of_users = np.zeros(n_user_blocks, np.int32)
    of_items = np.zeros(n_item_blocks, np.int32)
    levels = np.empty(tiles.size, np.int32)
    for t in range(tiles.size):
        u = tiles[t] // n_item_blocks
        i = tiles[t] % n_item_blocks
        level = max(of_users[u], of_items[i]) + 1
        levels[t] = of_users[u] = of_items[i] = level
    return levels
