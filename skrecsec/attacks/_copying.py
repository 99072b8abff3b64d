"""Copies of genuine profiles, whole or in part."""

from __future__ import annotations

import numpy as np

from skrecsec.attacks._fillers import keep_first, without_targets
from skrecsec.base import BaseAttackTransformer
from skrecsec.utils._compat import Count, StrOptions
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete

# Fillers that so many of the known users have rated are worth their place.
_COMMON = 0.5


@register("attack", "copy")
@complete
class CopyAttackTransformer(BaseAttackTransformer):
    """Copy attack: a few ratings of genuine profiles, and the targets.

    Fake profiles are short. To a model that learns a vector for every user by gradient descent, as
    Bayesian personalized ranking does, short profiles are what promotes targets: the less there is
    to explain of a fake user, the more of what is learned goes to the targets.

    Parameters
    ----------
    users : {"random", "shortest"}, default="random"
        Whose profiles are copied: those of random known users, or the shortest known profiles,
        which are copied whole if `n_fillers` allows.

    kept : {"popular", "random"}, default="popular"
        Which ratings of a copied profile are kept, if it is longer than a fake one may be: those of
        the items with most known ratings, or random ones.

    %(auto_attack)s

    copied_users_ : ndarray of shape (n_fake_profiles,)
        Whose profiles were copied, as places in `known_users_`.

    See Also
    --------
    PowerUserAttackTransformer : Copies the most influential users.
    AUSHAttackTransformer : Copies long profiles, parts of which a network re-rates.

    Notes
    -----
    %(appends_rows)s

    With ``n_fillers="auto"`` a fake profile has as many fillers as the copied one has items that at
    least half of the known users have rated, but at least as many as targets, as far as the budget
    goes. On MovieLens-100K that makes for profiles of 10 or 11 items, on FilmTrust, where everybody
    has rated the same few, of 25. A profile is copied again only after all others; one without
    ratings is not copied. With ``users="shortest"``, of equally long profiles that with the lower
    index comes first.

    It is not the attack that Fan et al. [1]_ call CopyAttack, which copies profiles from another
    platform, chooses them by reinforcement learning on what the victim recommends, and cuts them
    around the target. What is common to both is that profiles of genuine users are copied, so that
    each looks genuine but for the targets.

    Time is O(n_ratings log n_ratings + n_items), memory O(n_ratings).

    References
    ----------
    .. [1] W. Fan, T. Derr, X. Zhao, Y. Ma, H. Liu, J. Wang, J. Tang, Q. Li, "Attacking Black-box
       Recommendations via Copying Cross-domain User Profiles", ICDE 2021.
       :doi:`10.48550/arXiv.2005.08147`

    %(attack.example)s
    >>> attack = CopyAttackTransformer(random_state=0).fit(X)
    >>> attack.poison_.shape, attack.copied_users_.size
    ((3, 80), 3)
    """

    _parameter_constraints: dict = {
        **BaseAttackTransformer._parameter_constraints,
        "users": [StrOptions({"shortest", "random"})],
        "kept": [StrOptions({"popular", "random"})],
        "n_fillers": [StrOptions({"mean", "auto"}), Count()],
    }

    def __init__(self, *, users="random", kept="popular", n_fillers="auto", **threat_model):
        super().__init__(n_fillers=n_fillers, **threat_model)
        self.users = users
        self.kept = kept

    def _craft_profiles(self, known, budget, rng):
        users = self._choose_users(known, budget, rng)
        self.copied_users_ = users
        fillers = without_targets(known, budget)[users]
        counts = np.bincount(known.indices, minlength=known.shape[1])[fillers.indices]
        n_kept = budget.n_fillers
        if self.n_fillers == "auto":
            rows = np.repeat(np.arange(users.size), np.diff(fillers.indptr))
            is_common = counts >= _COMMON * known.shape[0]
            n_common = np.bincount(rows, is_common, minlength=users.size)
            n_kept = np.clip(n_common, budget.target_items.size, None).clip(max=n_kept)
        keys = -counts if self.kept == "popular" else rng.random(fillers.nnz)
        return keep_first(fillers, keys, n_kept)

    def _choose_users(self, known, budget, rng):
        """Return a known user for each fake profile."""
        sizes = np.diff(known.indptr)
        users = np.flatnonzero(sizes)
        if self.users == "shortest":
            order = users[np.argsort(sizes[users], kind="stable")]
        else:
            order = rng.permutation(users)
        return np.resize(order, budget.n_profiles)
