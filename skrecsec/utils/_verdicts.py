"""What detectors say of profiles, and which of these an attack has appended."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.utils._kept_verdicts import fit_predict
from skrecsec.utils._scoring import steps_of


class Verdicts(NamedTuple):
    """What a detector says of each profile of a rating matrix.

    Parameters
    ----------
    is_fake : ndarray of bool of shape (n_profiles,)
        Which profiles are fake in truth, which the detector was not told.

    scores : ndarray of float of shape (n_profiles,)
        The lower, the more suspicious; NaN, all of them, if the detector has none.

    is_flagged : ndarray of bool of shape (n_profiles,)
        Which profiles it calls fake.
    """

    is_fake: np.ndarray
    scores: np.ndarray
    is_flagged: np.ndarray


def judge(detector, X) -> tuple[np.ndarray, np.ndarray]:
    """Fit a detector; return the scores of the profiles, and which of them it calls fake.

    Parameters
    ----------
    detector : detector
        An outlier detector with `fit_predict`, or a pipeline that ends with one.

    X : csr_array of shape (n_profiles, n_items)
        Ratings.

    Returns
    -------
    scores : ndarray of float of shape (n_profiles,)
        The `profile_scores_` of the detector, or what it returns by `score_samples`; NaN if it has
        neither.

    is_flagged : ndarray of bool of shape (n_profiles,)
        Where the label is -1.

    Raises
    ------
    ValueError
        If labels or scores are not what those of a detector should be.
    """
    labels = np.asarray(fit_predict(detector, X))
    name, n_profiles = type(detector).__name__, X.shape[0]
    if labels.shape != (n_profiles,) or not np.isin(labels, (-1, 1)).all():
        raise ValueError(
            f"{name}.fit_predict must return -1 or 1 for each of the {n_profiles} profiles, got "
            f"an array of {labels.dtype} of shape {labels.shape}."
        )
    scores = getattr(steps_of(detector)[-1], "profile_scores_", None)
    if scores is None and hasattr(detector, "score_samples"):
        scores = detector.score_samples(X)
    if scores is None:
        return np.full(n_profiles, np.nan), labels == -1
    scores = np.array(scores, dtype=float)
    if scores.shape != (n_profiles,) or not np.isfinite(scores).all():
        raise ValueError(
            f"The scores of {name} must be a finite number for each of the {n_profiles} profiles, "
            f"got an array of shape {scores.shape}."
        )
    return scores, labels == -1


def attack_step(estimator, why: str):
    """Return the transformers before the attack of a fitted pipeline, that, and those after it.

    Raises a ValueError, which says why it is asked, if there is not one attack.
    """
    *transformers, _ = steps_of(estimator)
    places = [p for p, step in enumerate(transformers) if hasattr(step, "poison_")]
    if not places:
        raise ValueError(f"The estimator is not a fitted pipeline with an attack step: {why}.")
    if len(places) > 1:
        raise ValueError(f"The pipeline has {len(places)} attack steps, one is expected: {why}.")
    (place,) = places
    attack = transformers[place]
    # A pipeline calls fit().transform() then, which appends nothing.
    if not hasattr(attack, "fit_transform"):
        raise ValueError(
            f"{type(attack).__name__} around an attack hides its fit_transform, so that the "
            f"pipeline was trained on clean ratings: put the attack itself into the pipeline."
        )
    return transformers[:place], attack, transformers[place + 1 :]


def verdict_of(estimator, name: str, *, why: str, who_asks: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what the detector of a fitted pipeline says, and which profiles are fake.

    Parameters
    ----------
    estimator : pipeline, or a fitted search over one
        Of an attack, and a detector or a recommender with a `detector_`, or with a `recommender_`
        that has one.

    name : {"profile_scores_", "labels_"}
        The attribute of the detector.

    why : str
        Why an attack is needed.

    who_asks : str
        For whom the attribute is needed.

    Returns
    -------
    is_fake : ndarray of bool of shape (n_profiles,)
        The last rows, which the attack has appended.

    verdicts : ndarray of shape (n_profiles,)
        The attribute.
    """
    _, attack, _ = attack_step(estimator, why)
    detector = _detector_in(steps_of(estimator)[-1])
    verdicts = getattr(detector, name, None)
    n_fake = attack.poison_.shape[0]
    if verdicts is None or np.ndim(verdicts) != 1 or np.size(verdicts) < n_fake:
        raise ValueError(
            f"{who_asks} needs a detector with {name} of the profiles of fit; "
            f"{type(detector).__name__} has none."
        )
    is_fake = np.arange(np.size(verdicts)) >= np.size(verdicts) - n_fake
    return is_fake, np.asarray(verdicts)


def _detector_in(fitted):
    """Return the outermost detector of a recommender, or what was given if it has none."""
    inner = fitted
    while inner is not None and not hasattr(inner, "detector_"):
        inner = getattr(inner, "recommender_", None)
    return fitted if inner is None else inner.detector_
