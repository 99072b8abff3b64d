"""The contract of attacks."""

from __future__ import annotations

import copy
from abc import ABCMeta, abstractmethod

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrecsec.base._disguise import OBFUSCATIONS, Disguise, disguised, make_budget
from skrecsec.base._evade import Crafted, Step, evading, find_steps, share_detected, with_room
from skrecsec.base._threat import (
    Budget,
    check_scale,
    check_size,
    choose_known_users,
    choose_targets,
    count_distinct_rows,
    warn_of_one_level,
)
from skrecsec.utils._compat import (
    Count,
    Fraction,
    HasMethods,
    Number,
    StrOptions,
    _fit_context,
)
from skrecsec.utils._digest import digest_csr
from skrecsec.utils._documentation import DocumentationLinkMixin
from skrecsec.utils._fitting import AtomicFitMixin
from skrecsec.utils._labels import refuse_rows
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._signatures import complete
from skrecsec.utils._sizes import as_count
from skrecsec.utils.validation import (
    check_ratings,
    find_rating_levels,
    warn_of_unsuitable_ratings,
)


@complete
class BaseAttackTransformer(
    AtomicFitMixin,
    DocumentationLinkMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
    metaclass=ABCMeta,
):
    """Base class of attacks: it owns the threat model, a subclass crafts the profiles.

    A subclass implements `_craft_profiles(known, budget, rng)`: the known profiles (CSR, as many
    rows as there are known users), a :class:`Budget` and a NumPy generator in, a sparse matrix
    (n_profiles, n_items) of at most `budget.n_fillers` filler ratings a row out. This class adds
    the targets, projects ratings to the levels and refuses what exceeds the budget.

    Parameters
    ----------
    %(attack)s

    See Also
    --------
    skrecsec.utils.estimator_checks.attack_checks : What a subclass must pass.

    Notes
    -----
    %(appends_rows)s

    Examples
    --------
    An attack that copies genuine profiles, as far as the budget allows:

    >>> import numpy as np
    >>> from skrecsec.base import BaseAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> class CopycatAttackTransformer(BaseAttackTransformer):
    ...     def _craft_profiles(self, known, budget, rng):
    ...         profiles = known[rng.integers(known.shape[0], size=budget.n_profiles)].tolil()
    ...         for row in range(budget.n_profiles):
    ...             surplus = profiles.rows[row][budget.n_fillers :]
    ...             profiles[[row], surplus] = 0
    ...         return profiles
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> CopycatAttackTransformer(random_state=0).fit_transform(X).shape
    (103, 80)
    """

    _parameter_constraints: dict = {
        "target_items": [StrOptions({"unpopular", "random"}), "array-like"],
        "n_targets": [Count()],
        "attack_size": [Fraction(), Count()],
        "n_fillers": [StrOptions({"mean"}), Count()],
        "knowledge": [Number(0, 1, closed="right")],
        "goal": [StrOptions({"push", "nuke"})],
        "targets_per_profile": [Count(), StrOptions({"all"}), None],
        "target_rating": [StrOptions({"top", "near-top", "mixed"}), Count()],
        "profile_lengths": [StrOptions({"fixed", "genuine"})],
        "obfuscation": [StrOptions(set(OBFUSCATIONS)), None],
        "evade": [HasMethods(["fit_predict"]), None],
        "max_detected": [Number(0, 1, closed="both")],
        "keep_ratings": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        target_items="unpopular",
        n_targets=5,
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        targets_per_profile=None,
        target_rating="top",
        profile_lengths="fixed",
        obfuscation=None,
        evade=None,
        max_detected=0.2,
        keep_ratings=False,
        random_state=None,
    ):
        self.target_items = target_items
        self.n_targets = n_targets
        self.attack_size = attack_size
        self.n_fillers = n_fillers
        self.knowledge = knowledge
        self.goal = goal
        self.targets_per_profile = targets_per_profile
        self.target_rating = target_rating
        self.profile_lengths = profile_lengths
        self.obfuscation = obfuscation
        self.evade = evade
        self.max_detected = max_detected
        self.keep_ratings = keep_ratings
        self.random_state = random_state

    # Whether the crafted ratings rank the fillers, so that those with the lowest matter least.
    _ranks_fillers = False

    @abstractmethod
    def _craft_profiles(self, known, budget: Budget, rng: np.random.Generator):
        """Return the filler ratings of the fake profiles, sparse (n_profiles, n_items)."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Choose targets and known users, and craft the fake profiles.

        .. note::
            `fit` only crafts the profiles, in `poison_`; it is `fit_transform` that appends them.

        %(ratings)s

        Returns
        -------
        self : object
            The fitted attack.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid, or the known users have no ratings.
        MemoryError
            If the fake profiles would not fit into the memory of this machine.

        Warns
        -----
        UnsuitableRatingsWarning
            If the highest rating is more than 100 times the median, as in counts, or targets are
            to be demoted though there is one rating level only.
        """
        X = check_ratings(X, estimator=self)
        warn_of_unsuitable_ratings(X.data, one_level=False)
        levels = find_rating_levels(X.data)
        poison, targets, known_users = self._make_poison(X, levels)
        self.poison_ = type(X)(poison)
        self.n_distinct_profiles_ = count_distinct_rows(self.poison_)
        self.target_items_ = targets
        self.known_users_ = known_users
        self.rating_levels_ = levels
        # A copy, since the caller may go on to change theirs.
        self.genuine_ratings_ = X.copy()
        return self

    def _make_poison(self, X, levels):
        """Return the fake profiles, (n_profiles, n_items), the target items and the known users."""
        if self.knowledge < 1:
            for name, detector in self._detectors().items():
                refuse_rows(detector, name=name)
        check_scale(levels)
        warn_of_one_level(self.goal, levels)
        target_rng, known_rng, *rngs, detector_rng = spawn_generators(self.random_state, 5)
        targets = choose_targets(
            X,
            self.target_items,
            self.n_targets,
            target_rng,
            item_names=getattr(self, "feature_names_in_", None),
        )
        known_users = choose_known_users(X.shape[0], self.knowledge, known_rng)
        known = X[known_users]
        if known.nnz == 0:
            raise ValueError(
                f"None of the {known_users.size} known users has ratings; increase knowledge="
                f"{self.knowledge} or choose another random_state."
            )
        disguise = Disguise(
            self.targets_per_profile, self.target_rating, self.profile_lengths, self.obfuscation
        )
        first = Step(as_count(self.attack_size, X.shape[0]), disguise)

        def craft(step):
            return self._craft_step(step, known, X.shape[0], targets, levels, copy.deepcopy(rngs))

        if self.evade is None:
            poison, evasion = craft(first), None
        else:
            seed = int(detector_rng.integers(np.iinfo(np.int32).max))
            steps = find_steps(first, targets.size, levels.size)
            steps = with_room(steps, self.n_fillers, targets.size, X.shape[1])
            poison, evasion = self._evade(craft, steps, known, seed)
        self.evasion_ = evasion
        return poison, targets, known_users

    def _detectors(self) -> dict:
        """Return the detectors that are shown known users and fakes, by their parameters."""
        return {} if self.evade is None else {"evade": self.evade}

    def _evade(self, craft, steps, known, seed):
        """Return the fake profiles of the step that is chosen, and what it was."""
        before = vars(self).copy()

        def craft_apart(step):
            # A step begins without what another has set, so that one of them can be kept whole.
            self.__dict__ = before.copy()
            return Crafted(craft(step), vars(self).copy())

        def detected(fakes):
            return share_detected(self.evade, known, fakes, seed)

        chosen, evasion = evading(craft_apart, detected, steps, self.max_detected)
        self.__dict__ = chosen.attributes
        return chosen.fakes, evasion

    def _craft_step(self, step, known, n_users, targets, levels, rngs):
        """Return the fake profiles of a step; equal generators make equal ones."""
        profile_rng, disguise_rng = rngs
        budget = make_budget(
            step.disguise,
            known=known,
            knowledge=max(self.knowledge, known.shape[0] / n_users),
            n_profiles=step.n_profiles,
            n_fillers=self.n_fillers if step.n_fillers is None else step.n_fillers,
            targets=targets,
            goal=self.goal,
            levels=levels,
            rng=disguise_rng,
        )
        check_size(budget)
        fillers = self._craft_profiles(known, budget, profile_rng)
        return disguised(
            fillers, budget, known, step.disguise.obfuscation, self._ranks_fillers, disguise_rng
        )

    def fit_transform(self, X, y=None):
        """Craft the fake profiles and append them to `X`.

        .. note::
            The result has more rows than `X`: it is not ``fit(X).transform(X)``. Pipelines call
            this method when they are fitted, and `transform` when they are asked to predict.

        %(ratings)s

        Returns
        -------
        X_poisoned : csr_array or csr_matrix of shape (n_users + n_fake_profiles, n_items)
            The rows of `X`, then those of `poison_`.
        """
        self.fit(X, y)
        return type(self.genuine_ratings_)(
            sp.vstack([self.genuine_ratings_, self.poison_], format="csr")
        )

    def transform(self, X):
        """Return `X` as it is: fake profiles are appended when fitting only.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        X : csr_array or csr_matrix of shape (n_profiles, n_items)
            The same ratings, as CSR.
        """
        check_is_fitted(self)
        return check_ratings(X, estimator=self, reset=False, allow_no_ratings=True)

    def was_fitted_on(self, X) -> bool:
        """Return whether these are the ratings that the attack was fitted on.

        Attacks that come from a pickle can tell, too, though they do not hold the ratings.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Ratings.

        Returns
        -------
        same : bool
            Whether users and items have the same ratings, in the same order.
        """
        digest = digest_csr(self.transform(X))
        if hasattr(self, "genuine_ratings_"):
            return digest == digest_csr(self.genuine_ratings_)
        return digest == getattr(self, "_ratings_digest", None)

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "genuine_ratings_" in state and not getattr(self, "keep_ratings", False):
            state["_ratings_digest"] = digest_csr(state.pop("genuine_ratings_"))
        return state

    def __copy__(self):
        return self._copied(dict(vars(self)))

    def __deepcopy__(self, memo):
        return self._copied(copy.deepcopy(vars(self), memo))

    def _copied(self, attributes):
        # Copies within the process publish nothing, so that they keep what pickles leave out.
        copied = type(self).__new__(type(self))
        vars(copied).update(attributes)
        return copied

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "attack"
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags
