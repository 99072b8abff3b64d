"""Adversarial training: factors that have to do well under perturbation, too."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy.stats import truncnorm

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.recommenders._solver import Epoch, Perturbation, plan_pairs
from skrecsec.utils._compat import Interval, StrOptions

# Random directions are drawn from a pool of this many, renewed in every epoch.
_N_DIRECTIONS = 1024


class ATRecommender(BaseFactorRecommender):
    r"""Adversarial training of a matrix factorisation, and its random variant.

    After some epochs of ordinary training, each step adds to the loss the same squared error under
    factors that are moved a little: to where the loss grows fastest (AT), or at random (RAT). A
    model that predicts well in a whole neighbourhood is meant to be harder to bend.

    Parameters
    ----------
    n_factors : int, default=128
        Number of latent factors d.

    perturbation : {"adversarial", "random"}, default="adversarial"
        Direction in which factors are moved: the gradient of the loss, or a truncated normal draw.
        The second is known as RAT.

    epsilon : float, default=0.03
        How far: the length of the perturbation of each row of factors.

    n_pretrain_iter : int, default=5
        Number of epochs of ordinary training before perturbations set in. Must be lower than
        `max_iter`.

    max_iter : int, default=40
        Maximum number of epochs. Training stops earlier once the validation loss has not improved
        for 5 epochs.

    solver : {"sgd", "adam", "adadelta"}, default="sgd"
        ``"sgd"``: one rating at a time, by compiled kernels on one core; the fastest by far.
        ``"adam"`` and ``"adadelta"``: mini-batches by torch, on any `device`; the optimisers that
        the paper names and used.

    learning_rate : float or "auto", default="auto"
        Step size. ``"auto"`` is 0.02 for ``"sgd"``, 0.001 for ``"adam"`` and 20 for
        ``"adadelta"``.

    reg : float, default=0.0
        Weight of the squared factors in the loss. As small a penalty as 0.02 with ``"sgd"`` lowers
        the error of predicted ratings and ruins the ranking; early stopping regularises better.

    batch_size : int, default=2048
        Ratings in a mini-batch; ``"sgd"`` ignores it.

    validation_fraction : float, default=0.1
        Share of the ratings, in [0, 1), held back to choose the epoch whose factors are kept: the
        one with the lowest mean squared error on them. With 0, or so few ratings that none is
        held back, all epochs are run and the last one is kept.

    fold_in_reg : float, default=10.0
        Weight of the squared profile factors when profiles are folded in, on ratings scaled to
        [0, 1].

    device : str, default="cpu"
        Torch device of the mini-batch solvers; ``"sgd"`` takes ``"cpu"`` only.

    random_state : int, RandomState instance or None, default=None
        Determines the validation ratings, the initial factors and the order of the samples. Pass
        an int for results that are the same down to the last bit.

    verbose : int, default=0
        If positive, print a line per epoch.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_factors)
        Factors of the training profiles, for ratings scaled to [0, 1].

    item_factors_ : ndarray of shape (n_items, n_factors)
        Item factors.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels. Ratings are divided by the highest one inside.

    n_iter_ : int
        Number of epochs run.

    best_iter_ : int
        The epoch, counted from 1, whose factors were kept.

    validation_loss_ : float
        Mean squared error of that epoch on the validation ratings, on the [0, 1] scale; NaN
        without any.

    history_ : list of dict
        For each epoch its number and validation loss.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    MFRecommender : The same model without a defence.
    TCDRecommender : The defence of the same paper, which fares far better.

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

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import ATRecommender
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> recommender = ATRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseFactorRecommender._parameter_constraints,
        "perturbation": [StrOptions({"adversarial", "random"})],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "n_pretrain_iter": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        perturbation="adversarial",
        epsilon=0.03,
        n_pretrain_iter=5,
        max_iter=40,
        solver="sgd",
        learning_rate="auto",
        reg=0.0,
        batch_size=2048,
        validation_fraction=0.1,
        fold_in_reg=10.0,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.n_factors = n_factors
        self.perturbation = perturbation
        self.epsilon = epsilon
        self.n_pretrain_iter = n_pretrain_iter
        self.max_iter = max_iter
        self.solver = solver
        self.learning_rate = learning_rate
        self.reg = reg
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.fold_in_reg = fold_in_reg
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check_parameters(self):
        super()._check_parameters()
        self._check_pretraining()

    def _schedule(self, data, solver, rng):
        def pretrain():
            solver.run_pairs(plan_pairs(data, rng))
            return {}

        def train():
            solver.run_perturbed_pairs(plan_pairs(data, rng), self._draw_perturbation(rng))
            return {}

        n_trained = self.max_iter - self.n_pretrain_iter
        return [Epoch(pretrain, eligible=False)] * self.n_pretrain_iter + [Epoch(train)] * n_trained

    def _draw_perturbation(self, rng):
        if self.perturbation == "adversarial":
            directions = np.empty((0, self.n_factors), dtype=np.float32)
        else:
            # N(0, 0.01) cut off at two standard deviations; the scale drops out.
            directions = truncnorm.rvs(
                -2, 2, size=(_N_DIRECTIONS, self.n_factors), random_state=rng
            )
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return Perturbation(self.epsilon, directions.astype(np.float32), rng)
