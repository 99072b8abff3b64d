"""Models of any kind that label data for one another, as the three of TCD do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from skrecsec.base import BaseRecommender
from skrecsec.utils._compat import Count, Fraction, HasMethods, StrOptions, _fit_context
from skrecsec.utils._random import spawn_generators, with_drawn_seed
from skrecsec.utils._ranking import row_blocks, top_k
from skrecsec.utils._registry import clone_or_default
from skrecsec.utils._signatures import complete
from skrecsec.utils._sizes import as_count


@complete
class CooperativeRecommender(BaseRecommender):
    r"""Cooperative training of any recommender: models label data for one another by agreement.

    Each model is fitted to the ratings of a random part of the users. What all the other models
    agree on becomes a pseudo-rating for one, which is fitted again to ratings and pseudo-ratings
    together; what a few fake profiles claim is to be outweighed. It is the idea of
    :class:`TCDRecommender` for models that can only be fitted as a whole.

    Parameters
    ----------
    estimator : recommender, default=None
        What is fitted; it is cloned. None means ``EASERecommender()``.

    n_models : int, default=3
        Number of models, at least 3.

    n_rounds : int, default=1
        How often labels are given.

    max_users : float, default=0.5
        Share of the users, in (0, 1], that each model is fitted to, by which the models differ.

    agreement : {"auto", "ranks", "ratings"}, default="auto"
        ``"ranks"``: an item is labelled that is in the list of `n_labels` items of all the other
        models. ``"ratings"``: of `n_labels` random items, those are labelled of which the others
        predict the same rating level. ``"auto"`` is the latter for models with `rating_levels_`.

    n_labels : int or "mean", default="mean"
        Number of unrated items of each user that may be labelled: ``"mean"`` as many as a user has
        rated on average.

    random_state : int, RandomState instance or None, default=None
        Determines the parts of the users, the items looked at, and the seeds of the models.

    Attributes
    ----------
    recommender_ : recommender
        The first model, fitted to all users and to the labels of the others. It is the one that
        serves.

    n_pseudo_ratings_ : int
        Number of pseudo-ratings that it was fitted to.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    TCDRecommender : The fast case of matrix factorisation, which labels anew in every epoch.

    Notes
    -----
    With r rounds `n_models` r + 1 models are fitted. Labels take O(n_users n_labels) memory and one
    block of scores, and a prediction of all users by each model.

    It does not do for other models what TCD does for matrix factorisation. Models of implicit
    feedback can only agree on further interactions, the targets' among them: on FilmTrust EASE,
    ALS, BPR and ItemKNN list more targets with it than without. See :ref:`cooperation`.

    References
    ----------
    .. [1] Q. Wang, C. Wu, D. Lian, E. Chen, "Securing Recommender System via Cooperative
       Training", World Wide Web 26, 2023. :doi:`10.1007/s11280-023-01214-7`

    %(recommender.example)s
    >>> cooperative = CooperativeRecommender(random_state=0).fit(X)
    >>> cooperative.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_models": [Count(3)],
        "n_rounds": [Count()],
        "max_users": [Fraction()],
        "agreement": [StrOptions({"auto", "ranks", "ratings"})],
        "n_labels": [Count(), StrOptions({"mean"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_models=3,
        n_rounds=1,
        max_users=0.5,
        agreement="auto",
        n_labels="mean",
        random_state=None,
    ):
        self.estimator = estimator
        self.n_models = n_models
        self.n_rounds = n_rounds
        self.max_users = max_users
        self.agreement = agreement
        self.n_labels = n_labels
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit models to parts of the users, and the first one to the labels of the others.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        template = clone_or_default(self.estimator, "recommender", "ease")
        rngs = spawn_generators(self.random_state, self.n_models)
        users = np.flatnonzero(np.diff(X.indptr))
        size = as_count(self.max_users, users.size)
        parts = [np.sort(rng.choice(users, size, False)) for rng in rngs]
        models = [
            with_drawn_seed(template, rng).fit(X[part])
            for rng, part in zip(rngs, parts, strict=True)
        ]
        for _ in range(self.n_rounds - 1):
            models = [
                with_drawn_seed(template, rng).fit(self._labelled(X, part, models, model, rng))
                for model, (rng, part) in enumerate(zip(rngs, parts, strict=True))
            ]
        labelled = self._labelled(X, np.arange(X.shape[0]), models, 0, rngs[0])
        self.n_pseudo_ratings_ = int(labelled.nnz - X.nnz)
        self.recommender_ = with_drawn_seed(template, rngs[0]).fit(labelled)
        return self

    def _labelled(self, X, users, models, model, rng) -> sp.csr_array:
        """Return the ratings of users with what the other models agree on for them."""
        others = models[:model] + models[model + 1 :]
        n_labels = self.n_labels
        if n_labels == "mean":
            n_labels = max(1, round(X.nnz / X.shape[0]))
        n_labels = min(n_labels, X.shape[1])
        by_ratings = self.agreement == "ratings" or (
            self.agreement == "auto" and hasattr(others[0], "rating_levels_")
        )
        levels = np.unique(X.data)
        blocks = []
        for rows in row_blocks(users.size, X.shape[1]):
            block = X[users[rows]]
            scores = (np.asarray(other.predict(block)) for other in others)
            if by_ratings:
                row, item, rating = _same_levels(scores, block, levels, n_labels, rng)
            else:
                row, item = _common_places(scores, block, n_labels)
                rating = np.full(row.size, levels[-1])
            labels = sp.csr_array((rating, (row, item)), shape=block.shape)
            blocks.append(block + labels)
        return sp.csr_array(sp.vstack(blocks, format="csr"))

    def _score_profiles(self, X):
        return self.recommender_.predict(X)


def _common_places(scores: Iterator, X, n_labels) -> tuple[np.ndarray, np.ndarray]:
    """Return the unrated items that all scores have among their best."""
    counts = np.zeros(X.shape, dtype=np.int16)
    n_lists = 0
    for values in scores:
        items = top_k(values, n_labels, seen=X)
        row, place = np.nonzero(items >= 0)
        counts[row, items[row, place]] += 1
        n_lists += 1
    row, item = np.nonzero(counts == n_lists)
    return row, item


def _same_levels(scores: Iterator, X, levels, n_labels, rng):
    """Return random unrated items of which all scores say the same level, and that level."""
    drawn = rng.integers(X.shape[1], size=(X.shape[0], n_labels))
    row = np.repeat(np.arange(X.shape[0]), n_labels)
    cells = np.unique(row * X.shape[1] + drawn.ravel())
    rated = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)) * X.shape[1] + X.indices
    row, item = np.divmod(np.setdiff1d(cells, rated, assume_unique=True), X.shape[1])
    halves = (levels[1:] + levels[:-1]) / 2
    said = [np.searchsorted(halves, values[row, item]) for values in scores]
    agreed = (np.array(said) == said[0]).all(axis=0)
    return row[agreed], item[agreed], levels[said[0][agreed]]
