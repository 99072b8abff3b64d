"""The units of a study: what a worker does."""

from __future__ import annotations

import threading
import time
import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone

from skrecsec.base import choose_targets
from skrecsec.datasets import make_ratings
from skrecsec.experiments._memory import peak_memory, reset_peak_memory
from skrecsec.experiments._records import POISON, Record
from skrecsec.experiments._workers import work_for
from skrecsec.model_selection import leave_one_out_split
from skrecsec.utils._kept_verdicts import forget_verdict, verdicts_kept
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._scoring import (
    discounted_gains,
    held_out_and_target_ranks,
    hit_share,
    profiles_for,
)
from skrecsec.utils._shell import describe_error
from skrecsec.utils._verdicts import judge


class Unit(NamedTuple):
    """The least that is done, recorded and lost at once.

    Parameters
    ----------
    repeat : int
        Number of the repeat, from 0.

    attack : str or None
        Name of the attack, None for clean data.

    recommender : str or None
        Name of the recommender that is fitted and scored.

    detector : str or None, default=None
        Name of the detector that judges the profiles. If there is neither a recommender nor a
        detector, the unit is to craft the fake profiles of the attack.

    Examples
    --------
    >>> from skrecsec.experiments._units import Unit
    >>> print(Unit(3, "CoAttack", "TCD"))
    repeat 3, TCD on CoAttack
    """

    repeat: int
    attack: str | None
    recommender: str | None
    detector: str | None = None

    @property
    def crafts(self) -> bool:
        """Whether fake profiles are crafted, rather than something fitted."""
        return self.recommender is None and self.detector is None

    def __str__(self) -> str:
        if self.crafts:
            return f"repeat {self.repeat}, crafting {self.attack}"
        data = "clean data" if self.attack is None else self.attack
        return f"repeat {self.repeat}, {self.recommender or self.detector} on {data}"


class Seeds(NamedTuple):
    """The seeds of a repeat, shared by all of its units."""

    split: int
    attack: int
    recommender: int


class Setting(NamedTuple):
    """What all units of a study share, besides the ratings."""

    data: str  # digest of the ratings and of a given y
    shape: tuple[int, int]
    target_items: str | tuple[int, ...]
    n_targets: int
    k: int
    protocol: str


class Task(NamedTuple):
    """A unit with all that a worker needs for it, except for the ratings."""

    unit: Unit
    setting: Setting
    seeds: Seeds
    estimator: BaseEstimator  # with its seed
    poison: dict[str, np.ndarray] | None = None
    shares_verdicts: bool = False  # see Plan


class Repeat(NamedTuple):
    """What the units of a repeat start from."""

    X: sp.csr_array  # the ratings that are left
    y: np.ndarray  # the held-out items
    target_items: np.ndarray


def run_task(task: Task, data, indices, indptr, y, *, parent) -> tuple[Unit, Record]:
    """Do a unit.

    The arrays of the rating matrix are arguments of their own, since that is what joblib's backends
    recognise: they map them into memory, or send them to a worker once.

    Parameters
    ----------
    task : Task
        What to do.

    data, indices, indptr : ndarray
        The genuine ratings, CSR.

    y : ndarray of shape (n_users,) or None
        Held-out items; None to hide one rating of each user.

    parent : int
        Id of the process that the study was started in, which workers do not outlive.

    Returns
    -------
    unit : Unit
        That of the task.

    record : Record
        Of crafting: `seconds`, `peak_memory` and the fake profiles. Of fitting: `seconds` (of the
        fit), `peak_memory`, `test_hr`, `ndcg`, `target_hr` and the ranks of the targets, -1 where
        they are rated. Of judging: `seconds`, `peak_memory`, the scores of the profiles and who is
        called fake. All: `unit_seconds`, all in all, and the target items.
    """
    work_for(parent)
    reset_peak_memory()
    start = time.perf_counter()
    do = _craft if task.unit.crafts else _fit_and_score
    if task.unit.detector is not None:
        do = _detect
    try:
        repeat = _repeat_of(task, data, indices, indptr, y)
        values, arrays = do(task, repeat)
    except Exception as error:
        error.add_note(f"This happened in a robustness study, {task.unit}.")
        raise
    values["peak_memory"] = peak_memory()
    values["unit_seconds"] = time.perf_counter() - start
    arrays["target_items"] = repeat.target_items
    return task.unit, Record(values, arrays)


def _craft(task, repeat):
    attack = task.estimator.set_params(target_items=repeat.target_items)
    start = time.perf_counter()
    attack.fit(repeat.X)
    seconds = time.perf_counter() - start
    poison = sp.csr_array(attack.poison_)
    arrays = {name: getattr(poison, name) for name in POISON}
    return {"seconds": seconds}, arrays


