"""GTA: fake users rate what a surrogate that has learned from them recommends to them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import (
    candidates_by_popularity,
    profiles_from_fillers,
    random_fillers,
    rated_around_means,
)
from skrecsec.attacks._selection import pattern
from skrecsec.attacks._trials import REACH, Promotion, crowd
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.training import RankingSolver, RatingData, plan_comparisons
from skrecsec.utils._compat import Count, Number
from skrecsec.utils._ranking import row_blocks, top_k
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@register("attack", "gta")
@complete
class GTAAttackTransformer(BaseAttackTransformer):
    r"""GTA: a surrogate learns from the fake profiles, which then rate what it recommends to them.

    All fake profiles share some popular items. What else a fake user rates is what a surrogate that
    ranks recommends to it, once it has learned from the known profiles and the fake ones. That is
    repeated for some rounds; the profiles of the round in which the surrogate recommends the
    targets to most known users are kept. No gradient is taken through the surrogate.

    Parameters
    ----------
    shared_fraction : float, default=0.5
        Share of the fillers, in [0, 1], that all fake profiles have in common.

    popular_fraction : float, default=0.2
        Share of the items, in (0, 1], those with most known ratings, of which the common fillers
        are random ones.

    max_iter : int, default=10
        Number of rounds.

    k : int, default=50
        Length of the lists that targets are pushed into.

    n_factors : int, default=32
        Number of latent factors of the surrogate.

    n_pretrain_iter : int, default=30
        Number of epochs of the surrogate before the first round, on fake profiles of random items.

    n_update_iter : int, default=10
        Number of epochs of the surrogate in each round.

    learning_rate : float, default=0.05
        Step size of the surrogate's stochastic gradient descent.

    reg : float, default=0.01
        Penalty on the squared factors and biases of the surrogate.

    %(attack)s

    shared_items_ : ndarray of shape (n_shared,)
        Sorted indices of the fillers that all fake profiles have in common, unless
        ``obfuscation="popular"`` replaces them or ``profile_lengths="genuine"`` shortens profiles.

    surrogate_hit_ratio_ : float
        HR\@k of the targets among the known users, in the surrogate's best round.

    n_iter_ : int
        Number of rounds.

    See Also
    --------
    CopyAttackTransformer : Short profiles of popular items, without a surrogate.
    CoAttackTransformer : Rates what a surrogate predicts that is bent towards the targets.
    RevAdvAttackTransformer : Takes the gradient through the training of such a surrogate.

    Notes
    -----
    %(appends_rows)s

    The surrogate is Bayesian personalized ranking, with :math:`p_u \cdot q_i + b_i` for a score. It
    is trained on the known profiles, repeated to the number of all users so that fake ones have the
    weight that they will have, and on the fake ones, which begin with random items and the targets.
    In each round it is trained on; a fake user f then rates the shared items, the targets, and
    those of the other items with the highest scores for f. In the next round it is trained on what
    has become of the profiles, and asked for lists. What is compared between rounds is the hit
    ratio of the targets at `k`, plus a tenth of the mean of :math:`\min(1, k / r)^2` over their
    ranks r, as far as lists of 10 k items go; to demote, the lowest is the best.

    What is known of the original here is its name [1]_ and a public implementation, by authors of
    [2]_. That has LightGCN for a surrogate, adds a small term to its loss by which targets rise in
    lists, has 0 or 1 for ratings, goes back to the best profiles after each round that made them
    worse, and sees all users.

    The surrogate reads which items were rated, not how. Fillers are rated with draws from the
    normal distribution of their known ratings.

    The attacker needs to know some profiles; nothing about the victim. An epoch takes O(n_ratings
    n_factors) time, the ratings being those of as many users as there are, a round O((n_known_users
    + n_fake_profiles) n_items n_factors) more. Memory is O(n_ratings + (n_users + n_items)
    n_factors), and one block of scores.

    References
    ----------
    .. [1] Z. Wang et al., "Revisiting Data Poisoning Attacks on Deep Learning Based Recommender
       Systems", ISCC 2023.
    .. [2] Z. Wang, J. Yu, M. Gao, W. Yuan, G. Ye, S. Sadiq, H. Yin, "Poisoning Attacks and Defenses
       in Recommender Systems: A Survey", 2024. :doi:`10.48550/arXiv.2406.01022`

    %(attack.example)s
    >>> attack = GTAAttackTransformer(random_state=0).fit(X)
    >>> attack.poison_.shape, attack.shared_items_.size
    ((3, 80), 5)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "shared_fraction": [Number(0, 1, closed="both")],
        "popular_fraction": [Number(0, 1, closed="right")],
        "max_iter": [Count()],
        "k": [Count()],
        "n_factors": [Count()],
        "n_pretrain_iter": [Count(0)],
        "n_update_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "reg": [Number(0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        shared_fraction=0.5,
        popular_fraction=0.2,
        max_iter=10,
        k=50,
        n_factors=32,
        n_pretrain_iter=30,
        n_update_iter=10,
        learning_rate=0.05,
        reg=0.01,
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.shared_fraction = shared_fraction
        self.popular_fraction = popular_fraction
        self.max_iter = max_iter
        self.k = k
        self.n_factors = n_factors
        self.n_pretrain_iter = n_pretrain_iter
        self.n_update_iter = n_update_iter
        self.learning_rate = learning_rate
        self.reg = reg

    def _craft_profiles(self, known, budget, rng):
        interactions = pattern(sp.csr_array(known))
        shared = self._draw_shared(interactions, budget, rng)
        with single_threaded():
            surrogate = RankingSurrogate(
                interactions,
                crowd(interactions, budget),
                budget,
                n_factors=self.n_factors,
                rng=rng,
                learning_rate=float(self.learning_rate),
                reg=float(self.reg),
            )
            start = random_fillers(known.shape[1], budget, rng)
            surrogate.train(start, self.n_pretrain_iter)
            fillers, self.surrogate_hit_ratio_ = self._best_round(surrogate, shared)
        self.shared_items_ = shared
        self.n_iter_ = self.max_iter
        return rated_around_means(fillers, known, rng)

    def _draw_shared(self, known, budget, rng):
        """Draw the popular fillers that all profiles have, sorted."""
        n_shared = round(self.shared_fraction * budget.n_fillers)
        order = candidates_by_popularity(
            np.bincount(known.indices, minlength=known.shape[1]), budget
        )
        popular = order[: max(n_shared, int(self.popular_fraction * known.shape[1]))]
        return np.sort(rng.choice(popular, n_shared, replace=False))

    def _best_round(self, surrogate, shared):
        """Return the fillers of the best round, (n_profiles, n_fillers), and its hit ratio."""
        sign = 1 if self.goal == "push" else -1
        best = -np.inf
        for _ in range(self.max_iter):
            fillers = surrogate.fillers(shared)
            surrogate.train(fillers, self.n_update_iter)
            hit_ratio, strength = surrogate.promotion(self.k)
            if sign * strength > best:
                best, kept = sign * strength, (fillers, hit_ratio)
        return kept


