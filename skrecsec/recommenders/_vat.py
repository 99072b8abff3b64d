"""Vulnerability-aware adversarial training: perturbation for those who are fitted best."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from skrecsec.recommenders._apr import APRRecommender
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "vat", title="VAT")
@complete
class VATRecommender(APRRecommender):
    r"""Vulnerability-aware adversarial training: APR with a length of its own for each user.

    Users whom the model fits well are those whom an attack on it reaches: the factors in their
    comparisons are moved farther, those of others less far.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors d.

    epsilon : float, default=0.25
        Length of the perturbations of each row of factors for a user whose loss is the mean.

    adversarial_weight : float, default=1.0
        Weight :math:`\lambda` of the loss under perturbation.

    n_pretrain_iter : int or "auto", default="auto"
        Number of epochs of BPR before perturbations set in; lower than `max_iter`, of which "auto"
        is half.

    %(ranking_model)s

    See Also
    --------
    APRRecommender : The same with one length for all.
    BPRRecommender : The same model without perturbations.

    Notes
    -----
    With :math:`L_u` the mean loss of the comparisons of user u in the epoch that begins, and
    :math:`\bar L` its mean over users, the perturbations in these comparisons have length
    :math:`2 \epsilon \, \sigma(\bar L / L_u - 1)`, which is between 0.54 and 2 times
    :math:`\epsilon`. The original sums the loss over a batch, in which a user stands once or not at
    all; here there are no batches, and the mean is what does not depend on the length of a profile.
    Otherwise it is `APRRecommender`.

    An epoch takes O(n_ratings n_factors) time, two and a half times that of BPR; memory is
    O((n_users + n_items) n_factors + n_ratings). It reads which items were rated, not how.

    References
    ----------
    .. [1] K. Zhang, Q. Cao, Y. Wu, F. Sun, H. Shen, X. Cheng, "Improving the Shortest Plank:
       Vulnerability-Aware Adversarial Training for Robust Recommender System", RecSys 2024.
       :doi:`10.1145/3640457.3688120`

    %(recommender.example)s
    >>> recommender = VATRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    def _epsilons(self, solver, plan):
        losses = solver.user_losses(plan)
        losses = np.where(np.isnan(losses), np.inf, losses)  # who is not compared is not moved
        mean = losses[np.isfinite(losses)].mean() if np.isfinite(losses).any() else 0.0
        return 2 * self.epsilon * expit(mean / np.maximum(losses, 1e-9) - 1)
