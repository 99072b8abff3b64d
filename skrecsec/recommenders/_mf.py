"""Matrix factorisation: the recommender that attacks are aimed at."""

from __future__ import annotations

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.recommenders._solver import Epoch, plan_pairs


class MFRecommender(BaseFactorRecommender):
    r"""Matrix factorisation trained on squared error.

    The rating of user u for item i is predicted as :math:`p_u \cdot q_i`, without biases. It is
    the victim of the attacks: no measure is taken against fake profiles.

    Parameters
    ----------
    n_factors : int, default=128
        Number of latent factors d.

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
    TCDRecommender : Triple cooperative defence.

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

    Examples
    --------
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import MFRecommender
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> recommender = MFRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    def __init__(
        self,
        n_factors=128,
        *,
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

    def _schedule(self, data, solver, rng):
        def run():
            solver.run_pairs(plan_pairs(data, rng))
            return {}

        return [Epoch(run)] * self.max_iter
