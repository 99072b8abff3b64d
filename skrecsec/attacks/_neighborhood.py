"""The attack on nearest neighbors: whom the targets are to be neighbors of."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import (
    filler_candidates,
    rated_around_means,
    sample_items,
    without_targets,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._compiling import jit
from skrecsec.utils._ranking import mask_seen, row_blocks
from skrecsec.utils._registry import find, register
from skrecsec.utils._signatures import complete

# How steeply a user counts, the closer a target is to their list.
_STEEPNESS = 2.0


@register("attack", "neighborhood")
@complete
class NeighborhoodAttackTransformer(BaseAttackTransformer):
    r"""Attack on nearest neighbors: makes the targets neighbors of what takes them into most lists.

    Parameters
    ----------
    n_neighbors : int, default=50
        How many neighbors an item is assumed to have.

    shrinkage : float, default=10.0
        The term that is assumed to be added to the denominator of similarities.

    k : int, default=50
        Length of the lists that targets are pushed into.

    %(auto_attack)s

    neighbor_items_ : ndarray of shape (n_neighbor_items,)
        The fillers that all fake profiles rate, in the order in which they were chosen; a profile
        of a genuine length that has no room for all rates the first of them.

    See Also
    --------
    skrecsec.recommenders.ItemKNNRecommender : The victim.
    PowerItemAttackTransformer : Rates the items that most others are compared with.

    Notes
    -----
    %(appends_rows)s

    In an :class:`~skrecsec.recommenders.ItemKNNRecommender` that is trained on the known profiles,
    user u has a list whose last item has the score :math:`\theta_u`. If all f fake profiles rate an
    item j, and :math:`f_t` of them a target t, their similarity becomes

    .. math:: w_{tj} = \frac{c_{tj} + f_t}{\sqrt{(c_t + f_t)(c_j + f)} + s}

    with c the numbers of genuine raters, estimated from those of the known ones, and s the
    shrinkage. Where profiles have genuine lengths, those who have no room for j are not counted.
    Fillers J are chosen one after another, each so that

    .. math:: \sum_u \sum_t \min\Bigl(1, \frac{1}{\theta_u}
        \sum_{j \in J: u \text{ rated } j} w_{tj}\Bigr)^2

    rises most, over the known users u who have not rated t, as long as there is room among the
    neighbors of a target and in the budget. With ``n_fillers="auto"`` that is all that a fake
    profile has; else the rest are random items, others in each profile. Ratings are drawn around
    the mean of each item.

    To demote, the neighbors are to be such that nobody has rated them: the fillers are the items
    with fewest known raters, which take the places of the targets' genuine neighbors. That needs
    many fake profiles. To a model that does not see how an item was rated others do the opposite:
    the more raters, the better.

    Chen et al. [1]_ attack nearest neighbors among users: they optimise the ratings of fake users,
    one after another, to have them enter the neighborhoods of genuine ones. What is taken from them
    is the aim, to win as many users' lists as possible. In neighborhoods of items the similarities
    of a target are the attacker's to choose, and no more than `n_neighbors` of them count, so that
    the search is one for a set of items.

    Time is O(sum of squared lengths of known profiles + n_known_users n_items + n_known_ratings
    n_targets n_neighbors); the model of the known profiles is made and asked in blocks.

    References
    ----------
    .. [1] L. Chen, Y. Xu, F. Xie, M. Huang, Z. Zheng, "Data poisoning attacks on neighborhood-based
       recommender systems", Transactions on Emerging Telecommunications Technologies 32(6), 2021.
       :doi:`10.1002/ett.3872`

    %(attack.example)s
    >>> attack = NeighborhoodAttackTransformer(random_state=0).fit(X)
    >>> attack.poison_.shape, attack.neighbor_items_.size
    ((3, 80), 10)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "n_neighbors": [Count()],
        "shrinkage": [Number(0, None, closed="left")],
        "k": [Count()],
        "n_fillers": [StrOptions({"mean", "auto"}), Count()],
    }

    def __init__(self, *, n_neighbors=50, shrinkage=10.0, k=50, n_fillers="auto", **threat_model):
        super().__init__(n_fillers=n_fillers, **threat_model)
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage
        self.k = k

    def _craft_profiles(self, known, budget, rng):
        known = sp.csr_array(known)
        n_places = max(0, self.n_neighbors - _n_other_targets(budget))
        n_wanted = min(budget.n_fillers, n_places)
        if self.goal == "push":
            items = self._most_winning(known, n_wanted, budget)
        else:
            items = _least_rated(known, n_wanted, budget, rng)
        self.neighbor_items_ = items
        n_items = known.shape[1]
        n_others = 0 if self.n_fillers == "auto" else budget.n_fillers - items.size
        candidates = np.setdiff1d(filler_candidates(n_items, budget), items)
        others = sample_items(candidates, budget.n_profiles, n_others, rng)
        items = np.hstack([np.tile(items, (budget.n_profiles, 1)), others])
        return rated_around_means(items, known, rng, budget.planned_fillers())

    def _most_winning(self, known, n_wanted, budget):
        pattern = sp.csr_array((np.ones(known.nnz), known.indices, known.indptr), known.shape)
        similarities = _Similarities(pattern, budget, self.shrinkage)
        fillers = sp.csc_array(without_targets(pattern, budget))
        shares = np.zeros((budget.target_items.size, known.shape[0]))
        shares[pattern[:, budget.target_items].toarray().T > 0] = np.inf  # nothing to win
        inverse = 1 / self._thresholds(pattern, budget)
        taken = np.diff(fillers.indptr) == 0
        items = []
        for place in range(n_wanted):
            weights = similarities.of_fillers(place)
            gains = _gains(fillers.indptr, fillers.indices, weights, shares, inverse, taken)
            best = int(np.argmax(gains))
            if gains[best] <= 0:
                break
            items.append(best)
            taken[best] = True
            raters = fillers.indices[fillers.indptr[best] : fillers.indptr[best + 1]]
            shares[:, raters] += weights[:, [best]] * inverse[raters]
        return np.array(items, dtype=np.int64)

    def _thresholds(self, pattern, budget):
        """Return the scores that known users' lists end with, positive."""
        # Counts of known raters are smaller than those of all, and so has the shrinkage to be.
        model = find("recommender", "itemknn")(
            n_neighbors=self.n_neighbors, shrinkage=self.shrinkage * budget.knowledge
        ).fit(pattern)
        thresholds = np.empty(pattern.shape[0])
        for rows in row_blocks(*pattern.shape):
            scores = model.predict(pattern[rows])
            mask_seen(scores, pattern[rows])
            scores[:, budget.target_items] = -np.inf
            place = min(self.k, scores.shape[1]) - 1
            thresholds[rows] = -np.partition(-scores, place, axis=1)[:, place]
        # Who has short lists, or knows nothing better than nothing, is won by the first filler.
        return np.maximum(thresholds, 1e-9)


