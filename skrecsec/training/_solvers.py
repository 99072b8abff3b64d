"""Where `solver` and `learning_rate` are made a solver of, and what goes with them is checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skrecsec.training._data import RatingData
from skrecsec.training._loop import Solver
from skrecsec.training._sgd import SGDSolver

# The step sizes of the solvers for learning_rate="auto"; that of SGD may depend on what is trained.
_LEARNING_RATES = {"sgd": 0.02, "adam": 1e-3, "adadelta": 20.0}

SOLVERS = tuple(_LEARNING_RATES)


def make_solver(
    name: str,
    data: RatingData,
    factors: tuple[np.ndarray, np.ndarray],
    *,
    learning_rate: float | str,
    sgd_learning_rate: float | None = None,
    reg: float = 0.0,
    sigmoid: bool = False,
    batch_size: int,
    device: str = "cpu",
    n_threads: int = 1,
) -> Solver:
    """Return a solver that trains the factors, (n_models, n_rows, n_factors), of users and items.

    For a `learning_rate` of "auto", `sgd_learning_rate` replaces what is usual with ``"sgd"``. No
    other solver uses `n_threads`.
    """
    if learning_rate == "auto":
        learning_rate = _LEARNING_RATES[name]
        if name == "sgd" and sgd_learning_rate is not None:
            learning_rate = sgd_learning_rate
    options: dict[str, Any] = {"learning_rate": learning_rate, "reg": reg, "sigmoid": sigmoid}
    if name == "sgd":
        return SGDSolver(data, *factors, n_threads=n_threads, **options)
    from skrecsec.training._minibatch import MinibatchSolver  # torch takes seconds to import

    return MinibatchSolver(
        data, *factors, optimiser=name, batch_size=batch_size, device=device, **options
    )


def import_solver(name: str) -> None:
    """Import what a solver needs, so that thread pools are limited after they have been loaded."""
    if name != "sgd":
        import skrecsec.training._minibatch  # noqa: F401


def check_device(solver: str, device: str) -> None:
    """Raise a ValueError if a solver cannot use a device, or torch does not have it."""
    if solver == "sgd":
        if device != "cpu":
            raise ValueError(
                f"solver='sgd' runs on device='cpu' only, got device={device!r}; "
                "choose solver='adam' or solver='adadelta'."
            )
        return
    import torch

    try:
        torch.empty(1, device=torch.device(device)).cpu()  # also refuses devices that hold no data
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={device!r} is not available to torch: {reason}") from error


def check_pretraining(n_pretrain_iter: float | str, max_iter: int, what: str) -> None:
    """Raise a ValueError if pre-training leaves no epoch for what is to follow."""
    if not isinstance(n_pretrain_iter, str) and math.ceil(n_pretrain_iter) >= max_iter:
        raise ValueError(
            f"n_pretrain_iter={n_pretrain_iter} must leave at least one of the "
            f"max_iter={max_iter} epochs for {what}."
        )
