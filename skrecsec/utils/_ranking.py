"""Ranking items for profiles, in blocks of rows.

One order is used by recommendations, metrics and scorers alike: the higher score first, and of
equal scores the lower item index first. An item whose score is -inf is masked: it has no place in
the ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.utils import gen_batches

from skrecsec.utils._compiling import jit
from skrecsec.utils._sparse import check_compressed

__all__ = [
    "check_k",
    "item_ranks",
    "mask_seen",
    "rank_pairs",
    "row_blocks",
    "score_blocks",
    "top_k",
]

# A block of float64 scores, and one temporary of its size in whoever computes it.
_BYTES_PER_SCORE = 2 * 8

# In MiB. Arrays of at most 32 MiB are used again by the C library; larger ones are given back to
# the system, which then clears each page anew: up to a third of the time.
_SCORE_MEMORY = 64


def check_k(k) -> int:
    """Return the length of a recommendation list as an int, or raise a ValueError.

    Examples
    --------
    >>> from skrecsec.utils._ranking import check_k
    >>> check_k(50)
    50
    """
    if not isinstance(k, Integral) or isinstance(k, (bool, np.bool_)) or k < 1:
        raise ValueError(f"k, the length of the list, must be an integer >= 1, got {k!r}.")
    return int(k)


def row_blocks(n_rows: int, n_items: int, working_memory: float | None = None) -> Iterator[slice]:
    """Cut rows into blocks whose scores fit in scikit-learn's working memory.

    Parameters
    ----------
    n_rows : int
        Number of rows to cut.

    n_items : int
        Number of scores in a row.

    working_memory : float, default=None
        Memory for one block in MiB; None takes ``sklearn.get_config()["working_memory"]``.

    Yields
    ------
    block : slice
        Consecutive rows; at least one row, also where that exceeds the memory.

    Examples
    --------
    >>> from skrecsec.utils._ranking import row_blocks
    >>> list(row_blocks(3, 2**16, working_memory=2))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if n_rows == 0:
        return
    if working_memory is None:
        working_memory = get_config()["working_memory"]
    n_fitting = int(working_memory * 2**20 // (max(1, n_items) * _BYTES_PER_SCORE))
    yield from gen_batches(n_rows, max(1, n_fitting))


def score_blocks(n_rows: int, n_items: int, working_memory: float | None = None) -> Iterator[slice]:
    """Cut rows as `row_blocks` does, but into blocks of no more than 64 MiB unless told otherwise.

    For scores that are looked at once: larger blocks of them are slower.

    Examples
    --------
    >>> from skrecsec.utils._ranking import score_blocks
    >>> len(list(score_blocks(100, 2**16)))
    2
    """
    if working_memory is None:
        working_memory = min(_SCORE_MEMORY, get_config()["working_memory"])
    yield from row_blocks(n_rows, n_items, working_memory)


def mask_seen(scores: np.ndarray, seen) -> None:
    """Set the scores of the items that users have rated to -inf, in place.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_items), float
        Modified in place.

    seen : CSR matrix or array of shape (n_rows, n_items)
        Its stored entries are the rated items, whatever their values.

    Notes
    -----
    O(stored entries) time and memory.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skrecsec.utils._ranking import mask_seen
    >>> scores = np.array([[0.5, 0.25]])
    >>> mask_seen(scores, sp.csr_array([[4, 0]]))
    >>> scores
    array([[-inf, 0.25]])
    """
    if scores.shape != seen.shape:
        raise ValueError(f"scores have shape {scores.shape}, seen has shape {seen.shape}.")
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    scores[rows, seen.indices] = -np.inf


def top_k(scores: np.ndarray, k: int, *, seen=None) -> np.ndarray:
    """Return the `k` best items of each row, best first.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_items)
        Scores; -inf masks an item. Not modified.

    k : int
        Length of the list, at least 1; may exceed the number of items.

    seen : csr_array or csr_matrix of shape (n_rows, n_items), default=None
        Its stored entries, with sorted indices, mask items, too.

    Returns
    -------
    items : ndarray of shape (n_rows, k), dtype int64
        Item indices. Of equal scores the lower index comes first, at the last place too. Rows with
        fewer than `k` items that are not masked end in -1.

    Raises
    ------
    ValueError
        If `k` is not a positive integer or scores contain NaN.

    Notes
    -----
    One pass with a bounded heap: O(n_items + k log(k) log(n_items / k)) per row for scores in
    random order, O(n_items log k) for ascending ones; O(k) memory besides
    the result and copies of `seen`, and of scores that are no contiguous floats.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.utils._ranking import top_k
    >>> top_k(np.array([[0.1, 0.9, 0.9, -np.inf]]), 2)
    array([[1, 2]])
    >>> top_k(np.array([[0.1, 0.9, 0.9, -np.inf]]), 4)
    array([[ 1,  2,  0, -1]])
    """
    k = check_k(k)
    masked = _seen_arrays(seen, np.shape(scores))
    scores = _check_scores(scores, seen)
    items = np.full((scores.shape[0], k), -1, dtype=np.int64)
    _fill_top_k(scores, min(k, scores.shape[1]), items, *masked)
    return items


def item_ranks(scores: np.ndarray, rows: np.ndarray, items: np.ndarray, *, seen=None) -> np.ndarray:
    """Return the rank of single items in their rows, 0 for the best.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_items)
        Scores; -inf masks an item. Not modified.

    rows, items : ndarray of int of shape (n_pairs,)
        Item ``items[p]`` is ranked in row ``rows[p]``.

    seen : csr_array or csr_matrix of shape (n_rows, n_items), default=None
        Its stored entries mask items, too.

    Returns
    -------
    ranks : ndarray of shape (n_pairs,), dtype int64
        Number of items with a higher score, plus the number of items with the same score and a
        lower index; -1 for a masked item. ``0 <= rank < k`` exactly where :func:`top_k` lists the
        item.

    Raises
    ------
    ValueError
        If scores contain NaN.

    IndexError
        If a pair lies outside of `scores`.

    Notes
    -----
    O(n_pairs * n_items) time without a sort, no memory besides the result and copies
    as in :func:`top_k`; an item that is seen costs as much again for each of its row's pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.utils._ranking import item_ranks
    >>> scores = np.array([[0.1, 0.9, 0.9, -np.inf]])
    >>> item_ranks(scores, np.array([0, 0, 0]), np.array([0, 2, 3]))
    array([ 2,  1, -1])
    """
    masked = _seen_arrays(seen, np.shape(scores))
    scores = _check_scores(scores, seen)
    rows = np.ascontiguousarray(rows, dtype=np.intp)
    items = np.ascontiguousarray(items, dtype=np.intp)
    for index, n in ((rows, scores.shape[0]), (items, scores.shape[1])):
        # The compiled loop does not check bounds.
        if index.size and (index.min() < 0 or index.max() >= n):
            raise IndexError(f"rows or items lie outside of scores of shape {scores.shape}.")
    ranks = np.empty(rows.size, dtype=np.int64)
    _fill_ranks(scores, rows, items, ranks, *masked)
    return ranks


def rank_pairs(
    pairs,
    score_rows: Callable[[np.ndarray], np.ndarray],
    *,
    seen=None,
    working_memory: float | None = None,
) -> np.ndarray:
    """Rank chosen items of each user among the items the user has not seen, block by block.

    Parameters
    ----------
    pairs : csr_array of shape (n_rows, n_items)
        The stored entries are the (user, item) pairs to rank.

    score_rows : callable
        ``score_rows(rows)`` returns the scores of the given rows, an array of shape
        (n_rows_of_block, n_items), which is not modified. Rows without a pair are not asked for.

    seen : csr_array or csr_matrix of shape (n_rows, n_items), default=None
        Stored entries are rated items: they are masked, and leave the ranking.

    working_memory : float, default=None
        Memory for one block in MiB; None as in :func:`score_blocks`.

    Returns
    -------
    ranks : ndarray of shape (pairs.nnz,), dtype int64
        0-based ranks in the order of ``pairs.indices``; -1 for a masked item.

    Notes
    -----
    O(pairs * n_items) time besides the scores, memory for one block.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skrecsec.utils._ranking import rank_pairs
    >>> scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    >>> rank_pairs(sp.csr_array([[1, 0, 0], [0, 0, 1]]), lambda rows: scores[rows])
    array([2, 2])
    """
    n_pairs_per_row = np.diff(pairs.indptr)
    rows = np.flatnonzero(n_pairs_per_row)
    ranks = np.empty(pairs.nnz, dtype=np.int64)
    for block in score_blocks(rows.size, pairs.shape[1], working_memory):
        block_rows = rows[block]
        scores = score_rows(block_rows)
        block_seen = None if seen is None else seen[block_rows]
        stored = slice(pairs.indptr[block_rows[0]], pairs.indptr[block_rows[-1] + 1])
        scored_rows = np.repeat(np.arange(block_rows.size), n_pairs_per_row[block_rows])
        ranks[stored] = item_ranks(scores, scored_rows, pairs.indices[stored], seen=block_seen)
    return ranks


def _as_floats(scores):
    scores = np.asarray(scores)
    return scores if scores.dtype in (np.float32, np.float64) else scores.astype(np.float64)


def _check_scores(scores, seen=None):
    scores = np.ascontiguousarray(_as_floats(scores))
    # The maximum is NaN if any score is, and needs no temporary.
    if scores.size and np.isnan(scores.max()):
        if seen is not None:  # what is masked may be anything
            scores = scores.copy()
            mask_seen(scores, seen)
            return _check_scores(scores)
        raise ValueError("Scores contain NaN, so that items cannot be ranked.")
    return scores


def _seen_arrays(seen, shape):
    """Return the arrays of a CSR matrix as the compiled loops take them; empty rows for None."""
    if seen is None:
        return np.zeros(shape[0] + 1, dtype=np.int64), np.empty(0, dtype=np.int64)
    if seen.shape != shape:
        raise ValueError(f"scores have shape {shape}, seen has shape {seen.shape}.")
    check_compressed(seen.indptr, seen.indices, seen.indices.size, shape, "seen")
    return seen.indptr.astype(np.int64), seen.indices.astype(np.int64)


@jit
def _is_worse(score_a, item_a, score_b, item_b):
    return score_a < score_b or (score_a == score_b and item_a > item_b)


@jit
def _sift_down(scores, items, start, size):
    """Restore the heap, the worst item at its root, below position `start`."""
    score, item = scores[start], items[start]
    parent = start
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        other = child + 1
        if other < size and _is_worse(scores[other], items[other], scores[child], items[child]):
            child = other
        if not _is_worse(scores[child], items[child], score, item):
            break
        scores[parent], items[parent] = scores[child], items[child]
        parent = child
    scores[parent], items[parent] = score, item


@jit
def _fill_top_k(scores, k, lists, indptr, seen):
    kept = np.empty(k, dtype=scores.dtype)
    for row in range(scores.shape[0]):
        items = lists[row]
        size = 0
        position, end = indptr[row], indptr[row + 1]
        next_seen = seen[position] if position < end else -1
        for item in range(scores.shape[1]):
            if item == next_seen:
                position += 1
                next_seen = seen[position] if position < end else -1
                continue
            score = scores[row, item]
            if size < k:
                if score == -np.inf:
                    continue
                kept[size], items[size] = score, item
                size += 1
                if size == k:
                    for start in range(k // 2 - 1, -1, -1):
                        _sift_down(kept, items, start, k)
            # An equal score at a higher index is worse than all that is kept.
            elif score > kept[0]:
                kept[0], items[0] = score, item
                _sift_down(kept, items, 0, k)
        if size < k:
            for start in range(size // 2 - 1, -1, -1):
                _sift_down(kept, items, start, size)
        # The worst of the remaining items goes last.
        for last in range(size - 1, 0, -1):
            kept[0], kept[last] = kept[last], kept[0]
            items[0], items[last] = items[last], items[0]
            _sift_down(kept, items, 0, last)


@jit
def _fill_ranks(scores, rows, items, ranks, indptr, seen):
    for p in range(rows.size):
        row, item = rows[p], items[p]
        row_scores = scores[row]
        score = row_scores[item]
        # Two loops without a branch, so that they are vectorised.
        rank = 0
        for other in range(item):
            rank += row_scores[other] >= score
        for other in range(item + 1, row_scores.size):
            rank += row_scores[other] > score
        masked = score == -np.inf
        for x in range(indptr[row], indptr[row + 1]):
            other = seen[x]
            if other == item:
                masked = True
            elif row_scores[other] > score or (row_scores[other] == score and other < item):
                rank -= 1
        ranks[p] = -1 if masked else rank
