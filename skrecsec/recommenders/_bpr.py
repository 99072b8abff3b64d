"""Bayesian personalized ranking: factors that are trained to rank."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.recommenders._rank_fold_in import fold_into_ranking, learn_fold_in
from skrecsec.training import RankingSolver, RatingData, plan_comparisons
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("recommender", "bpr", title="BPR")
@complete
class BPRRecommender(BaseInteractionRecommender):
    r"""Bayesian personalized ranking: a factorisation that ranks what was rated above the rest.

    A user's score of an item is :math:`p_u \cdot q_i + b_i`. It is trained on comparisons: of an
    item that the user has rated, and one that they have not, the former is to have the higher
    score.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors d.

    %(ranking_model)s

    See Also
    --------
    APRRecommender : The same model, trained under perturbation.
    MFRecommender : Trained to predict ratings.
    ImplicitRecommender : The same model by the package `implicit`.

    Notes
    -----
    With i rated by u and j not, a comparison adds :math:`-\log \sigma(s_{ui} - s_{uj})` to the
    loss.

    `predict` folds profiles in: the factors of a profile are the sum of the centred factors of its
    items, divided by the root of their number, times `fold_in_matrix_`. By ridge regression, that
    matrix predicts best the factors that were learned for the training profiles. On MovieLens-100K
    and FilmTrust that ranks as well as these, by which `fit_predict` scores (HR\@50 of 0.618 and
    0.609, 0.888 and 0.889; published splits, mean of 3 seeds).

    An epoch takes O(n_ratings n_factors) time, memory is O((n_users + n_items) n_factors +
    n_ratings). It reads which items were rated, not how.

    References
    ----------
    .. [1] S. Rendle, C. Freudenthaler, Z. Gantner, L. Schmidt-Thieme, "BPR: Bayesian Personalized
       Ranking from Implicit Feedback", UAI 2009. :doi:`10.48550/arXiv.1205.2618`

    %(recommender.example)s
    >>> recommender = BPRRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "n_factors": [Count()],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "reg": [Number(0, None, closed="left")],
        "negatives": [StrOptions({"uniform", "popularity"})],
        "fold_in_reg": [Number(0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_factors=64,
        *,
        max_iter=80,
        learning_rate=0.05,
        reg=0.01,
        negatives="uniform",
        interactions="all",
        fold_in_reg=1.0,
        random_state=None,
        verbose=0,
    ):
        self.n_factors = n_factors
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.reg = reg
        self.negatives = negatives
        self.interactions = interactions
        self.fold_in_reg = fold_in_reg
        self.random_state = random_state
        self.verbose = verbose

    def _fit_interactions(self, X):
        (rng,) = spawn_generators(self.random_state, 1)
        data = RatingData.from_matrix(X, 0.0, rng)
        solver = RankingSolver.draw(
            data, self.n_factors, rng, learning_rate=self.learning_rate, reg=self.reg
        )
        pool = data.train.items
        if self.negatives == "uniform":
            pool = np.arange(X.shape[1], dtype=np.int32)
        for epoch in range(1, self.max_iter + 1):
            self._run_epoch(solver, plan_comparisons(data, rng, pool), epoch)
            if self.verbose:
                print(f"[{type(self).__name__}] epoch {epoch} of {self.max_iter}")
        if not solver.is_finite():
            raise ValueError("Training diverged: choose a lower learning_rate.")
        self.user_factors_ = solver.user_factors
        self.item_factors_ = solver.item_factors
        self.item_biases_ = solver.biases
        self.n_iter_ = self.max_iter
        self.fold_in_matrix_ = learn_fold_in(
            self.user_factors_, self.item_factors_, X, self.fold_in_reg
        )

    def _run_epoch(self, solver, plan, epoch):
        """Train on the comparisons of an epoch, of which the first is 1."""
        solver.run(plan)

    def predict_training_rows(self, rows) -> np.ndarray:
        """Score training profiles by the factors learned for them.

        %(predict_training_rows)s
        """
        check_is_fitted(self)
        return self._score_factors(self.user_factors_[rows].astype(np.float64))

    def _score_profiles(self, X):
        return self._score_factors(fold_into_ranking(self.item_factors_, X, self.fold_in_matrix_))

    def _score_factors(self, profiles):
        with single_threaded():
            return profiles @ self.item_factors_.T.astype(np.float64) + self.item_biases_
