"""How far fake profiles can take a target into the lists of EASE, whatever they rate.

The bounds and their proofs are in the documentation, `docs/certificates.rst`, whose letters are
used here: n' fake profiles, each with at most L ratings beside the target and R = n' L in all, e
what the clean model lacks to predict the fakes' ratings of an item, K the products between the
genuine profiles, H the kernel by which the scores of genuine users answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.utils import Bunch

from skrecsec.recommenders._multipliers import least_bound
from skrecsec.utils._ranking import mask_seen, row_blocks, top_k

# Scores are served in single precision; margins are taken smaller by so much.
_SLACK = 1e-5
# Places of the lists that are looked at below the k-th, and heights that it may be lowered to.
_DEPTH = 400
_N_HEIGHTS = 48
# Numbers of fakes beyond which nobody asks.
_MAX_FAKES = 10_000
# Grids of mu R; and, for the other items, of mu R and of the place of the tangent.
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
_TANGENTS = ((0.0, 0.0), (0.3, 0.5), (0.3, 1.0))


class Lists(NamedTuple):
    """What genuine users' lists are like without fakes.

    Parameters
    ----------
    margins : ndarray of shape (n_users,)
        What the target lacks to the k-th score: inf where it is rated, -inf where it is listed.

    heights : ndarray of shape (n_users, n_places)
        How far above the target the k-th other score is, and those below it, descending; -inf
        where there are no further items.
    """

    margins: np.ndarray
    heights: np.ndarray


class Attack(NamedTuple):
    """What an attacker has.

    Parameters
    ----------
    n_fakes : int
        Number of fake profiles.

    size : int
        The most ratings in each.

    reg : float
        Penalty of the model attacked.
    """

    n_fakes: int
    size: int
    reg: float

    @property
    def n_ratings(self) -> int:
        """The most ratings in all fake profiles."""
        return self.n_fakes * self.size


def best_scores(X, seen, score, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best unrated items of each user and their scores, as deep as is looked at."""
    depth = min(k + 1 + _DEPTH, X.shape[1])
    items = np.empty((X.shape[0], depth), dtype=np.int64)
    values = np.empty((X.shape[0], depth))
    for rows in row_blocks(*X.shape):
        scores = score(X[rows])
        mask_seen(scores, seen[rows])
        items[rows] = top_k(scores, depth)
        values[rows] = np.take_along_axis(scores, np.maximum(items[rows], 0), axis=1)
    values[items < 0] = -np.inf
    return items, values


def lists_without(target: int, X, is_rated, target_scores, best, k: int) -> Lists:
    """Return the lists of other items, seen from a target."""
    items, values = best
    others = np.where(items == target, -np.inf, values)
    others = -np.sort(-others, axis=1)[:, k - 1 : -1]
    heights = others - target_scores[:, np.newaxis] - _SLACK
    # Who has no interactions is served by popularity, of which nothing is said here.
    heights[np.diff(X.indptr) == 0] = -np.inf
    margins = heights[:, 0] if heights.shape[1] else np.full(X.shape[0], -np.inf)
    margins = np.where(margins > 0, margins, -np.inf)
    margins[is_rated] = np.inf
    return Lists(margins, heights)


def residual_bounds(weights, size: int) -> np.ndarray:
    """Return the most that `1 - x w` or `x w` can be in size for x of `size` ones, per column."""
    n_items = weights.shape[0]
    size = min(size, n_items)
    most, least = (
        np.sort(np.partition(part, n_items - size, axis=0)[n_items - size :], axis=0).sum(axis=0)
        for part in (np.maximum(weights, 0), np.maximum(-weights, 0))
    )
    return np.maximum(1 + least, most)


def row_residual_bound(weights, size: int) -> float:
    """Return the most that |x - x W|^2 can be for x of `size` ones.

    The lesser of two bounds of a quadratic form: by its largest eigenvalue, and by the sum of its
    `size` largest rows, of each the diagonal and the size - 1 largest entries beside it.
    """
    n_items = weights.shape[0]
    size = min(size, n_items)
    residual = np.eye(n_items) - weights
    form = residual @ residual.T
    largest = scipy.linalg.eigvalsh(form, subset_by_index=[n_items - 1] * 2)[0]
    diagonal = form.diagonal().copy()
    np.fill_diagonal(form, 0)
    np.maximum(form, 0, out=form)
    if size > 1:
        diagonal += np.partition(form, n_items - size + 1, axis=1)[:, n_items - size + 1 :].sum(1)
    rows = np.sort(diagonal)[n_items - size :].sum()
    return float(min(size * largest, rows))


