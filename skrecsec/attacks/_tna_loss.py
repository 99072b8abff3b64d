"""The loss of the top-N attack: gaps between users' lists and the targets, and their gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._selection import pattern
from skrecsec.training import (
    RidgeFactorization,
    WeightedFactorization,
    user_products,
)
from skrecsec.utils._compiling import jit
from skrecsec.utils._ranking import mask_seen, row_blocks, top_k


class RatingSurrogate(RidgeFactorization):
    """The surrogate of models of ratings, with the blocks of its Hessian."""

    def item_blocks(self, items):
        """Return reg I + sum of p p^T over the users who rated an item, (n_items, d, d)."""
        blocks = user_products(self.user_factors, *self._by_item[:2], items)
        return blocks + self.reg * np.eye(self.user_factors.shape[1])

    def user_influence(self, user_adjoints, item_adjoints):
        """Return by how much each user's ratings raise what the adjoints are of."""
        adjoints = user_adjoints, item_adjoints
        return _rating_influence(self.user_factors, self.item_factors, *adjoints, *self._by_user)


class RankingSurrogate(WeightedFactorization):
    """The same of models of implicit feedback: of ones and zeros, which all weigh the same."""

    def fit(self, ratings, n_sweeps):
        """Run alternating sweeps, from the current item factors, over what is rated at all."""
        super().fit(pattern(ratings), n_sweeps)

    def item_blocks(self, items):
        """Return reg I + sum of p p^T over all users for each item, (n_items, d, d)."""
        block = _full_block(self.user_factors, self.reg)
        return np.broadcast_to(block, (len(items), *block.shape))

    def user_influence(self, user_adjoints, item_adjoints):
        """Return by how much each user's ones and zeros raise what the adjoints are of."""
        P, Q = self.user_factors, self.item_factors
        rated = (P * (self._by_user @ item_adjoints)).sum(axis=1)
        rated += (user_adjoints * (self._by_user @ Q)).sum(axis=1)
        predicted = (P @ (Q.T @ Q) * user_adjoints).sum(axis=1)
        return rated - predicted - (P @ (Q.T @ item_adjoints) * P).sum(axis=1)


SURROGATES = {"rating": RatingSurrogate, "ranking": RankingSurrogate}


def _full_block(factors, reg):
    """Return reg I + sum of f f^T over all factors, (d, d)."""
    return factors.T @ factors + reg * np.eye(factors.shape[1])


@jit
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


class Lists(NamedTuple):
    """What the loss needs to know of some users: their lists, and which pairs count."""

    items: np.ndarray  # (n_users, k), -1 where a list has come to its end
    item_scores: np.ndarray  # (n_users, k)
    target_scores: np.ndarray  # (n_users, n_targets)
    open_targets: np.ndarray  # (n_users, n_targets) bool: not rated by the user


@dataclass(frozen=True)
class Gap:
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

    def lists(self, rows, user_factors, item_factors) -> Lists:
        """Draw up lists of the best items that are neither rated nor targets."""
        scores = user_factors @ item_factors.T
        target_scores = scores[:, self.target_items]
        mask_seen(scores, self.known[rows])
        open_targets = np.isfinite(scores[:, self.target_items])
        scores[:, self.target_items] = -np.inf
        items = top_k(scores, min(self.k, scores.shape[1]))
        item_scores = np.take_along_axis(scores, np.maximum(items, 0), axis=1)
        return Lists(items, item_scores, target_scores, open_targets)

    def total(self, lists):
        """Return the sum, the number of its terms, and its slopes in item and target scores."""
        return _total_gap(*lists, float(self.width), float(self.sign))


@jit
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


def sparse_lists(values, items, n_items):
    """Return values at (row, items[row, x]) as CSR; those at item -1 have to be zero."""
    n_rows, n_columns = items.shape
    indptr = np.arange(n_rows + 1) * n_columns
    return sp.csr_array((values.ravel(), np.maximum(items, 0).ravel(), indptr), (n_rows, n_items))


class ProfileLoss:
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
        self._user_block = _full_block(surrogate.item_factors, surrogate.reg)
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
        return Lists(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))

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

        pulls = sparse_lists(item_slopes, self._slots, self._listed.size).T @ P
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


@jit
def _pair_products(A, B, slots):
    """Return A[u] . B[slots[u, x]] at (u, x), 0 where the slot is -1."""
    products = np.zeros(slots.shape)
    for u in range(slots.shape[0]):
        for x in range(slots.shape[1]):
            if slots[u, x] >= 0:
                for k in range(A.shape[1]):
                    products[u, x] += A[u, k] * B[slots[u, x], k]
    return products
