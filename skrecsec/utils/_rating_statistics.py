"""What is known of the ratings of items: their numbers, means and spreads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class RatingStatistics(NamedTuple):
    """Mean and standard deviation of the known ratings, in all and of each item.

    An item's own figures are used where there are enough ratings: one for the mean, two for the
    standard deviation. Elsewhere those of all ratings stand in.
    """

    mean: float
    std: float
    item_counts: np.ndarray
    item_means: np.ndarray
    item_stds: np.ndarray


def rating_statistics(known) -> RatingStatistics:
    """Return the statistics of the known profiles, a CSR matrix. O(n_ratings + n_items)."""
    n_items = known.shape[1]
    mean, std = known.data.mean(), known.data.std()
    counts = np.bincount(known.indices, minlength=n_items)
    divisors = np.maximum(counts, 1)
    means = np.bincount(known.indices, known.data, minlength=n_items) / divisors
    deviations = (known.data - means[known.indices]) ** 2
    stds = np.sqrt(np.bincount(known.indices, deviations, minlength=n_items) / divisors)
    return RatingStatistics(
        mean, std, counts, np.where(counts >= 1, means, mean), np.where(counts >= 2, stds, std)
    )
