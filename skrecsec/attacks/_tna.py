"""Top-N attack: fake users against the lists of the most influential genuine users."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numba import njit

from skrecsec.attacks._fillers import (
    highest_fillers,
    profiles_from_fillers,
    rating_statistics,
)
from skrecsec.attacks._ridge import RidgeFactorization, csr_arrays, largest_singular_value
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.recommenders import _kernels
from skrecsec.utils._compat import Interval, RealNotInt
from skrecsec.utils._ranking import mask_seen, row_blocks, top_k
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

_jit = njit(cache=True, nogil=True)


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

    n_factors : int, default=16
        Number of latent factors of the surrogate.

    reg : float, default=0.05
        Penalty on the squared factors of the surrogate, in (0, 1), as a fraction of the largest
        singular value of the known ratings. With a penalty of that size all factors would be zero.

    max_iter : int, default=5
        Number of gradient steps for each fake user.

    learning_rate : float, default=0.05
        By how much a step changes the rating with the largest gradient, on the [0, 1] scale.

    width : float, default=0.2
        Width b of the logistic function of the gaps, on the [0, 1] scale.

    l1_weight : float, default=0.0001
        Weight of the sum of the fake ratings in the loss.

    target_items : {"unpopular", "random"} or array-like of int, default="unpopular"
        The items to promote or demote: `n_targets` random ones with fewer than 5 ratings (the least
        rated ones where there are too few of these), random ones, or those with the given indices.

    n_targets : int, default=5
        Number of targets to choose, at most all items. Ignored if `target_items` is an array.

    attack_size : float or int, default=0.03
        Number of fake profiles: a float in (0, 1] as a fraction of the users (rounded down, at
        least one), an int as it is.

    n_fillers : int or "mean", default="mean"
        Number of items that a fake profile rates, targets included. ``"mean"`` is the mean number
        of ratings of the known users, rounded, but at least the number of targets.

    knowledge : float, default=0.4
        Fraction, in (0, 1], of the users whose profiles the attacker sees (rounded, at least one).

    goal : {"push", "nuke"}, default="push"
        Whether targets are given the highest or the lowest rating level.

    random_state : int, RandomState instance or None, default=None
        Determines targets, known users and profiles, each from a stream of its own: attacks with
        the same int share targets and known users.

    Attributes
    ----------
    poison_ : csr_array or csr_matrix of shape (n_fake_profiles, n_items)
        The fake profiles, on the scale of the data.

    n_distinct_profiles_ : int
        How many of them are distinct: copies of one profile are easy to detect.

    target_items_ : ndarray of shape (n_targets,)
        Indices of the target items.

    known_users_ : ndarray of shape (n_known_users,)
        Sorted indices of the users whose profiles were seen.

    influential_users_ : ndarray of shape (n_influential_users,)
        The users whose lists were attacked, as sorted positions in `known_users_`.

    n_iter_ : int
        Number of gradient steps for each fake user.

    rating_levels_ : ndarray of shape (n_levels,)
        Sorted rating levels; ratings of fake profiles are among them.

    n_features_in_ : int
        Number of items.

    feature_names_in_ : ndarray of shape (n_items,)
        Names of the items, if `X` had any.

    See Also
    --------
    PGAAttackTransformer : Raises the targets' predicted ratings, whatever else is recommended.
    CoAttackTransformer : Optimises all fake users together, by training a surrogate on the attack.

    Notes
    -----
    .. note::
        `fit_transform(X)` appends the fake profiles to `X`, `transform(X)` returns `X` as it is,
        so ``fit_transform(X)`` differs from ``fit(X).transform(X)``. In a pipeline, the model is
        thereby trained on poisoned data and asked about genuine users only.

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

    Examples
    --------
    >>> from skrecsec.attacks import TNAAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> attack = TNAAttackTransformer(n_factors=8, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "subset_size": [
            Interval(RealNotInt, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "k": [Interval(Integral, 1, None, closed="left")],
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "reg": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "width": [Interval(Real, 0, None, closed="neither")],
        "l1_weight": [Interval(Real, 0, None, closed="left")],
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
        width=0.2,
        l1_weight=1e-4,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        super().__init__(
            target_items=target_items,
            n_targets=n_targets,
            attack_size=attack_size,
            n_fillers=n_fillers,
            knowledge=knowledge,
            goal=goal,
            random_state=random_state,
        )
        self.subset_size = subset_size
        self.k = k
        self.n_factors = n_factors
        self.reg = reg
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.width = width
        self.l1_weight = l1_weight

    def _craft_profiles(self, known, budget, rng):
        self.n_iter_ = self.max_iter
        highest = budget.rating_levels[-1]
        statistics = rating_statistics(known)
        ratings = sp.csr_array(known / highest)
        profiles = []
        with single_threaded():
            surrogate = self._initial_surrogate(ratings, rng)
            gap = self._gap(ratings, budget)
            users = _most_influential(_user_influence(gap, surrogate), self.subset_size)
            for _ in range(budget.n_profiles):
                if profiles:
                    surrogate.fit(sp.vstack([ratings, *profiles], format="csr"), _N_UPDATE_SWEEPS)
                relaxed = self._descend(_ProfileLoss(gap, surrogate, users, self.l1_weight), rng)
                (fillers,) = highest_fillers(relaxed[np.newaxis], budget)
                profile = _draw_profile(fillers, statistics, budget, rng)
                profiles.append(profile / highest)
        self.influential_users_ = users
        return sp.vstack(profiles, format="csr") * highest

    def _initial_surrogate(self, ratings, rng):
        item_factors = rng.normal(0, 0.1, (ratings.shape[1], self.n_factors))
        surrogate = _Surrogate(item_factors, self.reg * largest_singular_value(ratings))
        surrogate.fit(ratings, _N_INITIAL_SWEEPS)
        return surrogate

    def _gap(self, ratings, budget):
        return _Gap(
            known=ratings,
            target_items=budget.target_items,
            target_rating=budget.target_rating / budget.rating_levels[-1],
            k=self.k,
            width=self.width,
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
            if largest == 0:
                break
            ratings -= self.learning_rate * (gradient / largest)
        return ratings


class _Surrogate(RidgeFactorization):
    """The surrogate, with the blocks of its Hessian."""

    def item_blocks(self, items):
        """Return reg I + sum of p p^T over the users who rated an item, (n_items, d, d)."""
        blocks = _user_products(self.user_factors, *self._by_item[:2], items)
        return blocks + self.reg * np.eye(self.user_factors.shape[1])

    def full_user_block(self):
        """Return reg I + sum of q q^T over all items, (d, d)."""
        Q = self.item_factors
        return Q.T @ Q + self.reg * np.eye(Q.shape[1])


# --- the loss -------------------------------------------------------------------------------------


class _Lists(NamedTuple):
    """What the loss needs to know of some users: their lists, and which pairs count."""

    items: np.ndarray  # (n_users, k), -1 where a list has come to its end
    item_scores: np.ndarray  # (n_users, k)
    target_scores: np.ndarray  # (n_users, n_targets)
    open_targets: np.ndarray  # (n_users, n_targets) bool: not rated by the user


@dataclass(frozen=True)
class _Gap:
    """The gap in score between the items on users' lists and the targets.

    The sum, over users u, items i on their lists and targets t that u has not rated, of
    1 / (1 + exp(-sign (s_ui - s_ut) / width)), s being scores; `sign` is -1 for a nuke attack.
    """

    known: sp.csr_array
    target_items: np.ndarray
    target_rating: float
    k: int
    width: float
    sign: int

    def lists(self, rows, user_factors, item_factors) -> _Lists:
        """Draw up lists of the best items that are neither rated nor targets."""
        scores = user_factors @ item_factors.T
        target_scores = scores[:, self.target_items]
        mask_seen(scores, self.known[rows])
        open_targets = np.isfinite(scores[:, self.target_items])
        scores[:, self.target_items] = -np.inf
        items = top_k(scores, min(self.k, scores.shape[1]))
        item_scores = np.take_along_axis(scores, np.maximum(items, 0), axis=1)
        return _Lists(items, item_scores, target_scores, open_targets)

    def total(self, lists):
        """Return the sum, the number of its terms, and its slopes in item and target scores."""
        return _total_gap(*lists, float(self.width), float(self.sign))


@_jit
def _total_gap(items, item_scores, target_scores, open_targets, width, sign):
    total = 0.0
    n_terms = 0
    item_slopes = np.zeros_like(item_scores)
    target_slopes = np.zeros_like(target_scores)
    for u in range(items.shape[0]):
        for x in range(items.shape[1]):
            if items[u, x] < 0:
                continue
            for t in range(target_scores.shape[1]):
                if not open_targets[u, t]:
                    continue
                gap = sign * (item_scores[u, x] - target_scores[u, t])
                term = 1 / (1 + np.exp(-gap / width))
                slope = sign * term * (1 - term) / width
                total += term
                n_terms += 1
                item_slopes[u, x] += slope
                target_slopes[u, t] -= slope
    return total, n_terms, item_slopes, target_slopes


def _sparse(values, items, n_items):
    """Return values at (row, items[row, x]) as CSR; those at item -1 have to be zero."""
    n_rows, n_columns = items.shape
    indptr = np.arange(n_rows + 1) * n_columns
    return sp.csr_array((values.ravel(), np.maximum(items, 0).ravel(), indptr), (n_rows, n_items))


# --- influential users ----------------------------------------------------------------------------


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
        slopes = _sparse(item_slopes, lists.items, Q.shape[0])
        user_gradient[rows] = slopes @ Q + target_slopes @ Q[targets]
        item_gradient += slopes.T @ P[rows]
        item_gradient[targets] += target_slopes.T @ P[rows]
    adjoints = surrogate.adjoints(user_gradient, item_gradient, _N_INFLUENCE_SWEEPS)
    return _rating_influence(P, Q, *adjoints, *csr_arrays(gap.known))


@_jit
def _rating_influence(P, Q, user_adjoints, item_adjoints, indptr, indices, ratings):
    """Sum, over each user's ratings, the error times (z_u . q_i + p_u . z_i), z being adjoints."""
    influence = np.zeros(P.shape[0])
    for u in range(P.shape[0]):
        for x in range(indptr[u], indptr[u + 1]):
            i = indices[x]
            error = ratings[x]
            change = 0.0
            for k in range(P.shape[1]):
                error -= P[u, k] * Q[i, k]
                change += user_adjoints[u, k] * Q[i, k] + P[u, k] * item_adjoints[i, k]
            influence[u] += error * change
    return influence


