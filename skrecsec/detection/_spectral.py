"""Spectral clustering of users: the group that is most alike is cut out of a graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh

from skrecsec.base import BaseProfileDetector
from skrecsec.detection._common import explain
from skrecsec.detection._counts import rows_of
from skrecsec.utils._compat import Count, Fraction, Number, StrOptions
from skrecsec.utils._ranking import row_blocks
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# Of graphs with so few users all eigenvectors are computed.
_SMALL = 200
_ROUNDING = 1e-9
# A block of sparse similarities takes several times the memory of a dense one.
_BLOCK_MEMORY = 8


class _Found(NamedTuple):
    X: object
    users: np.ndarray


@register("detector", "spectral", title="Spectral clustering")
@complete
class SpectralDetector(BaseProfileDetector):
    r"""Find the group of profiles that correlate most with each other, by spectral clustering.

    Parameters
    ----------
    %(detector.contamination)s

    %(detector.trusted_users)s

    similarity : {"pearson", "cosine"}, default="pearson"
        Similarity of profiles: the cosine of ratings less the user's mean, or of ratings; a
        missing rating is 0.

    edge_density : float, default=0.01
        Share, in (0, 1], of the pairs of users that are edges of the graph: the most similar ones.

    min_users : int, default=5
        Number of users in a group, at least; at least 2.

    min_rise : float, default=0.2
        By which share the mean similarity has to rise for a group to be divided again.

    Attributes
    ----------
    %(detector.attributes)s

    group_users_ : ndarray of int
        The group that was found, ascending.

    See Also
    --------
    LockstepDetector : Asks for items in common, not for similar profiles.

    Notes
    -----
    The most similar pairs are the edges of a graph, A their similarities and D its degrees. A part
    of the graph is divided by the second eigenvector y of its normalized Laplacian
    :math:`I - D^{-1/2} A D^{-1/2}`: users are sorted by :math:`y_u / \sqrt{D_u}` and divided where
    the normalized cut is least; a part that is not connected falls into its components. The
    division with the highest mean similarity, over all its pairs, edges or not, is kept and divided
    again, as long as that rises.

    `profile_scores_` are minus the mean similarity to the group found, as a share of 1 in [0, 1],
    less 1 for its members.

    The paper assumes that there is an attack. The rule of ``contamination="auto"`` is ours: the
    group is called fake only if most pairs of its members are edges, and their edges weigh more
    than those to all others; else nobody is. Ours, too, are the measure of similarity, the cut by
    sorting, `min_users` and `min_rise`: without these, groups would be divided down to pairs, since
    there is always a part that is a little more alike than the whole.

    Time O(sum of squared column sums of the number of ratings) for the similarities and O(n_edges)
    for each of some dozens of iterations in each division. Memory O(n_ratings + n_edges), where
    n_edges is `edge_density` n_users² / 2, more where similarities are equal, and a block bounded
    by scikit-learn's `working_memory`.

    It needs profiles that correlate highly with each other, as the paper says: near duplicates, not
    profiles that share their targets only, nor copies of different genuine profiles. Genuine users
    of very few ratings are near duplicates as well.

    References
    ----------
    .. [1] Z. Zhang, S. R. Kulkarni, "Detection of Shilling Attacks in Recommender Systems via
       Spectral Clustering", FUSION 2014.

    .. [2] Z. Zhang, S. R. Kulkarni, "Graph-Based Detection of Shilling Attacks in Recommender
       Systems", MLSP 2013. :doi:`10.1109/MLSP.2013.6661953`

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import SpectralDetector
    >>> X = make_ratings(200, 150, density=0.1, random_state=0)
    >>> copies = sp.vstack([X] + [X[[7]]] * 6)
    >>> SpectralDetector(edge_density=0.005).fit(copies).group_users_.tolist()
    [7, 200, 201, 202, 203, 204, 205]
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "similarity": [StrOptions({"pearson", "cosine"})],
        "edge_density": [Fraction()],
        "min_users": [Count(2)],
        "min_rise": [Number(0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        contamination="auto",
        trusted_users=None,
        similarity="pearson",
        edge_density=0.01,
        min_users=5,
        min_rise=0.2,
    ):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.similarity = similarity
        self.edge_density = edge_density
        self.min_users = min_users
        self.min_rise = min_rise

    def _judge(self, X, is_trusted):
        Z = _unit_rows(X, self.similarity)
        with single_threaded():
            graph = most_similar(Z, self.edge_density)
            group = find_group(graph, self.min_users, self.min_rise)
        is_member = np.zeros(X.shape[0], dtype=bool)
        is_member[group] = True
        suspicion = (1 + _mean_similarity(Z, is_member)) / 2
        suspicion[np.diff(Z.indptr) == 0] = 0
        suspicion = np.maximum(suspicion, _ROUNDING * is_member) + is_member
        self.group_users_ = group
        offset = -1.0 if _is_clique_apart(graph, is_member) else -2.0  # no score is below -2
        return -np.minimum(suspicion, 2), offset, _Found(X, group)

    def _find_groups(self, evidence, labels):
        return explain(evidence.X, evidence.users, labels)


def _unit_rows(X, similarity):
    """Return ratings, less the mean of the user or not, divided by the norm of the row."""
    rows = rows_of(X)
    lengths = np.maximum(np.diff(X.indptr), 1)
    values = X.data
    if similarity == "pearson":
        values = values - (np.bincount(rows, values, minlength=X.shape[0]) / lengths)[rows]
    norms = np.sqrt(np.bincount(rows, values**2, minlength=X.shape[0]))
    is_varied = norms > _ROUNDING * X.data.max() * np.sqrt(lengths)
    Z = sp.csr_array((values / np.where(is_varied, norms, 1)[rows], X.indices, X.indptr), X.shape)
    Z.data[~is_varied[rows]] = 0
    Z = Z.copy()
    Z.eliminate_zeros()
    return Z


def most_similar(Z, edge_density):
    """Return the graph (symmetric CSR) of the most similar pairs of rows, and of those as similar.

    Only similarities above 0 count. After each block of rows no more pairs are kept than needed.
    """
    n = Z.shape[0]
    n_judged = int((np.diff(Z.indptr) > 0).sum())
    n_edges = int(np.ceil(edge_density * n_judged * (n_judged - 1) / 2))
    first, second = np.empty((2, 0), dtype=np.int64)
    values = np.empty(0)
    for rows in row_blocks(n, _BLOCK_MEMORY * n):
        pairs = (Z[rows] @ Z[rows.start :].T).tocoo()
        kept = (pairs.row < pairs.col) & (pairs.data > _ROUNDING)
        values = np.concatenate([values, np.round(pairs.data[kept], 9)])
        first = np.concatenate([first, pairs.row[kept] + rows.start])
        second = np.concatenate([second, pairs.col[kept] + rows.start])
        if values.size > n_edges > 0:
            least = np.partition(values, values.size - n_edges)[values.size - n_edges]
            kept = values >= least
            first, second, values = first[kept], second[kept], values[kept]
    half = sp.coo_array((values, (first, second)), shape=(n, n))
    return sp.csr_array(half + half.T)


def find_group(graph, min_users, min_rise):
    """Return the users of the group that is left when no division has a higher mean."""
    users = np.flatnonzero(np.diff(graph.indptr))
    parts = _components(graph[users][:, users], min_users)
    mean = 0.0
    while parts:
        means = [round(_mean_weight(graph, users[part]), 9) for part in parts]
        if max(means) <= mean * (1 + min_rise):
            break
        # Of parts that are as alike the largest, or all that are as large, which is no group then.
        largest = max(zip(means, map(len, parts), strict=True))
        best = [part for part, m in zip(parts, means, strict=True) if (m, part.size) == largest]
        users, mean = np.sort(users[np.concatenate(best)]), largest[0]
        if len(best) > 1:
            break
        parts = _divide(graph[users][:, users], min_users)
    return users if mean else users[:0]


def _mean_weight(A, users):
    """Return the mean weight of all pairs of these users, edges or not."""
    return A[users][:, users].sum() / (users.size * (users.size - 1))


def _components(A, min_users):
    """Return the connected components of a graph that have enough nodes."""
    _, labels = connected_components(A, directed=False)
    sizes = np.bincount(labels)
    return [np.flatnonzero(labels == part) for part in np.flatnonzero(sizes >= min_users)]


def _divide(A, min_users):
    """Return the parts of a graph: its components if there are several, or those of a cut."""
    if connected_components(A, directed=False, return_labels=False) > 1:
        return _components(A, min_users)
    if A.shape[0] < 2 * min_users:
        return []
    order, place = _least_cut(A, _second_eigenvector(A), min_users)
    return [np.sort(order[:place]), np.sort(order[place:])] if place else []


def _second_eigenvector(A):
    """Return the second eigenvector of the normalized Laplacian over the roots of degrees."""
    degrees = np.asarray(A.sum(axis=1)).ravel()
    roots = np.sqrt(degrees)
    normal = A * (1 / roots)[:, None] * (1 / roots)[None, :]
    if A.shape[0] <= _SMALL:
        return np.linalg.eigh(normal.toarray())[1][:, -2] / roots
    first = roots / np.linalg.norm(roots)
    # The first eigenvector, of the value 1, is moved to the other end of the spectrum.
    operator = LinearOperator(
        A.shape,
        matvec=lambda v: normal @ v.ravel() - 2 * first * (first @ v.ravel()),
        dtype=float,
    )
    start = degrees - first * (first @ degrees)
    _, vectors = eigsh(operator, k=1, which="LA", v0=start, tol=1e-8)
    return vectors[:, 0] / roots


def _least_cut(A, values, min_users):
    """Return nodes by value, and the place of the least normalized cut, 0 if there is none."""
    values = np.round(values / np.abs(values).max(), 7)
    order = np.argsort(values, kind="stable")
    places = np.empty(order.size, dtype=np.int64)
    places[order] = np.arange(order.size)
    pairs = A.tocoo()
    low = np.minimum(places[pairs.row], places[pairs.col])
    high = np.maximum(places[pairs.row], places[pairs.col])
    n = order.size
    # Each pair is stored twice, and is cut at all places above the lower, up to the higher.
    change = np.bincount(low + 1, pairs.data, minlength=n + 1)[: n + 1]
    change -= np.bincount(high + 1, pairs.data, minlength=n + 1)[: n + 1]
    cut = np.cumsum(change)[1:n] / 2
    volume = np.cumsum(np.asarray(A.sum(axis=1)).ravel()[order])
    before, after = volume[:-1], volume[-1] - volume[:-1]
    cost = cut / before + cut / np.maximum(after, 1e-300)
    place = np.arange(1, n)
    allowed = (place >= min_users) & (n - place >= min_users)
    allowed &= values[order][1:] > values[order][:-1]
    if not allowed.any():
        return order, 0
    return order, int(place[allowed][np.argmin(np.round(cost[allowed], 9))])


def _mean_similarity(Z, is_member):
    """Return the mean similarity of each user to the others of the group."""
    total = is_member @ Z
    sums = Z @ total
    own = np.asarray(Z.multiply(Z).sum(axis=1)).ravel()
    n_others = np.maximum(is_member.sum() - is_member, 1)
    return np.clip((sums - own * is_member) / n_others, -1, 1)


def _is_clique_apart(graph, is_member):
    """Return whether members are joined by most edges that can be, and hardly to others."""
    edges = sp.csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    n_pairs = is_member.sum() * (is_member.sum() - 1)
    inner = is_member @ (graph @ is_member.astype(float))
    is_apart = inner > (graph.sum(axis=1).ravel() @ is_member) / 2
    return bool(is_apart and is_member @ (edges @ is_member.astype(float)) > n_pairs / 2)
