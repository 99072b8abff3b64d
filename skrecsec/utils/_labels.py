"""What detectors say of profiles."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._kept_verdicts import fit_predict

# Parameters of detectors that name rows of the matrix they judge.
_ROWS = ("trusted_users", "seed_users")


def refuse_rows(detector, *, name: str) -> None:
    """Raise a ValueError if a detector is told of rows, though it is to judge those of others.

    Indices of users mean nobody in particular to who shows a detector a crowd of their own.
    """
    # What has no such method is refused when it is cloned.
    parameters: dict = getattr(detector, "get_params", dict)()
    for parameter, value in parameters.items():
        if value is not None and parameter.rpartition("__")[2] in _ROWS:
            raise ValueError(
                f"{name} must not have {parameter} unless knowledge=1, as "
                f"{type(detector).__name__} does: these are rows of X, but the attacker shows it "
                f"the known users only, and then the fake profiles."
            )


def flagged_profiles(detector, X, *, name: str) -> np.ndarray:
    """Fit a detector, and return which profiles it calls fake; `name` is that of the parameter.

    Raises
    ------
    ValueError
        If it does not return a label for each profile, or labels other than -1 and 1.
    """
    labels = np.asarray(fit_predict(detector, X))
    if labels.shape != X.shape[:1]:
        raise ValueError(
            f"{name} must return a label for each of the {X.shape[0]} profiles, "
            f"{type(detector).__name__} returned an array of shape {labels.shape}."
        )
    is_other = ~np.isin(labels, (-1, 1))
    if is_other.any():
        raise ValueError(
            f"{name} must label fake profiles -1 and genuine ones 1, as outlier detectors of "
            f"scikit-learn's do; {type(detector).__name__} returned the label "
            f"{labels[is_other][0]}."
        )
    return labels == -1
