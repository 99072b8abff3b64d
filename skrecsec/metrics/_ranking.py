"""Metrics of ranked lists: hit ratios and the discounted cumulative gain of held-out items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from skrecsec.utils._ranking import check_k
from skrecsec.utils._scoring import (
    as_scores,
    held_out_ranks,
    hit_share,
    normalised_gain,
    target_ranks,
)
from skrecsec.utils._signatures import describe
from skrecsec.utils._typing import MatrixLike
from skrecsec.utils.validation import check_pattern

__all__ = ["hit_ratio_score", "ndcg_score", "target_hit_ratio_score"]


@describe
def hit_ratio_score(
    y_true: MatrixLike, y_score: ArrayLike, *, k: int = 50, seen: MatrixLike | None = None
) -> float:
    r"""Share of the held-out items that are among the top `k` unseen items of their users.

    With :math:`T` the set of (user, held-out item) pairs and :math:`L_u` the `k` unseen items with
    the highest scores of user :math:`u`,

    .. math:: HR@k = \frac{1}{|T|} \sum_{(u, i) \in T} [i \in L_u].

    With one held-out item per user that is the share of users whose item is found.

    Parameters
    ----------
    y_true : array-like of int of shape (n_users,), sparse matrix or HeldOut
        The held-out items: one per user with -1 for none, or a matrix whose stored entries are the
        held-out items. Users without one do not count.

    %(held_out_metric)s

    See Also
    --------
    ndcg_score : Takes the place in the list into account.
    target_hit_ratio_score : The same for the target items of an attack.

    Notes
    -----
    %(held_out_in_blocks)s

    References
    ----------
    %(section_6_1_4)s

    Examples
    --------
    >>> from skrecsec.metrics import hit_ratio_score
    >>> y_score = [[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]
    >>> hit_ratio_score([1, 2], y_score, k=1)
    0.0
    >>> hit_ratio_score([1, 2], y_score, k=1, seen=[[1, 0, 0], [0, 0, 0]])
    0.5
    """
    y_score, k, seen = _check_arguments(y_score, k, seen)
    _, ranks = held_out_ranks(y_true, y_score.shape, y_score.__getitem__, seen, name="y_true")
    return hit_share(ranks, k)


@describe
def target_hit_ratio_score(
    y_score: ArrayLike, target_items: ArrayLike, *, k: int = 50, seen: MatrixLike | None = None
) -> float:
    r"""Share of (user, target item) pairs where the target is in the user's top-`k` list.

    With :math:`U` the set of all users, :math:`T` the target items of an attack and :math:`L_u` the
    `k` unseen items with the highest scores of user :math:`u`,

    .. math:: HR@k = \frac{1}{|U| |T|} \sum_{u \in U} \sum_{t \in T} [t \in L_u].

    Parameters
    ----------
    %(y_score)s

    %(target_items)s

    %(k)s

    %(seen)s

    Returns
    -------
    score : float
        Between 0 and 1. High means that the targets are widely recommended: the attacker's success.

    Raises
    ------
    ValueError
        If target items are repeated, missing or out of range, the shapes do not fit, `k` is not a
        positive integer or scores are NaN.

    See Also
    --------
    rank_shift : How far an attack moved the targets.
    hit_ratio_score : The same for held-out items.

    Notes
    -----
    The mean is over all users, as in the paper: a target that a user has rated cannot be
    recommended to them and counts as a miss. So the hit ratio of a target cannot exceed the share
    of users that have not rated it.

    Pass the scores of genuine users only; fake profiles are not an audience.

    %(targets_in_blocks)s

    Examples
    --------
    >>> from skrecsec.metrics import target_hit_ratio_score
    >>> y_score = [[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]
    >>> target_hit_ratio_score(y_score, [1, 2], k=1)
    0.25
    >>> target_hit_ratio_score(y_score, [1, 2], k=1, seen=[[1, 0, 0], [0, 1, 0]])
    0.5
    """
    y_score, k, seen = _check_arguments(y_score, k, seen)
    return hit_share(target_ranks(target_items, y_score.shape, y_score.__getitem__, seen), k)


@describe
def ndcg_score(
    y_true: MatrixLike, y_score: ArrayLike, *, k: int = 50, seen: MatrixLike | None = None
) -> float:
    r"""Normalised discounted cumulative gain of held-out items in the top-`k` lists.

    With :math:`T_u` the held-out items of user :math:`u` and :math:`r_u(i)` the place of item
    :math:`i` among the unseen items of the user, 1 for the best,

    .. math::

        NDCG@k = \frac{1}{|U|} \sum_{u \in U}
            \frac{\sum_{i \in T_u, r_u(i) \le k} 1 / \log_2(1 + r_u(i))}
                 {\sum_{r=1}^{\min(k, |T_u|)} 1 / \log_2(1 + r)}

    over the users :math:`U` that have held-out items.

    Parameters
    ----------
    y_true : array-like of int of shape (n_users,), sparse matrix or HeldOut
        The held-out items: one per user with -1 for none, or a matrix whose stored entries are the
        held-out items; all are equally relevant. Users without one do not count.

    %(held_out_metric)s

    See Also
    --------
    hit_ratio_score : Counts the items found, wherever in the list they are.
    sklearn.metrics.ndcg_score : For graded relevance, without masking; averages over ties.

    Notes
    -----
    %(held_out_in_blocks)s

    References
    ----------
    .. [1] Järvelin, K., Kekäläinen, J. "Cumulated gain-based evaluation of IR techniques". ACM
       Transactions on Information Systems 20(4), 422-446 (2002).

    Examples
    --------
    >>> from skrecsec.metrics import ndcg_score
    >>> y_score = [[0.9, 0.8, 0.1, 0.0]]
    >>> ndcg_score([0], y_score), ndcg_score([2], y_score), ndcg_score([2], y_score, k=2)
    (1.0, 0.5, 0.0)
    """
    y_score, k, seen = _check_arguments(y_score, k, seen)
    held_out, ranks = held_out_ranks(
        y_true, y_score.shape, y_score.__getitem__, seen, name="y_true"
    )
    return normalised_gain(held_out, ranks, k)


def _check_arguments(y_score, k, seen):
    y_score = check_scores(y_score, "y_score")
    return y_score, check_k(k), check_seen(seen, y_score.shape)


def check_scores(scores: ArrayLike, name: str) -> np.ndarray:
    """Return scores as a 2-D array, in their own dtype.

    NaN is looked for block by block, where it matters; conversion to floats waits until then too.
    """
    if isinstance(scores, np.ma.MaskedArray):
        scores = as_scores(scores)
    scores = check_array(scores, ensure_all_finite=False, input_name=name)
    if scores.dtype.kind in "mM":
        raise ValueError(f"{name} holds dates or times, not scores.")
    return scores


def check_seen(seen: MatrixLike | None, shape: tuple[int, int]) -> sp.csr_array | None:
    """Return the rated items as CSR with ones at the stored entries, or None."""
    if seen is None:
        return None
    seen = check_pattern(seen, name="seen")
    if seen.shape != shape:
        raise ValueError(
            f"seen must have the shape of the scores, {shape}, rows are users and columns are "
            f"items; got shape {seen.shape}."
        )
    return seen
