"""What detectors say of profiles."""

from __future__ import annotations

import numpy as np


def flagged_profiles(detector, X, *, name: str) -> np.ndarray:
    """Fit a detector, and return which profiles it calls fake; `name` is that of the parameter.

    Raises
    ------
    ValueError
        If it does not return a label for each profile.
    """
    labels = np.asarray(detector.fit_predict(X))
    if labels.shape != X.shape[:1]:
        raise ValueError(
            f"{name} must return a label for each of the {X.shape[0]} profiles, "
            f"{type(detector).__name__} returned an array of shape {labels.shape}."
        )
    return labels == -1
