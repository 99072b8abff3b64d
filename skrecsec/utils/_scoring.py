"""Ranks that an estimator gives to held-out items and to targets, block by block.

Scorers, studies and `BaseRecommender.score` go through here, so that all see what the recommender
sees: what a pipeline does to profiles before its last step is done once, and the items that are
masked are those of the profiles that reach the recommender.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from skrecsec.utils._compat import _safe_indexing
from skrecsec.utils._held_out import held_out_items
from skrecsec.utils._items import check_target_items
from skrecsec.utils._ranking import rank_pairs
from skrecsec.utils._sparse import check_structure, fresh_csr
from skrecsec.utils.validation import check_pattern

ScoreRows = Callable[[np.ndarray], np.ndarray]


class Profiles(NamedTuple):
    """Profiles as a recommender is asked about them.

    Parameters
    ----------
    seen : csr_array of shape (n_profiles, n_items)
        Ones at the rated items.

    score_rows : callable
        Returns the predictions for chosen rows.

    item_names : ndarray of shape (n_items,) or None
        Names of the items.

    X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
        What reaches the recommender.
    """

    seen: sp.csr_array
    score_rows: ScoreRows
    item_names: np.ndarray | None
    X: object

    @property
    def shape(self) -> tuple[int, int]:
        """(n_profiles, n_items)."""
        return self.seen.shape

    def target_ranks(self, target_items: ArrayLike) -> np.ndarray:
        """Rank target items, see :func:`target_ranks`; they may be given by name."""
        return target_ranks(
            target_items, self.shape, self.score_rows, self.seen, item_names=self.item_names
        )


def profiles_for(estimator, X) -> Profiles:
    """Return the profiles in `X` as the recommender at the end of an estimator sees them.

    Parameters
    ----------
    estimator : recommender, pipeline that ends with one, or fitted search over either
        Fitted.

    X : {array-like, sparse matrix, sparse array} of shape (n_profiles, n_items)
        Profiles. Only which entries are stored is checked here, the rest is up to the estimator.

    Returns
    -------
    profiles : Profiles
        Predictions are pure functions of a profile, so that rows can be asked for in blocks.
    """
    check_estimator(estimator)
    given = _columns(X)
    recommender, X = last_step(estimator, X)
    seen = check_pattern(X)
    if sp.issparse(X):  # and checked, so that it can be converted
        X = fresh_csr(X.tocsr())
    names = next((names for names in (_columns(X), given) if len(names) == seen.shape[1]), None)

    def score_rows(rows):
        scores = as_scores(recommender.predict(_safe_indexing(X, rows)))
        if scores.shape != (rows.size, seen.shape[1]):
            raise ValueError(
                f"{type(recommender).__name__}.predict must return an array or a frame of scores "
                f"of shape {(rows.size, seen.shape[1])}, got {scores.dtype} of {scores.shape}."
            )
        return scores

    return Profiles(seen, score_rows, names, X)


def _columns(X):
    return np.asarray(getattr(X, "columns", ()))


def check_estimator(estimator) -> None:
    """Raise a ValueError if this is not something that predicts."""
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        raise ValueError(
            f"The estimator to be scored must be a fitted recommender, one with `predict`, "
            f"got {estimator!r}."
        )


def last_step(estimator, X):
    """Return the recommender at the end of an estimator, and `X` as it reaches that."""
    if sp.issparse(X):
        check_structure(X)  # before code reads it that does not look
    *transformers, recommender = steps_of(estimator)
    return recommender, transformed(X, transformers)


def transformed(X, transformers):
    """Return `X` as it leaves the last of some fitted transformers."""
    for step in transformers:
        X = step.transform(X)
    return X


def steps_of(estimator) -> list:
    """Return the steps of an estimator, the recommender last, pipelines and searches unfolded."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not hasattr(estimator, "steps"):
        return [estimator]
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    # A transformer that is frozen is one step: those within it are no longer fitted.
    unfolded = (
        [step]
        if hasattr(step, "transform") and not hasattr(step, "fit_transform")
        else steps_of(step)
        for step in steps
    )
    return list(itertools.chain.from_iterable(unfolded))


def as_scores(scores) -> np.ndarray:
    """Return scores as an array; masked ones as -inf, since they have no place in a ranking."""
    if isinstance(scores, np.ma.MaskedArray):
        return np.ma.filled(scores.astype(np.result_type(scores, np.float32)), -np.inf)
    return np.asarray(scores)


