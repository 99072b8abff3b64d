"""Matrix factorisation with losses that outliers do not rule."""

from __future__ import annotations

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.recommenders._robust_weights import LOSSES, robust_weights, trim_ratings, trim_users
from skrecsec.training import Epoch, check_pretraining, draw_order, pair_residuals, plan_pairs
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "lts", title="LTS")
@register("recommender", "trim", title="Trim", options={"trim_by": "user"})
@register("recommender", "r1", title="R1", options={"loss": "r1", "trim": None})
@register("recommender", "l1", title="L1", options={"loss": "l1", "trim": None})
@register("recommender", "welsch", title="Welsch", options={"loss": "welsch", "trim": None})
@register("recommender", "huber", title="Huber", options={"loss": "huber", "trim": None})
@complete
class RobustMFRecommender(BaseFactorRecommender):
    r"""Matrix factorisation by robust statistics: what fits badly counts less, or not at all.

    Before each epoch ratings are weighted by how well they fit: by a loss that grows more slowly
    than the squared error, by leaving out those that fit worst, or both.

    Parameters
    ----------
    %(n_factors)s

    loss : {"squared", "huber", "welsch", "l1", "r1"}, default="squared"
        What is minimised of the residuals: the squared error; an M-estimator [1]_, of which
        ``"welsch"`` has a limit, as a distance in the space of a Gaussian kernel has [2]_; their
        absolute values; or, with ``"r1"``, the norms of the users' rows of residuals, which are not
        squared [3]_.

    trim : float or None, default=0.1
        Share of the ratings, or of the users, in [0, 1), that fit worst and are left out of the
        next epoch; None for none.

    trim_by : {"rating", "user"}, default="rating"
        What is left out: ratings, which is least trimmed squares [4]_, or all that items would
        learn of users whose mean squared residual is large [5]_. The factors of the latter go on
        learning, so that they can come back.

    n_pretrain_iter : int, default=1
        Number of epochs in which all ratings count alike, before the weights set in; lower than
        `max_iter`. What has been learned once fits well: if pre-training is long, fake profiles
        have been.

    %(factor_model)s

    See Also
    --------
    MFRecommender : The same model without a defense.
    FilteredRecommender : Leaves out whom a detector calls fake.

    Notes
    -----
    With residual e and :math:`\sigma`, 1.48 times the median of all :math:`|e|`, a rating has the
    weight :math:`\min(1, 1.345 \sigma / |e|)` with ``"huber"``, :math:`\exp(-(e / 2.985
    \sigma)^2)` with ``"welsch"``, :math:`1 / \max(|e|, \sigma / 10)` with ``"l1"``, and that of
    one over the norm of its user's residuals with ``"r1"``, which changes what items learn, not
    what the user's factors do; divided by their mean. Factors may be negative, other than in [3]_.

    Least trimmed squares defends by not learning items that few have rated: in the epochs that it
    takes to learn these, their ratings are those that fit worst, and from then on they are left
    out, the genuine ones with the fake. What it protects from promotion it does not recommend at
    all; of that there is little in the lists of `MFRecommender` (354 items are recommended to
    anybody on MovieLens-100K instead of 382, 150 instead of 161 on FilmTrust). Items with so many
    raters that they are learned in time can still be promoted.

    ``"l1"`` and ``"welsch"`` defend a little, ``"huber"``, ``"r1"`` and ``trim_by="user"`` hardly:
    profiles that are made by optimisation fit better than genuine ones, so that what is trimmed are
    genuine users. The user guide has figures.

    An epoch takes O(n_ratings n_factors) time, memory is O((n_users + n_items) n_factors +
    n_ratings). Factors of pre-training epochs are not kept.

    References
    ----------
    .. [1] B. Mehta, T. Hofmann, W. Nejdl, "Robust Collaborative Filtering", RecSys 2007.
       :doi:`10.1145/1297231.1297240`
    .. [2] H. Yu, R. Gao, K. Wang, F. Zhang, "A Novel Robust Recommendation Method Based on Kernel
       Matrix Factorization", Journal of Intelligent & Fuzzy Systems 32(3), 2017.
    .. [3] F. Zhang, Y. Lu, J. Chen, S. Liu, Z. Ling, "Robust Collaborative Filtering Based on
       Non-negative Matrix Factorization and R1-norm", Knowledge-Based Systems 118, 2017.
       :doi:`10.1016/j.knosys.2016.11.021`
    .. [4] Z. Cheng, N. Hurley, "Robust Collaborative Recommendation by Least Trimmed Squares Matrix
       Factorization", ICTAI 2010.
    .. [5] S. Hidano, S. Kiyomoto, "Recommender Systems Robust to Data Poisoning using Trim
       Learning", ICISSP 2020. :doi:`10.5220/0009180407210724`

    %(recommender.example)s
    >>> recommender = RobustMFRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseFactorRecommender._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "trim": [Number(0, 1, closed="left"), None],
        "trim_by": [StrOptions({"user", "rating"})],
        "n_pretrain_iter": [Count(0)],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        loss="squared",
        trim=0.1,
        trim_by="rating",
        n_pretrain_iter=1,
        **training,
    ):
        super().__init__(n_factors, **training)
        self.loss = loss
        self.trim = trim
        self.trim_by = trim_by
        self.n_pretrain_iter = n_pretrain_iter

    def _check_parameters(self):
        super()._check_parameters()
        check_pretraining(self.n_pretrain_iter, self.max_iter, "the training after it")

    def _schedule(self, data, solver, rng):
        def pretrain():
            solver.run_pairs(plan_pairs(data, rng))

        def train():
            weights = self._weigh(data, solver)
            order = draw_order(data.train.ratings.size, rng)
            solver.run_weighted_pairs(data.train.take(order), weights.take(order))

        n_trained = self.max_iter - self.n_pretrain_iter
        return [Epoch(pretrain, eligible=False)] * self.n_pretrain_iter + [Epoch(train)] * n_trained

    def _weigh(self, data, solver):
        """Return how much each training rating counts in the next epoch."""
        user_factors, item_factors = solver.factors()
        users = data.train.users
        residuals = pair_residuals(user_factors[0], item_factors[0], *data.train)
        weights = robust_weights(residuals, users, self.loss)
        if self.trim is None:
            return weights
        if self.trim_by == "user":
            return trim_users(weights, residuals, users, self.trim)
        return trim_ratings(weights, residuals, self.trim)
