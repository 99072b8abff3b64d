"""Decompositions of scikit-learn as recommenders."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._compat import HasMethods, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("recommender", "svd", title="SVD")
@complete
class DecompositionRecommender(BaseInteractionRecommender):
    """A decomposition of the rating matrix, as scikit-learn's transformers make it.

    Parameters
    ----------
    decomposition : transformer or None, default=None
        Any transformer with `components_`, such as :class:`~sklearn.decomposition.NMF` or
        :class:`~sklearn.decomposition.TruncatedSVD`; it is cloned. None means
        ``TruncatedSVD(n_components=32)``.

    values : {"interactions", "ratings"}, default="interactions"
        What is decomposed: ones where there is a rating, or the ratings. Absent ones are zeros in
        either case.

    %(interactions)s

    random_state : int, RandomState instance or None, default=None
        Replaces that of the decomposition, if it has one and this is not None.

    Attributes
    ----------
    decomposition_ : transformer
        The fitted decomposition.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    EASERecommender : A linear model of the same data in closed form.

    Notes
    -----
    A profile's scores are ``transform(profile) @ components_``: the decomposition itself folds it
    in. :class:`~sklearn.decomposition.NMF` and its kin stop when all profiles of a call have
    converged together, so that scores depend in the fourth decimal on who is asked beside; with
    ``tol=0`` they do not.

    References
    ----------
    .. [1] P. Cremonesi, Y. Koren, R. Turrin, "Performance of recommender algorithms on top-N
       recommendation tasks", RecSys 2010. :doi:`10.1145/1864708.1864721`

    Examples
    --------
    >>> from sklearn.decomposition import NMF
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import DecompositionRecommender
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> recommender = DecompositionRecommender(NMF(5, random_state=0)).fit(X)
    >>> recommender.recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "decomposition": [HasMethods(["fit", "transform"]), None],
        "values": [StrOptions({"interactions", "ratings"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self, decomposition=None, *, values="interactions", interactions="all", random_state=None
    ):
        self.decomposition = decomposition
        self.values = values
        self.interactions = interactions
        self.random_state = random_state

    def _fit_interactions(self, X):
        decomposition = self.decomposition
        if decomposition is None:
            from sklearn.decomposition import TruncatedSVD  # slow to import

            decomposition = TruncatedSVD(n_components=min(32, X.shape[1]))
        decomposition = clone(decomposition)
        if self.random_state is not None and "random_state" in decomposition.get_params():
            decomposition.set_params(random_state=self.random_state)
        with single_threaded():
            decomposition.fit(X)
        if not hasattr(decomposition, "components_"):
            raise ValueError(
                f"decomposition must have components_ once it is fitted; {decomposition!r} has "
                f"none."
            )
        self.decomposition_ = decomposition

    def _values(self, ratings):
        return super()._values(ratings) if self.values == "interactions" else ratings.astype(float)

    def _score_profiles(self, X):
        with single_threaded():
            factors = np.asarray(self.decomposition_.transform(X))
            return factors @ self.decomposition_.components_
