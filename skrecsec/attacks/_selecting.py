"""Base class of attacks that choose the items of fake profiles by gradients."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from skrecsec.attacks._fillers import rated_around_means
from skrecsec.attacks._selection import (
    BYTES_PER_CELL,
    Listing,
    Search,
    Selection,
    pattern,
    search_with_length,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Count, Number, StrOptions
from skrecsec.utils._memory import check_memory
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded


@complete
class BaseSelectionAttackTransformer(BaseAttackTransformer):
    """Base class of attacks on models of implicit feedback, by gradients through a surrogate.

    A subclass implements `_make_surrogates(known, budget, rng)`: a list of what `Search` takes.
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "k": [Count()],
        "min_raters": [Count(0)],
        "max_iter": [Count()],
        "learning_rate": [Number(0, None, closed="neither")],
        "width": [Number(0, None, closed="neither")],
        "n_fillers": [StrOptions({"auto", "mean"}), Count()],
    }

    def __init__(
        self,
        *,
        k=50,
        min_raters=30,
        max_iter=100,
        learning_rate=0.05,
        width=0.3,
        n_fillers="auto",
        **threat_model,
    ):
        super().__init__(n_fillers=n_fillers, **threat_model)
        self.k = k
        self.min_raters = min_raters
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.width = width

    @abstractmethod
    def _make_surrogates(self, known, budget, rng) -> list:
        """Return surrogates for known profiles, CSR of ones."""

    def _craft_profiles(self, known, budget, rng):
        n_items = known.shape[1]
        check_memory(
            BYTES_PER_CELL * budget.n_profiles * n_items,
            f"Gradients for {budget.n_profiles} fake profiles and {n_items} items; lower "
            f"attack_size",
        )
        interactions = pattern(known)
        counts = np.bincount(known.indices, minlength=n_items)
        sign = 1 if self.goal == "push" else -1
        with single_threaded():
            search = Search(
                self._make_surrogates(interactions, budget, rng),
                Listing(interactions, budget.target_items, self.k, sign),
                self.learning_rate,
                self.width,
                self.max_iter,
            )
            selection = Selection(counts, budget, self.min_raters, rng)
            selection = search_with_length(search, selection, self.n_fillers == "auto")
        self.n_iter_ = self.max_iter
        self.profile_size_ = selection.budget.profile_size
        n_kept = selection.budget.planned_fillers()
        return rated_around_means(selection.fillers(), known, rng, n_kept)
