"""One defense for all data: filter, model and gate, with settings from the ratings at hand."""

from __future__ import annotations

import numpy as np

from skrecsec.base import BaseRecommender
from skrecsec.model_selection import SelfAttackSearchCV
from skrecsec.recommenders._ease import EASERecommender, has_memory
from skrecsec.recommenders._filtered import FilteredRecommender
from skrecsec.recommenders._gate import ExposureGate
from skrecsec.recommenders._item_knn import ItemKNNRecommender
from skrecsec.utils._compat import _fit_context
from skrecsec.utils._registry import find, register
from skrecsec.utils._signatures import complete
from skrecsec.utils._typing import MatrixLike
from skrecsec.utils.validation import check_ratings

# The inverse of a matrix of items by items: five of them are computed for the settings.
_MAX_ITEMS = 15_000
_PENALTIES = [10.0, 30.0, 100.0, 300.0, 1000.0]
_N_PUSHED = 5
# So that a few users do not decide: so many ratings are hidden, but in five rounds at most.
_N_HIDDEN, _MAX_ROUNDS = 2000, 5
# With fewer users chance decides: even so many rounds hide less than a quarter of that.
_MIN_USERS = 100
_TOLERANCE = 0.005


def recommended_defense(
    X: MatrixLike, *, random_state: int | np.random.RandomState | None = 0
) -> FilteredRecommender:
    """Return an unfitted recommender that is defended, with settings for these ratings.

    It is :class:`FilteredRecommender` with a :class:`~skrecsec.detection.LockstepDetector`, which
    drops the profiles that act alike, and behind it :class:`EASERecommender` in an
    :class:`ExposureGate`, which bounds what those can do that were not found. How narrow the gate
    is, it finds when it is fitted. All other settings are the defaults, but for the penalty of
    EASE, which is chosen by attacking the ratings as
    :class:`~skrecsec.model_selection.SelfAttackSearchCV` does.

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Ratings, poisoned or not: those that it is to be fitted to, or others like them.

    random_state : int, RandomState instance or None, default=0
        Determines the simulated attack.

    Returns
    -------
    defense : FilteredRecommender
        To be fitted, alone or behind an attack in a pipeline.

    Raises
    ------
    ValueError
        If `X` is not a valid rating matrix.

    See Also
    --------
    RecommendedDefense : Calls this in `fit`, with whatever ratings it learns from.
    ExposureGate : Says what is bounded, and when it harms.
    skrecsec.model_selection.SelfAttackSearchCV : Chooses settings of other recommenders.

    Notes
    -----
    Five penalties, from 10 to 1000, are tried. Of those whose lists of 50 find at most 0.005 fewer
    hidden ratings than the best one does, the one is taken that lets in the fewest pushed items.
    That takes five fits of EASE and ten predictions for all users, up to five times where users are
    fewer than 2,000: 3 s of processor time on MovieLens-100K, 33 s on MovieLens-1M. Fitting the
    defense takes a detector's fit, two fits of EASE and a few predictions.

    With more than 15,000 items, or too little memory for their square, the model is
    :class:`ItemKNNRecommender` with its defaults. Where there are fewer than 100 users, or none has
    two ratings, there is too little to choose by, and the penalty is the default.

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import recommended_defense
    >>> X = make_ratings(200, 150, density=0.1, random_state=0)
    >>> defense = recommended_defense(X)
    >>> defense
    FilteredRecommender(detector=LockstepDetector(),
                        recommender=ExposureGate(max_exposure='auto',
                                                 recommender=EASERecommender(reg=100.0)))
    >>> defense.fit(X).recommend(X[:2], k=3).shape
    (2, 3)
    """
    X = check_ratings(X)
    gate = ExposureGate(_model_for(X, random_state), max_exposure="auto")
    return FilteredRecommender(find("detector", "lockstep")(), gate)


def _model_for(X, random_state):
    if X.shape[1] > _MAX_ITEMS or not has_memory(X.shape[1]):
        return ItemKNNRecommender()
    if X.shape[0] < _MIN_USERS or np.diff(X.indptr).max() < 2:
        return EASERecommender()
    search = SelfAttackSearchCV(
        EASERecommender(),
        {"reg": _PENALTIES},
        n_targets=min(_N_PUSHED, np.unique(X.indices).size),
        n_repeats=min(_MAX_ROUNDS, -(-_N_HIDDEN // X.shape[0])),
        tolerance=_TOLERANCE,
        refit=False,
        random_state=random_state,
    )
    return EASERecommender(search.fit(X).best_params_["reg"])


@register("recommender", "recommended", title="Recommended")
@complete
class RecommendedDefense(BaseRecommender):
    """The recommended defense, which finds its settings in the ratings that it is fitted to.

    :func:`recommended_defense` takes ratings and returns an estimator with settings for these; here
    that happens in `fit`. So in a pipeline, in cross-validation and in a study the settings come
    from what there is to learn from, poisoned or not, and from nothing else.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Determines the attack that is simulated for the settings.

    Attributes
    ----------
    defense_ : FilteredRecommender
        What :func:`recommended_defense` returned, fitted.

    detector_ : LockstepDetector
        Its detector, fitted.

    removed_users_ : ndarray of int
        Rows of the training matrix whose ratings were not learned from, ascending.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    recommended_defense : What is built, how the settings are found, and at what cost.
    FilteredRecommender : A detector and a model of one's own choice.

    Notes
    -----
    Takes the time of :func:`recommended_defense`, which is most of it, and of fitting what it
    returns.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import RecommendedDefense
    >>> X = make_ratings(200, 150, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(attack_size=10, random_state=0)
    >>> pipeline = make_pipeline(attack, RecommendedDefense(random_state=0)).fit(X)
    >>> pipeline[-1].removed_users_
    array([200, 201, 202, 203, 204, 205, 206, 207, 208, 209])
    """

    _parameter_constraints: dict = {"random_state": ["random_state"]}

    def __init__(self, random_state=None):
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the settings, and fit the defense that has them.

        %(recommender.fit)s
        """
        X = check_ratings(X, estimator=self)
        self.defense_ = recommended_defense(X, random_state=self.random_state).fit(X)
        self.detector_ = self.defense_.detector_
        self.removed_users_ = self.defense_.removed_users_
        self.item_popularity_ = self.defense_.item_popularity_
        return self

    def _score_profiles(self, X):
        return self.defense_.predict(X)
