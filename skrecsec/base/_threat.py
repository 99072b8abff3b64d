"""The threat model as functions: targets, known users, the budget, and what keeps to it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.utils._items import check_target_items
from skrecsec.utils._memory import check_memory
from skrecsec.utils._sparse import check_structure, index_dtype
from skrecsec.utils._warnings import warn_caller
from skrecsec.utils.validation import project_to_levels

# Items with fewer ratings than this are "unpopular", as in the paper.
_UNPOPULAR_BELOW = 5

# What attacks can square and add up: the highest rating is at least this, at most one over it.
_SMALLEST_HIGHEST = 1e-100

# What crafting takes for a rating: its row, its item and itself, some times over.
_BYTES_PER_RATING = 64


class Budget(NamedTuple):
    """What the fake profiles of an attack must keep to.

    Parameters
    ----------
    n_profiles : int
        Number of fake profiles.

    profile_size : int
        Number of items that each of them may rate, targets included.

    target_items : ndarray of shape (n_targets,)
        The items to promote or demote.

    target_rating : float
        The highest level for a push attack, the lowest for a nuke attack.

    rating_levels : ndarray of shape (n_levels,)
        The ratings that can be given.

    target_ratings : ndarray of shape (n_profiles, n_targets), default=None
        What each profile rates the targets with, 0 where it does not rate one. None: each rates
        all of them with `target_rating`.

    knowledge : float, default=1.0
        Share of the genuine users that are known: what the attack was asked for, or more where that
        is less than the users it knows, one at least.

    profile_sizes : ndarray of shape (n_profiles,), default=None
        Number of items that each profile may rate, at most `profile_size`, targets included. None:
        `profile_size` for all. An attack need not know of them: of longer profiles
        `BaseAttackTransformer` gives up fillers.

    See Also
    --------
    BaseAttackTransformer : Draws up the budget and enforces it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.base import Budget
    >>> Budget(3, 20, np.array([7, 9]), 5.0, np.array([1.0, 3.0, 5.0])).n_fillers
    18
    """

    n_profiles: int
    profile_size: int
    target_items: np.ndarray
    target_rating: float
    rating_levels: np.ndarray
    target_ratings: np.ndarray | None = None
    knowledge: float = 1.0
    profile_sizes: np.ndarray | None = None

    @property
    def n_fillers(self) -> int:
        """Number of filler items of a profile: those that are not targets."""
        return self.profile_size - self.n_targets_each

    @property
    def n_targets_each(self) -> int:
        """Number of targets that a profile rates."""
        if self.target_ratings is None:
            return self.target_items.size
        return int(np.count_nonzero(self.target_ratings, axis=1).max())

    def planned_ratings(self) -> np.ndarray:
        """Return what each profile rates the targets with, 0 where it does not rate one.

        Returns
        -------
        ratings : ndarray of shape (n_profiles, n_targets)
            Not to be changed.
        """
        if self.target_ratings is None:
            return np.full((self.n_profiles, self.target_items.size), self.target_rating)
        return self.target_ratings

    def planned_fillers(self) -> np.ndarray:
        """Return how many fillers each profile has room for, at most `n_fillers`.

        Returns
        -------
        n_fillers : ndarray of shape (n_profiles,), dtype int64
            Not to be changed.
        """
        if self.profile_sizes is None:
            return np.full(self.n_profiles, self.n_fillers)
        sizes = np.minimum(self.profile_sizes, self.profile_size)
        room = sizes - np.count_nonzero(self.planned_ratings(), axis=1)
        return np.clip(room, 0, self.n_fillers)

    def of_profiles(self, start: int, stop: int) -> Budget:
        """Return the budget of a range of the profiles.

        Parameters
        ----------
        start, stop : int
            The first of them, and the first after them.

        Returns
        -------
        budget : Budget
            With as many profiles.
        """
        planned, sizes = self.target_ratings, self.profile_sizes
        return self._replace(
            n_profiles=stop - start,
            target_ratings=None if planned is None else planned[start:stop],
            profile_sizes=None if sizes is None else sizes[start:stop],
        )


def choose_targets(
    X, target_items, n_targets: int, rng: np.random.Generator, *, item_names=None
) -> np.ndarray:
    """Return the target items of an attack: those given, or a random choice.

    Parameters
    ----------
    X : csr_array or csr_matrix of shape (n_users, n_items)
        Ratings.

    target_items : {"unpopular", "random"} or array-like of int
        Which items; names of items will do where `item_names` are known.

    n_targets : int
        How many are chosen, at most all items.

    rng : Generator
        Chooses.

    item_names : ndarray of shape (n_items,), default=None
        Names of the items.

    Returns
    -------
    target_items : ndarray of shape (n_targets,), dtype int64
        Those given in their order, those chosen sorted.

    Raises
    ------
    ValueError
        If given items are no items, or `X` has indices outside of its shape.

    Notes
    -----
    O(n_ratings + n_items) time.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skrecsec.base import choose_targets
    >>> choose_targets(sp.csr_array((4, 3)), [2, 0], 5, np.random.default_rng(0))
    array([2, 0])
    """
    check_structure(X)
    n_items = X.shape[1]
    if not isinstance(target_items, str):
        return check_target_items(target_items, n_items, item_names=item_names)
    n_targets = min(n_targets, n_items)
    candidates = np.arange(n_items)
    if target_items == "unpopular":
        counts = np.bincount(X.indices, minlength=n_items)
        # With too few unpopular items, take the least rated ones.
        limit = max(_UNPOPULAR_BELOW, np.partition(counts, n_targets - 1)[n_targets - 1] + 1)
        candidates = np.flatnonzero(counts < limit)
    return np.sort(rng.choice(candidates, n_targets, replace=False))


def choose_known_users(n_users: int, knowledge: float, rng: np.random.Generator) -> np.ndarray:
    """Return the sorted indices of a random fraction of the users, rounded, at least one."""
    n_known = max(1, round(knowledge * n_users))
    return np.sort(rng.choice(n_users, n_known, replace=False))


def find_profile_size(n_fillers: int | str, known, n_targets: int, n_left_out: int = 0) -> int:
    """Return how many items a fake profile rates, the targets that it rates included.

    `n_targets` is how many these are; `n_left_out` targets are rated by others only.
    """
    n_items = known.shape[1] - n_left_out
    if isinstance(n_fillers, str):
        return min(n_items, max(n_targets, round(known.nnz / known.shape[0])))
    if not n_targets <= n_fillers <= n_items:
        left_out = ", less the targets that a profile leaves out" if n_left_out else ""
        raise ValueError(
            f"n_fillers={n_fillers} must be between the number of targets ({n_targets}, "
            f"which count as rated items) and the number of items ({n_items}{left_out})."
        )
    return int(n_fillers)


def check_scale(levels: np.ndarray) -> None:
    """Raise a ValueError if squares of the highest ratings are too large or small to compute."""
    highest = levels[-1]
    if not _SMALLEST_HIGHEST <= highest <= 1 / _SMALLEST_HIGHEST:
        raise ValueError(
            f"The highest rating is {highest:g}, and its square is beyond what can be computed: "
            f"remove outliers, or divide all ratings by it."
        )


def warn_of_one_level(goal: str, levels: np.ndarray) -> None:
    """Warn if targets are to be demoted by the lowest level, and that is the highest, too."""
    if goal == "nuke" and levels.size == 1:
        warn_caller(
            f"All ratings are {levels[0]:g}: the lowest rating level is also the highest, and fake "
            f"profiles with goal='nuke' promote the targets as those with goal='push' do.",
            UnsuitableRatingsWarning,
        )


def check_size(budget: Budget) -> None:
    """Raise a MemoryError if the fake profiles of a budget do not fit into memory."""
    n_ratings = budget.n_profiles * budget.profile_size
    check_memory(
        n_ratings * _BYTES_PER_RATING,
        f"{budget.n_profiles} fake profiles of {budget.profile_size} ratings; lower attack_size or "
        f"n_fillers",
    )


def check_fillers(
    fillers, n_items: int, budget: Budget
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return profiles, items and ratings of crafted fillers, checked against the budget.

    Those of targets are left out. The errors are those of `complete_profiles`.
    """
    if isinstance(fillers, np.ndarray):
        fillers = sp.csr_array(fillers)
    if not sp.issparse(fillers):
        raise ValueError(
            f"_craft_profiles must return a sparse matrix of shape "
            f"({budget.n_profiles}, {n_items}), got {type(fillers).__name__}."
        )
    check_structure(fillers, "The matrix of crafted profiles")
    if fillers.dtype.kind not in "fiub":
        raise ValueError(f"The attack crafted ratings of dtype {fillers.dtype}, not real numbers.")
    fillers = sp.coo_array(fillers)
    if not np.isfinite(fillers.data).all():
        raise ValueError("The attack crafted ratings that are not finite.")
    if fillers.shape != (budget.n_profiles, n_items):
        raise ValueError(
            f"The attack crafted profiles of shape {fillers.shape}; "
            f"({budget.n_profiles}, {n_items}) was asked for."
        )
    keep = ~np.isin(fillers.col, budget.target_items)
    rows, items = fillers.row[keep], fillers.col[keep]
    largest = np.bincount(rows, minlength=1).max()
    if largest > budget.n_fillers:
        raise ValueError(
            f"The attack crafted a profile with {largest} filler items; "
            f"the budget allows {budget.n_fillers}."
        )
    return rows, items, fillers.data[keep]


