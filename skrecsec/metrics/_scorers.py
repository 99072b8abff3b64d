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

from skrecsec.metrics._robustness import robustness_improvement_score
from skrecsec.utils._ranking import check_k
from skrecsec.utils._registry import find, register, registered
from skrecsec.utils._scoring import (
    held_out_ranks,
    hit_share,
    normalised_gain,
    profiles_for,
    transformed,
)
from skrecsec.utils._signatures import complete
from skrecsec.utils._verdicts import attack_step
from skrecsec.utils.validation import check_ratings


@register("scorer", "hit_ratio")
@complete
@dataclass(frozen=True, eq=False)
class HitRatioScorer:
    """Scorer of HR@k: the share of held-out items in their user's list of recommendations.

    Parameters
    ----------
    %(scorer.k)s

    See Also
    --------
    hit_ratio_score : The metric, with its formula.

    Notes
    -----
    The estimator, a recommender or a pipeline that ends in one, predicts for the rows of `X`: the
    genuine profiles that are scored. The items that a profile has rated, as it reaches the
    recommender, are left out of its ranking. Works in blocks of rows of 64 MiB, or
    scikit-learn's ``working_memory`` if less.

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
        _, ranks = _held_out_ranks(estimator, X, y)
        return hit_share(ranks, k)


@register("scorer", "ndcg")
@complete
@dataclass(frozen=True, eq=False)
class NDCGScorer:
    """Scorer of NDCG@k: the higher up in their user's list held-out items are, the better.

    Parameters
    ----------
    %(scorer.k)s

    See Also
    --------
    ndcg_score : The metric, with its formula.
    HitRatioScorer : Counts the items found, wherever in the list they are.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.metrics import NDCGScorer
    >>> from skrecsec.model_selection import leave_one_out_split
    >>> from skrecsec.recommenders import MFRecommender
    >>> X, y = leave_one_out_split(make_ratings(100, 80, random_state=0), random_state=0)
    >>> 0 <= NDCGScorer(k=10)(MFRecommender(n_factors=8, random_state=0).fit(X), X, y) <= 1
    True
    """

    k: int = 50

    def __call__(self, estimator, X, y) -> float:
        """Score the recommendations for `X` against the held-out items `y`."""
        k = check_k(self.k)
        held_out, ranks = _held_out_ranks(estimator, X, y)
        return normalised_gain(held_out, ranks, k)


@register("scorer", "neg_target_hit_ratio", options={"greater_is_better": False})
@register("scorer", "target_hit_ratio")
@complete
@dataclass(frozen=True, eq=False)
class TargetHitRatioScorer:
    """Scorer of the targets' HR@k: the share of (user, target) pairs with the target in the list.

    High means that the attack succeeds.

    Parameters
    ----------
    target_items : array-like of int of shape (n_targets,), default=None
        Target items, or their names if `X` is a data frame. None takes them from the pipeline's
        attack step; where that may be ``"passthrough"``, as in a grid of attacks, they must be
        given.

    %(scorer.k)s

    greater_is_better : bool, default=True
        Whether the hit ratio is returned as it is, so that a search finds the strongest attack; if
        False, its sign is turned, so that a search finds the most robust recommender.

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
    greater_is_better: bool = True

    def __repr__(self) -> str:
        sign = "" if self.greater_is_better else ", greater_is_better=False"
        return f"{type(self).__name__}(target_items={self.target_items!r}, k={self.k}{sign})"

    def __call__(self, estimator, X, y=None) -> float:
        """Score how often the targets are recommended to the rows of `X`; `y` is ignored."""
        k = check_k(self.k)
        targets = self.target_items
        if targets is None:
            _, attack, _ = attack_step(estimator, "give TargetHitRatioScorer its target_items")
            targets = attack.target_items_
        hit_ratio = _target_hit_ratio(profiles_for(estimator, X), targets, k)
        return hit_ratio if self.greater_is_better else -hit_ratio


