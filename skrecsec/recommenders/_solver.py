"""The training core: the plan of an epoch, the loop over epochs, and the compiled SGD solver.

A *plan* says which ratings and which tiles an epoch visits and in which order; it is drawn here,
once, from the random state. A *solver* carries plans out on factors with a leading model axis:
`SGDSolver` with compiled kernels, `MinibatchSolver` (in `_minibatch.py`) with torch. `train` runs
the epochs, watches the validation ratings and keeps the best epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
from scipy.special import logit

from skrecsec.recommenders import _kernels
from skrecsec.utils._ranking import mask_seen, row_blocks, top_k
from skrecsec.utils.validation import find_rating_levels

# Training stops when the validation loss has not improved for this many epochs.
PATIENCE = 5


class Triplets(NamedTuple):
    """Ratings as three aligned arrays; `ratings` are on the [0, 1] scale."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    def take(self, order: np.ndarray) -> Triplets:
        """Return the chosen ratings in the given order."""
        return Triplets(self.users[order], self.items[order], self.ratings[order])


@dataclass(frozen=True)
class RatingData:
    """What a fit sees of the rating matrix: training and validation ratings, and the levels.

    The training ratings are sorted by user, so that `indptr` makes them a CSR matrix as well.
    """

    n_users: int
    n_items: int
    train: Triplets
    validation: Triplets
    indptr: np.ndarray
    levels: np.ndarray  # on the [0, 1] scale
    midpoints: np.ndarray

    @classmethod
    def from_matrix(
        cls, X, validation_fraction: float, rng: np.random.Generator, levels=None
    ) -> RatingData:
        """Split the ratings of a CSR matrix at random and scale them by the highest level.

        The levels are found in the ratings unless they are given.
        """
        if levels is None:
            levels = find_rating_levels(X.data)
        n_users, n_items = X.shape
        n_validation = int(validation_fraction * X.nnz)
        in_train = np.ones(X.nnz, dtype=bool)
        in_train[rng.permutation(X.nnz)[:n_validation]] = False
        users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(X.indptr))
        ratings = Triplets(users, X.indices.astype(np.int32), _as_float32(X.data / levels[-1]))
        train = Triplets(*(column[in_train] for column in ratings))
        validation = Triplets(*(column[~in_train] for column in ratings))
        counts = np.bincount(train.users, minlength=n_users)
        levels = _as_float32(levels / levels[-1])
        return cls(
            n_users=n_users,
            n_items=n_items,
            train=train,
            validation=validation,
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            levels=levels,
            midpoints=(levels[1:] + levels[:-1]) / 2,
        )


def _as_float32(values) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def initial_factors(n_models, n_users, n_items, n_factors, rng):
    """Draw user and item factors, (n_models, n_rows, n_factors), from Xavier's uniform law."""

    def draw(n_rows):
        bound = np.sqrt(6 / (n_rows + n_factors))
        return rng.uniform(-bound, bound, (n_models, n_rows, n_factors)).astype(np.float32)

    return draw(n_users), draw(n_items)


# --- the plan of an epoch -------------------------------------------------------------------------


def plan_pairs(data: RatingData, rng: np.random.Generator, fraction: float = 1.0) -> Triplets:
    """Draw the random order of a pass over the ratings, or over a random `fraction` of them."""
    n_ratings = data.train.ratings.size
    words = rng.integers(2**32, size=n_ratings, dtype=np.uint32)
    return data.train.take(_kernels.random_order(words)[: round(fraction * n_ratings)])


