"""The loop over epochs: train, watch the validation ratings, keep the best epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skrecsec.training._data import RatingData, Triplets
from skrecsec.training._plans import TilePlan
from skrecsec.training._terms import AttackTerm, PairWeights, Perturbation

# Training stops when the validation loss has not improved for this many epochs.
PATIENCE = 5


class Solver(Protocol):
    """What `train` and the estimators need of a solver."""

    data: RatingData
    tile_side: int

    def run_pairs(self, pairs: Triplets, attack: AttackTerm | None = None, rng=None) -> None:
        """Train all models on the ratings, in the given order, and maybe on an attack loss."""

    def run_tiles(
        self, model: int, plan: TilePlan, attack: AttackTerm | None = None, rng=None
    ) -> int:
        """Train one model on the tiles; return the number of pseudo-labels used."""

    def run_perturbed_pairs(self, pairs: Triplets, perturbation: Perturbation) -> None:
        """Train on the ratings, each under current and under perturbed factors."""

    def run_weighted_pairs(self, pairs: Triplets, weights: PairWeights) -> None:
        """Train on the ratings, each of which counts as much as its weights say."""

    def validation_loss(self) -> float:
        """Return the mean squared error of model 0 on the validation ratings."""

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a copy of the user and item factors of all models."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a schedule.

    `run` trains and returns what the history should note besides the loss, if anything; `eligible`
    says whether the factors of this epoch may be kept (those of a pre-training epoch may not).
    """

    run: Callable[[], dict | None]
    eligible: bool = True


@dataclass
class TrainingResult:
    """The factors of the best epoch and how training went."""

    user_factors: np.ndarray
    item_factors: np.ndarray
    n_iter: int
    best_iter: int
    validation_loss: float
    history: list[dict]


def train(
    solver: Solver,
    schedule: Iterable[Epoch],
    *,
    on_epoch: Callable[[dict, Solver], bool] = lambda record, solver: False,
) -> TrainingResult:
    """Run the epochs of a schedule and keep the factors with the lowest validation loss.

    Stops after `PATIENCE` epochs without improvement, or when `on_epoch` returns True. Without
    validation ratings every epoch is run and the last one is kept.

    Raises
    ------
    ValueError
        If training diverges before any eligible epoch has a finite loss.
    """
    has_validation = solver.data.validation.ratings.size > 0
    history: list[dict] = []
    best: dict | None = None
    factors = None
    for epoch in schedule:
        record = {"epoch": len(history) + 1, **(epoch.run() or {})}
        record["validation_loss"] = solver.validation_loss() if has_validation else np.nan
        history.append(record)
        if has_validation and not np.isfinite(record["validation_loss"]):
            break
        improved = best is None or record["validation_loss"] < best["validation_loss"]
        if epoch.eligible and (improved or not has_validation):
            best = record
            factors = solver.factors() if has_validation else None
        stop = on_epoch(record, solver)
        out_of_patience = best is not None and record["epoch"] - best["epoch"] >= PATIENCE
        if stop or out_of_patience:
            break
    if best is None and (not has_validation or np.isfinite(history[-1]["validation_loss"])):
        best = history[-1]  # stopped before an epoch was eligible
    if best is not None and factors is None:
        factors = solver.factors()
    if best is None or factors is None or not all(np.isfinite(f).all() for f in factors):
        raise ValueError(
            "Training diverged: choose a lower learning_rate, or lower what else the loss weighs, "
            "such as reg."
        )
    return TrainingResult(
        *factors,
        n_iter=len(history),
        best_iter=best["epoch"],
        validation_loss=float(best["validation_loss"]),
        history=history,
    )
