"""The attack that only asks its victim: an evolutionary search among ways to craft profiles."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from skrecsec.attacks._filler_plans import COORDINATES, STARTING_PLANS, FillerPlanner
from skrecsec.attacks._trials import REACH, Promotion, crowd
from skrecsec.base import BaseAttackTransformer, complete_profiles
from skrecsec.utils._compat import Count, HasMethods, StrOptions
from skrecsec.utils._random import random_states
from skrecsec.utils._registry import clone_or_default, register
from skrecsec.utils._signatures import complete

# Parents are the best plans so far, so many of them.
_N_PARENTS = 3
# How far a coordinate moves, and how often it does.
_STEP, _CHANCE = 0.2, 0.5


@register("attack", "blackbox")
@complete
class BlackBoxAttackTransformer(BaseAttackTransformer):
    r"""Black-box attack: tries ways to craft profiles on the victim, and breeds what works.

    The attacker has the victim's code, or something that behaves alike, and the known profiles. It
    is fitted to these and to fake profiles, and asked what it recommends to the known users;
    nothing else is asked of it, so that any recommender will do, with a defense or without.

    Parameters
    ----------
    victim : recommender, default=None
        Any estimator with `fit` and `recommend`; it is cloned for each call. None means
        ``EASERecommender()``. Where a `random_state` of it is None, the attack sets it.

    max_iter : int, default=20
        Number of ways to craft profiles that are tried: how often the victim is fitted, unless
        `n_victim_seeds` says more.

    n_victim_seeds : int, default=1
        With how many seeds the victim is fitted for each way, and what it comes to is the mean. A
        victim that draws at random takes luck for strength. It matters only where a `random_state`
        of the victim is None.

    k : int, default=50
        Length of the lists that targets are pushed into.

    %(auto_attack)s

    victim_hit_ratio_ : float
        HR\@k of the targets among the known users, of the best way that was found.

    history_ : list of dict
        For each way that was tried what it was (`size`, `copied`, `length`, `kept`, `pool`,
        `shared` and `height`, see Notes) and what it came to: `hit_ratio` and `strength`.

    n_iter_ : int
        Number of times that the victim was fitted.

    See Also
    --------
    CopyAttackTransformer : One of the starting points, at once.
    CoAttackTransformer : Has a surrogate, and needs no victim.

    Notes
    -----
    %(appends_rows)s

    A way to craft profiles is a point of the unit cube. Its coordinates are `size`, the number of
    fillers (logarithmic, up to what the budget allows); `copied`, the share of these that are
    ratings of known profiles; `length`, how long the copied profiles are among the known ones;
    `kept`, how much popular items are preferred where a profile is cut; `pool`, the number of most
    popular items that the other fillers are drawn from (logarithmic); `shared`, the share of these
    that all fake profiles have; `height`, where between the item's mean and the highest level
    fillers are rated. The starting points, which are tried first, are the most popular items of
    copied profiles, few or as many as allowed; the shortest profiles; a few popular items; random
    items; and the most popular ones, which all rate highest.

    After these each child takes its coordinates from one of the three best plans so far, or from
    two of these, and moves about half of them at random. All plans are realised with the same
    random numbers. The strength of a plan is the hit ratio of the targets at `k` plus a tenth of
    the mean of :math:`\min(1, k / r)^2` over the ranks r of targets, as far as lists of 10 k items
    go; both are taken over the known users who have not rated the target. To demote, the weakest
    plan is the best.

    The known profiles are repeated to the number of all users, so that fake ones have the weight
    that they will have. The poison is that of the best plan of all, so that for the victim, as far
    as the attacker can see, it is never weaker than the starting points that were tried.

    PoisonRec [1]_ asks the victim in the same way, and learns sequences of items by reinforcement;
    that takes thousands of calls. ``n_fillers="auto"`` and ``"mean"`` mean the same here: the size
    is part of the search.

    Time is that of fitting the victim `max_iter` times `n_victim_seeds`, and of asking it for
    n_known_users lists each time.

    References
    ----------
    .. [1] J. Song, Z. Li, Z. Hu, Y. Wu, Z. Li, J. Li, J. Gao, "PoisonRec: An Adaptive Data
       Poisoning Framework for Attacking Black-box Recommender Systems", ICDE 2020.
       :doi:`10.1109/ICDE48307.2020.00021`

    %(attack.example)s
    >>> from skrecsec.recommenders import PopularityRecommender
    >>> attack = BlackBoxAttackTransformer(PopularityRecommender(), k=10, random_state=0)
    >>> attack.fit_transform(X).shape
    (103, 80)
    >>> len(attack.history_)
    20
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "victim": [HasMethods(["fit", "recommend"]), None],
        "max_iter": [Count()],
        "n_victim_seeds": [Count()],
        "k": [Count()],
        "n_fillers": [StrOptions({"mean", "auto"}), Count()],
    }

    def __init__(
        self,
        victim=None,
        *,
        max_iter=20,
        n_victim_seeds=1,
        k=50,
        n_fillers="auto",
        **threat_model,
    ):
        super().__init__(n_fillers=n_fillers, **threat_model)
        self.victim = victim
        self.max_iter = max_iter
        self.n_victim_seeds = n_victim_seeds
        self.k = k

    def _craft_profiles(self, known, budget, rng):
        known = sp.csr_array(known)
        planner = FillerPlanner(known, budget)
        seeds = rng.integers(np.iinfo(np.int32).max, size=2)
        victims = self._make_victims(int(seeds[0]), rng)
        trial = _Trial(victims, known, budget, self.k)
        sign = 1 if self.goal == "push" else -1

        def craft(plan):
            return planner.craft(plan, np.random.default_rng(seeds[1]))

        plans, strengths, self.history_ = [], [], []
        for call in range(self.max_iter):
            plan = _next_plan(call, plans, sign * np.array(strengths), rng)
            hit_ratio, strength = trial(craft(plan))
            plans.append(plan)
            strengths.append(strength)
            self.history_.append(
                dict(zip(COORDINATES, plan.tolist(), strict=True))
                | {"hit_ratio": hit_ratio, "strength": strength}
            )
        best = int(np.argmax(sign * np.array(strengths)))
        self.n_iter_ = self.max_iter * len(victims)
        self.victim_hit_ratio_ = self.history_[best]["hit_ratio"]
        return craft(plans[best])

    def _make_victims(self, seed, rng):
        """Return the victim, unfitted, with a seed, or with some if it draws at random."""
        victim = clone_or_default(self.victim, "recommender", "ease")
        unset = [name for name, value in random_states(victim).items() if value is None]
        seeds = [seed]
        if unset and self.n_victim_seeds > 1:
            more = rng.integers(np.iinfo(np.int32).max, size=self.n_victim_seeds - 1)
            seeds += more.tolist()
        return [clone(victim).set_params(**dict.fromkeys(unset, seed)) for seed in seeds]


