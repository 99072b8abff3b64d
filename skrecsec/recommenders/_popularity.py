"""The ranking by popularity: what every recommender has to beat."""

from __future__ import annotations

import numpy as np

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@register("recommender", "popularity", title="Popularity")
@complete
class PopularityRecommender(BaseInteractionRecommender):
    """Recommends to everybody what most users have rated.

    It knows nobody's taste, and is the yardstick for those that do.

    Parameters
    ----------
    %(interaction_model)s

    See Also
    --------
    EASERecommender : Knows everybody's taste by what they have rated, at little cost.

    Notes
    -----
    Fitting takes O(n_ratings). It reads which items were rated, not how.

    An attack has to give a target about as many raters as the most popular items have that a user
    has not rated: impossible where these are hundreds, easy where ratings are few.

    Examples
    --------
    >>> from skrecsec.recommenders import PopularityRecommender
    >>> X = [[5, 0, 1], [3, 0, 0], [0, 2, 4]]
    >>> PopularityRecommender().fit(X).recommend([[0, 0, 4]], k=2)
    array([[0, 1]])
    """

    def __init__(self, *, interactions="all"):
        self.interactions = interactions

    def _fit_interactions(self, X):
        """Do nothing: `_check_ratings` has counted."""

    def _score_profiles(self, X):
        return np.tile(self.item_popularity_, (X.shape[0], 1))
