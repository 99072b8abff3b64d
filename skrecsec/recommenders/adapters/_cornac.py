"""Models of the package `cornac`."""

from __future__ import annotations

import copy
import importlib
from collections import OrderedDict
from contextlib import nullcontext
from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from skrecsec.recommenders._rank_fold_in import RankFoldIn
from skrecsec.recommenders.adapters._base import BaseAdapterRecommender, needs
from skrecsec.training import fold_in
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._random import preserved_global_states
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

_EPS = 1e-8  # what `cornac` has in place of zeros that it must not lose


@register("recommender", "cornac", title="Cornac", package="cornac")
@complete
class CornacRecommender(BaseAdapterRecommender):
    r"""A model of the package `cornac`, as a recommender of this one.

    Models are taken that learn from ratings alone and can be asked for new profiles.

    Parameters
    ----------
    model : object or None, default=None
        A model of `cornac` of the kinds named in Notes, of which a clone is fitted. None means
        Bayesian personalized ranking, ``BPR(k=64, learning_rate=0.05)``.

    values : {"auto", "interactions", "ratings"}, default="auto"
        What the model is given: ones where there is a rating, or the ratings. ``"auto"`` means
        ratings for the models that predict them, which are MF, SVD, PMF, NMF and ItemKNN, and ones
        for all others. Of the others EASE and HPF read ratings if they are given any; BPR, WBPR and
        VAECF never do.

    fold_in_reg : float, default=3.0
        Penalty of the regressions by which profiles are folded into factors.

    n_jobs : int, default=1
        Number of threads of `cornac`, at most that of cores; where it is given a seed, it takes
        one in any case.

    verbose : int, default=0
        If positive, `cornac` shows its progress. HPF, and MF with torch, show theirs in any case.

    %(adapter)s

    See Also
    --------
    BPRRecommender : Bayesian personalized ranking of this package, which needs no other.
    ImplicitRecommender : Models of the package `implicit`.
    LenskitRecommender : Models of the package `lenskit`.

    Notes
    -----
    `cornac` comes with an extra: ``python -m pip install "skrecsec[cornac]"``.

    Its models know the users of their training only. So that predictions are pure functions of
    profiles, these are folded in, in one of three ways:

    - EASE, ItemKNN and VAECF score users by what these have rated, and are given profiles instead.
    - MF, SVD, NMF and PMF of the linear variant predict ratings: a profile's factors come from a
      ridge regression of its ratings on the item factors.
    - All others whose scores are products of factors of users and items are folded into as
      :class:`BPRRecommender` is: BPR, WBPR, PMF, WMF, HPF, BiVAECF and more, namely those that
      `cornac` can search by dot product.

    Anything else is refused, UserKNN and networks without factors among it; and models of texts,
    images or graphs find none here.

    `fit_predict` returns what `cornac` itself scores for the users of its training. HR\@50 of
    the one and the other, on the published splits:

    ============================  ==============  ==============
    model                         MovieLens-100K  FilmTrust
    ============================  ==============  ==============
    BPR, the default              0.625, 0.617    0.888, 0.897
    EASE, ``lamb=300``            0.629, 0.629    0.891, 0.891
    VAECF, 200 hidden units       0.609, 0.609    0.887, 0.887
    HPF                           0.524, 0.523    0.873, 0.877
    MF and SVD                    0.143, 0.141    0.116, 0.069
    PMF                           0.166, 0.156    0.641, 0.578
    NMF                           0.055, 0.064    0.001, 0.001
    ItemKNN                       0.077, 0.077    0.004, 0.004
    ============================  ==============  ==============

    For all 943 users of MovieLens-100K, `predict` takes less than 0.1 s on one core, with
    ItemKNN 11 s: `cornac` scores its users one by one.

    References
    ----------
    .. [1] A. Salah, Q.-T. Truong, H. W. Lauw, "Cornac: A Comparative Framework for Multimodal
       Recommender Systems", Journal of Machine Learning Research 21(95), 2020.

    %(recommender.example)s
    >>> recommender = CornacRecommender(random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseAdapterRecommender._parameter_constraints,
        "values": [StrOptions({"auto", "interactions", "ratings"})],
        "fold_in_reg": [Number(0, None, closed="neither")],
        "n_jobs": [Count()],
        "verbose": ["verbose"],
    }

    def __init__(
        self, model=None, *, values="auto", fold_in_reg=3.0, n_jobs=1, verbose=0, **adapter
    ):
        super().__init__(model, **adapter)
        self.values = values
        self.fold_in_reg = fold_in_reg
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _check_ratings(self, X):
        predicts_ratings = isinstance(self.model, _models("MF", "PMF", "NMF", "ItemKNN"))
        takes_ratings = {"auto": predicts_ratings, "ratings": True, "interactions": False}
        self._takes_ratings = takes_ratings[self.values]
        return super()._check_ratings(X)

    def _values(self, ratings):
        return ratings.astype(float) if self._takes_ratings else super()._values(ratings)

    def _fit_interactions(self, X):
        import torch  # noqa: F401  for below, should the model be one of its

        options = {"num_threads": self.n_jobs, "verbose": bool(self.verbose)}
        if self.random_state is not None:
            options["seed"] = self._draw_seed()
        model = _clone_of(self.model, options)
        seed = getattr(model, "seed", None)
        # With a seed, some models set the global states; without one, others draw from them.
        with single_threaded(), nullcontext() if seed is None else preserved_global_states():
            model.fit(_as_dataset(X, seed))
        model.train_set = model.val_set = None  # which `cornac` itself does not keep either
        self.model_ = model
        self._fold_in = _make_fold_in(model, X, self.fold_in_reg)

    def predict_training_rows(self, rows) -> np.ndarray:
        """Score training profiles as `cornac` does.

        %(predict_training_rows)s
        """
        check_is_fitted(self)
        with single_threaded():
            return _score_users(self.model_, np.arange(self.model_.num_users)[rows])

    def _score_profiles(self, X):
        if self.model_.num_items != X.shape[1]:  # which compiled code does not look at
            raise ValueError(f"The model has {self.model_.num_items} items, not {X.shape[1]}.")
        with single_threaded():
            return self._fold_in(X)


def _models(*names):
    """Return classes of models."""
    with needs("cornac", "CornacRecommender"):
        module = importlib.import_module("cornac.models")
    return tuple(getattr(module, name) for name in names)


def _clone_of(model, options):
    """Return a model to fit, with options where it has them, or say what is wrong with it."""
    from cornac.models import BPR, Recommender
    from cornac.models.recommender import MEASURE_DOT, is_ann_supported

    if model is None:
        model = BPR(k=64, learning_rate=0.05)
    if not isinstance(model, Recommender):
        raise ValueError(f"model must be a model of cornac or None, got {model!r}.")
    has_factors = (
        is_ann_supported(model)
        and model.get_vector_measure() == MEASURE_DOT
        and not isinstance(model, _models("SANSA"))  # whose factors of a user are the profile
    )
    if not has_factors and not isinstance(model, _models(*_HISTORY_FOLD_INS)):
        raise ValueError(
            f"Profiles cannot be folded into {model.name}: what is needed is EASE, ItemKNN, VAECF, "
            f"or a model that scores by the dot product of factors of users and items, as BPR, MF, "
            f"SVD, PMF, NMF, WMF and HPF do."
        )
    if not model.trainable:
        raise ValueError(f"{model.name} has trainable=False, so that it would learn nothing of X.")
    if any(value is not None for value in (getattr(model, "init_params", None) or {}).values()):
        raise ValueError(
            f"{model.name} has init_params, which are those of other users and items than X's."
        )
    known = model._get_init_params()
    return model.clone({name: value for name, value in options.items() if name in known})


def _as_dataset(X, seed):
    """Return ratings as `cornac` takes them, with users and items that have none."""
    from cornac.data import Dataset

    users, items = (OrderedDict(zip(range(n), range(n), strict=True)) for n in X.shape)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    ratings = rows, X.indices.astype(int), X.data
    return Dataset(*X.shape, users, items, ratings, seed=seed)


def _score_users(model, users):
    """Return the scores of all items for users of the training."""
    return np.array([np.ravel(model.score(int(user))) for user in users], dtype=np.float64).reshape(
        len(users), model.num_items
    )


# --- folding in ---


def _make_fold_in(model, X, reg):
    """Return how profiles are folded into a fitted model."""
    for name, score in _HISTORY_FOLD_INS.items():
        if isinstance(model, _models(name)):
            return partial(score, model)
    if isinstance(model, _models("MF", "NMF")):
        biases = model.global_mean + model.i_biases
        return _RatingFoldIn(model.i_factors, biases, model.use_bias, reg)
    if isinstance(model, _models("PMF")) and model.variant == "linear":
        return _RatingFoldIn(model.V, np.zeros(X.shape[1]), False, reg)
    return RankFoldIn(model.get_user_vectors(), model.get_item_vectors(), X, reg)


def _score_by_weights(model, X):
    return X @ model.B


def _score_by_neighbors(model, X):
    """Let the model take the profiles for its users."""
    model = copy.copy(model)
    model.num_users = X.shape[0]
    model.ui_mat = sp.csr_matrix(X, copy=True)
    model.mean_arr = np.zeros(X.shape[0])
    if model.min_rating != model.max_rating:  # then it has taken the users' means off
        counts = np.diff(X.indptr)
        model.mean_arr = X.sum(axis=1) / np.maximum(counts, 1)
        model.ui_mat.data -= np.repeat(model.mean_arr, counts)
        model.ui_mat.data[model.ui_mat.data == 0] = _EPS
    return _score_users(model, np.arange(X.shape[0]))


def _score_by_autoencoder(model, X):
    import torch

    ones = torch.tensor((X.toarray() > 0).astype(np.float32), device=model.device)
    with torch.no_grad():
        codes, _ = model.vae.encode(ones)
        return model.vae.decode(codes).cpu().numpy().astype(np.float64)


# Of the models that score users by what these have rated.
_HISTORY_FOLD_INS = {
    "EASE": _score_by_weights,
    "ItemKNN": _score_by_neighbors,
    "VAECF": _score_by_autoencoder,
}


class _RatingFoldIn:
    """Folds profiles into factors that have learned to predict ratings, by ridge regression."""

    def __init__(self, item_factors, item_biases, has_user_biases, reg):
        factors = np.asarray(item_factors, dtype=np.float64)
        if has_user_biases:
            factors = np.column_stack([factors, np.ones(len(factors))])
        self.item_factors, self.item_biases, self.reg = factors, item_biases, reg

    def __call__(self, X):
        ratings = X.data - self.item_biases[X.indices]
        profiles = fold_in(self.item_factors, X, ratings, self.reg)
        return profiles @ self.item_factors.T + self.item_biases
