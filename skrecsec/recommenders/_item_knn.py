"""Nearest neighbours among items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._ranking import row_blocks, top_k
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._sparse import check_structure


@register("recommender", "itemknn", title="ItemKNN")
@complete
class ItemKNNRecommender(BaseInteractionRecommender):
    r"""Recommends items that are rated by the same users as those that one has rated.

    Parameters
    ----------
    n_neighbors : int, default=50
        Number of items that an item takes its score from.

    shrinkage : float, default=10.0
        Added to the denominator of the similarity: the more, the less the agreement of few raters
        counts.

    %(interaction_model)s

    similarities_ : csr_array of shape (n_items, n_items)
        Each row has the similarities of an item to its neighbors.

    See Also
    --------
    EASERecommender : Weights between all items, learned jointly.

    Notes
    -----
    With :math:`c_{ij}` the number of users who have rated both items and :math:`c_i` of those who
    have rated one, the similarity is :math:`c_{ij} / (\sqrt{c_i c_j} + s)`, s being the
    shrinkage. Of equally similar items those with the lower index are neighbors. A user's score of
    an item is the sum of its similarities to those of its neighbors that the user has rated.

    Fitting takes O(sum of squared profile lengths + n_items^2) time, in blocks of items bounded by
    scikit-learn's ``working_memory``, and O(n_items n_neighbors) memory besides; a prediction
    O(n_ratings n_neighbors). It reads which items were rated, not how.

    References
    ----------
    .. [1] M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", ACM Transactions
       on Information Systems 22(1), 2004. :doi:`10.1145/963770.963776`

    %(recommender.example)s
    >>> ItemKNNRecommender(n_neighbors=20).fit(X).recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "n_neighbors": [Count()],
        "shrinkage": [Number(0, None, closed="left")],
    }

    def __init__(self, n_neighbors=50, *, shrinkage=10.0, interactions="all"):
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage
        self.interactions = interactions

    def _fit_interactions(self, X):
        by_item = sp.csr_array(X.T)
        norms = np.sqrt(np.diff(by_item.indptr))
        blocks = [
            _nearest(by_item, X, rows, norms, self.shrinkage, min(self.n_neighbors, X.shape[1]))
            for rows in row_blocks(X.shape[1], X.shape[1])
        ]
        self.similarities_ = sp.csr_array(sp.vstack(blocks, format="csr"))

    def _score_profiles(self, X):
        check_structure(self.similarities_, "similarities_")
        return (X @ self.similarities_.T).toarray()


def _nearest(by_item, X, rows, norms, shrinkage, n_neighbors):
    """Return the similarities of a block of items to their neighbors."""
    common = (by_item[rows] @ X).toarray()
    scale = norms[rows, np.newaxis] * norms + shrinkage
    similarities = np.divide(common, scale, out=np.zeros_like(common), where=common > 0)
    # Who has nobody in common is no neighbor, and nobody is their own.
    similarities[similarities == 0] = -np.inf
    items = np.arange(rows.start, rows.stop)
    similarities[np.arange(items.size), items] = -np.inf
    neighbors = top_k(similarities, n_neighbors)
    row, place = np.nonzero(neighbors >= 0)
    column = neighbors[row, place]
    return sp.csr_array((similarities[row, column], (row, column)), shape=common.shape)