class Spectrum:
    """The products between genuine profiles, by which kernels are functions."""

    def __init__(self, X):
        # The smaller of the two Gram matrices is decomposed.
        if X.shape[0] <= X.shape[1]:
            values, self.vectors = scipy.linalg.eigh((X @ X.T).toarray())
        else:
            values, right = scipy.linalg.eigh((X.T @ X).toarray())
            scale = np.sqrt(np.maximum(values, 1e-300))
            self.vectors = (X @ right) / scale
            self.vectors[:, values <= 1e-9 * values[-1]] = 0
        self.values = np.maximum(values, 0)

    def root(self, kernel) -> np.ndarray:
        """Return V, V V^T being a kernel of these products; its largest columns come last."""
        response = kernel(self.values)
        order = np.argsort(response)
        return self.vectors[:, order] * np.sqrt(response[order])


def plain_share(margins, budget: float) -> float:
    """Return the share of users whose smallest squared margins add up to a budget."""
    costs = np.sort(np.maximum(margins, 0) ** 2)
    return float(np.searchsorted(np.cumsum(costs), budget, side="right") / margins.size)


def plain_budget(residual: float, n_ratings: float, reg: float) -> float:
    """Return the most that the squared changes of all genuine users' scores add up to."""
    return residual / 4 * n_ratings / (n_ratings + reg)


def user_budget(residual, n_ratings, reg):
    """Return the most that the squared change of a user's score is, per leverage of the user."""
    ratio = n_ratings / reg
    return residual * np.where(ratio >= 1, 0.25, ratio / (1 + ratio) ** 2)


def fixed_share(lists: Lists, spectrum: Spectrum, residual, attack) -> tuple[float, float]:
    """Return a bound of the share of users who list a target, thresholds fixed; and mu R."""
    n_ratings, reg = attack.n_ratings, attack.reg
    is_open = np.isfinite(lists.margins)
    n_lost = np.count_nonzero(lists.margins == -np.inf)
    costs = [np.ones((np.count_nonzero(is_open), 1))]
    found, multipliers = [], None
    for share in _SHARES:
        root = spectrum.root(_kernel(share / n_ratings, reg))[is_open]
        roots = [root / lists.margins[is_open, np.newaxis]]
        least, multipliers = least_bound(costs, roots, [residual / (4 * (1 - share))], multipliers)
        found.append((n_lost + least, share))
    bound, share = min(found)
    return _share(bound, lists), share


def attacked_share(lists: Lists, spectra, residuals, attack: Attack, share: float) -> float:
    """Return a bound of the share of users who list a target, thresholds attacked as well.

    `spectra` are those of the products without the target and with all items, `residuals` those of
    the target and of all items together, `share` the best mu R with thresholds fixed.
    """
    n_ratings, reg = attack.n_ratings, attack.reg
    is_open = np.isfinite(lists.margins)
    n_lost = np.count_nonzero(lists.margins == -np.inf)
    margins, heights = lists.margins[is_open, np.newaxis], lists.heights[is_open]
    # Between two heights the rise costs at least that to the lower, the fall that to the higher.
    rises = np.linspace(0, 1, _N_HEIGHTS + 1) * margins
    falls = np.zeros((rises.shape[0], _N_HEIGHTS))
    for place in range(_N_HEIGHTS - 1):
        above = heights - rises[:, [place + 1]]
        falls[:, place] = (np.maximum(above, 0) ** 2).sum(axis=1)
    scale = np.sqrt(np.maximum(falls[:, [0]], _SLACK**2))
    costs = [(rises[:, :-1] / margins) ** 2, falls / scale**2]
    own = spectra[0].root(_kernel(share / n_ratings, reg))[is_open] / margins
    found, multipliers = [], None
    for others_share, tangent in _TANGENTS:
        kernel = _monotone_kernel(others_share / n_ratings, reg, tangent)
        roots = [own, spectra[1].root(kernel)[is_open] / scale]
        budgets = [residuals[0] / (4 * (1 - share)), residuals[1] / (4 * (1 - others_share))]
        least, multipliers = least_bound(costs, roots, budgets, multipliers)
        found.append(least)
    return _share(n_lost + min(found), lists)