def _most_influential(influence, subset_size):
    """Return the sorted indices of the users with the highest influence.

    To first order the influence of a set is the sum of its members', so that greedy selection takes
    the highest ones; of equal ones the lower index.
    """
    n_users = influence.size
    if not isinstance(subset_size, Integral):
        subset_size = max(1, round(subset_size * n_users))
    return np.sort(np.argsort(-influence, kind="stable")[:subset_size])


# --- one fake profile -----------------------------------------------------------------------------


class _ProfileLoss:
    """The attack loss as a function of a new fake user's relaxed ratings, with its gradient.

    The other users keep their factors. The fake user's are the ridge solution for ratings of all
    items; from them follow those of the targets, which it gives `gap.target_rating`, and, in
    proportion to its rating, those of the items on the lists.
    """

    def __init__(self, gap, surrogate, users, l1_weight):
        self._gap = gap
        self._l1_weight = l1_weight
        self._item_factors = surrogate.item_factors
        self._user_factors = surrogate.user_factors[users]
        self._lists = self._draw_up_lists(users)
        self._user_block = surrogate.full_user_block()
        self._target_blocks = surrogate.item_blocks(gap.target_items)
        self._target_rights = _times(self._target_blocks, self._item_factors[gap.target_items])
        self._listed, self._slots = _distinct(self._lists.items)
        self._listed_inverses = np.linalg.inv(surrogate.item_blocks(self._listed))

    @property
    def n_items(self):
        """Number of items that the fake user may rate."""
        return self._item_factors.shape[0]

    def _draw_up_lists(self, users):
        blocks = [
            self._gap.lists(users[rows], self._user_factors[rows], self._item_factors)
            for rows in row_blocks(users.size, self.n_items)
        ]
        return _Lists(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))

    def __call__(self, ratings):
        """Return loss and gradient, (n_items,); the targets' entries are ignored, and 0."""
        P, Q, targets = self._user_factors, self._item_factors, self._gap.target_items
        ratings = ratings.copy()
        ratings[targets] = 0
        l1_norm = ratings.sum()
        target_rating = self._gap.target_rating
        ratings[targets] = target_rating
        listed_ratings = ratings[self._listed][:, np.newaxis]

        p = np.linalg.solve(self._user_block, Q.T @ ratings)
        blocks = self._target_blocks + np.outer(p, p)
        target_factors = _solve(blocks, self._target_rights + target_rating * p)
        responses = self._listed_inverses @ p
        changes = _pair_products(P, listed_ratings * responses, self._slots)
        lists = self._lists._replace(
            item_scores=self._lists.item_scores + changes, target_scores=P @ target_factors.T
        )
        total, n_terms, item_slopes, target_slopes = self._gap.total(lists)

        pulls = _sparse(item_slopes, self._slots, self._listed.size).T @ P
        adjoints = _solve(blocks, target_slopes.T @ P)
        errors = target_rating - target_factors @ p
        p_gradient = errors @ adjoints - (adjoints @ p) @ target_factors
        p_gradient += _times(self._listed_inverses, listed_ratings * pulls).sum(axis=0)
        gradient = Q @ np.linalg.solve(self._user_block, p_gradient)
        gradient[self._listed] += (pulls * responses).sum(axis=1)
        n_terms = max(1, n_terms)
        gradient = gradient / n_terms + self._l1_weight
        gradient[targets] = 0
        return total / n_terms + self._l1_weight * l1_norm, gradient