class _Similarities:
    """Similarities to targets of items that fakes rate, all who have room for another filler."""

    def __init__(self, pattern, budget, shrinkage):
        self._counts = np.diff(sp.csc_array(pattern).indptr) / budget.knowledge
        self._common = (pattern[:, budget.target_items].T @ pattern).toarray() / budget.knowledge
        self._is_rated = budget.planned_ratings() > 0
        self._n_fillers = budget.planned_fillers()
        self._of_targets = self._counts[budget.target_items] + self._is_rated.sum(axis=0)
        self._shrinkage = shrinkage

    def of_fillers(self, place):
        """Return those of the items, were each the filler at this place, (n_targets, n_items)."""
        has_room = self._n_fillers > place
        n_both = self._is_rated[has_room].sum(axis=0)[:, np.newaxis]
        n_raters = np.outer(self._of_targets, self._counts + np.count_nonzero(has_room))
        # What no fake rates together with a target is no neighbor of it that they make.
        return np.divide(
            self._common + n_both,
            np.sqrt(n_raters) + self._shrinkage,
            out=np.zeros(self._common.shape),
            where=n_both > 0,
        )


def _n_other_targets(budget):
    """Return how many other targets a target has in its profiles at most: they are neighbors."""
    is_rated = (budget.planned_ratings() > 0).astype(np.float32)
    return int(np.count_nonzero(is_rated.T @ is_rated, axis=1).max()) - 1


def _least_rated(known, n_wanted, budget, rng):
    """Return the items with fewest known raters, targets left out; equal ones in random order."""
    candidates = rng.permutation(filler_candidates(known.shape[1], budget))
    counts = np.bincount(known.indices, minlength=known.shape[1])
    return candidates[np.argsort(counts[candidates], kind="stable")[:n_wanted]]


@jit
def _gains(indptr, raters, weights, shares, inverse, taken):
    """Return what each item, rated by all fakes, would add to the objective.

    `indptr` and `raters` are those of the known ratings by items, `shares` the parts of the users'
    thresholds that targets have already, (n_targets, n_users).
    """
    gains = np.zeros(taken.size)
    for item in range(taken.size):
        if taken[item]:
            continue
        for x in range(indptr[item], indptr[item + 1]):
            user = raters[x]
            for t in range(shares.shape[0]):
                share = shares[t, user]
                if share < 1:
                    raised = min(1.0, share + weights[t, item] * inverse[user])
                    gains[item] += raised**_STEEPNESS - share**_STEEPNESS
    return gains
