"""Metrics of what an attack changed, and of how much of it a defense undoes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from skrecsec.metrics._ranking import check_scores, check_seen
from skrecsec.utils._items import check_target_items
from skrecsec.utils._scoring import shifts_of_ranks, target_ranks
from skrecsec.utils._signatures import describe
from skrecsec.utils._typing import MatrixLike

__all__ = ["prediction_shift", "rank_shift", "robustness_improvement_score"]


@describe
def rank_shift(
    before: ArrayLike, after: ArrayLike, target_items: ArrayLike, *, seen: MatrixLike | None = None
) -> np.ndarray:
    """Places by which an attack moved the target items in each user's ranking.

    The shift is the rank before the attack minus the rank after it, both among the unseen items of
    the user: positive for a target that was promoted, 0 if it did not move.

    Parameters
    ----------
    before : array-like of shape (n_users, n_items)
        Scores predicted without the attack, the higher the better. Of equal scores the lower item
        index is ranked first.

    after : array-like of shape (n_users, n_items)
        Scores predicted under the attack, for the same users and items.

    %(target_items)s

    %(seen)s

    Returns
    -------
    shift : ndarray of shape (n_users, n_targets)
        In the order of `target_items`; NaN where the user has rated the target or one of its scores
        is -inf, so that it has no rank.

    Raises
    ------
    ValueError
        If target items are repeated, missing or out of range, the shapes do not fit or scores are
        NaN.

    See Also
    --------
    prediction_shift : By how much the scores of the targets moved.
    target_hit_ratio_score : How often the targets are recommended.

    Notes
    -----
    %(targets_in_blocks)s

    Examples
    --------
    >>> from skrecsec.metrics import rank_shift
    >>> before = [[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]
    >>> after = [[0.9, 0.8, 1.0], [0.2, 0.7, 1.0]]
    >>> rank_shift(before, after, [2])
    array([[2.],
           [1.]])
    """
    before, after = _check_before_and_after(before, after)
    seen = check_seen(seen, before.shape)
    ranks_before, ranks_after = (
        target_ranks(target_items, scores.shape, scores.__getitem__, seen)
        for scores in (before, after)
    )
    return shifts_of_ranks(ranks_before, ranks_after)


@describe
def prediction_shift(
    before: ArrayLike, after: ArrayLike, target_items: ArrayLike, *, seen: MatrixLike | None = None
) -> float:
    r"""Mean change of the scores of the target items that an attack caused.

    With :math:`P` the pairs of a user and a target that the user has not rated,

    .. math:: \frac{1}{|P|} \sum_{(u, t) \in P} (after_{ut} - before_{ut}).

    Parameters
    ----------
    before : array-like of shape (n_users, n_items)
        Scores predicted without the attack.

    after : array-like of shape (n_users, n_items)
        Scores predicted under the attack, for the same users and items.

    %(target_items)s

    seen : {sparse matrix, array-like} of shape (n_users, n_items), default=None
        The items that the users have rated: the stored entries of a sparse matrix, the non-zero
        entries of a dense one. None takes all users and targets.

    Returns
    -------
    shift : float
        On the scale of the scores; positive where the targets are rated higher than before. NaN if
        every user has rated every target.

    Raises
    ------
    ValueError
        If target items are repeated, missing or out of range, the shapes do not fit or scores of
        targets are not finite.

    Warns
    -----
    UserWarning
        If every user has rated every target, so that there is nothing to average.

    See Also
    --------
    rank_shift : By how many places the targets moved, which is what users see.

    Notes
    -----
    O(n_users * n_targets) time and memory.

    References
    ----------
    .. [1] Mobasher, B., Burke, R., Bhaumik, R., Williams, C. "Toward trustworthy recommender
       systems: An analysis of attack models and algorithm robustness". ACM Transactions on Internet
       Technology 7(4), 23 (2007).

    Examples
    --------
    >>> from skrecsec.metrics import prediction_shift
    >>> before = [[3.0, 2.0], [4.0, 1.0]]
    >>> after = [[3.0, 2.5], [4.0, 4.5]]
    >>> prediction_shift(before, after, [1])
    2.0
    >>> prediction_shift(before, after, [1], seen=[[0, 0], [0, 5]])
    0.5
    """
    before, after = _check_before_and_after(before, after)
    targets = check_target_items(target_items, before.shape[1])
    seen = check_seen(seen, before.shape)
    unseen = np.ones((before.shape[0], targets.size), dtype=bool)
    if seen is not None:
        unseen &= seen[:, targets].toarray() == 0
    if not unseen.any():
        warnings.warn(
            "Every user has rated every target item; the prediction shift is undefined (NaN).",
            UserWarning,
            stacklevel=2,
        )
        return float("nan")
    with np.errstate(invalid="ignore"):
        shift = np.subtract(after[:, targets][unseen], before[:, targets][unseen], dtype=np.float64)
    if not np.isfinite(shift).all():
        raise ValueError("Scores of target items must be finite to have a shift.")
    return float(np.mean(shift))


@describe
def robustness_improvement_score(
    hr_origin: ArrayLike, hr_attack: ArrayLike, hr_defense: ArrayLike
) -> float | np.ndarray:
    r"""Share of the damage of an attack that a defense undoes.

    .. math:: RI = 1 - \frac{HR_{defense} - HR_{origin}}{HR_{attack} - HR_{origin}}

    where :math:`HR` is the hit ratio of the target items, or of held-out items.

    Parameters
    ----------
    hr_origin : float or array-like
        Hit ratio of the undefended model without the attack.

    hr_attack : float or array-like
        Hit ratio of the undefended model under the attack.

    hr_defense : float or array-like
        Hit ratio of the defended model under the attack. Array-likes are broadcast.

    Returns
    -------
    score : float or ndarray
        1 if the defense restores the hit ratio of the clean model, 0 if it changes nothing,
        negative if it makes things worse. It exceeds 1 if the targets are recommended even less
        than without the attack. NaN where the attack changed nothing.

    Raises
    ------
    ValueError
        If the arguments are not numbers from 0 to 1, or cannot be broadcast; NaN, which stands for
        what could not be measured, gives NaN.

    Warns
    -----
    UserWarning
        If `hr_attack` equals `hr_origin`: there is no damage, and RI is undefined.

    See Also
    --------
    target_hit_ratio_score : The hit ratio of target items.

    Notes
    -----
    O(1) per value. RI is a ratio of differences: where an attack hardly works, small changes of the
    hit ratios move it a lot.

    References
    ----------
    %(section_6_1_4)s
    .. [2] Wu, C., Lian, D., Ge, Y., Zhu, Z., Chen, E., Yuan, S. "Fight fire with fire: Towards
       robust recommender systems via adversarial poisoning training". SIGIR, 1074-1083 (2021).

    Examples
    --------
    >>> from skrecsec.metrics import robustness_improvement_score
    >>> robustness_improvement_score(0.0, 0.5, 0.125)
    0.75
    >>> robustness_improvement_score(0.0, 0.5, [0.0, 0.5, 1.0])
    array([ 1.,  0., -1.])
    """
    origin, attack, defense = np.broadcast_arrays(
        _check_hit_ratios(hr_origin, "hr_origin"),
        _check_hit_ratios(hr_attack, "hr_attack"),
        _check_hit_ratios(hr_defense, "hr_defense"),
    )
    damage = attack - origin
    if np.any(damage == 0):
        warnings.warn(
            "The hit ratio under attack equals the one without it; the robustness improvement is "
            "undefined (NaN) there.",
            UserWarning,
            stacklevel=2,
        )
    damage = np.where(damage == 0, np.nan, damage)
    score = 1 - (defense - origin) / damage
    return float(score) if score.ndim == 0 else score


def _check_hit_ratios(values, name):
    # None would become NaN, and text a number.
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: could not convert {values!r} to hit ratios, numbers from 0 to 1."
        )
    array = array.astype(np.float64)
    if ((array < 0) | (array > 1)).any():
        raise ValueError(f"{name} must be hit ratios, numbers from 0 to 1, got {values!r}.")
    return array


def _check_before_and_after(before, after):
    before = check_scores(before, "before")
    after = check_scores(after, "after")
    if before.shape != after.shape:
        raise ValueError(
            f"before and after must have the same shape, (n_users, n_items), got {before.shape} "
            f"and {after.shape}."
        )
    return before, after
