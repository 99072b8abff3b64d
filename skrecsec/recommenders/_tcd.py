"""Triple cooperative defense: three models that label data for one another."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
from joblib import cpu_count

from skrecsec.recommenders._factorization import BaseFactorRecommender
from skrecsec.training import Epoch, check_pretraining, plan_pairs, plan_tiles
from skrecsec.utils._compat import Number, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# Pre-training goes on until the typical item has been visited this often (see TCDRecommender).
_PRETRAIN_VISITS = {"sgd": 26, "adam": 65, "adadelta": 65}

# Cells that pseudo_label_ratio="auto" looks at: so many for each rating, and no fewer than these.
_CELLS_PER_RATING = 24
_FEWEST_CELLS = 2**25


@register("recommender", "tcd", title="TCD")
@complete
class TCDRecommender(BaseFactorRecommender):
    """Triple cooperative defense, Algorithm 1 of the paper.

    Three matrix factorisations are pre-trained on all ratings. Then, epoch by epoch and model by
    model, every unobserved cell on which the two other models predict the same rating level becomes
    a pseudo-rating of the third, which trains on ratings and pseudo-ratings together. What a few
    fake profiles claim is thus outweighed by what the models agree on everywhere else. Ratings are
    predicted by the first model.

    Parameters
    ----------
    %(n_factors)s

    n_pretrain_iter : float or "auto", default="auto"
        Number T_pre of epochs on the ratings alone, before pseudo-ratings set in; below 1, that
        part of an epoch. Must be lower than `max_iter`. ``"auto"`` pre-trains until the typical
        item has been visited 26 times by ``"sgd"``, 65 times by the mini-batch solvers, but for
        less than half of `max_iter`; see Notes.

    pseudo_label_ratio : float or "auto", default=1.0
        Random share of the cells, in (0, 1], that are looked at for pseudo-ratings in each epoch.
        The cost of an epoch is proportional to it, and below a threshold that depends on the data
        the defense fails: on MovieLens-1M with ``"sgd"``, 0.5 withstands attacks to which 0.2
        succumbs, and 1.0 lets in a tenth of what 0.5 does and finds more held-out items (HR@50 of
        0.33 instead of 0.25). ``"auto"`` makes an epoch's cost proportional to the ratings where
        there are many cells; see Notes.

    n_jobs : int or None, default=None
        Number of threads of a fit by ``"sgd"``; the mini-batch solvers ignore it. The results do
        not depend on it. None is one thread, whatever a ``joblib.parallel_config`` says, which is
        about workers and not about threads of a fit; -1 is one for each processor. With a
        `pseudo_label_ratio` below 1 only pre-training gains.

    max_iter : int, default=40
        Maximum number of epochs, pre-training included. Training stops earlier once the validation
        loss has not improved for 5 epochs.

    solver : {"sgd", "adam", "adadelta"}, default="sgd"
        ``"sgd"``: one sample at a time, by compiled kernels on one core; the fastest by far.
        ``"adam"`` and ``"adadelta"``: mini-batches by torch, on any `device`; the optimisers that
        the paper names and used.

    learning_rate : float or "auto", default="auto"
        Step size. ``"auto"`` is 0.05 for ``"sgd"``, 0.001 for ``"adam"`` and 20 for
        ``"adadelta"``.

    reg : float, default=0.0
        Weight of the squared factors in the loss.

    batch_size : int, default=2048
        Samples in a mini-batch, and about as many cells in a tile; ``"sgd"`` ignores it.

    %(validation)s

    %(training.random_state)s

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_factors)
        Factors of the training profiles in the first model, for ratings scaled to [0, 1].

    item_factors_ : ndarray of shape (n_items, n_factors)
        Item factors of the first model.

    user_factors_all_ : ndarray of shape (3, n_users, n_factors)
        Factors of the training profiles in all three models.

    item_factors_all_ : ndarray of shape (3, n_items, n_factors)
        Item factors of all three models.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels, on which the models vote. Ratings are divided by the highest one
        inside.

    %(training.outcome)s

    history_ : list of dict
        For each epoch its number, its validation loss, and the number of pseudo-ratings that the
        three models used in it.

    %(features)s

    See Also
    --------
    MFRecommender : The same model without a defense.
    ExposureGate : Needed where ratings are few, see Notes.

    Notes
    -----
    Cells are visited in tiles, random blocks of users times random blocks of items; the votes on a
    tile are computed when it is reached and never stored. An epoch takes O((n_ratings +
    pseudo_label_ratio n_users n_items) n_factors) time; memory is O((n_users + n_items) n_factors +
    n_ratings).

    With ``pseudo_label_ratio="auto"`` an epoch looks at 24 cells for each rating, and no fewer than
    33 million cells: at all of them on FilmTrust, MovieLens-100K and MovieLens-1M, so that nothing
    changes there, and at 0.13 of them where 138,000 users rated 27,000 items 20 million times. That
    bounds time, not what the share does to quality: with 0.13 of the cells instead of all, HR@50 of
    held-out items falls from 0.35 to 0.18 on MovieLens-1M, from 0.44 to 0.23 on MovieLens-100K, and
    from 0.83 to 0.80 on FilmTrust, where 0.13 of the cells are still 11 for each rating (one item
    held out per user, in-sample, seed 0 for MovieLens-1M, else the mean of seeds 0 and 1).

    How far pre-training goes matters. If it is long, the models have learned the fake profiles
    before they vote; if it is short, they vote on items that they know nothing about, and what
    spreads is popularity. How fast an item is learned depends on how often it is visited, which in
    one epoch is its number of ratings: 2 for the typical item of FilmTrust, 100 for that of
    MovieLens-1M (geometric means). One number of epochs cannot serve both, so ``"auto"`` counts
    visits. With ``"sgd"`` it is about 10 epochs on FilmTrust, 1 on MovieLens-100K and a quarter of
    one on MovieLens-1M. The paper's own numbers, for its optimiser, are 1, 4 and 2.

    Where ratings are as few as in FilmTrust, it needs an :class:`ExposureGate`: no setting that was
    tried withstands all attacks by itself.
    With ``"auto"`` weak attacks stay without effect and strong ones, such as CoAttack, succeed as
    if there were no defense. With ``n_pretrain_iter=1`` strong ones are held to a tenth or two of
    the lists of 50 instead of nearly all (unpopular targets), and more held-out items are found;
    but then the ranking is close to one by popularity, and weak attacks put their targets, which
    the fake profiles make popular, into four lists of ten.
    A penalty helps there in both respects: with ``reg=0.002`` one target of strong attacks gets in
    where without it there are two or three, and more held-out items are found. So they are with
    more factors: with 256 HR@50 rises from 0.875 to 0.881, at 2.5 times the cost.

    One setting for all attacks there is ``ExposureGate(TCDRecommender(n_pretrain_iter=1,
    reg=0.002), max_exposure=3)``: under Random, Average, Bandwagon, AUSH, PGA, CoAttack and
    GCoAttack, with 3% of fake profiles, unpopular targets are in 0.005 to 0.017 of the lists of 50,
    random ones in 0.116 to 0.132 (0.107 without an attack), and HR@50 of held-out items is 0.867 to
    0.869 (folded in, published split and targets, one seed). Without the gate
    unpopular targets are in up to 0.62 of the lists, and random ones in 0.30 to 0.58. On
    MovieLens-100K a gate of 2 costs TCD 0.06 of its HR@50, since it recommends the same items to
    many; ``max_exposure="auto"`` finds 6 there, which costs 0.002.

    On MovieLens-100K the paper's ``reg=0.005`` lets in up to three quarters fewer targets, of all
    attacks but TNA, and finds as many held-out items; 0.01 costs 0.02 of their HR@50. On
    MovieLens-1M 0.005 costs 0.04 of it, and little gets in without.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023, Algorithm 1. :doi:`10.1007/s11280-023-01214-7`
    .. [2] Q. Wang, D. Lian, C. Wu, E. Chen, "Towards Robust Recommender Systems via Triple
       Cooperative Defense", WISE 2022. :doi:`10.1007/978-3-031-20891-1_40`

    %(recommender.example)s
    >>> recommender = TCDRecommender(n_factors=16, random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _n_models = 3
    _sgd_learning_rate = 0.05

    _parameter_constraints: dict = {
        **BaseFactorRecommender._parameter_constraints,
        "n_pretrain_iter": [StrOptions({"auto"}), Number(0, None, closed="left")],
        "pseudo_label_ratio": [StrOptions({"auto"}), Number(0, 1, closed="right")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        n_pretrain_iter="auto",
        pseudo_label_ratio=1.0,
        n_jobs=None,
        **training,
    ):
        super().__init__(n_factors, **training)
        self.n_pretrain_iter = n_pretrain_iter
        self.pseudo_label_ratio = pseudo_label_ratio
        self.n_jobs = n_jobs

    def _check_parameters(self):
        super()._check_parameters()
        check_pretraining(self.n_pretrain_iter, self.max_iter, "the training after it")
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0; None or 1 is one thread, -1 all processors.")

    def _n_threads(self):
        # Not `effective_n_jobs`: on a cluster that is the number of its workers, for each of them.
        n_jobs = 1 if self.n_jobs is None else self.n_jobs
        return n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)

    def _schedule(self, data, solver, rng):
        share = self.pseudo_label_ratio
        if share == "auto":
            share = _affordable_share(data)

        def pretrain(fraction):
            solver.run_pairs(plan_pairs(data, rng, fraction))
            return {"n_pseudo_labels": 0}

        def cooperate():
            n_labels = 0
            for model in range(3):
                plan = plan_tiles(data, share, solver.tile_side, rng)
                n_labels += solver.run_tiles(model, plan)
            return {"n_pseudo_labels": n_labels}

        n_pretrain = self.n_pretrain_iter
        if n_pretrain == "auto":
            enough = _epochs_for_visits(data, _PRETRAIN_VISITS[self.solver])
            n_pretrain = min(enough, (self.max_iter - 1) // 2)
        fractions = [min(1.0, n_pretrain - e) for e in range(math.ceil(n_pretrain))]
        for fraction in fractions:
            yield Epoch(lambda fraction=fraction: pretrain(fraction), eligible=False)
        for _ in range(self.max_iter - len(fractions)):
            yield Epoch(cooperate)

    def _set_factors(self, user_factors, item_factors):
        super()._set_factors(user_factors, item_factors)
        self.user_factors_all_ = user_factors
        self.item_factors_all_ = item_factors


def _affordable_share(data) -> float:
    """Return the share of the cells that makes an epoch's cost proportional to the ratings."""
    n_ratings = data.train.ratings.size + data.validation.ratings.size
    n_cells = max(_CELLS_PER_RATING * n_ratings, _FEWEST_CELLS)
    return min(1.0, n_cells / (data.n_users * data.n_items))


def _epochs_for_visits(data, n_visits: int) -> float:
    """Return the number of epochs in which the typical item is visited `n_visits` times."""
    counts = np.bincount(data.train.items)
    typical_count = math.exp(np.log(counts[counts > 0]).mean())
    n_epochs = n_visits / typical_count
    return n_epochs if n_epochs < 1 else round(n_epochs)
