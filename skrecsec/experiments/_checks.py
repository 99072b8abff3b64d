"""Checks of the arguments of a study, before anything is computed."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skrecsec.base import BaseAttackTransformer
from skrecsec.datasets import make_ratings
from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.experiments._statistics import CLEAN
from skrecsec.utils._held_out import held_out_items
from skrecsec.utils._items import check_item_indices
from skrecsec.utils._scoring import steps_of
from skrecsec.utils.validation import warn_of_unsuitable_ratings


def check_held_out(y, X) -> np.ndarray | None:
    """Return the held-out items as an array, None if they are to be drawn."""
    if y is None:
        if np.diff(X.indptr).max() < 2:
            raise ValueError(
                "X has no user with at least two ratings, of which one could be held out."
            )
        return None
    items = check_item_indices(y, X.shape[1], name="y", lowest=-1)
    held_out = held_out_items(items, *X.shape)
    if held_out.nnz == 0:
        raise ValueError("y holds out no item, so there is nothing to score.")
    n_rated = held_out.multiply(X).nnz
    if n_rated:
        warnings.warn(
            f"{n_rated} of the items that y holds out are among the ratings of their users; they "
            f"cannot be ranked and count as misses.",
            UserWarning,
            stacklevel=4,
        )
    return items


def check_attacks(attacks) -> None:
    """Raise a ValueError if these are no attacks or their parameters are invalid."""
    _check_names("attacks", attacks)
    if CLEAN in attacks:
        raise ValueError(f"attacks: {CLEAN!r} is the name of the data without an attack.")
    for name, attack in attacks.items():
        if not isinstance(attack, BaseAttackTransformer):
            raise ValueError(
                f"attacks[{name!r}] must be an attack transformer, an instance of a subclass of "
                f"skrecsec.base.BaseAttackTransformer, got {attack!r}."
            )
        _check_parameters("attacks", name, attack)


def check_recommenders(recommenders, detectors) -> None:
    """Raise a ValueError if these are no recommenders or their parameters are invalid.

    There may be none if there are detectors.
    """
    if not recommenders and detectors:
        return
    _check_names("recommenders", recommenders)
    for name, recommender in recommenders.items():
        has_methods = all(hasattr(recommender, m) for m in ("fit", "predict", "get_params"))
        if isinstance(recommender, type) or not has_methods:
            raise ValueError(
                f"recommenders[{name!r}] must be a recommender, an estimator with `fit` and "
                f"`predict`, got {recommender!r}."
            )
        _check_not_frozen("recommenders", name, recommender)
        _check_parameters("recommenders", name, recommender)


def check_detectors(detectors) -> None:
    """Raise a ValueError if these are no detectors or their parameters are invalid."""
    if not detectors:
        return
    _check_names("detectors", detectors)
    for name, detector in detectors.items():
        if not _is_detector(detector):
            raise ValueError(
                f"detectors[{name!r}] must be a detector, an outlier detector with `fit_predict`, "
                f"got {detector!r}."
            )
        _check_not_frozen("detectors", name, detector)
        _check_parameters("detectors", name, detector)


def _is_detector(detector):
    has_methods = all(hasattr(detector, m) for m in ("fit_predict", "__sklearn_tags__"))
    if isinstance(detector, type) or not has_methods:
        return False
    # Recommenders have fit_predict as well.
    return get_tags(detector).estimator_type == "outlier_detector"


def _check_not_frozen(parameter, name, estimator):
    if any(isinstance(e, FrozenEstimator) for e in (estimator, steps_of(estimator)[-1])):
        raise ValueError(
            f"{parameter}[{name!r}] is frozen: it would learn nothing from the ratings of the "
            f"study, poisoned or not. Give the estimator itself."
        )


def warn_of_unsuitable(X, recommenders) -> None:
    """Warn once if the ratings are unsuitable and a recommender minds it when it is fitted.

    Models of implicit feedback do not. So each is asked, by a handful of ratings like these.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warn_of_unsuitable_ratings(X.data)
    if warned and any(_minds(recommender, X.data) for recommender in recommenders.values()):
        warnings.warn(str(warned[0].message), UnsuitableRatingsWarning, stacklevel=2)


def _minds(recommender, ratings):
    sample = make_ratings(20, 20, density=0.3, random_state=0)
    ranks = np.linspace(0, ratings.size - 1, sample.nnz).astype(int)
    sample.data = np.sort(ratings)[ranks]  # with their median and their highest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UnsuitableRatingsWarning)
        try:
            clone(recommender).fit(sample)
        except UnsuitableRatingsWarning:
            return True
        except Exception:  # which shows, or not, when it is fitted in earnest
            return False
    return False


def _check_names(parameter, estimators):
    if not estimators:
        raise ValueError(f"{parameter} is empty; at least one is required.")
    for name in estimators:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} must have strings as names, got {name!r}.")


def _check_parameters(parameter, name, estimator):
    # Estimators need not declare what their parameters may be.
    if not hasattr(estimator, "_parameter_constraints"):
        return
    try:
        estimator._validate_params()
    except ValueError as error:
        raise ValueError(f"{parameter}[{name!r}]: {error}") from error


def check_baseline(baseline, recommenders) -> str | None:
    """Return the name of the baseline, that of the first recommender for None, if there is one."""
    if baseline is None:
        return next(iter(recommenders), None)
    if not recommenders:
        raise ValueError(f"baseline={baseline!r} names a recommender, and there is none.")
    if baseline not in recommenders:
        names = ", ".join(map(repr, recommenders))
        raise ValueError(f"baseline must be the name of a recommender, {names}, got {baseline!r}.")
    return baseline
