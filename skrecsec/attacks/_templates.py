"""Templates: genuine profiles that fake ones start from, and which of their ratings are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._fillers import keep_first

# Below any weight of a filler that matters: items without weight come last, in random order.
_SMALLEST_WEIGHT = 1e-9


class Templates(NamedTuple):
    """Genuine profiles, cut into the two parts that are treated differently.

    `fillers` is CSR, (n_users, n_items), without the ratings of selected and target items;
    `selected` is dense, (n_users, n_selected), 0 where there is no rating.
    """

    fillers: sp.csr_array
    selected: np.ndarray

    @property
    def n_users(self) -> int:
        """Number of templates."""
        return self.selected.shape[0]

    def draw(self, n_profiles: int, rng) -> np.ndarray:
        """Draw a template for each profile; one is used again only after all others."""
        n_rounds = -(-n_profiles // self.n_users)
        rounds = np.tile(np.arange(self.n_users), (n_rounds, 1))
        return rng.permuted(rounds, axis=1).ravel()[:n_profiles]


def choose_templates(known, selected, n_fillers: int, budget) -> Templates:
    """Return the known profiles with enough fillers, or else the longest that there are.

    No profile without ratings is taken, and none but those with enough fillers if they suffice for
    a template per fake profile.
    """
    is_filler = np.ones(known.shape[1], dtype=bool)
    is_filler[selected] = False
    is_filler[budget.target_items] = False
    fillers = known.copy()
    fillers.data = np.where(is_filler[fillers.indices], fillers.data, 0)
    fillers.eliminate_zeros()
    rated = np.flatnonzero(np.diff(known.indptr))
    n_usable = np.minimum(np.diff(fillers.indptr)[rated], n_fillers)
    n_templates = max(budget.n_profiles, np.count_nonzero(n_usable == n_fillers))
    users = np.sort(rated[np.argsort(-n_usable, kind="stable")[:n_templates]])
    return Templates(fillers[users], known[users][:, selected].toarray())


def filler_weights(known, selected, sampling: str) -> np.ndarray:
    """Return, for each item, what its chance of being kept as a filler is proportional to."""
    n_items = known.shape[1]
    counts = np.bincount(known.indices, minlength=n_items)
    if sampling == "random":
        weights = np.ones(n_items)
    elif sampling == "popularity":
        weights = counts.astype(float)
    elif sampling == "rating":
        weights = np.bincount(known.indices, known.data, minlength=n_items) / np.maximum(counts, 1)
    else:
        norms = np.sqrt(np.bincount(known.indices, known.data**2, minlength=n_items))
        inverse_norms = 1 / np.where(norms > 0, norms, 1)
        # The sum of the cosines with each of the selected items, as two products with a vector.
        indicator = np.zeros(n_items)
        indicator[selected] = inverse_norms[selected]
        weights = inverse_norms * (known.T @ (known @ indicator))
    return np.maximum(weights, _SMALLEST_WEIGHT)


class FillerSampler(NamedTuple):
    """Draws which ratings of a template are kept, without replacement, by the items' weights."""

    weights: np.ndarray
    n_fillers: int

    def sample(self, ratings, rng) -> sp.csr_array:
        """Return `n_fillers` ratings of each row, or all where there are fewer.

        Exponential times with the weights as rates: those that come first are distributed like
        successive draws. O(n_ratings log n_ratings).
        """
        times = rng.standard_exponential(ratings.nnz) / self.weights[ratings.indices]
        return keep_first(ratings, times, self.n_fillers)