def complete_profiles(fillers, n_items: int, budget: Budget) -> sp.csr_array:
    """Check crafted filler ratings against the budget, project them and add the targets.

    Parameters
    ----------
    fillers : {sparse matrix, ndarray} of shape (n_profiles, n_items)
        Filler ratings. Those of targets are dropped.

    n_items : int
        Number of items.

    budget : Budget
        What the profiles must keep to.

    Returns
    -------
    profiles : csr_array of shape (n_profiles, n_items)
        Rating levels, the targets' among them, with sorted indices.

    Raises
    ------
    ValueError
        If the shape is another, an index lies outside of it, a rating is not finite, a profile has
        two ratings of an item, or more fillers than the budget allows.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skrecsec.base import Budget, complete_profiles
    >>> budget = Budget(1, 3, np.array([0]), 5.0, np.array([1.0, 3.0, 5.0]))
    >>> complete_profiles(sp.csr_array([[0, 0, 3.4, 1.2]]), 4, budget).toarray()
    array([[5., 0., 3., 1.]])
    """
    return add_targets(*check_fillers(fillers, n_items, budget), n_items, budget)


def add_targets(rows, items, ratings, n_items: int, budget: Budget) -> sp.csr_array:
    """Return the profiles (CSR) of fillers, projected to the levels, and of the targets."""
    planned = budget.planned_ratings()
    target_rows, targets = np.nonzero(planned)
    rows = np.concatenate([rows, target_rows])
    items = np.concatenate([items, budget.target_items[targets]])
    dtype = index_dtype(budget.n_profiles, n_items, rows.size)
    rows, items = rows.astype(dtype), items.astype(dtype)
    ratings = project_to_levels(ratings, budget.rating_levels)
    ratings = np.concatenate([ratings, planned[target_rows, targets]])
    profiles = sp.csr_array((ratings, (rows, items)), shape=(budget.n_profiles, n_items))
    if profiles.nnz < ratings.size:  # SciPy has added them up
        raise ValueError("The attack crafted a profile with two ratings of one item.")
    profiles.sort_indices()
    return profiles


def count_distinct_rows(X) -> int:
    """Return the number of distinct rows, told apart by their products with a random vector."""
    return np.unique(X @ np.random.default_rng(0).random(X.shape[1])).size
