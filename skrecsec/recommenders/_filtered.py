"""A detector before a recommender: it learns from what the detector leaves."""

from __future__ import annotations

import numpy as np

from skrecsec.base import BaseRecommender
from skrecsec.utils._compat import HasMethods, _fit_context
from skrecsec.utils._labels import flagged_profiles
from skrecsec.utils._registry import clone_or_default
from skrecsec.utils._signatures import complete
from skrecsec.utils.validation import check_ratings


@complete
class FilteredRecommender(BaseRecommender):
    """Drop the profiles that a detector calls fake, and fit any recommender on the rest.

    Parameters
    ----------
    detector : detector, default=None
        Any estimator whose `fit_predict` returns -1 for the rows that are to be dropped; it is
        cloned. None means ``LockstepDetector()``.

    recommender : recommender, default=None
        It is cloned. None means ``EASERecommender()``.

    Attributes
    ----------
    detector_ : detector
        The fitted detector.

    recommender_ : recommender
        The recommender, fitted on the profiles that are left.

    removed_users_ : ndarray of int
        Rows of the training matrix that were dropped, ascending.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    skrecsec.detection.LockstepDetector : The default detector.
    ExposureGate : Bounds what those can do that were not found.
    recommended_defense : Both, with settings for the ratings at hand.

    Notes
    -----
    All profiles are served by folding in, those that were dropped too: who is dropped by mistake
    still gets recommendations, only their ratings do not count for others.

    `item_popularity_`, by which profiles without ratings are served, is that among the profiles
    that are left.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import FilteredRecommender, PopularityRecommender
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> filtered = FilteredRecommender(recommender=PopularityRecommender())
    >>> pipeline = make_pipeline(AverageAttackTransformer(random_state=0), filtered).fit(X)
    >>> pipeline[-1].removed_users_
    array([400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411])
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit_predict"]), None],
        "recommender": [HasMethods(["fit", "predict"]), None],
    }

    def __init__(self, detector=None, recommender=None):
        self.detector = detector
        self.recommender = recommender

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Judge the profiles, and learn from those that are not called fake.

        %(recommender.fit)s
        """
        X = check_ratings(X, estimator=self)
        detector = clone_or_default(self.detector, "detector", "lockstep")
        is_flagged = flagged_profiles(detector, X, name="detector")
        kept = X[np.flatnonzero(~is_flagged)]
        if kept.nnz == 0:
            raise ValueError(
                f"detector: {type(detector).__name__} calls all profiles with ratings fake, so "
                f"that there is nothing to learn from."
            )
        recommender = clone_or_default(self.recommender, "recommender", "ease")
        self.recommender_ = recommender.fit(kept)
        self.detector_ = detector
        self.removed_users_ = np.flatnonzero(is_flagged)
        self.item_popularity_ = np.bincount(kept.indices, minlength=X.shape[1]) / kept.shape[0]
        return self

    def _score_profiles(self, X):
        return self.recommender_.predict(X)
