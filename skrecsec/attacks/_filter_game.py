"""A surrogate that defends itself by a detector, and how the fake users answer it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from skrecsec.base import Budget, complete_profiles
from skrecsec.training import RatingData, Solver
from skrecsec.utils._labels import flagged_profiles
from skrecsec.utils._random import with_seed


class FilterGame:
    """The rounds between a filter and the fake users, on one surrogate.

    In each round the fake users show what they would rate by now, among the known profiles. Whom
    the detector flags does not count in what the surrogate is trained on next, unless it flags all
    who have ratings; what was not flagged, a fake user keeps in mind.

    Parameters
    ----------
    detector : detector
        It is cloned and seeded.

    known : csr_array of shape (n_known, n_items)
        The known profiles.

    data : RatingData
        What the surrogate is trained on: the known profiles, and then the initial fake ones.

    budget : Budget
        What the fake profiles must keep to.

    predict : callable
        Makes fillers, (n_profiles, n_items), of the factors of fake users and of items.

    seed : int
        For the detector.
    """

    def __init__(self, detector, known, data: RatingData, budget: Budget, predict: Callable, seed):
        self._detector = with_seed(detector, seed)
        self._known, self._data, self._budget = known, data, budget
        self._predict = predict
        self._passed = sp.csr_array((budget.n_profiles, known.shape[1]))
        self._has_passed = np.zeros(budget.n_profiles, dtype=bool)

    def play(self, solver: Solver, user_factors, item_factors) -> None:
        """Play a round: have the solver go on without the ratings of who is flagged.

        If that leaves no ratings, the filter is not heeded in this round: nobody trains on nothing.
        """
        n_known = self._known.shape[0]
        fillers = self._predict(user_factors[n_known:], item_factors)
        is_flagged = self._judge(fillers)
        left = self._data.without_users(is_flagged)
        solver.data = left if left.train.ratings.size > 0 else self._data

    def answer(self, fillers) -> sp.csr_array:
        """Return the fillers, for fake users who are flagged with them the last that were not."""
        self._judge(fillers)
        return _choose(self._has_passed, self._passed, fillers)

    def _judge(self, fillers):
        """Return who is flagged of known and fake users, and take note of who is not."""
        n_known, n_items = self._known.shape
        fakes = complete_profiles(fillers, n_items, self._budget)
        crowd = sp.csr_array(sp.vstack([self._known, fakes], format="csr"))
        is_flagged = flagged_profiles(self._detector, crowd, name="defense")
        passes = ~is_flagged[n_known:]
        self._passed = _choose(passes, fillers, self._passed)
        self._has_passed |= passes
        return is_flagged


def _choose(is_first, first, second):
    """Return rows of the first matrix, and of the second one where it is not said so."""
    rows = np.arange(is_first.size)
    stacked = sp.csr_array(sp.vstack([first, second], format="csr"))
    return stacked[np.where(is_first, rows, rows + is_first.size)]
