"""Choosing the items of fake profiles by gradients: what attacks on implicit feedback share.

To a model of implicit feedback a profile is a set of items. Each fake profile has a number for each
item; it consists of the targets that it is to rate and of the items with the largest numbers. The
gradient for the profile is taken as that for the numbers (a straight-through estimate), also where
an item is not chosen, and Adam descends it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import candidates_by_popularity, first_places
from skrecsec.utils._ranking import row_blocks, top_k

# What the numbers start from: half a logarithmic popularity, and noise that tells profiles apart.
_POPULARITY, _NOISE = 0.5, 0.1
_BETA1, _BETA2 = 0.9, 0.999
# The width of the loss falls to this share of it.
_LAST_WIDTH = 0.2
# Each surrogate finds new thresholds each time that it has been used so often.
_USES_OF_THRESHOLDS = 5
# Lengths of profiles to try, as fractions of the longest one, to promote and to demote.
_LENGTHS = {1: (0.5, 0.75, 1.0), -1: (0.4, 0.6, 0.8, 1.0)}
# So many times as many fillers to choose from as a profile needs, at least.
_CHOICE = 4

# The numbers, their two moments, the gradient and what comes in between.
BYTES_PER_CELL = 64


class Selection:
    """The numbers that choose the items of fake profiles, and how they descend.

    Parameters
    ----------
    counts : ndarray of shape (n_items,)
        Known ratings of each item.

    budget : Budget
        Of the profiles; it says which targets are in which.

    min_raters : int
        Only items with so many known ratings are fillers; where these are fewer than four times
        what a profile needs, so many of the items with most known ratings.

    rng : Generator
        Draws the numbers to start from.
    """

    def __init__(self, counts, budget, min_raters, rng):
        self.budget = budget
        order = candidates_by_popularity(counts, budget)
        n_candidates = max(_CHOICE * budget.n_fillers, (counts[order] >= min_raters).sum())
        self._allowed = np.sort(order[:n_candidates])
        popularity = np.log1p(counts[self._allowed]) / np.log1p(counts.max())
        noise = rng.normal(0, _NOISE, (budget.n_profiles, self._allowed.size))
        self._numbers = _POPULARITY * popularity + noise
        self._moments = np.zeros((2, *noise.shape))
        self._n_steps = 0
        self._n_items = counts.size

    def with_budget(self, budget) -> Selection:
        """Return a copy that chooses for another budget, of the same profiles."""
        other = object.__new__(Selection)
        vars(other).update(vars(self), budget=budget)
        other._numbers, other._moments = self._numbers.copy(), self._moments.copy()
        return other

    def fillers(self) -> np.ndarray:
        """Return the chosen fillers, (n_profiles, n_fillers), the largest numbers first."""
        if self.budget.n_fillers == 0:
            return np.empty((self.budget.n_profiles, 0), dtype=np.int64)
        return self._allowed[top_k(self._numbers, self.budget.n_fillers)]

    def profiles(self) -> sp.csr_array:
        """Return fillers and targets as a matrix of ones, (n_profiles, n_items).

        They are those that will be written: no target is in a profile that is not to rate it, and
        of the fillers there are as many as the profile has room for.
        """
        budget, fillers = self.budget, self.fillers()
        filler_rows, places = first_places(fillers.shape, budget.planned_fillers())
        target_rows, targets = np.nonzero(budget.planned_ratings())
        rows = np.concatenate([filler_rows, target_rows])
        items = np.concatenate([fillers[filler_rows, places], budget.target_items[targets]])
        profiles = sp.csr_array(
            (np.ones(items.size), (rows, items)), shape=(budget.n_profiles, self._n_items)
        )
        profiles.sort_indices()
        return profiles

    def descend(self, gradient, learning_rate):
        """Take a step of Adam; `gradient` is that for the profiles, (n_profiles, n_items)."""
        gradient = gradient[:, self._allowed]
        largest = np.abs(gradient).max(initial=0)
        if not largest > 0:
            return
        gradient /= largest  # so that squares do not underflow; Adam does not see the scale
        self._n_steps += 1
        mean, square = self._moments
        mean += (1 - _BETA1) * (gradient - mean)
        square += (1 - _BETA2) * (gradient**2 - square)
        rate = learning_rate / (1 - _BETA1**self._n_steps)
        self._numbers -= rate * mean / (np.sqrt(square / (1 - _BETA2**self._n_steps)) + 1e-12)


class Listing:
    """How far targets are from the lists of users: the loss of the scores of both.

    The loss is the mean, over the users and targets that they have not rated, of the logistic
    function of (threshold - score) / width, a smooth share of the targets that are not listed. For
    a nuke attack it is the share of those that are.

    Parameters
    ----------
    profiles : csr_array of shape (n_users, n_items)
        Whose lists.

    target_items : ndarray of shape (n_targets,)
        What is to be on them.

    k : int
        Length of a list. The threshold of a user is the k-th best score of an item that they have
        not rated, or the lowest if there are fewer.

    sign : {1, -1}
        1 for push, -1 for nuke.
    """

    def __init__(self, profiles, target_items, k, sign):
        self.profiles = profiles
        self.k = k
        self.sign = sign
        self.unseen = profiles[:, target_items].toarray() == 0
        self.n_pairs = max(1, self.unseen.sum())

    def thresholds(self, score_rows) -> np.ndarray:
        """Return the score that a target must have, (n_users,); `score_rows` scores a block."""
        n_users, n_items = self.profiles.shape
        result = np.zeros(n_users)
        for rows in row_blocks(n_users, n_items):
            scores = score_rows(rows)
            lists = top_k(scores, min(self.k, n_items), seen=self.profiles[rows])
            sizes = (lists >= 0).sum(axis=1)
            last = lists[np.arange(sizes.size), sizes - 1]
            result[rows] = np.where(sizes > 0, scores[np.arange(sizes.size), last], 0)
        return result

    def __call__(self, target_scores, thresholds, width):
        """Return the loss and its derivative by the scores of the targets, (n_users, n_targets)."""
        gaps = self.sign * (thresholds[:, np.newaxis] - target_scores) / width
        shares = np.where(self.unseen, 1 / (1 + np.exp(-np.clip(gaps, -500, 500))), 0)
        slopes = (-self.sign / (width * self.n_pairs)) * shares * (1 - shares)
        return shares.sum() / self.n_pairs, np.where(self.unseen, slopes, 0)


def typical_size(thresholds) -> float:
    """Return the root mean square of thresholds, or a tiny number where all are 0."""
    return max(np.sqrt(np.mean(thresholds**2)), np.finfo(float).tiny ** 0.5)


def pattern(ratings) -> sp.csr_array:
    """Return ones where there are ratings."""
    ones = np.ones(ratings.indices.size)
    return sp.csr_array((ones, ratings.indices, ratings.indptr), shape=ratings.shape)


class Search:
    """Descends the listing loss of surrogates, which take turns.

    Parameters
    ----------
    surrogates : list
        Each has ``update(fakes)``, by which `target_scores` are those of a model that has learned
        from the fake profiles, too, ``score_rows(rows)``, ``gradient(slopes)`` and ``release()``.

    listing : Listing
        The loss.

    learning_rate, width : float
        Of Adam, and of the loss at first, as a fraction of the typical threshold.

    n_steps : int
        In how many the width falls to a fifth.
    """

    def __init__(self, surrogates, listing, learning_rate, width, n_steps):
        self.surrogates = surrogates
        self.listing = listing
        self.learning_rate = learning_rate
        self.width = width
        self.n_steps = n_steps
        self._thresholds = [np.zeros(0)] * len(surrogates)
        self._scale = 0.0

    def run(self, selection, first, last):
        """Take the steps from `first` to `last`, not included, of `n_steps`."""
        for step in range(first, last):
            turn = step - first
            surrogate, which = self._update(turn, selection)
            if turn // len(self.surrogates) % _USES_OF_THRESHOLDS == 0:
                self._thresholds[which] = self.listing.thresholds(surrogate.score_rows)
                surrogate.release()
            if self._scale == 0:
                self._scale = typical_size(self._thresholds[which])
            width = self.width * self._scale * _LAST_WIDTH ** (step / max(1, self.n_steps - 1))
            _, slopes = self.listing(surrogate.target_scores, self._thresholds[which], width)
            selection.descend(surrogate.gradient(slopes), self.learning_rate)

    def value(self, selection) -> float:
        """Return the mean loss over the surrogates that had a turn, with the last width."""
        width, losses = self.width * self._scale * _LAST_WIDTH, []
        for which, thresholds in enumerate(self._thresholds):
            if thresholds.size:
                surrogate, _ = self._update(which, selection)
                losses.append(self.listing(surrogate.target_scores, thresholds, width)[0])
        return np.mean(losses)

    def _update(self, turn, selection):
        which = turn % len(self.surrogates)
        self.surrogates[which].update(selection.profiles())
        return self.surrogates[which], which


def search_with_length(search, selection, is_free) -> Selection:
    """Descend, with the best of some lengths if that is free, and return what was selected.

    Each length is tried for a third of the steps, from the same numbers; the best one goes on.
    """
    first = 0
    if is_free:
        first = max(1, search.n_steps // 3)
        trials = [
            selection.with_budget(budget)
            for budget in _shorter(selection.budget, search.listing.sign)
        ]
        losses = []
        for trial in trials:
            search.run(trial, 0, first)
            losses.append(search.value(trial))
        selection = trials[int(np.argmin(losses))]
    search.run(selection, first, search.n_steps)
    return selection


def _shorter(budget, sign):
    """Return the budget with some lengths of profiles, which all have fillers if it has."""
    sizes = {round(share * budget.profile_size) for share in _LENGTHS[sign]}
    lowest = min(budget.n_targets_each + 1, budget.profile_size)
    return [budget._replace(profile_size=max(size, lowest)) for size in sorted(sizes)]
