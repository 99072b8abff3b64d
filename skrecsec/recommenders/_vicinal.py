"""Real-time vicinal defense: a model is trained on a profile's neighbors before it is asked."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from skrecsec.base import BaseRecommender
from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.recommenders._mf import MFRecommender
from skrecsec.training import csr_arrays, fold_in, vicinal_scores
from skrecsec.utils._compat import Count, Number, _fit_context
from skrecsec.utils._ranking import row_blocks, top_k
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "rvd", title="RVD")
@complete
class VicinalRecommender(BaseRecommender):
    """Real-time vicinal defense: fine-tune a factorisation on a profile's neighbors, then rank.

    Before a profile is served, a copy of the model is trained for a few epochs more, on the
    training profiles that resemble the profile, and on itself; so that what most of them do not
    share has less of a say. Nothing is changed in training.

    Parameters
    ----------
    recommender : recommender, default=None
        A factorisation of ratings, such as `TCDRecommender` or `RobustMFRecommender`; it is cloned.
        None means ``MFRecommender()``.

    n_neighbors : int, default=20
        Number of training profiles to train on: those with the highest cosine of their ratings with
        the profile's, of those that rate something in common.

    n_iter : int, default=5
        Number of epochs.

    learning_rate : float, default=0.02
        Step size of the stochastic gradient descent, on ratings scaled to [0, 1].

    random_state : int, RandomState instance or None, default=None
        What the recommender is given as such; None leaves it what it has.

    Attributes
    ----------
    recommender_ : recommender
        The fitted recommender.

    training_ratings_ : csr_array of shape (n_users, n_items)
        Ratings of the training profiles, scaled to [0, 1].

    %(item_popularity)s

    %(features)s

    See Also
    --------
    MFRecommender : The default model, without a defense.

    Notes
    -----
    A profile's factors start where folding in has them, those of its neighbors where training left
    them; ratings are visited neighbor by neighbor, the most similar one last, then the profile's
    own. This is how we read the paper's abstract, for factorisations; how it chooses neighbors and
    steps is not known to us.

    It defends hardly: what a model has learned of an item that no neighbor rates, it keeps. Longer
    or faster fine-tuning lets in fewer targets of weak attacks and costs as many held-out items.
    The user guide has figures.

    Scoring a profile takes O(n_iter n_factors n_neighbors times the mean length of their profiles +
    n_items n_factors + n_users) time beyond finding its neighbors, some milliseconds.

    References
    ----------
    .. [1] Y. Xu, C. Wu, D. Lian, "Toward Robust Recommendation via Real-time Vicinal Defense",
       2023. :doi:`10.48550/arXiv.2309.17278`

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import MFRecommender, VicinalRecommender
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> recommender = VicinalRecommender(MFRecommender(16, random_state=0)).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        "recommender": [BaseFactorRecommender, None],
        "n_neighbors": [Count()],
        "n_iter": [Count(0)],
        "learning_rate": [Number(0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self, recommender=None, *, n_neighbors=20, n_iter=5, learning_rate=0.02, random_state=None
    ):
        self.recommender = recommender
        self.n_neighbors = n_neighbors
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the recommender, and keep the ratings to find neighbors in.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        recommender = MFRecommender() if self.recommender is None else clone(self.recommender)
        if self.random_state is not None:
            recommender.set_params(random_state=self.random_state)
        self.recommender_ = recommender.fit(X)
        self.training_ratings_ = sp.csr_array(X / recommender.rating_levels_[-1])
        return self

    def _score_profiles(self, X):
        model = self.recommender_
        highest = model.rating_levels_[-1]
        scores = np.empty(X.shape)
        # Copied, because the kernel is compiled for arrays that may be written to.
        training = tuple(array.copy() for array in csr_arrays(self.training_ratings_))
        for rows in row_blocks(X.shape[0], max(self.training_ratings_.shape)):
            block = sp.csr_array(X[rows] / highest)
            scores[rows] = vicinal_scores(
                model.user_factors_.astype(np.float64),
                model.item_factors_.astype(np.float64),
                fold_in(model.item_factors_, block, block.data, model.fold_in_reg),
                _nearest(block, self.training_ratings_, self.n_neighbors),
                *training,
                *csr_arrays(block),
                self.n_iter,
                float(self.learning_rate),
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"Fine-tuning diverged: lower learning_rate, which is {self.learning_rate}."
            )
        return scores * highest


def _nearest(X, training, n_neighbors):
    """Return the training rows with the highest cosines, the highest last, -1 for what is lacking.

    Rows have the bits that they would have by themselves.
    """
    lengths = np.sqrt(np.bincount(_rows(training), np.square(training.data), training.shape[0]))
    products = (X @ training.T).toarray()
    cosines = products / np.where(lengths > 0, lengths, 1)  # the own length makes no difference
    cosines[products <= 0] = -np.inf
    return np.ascontiguousarray(top_k(cosines, n_neighbors)[:, ::-1])


def _rows(X):
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
