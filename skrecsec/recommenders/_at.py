"""Adversarial training: factors that have to do well under perturbation, too."""

from __future__ import annotations

import numpy as np

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.training import Epoch, Perturbation, check_pretraining, plan_pairs
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# Random directions are drawn from a pool of this many, renewed in every epoch.
_N_DIRECTIONS = 1024


@register("recommender", "rat", title="RAT", options={"perturbation": "random"})
@register("recommender", "at", title="AT")
@complete
class ATRecommender(BaseFactorRecommender):
    r"""Adversarial training of a matrix factorisation, and its random variant.

    After some epochs of ordinary training, each step adds to the loss the same squared error under
    factors that are moved a little: to where the loss grows fastest (AT), or at random (RAT). A
    model that predicts well in a whole neighbourhood is meant to be harder to bend.

    Parameters
    ----------
    %(n_factors)s

    perturbation : {"adversarial", "random"}, default="adversarial"
        Direction in which factors are moved: the gradient of the loss, or a truncated normal draw.
        The second is known as RAT.

    epsilon : float, default=0.03
        How far: the length of the perturbation of each row of factors.

    n_pretrain_iter : int, default=5
        Number of epochs of ordinary training before perturbations set in. Must be lower than
        `max_iter`.

    %(factor_model)s

    See Also
    --------
    MFRecommender : The same model without a defense.
    TCDRecommender : The defense of the same paper, which fares far better.

    Notes
    -----
    With :math:`\Delta` the perturbations, constants of length :math:`\epsilon`, the loss of a
    rating is :math:`(r - p \cdot q)^2 + (r - (p + \Delta_p) \cdot (q + \Delta_q))^2`. ``"sgd"``
    perturbs for each rating; the mini-batch solvers perturb each row once a batch.

    An epoch takes O(n_ratings n_factors) time, memory is O((n_users + n_items) n_factors +
    n_ratings). Factors of pre-training epochs are not kept.

    References
    ----------
    .. [1] X. He, Z. He, X. Du, T.-S. Chua, "Adversarial Personalized Ranking for Recommendation",
       SIGIR 2018. :doi:`10.1145/3209978.3209981`
    .. [2] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, section 6.1.3. :doi:`10.1007/s11280-023-01214-7`

    %(recommender.example)s
    >>> recommender = ATRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseFactorRecommender._parameter_constraints,
        "perturbation": [StrOptions({"adversarial", "random"})],
        "epsilon": [Number(0, None, closed="left")],
        "n_pretrain_iter": [Count(0)],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        perturbation="adversarial",
        epsilon=0.03,
        n_pretrain_iter=5,
        **training,
    ):
        super().__init__(n_factors, **training)
        self.perturbation = perturbation
        self.epsilon = epsilon
        self.n_pretrain_iter = n_pretrain_iter

    def _check_parameters(self):
        super()._check_parameters()
        check_pretraining(self.n_pretrain_iter, self.max_iter, "the training after it")

    def _schedule(self, data, solver, rng):
        def pretrain():
            solver.run_pairs(plan_pairs(data, rng))

        def train():
            solver.run_perturbed_pairs(plan_pairs(data, rng), self._draw_perturbation(rng))

        n_trained = self.max_iter - self.n_pretrain_iter
        return [Epoch(pretrain, eligible=False)] * self.n_pretrain_iter + [Epoch(train)] * n_trained

    def _draw_perturbation(self, rng):
        if self.perturbation == "adversarial":
            directions = np.empty((0, self.n_factors), dtype=np.float32)
        else:
            from scipy.stats import truncnorm  # slow to import

            # N(0, 0.01) cut off at two standard deviations; the scale drops out.
            directions = truncnorm.rvs(
                -2, 2, size=(_N_DIRECTIONS, self.n_factors), random_state=rng
            )
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return Perturbation(float(self.epsilon), directions.astype(np.float32), rng)