def _share(bound, lists):
    """Return the share of users that a bound of their number leaves: they come whole."""
    n_users = lists.margins.size
    return min(np.floor(bound + 1e-6) / n_users, np.mean(lists.margins < np.inf))


def _kernel(mu, reg):
    """Return the spectrum of the response of genuine scores to fakes."""
    return lambda values: values / ((values + reg) * (1 + mu * (values + reg)))


def _monotone_kernel(mu, reg, tangent):
    """Return an operator monotone function above `_kernel`, by a tangent of its denominator.

    It bounds the response of every item at once, though each has products of its own: those
    without the item's column, which are less.
    """
    place = tangent * np.sqrt(reg * (1 + mu * reg) / mu) if mu > 0 else 0.0
    slope = 1 + 2 * mu * reg + 2 * mu * place
    constant = max(reg * (1 + mu * reg) - mu * place**2, 1e-12 * reg)
    return lambda values: values / (slope * values + constant)


def safe_fakes(
    target, X, is_rated, target_scores, best, residuals, spectrum, attack, k
) -> np.ndarray:
    """Return, for each user, up to how many fakes can for certain not list a target.

    All scores of a user move by less than rho times the bound of the item's residual, rho^2 being
    the user's leverage times `user_budget`. The target stays out as long as k items stay above it.
    """
    items, values = best
    gaps = np.where(items == target, -np.inf, values) - target_scores[:, np.newaxis] - _SLACK
    gaps /= residuals[np.maximum(items, 0)] + residuals[target]
    if gaps.shape[1] < k:
        return np.where(is_rated, _MAX_FAKES, 0)
    critical = np.partition(gaps, -k, axis=1)[:, -k]
    leverage = (spectrum.root(_kernel(0.0, attack.reg)) ** 2).sum(axis=1)
    reach = np.maximum(critical, 0) ** 2 / np.maximum(leverage, 1e-300)
    n_fakes = np.arange(_MAX_FAKES + 1)
    used = n_fakes * user_budget(1.0, n_fakes * attack.size, attack.reg)
    found = np.maximum(np.searchsorted(used, reach, side="left") - 1, 0)
    found[np.diff(X.indptr) == 0] = 0
    found[is_rated] = _MAX_FAKES
    return found


def certify(X, seen, weights, score, targets, attack: Attack, k: int) -> Bunch:
    """Return the certificates of target items, see `EASERecommender.certify`.

    `X` is what the model learned from, `seen` what is left out of the lists: all that was rated.
    """
    best = best_scores(X, seen, score, k)
    all_items = Spectrum(X)
    residuals = residual_bounds(weights, attack.size)
    others = attack.n_fakes * row_residual_bound(weights, attack.size)
    found = []
    for target in targets:
        target_scores = X @ weights[:, target]
        is_rated = seen[:, [target]].toarray().ravel() > 0
        lists = lists_without(target, X, is_rated, target_scores, best, k)
        spectrum = Spectrum(_without(X, target)) if (X.indices == target).any() else all_items
        residual = attack.n_fakes * residuals[target] ** 2
        fixed, share = fixed_share(lists, spectrum, residual, attack)
        budget = plain_budget(residual, attack.n_ratings, attack.reg)
        plain = plain_share(lists.margins, budget)
        attacked = attacked_share(lists, (spectrum, all_items), (residual, others), attack, share)
        safe = safe_fakes(target, X, is_rated, target_scores, best, residuals, all_items, attack, k)
        clean = np.mean(lists.margins == -np.inf)
        found.append((clean, attacked, min(fixed, plain), plain, safe))
    names = ("hit_ratio_clean", "hit_ratio", "hit_ratio_fixed", "hit_ratio_plain", "safe_fakes")
    columns = [np.array(column) for column in zip(*found, strict=True)]
    return Bunch(**dict(zip(names, columns, strict=True)) | {"safe_fakes": columns[-1].T})


def _without(X, item):
    """Return the interactions with all items but one."""
    kept = sp.csr_array((np.where(X.indices == item, 0.0, X.data), X.indices, X.indptr), X.shape)
    kept = kept.copy()
    kept.eliminate_zeros()
    return kept
