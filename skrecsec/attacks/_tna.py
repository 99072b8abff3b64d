"""Top-N attack: fake users against the lists of the most influential genuine users."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import (
    highest_fillers,
    profiles_from_fillers,
    rating_statistics,
)
from skrecsec.attacks._selection import pattern
from skrecsec.attacks._tna_loss import SURROGATES, Gap, ProfileLoss, sparse_lists
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.training import draw_item_factors, ill_conditioned, largest_singular_value
from skrecsec.utils._compat import Count, Fraction, Number, StrOptions
from skrecsec.utils._ranking import row_blocks
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded

# Sweeps of the surrogate's first fit, and of its update after each profile.
_N_INITIAL_SWEEPS = 10
_N_UPDATE_SWEEPS = 1
# Sweeps of the linear system behind the influence scores.
_N_INFLUENCE_SWEEPS = 10
# A fake user starts from random ratings of this width above a lowest one, on the [0, 1] scale. The
# rating of the targets has to stand out from them the right way for slopes to make sense: from
# ratings close to none, the lowest level would still be praise.
_INITIAL_WIDTH = 0.1
_LOWEST_INITIAL_RATING = {"push": 0.0, "nuke": 0.5}

_WIDTHS = {"rating": 0.2, "ranking": 0.05}  # of the gaps, by what the surrogate is fitted to


@register("attack", "tna")
@complete
class TNAAttackTransformer(BaseAttackTransformer):
    r"""Top-N attack: optimises fake users against the lists of influential users.

    A surrogate, ridge matrix factorisation, is fitted to the known profiles, and influence
    functions choose the users whose profiles hold the targets down the most. Then one fake user
    after another descends the gap in score between the items on these users' lists and the targets,
    by way of the first-order conditions of the surrogate. The items that it comes to rate highest
    are its fillers.

    Parameters
    ----------
    subset_size : float or int, default=0.2
        Number of influential users: a float in (0, 1] as a fraction of the known users (rounded, at
        least one), an int as it is, but at most all known users.

    k : int, default=50
        Length of the lists that targets are pushed into.

    %(ridge_surrogate)s

    max_iter : int, default=5
        Number of gradient steps for each fake user.

    learning_rate : float, default=0.05
        By how much a step changes the rating with the largest gradient, on the [0, 1] scale.

    width : float or "auto", default="auto"
        Width b of the logistic function of the gaps, on the [0, 1] scale. ``"auto"`` is 0.2, or
        0.05 if the surrogate is that of ``"ranking"``, whose scores are lower.

    l1_weight : float, default=0.0001
        Weight of the sum of the fake ratings in the loss.

    surrogate : {"rating", "ranking"}, default="rating"
        What the surrogate is fitted to: the ratings, or, as models of implicit feedback are, ones
        where there are ratings and zeros where there are none.

    %(attack)s

    influential_users_ : ndarray of shape (n_influential_users,)
        The users whose lists were attacked, as sorted positions in `known_users_`.

    n_iter_ : int
        Number of gradient steps for each fake user.

    See Also
    --------
    PGAAttackTransformer : Raises the targets' predicted ratings, whatever else is recommended.
    CoAttackTransformer : Optimises all fake users together, by training a surrogate on the attack.

    Notes
    -----
    %(appends_rows)s

    With S the influential users, :math:`L_u` the k best items that u has not rated, T the targets
    and s the scores of the surrogate, on the [0, 1] scale, the loss of fake ratings w is the mean
    of

    .. math:: \frac{1}{1 + \exp(-(s_{ui} - s_{ut}) / b)}, \quad
        u \in S, \; i \in L_u, \; t \in T,

    over the pairs (u, t) that are not rated, plus `l1_weight` times :math:`\sum_i w_i`. For a nuke
    attack the gap is turned round. Fillers are the items with the largest :math:`w_i`. As in the
    original [1]_, their ratings are then drawn from the normal distribution of the known ratings of
    the item and projected to the levels, so that profiles look genuine and differ from one another;
    the targets are rated with the lowest or the highest level, and the profile joins the data to
    which the surrogate is fitted for the next one. What was adapted:

    - The derivative of item factors is the original's,
      :math:`\partial q_i / \partial w_i = (\lambda I + \sum_u p_u p_u^\top)^{-1} p_f`. Alone, it
      says only what not to rate: items on the lists. Here the factors :math:`p_f` of the fake user
      follow from w as well, and those of the targets from :math:`p_f`.
    - Influence is that on the loss, where the original takes predicted ratings of the target: one
      without known ratings has no factors that could be influenced. The inverse Hessian of the
      surrogate is applied once, by block Gauss-Seidel sweeps, whose blocks are those of single
      users and items. To first order, a set's influence is the sum of its members', so that greedy
      selection amounts to taking the users with the most. On MovieLens-100K and FilmTrust they make
      for a stronger attack than those with the least, and for no stronger one than random users.
    - Several targets are attacked at once; lists are drawn up once for each fake user; it starts
      from random ratings close to none (nuke: in the middle), and steps are scaled by the largest
      slope. The penalty is scaled to the data. Few, small steps are best: the surrogate only
      resembles the victim.

    With ``surrogate="ranking"`` all cells count, which are 1 or 0, a relaxed rating is that of a
    cell, and targets are given 1 whatever their level. On FilmTrust it is the stronger one against
    models of implicit feedback if the lists of all users are attacked, ``subset_size=1.0``, and the
    weaker one with the default; on MovieLens-100K neither does much to such models.
    :class:`EASEAttackTransformer` is stronger on both.

    The attacker needs to know some profiles and the rating levels; nothing about the victim. With
    m users in S, a fake profile takes O(n_ratings n_factors^2 + (n_users + n_items) n_factors^3 +
    m n_items n_factors) time, users and ratings being the known and the fake ones, and each step
    O(m k (n_factors + n_targets) + n_listed_items n_factors^2 + n_items n_factors). Memory is
    O((n_users + n_items) n_factors + n_ratings + m (k + n_targets) + n_listed_items n_factors^2),
    and one block of scores.

    References
    ----------
    .. [1] M. Fang, N. Z. Gong, J. Liu, "Influence Function based Data Poisoning Attacks to Top-N
       Recommender Systems", WWW 2020. :doi:`10.1145/3366423.3380072`

    %(attack.example)s
    >>> attack = TNAAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "subset_size": [Fraction(), Count()],
        "k": [Count()],
        "n_factors": [Count()],
        "reg": [Number(0, 1, closed="neither")],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "width": [StrOptions({"auto"}), Number(0, None, closed="neither")],
        "l1_weight": [Number(0, None, closed="left")],
        "surrogate": [StrOptions(set(SURROGATES))],
    }

    def __init__(
        self,
        *,
        subset_size=0.2,
        k=50,
        n_factors=16,
        reg=0.05,
        max_iter=5,
        learning_rate=0.05,
        width="auto",
        l1_weight=1e-4,
        surrogate="rating",
        **threat_model,
    ):
        super().__init__(**threat_model)
        self.subset_size = subset_size
        self.k = k
        self.n_factors = n_factors
        self.reg = reg
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.width = width
        self.l1_weight = l1_weight
        self.surrogate = surrogate

    def _craft_profiles(self, known, budget, rng):
        try:
            return self._optimise_profiles(known, budget, rng)
        except np.linalg.LinAlgError as error:
            raise ill_conditioned() from error

    def _optimise_profiles(self, known, budget, rng):
        self.n_iter_ = self.max_iter
        highest = budget.rating_levels[-1]
        statistics = rating_statistics(known)
        ratings = sp.csr_array(known / highest)
        profiles = []
        with single_threaded():
            surrogate = self._initial_surrogate(ratings, rng)
            gap = self._gap(ratings, budget)
            users = _most_influential(_user_influence(gap, surrogate), self.subset_size)
            for row in range(budget.n_profiles):
                if profiles:
                    surrogate.fit(sp.vstack([ratings, *profiles], format="csr"), _N_UPDATE_SWEEPS)
                relaxed = self._descend(ProfileLoss(gap, surrogate, users, self.l1_weight), rng)
                (fillers,) = highest_fillers(relaxed[np.newaxis], budget)
                own_budget = budget.of_profiles(row, row + 1)
                profile = _draw_profile(fillers, statistics, own_budget, rng)
                profiles.append(profile / highest)
        self.influential_users_ = users
        return sp.vstack(profiles, format="csr") * highest

    def _initial_surrogate(self, ratings, rng):
        n_users, n_items = ratings.shape
        # The blocks of the items on lists, and their inverses.
        item_factors = draw_item_factors(
            n_users, n_items, self.n_factors, rng, n_systems=2 * n_items
        )
        fitted_to = pattern(ratings) if self.surrogate == "ranking" else ratings
        reg = self.reg * largest_singular_value(fitted_to)
        surrogate = SURROGATES[self.surrogate](item_factors, reg)
        surrogate.fit(ratings, _N_INITIAL_SWEEPS)
        return surrogate

    def _gap(self, ratings, budget):
        target_rating = budget.target_rating / budget.rating_levels[-1]
        return Gap(
            known=ratings,
            target_items=budget.target_items,
            target_rating=1.0 if self.surrogate == "ranking" else target_rating,
            k=self.k,
            width=_WIDTHS[self.surrogate] if self.width == "auto" else self.width,
            sign=1 if self.goal == "push" else -1,
        )

    def _descend(self, loss, rng):
        """Return the relaxed ratings of a fake user, (n_items,).

        Steps are scaled by the largest slope: how steep the loss is depends on how far the targets
        are from the lists, and says little about how far to go. The loss sees ratings in [0, 1];
        the numbers themselves are not projected, so that those beyond remain ordered.
        """
        lowest = _LOWEST_INITIAL_RATING[self.goal]
        ratings = rng.uniform(lowest, lowest + _INITIAL_WIDTH, loss.n_items)
        for _ in range(self.max_iter):
            _, gradient = loss(np.clip(ratings, 0, 1))
            largest = np.abs(gradient).max()
            if not np.isfinite(largest):
                raise ill_conditioned()
            if largest == 0:
                break
            ratings -= self.learning_rate * (gradient / largest)
        return ratings