class RankingSurrogate:
    """Bayesian personalized ranking that follows fake profiles.

    Parameters
    ----------
    known : csr_array of shape (n_known_users, n_items)
        Interactions of those who are asked what they are recommended.

    users : csr_array of shape (n_users, n_items)
        Interactions of the genuine users that it learns from, the known ones first.

    budget : Budget
        Of the fake profiles.

    n_factors : int
        Number of latent factors.

    rng : Generator
        Draws what the factors start from, and comparisons.

    **options
        `learning_rate` and `reg`.
    """

    def __init__(self, known, users, budget, *, n_factors, rng, **options):
        self._known = known
        self._users = users
        self._budget = budget
        self._rng = rng
        self._options = options
        self._n_factors = n_factors
        self._pool = np.arange(known.shape[1], dtype=np.int32)
        self._solver = None

    def train(self, fillers, n_iter):
        """Train on with other fake profiles, given as items (n_profiles, n_fillers)."""
        n_items = self._known.shape[1]
        ratings = np.full(fillers.shape, self._budget.rating_levels[-1])
        fakes = complete_profiles(
            profiles_from_fillers(fillers, ratings, n_items), n_items, self._budget
        )
        rows = sp.vstack([self._users, pattern(fakes)], format="csr")
        data = RatingData.from_matrix(rows, 0.0, self._rng)
        if self._solver is None:
            self._solver = RankingSolver.draw(data, self._n_factors, self._rng, **self._options)
        for _ in range(n_iter):
            self._solver.run(plan_comparisons(data, self._rng, self._pool))
        if not self._solver.is_finite():
            raise ValueError(
                f"The surrogate diverged; decrease learning_rate={self._options['learning_rate']}."
            )

    def fillers(self, shared) -> np.ndarray:
        """Return the shared fillers and the best others of each fake user, none of them a target.

        The shape is (n_profiles, n_fillers); of equally good ones the lower index comes first.
        """
        n_profiles, n_fillers = self._budget.n_profiles, self._budget.n_fillers
        items = np.empty((n_profiles, n_fillers), dtype=np.int64)
        items[:, : shared.size] = shared
        if shared.size < n_fillers:
            for rows in row_blocks(n_profiles, self._known.shape[1]):
                scores = self._scores(slice(self._users.shape[0], None), rows)
                scores[:, self._budget.target_items] = -np.inf
                scores[:, shared] = -np.inf
                items[rows, shared.size :] = top_k(scores, n_fillers - shared.size)
        return items

    def promotion(self, k) -> tuple[float, float]:
        """Return the hit ratio of the targets among the known users, and the strength."""
        n_users, n_items = self._known.shape
        lists = np.empty((n_users, min(n_items, REACH * k)), dtype=np.int64)
        for rows in row_blocks(n_users, n_items):
            scores = self._scores(slice(n_users), rows)
            lists[rows] = top_k(scores, lists.shape[1], seen=self._known[rows])
        return Promotion(self._known, self._budget.target_items, k)(lists)

    def _scores(self, users, rows):
        """Return the scores of all items for some rows among the users."""
        factors = self._solver.user_factors[users][rows].astype(np.float64)
        return factors @ self._solver.item_factors.T.astype(np.float64) + self._solver.biases