def _distinct(items):
    """Return the distinct items of lists, and the lists with their positions instead; -1 stays."""
    listed, slots = np.unique(items, return_inverse=True)
    slots = slots.reshape(items.shape)
    if listed.size and listed[0] < 0:
        return listed[1:], slots - 1
    return listed, slots


def _times(blocks, vectors):
    return (blocks @ vectors[:, :, np.newaxis])[:, :, 0]


def _solve(blocks, vectors):
    return np.linalg.solve(blocks, vectors[:, :, np.newaxis])[:, :, 0]


@_jit
def _pair_products(A, B, slots):
    """Return A[u] . B[slots[u, x]] at (u, x), 0 where the slot is -1."""
    products = np.zeros(slots.shape)
    for u in range(slots.shape[0]):
        for x in range(slots.shape[1]):
            if slots[u, x] >= 0:
                for k in range(A.shape[1]):
                    products[u, x] += A[u, k] * B[slots[u, x], k]
    return products


@_jit
def _user_products(user_factors, indptr, indices, items):
    """Return the sum of p p^T over the users who rated an item, for each of `items`."""
    n_factors = user_factors.shape[1]
    products = np.zeros((items.size, n_factors, n_factors))
    for x in range(items.size):
        users = indices[indptr[items[x]] : indptr[items[x] + 1]]
        factors = np.empty((users.size, n_factors))
        for y in range(users.size):
            factors[y] = user_factors[users[y]]
        lower = _kernels._column_products(factors)
        for a in range(n_factors):
            for b in range(a + 1):
                products[x, a, b] = products[x, b, a] = lower[a, b]
    return products


def _draw_profile(fillers, statistics, budget, rng):
    """Return a profile, (1, n_items), with fillers rated from the normals of their ratings."""
    ratings = rng.normal(statistics.item_means[fillers], statistics.item_stds[fillers])
    n_items = statistics.item_means.size
    profile = profiles_from_fillers(fillers[np.newaxis], ratings[np.newaxis], n_items)
    return complete_profiles(profile, n_items, budget._replace(n_profiles=1))
