"""Independent random streams derived from one `random_state`."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state


def spawn_generators(random_state, n_streams: int) -> list[np.random.Generator]:
    """Return `n_streams` independent generators that depend on `random_state` alone.

    One draw is taken from `random_state`; the streams are spawned from it, so that what one stream
    is used for never shifts another: the targets that an attack draws, say, do not depend on how
    many fake profiles it crafts.
    """
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n_streams)]


def with_seed(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return a clone whose random_state, and those of the estimators in it, are `seed`."""
    estimator = clone(estimator)
    return estimator.set_params(**dict.fromkeys(random_states(estimator), seed))


def with_drawn_seed(estimator: BaseEstimator, rng: np.random.Generator) -> BaseEstimator:
    """Return a clone as `with_seed` does, with a seed drawn if there is a use for one."""
    return with_seed(estimator, drawn_seed(estimator, rng))


def drawn_seed(estimator: BaseEstimator, rng: np.random.Generator) -> int:
    """Return a seed for `with_seed`, drawn if there is a use for one, 0 otherwise."""
    return int(rng.integers(np.iinfo(np.int32).max)) if random_states(estimator) else 0


def random_states(estimator: BaseEstimator) -> dict:
    """Return the random states of an estimator and of those in it, by the names of parameters."""
    return {
        name: value
        for name, value in sorted(estimator.get_params().items())
        if name.rpartition("__")[2] == "random_state"
    }


@contextmanager
def preserved_global_states():
    """Put NumPy's and torch's global random states back at the end, whoever sets them inside.

    Import torch before entering if it is to be used inside.
    """
    torch = sys.modules.get("torch")
    numpy_state = np.random.get_state()  # noqa: NPY002
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        if torch_state is not None:
            torch.set_rng_state(torch_state)