@dataclass(frozen=True)
class TilePlan:
    """A cooperative epoch of one model: random tiles, and the ratings that lie outside them.

    Users and items are put in random order and cut into blocks of `side`; a tile is a block of
    users times a block of items, numbered `user_block * n_item_blocks + item_block`.
    """

    side: int
    user_order: np.ndarray
    item_order: np.ndarray
    item_position: np.ndarray  # where an item stands in `item_order`
    tiles: np.ndarray  # in the order in which they are visited
    rest: Triplets  # visited in between

    def blocks(self, tile: int) -> tuple[slice, slice]:
        """Return where a tile's users and items stand in `user_order` and `item_order`."""
        user_block, item_block = divmod(int(tile), -(-self.item_order.size // self.side))
        return tuple(
            slice(block * self.side, min((block + 1) * self.side, order.size))
            for block, order in ((user_block, self.user_order), (item_block, self.item_order))
        )


def plan_tiles(data: RatingData, ratio: float, side: int, rng: np.random.Generator) -> TilePlan:
    """Draw the tiles of a cooperative epoch: a random fraction `ratio` of all of them.

    Memory and time are O(n_users + n_items + n_ratings + number of chosen tiles).
    """
    user_order = rng.permutation(data.n_users).astype(np.int32)
    item_order = rng.permutation(data.n_items).astype(np.int32)
    item_position = _inverse_permutation(item_order)
    n_item_blocks = -(-data.n_items // side)
    n_tiles = -(-data.n_users // side) * n_item_blocks
    n_chosen = max(1, round(ratio * n_tiles))
    if n_chosen == n_tiles:
        tiles = rng.permutation(n_tiles)
        rest = data.train.take(np.empty(0, dtype=np.int64))
    else:
        tiles = rng.choice(n_tiles, n_chosen, replace=False)
        user_block = _inverse_permutation(user_order)[data.train.users] // side
        tile_of_rating = user_block.astype(np.int64) * n_item_blocks
        tile_of_rating += item_position[data.train.items] // side
        outside = np.flatnonzero(~_is_in(tile_of_rating, tiles))
        rest = data.train.take(rng.permutation(outside))
    return TilePlan(side, user_order, item_order, item_position, tiles, rest)


def _inverse_permutation(order):
    position = np.empty_like(order)
    position[order] = np.arange(order.size, dtype=order.dtype)
    return position


def _is_in(values, chosen):
    """Return which values are among the chosen ones, in memory bounded by both."""
    chosen = np.sort(chosen)
    slot = np.minimum(np.searchsorted(chosen, values), chosen.size - 1)
    return chosen[slot] == values


# --- solvers --------------------------------------------------------------------------------------


class Solver(Protocol):
    """What `train` and the estimators need of a solver."""

    tile_side: int

    def run_pairs(self, pairs: Triplets, attack: AttackTerm | None = None, rng=None) -> None:
        """Train all models on the ratings, in the given order, and maybe on an attack loss."""

    def run_tiles(
        self, model: int, plan: TilePlan, attack: AttackTerm | None = None, rng=None
    ) -> int:
        """Train one model on the tiles; return the number of pseudo-labels used."""

    def run_perturbed_pairs(self, pairs: Triplets, perturbation: Perturbation) -> None:
        """Train on the ratings, each under current and under perturbed factors."""

    def validation_loss(self) -> float:
        """Return the mean squared error of model 0 on the validation ratings."""

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a copy of the user and item factors of all models."""


class SGDSolver:
    """Stochastic gradient descent, one sample at a time, by compiled kernels on one core.

    With `sigmoid`, ratings are predicted by the logistic function of p . q instead of p . q.
    """

    tile_side = _kernels.TILE

    def __init__(self, data, user_factors, item_factors, *, learning_rate, reg=0.0, sigmoid=False):
        self.data = data
        self.user_factors = user_factors
        self.item_factors = item_factors
        self._options = np.float32(learning_rate), np.float32(reg), sigmoid
        self._thresholds = vote_thresholds(data, sigmoid)

    def run_pairs(self, pairs, attack=None, rng=None):
        """Train all models on the ratings, in the given order. O(n_ratings n_factors).

        With an `AttackTerm`, the first model then descends the attack loss.
        """
        _kernels.sgd_pairs(self.user_factors, self.item_factors, *pairs, *self._options)
        if attack is not None:
            self.run_attack(0, attack, rng)

    def run_perturbed_pairs(self, pairs, perturbation):
        """Train on the ratings, each under current and under perturbed factors."""
        learning_rate, reg, _ = self._options
        n_choices = 0 if perturbation.is_adversarial else pairs.ratings.size
        _kernels.sgd_perturbed_pairs(
            self.user_factors[0],
            self.item_factors[0],
            *pairs,
            learning_rate,
            reg,
            np.float32(perturbation.epsilon),
            perturbation.directions,
            perturbation.choose((n_choices, 2)),
        )

    def run_tiles(self, model, plan, attack=None, rng=None):
        """Train one model on the tiles. O((n_cells + n_ratings) n_factors).

        With an `AttackTerm`, it then descends the attack loss.
        """
        n_pseudo_labels = _kernels.sgd_tiles(
            self.user_factors,
            self.item_factors,
            model,
            plan.user_order,
            plan.item_order,
            plan.item_position,
            plan.tiles,
            self.data.indptr,
            self.data.train.items,
            self.data.train.ratings,
            *plan.rest,
            self.data.levels,
            self._thresholds,
            *self._options,
        )
        if attack is not None:
            self.run_attack(model, attack, rng)
        return n_pseudo_labels

    def run_attack(self, model, term, rng):
        """Descend the attack loss once for each known user, in random order."""
        P, Q = self.user_factors[model], self.item_factors[model]
        learning_rate, _, _ = self._options
        users, last_items, masked = term.draw(P, Q, rng)
        _kernels.sgd_attack(
            P,
            Q,
            users,
            last_items,
            term.target_items,
            masked,
            np.float32(term.goal),
            np.float32(term.weight) * learning_rate,
            np.float32(term.margin),
        )

    def validation_loss(self):
        """Return the mean squared error of model 0 on the validation ratings."""
        return _kernels.squared_error(
            self.user_factors[0], self.item_factors[0], *self.data.validation
        )

    def factors(self):
        """Return a copy of the user and item factors of all models."""
        return self.user_factors.copy(), self.item_factors.copy()


@dataclass(frozen=True)
class Perturbation:
    """How the factors are perturbed in adversarial training.

    Each row is moved by `epsilon` times a unit vector: along the gradient of the loss if
    `directions` is empty, else one of `directions` (n_directions, n_factors), drawn by `rng`.
    """

    epsilon: float
    directions: np.ndarray
    rng: np.random.Generator

    @property
    def is_adversarial(self) -> bool:
        """Whether rows move along the gradient."""
        return self.directions.shape[0] == 0

    def choose(self, shape) -> np.ndarray:
        """Draw which of the directions are taken."""
        return self.rng.integers(max(1, self.directions.shape[0]), size=shape, dtype=np.int32)


def vote_thresholds(data: RatingData, sigmoid: bool) -> np.ndarray:
    """Return the values of p . q at which its projection changes from one level to the next.

    With `sigmoid`, votes are taken before the logistic function: where it takes the midpoints.
    """
    return logit(data.midpoints) if sigmoid else data.midpoints


def finite_scores(user_factors, item_factors) -> np.ndarray:
    """Return p . q for all pairs of rows, or say that the surrogate of an attack has diverged."""
    scores = user_factors @ item_factors.T
    if not np.isfinite(scores).all():
        raise ValueError("The surrogate diverged: lower learning_rate or attack_weight.")
    return scores


@dataclass(frozen=True)
class AttackTerm:
    """The attack loss of the paper's Eq. 3, over users 0 to n_known - 1 and the target items.

    For user u and target t it is max(log h(u, i) - log h(u, t), -margin), where i is the last item
    of the list of the k best items that u has not rated; pairs of which the target is rated are
    left out. `goal` -1 turns it round. `weight` is that of one pair, in units of half the squared
    error of one rating.
    """

    known: sp.csr_array
    target_items: np.ndarray
    k: int
    margin: float
    goal: int
    weight: float

    def draw(self, user_factors, item_factors, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the known users in random order, the last items of their lists, and a mask.

        The mask, (n_known, n_targets), says which pairs are left out.
        """
        users = rng.permutation(self.known.shape[0])
        last_items = self.last_items(user_factors[: users.size], item_factors)[users]
        masked = self.known[:, self.target_items].toarray()[users] > 0
        # A user who has rated everything has no list.
        masked |= (last_items < 0)[:, np.newaxis]
        return users, last_items, masked

    def last_items(self, user_factors, item_factors) -> np.ndarray:
        """Return the last item of each known user's list, in blocks of users.

        O(n_known n_items n_factors) time, memory for one block of scores.
        """
        last = np.empty(self.known.shape[0], dtype=np.int64)
        for rows in row_blocks(*self.known.shape):
            scores = finite_scores(user_factors[rows], item_factors)
            mask_seen(scores, self.known[rows])
            items = top_k(scores, min(self.k, scores.shape[1]))
            n_listed = np.maximum((items >= 0).sum(axis=1), 1)
            last[rows] = items[np.arange(items.shape[0]), n_listed - 1]
        return last


# --- the loop over epochs -------------------------------------------------------------------------


@dataclass(frozen=True)
class Epoch:
    """One epoch of a schedule.

    `run` trains and returns what the history should note besides the loss; `eligible` says whether
    the factors of this epoch may be kept (those of a pre-training epoch may not).
    """

    run: Callable[[], dict]
    eligible: bool = True


@dataclass
class TrainingResult:
    """The factors of the best epoch and how training went."""

    user_factors: np.ndarray
    item_factors: np.ndarray
    n_iter: int
    best_iter: int
    validation_loss: float
    history: list[dict] = field(default_factory=list)


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
    best = None
    for epoch in schedule:
        record = {"epoch": len(history) + 1, **epoch.run()}
        record["validation_loss"] = solver.validation_loss() if has_validation else np.nan
        history.append(record)
        if has_validation and not np.isfinite(record["validation_loss"]):
            break
        improved = best is None or not has_validation
        improved = improved or record["validation_loss"] < best["validation_loss"]
        if epoch.eligible and improved:
            best = record
            factors = solver.factors()
        stop = on_epoch(record, solver)
        out_of_patience = best is not None and record["epoch"] - best["epoch"] >= PATIENCE
        if stop or out_of_patience:
            break
    if best is None and (not has_validation or np.isfinite(history[-1]["validation_loss"])):
        best, factors = history[-1], solver.factors()  # stopped before an epoch was eligible
    if best is None or not all(np.isfinite(f).all() for f in factors):
        raise ValueError("Training diverged: choose a lower learning_rate.")
    return TrainingResult(
        *factors,
        n_iter=len(history),
        best_iter=best["epoch"],
        validation_loss=float(best["validation_loss"]),
        history=history,
    )
