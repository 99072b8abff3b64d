"""EASE: an item-to-item model in closed form."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from sklearn.utils import Bunch

from skrecsec.recommenders._ease_certificate import Attack, certify
from skrecsec.recommenders._ease_few_users import FewUsersWeights
from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._compat import Count, Number, validate_parameter_constraints
from skrecsec.utils._compiling import jit
from skrecsec.utils._digest import digest
from skrecsec.utils._items import check_target_items
from skrecsec.utils._memory import available_memory
from skrecsec.utils._ranking import check_k
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# The Gram matrix in float64, inverted in place, and its copy in float32.
_BYTES_PER_PAIR = 12

# By way of the users where items are so many times as many.
_FEW_USERS = 8

# Columns of the weights that are worked on at a time, and the side of a tile that is transposed.
_STRIP = 512
_TILE = 32


@register("recommender", "ease", title="EASE", fits=lambda n_items: has_memory(n_items))
@complete
class EASERecommender(BaseInteractionRecommender):
    r"""Embarrassingly shallow autoencoder: linear weights between items, in closed form.

    A user's score of an item is the sum of the weights that it has from the items that the user has
    rated. There is one parameter, nothing is drawn at random, and few models rank better.

    Parameters
    ----------
    reg : float, default=300.0
        Penalty :math:`\lambda` on the squared weights. It belongs to the data: where ratings are
        few, smaller ones rank better and resist attacks better (30 to 100 on FilmTrust).

    %(interaction_model)s

    item_weights_ : ndarray of shape (n_items, n_items), dtype float32
        Weights from the rated item (row) to the scored one (column), 0 on the diagonal.

    See Also
    --------
    ItemKNNRecommender : Weights between items that need no inversion, for many items.

    Notes
    -----
    With B the matrix of interactions, the weights minimise :math:`\|B - B W\|^2 + \lambda \|W\|^2`
    with a diagonal of zeros. With :math:`P = (B^\top B + \lambda I)^{-1}` they are
    :math:`W_{ij} = -P_{ij} / P_{jj}`.

    Fitting takes O(n_items^3 + sum of squared profile lengths) time and 12 bytes times n_items^2 of
    memory, 4 of them to keep; whether that is to be had is checked before. A prediction takes
    O(n_ratings n_items). For at most an eighth as many users as items the weights are kept as a
    product: fitting takes O(n_users^2 n_items) time and 20 bytes times n_users n_items, a
    prediction O(n_profiles n_users n_items). It reads which items were rated, not how.

    Raising what a few fake profiles rate takes them far less far than with models of squared error:
    what they add to a target's scores is bounded: `certify` says how far, and :ref:`certificates`
    why.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
       :doi:`10.1145/3308558.3313710`

    %(recommender.example)s
    >>> EASERecommender(reg=50.0).fit(X).recommend(X[:2], k=3).shape
    (2, 3)
    """

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "reg": [Number(0, None, closed="neither")],
    }

    def __init__(self, reg=300.0, *, interactions="all"):
        self.reg = reg
        self.interactions = interactions

    def _fit_interactions(self, X):
        n_users, n_items = X.shape
        self._fitted_to = _digest_of(X)
        is_few = n_users * _FEW_USERS <= n_items
        # Two tables of the few users in float64, and a copy in float32.
        _check_memory(n_items, 20 * n_users * n_items if is_few else _BYTES_PER_PAIR * n_items**2)
        user_weights = self._weights_of_users(X)
        with single_threaded():
            if is_few:
                values = np.repeat(np.sqrt(user_weights), np.diff(X.indptr))
                B = sp.csr_array((values, X.indices, X.indptr), shape=X.shape)
                self._item_weights = FewUsersWeights(B, self.reg)
            else:
                gram = np.zeros((n_items, n_items))
                _add_pairs(X.indptr, X.indices, user_weights, gram)
                gram.flat[:: n_items + 1] += self.reg
                self._item_weights = _weights(gram)

    @property
    def item_weights_(self):
        """Weights from the rated item (row) to the scored one (column), 0 on the diagonal.

        Those of few users are computed whenever they are asked for.
        """
        if not hasattr(self, "_item_weights"):
            raise AttributeError(f"This {type(self).__name__} is not fitted: it has no weights.")
        if isinstance(self._item_weights, FewUsersWeights):
            return self._item_weights.dense()
        return self._item_weights

    @item_weights_.setter
    def item_weights_(self, weights):
        self._item_weights = weights

    def certify(self, X, target_items, *, n_fakes=1, profile_size=None, k=50) -> Bunch:
        r"""Bound how many users can be made to list a target, whatever the fake profiles rate.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            The ratings that the model was fitted to, all of them taken for genuine.

        %(target_items)s

        n_fakes : int, default=1
            Number of fake profiles that are added.

        profile_size : int, default=None
            The most ratings in a fake profile; None sets no limit but the number of items.

        k : int, default=50
            Length of the list.

        Returns
        -------
        certificate : :class:`~sklearn.utils.Bunch`
            Dictionary-like object, with the following attributes.

            hit_ratio : ndarray of shape (n_targets,)
                No more than this share of the users in `X` list a target once fakes are added.
            hit_ratio_fixed : ndarray of shape (n_targets,)
                The share of those whose score of a target can reach what is the `k`-th score in
                their list without fakes. It is a bound of the hit ratio unless fakes push other
                items down, at which they are not good.
            hit_ratio_plain : ndarray of shape (n_targets,)
                As `hit_ratio_fixed`, by the heights of the lists alone.
            hit_ratio_clean : ndarray of shape (n_targets,)
                The share of users who list a target without fakes.
            safe_fakes : ndarray of shape (n_users, n_targets)
                So many fakes cannot put a target into a user's list, whatever happens to others;
                at most 10000, which stands for items that are rated.

        Raises
        ------
        ValueError
            If a parameter is invalid, or `X` is not what the model was fitted to.

        Notes
        -----
        The bounds hold for any fake profiles, of any knowledge. Proofs, and how tight they are, are
        in :ref:`certificates`. All users in `X` are asked, who have rated a target as those who
        never list it; users without interactions are counted as won.

        O(min(n_users, n_items)^3 + n_items^3) time for each target that somebody has rated, some
        seconds for a thousand users, and O((n_users + n_items) min(n_users, n_items)) memory.

        Examples
        --------
        >>> from skrecsec.datasets import make_ratings
        >>> from skrecsec.recommenders import EASERecommender
        >>> X = make_ratings(100, 80, density=0.3, random_state=0)
        >>> ease = EASERecommender(reg=100.0).fit(X)
        >>> certificate = ease.certify(X, [3], n_fakes=1, profile_size=10, k=5)
        >>> bool(certificate.hit_ratio_fixed[0] <= certificate.hit_ratio[0] < 1)
        True
        """
        seen = self._check_profiles(X)
        X, n_items = self._interactions(seen), seen.shape[1]
        if _digest_of(X) != self._fitted_to:
            raise ValueError("X must be the ratings that the model was fitted to.")
        targets = check_target_items(
            target_items, n_items, item_names=getattr(self, "feature_names_in_", None)
        )
        validate_parameter_constraints(
            {"n_fakes": [Count()], "profile_size": [Count(), None]},
            {"n_fakes": n_fakes, "profile_size": profile_size},
            "certify",
        )
        size = n_items if profile_size is None else min(profile_size, n_items)
        attack = Attack(n_fakes, size, self.reg)
        weights = self.item_weights_.astype(np.float64)
        with single_threaded():
            return certify(X, seen, weights, self._score_profiles, targets, attack, check_k(k))

    def _weights_of_users(self, X):
        return np.ones(X.shape[0])

    def _score_profiles(self, X):
        scores = np.empty(X.shape)
        if not isinstance(self._item_weights, FewUsersWeights):
            _add_rows(X.data.astype(np.float32), X.indices, X.indptr, self._item_weights, scores)
            return scores
        few = self._item_weights
        by_item = few.by_item
        _add_overlaps(
            X.data, X.indices, X.indptr, by_item.data, by_item.indices, by_item.indptr,
            few.table, few.own, scores,
        )  # fmt: skip
        return scores


@jit
def _add_rows(data, indices, indptr, table, out):
    """Write the product of CSR and a table, summed up in the table's precision and in order.

    A strip of the table stays in the cache while all rows pass, of which four are added at a time.
    """
    sums = np.empty(_STRIP, dtype=table.dtype)
    for first in range(0, table.shape[1], _STRIP):
        end = min(first + _STRIP, table.shape[1])
        width = end - first
        for row in range(indptr.size - 1):
            sums[:] = 0
            p = indptr[row]
            while p + 4 <= indptr[row + 1]:
                # Rows of the table and not of the strip: as such they are contiguous.
                a, of_a = data[p], table[indices[p], first:end]
                b, of_b = data[p + 1], table[indices[p + 1], first:end]
                c, of_c = data[p + 2], table[indices[p + 2], first:end]
                d, of_d = data[p + 3], table[indices[p + 3], first:end]
                for j in range(width):
                    sums[j] = (((sums[j] + a * of_a[j]) + b * of_b[j]) + c * of_c[j]) + d * of_d[j]
                p += 4
            while p < indptr[row + 1]:
                a, of_a = data[p], table[indices[p], first:end]
                for j in range(width):
                    sums[j] += a * of_a[j]
                p += 1
            for j in range(width):
                out[row, first + j] = sums[j]


@jit
def _add_overlaps(data, indices, indptr, by_data, by_users, by_indptr, table, own, out):
    """Write the products of profiles and few users, times a table, in its precision and in order.

    Less what a profile's own items get of themselves.
    """
    n_users, n_items = table.shape
    overlaps = np.empty(n_users, dtype=table.dtype)
    sums = np.empty(n_items, dtype=table.dtype)
    for row in range(indptr.size - 1):
        overlaps[:] = 0
        for p in range(indptr[row], indptr[row + 1]):
            for q in range(by_indptr[indices[p]], by_indptr[indices[p] + 1]):
                overlaps[by_users[q]] += data[p] * by_data[q]
        sums[:] = 0
        user = 0
        while user + 4 <= n_users:
            a, of_a = overlaps[user], table[user]
            b, of_b = overlaps[user + 1], table[user + 1]
            c, of_c = overlaps[user + 2], table[user + 2]
            d, of_d = overlaps[user + 3], table[user + 3]
            for j in range(n_items):
                sums[j] = (((sums[j] + a * of_a[j]) + b * of_b[j]) + c * of_c[j]) + d * of_d[j]
            user += 4
        while user < n_users:
            a, of_a = overlaps[user], table[user]
            for j in range(n_items):
                sums[j] += a * of_a[j]
            user += 1
        for p in range(indptr[row], indptr[row + 1]):
            sums[indices[p]] -= data[p] * own[indices[p]]
        for j in range(n_items):
            out[row, j] = sums[j]


@jit
def _add_pairs(indptr, indices, user_weights, gram):
    """Add to each pair of items the weights of the users who have both; below the diagonal only.

    The indices of a user ascend.
    """
    for user in range(indptr.size - 1):
        weight = user_weights[user]
        for p in range(indptr[user], indptr[user + 1]):
            row = gram[np.uint64(indices[p])]  # no sign, so that none is looked for
            for q in range(indptr[user], p + 1):
                row[np.uint64(indices[q])] += weight


def _weights(gram):
    """Return -P_ij / P_jj off the diagonal, P being the inverse of a matrix that is overwritten.

    What is above the diagonal is not looked at.
    """
    # The transpose is in Fortran's order, so that LAPACK works in place; it is symmetric anyway.
    factor, failed = lapack.dpotrf(gram.T, lower=False, overwrite_a=True, clean=False)
    inverse, failed_too = lapack.dpotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise ValueError("The weights cannot be computed in double precision: increase reg.")
    weights = np.empty(gram.shape, np.float32)
    _divide_columns(inverse.T, weights)
    return weights


@jit
def _divide_columns(lower, weights):
    """Write -P_ij / P_jj off the diagonal, in single precision, P symmetric and given below it."""
    n, zero = lower.shape[0], np.float32(0)
    diagonal = np.empty(n, np.float32)
    for i in range(n):
        diagonal[i] = -np.float32(lower[i, i])
        weights[i, i] = zero
    for first_row in range(0, n, _TILE):
        for first in range(0, first_row + 1, _TILE):
            for i in range(first_row, min(first_row + _TILE, n)):
                for j in range(first, min(first + _TILE, i)):
                    entry = np.float32(lower[i, j]) + zero  # which has no sign if it is zero
                    weights[i, j] = entry / diagonal[j]
                    weights[j, i] = entry / diagonal[i]


def has_memory(n_items: int) -> bool:
    """Return whether there is memory enough for so many items."""
    available = available_memory()
    return available is None or _BYTES_PER_PAIR * n_items**2 <= available


def _digest_of(interactions):
    """Return by what interactions are known again, whatever they weigh."""
    indptr, indices = interactions.indptr, interactions.indices
    return digest(indptr.astype(np.int64), indices.astype(np.int32, copy=False))


def _check_memory(n_items, needed):
    available = available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"EASERecommender needs {needed / 2**30:.1f} GiB for {n_items} items, of which "
            f"{available / 2**30:.1f} GiB are available: drop items with few ratings, or use "
            f"ItemKNNRecommender."
        )
