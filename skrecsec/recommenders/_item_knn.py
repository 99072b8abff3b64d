"""Nearest neighbours among items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._compiling import jit
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
        n_neighbors = min(self.n_neighbors, X.shape[1])
        blocks = [
            _nearest(by_item, X, rows, self.shrinkage, n_neighbors)
            for rows in row_blocks(X.shape[1], X.shape[1])
        ]
        self.similarities_ = sp.csr_array(sp.vstack(blocks, format="csr"))

    def _score_profiles(self, X):
        check_structure(self.similarities_, "similarities_")
        if self.similarities_.shape != (X.shape[1], X.shape[1]):
            raise ValueError(f"similarities_ of shape {self.similarities_.shape} do not fit.")
        table = sp.csr_array(self.similarities_.T)
        scores = np.zeros(X.shape)
        _add_similarities(
            X.indptr, X.indices, X.data, table.indptr, table.indices, table.data, scores
        )
        return scores


def _nearest(by_item, X, rows, shrinkage, n_neighbors):
    """Return the similarities of a block of items to their neighbors."""
    # Who has nobody in common is no neighbor, and nobody is their own.
    similarities = np.full((rows.stop - rows.start, X.shape[1]), -np.inf)
    _fill_similarities(
        by_item.indptr, by_item.indices, X.indptr, X.indices, rows.start, shrinkage, similarities
    )
    neighbors = top_k(similarities, n_neighbors)
    row, place = np.nonzero(neighbors >= 0)
    column = neighbors[row, place]
    return sp.csr_array((similarities[row, column], (row, column)), shape=similarities.shape)


@jit
def _fill_similarities(item_indptr, raters, indptr, indices, first, shrinkage, similarities):
    """Write the similarities of a block of items to all that have a rater in common with them."""
    n_items = similarities.shape[1]
    norms = np.sqrt(np.diff(item_indptr))
    common = np.zeros(n_items, dtype=np.int64)
    found = np.empty(n_items, dtype=np.int64)
    for place in range(similarities.shape[0]):
        item = first + place
        n_found = 0
        for p in range(item_indptr[item], item_indptr[item + 1]):
            user = raters[p]
            for q in range(indptr[user], indptr[user + 1]):
                other = indices[q]
                if common[other] == 0:
                    found[n_found] = other
                    n_found += 1
                common[other] += 1
        for other in found[:n_found]:
            if other != item:
                scale = norms[item] * norms[other] + shrinkage
                similarities[place, other] = common[other] / scale
            common[other] = 0


@jit
def _add_similarities(indptr, indices, data, table_indptr, table_indices, table_data, scores):
    """Add the product of CSR and a CSR table to an array, in order."""
    for row in range(indptr.size - 1):
        sums = scores[row]
        for p in range(indptr[row], indptr[row + 1]):
            for q in range(table_indptr[indices[p]], table_indptr[indices[p] + 1]):
                sums[table_indices[q]] += data[p] * table_data[q]
