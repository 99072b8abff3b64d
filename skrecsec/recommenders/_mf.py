"""Matrix factorisation: the recommender that attacks are aimed at."""

from __future__ import annotations

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.training import Epoch, plan_pairs
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "mf", title="MF")
@complete
class MFRecommender(BaseFactorRecommender):
    r"""Matrix factorisation trained on squared error.

    The rating of user u for item i is predicted as :math:`p_u \cdot q_i`, without biases. It is
    the victim of the attacks: no measure is taken against fake profiles.

    Parameters
    ----------
    %(n_factors)s

    %(factor_model)s

    See Also
    --------
    TCDRecommender : Triple cooperative defense.

    Notes
    -----
    An epoch takes O(n_ratings n_factors) time, memory is O((n_users + n_items) n_factors +
    n_ratings). `predict` folds profiles in: ridge regression of a profile's own ratings on the
    item factors, O(n_ratings n_factors^2 + n_profiles n_factors^3) at most.

    The squared error rewards good predictions of ratings, not good rankings: expect recommenders
    trained to rank to find held-out items more often.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, section 6.1.5. :doi:`10.1007/s11280-023-01214-7`
    .. [2] Y. Koren, R. Bell, C. Volinsky, "Matrix Factorization Techniques for Recommender
       Systems", Computer 42(8), 2009. :doi:`10.1109/MC.2009.263`

    %(recommender.example)s
    >>> recommender = MFRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    def _schedule(self, data, solver, rng):
        return [Epoch(lambda: solver.run_pairs(plan_pairs(data, rng)))] * self.max_iter
