"""Models of the package `lenskit`."""

from __future__ import annotations

import copy
import inspect
import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrecsec.recommenders.adapters._base import BaseAdapterRecommender, needs
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("recommender", "lenskit", title="LensKit", package="lenskit")
@complete
class LenskitRecommender(BaseAdapterRecommender):
    r"""A model of the package `lenskit`, as a recommender of this one.

    Parameters
    ----------
    model : object or None, default=None
        A scorer of `lenskit`, such as ``EASEScorer(regularization=300)``, or a pipeline with a
        component of the name ``"scorer"``; a clone is trained. None means alternating least squares
        on implicit feedback, ``ImplicitMFScorer(embedding_size=64, weight=1, regularization=10)``.

    %(adapter)s

    See Also
    --------
    CornacRecommender : Models of the package `cornac`.
    ImplicitRecommender : Models of the package `implicit`.

    Notes
    -----
    `lenskit` comes with an extra: ``python -m pip install "skrecsec[lenskit]"``.

    Scorers are given the ratings, and their configuration says what they make of them:
    ``ItemKNNScorer`` and ``UserKNNScorer`` read their heights unless they have
    ``feedback="implicit"``, ``ImplicitMFScorer`` only with ``use_ratings=True``, ``BiasedMFScorer``
    and ``BiasScorer`` always, ``EASEScorer`` and ``SLIMScorer`` never.

    `predict` asks for new users, whose history is the profile. Scorers that know the users of their
    training only, such as ``FlexMFImplicitScorer``, are refused. Items without a score rank below
    those with one; a profile for which there is none at all is served by what is popular.
    `fit_predict` asks for the users of the training, with the same history, as `lenskit` itself
    does; ``UserKNNScorer`` then takes none for their own neighbor, the others score as before.

    HR\@50 on the published splits, in-sample and folded in, and seconds that `predict` takes for
    all 943 users of MovieLens-100K on one core; they are asked for one by one:

    ===================================  ==============  =========  =======
    model                                MovieLens-100K  FilmTrust  seconds
    ===================================  ==============  =========  =======
    ``ImplicitMFScorer``, the default    0.622           0.887      0.6
    ``EASEScorer``, penalty of 300       0.629           0.891      2.3
    ``SLIMScorer``                       0.614           0.882      0.2
    ``UserKNNScorer``, 50 neighbors      0.560           0.868      6.5
    ``ItemKNNScorer``, 500 neighbors     0.468           0.901      2.6
    ``ItemKNNScorer`` of ratings         0.102           0.006      4.8
    ``BiasedMFScorer``                   0.144           0.021      0.4
    ===================================  ==============  =========  =======

    `lenskit` sets up its threads once in a process. It gets one, unless
    ``lenskit.parallel.initialize`` was called before.

    References
    ----------
    .. [1] M. D. Ekstrand, "LensKit for Python: Next-Generation Software for Recommender Systems
       Experiments", CIKM 2020. :doi:`10.1145/3340531.3412778`

    %(recommender.example)s
    >>> recommender = LenskitRecommender(random_state=0).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    def _values(self, ratings):
        return ratings.astype(float)

    def _fit_interactions(self, X):
        seed = self._draw_seed()
        with _one_thread():
            from lenskit.training import TrainingOptions

            model = _clone_of(self.model)
            data = _as_dataset(X)
            if hasattr(model, "train"):
                model.train(data, TrainingOptions(rng=seed, device="cpu"))
            self.model_ = model
            self._items = data.items
            self._training_profiles = X
            self._check_new_users()

    def _check_new_users(self):
        """Refuse models that score a known user and not a new one with the same history."""
        user = np.argmax(np.diff(self._training_profiles.indptr))
        profile = self._training_profiles[[user]]
        as_new, as_known = (np.isfinite(self._ask(profile, users)) for users in (None, [user]))
        if not as_new.any() and as_known.any():
            raise ValueError(
                f"model scores the users of its training only, not new ones by what they have "
                f"rated: {self.model_!r}."
            )

    def predict_training_rows(self, rows) -> np.ndarray:
        """Score training profiles as known users.

        %(predict_training_rows)s
        """
        check_is_fitted(self)
        users = np.arange(self._training_profiles.shape[0])[rows]
        with _one_thread():
            return self._complete(self._ask(self._training_profiles[users], users))

    def _score_profiles(self, X):
        with _one_thread():
            return self._complete(self._ask(X))

    def _ask(self, X, users=None):
        """Return the scores of profiles, of new users or of these, NaN where there is none."""
        from lenskit.data import ItemList, RecQuery

        items = ItemList(item_nums=np.arange(X.shape[1]), vocabulary=self._items)
        scores = np.full(X.shape, np.nan)
        for row in range(X.shape[0]):
            part = slice(*X.indptr[row : row + 2])
            history = ItemList(
                item_nums=X.indices[part], vocabulary=self._items, rating=X.data[part]
            )
            user = None if users is None else int(users[row])
            result = _run(self.model_, RecQuery(user_id=user, history_items=history), items)
            scores[row, result.numbers(vocabulary=self._items)] = result.scores()
        return scores

    def _complete(self, scores):
        """Return scores that are all finite, the missing ones lower than the others of the row."""
        is_known = np.isfinite(scores)
        lowest = scores.min(axis=1, where=is_known, initial=np.inf, keepdims=True)
        scores = np.where(is_known, scores, lowest - 1)
        return np.where(np.isfinite(lowest), scores, self.item_popularity_)


@contextmanager
def _one_thread():
    """Let `lenskit` have one thread, if nobody has told it how many to take."""
    with needs("lenskit", "LenskitRecommender"):
        from lenskit.parallel import config, initialize
    from torch import multiprocessing

    with single_threaded():
        if config._config is None:
            strategy = multiprocessing.get_sharing_strategy()
            with warnings.catch_warnings():
                # That torch has threads already, which are limited here.
                warnings.simplefilter("ignore", RuntimeWarning)
                initialize(processes=1, threads=1, backend_threads=1)
            multiprocessing.set_sharing_strategy(strategy)
        yield


def _clone_of(model):
    """Return a model to train, or say what is wrong with it."""
    from lenskit.als import ImplicitMFScorer
    from lenskit.pipeline import Component, Pipeline

    if model is None:
        return ImplicitMFScorer(embedding_size=64, weight=1, regularization=10)
    if isinstance(model, Pipeline):
        if model.node("scorer", missing=None) is None:
            raise ValueError("model is a pipeline without a component named 'scorer'.")
        return model.clone()
    if not isinstance(model, Component):
        raise ValueError(
            f"model must be a scorer or a pipeline of lenskit, or None, got {model!r}."
        )
    return type(model)(copy.deepcopy(model.config))


def _as_dataset(X):
    """Return ratings as `lenskit` takes them, with users and items that have none."""
    import pyarrow as pa
    from lenskit.data import DatasetBuilder

    builder = DatasetBuilder()
    for entity, n in zip(("user", "item"), X.shape, strict=True):
        builder.add_entities(entity, np.arange(n))
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    table = pa.table({"user_id": rows, "item_id": X.indices.astype(int), "rating": X.data})
    builder.add_interactions(
        "rating", table, entities=["user", "item"], allow_repeats=False, default=True
    )
    return builder.build()


def _run(model, query, items):
    """Return the scores of items, as a list of them."""
    if hasattr(model, "run"):
        return model.run("scorer", query=query, items=items)
    if "query" in inspect.signature(model).parameters:
        return model(query=query, items=items)
    return model(items=items)  # the same for everybody
