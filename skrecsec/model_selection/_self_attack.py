"""Settings by data: a search that attacks the ratings at hand itself."""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrecsec.model_selection._copies import copied_profiles, rare_items
from skrecsec.model_selection._split import leave_one_out_split
from skrecsec.utils._compat import Count, Fraction, HasMethods, Number, _fit_context
from skrecsec.utils._documentation import DocumentationLinkMixin
from skrecsec.utils._fitting import AtomicFitMixin
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._scoring import held_out_and_target_ranks, hit_share, profiles_for
from skrecsec.utils._signatures import complete
from skrecsec.utils.validation import check_ratings

FIGURES = ("hit_ratio", "target_hit_ratio")


def _best_has(method):
    return lambda self: hasattr(getattr(self, "best_estimator_", self.estimator), method)


@complete
class SelfAttackSearchCV(MetaEstimatorMixin, AtomicFitMixin, DocumentationLinkMixin, BaseEstimator):
    """Choose the settings of a recommender by attacking the ratings that it is to learn from.

    A rating of each user is hidden, fake profiles that push random items with few raters are added,
    and every setting is fitted to that. Of the settings that find the hidden ratings about as well
    as the best one does, the one is taken that recommends the pushed items least. Neither the
    targets of a real attack nor ratings for testing are looked at, so that ratings that are
    poisoned already will do.

    Parameters
    ----------
    estimator : recommender
        It is cloned for each setting.

    param_grid : dict of str to sequence, or sequence of such
        Settings to try, as in :class:`~sklearn.model_selection.GridSearchCV`.

    attacks : list of attack transformers, default=None
        Attacks to simulate. They are cloned, and told targets and random state. None means copies
        of random profiles of `X` that rate the targets, too, with the highest rating.

    n_targets : int, default=5
        Number of items that a simulated attack pushes.

    max_raters : int, default=20
        Targets are drawn among the rated items with fewer raters; where there are too few of these,
        among those with the fewest.

    attack_size : int or float, default=0.03
        Number of copies, or their share of the users; for ``attacks=None``.

    n_repeats : int, default=2
        How often ratings are hidden and targets drawn.

    k : int, default=50
        Length of the lists.

    tolerance : float, default=0.01
        By how much the hit ratio of hidden ratings may lie below that of the best setting.

    refit : bool, default=True
        Whether the best setting is fitted to all of `X` at the end.

    random_state : int, RandomState instance or None, default=None
        Determines the hidden ratings, the targets and the attacks.

    Attributes
    ----------
    cv_results_ : dict of str to list or ndarray
        For each setting, ``params``, ``param_*``, ``mean_fit_time``, and, with ``mean_`` and
        ``std_`` over repeats and attacks, ``test_hit_ratio`` of hidden ratings and
        ``test_target_hit_ratio`` of the pushed items.

    best_index_ : int
        Index of the best setting.

    best_params_ : dict
        The best setting.

    best_score_ : float
        Its hit ratio of hidden ratings.

    best_target_hit_ratio_ : float
        Its hit ratio of the pushed items.

    best_estimator_ : recommender
        Fitted to all of `X`; with ``refit=True``.

    %(features)s

    See Also
    --------
    skrecsec.recommenders.recommended_defense : A defense with settings for the ratings at hand.
    sklearn.model_selection.GridSearchCV : For one score, with ratings kept aside.

    Notes
    -----
    Takes ``n_repeats`` times the number of attacks, one at least, times the number of settings fits
    and twice as many predictions for all profiles.

    Of settings that are equally good the one that finds more hidden ratings is taken, and then the
    first.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.model_selection import SelfAttackSearchCV
    >>> from skrecsec.recommenders import EASERecommender
    >>> X = make_ratings(300, 200, density=0.1, random_state=0)
    >>> grid = {"reg": [10.0, 100.0, 1000.0]}
    >>> search = SelfAttackSearchCV(EASERecommender(), grid, k=20, random_state=0).fit(X)
    >>> search.best_params_
    {'reg': 100.0}
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "param_grid": [dict, list, tuple],
        "attacks": [list, tuple, None],
        "n_targets": [Count()],
        "max_raters": [Count(2)],
        "attack_size": [Count(), Fraction()],
        "n_repeats": [Count()],
        "k": [Count()],
        "tolerance": [Number(0, 1, closed="both")],
        "refit": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        attacks=None,
        n_targets=5,
        max_raters=20,
        attack_size=0.03,
        n_repeats=2,
        k=50,
        tolerance=0.01,
        refit=True,
        random_state=None,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.attacks = attacks
        self.n_targets = n_targets
        self.max_raters = max_raters
        self.attack_size = attack_size
        self.n_repeats = n_repeats
        self.k = k
        self.tolerance = tolerance
        self.refit = refit
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Try all settings under simulated attacks.

        %(recommender.fit)s
        """
        settings = list(ParameterGrid(self.param_grid))
        if not settings:
            raise ValueError("param_grid has no settings to try.")
        if self.attacks is not None and len(self.attacks) == 0:
            raise ValueError("attacks is empty: give some, or None for copied profiles.")
        X = check_ratings(X, estimator=self)
        rounds = [
            attacked
            for rng in spawn_generators(self.random_state, self.n_repeats)
            for attacked in self._attacked(X, rng)
        ]
        figures = np.empty((len(settings), len(rounds), 3))
        for s, setting in enumerate(settings):
            for r, attacked in enumerate(rounds):
                figures[s, r] = self._try(setting, *attacked)
        self._take_best(settings, figures)
        if self.refit:
            self.best_estimator_ = self._set(self.best_params_).fit(X)
        return self

    def _attacked(self, X, rng):
        """Yield the ratings without the hidden ones, these, the targets, and the fake profiles."""
        seeds = rng.integers(2**31, size=2)
        kept, hidden = leave_one_out_split(X, random_state=int(seeds[0]))
        if (hidden < 0).all():
            raise ValueError("X: no user has two ratings, so that none can be hidden.")
        targets = rare_items(X, self.n_targets, self.max_raters, rng)
        if self.attacks is None:
            yield kept, hidden, targets, copied_profiles(kept, self.attack_size, targets, rng)
        for attack in self.attacks or ():
            made = clone(attack).set_params(target_items=targets)
            if "random_state" in made.get_params():
                made.set_params(random_state=int(seeds[1]))
            yield kept, hidden, targets, made.fit(kept).poison_

    def _try(self, setting, kept, hidden, targets, fakes):
        start = time.perf_counter()
        estimator = self._set(setting)
        estimator.fit(type(kept)(sp.vstack([kept, fakes], format="csr")))
        seconds = time.perf_counter() - start
        profiles = profiles_for(estimator, kept)
        ranks = held_out_and_target_ranks(hidden, targets, profiles.score_rows, profiles.seen)
        found, pushed = (hit_share(some, self.k) for some in ranks)
        return found, pushed, seconds

    def _set(self, setting):
        """Return the estimator with a setting, both cloned: a setting may be an estimator."""
        return clone(self.estimator).set_params(**clone(setting, safe=False))

    def _take_best(self, settings, figures):
        found, pushed, seconds = figures.mean(axis=1).T
        results: dict = {"mean_fit_time": seconds}
        for place, name in enumerate(FIGURES):
            results[f"mean_test_{name}"] = figures[:, :, place].mean(axis=1)
            results[f"std_test_{name}"] = figures[:, :, place].std(axis=1)
        for name in sorted(set().union(*settings)):
            results[f"param_{name}"] = [setting.get(name) for setting in settings]
        results["params"] = settings
        may_be_taken = np.flatnonzero(found >= found.max() - self.tolerance)
        order = np.lexsort((may_be_taken, -found[may_be_taken], pushed[may_be_taken]))
        self.cv_results_ = results
        self.best_index_ = int(may_be_taken[order[0]])
        self.best_params_ = settings[self.best_index_]
        self.best_score_ = float(found[self.best_index_])
        self.best_target_hit_ratio_ = float(pushed[self.best_index_])

    @available_if(_best_has("predict"))
    def predict(self, X) -> np.ndarray:
        """Predict with the best setting.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        ratings : ndarray of shape (n_profiles, n_items)
            As the recommender predicts.
        """
        return self._best("predict", X)

    @available_if(_best_has("recommend"))
    def recommend(self, X, k: int = 50, *, exclude_seen: bool = True) -> np.ndarray:
        """Recommend items with the best setting.

        Parameters
        ----------
        %(profiles)s

        k : int, default=50
            Number of items to recommend.

        exclude_seen : bool, default=True
            Whether items that a profile has rated are left out of its ranking.

        Returns
        -------
        items : ndarray of shape (n_profiles, k)
            Indices of items, best first.
        """
        return self._best("recommend", X, k, exclude_seen=exclude_seen)

    @available_if(_best_has("score"))
    def score(self, X, y) -> float:
        """Score the best setting, as the recommender does.

        Parameters
        ----------
        %(profiles)s

        y : array-like of int of shape (n_profiles,) or sparse matrix of shape (n_profiles, n_items)
            The held-out items.

        Returns
        -------
        score : float
            Mostly the hit ratio of the held-out items at 50.
        """
        return self._best("score", X, y)

    def _best(self, method, X, *arguments, **options):
        """Ask the best estimator, which was fitted to a matrix, whatever `X` has been."""
        check_is_fitted(self, "best_estimator_")
        X = check_ratings(X, estimator=self, reset=False, allow_no_ratings=True)
        return getattr(self.best_estimator_, method)(X, *arguments, **options)
