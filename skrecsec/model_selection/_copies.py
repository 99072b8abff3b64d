"""The plainest attack, to be simulated: copies of profiles that rate some targets, too."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.utils._sizes import as_count


def rare_items(X, n_items: int, max_raters: int, rng) -> np.ndarray:
    """Draw rated items with fewer raters than `max_raters`, or take those with the fewest."""
    counts = np.bincount(X.indices, minlength=X.shape[1])
    rated = np.flatnonzero(counts)
    if rated.size < n_items:
        raise ValueError(f"n_targets={n_items} items are to be pushed, {rated.size} have ratings.")
    rare = np.flatnonzero((counts > 0) & (counts < max_raters))
    if rare.size < n_items:
        return np.sort(rated[np.argsort(counts[rated], kind="stable")[:n_items]])
    return np.sort(rng.choice(rare, n_items, replace=False))


def copied_profiles(X, size, targets: np.ndarray, rng) -> sp.csr_array:
    """Return copies of random profiles, with the highest rating for the targets.

    `size` is their number, or their share of the profiles. O(n_ratings).
    """
    n_copies = as_count(size, X.shape[0])
    with_ratings = np.flatnonzero(np.diff(X.indptr))
    copies = sp.csr_array(X[rng.choice(with_ratings, n_copies)])
    rows = np.repeat(np.arange(n_copies), np.diff(copies.indptr))
    kept = ~np.isin(copies.indices, targets)
    ratings = np.concatenate([copies.data[kept], np.full(n_copies * targets.size, X.data.max())])
    rows = np.concatenate([rows[kept], np.repeat(np.arange(n_copies), targets.size)])
    items = np.concatenate([copies.indices[kept], np.tile(targets, n_copies)])
    return sp.csr_array((ratings, (rows, items)), shape=copies.shape)
