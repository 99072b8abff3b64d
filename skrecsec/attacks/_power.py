"""Attacks by power users and power items: those that many others are compared with."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from skrecsec.attacks._centrality import most_influential
from skrecsec.attacks._fillers import (
    keep_first,
    rated_around_means,
    without_targets,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Count, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete


@complete
class BasePowerAttackTransformer(BaseAttackTransformer):
    """Base class of attacks that select those with influence."""

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "selection": [StrOptions({"in_degree", "n_ratings", "similarity"})],
        "n_neighbors": [Count()],
    }

    def __init__(self, *, selection="in_degree", n_neighbors=50, **threat_model):
        super().__init__(**threat_model)
        self.selection = selection
        self.n_neighbors = n_neighbors


@register("attack", "poweruser")
@complete
class PowerUserAttackTransformer(BasePowerAttackTransformer):
    """Power user attack: copies of the profiles that most others are compared with.

    Parameters
    ----------
    %(power)s

    %(attack)s

    power_users_ : ndarray of shape (n_power_users,)
        Whose profiles were copied, the most influential first, as places in `known_users_`.

    See Also
    --------
    PowerItemAttackTransformer : Rates the items that most others are compared with.
    CopyAttackTransformer : Copies little of the profiles of any users.

    Notes
    -----
    %(appends_rows)s

    There are as many power users as fake profiles, and if fewer known users have ratings, they are
    copied in turn. A fake profile has a power user's items and ratings. Those who have influence
    have rated much: what exceeds the budget is left out at random, where the original copies it
    all; ``n_fillers`` is the number to give for that.

    %(power.notes)s

    References
    ----------
    .. [1] D. C. Wilson, C. E. Seminario, "When power users attack: assessing impacts in
       collaborative recommender systems", RecSys 2013. :doi:`10.1145/2507157.2507220`

    %(attack.example)s
    >>> attack = PowerUserAttackTransformer(random_state=0).fit(X)
    >>> attack.poison_.shape, attack.power_users_.size
    ((3, 80), 3)
    """

    def _craft_profiles(self, known, budget, rng):
        known = sp.csr_array(known)
        users = most_influential(known, self.selection, self.n_neighbors, budget.n_profiles)
        self.power_users_ = users
        fillers = without_targets(known, budget)[np.resize(users, budget.n_profiles)]
        return keep_first(fillers, rng.random(fillers.nnz), budget.n_fillers)


@register("attack", "poweritem")
@complete
class PowerItemAttackTransformer(BasePowerAttackTransformer):
    """Power item attack: the targets in the company of items that most others are compared with.

    Parameters
    ----------
    %(power)s

    %(attack)s

    power_items_ : ndarray of shape (n_fillers,)
        Indices of the power items, the most influential first. All fake profiles rate them beside
        the targets, unless ``obfuscation="popular"`` replaces them or
        ``profile_lengths="genuine"`` shortens profiles.

    See Also
    --------
    PowerUserAttackTransformer : Copies the users that most others are compared with.
    NeighborhoodAttackTransformer : Chooses items by what the neighbors of the targets do to lists.
    BandwagonAttackTransformer : Rates a few popular items highest, and random others.

    Notes
    -----
    %(appends_rows)s

    All fake profiles rate the same power items, as many as the budget allows, each around the mean
    of its known ratings. Of several targets all are in each profile, which the original calls the
    attack with multiple targets.

    %(power.notes)s

    References
    ----------
    .. [1] C. E. Seminario, D. C. Wilson, "Attacking item-based recommender systems with power
       items", RecSys 2014. :doi:`10.1145/2645710.2645722`

    %(attack.example)s
    >>> attack = PowerItemAttackTransformer(n_fillers=12, random_state=0).fit(X)
    >>> attack.poison_.shape, attack.power_items_.size
    ((3, 80), 7)
    """

    def _craft_profiles(self, known, budget, rng):
        by_item = sp.csr_array(without_targets(known, budget).T)
        items = most_influential(by_item, self.selection, self.n_neighbors, budget.n_fillers)
        self.power_items_ = items
        return rated_around_means(np.tile(items, (budget.n_profiles, 1)), known, rng)
