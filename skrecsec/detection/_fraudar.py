"""FRAUDAR: dense blocks of users and items, found by peeling off what is connected least."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseProfileDetector
from skrecsec.detection._common import describe_group
from skrecsec.detection._counts import log_choices, log_ratio, pattern_of_ratings, rows_of
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._compiling import jit
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# What differs by less, as a share of the largest weight or density, differs by rounding only.
_ROUNDING = 1e-9


class Block(NamedTuple):
    """A dense block.

    Parameters
    ----------
    users, items : ndarray of int
        Its rows and columns, ascending.

    density : float
        Weight of its interactions for each of its users and items.

    lift : float
        Its number of interactions over that expected by degrees.

    net : float
        How surprising that number is, in nats, less the log of the number of blocks of that size.
    """

    users: np.ndarray
    items: np.ndarray
    density: float
    lift: float
    net: float


@register("detector", "fraudar", title="FRAUDAR")
@complete
class FraudarDetector(BaseProfileDetector):
    r"""Find dense blocks of users and items, with less weight for popular items: FRAUDAR.

    Parameters
    ----------
    %(detector.contamination)s

    %(detector.trusted_users)s
        Their ratings are left out.

    n_blocks : int, default=5
        Number of blocks that are looked for, one after the other.

    interactions : {"all", "top"} or float, default="all"
        What a rating has to be to count: ``"all"`` ratings do, those of the highest level, or
        those of at least this height.

    min_lift : float, default=8.0
        How many times as many interactions as the numbers of ratings of its users and items
        explain a block has to have for ``contamination="auto"`` to call its users fake.

    Attributes
    ----------
    %(detector.attributes)s

    densities_ : ndarray of shape (n_found,)
        Densities of the blocks, in the order in which they were found.

    lifts_ : ndarray of shape (n_found,)
        Their lifts.

    See Also
    --------
    LockstepDetector : Compares with how often users rate, and items are rated.

    Notes
    -----
    A set S of users and items has the density

    .. math:: g(S) = \frac{1}{|S|} \sum_{(u, i) \in S} \frac{1}{\log(c_i + 5)} ,

    over the interactions within S; :math:`c_i` is the number of interactions of i, so that fakes
    gain little by rating what is popular. From all users and items the one is taken away that has
    the least weight in what is left, again and again. The block is the set on the way with the
    highest density: at least half of the highest that there is. Its interactions are removed, and
    the next block is sought in the rest, weights made anew.

    Of several with the least weight all are taken away at once, where the paper is free to choose,
    so that nothing depends on the order of rows and columns; the bound is the same: before the
    first user or item of the densest set is taken away, each has at least its density as weight.

    Users in a block rank before all others, by the density of their densest block, as a share of
    that of the first; the others by the highest density of a set that they were in on the way.
    Which blocks are fraud is left to the reader of the paper. The rule of ``contamination="auto"``
    is ours: a block has N interactions, at least `min_lift` times the expected number E,
    :math:`\sum_{u, i \in S} r_u c_i / \sum_u r_u` with :math:`r_u` the number of those of u, and
    :math:`N \log(N / E) - (N - E)` is more than the log of the number of sets of as many users and
    items. Users in such a block rank first of all. ``groups_`` are the blocks with users that are
    called fake.

    Time O(n_blocks n_ratings log(n_users + n_items)), by a heap; memory O(n_ratings).

    The densest blocks of real ratings are active users and popular items: few fakes, and few
    targets, are hardly ever a block of their own among them.

    References
    ----------
    .. [1] B. Hooi, H. A. Song, A. Beutel, N. Shah, K. Shin, C. Faloutsos, "FRAUDAR: Bounding Graph
       Fraud in the Face of Camouflage", KDD 2016. :doi:`10.1145/2939672.2939747`

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import FraudarDetector
    >>> X = make_ratings(1000, 600, density=0.02, random_state=0).tolil()
    >>> X[10:30, 150:170] = 5
    >>> group = FraudarDetector(n_blocks=1, min_lift=5.0).fit(X).groups_[0]
    >>> group.users.tolist() == list(range(10, 30))
    True
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "n_blocks": [Count()],
        "interactions": [StrOptions({"all", "top"}), Number(0, None, closed="neither")],
        "min_lift": [Number(0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        contamination="auto",
        trusted_users=None,
        n_blocks=5,
        interactions="all",
        min_lift=8.0,
    ):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.n_blocks = n_blocks
        self.interactions = interactions
        self.min_lift = min_lift

    def _judge(self, X, is_trusted):
        least = {"all": 0.0, "top": X.data.max()}.get(self.interactions, self.interactions)
        B = pattern_of_ratings(X, (X.data >= least) & ~is_trusted[rows_of(X)])
        blocks, first = find_blocks(B, self.n_blocks)
        self.densities_ = np.array([block.density for block in blocks])
        self.lifts_ = np.array([block.lift for block in blocks])
        return -_suspicion(blocks, first, self.min_lift), -2.0, (X, B, blocks)

    def _find_groups(self, evidence, labels):
        X, B, blocks = evidence
        return [
            describe_group(X, B, block.users, block.items)
            for block in blocks
            if (labels[block.users] == -1).any()
        ]


def _suspicion(blocks, first, min_lift):
    """Return values below 1 outside of blocks, up to 2 in them, above in those of a high lift."""
    suspicion = first / (2 * max(first.max(), 1e-300))
    for block in blocks:
        share = min(block.density / blocks[0].density, 1)
        value = 1 + share + (block.lift >= min_lift and block.net > 0)
        suspicion[block.users] = np.maximum(suspicion[block.users], value)
    return suspicion


def find_blocks(B, n_blocks):
    """Return up to so many dense blocks of a pattern (CSR, ones), and how near users came to one.

    The latter, (n_users,), is the highest density of a set that the user was in before the first
    block was left.
    """
    r, c = np.diff(B.indptr).astype(float), np.bincount(B.indices, minlength=B.shape[1])
    rows, columns = rows_of(B), B.indices
    blocks = []
    first = np.zeros(B.shape[0])
    while rows.size and len(blocks) < n_blocks:
        in_users, in_items, densities, batches = peel(rows, columns, B.shape)
        if not blocks:
            first = np.maximum.accumulate(densities)[batches[: B.shape[0]]]
        inside = in_users[rows] & in_items[columns]
        expected = (r @ in_users) * (c @ in_items) / B.nnz
        n_inside = np.count_nonzero(B[in_users][:, in_items].data)
        users, items = np.flatnonzero(in_users), np.flatnonzero(in_items)
        net = log_ratio(n_inside, expected) - log_choices(np.count_nonzero(r), users.size)
        net -= log_choices(np.count_nonzero(c), items.size)
        lift = n_inside / expected
        blocks.append(Block(users, items, float(densities.max()), float(lift), float(net)))
        rows, columns = rows[~inside], columns[~inside]
    return blocks, first


def peel(rows, columns, shape):
    """Peel a bipartite graph, given by its edges sorted by rows.

    Returns
    -------
    in_users, in_items : ndarray of bool of shape (n_users,), (n_items,)
        The densest set on the way.

    densities : ndarray of shape (n_batches,)
        Densities of what was left, before each batch of users and items was taken away.

    batches : ndarray of int of shape (n_users + n_items,)
        The batch with which each user, and then each item, was taken away.
    """
    n_users, n_items = shape
    c = np.bincount(columns, minlength=n_items)
    weights = 1 / np.log(c + 5.0)
    by_row = sp.csr_array((np.ones(rows.size), (rows, columns)), shape=shape)
    by_column = sp.csc_array(by_row)
    keys = np.concatenate([by_row @ weights, c * weights])
    densities = np.zeros(keys.size)
    batches = np.zeros(keys.size, dtype=np.int64)
    n_batches = _peel(
        by_row.indptr.astype(np.int64), by_row.indices.astype(np.int64),
        by_column.indptr.astype(np.int64), by_column.indices.astype(np.int64),
        weights, keys, _ROUNDING * weights.max(), densities, batches,
    )  # fmt: skip
    densities = densities[:n_batches]
    # Of sets that are as dense the smallest, whatever rounding makes of them.
    best = np.flatnonzero(densities >= densities.max() * (1 - _ROUNDING))[-1]
    kept = batches >= best
    return kept[:n_users], kept[n_users:], densities, batches


@jit
def _rise(heap, places, keys, place):
    """Move a node up in a heap, the least key on top, until its parent's key is no higher."""
    node = heap[place]
    while place > 0:
        parent = (place - 1) // 2
        if keys[heap[parent]] <= keys[node]:
            break
        heap[place] = heap[parent]
        places[heap[place]] = place
        place = parent
    heap[place] = node
    places[node] = place


@jit
def _sink(heap, places, keys, size):
    """Move the node on top down, until its children's keys are no lower."""
    node = heap[0]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and keys[heap[child + 1]] < keys[heap[child]]:
            child += 1
        if keys[heap[child]] >= keys[node]:
            break
        heap[place] = heap[child]
        places[heap[place]] = place
        place = child
    heap[place] = node
    places[node] = place


@jit
def _peel(
    indptr, indices, item_indptr, item_users, weights, keys, tolerance, densities, batches
):  # fmt: skip
    n_users, n = indptr.size - 1, keys.size
    heap, places = np.empty(n, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for node in range(n):
        heap[node] = node
        _rise(heap, places, keys, node)
    is_left = np.ones(n, dtype=np.bool_)
    taken = np.empty(n, dtype=np.int64)
    total, size, batch = keys[:n_users].sum(), n, 0
    while size > 0:
        densities[batch] = total / size
        highest = keys[heap[0]] + tolerance
        n_taken = 0
        while size > 0 and keys[heap[0]] <= highest:
            node = heap[0]
            taken[n_taken] = node
            n_taken += 1
            places[node] = -1
            size -= 1
            if size > 0:
                heap[0] = heap[size]
                _sink(heap, places, keys, size)
        for t in range(n_taken):
            node = taken[t]
            batches[node] = batch
            is_left[node] = False
            is_user = node < n_users
            start = indptr[node] if is_user else item_indptr[node - n_users]
            stop = indptr[node + 1] if is_user else item_indptr[node - n_users + 1]
            for x in range(start, stop):
                other = indices[x] + n_users if is_user else item_users[x]
                if not is_left[other]:
                    continue
                weight = weights[indices[x]] if is_user else weights[node - n_users]
                keys[other] -= weight
                total -= weight
                if places[other] >= 0:
                    _rise(heap, places, keys, places[other])
        batch += 1
    return batch
