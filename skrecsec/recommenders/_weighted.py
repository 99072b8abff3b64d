"""A detector's doubts as weights: who is suspected counts less, and nobody is dropped."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from skrecsec.base import BaseRecommender
from skrecsec.recommenders._ease import EASERecommender
from skrecsec.recommenders._mf import MFRecommender
from skrecsec.training import Epoch, PairWeights, draw_order
from skrecsec.utils._compat import HasMethods, _fit_context
from skrecsec.utils._registry import clone_or_default, register
from skrecsec.utils._signatures import complete

# The typical profile's weight is the logistic function of it, 0.98.
_STEEPNESS = 4.0


@register("recommender", "weighted", title="Weighted")
@complete
class WeightedRecommender(BaseRecommender):
    r"""Weigh profiles by how little a detector suspects them, and fit a recommender with that.

    Where `FilteredRecommender` decides, this one hedges: a profile just short of the detector's
    threshold counts a little more than half, one just beyond a little less.

    Parameters
    ----------
    detector : detector, default=None
        Any with `profile_scores_` and `offset_`; it is cloned. None means ``LockstepDetector()``.

    recommender : EASERecommender or MFRecommender, default=None
        The models that take weights; it is cloned. None means ``EASERecommender()``.

    Attributes
    ----------
    detector_ : detector
        The fitted detector.

    user_weights_ : ndarray of shape (n_users,)
        Weights of the training profiles, between 0 and 1.

    recommender_ : recommender
        The recommender, fitted with these weights.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    FilteredRecommender : Drops those whom the detector calls fake; takes any recommender.

    Notes
    -----
    With :math:`s_u` a profile's score, the lower the more suspicious, and o the detector's
    `offset_`, below which it calls profiles fake, the weight is :math:`\sigma(4 (s_u - o) / m)`, m
    being the median of the :math:`s_u - o` that are positive: that of the typical profile is 0.98,
    that of one at the threshold 0.5. No labels are needed, as they are for the weights that are
    learned in the models which the idea is taken from [1]_, [2]_.

    ``EASERecommender`` weighs rows of its interactions, :math:`B^\top D B` with weights D in place
    of :math:`B^\top B`. ``MFRecommender`` weighs what items learn of a profile, not what the
    profile's own factors do. All are served by folding in, whatever they weigh. `item_popularity_`,
    by which profiles without ratings are served, is that among all profiles, by weight.

    References
    ----------
    .. [1] S. Zhang, H. Yin, T. Chen, Q. V. H. Nguyen, Z. Huang, L. Cui, "GCN-Based User
       Representation Learning for Unifying Robust Recommendation and Fraudster Detection", SIGIR
       2020. :doi:`10.1145/3397271.3401165`
    .. [2] K. Zhang, Q. Cao, Y. Wu, F. Sun, H. Shen, X. Cheng, "LoRec: Combating Poisons with Large
       Language Model for Robust Sequential Recommendation", SIGIR 2024.
       :doi:`10.1145/3626772.3657684`

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import WeightedRecommender
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> pipeline = make_pipeline(AverageAttackTransformer(random_state=0), WeightedRecommender())
    >>> weights = pipeline.fit(X)[-1].user_weights_
    >>> float(weights[:400].min().round(2)), float(weights[400:].max().round(2))
    (0.9, 0.0)
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit"]), None],
        "recommender": [EASERecommender, MFRecommender, None],
    }

    def __init__(self, detector=None, recommender=None):
        self.detector = detector
        self.recommender = recommender

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Judge the profiles, and learn from each as much as it is believed.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        recommender = EASERecommender() if self.recommender is None else self.recommender
        weighted = _WEIGHTED.get(type(recommender))
        if weighted is None:
            raise ValueError(
                f"recommender must be an EASERecommender or an MFRecommender itself, since what "
                f"{type(recommender).__name__} makes of them takes no weights."
            )
        detector = clone_or_default(self.detector, "detector", "lockstep")
        weights = _weights(detector.fit(X))
        options = clone(recommender).get_params(deep=False)
        self.recommender_ = weighted(weights, **options).fit(X)
        self.detector_ = detector
        self.user_weights_ = weights
        self.item_popularity_ = np.bincount(
            X.indices, np.repeat(weights, np.diff(X.indptr)), minlength=X.shape[1]
        ) / max(weights.sum(), np.finfo(float).tiny)
        return self

    def _score_profiles(self, X):
        return self.recommender_.predict(X)


def _weights(detector):
    """Return the weights of profiles, by the scores of a fitted detector."""
    for name in ("profile_scores_", "offset_"):
        if not hasattr(detector, name):
            raise ValueError(f"detector must have {name}, {type(detector).__name__} has not.")
    margins = np.asarray(detector.profile_scores_, dtype=np.float64) - detector.offset_
    if not (margins > 0).any():
        raise ValueError(f"detector: {type(detector).__name__} believes nobody.")
    return expit(_STEEPNESS * margins / np.median(margins[margins > 0]))


class _WeightedEASE(EASERecommender):
    """EASE with a weight for each training profile."""

    def __init__(self, user_weights, reg=300.0, *, interactions="all"):
        super().__init__(reg, interactions=interactions)
        self.user_weights = user_weights

    _parameter_constraints: dict = {
        **EASERecommender._parameter_constraints,
        "user_weights": [np.ndarray],
    }

    def _weights_of_users(self, X):
        return self.user_weights

    @available_if(lambda self: False)
    def certify(self, X, target_items, **options):
        """Is not there: what is proved of EASE is of users who count alike, and so do fakes."""


class _WeightedMF(MFRecommender):
    """Matrix factorisation with a weight for each training profile."""

    def __init__(self, user_weights, n_factors=128, **training):
        super().__init__(n_factors, **training)
        self.user_weights = user_weights

    _parameter_constraints: dict = {
        **MFRecommender._parameter_constraints,
        "user_weights": [np.ndarray],
    }

    def _schedule(self, data, solver, rng):
        own = self.user_weights[data.train.users].astype(np.float32)
        weights = PairWeights(np.ones_like(own), own)

        def train():
            order = draw_order(own.size, rng)
            solver.run_weighted_pairs(data.train.take(order), weights.take(order))

        return [Epoch(train)] * self.max_iter


_WEIGHTED: dict[type, type] = {EASERecommender: _WeightedEASE, MFRecommender: _WeightedMF}
