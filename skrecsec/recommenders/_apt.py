"""Adversarial poisoning training: fight fake profiles with made-up ones."""

from __future__ import annotations

from skrecsec.recommenders._erm_users import ERMUsers, item_influences
from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.training import Epoch, Triplets, check_pretraining, draw_order, plan_pairs
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "apt", title="APT")
@complete
class APTRecommender(BaseFactorRecommender):
    r"""Adversarial poisoning training: poison the ratings, too, for the good of the model.

    Every few epochs profiles of defending users are made up, ERM users, who rate what would lower
    the empirical risk if it were rated higher, and the factorisation is trained on the ratings and
    on theirs.

    Parameters
    ----------
    %(n_factors)s

    n_erm_users : int, default=50
        Number of ERM users.

    n_erm_ratings : int or "auto", default="auto"
        Number of items that each rates, as far as there are so many of negative influence;
        ``"auto"`` is four times the mean of the ratings of a user.

    sharpness : float, default=20.0
        How much an item's influence decides whether it is rated: the :math:`\tau` in the
        probability, proportional to :math:`\exp(-\tau I_i)`, by which each is drawn.

    rating_shift : float, default=0.2
        By how much they rate higher than others, on ratings scaled to [0, 1].

    injection_period : int, default=2
        Number of epochs after which their profiles are drawn anew.

    n_pretrain_iter : int, default=5
        Number of epochs before they are first; lower than `max_iter`.

    %(factor_model)s

    See Also
    --------
    ATRecommender : Trains under perturbed factors instead.
    RobustMFRecommender : The same model without ratings that fit badly.

    Notes
    -----
    The influence :math:`I_i`, scaled to [-1, 0] where it is negative, is that of a higher rating of
    item i by the ten users with the smallest profiles on the squared error of all training ratings:
    :math:`-\nabla L^\top H^{-1} \partial_r \nabla \ell`. Of the Hessian the Gauss-Newton part
    is taken, and its inverse is applied by ten iterations of least squares, where the original has
    up to a thousand stochastic ones. ERM users rate an item as a normal law with the mean and
    deviation of its ratings has it, `rating_shift` higher, at the nearest level. Settings are those
    of the original for MovieLens-100K, but for the epochs, which are those of another optimiser.

    It makes held-out items found more often on MovieLens, which is what more ratings do, but hardly
    withstands attacks: what ERM users add is spread over many items, and takes nothing away from
    what fake profiles say of a few. The user guide has figures.

    An epoch takes O(n_ratings n_factors) time, and ten times that where profiles are drawn; memory
    is O((n_users + n_items) n_factors + n_ratings + n_erm_users n_items). Factors of pre-training
    epochs are not kept, and those of ERM users never.

    References
    ----------
    .. [1] C. Wu, D. Lian, Y. Ge, Z. Zhu, E. Chen, S. Yuan, "Fight Fire with Fire: Towards Robust
       Recommender Systems via Adversarial Poisoning Training", SIGIR 2021.
       :doi:`10.1145/3404835.3462914`

    %(recommender.example)s
    >>> recommender = APTRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseFactorRecommender._parameter_constraints,
        "n_erm_users": [Count()],
        "n_erm_ratings": [StrOptions({"auto"}), Count()],
        "sharpness": [Number(0, None, closed="left")],
        "rating_shift": [Number(-1, 1, closed="both")],
        "injection_period": [Count()],
        "n_pretrain_iter": [Count(0)],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        n_erm_users=50,
        n_erm_ratings="auto",
        sharpness=20.0,
        rating_shift=0.2,
        injection_period=2,
        n_pretrain_iter=5,
        **training,
    ):
        super().__init__(n_factors, **training)
        self.n_erm_users = n_erm_users
        self.n_erm_ratings = n_erm_ratings
        self.sharpness = sharpness
        self.rating_shift = rating_shift
        self.injection_period = injection_period
        self.n_pretrain_iter = n_pretrain_iter

    def _check_parameters(self):
        super()._check_parameters()
        check_pretraining(self.n_pretrain_iter, self.max_iter, "the training after it")

    def _make_solver(self, data, rng):
        return super()._make_solver(data.with_rows(self.n_erm_users), rng)

    def _schedule(self, data, solver, rng):
        for _ in range(self.n_pretrain_iter):
            yield Epoch(lambda: solver.run_pairs(plan_pairs(data, rng)), eligible=False)
        users = ERMUsers(
            data, self.n_erm_users, self.n_erm_ratings, self.sharpness, self.rating_shift
        )
        for epoch in range(self.max_iter - self.n_pretrain_iter):
            if epoch % self.injection_period == 0:
                user_factors, item_factors = (factors[0] for factors in solver.factors())
                influences = item_influences(user_factors[: data.n_users], item_factors, data)
                ratings = data.train.join(users.draw(influences, rng))
            yield Epoch(lambda ratings=ratings: solver.run_pairs(_shuffled(ratings, rng)))

    def _set_factors(self, user_factors, item_factors):
        n_users = user_factors.shape[1] - self.n_erm_users
        super()._set_factors(user_factors[:, :n_users], item_factors)


def _shuffled(ratings: Triplets, rng) -> Triplets:
    return ratings.take(draw_order(ratings.ratings.size, rng))
