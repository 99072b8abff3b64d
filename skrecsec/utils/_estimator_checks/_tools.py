"""What checks are made of: rules, small ratings, and what an estimator has learned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils import get_tags


def states_its_rule(check: Callable) -> Callable:
    """Make the first line of a check's docstring the rule that its failures name.

    What an estimator raises unasked is a failure as well.
    """
    rule = (check.__doc__ or check.__name__).splitlines()[0].rstrip(".")

    @functools.wraps(check)
    def wrapped(estimator, **options):
        try:
            check(estimator, **options)
        except Exception as error:
            seen = str(error).strip()
            if not isinstance(error, AssertionError):
                seen = f"it raises {type(error).__name__}: {seen}"
            name = type(estimator).__name__
            raise AssertionError(f"rule: {rule}; seen: {name}: {seen}") from error

    return wrapped


def expect(condition, seen: str) -> None:
    """Raise an AssertionError that says what was seen instead."""
    if not condition:
        raise AssertionError(seen)


def kind_of(estimator) -> str | None:
    """Return "attack", "recommender", "detector" or None: what it says it is, or what it can do."""
    tags = get_tags(estimator)
    declared = tags.estimator_type
    if declared in ("attack", "recommender"):
        return declared
    # Other detectors of outliers take negative numbers as well.
    if declared == "outlier_detector" and tags.input_tags.positive_only:
        return "detector"
    if _has(estimator, "fit_transform", "transform") and has_threat_model(estimator):
        return "attack"
    if _has(estimator, "predict", "recommend"):
        return "recommender"
    return None


def has_threat_model(estimator) -> bool:
    """Return whether an attack crafts profiles by a budget, for a goal, and is not given them."""
    return {"target_items", "goal"} <= set(estimator.get_params(deep=False))


def _has(estimator, *methods):
    return all(hasattr(estimator, method) for method in methods)


# Methods that take ratings, and whether they need a fitted estimator.
_METHODS = {
    "fit": False,
    "fit_transform": False,
    "fit_predict": False,
    "predict": True,
    "recommend": True,
    "transform": True,
}


def calls(estimator, X) -> Iterator[tuple[str, Callable]]:
    """Yield the names of the methods that an estimator has, ready to be called with ratings."""
    fitted = None
    for method, needs_fit in _METHODS.items():
        if not hasattr(estimator, method):
            continue
        if needs_fit and fitted is None:
            fitted = prepared(estimator).fit(X)
        yield method, getattr(fitted if needs_fit else prepared(estimator), method)


def make_test_ratings(n_users: int = 40, n_items: int = 30, seed: int = 0) -> sp.csr_array:
    """Return a small rating matrix with some structure; every row and column has ratings."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(n_users, 2)) @ rng.normal(size=(2, n_items))
    ratings = np.clip(np.round(3 + taste), 1, 5)
    observed = rng.random((n_users, n_items)) < 0.3
    observed[np.arange(n_users), np.arange(n_users) % n_items] = True
    return sp.csr_array(np.where(observed, ratings, 0))


def prepared(estimator, seed: int = 0):
    """Return an unfitted clone with a seed."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    return estimator


def fitted_bits(estimator, X=None) -> bytes:
    """Return what a fitted estimator has learned, as one byte string."""
    if kind_of(estimator) == "attack":
        poison = sp.csr_array(estimator.poison_)
        indices = poison.indices.astype(np.int64)  # whatever the container chose
        known = getattr(estimator, "known_users_", np.empty(0))
        parts = [estimator.target_items_, known, indices, poison.data]
    elif kind_of(estimator) == "detector":
        parts = [estimator.profile_scores_, estimator.labels_]
    else:
        answer = estimator.predict if hasattr(estimator, "predict") else estimator.transform
        parts = [answer(make_test_ratings() if X is None else X)]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
