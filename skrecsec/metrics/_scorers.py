"""Scorers: callables `scorer(estimator, X, y)` that go wherever scikit-learn takes `scoring`.

`make_scorer` will not do: it hands a metric `y_true` and `y_pred` only, and a ranking has to know
which items a profile has rated.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import joblib
import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone

from skrecsec.metrics._ranking import held_out_ranks, hit_share, target_ranks
from skrecsec.metrics._robustness import robustness_improvement_score
from skrecsec.utils._ranking import check_k
from skrecsec.utils.validation import check_ratings


@dataclass(frozen=True, eq=False)
class HitRatioScorer:
    """Scorer of HR@k: the share of held-out items in their user's list of recommendations.

    Parameters
    ----------
    k : int, default=50
        Length of the list.

    See Also
    --------
    hit_ratio_score : The metric, with its formula.

    Notes
    -----
    The estimator, a recommender or a pipeline that ends in one, predicts for the rows of `X`: the
    genuine profiles that are scored. What a profile has rated is left out of its ranking. Works in
    blocks of rows bounded by scikit-learn's ``working_memory``.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.metrics import HitRatioScorer
    >>> from skrecsec.model_selection import WeakGeneralization, leave_one_out_split
    >>> from skrecsec.recommenders import MFRecommender
    >>> X, y = leave_one_out_split(make_ratings(100, 80, random_state=0), random_state=0)
    >>> recommender = MFRecommender(n_factors=8, random_state=0)
    >>> scoring = HitRatioScorer(k=10)
    >>> scoring
    HitRatioScorer(k=10)
    >>> cross_val_score(recommender, X, y, cv=WeakGeneralization(2), scoring=scoring).shape
    (2,)
    """

    k: int = 50

    def __call__(self, estimator, X, y) -> float:
        """Score the recommendations for `X` against the held-out items `y`."""
        k = check_k(self.k)
        seen = check_ratings(X, allow_no_ratings=True)
        scores = row_scores(estimator, X if hasattr(X, "iloc") else seen)
        _, ranks = held_out_ranks(y, seen.shape, scores, seen, name="y")
        return hit_share(ranks, k)


@dataclass(frozen=True, eq=False)
class TargetHitRatioScorer:
    """Scorer of the targets' HR@k: the share of (user, target) pairs with the target in the list.

    High means that the attack succeeds. To search for the best defence, minimise it.

    Parameters
    ----------
    target_items : array-like of int of shape (n_targets,), default=None
        Target items. None takes them from the pipeline's attack step; where that may be
        ``"passthrough"``, as in a grid of attacks, they must be given.

    k : int, default=50
        Length of the list.

    See Also
    --------
    target_hit_ratio_score : The metric, with its formula.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.metrics import TargetHitRatioScorer
    >>> from skrecsec.recommenders import MFRecommender
    >>> X = make_ratings(100, 80, random_state=0)
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> pipeline = make_pipeline(attack, MFRecommender(n_factors=8, random_state=0)).fit(X)
    >>> 0 <= TargetHitRatioScorer()(pipeline, X) <= 1
    True
    """

    target_items: object = None
    k: int = 50

    def __call__(self, estimator, X, y=None) -> float:
        """Score how often the targets are recommended to the rows of `X`; `y` is ignored."""
        targets = self.target_items
        if targets is None:
            targets = _attack_step(
                estimator, "give TargetHitRatioScorer its target_items"
            ).target_items_
        return _target_hit_ratio(estimator, X, targets, check_k(self.k))


@dataclass(frozen=True, eq=False)
class RobustnessImprovementScorer:
    """Scorer of the robustness improvement RI of a defence over an undefended baseline.

    The estimator is a fitted pipeline of an attack and a defended recommender. The baseline is
    fitted on the attack's clean training matrix and on its poisoned one; with the targets' hit
    ratios of the three, :math:`RI = 1 - (HR_{defense} - HR_{origin}) / (HR_{attack} -
    HR_{origin})`. 1 means that the attack is undone, 0 that the defence changes nothing.

    Parameters
    ----------
    baseline : recommender, default=None
        The undefended recommender; it is cloned. None means ``MFRecommender(random_state=0)``.

    target_items : array-like of int of shape (n_targets,), default=None
        Target items; None takes them from the attack step.

    k : int, default=50
        Length of the list.

    See Also
    --------
    robustness_improvement_score : The metric, with its formula.

    Notes
    -----
    Fitted baselines are remembered by the content of what they were fitted on: within a process,
    each attack and training set costs two fits, however many defences are scored.

    Where the attack leaves the baseline's hit ratio as it was, RI is undefined: the score is NaN,
    with a warning.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.metrics import RobustnessImprovementScorer
    >>> from skrecsec.recommenders import MFRecommender
    >>> X = make_ratings(random_state=0)
    >>> defence = MFRecommender(random_state=0)  # none at all
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> pipeline = make_pipeline(attack, defence).fit(X)
    >>> RobustnessImprovementScorer()(pipeline, X)
    0.0
    """

    baseline: BaseEstimator | None = None
    target_items: object = None
    k: int = 50

    def __call__(self, estimator, X, y=None) -> float:
        """Score the defence in a fitted pipeline on the rows of `X`; `y` is ignored."""
        k = check_k(self.k)
        attack = _attack_step(estimator, "RobustnessImprovementScorer compares with and without it")
        targets = attack.target_items_ if self.target_items is None else self.target_items
        clean = attack._fit_X
        poisoned = sp.vstack([clean, attack.poison_], format="csr")
        baselines = [self._fitted_baseline(train) for train in (clean, poisoned)]
        seen = check_ratings(X, allow_no_ratings=True)  # they have been fitted without item names
        return robustness_improvement_score(
            *(_target_hit_ratio(baseline, seen, targets, k) for baseline in baselines),
            _target_hit_ratio(estimator, X, targets, k),
        )

    def _fitted_baseline(self, X):
        baseline = self.baseline
        if baseline is None:
            from skrecsec.recommenders import MFRecommender  # the default, and no more than that

            baseline = MFRecommender(random_state=0)
        key = joblib.hash(
            (type(baseline), baseline.get_params(), X.shape, X.indptr, X.indices, X.data)
        )
        return _fitted_baselines.get(key, lambda: clone(baseline).fit(X))


class _OnceCache:
    """Remembers the latest results; concurrent requests for one key compute it once."""

    def __init__(self, max_size):
        self._max_size = max_size
        self._lock = threading.Lock()
        self._entries = OrderedDict()

    def get(self, key, compute):
        with self._lock:
            entry = self._entries.setdefault(key, {"lock": threading.Lock()})
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_size:
                self._entries.popitem(last=False)
        with entry["lock"]:
            if "value" not in entry:
                entry["value"] = compute()
            return entry["value"]


_fitted_baselines = _OnceCache(max_size=8)


def row_scores(estimator, X):
    """Return the function that predicts chosen rows: predictions are pure, so blocks may do."""
    # A data frame is indexed as it is: without its column names, estimators would warn.
    if not hasattr(X, "iloc"):
        return lambda rows: np.asarray(estimator.predict(X[rows]))
    return lambda rows: np.asarray(estimator.predict(X.iloc[rows]))


def _target_hit_ratio(estimator, X, targets, k):
    seen = check_ratings(X, allow_no_ratings=True)
    scores = row_scores(estimator, X if hasattr(X, "iloc") else seen)
    return hit_share(target_ranks(targets, seen.shape, scores, seen), k)


def _attack_step(estimator, why):
    """Return the attack step of a fitted pipeline, also of one that a search has refitted."""
    steps = list(_attack_steps(estimator))
    if not steps:
        raise ValueError(f"The estimator is not a fitted pipeline with an attack step: {why}.")
    if len(steps) > 1:
        raise ValueError(f"The pipeline has {len(steps)} attack steps, one is expected: {why}.")
    return steps[0]


def _attack_steps(estimator):
    """Yield the attack steps of a fitted pipeline and of pipelines within."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    for _, step in getattr(estimator, "steps", []):
        if hasattr(step, "poison_"):
            yield step
        else:
            yield from _attack_steps(step)