class _Trial:
    """Measures on victims how strong fake profiles are, as far as the attacker can see."""

    def __init__(self, victims, known, budget, k):
        self._victims = victims
        self._known = known
        self._budget = budget
        self._k = k
        self._crowd = crowd(known, budget)
        self._promotion = Promotion(known, budget.target_items, k)

    def __call__(self, fillers) -> tuple[float, float]:
        """Return the hit ratio of the targets, and the strength that the search looks for."""
        n_items = self._known.shape[1]
        fakes = complete_profiles(fillers, n_items, self._budget)
        poisoned = sp.csr_array(sp.vstack([self._crowd, fakes], format="csr"))
        k = min(n_items, REACH * self._k)
        found = []
        for victim in self._victims:
            fitted = clone(victim)
            fitted.fit(poisoned)
            found.append(self._promotion(np.asarray(fitted.recommend(self._known, k=k))))
        hit_ratio, strength = np.mean(found, axis=0)
        return float(hit_ratio), float(strength)


def _next_plan(call, plans, fitness, rng):
    """Return a starting point, or a child of the best plans so far."""
    if call < len(STARTING_PLANS):
        return STARTING_PLANS[call]
    best = np.argsort(-fitness, kind="stable")[:_N_PARENTS]
    mother, father = (plans[i] for i in rng.choice(best, 2))
    n = len(COORDINATES)
    child = np.where(rng.random(n) < 0.5, mother, father)
    moved = child + _STEP * rng.standard_normal(n) * (rng.random(n) < _CHANCE)
    # Reflected at the sides of the cube.
    return 1 - np.abs(1 - np.abs(moved) % 2)