def held_out_ranks(
    y, shape: tuple[int, int], score_rows: ScoreRows, seen, *, name: str = "y", stacklevel: int = 3
) -> tuple[sp.csr_array, np.ndarray]:
    """Rank held-out items among unseen items; the core of metrics and scorers.

    Parameters
    ----------
    y : array-like of int, sparse matrix or HeldOut
        Held-out items.

    shape : tuple of int
        (n_users, n_items).

    score_rows : callable
        Returns scores of rows, see :func:`~skrecsec.utils._ranking.rank_pairs`.

    seen : csr_array or csr_matrix of shape (n_users, n_items) or None
        Rated items, without stored zeros.

    name : str, default="y"
        What messages call the held-out items.

    stacklevel : int, default=3
        In whose name it is warned; 3 is the caller's caller.

    Returns
    -------
    held_out : csr_array of shape (n_users, n_items)
        Ones at the held-out items.

    ranks : ndarray of shape (n_held_out,), dtype int64
        In the order of ``held_out.indices``; -1 for an item that was seen, with a warning.
    """
    held_out = held_out_items(y, *shape, name=name)
    if held_out.nnz == 0:
        raise ValueError(f"{name} has no held-out items, so there is nothing to score.")
    n_seen = 0 if seen is None else held_out.multiply(seen).nnz
    if n_seen:
        warnings.warn(
            f"{n_seen} of {held_out.nnz} held-out items are among the items seen; they cannot be "
            f"ranked and count as misses.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return held_out, rank_pairs(held_out, score_rows, seen=seen)


def target_ranks(
    target_items: ArrayLike,
    shape: tuple[int, int],
    score_rows: ScoreRows,
    seen,
    *,
    item_names: np.ndarray | None = None,
) -> np.ndarray:
    """Rank target items among the unseen items of all users.

    Parameters are those of :func:`held_out_ranks`. Returns int64 ranks of shape (n_users,
    n_targets), -1 for a target that was seen.
    """
    n_users, n_items = shape
    targets = check_target_items(target_items, n_items, item_names=item_names)
    ranks = rank_pairs(target_pairs(targets, shape), score_rows, seen=seen)
    return ranks.reshape(n_users, targets.size)


def held_out_and_target_ranks(
    y: np.ndarray, targets: np.ndarray, score_rows: ScoreRows, seen
) -> tuple[np.ndarray, np.ndarray]:
    """Rank held-out items and targets in one pass, so that nobody is asked for scores twice.

    Parameters
    ----------
    y : ndarray of int of shape (n_users,)
        The held-out item of each user, -1 for none.

    targets : ndarray of int of shape (n_targets,)
        Distinct items.

    score_rows : callable
        Returns scores of rows.

    seen : csr_array or csr_matrix of shape (n_users, n_items)
        Rated items, without stored zeros.

    Returns
    -------
    of_held_out : ndarray of int of shape (n_held_out,)
        In the order of users.

    of_targets : ndarray of int of shape (n_users, n_targets)
        -1 for a target that was seen.
    """
    held_out = held_out_items(y, *seen.shape)
    pairs = sp.csr_array(target_pairs(targets, seen.shape) + held_out)  # an item can be both
    pairs.sort_indices()
    ranks = rank_pairs(pairs, score_rows, seen=seen)
    # From -1 on to 1 on, so that a rank is not taken for an absent entry.
    ranked = sp.csr_array((ranks + 2, pairs.indices, pairs.indptr), shape=seen.shape)
    users = np.flatnonzero(y >= 0)
    return ranked[users, y[users]] - 2, ranked[:, targets].toarray() - 2


def target_pairs(targets: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    """Return ones at the targets of all users, in the order of `targets`."""
    indptr = np.arange(shape[0] + 1) * targets.size
    indices = np.tile(targets, shape[0])
    return sp.csr_array((np.ones(indices.size, dtype=np.int8), indices, indptr), shape=shape)


def shifts_of_ranks(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by how many places ranks moved up, as floats; NaN where either is -1."""
    return np.where((before < 0) | (after < 0), np.nan, before - after)


def discounted_gains(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return what each held-out item adds to DCG@k, given its rank (-1 if it is not ranked)."""
    return np.where(_is_hit(ranks, k), discount(np.maximum(ranks, 0)), 0.0)


def discount(ranks: np.ndarray) -> np.ndarray:
    """Return the discounts of 0-based ranks in a cumulative gain."""
    return 1 / np.log2(ranks + 2.0)


def _is_hit(ranks, k):
    return (ranks >= 0) & (ranks < k)


def hit_share(ranks: np.ndarray, k: int) -> float:
    """Return the share of ranks that are in a list of length `k`; -1 never is."""
    return float(np.mean(_is_hit(ranks, k)))


def normalised_gain(held_out: sp.csr_array, ranks: np.ndarray, k: int) -> float:
    """Return NDCG@k, the mean over the users that have held-out items."""
    n_held_out = np.diff(held_out.indptr)
    users = np.repeat(np.arange(n_held_out.size), n_held_out)
    dcg = np.bincount(users, weights=discounted_gains(ranks, k), minlength=n_held_out.size)
    has_items = n_held_out > 0
    ideal_dcg = np.cumsum(discount(np.arange(n_held_out.max())))
    ideal_dcg = ideal_dcg[np.minimum(n_held_out[has_items], k) - 1]
    # Summed in another order, a perfect list can exceed its ideal in the last digit.
    return float(np.mean(np.minimum(dcg[has_items] / ideal_dcg, 1.0)))