@register("scorer", "robustness_improvement")
@complete
@dataclass(frozen=True, eq=False)
class RobustnessImprovementScorer:
    """Scorer of the robustness improvement RI of a defense over an undefended baseline.

    The estimator is a fitted pipeline of an attack and a defended recommender. The baseline is
    fitted on the attack's clean training matrix and on its poisoned one; with the targets' hit
    ratios of the three, :math:`RI = 1 - (HR_{defense} - HR_{origin}) / (HR_{attack} -
    HR_{origin})`. 1 means that the attack is undone, 0 that the defense changes nothing.

    Parameters
    ----------
    baseline : recommender, default=None
        The undefended recommender; it is cloned. None means ``MFRecommender(random_state=0)``.

    target_items : array-like of int of shape (n_targets,), default=None
        Target items; None takes them from the attack step.

    %(scorer.k)s

    See Also
    --------
    robustness_improvement_score : The metric, with its formula.

    Notes
    -----
    The baseline sees what the recommender sees: steps before the attack and after it are applied to
    what it is trained on and asked about.

    Fitted baselines are remembered by the content of what they were fitted on: within a process,
    each attack and training set costs two fits, however many defenses are scored.

    Where the attack leaves the baseline's hit ratio as it was, RI is undefined: the score is NaN,
    with a warning.

    The attack's `genuine_ratings_` are needed. A pickled attack, such as one from the cache of a
    pipeline with `memory`, does not hold them unless it has ``keep_ratings=True``; without, it can
    be scored on the ratings that it was fitted on, which it recognizes, and on no others.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.metrics import RobustnessImprovementScorer
    >>> from skrecsec.recommenders import MFRecommender
    >>> X = make_ratings(random_state=0)
    >>> defense = MFRecommender(random_state=0)  # none at all
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> pipeline = make_pipeline(attack, defense).fit(X)
    >>> RobustnessImprovementScorer()(pipeline, X)
    0.0
    """

    baseline: BaseEstimator | None = None
    target_items: object = None
    k: int = 50

    def __call__(self, estimator, X, y=None) -> float:
        """Score the defense in a fitted pipeline on the rows of `X`; `y` is ignored."""
        k = check_k(self.k)
        earlier_steps, attack, later_steps = attack_step(
            estimator, "RobustnessImprovementScorer compares with and without it"
        )
        targets = attack.target_items_ if self.target_items is None else self.target_items
        profiles = profiles_for(estimator, X)
        genuine = _genuine_ratings(attack, earlier_steps, X)
        # The baselines are fitted without names of items.
        asked = profiles.X if sp.issparse(profiles.X) else np.asarray(profiles.X)
        origin, attacked = (
            _target_hit_ratio(profiles_for(self._fitted_baseline(train), asked), targets, k)
            for train in _training_sets(genuine, attack, later_steps)
        )
        defended = _target_hit_ratio(profiles, targets, k)
        return float(robustness_improvement_score(origin, attacked, defended))

    def _fitted_baseline(self, X):
        baseline = self.baseline
        if baseline is None:
            baseline = find("recommender", "mf")(random_state=0)
        arrays = (X.shape, X.indptr, X.indices, X.data) if sp.issparse(X) else X
        key = joblib.hash((type(baseline), baseline.get_params(), arrays))
        return _fitted_baselines.get(key, lambda: clone(baseline).fit(X))


def get_scorer(scoring, **options):
    """Return a scorer by its name.

    Parameters
    ----------
    scoring : str or callable
        One of :func:`get_scorer_names`; a callable is returned as it is.

    **options : dict
        Parameters of the scorer, such as `k`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, for `scoring` in scikit-learn's model selection. A name that
        begins with ``"neg_"`` turns the sign, so that a search minimises.

    Raises
    ------
    ValueError
        If there is no scorer of that name, or a callable comes with options.

    See Also
    --------
    get_scorer_names : The names.

    Examples
    --------
    >>> from skrecsec.metrics import get_scorer
    >>> get_scorer("neg_target_hit_ratio", k=20)
    TargetHitRatioScorer(target_items=None, k=20, greater_is_better=False)
    """
    if callable(scoring):
        if options:
            raise ValueError(f"options go with the name of a scorer, got {scoring!r}.")
        return scoring
    if not isinstance(scoring, str):
        raise ValueError(f"scoring must be the name of a scorer or a callable, got {scoring!r}.")
    return find("scorer", scoring)(**options)


def get_scorer_names() -> list[str]:
    """Return the names that :func:`get_scorer` knows.

    Returns
    -------
    names : list of str
        In alphabetical order.

    See Also
    --------
    get_scorer : Returns the scorer.

    Examples
    --------
    >>> from skrecsec.metrics import get_scorer_names
    >>> get_scorer_names()[-2:]
    ['robustness_improvement', 'target_hit_ratio']
    """
    return list(registered("scorer"))


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


def _held_out_ranks(estimator, X, y):
    profiles = profiles_for(estimator, X)
    return held_out_ranks(y, profiles.shape, profiles.score_rows, profiles.seen, stacklevel=4)


def _target_hit_ratio(profiles, targets, k):
    return hit_share(profiles.target_ranks(targets), k)


def _genuine_ratings(attack, earlier_steps, X):
    """Return the ratings that an attack was fitted on; one from a pickle may recognize them."""
    genuine = getattr(attack, "genuine_ratings_", None)
    if genuine is not None:
        return genuine
    X = transformed(X, earlier_steps)
    if not hasattr(attack, "was_fitted_on") or not attack.was_fitted_on(X):
        raise ValueError(
            "The attack has no genuine_ratings_, which pickled attacks do not hold, and is scored "
            "on others: fit it with keep_ratings=True, or set genuine_ratings_ to the ratings that "
            "it was fitted on."
        )
    return attack.transform(X)


def _training_sets(genuine, attack, later_steps):
    """Yield the clean and the poisoned ratings as they reach a recommender."""
    # Attributes can be changed, and SciPy does not look at what it stacks.
    genuine, poison = (
        check_ratings(ratings, allow_no_ratings=True) for ratings in (genuine, attack.poison_)
    )
    for X in (genuine, type(genuine)(sp.vstack([genuine, poison], format="csr"))):
        yield transformed(X, later_steps)