def _detect(task, repeat):
    _warm_up(task.estimator, "fit_predict")
    training = _training_ratings(task, repeat)
    start = time.perf_counter()
    with verdicts_kept(task.shares_verdicts) as spared:
        scores, is_flagged = judge(task.estimator, training)
    seconds = time.perf_counter() - start + spared.seconds
    return {"seconds": seconds}, {"scores": scores, "is_flagged": is_flagged}


def _training_ratings(task, repeat):
    """Return the ratings of genuine users, and below them the fake profiles."""
    if task.poison is None:
        return repeat.X
    fake = _csr(**task.poison, n_items=repeat.X.shape[1])
    return sp.csr_array(sp.vstack([repeat.X, fake], format="csr"))


def _fit_and_score(task, repeat):
    recommender = task.estimator
    _warm_up(recommender, "fit")
    training = _training_ratings(task, repeat)
    start = time.perf_counter()
    with verdicts_kept(task.shares_verdicts) as spared:
        recommender.fit(training)
    seconds = time.perf_counter() - start + spared.seconds
    score_rows = _row_scores(recommender, repeat.X, task.setting.protocol)
    test_ranks, target_ranks = held_out_and_target_ranks(
        repeat.y, repeat.target_items, score_rows, repeat.X
    )
    k = task.setting.k
    values = {
        "seconds": seconds,
        "test_hr": hit_share(test_ranks, k),
        # One item is held out per user: an ideal list has it first, for a gain of 1.
        "ndcg": float(np.mean(discounted_gains(test_ranks, k))),
        "target_hr": hit_share(target_ranks, k),
    }
    return values, {"target_ranks": _compact(target_ranks, repeat.X.shape[1])}


def _row_scores(recommender, X, protocol):
    """Return the function that scores rows of genuine users."""
    folded_in = profiles_for(recommender, X).score_rows
    if protocol == "fold_in" or not hasattr(recommender, "predict_training_rows"):
        return folded_in
    is_empty = np.diff(X.indptr) == 0

    def in_sample(rows):
        # Fake profiles come last, so that the first rows are the genuine users.
        scores = recommender.predict_training_rows(rows)
        if is_empty[rows].any():  # nothing was learned of them
            scores[is_empty[rows]] = folded_in(rows[is_empty[rows]])
        return scores

    return in_sample


def _compact(ranks, n_items):
    """Return ranks as the smallest signed integers that hold them."""
    return ranks.astype(np.min_scalar_type(-n_items))


def _csr(data, indices, indptr, n_items):
    return sp.csr_array((data, indices, indptr), shape=(len(indptr) - 1, n_items))


# --- what is kept between units -------------------------------------------------------------------

_kept = threading.local()


def _repeat_of(task, data, indices, indptr, y):
    """Return the split and the targets; those of the latest repeat are kept."""
    key = (task.setting, task.seeds)
    if getattr(_kept, "repeat", (None, None))[0] != key:
        X = _csr(data, indices, indptr, n_items=task.setting.shape[1])
        _kept.repeat = (key, _make_repeat(X, y, task.setting, task.seeds))
    return _kept.repeat[1]


def forget_repeat() -> None:
    """Free the memory of the split, and of the verdict, that are kept in this thread."""
    _kept.repeat = (None, None)
    forget_verdict()


def _make_repeat(X, y, setting, seeds):
    if y is None:
        X, y = leave_one_out_split(X, random_state=seeds.split)
    # The first stream of an attack is what it chooses its targets by.
    (rng,) = spawn_generators(seeds.attack, 1)
    targets = choose_targets(X, setting.target_items, setting.n_targets, rng)
    return Repeat(X, np.asarray(y), targets)


def _warm_up(estimator, method):
    """Have what is compiled or imported at the first fit done, so that no fit is timed with it."""
    choices = [(n, v) for n, v in estimator.get_params().items() if isinstance(v, str)]
    key = (type(estimator), frozenset(choices))
    _kept.warm = getattr(_kept, "warm", set())
    if key in _kept.warm:
        return
    _kept.warm.add(key)
    X = make_ratings(20, 20, density=0.3, random_state=0)
    try:
        getattr(clone(estimator), method)(X)
    except Exception as error:  # a fault of the estimator will show when it is fitted in earnest
        name = type(estimator).__name__
        warnings.warn(
            f"{name} cannot be fitted on a handful of ratings ({describe_error(error)}), so that "
            f"the time of its first fit in a process may count compilation and imports.",
            UserWarning,
            stacklevel=2,
        )