def _user_influence(gap, surrogate):
    """Return by how much each known user's ratings raise the loss, to first order.

    The influence function: the factors react to the removal of ratings by the inverse Hessian times
    the gradient of their squared errors. One system is solved, for the gradient of the loss; then
    every rating costs two products of factors.
    """
    P, Q, targets = surrogate.user_factors, surrogate.item_factors, gap.target_items
    user_gradient, item_gradient = np.zeros_like(P), np.zeros_like(Q)
    for rows in row_blocks(*gap.known.shape):
        lists = gap.lists(rows, P[rows], Q)
        _, _, item_slopes, target_slopes = gap.total(lists)
        slopes = sparse_lists(item_slopes, lists.items, Q.shape[0])
        user_gradient[rows] = slopes @ Q + target_slopes @ Q[targets]
        item_gradient += slopes.T @ P[rows]
        item_gradient[targets] += target_slopes.T @ P[rows]
    adjoints = surrogate.adjoints(user_gradient, item_gradient, _N_INFLUENCE_SWEEPS)
    return surrogate.user_influence(*adjoints)


def _most_influential(influence, subset_size):
    """Return the sorted indices of the users with the highest influence.

    To first order the influence of a set is the sum of its members', so that greedy selection takes
    the highest ones; of equal ones the lower index.
    """
    n_users = influence.size
    if not isinstance(subset_size, Integral):
        subset_size = max(1, round(subset_size * n_users))
    return np.sort(np.argsort(-influence, kind="stable")[:subset_size])


def _draw_profile(fillers, statistics, budget, rng):
    """Return a profile, (1, n_items), with fillers rated from the normals of their ratings."""
    ratings = rng.normal(statistics.item_means[fillers], statistics.item_stds[fillers])
    n_items = statistics.item_means.size
    profile = profiles_from_fillers(fillers[np.newaxis], ratings[np.newaxis], n_items)
    return complete_profiles(profile, n_items, budget)
