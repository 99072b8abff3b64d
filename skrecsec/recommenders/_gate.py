"""A gate behind any recommender: no item is listed much more often than it was rated."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skrecsec.base import BaseRecommender
from skrecsec.model_selection import leave_one_out_split
from skrecsec.recommenders._exposure import column_thresholds, exposure_budgets
from skrecsec.utils._compat import Count, HasMethods, Number, StrOptions, _fit_context
from skrecsec.utils._registry import clone_or_default
from skrecsec.utils._scoring import as_scores, held_out_ranks, profiles_for
from skrecsec.utils._signatures import complete

# Of "auto": what is tried; the share of users who have rated the items that count; the share of
# users whose hidden item may be lost; the length of the lists.
_EXPOSURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_COMMON = 0.05
_TOLERANCE = 0.005
_LENGTH = 50


@complete
class ExposureGate(BaseRecommender):
    r"""List an item for at most so many times as many users as have rated it.

    Whatever an attack does to a model, its fake profiles can only be as many as they are. The gate
    ties how often an item is recommended to how many have rated it: each item keeps the users who
    want it most, by the scores of any recommender, and is withheld from all others.

    Parameters
    ----------
    recommender : recommender, default=None
        It is cloned. None means ``EASERecommender()``.

    max_exposure : float or "auto", default=2.0
        :math:`\kappa`: for how many training profiles an item may be listed, for each that has
        rated it. ``"auto"`` finds one from 1 to 8 that this recommender can bear on these ratings,
        see Notes; it takes a second fit.

    fill : bool, default=False
        What lists with fewer than `k` items that pass are: if False, shorter, with -1 at the end;
        if True, they are filled up by items that do not pass, those first whose scores are least
        below their threshold. Then the bound is one no longer.

    Attributes
    ----------
    recommender_ : recommender
        The fitted recommender.

    max_exposure_ : float
        The exposure that was asked for, or found.

    thresholds_ : ndarray of shape (n_items,)
        An item is listed for profiles whose scores are above its threshold; -inf where it is listed
        for all.

    exposures_ : ndarray of int of shape (n_items,)
        For how many training profiles an item may be listed.

    n_users_ : int
        Number of training profiles.

    %(item_popularity)s

    %(features)s

    See Also
    --------
    FilteredRecommender : Learns from profiles that are not called fake; it goes in front.
    recommended_defense : Both, with settings for the ratings at hand.

    Notes
    -----
    Let :math:`c_t` profiles, fake ones among them, have rated item t, and :math:`\theta_t` be the
    :math:`(\lfloor \kappa c_t \rfloor + 1)`-th largest score of t among the training profiles that
    have not. For a profile, t may be listed only if its score is above :math:`\theta_t`. Where no
    more than :math:`\lfloor \kappa c_t \rfloor` have not rated it, it always may.
    Other items keep their order; `predict` gives those that do not pass -inf, which has no place in
    a ranking: they are neither recommended nor a hit in any scorer.

    **The bound.** At most :math:`\lfloor \kappa c_t \rfloor` training profiles have t in their
    lists, rated items left out, whatever the model and whatever the attack: with g genuine raters
    and n' fake profiles, t is listed for at most :math:`\kappa (g + n')` of the genuine users. It
    follows by counting. For new profiles the thresholds are the same, but they may be any number:
    there the gate is a rule, not a bound. It holds as far as the recommender scores a profile as
    before: thresholds are rounded up by a billionth of the scores, which covers other orders of
    summation in double precision, but not a :class:`DecompositionRecommender` whose factors depend
    on who is asked beside.

    Profiles without ratings are served by what is popular. Those among the training profiles come
    first: they take their places from :math:`\lfloor \kappa c_t \rfloor`, and items of which this
    is too little are withheld from them.

    **When it harms.** A model that scores all profiles alike leaves nobody above
    :math:`\theta_t`, so that only items that may be listed for all remain: `PopularityRecommender`
    lists hardly anything. New items, with no raters yet, are never listed for training profiles,
    and those with few for few.

    **The rule for** :math:`\kappa`. ``"auto"`` hides a rating of each user, fits the recommender to
    the rest, and takes the first of 1, 1.5, 2, 3, 4, 6 and 8 with which the lists of 50 find the
    hidden items as before, but for half a percent of the users; 8 if there is none. Only items
    count that 5% of the users or more have rated, so that fewer fake profiles cannot widen the
    gate by what they push; by what else they rate they may. It looks at nothing but the training
    ratings.

    Fitting takes the recommender's fit, a prediction for all training profiles, in blocks, and
    O(n_users n_items) beyond; memory is O(max_exposure n_ratings + n_items), of which O(n_items) is
    kept, and a block of 64 MiB, or of scikit-learn's `working_memory` if that is less. Beyond the
    fit of EASE that is a tenth of a second on MovieLens-100K and 3 s on MovieLens-1M, on one core.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.recommenders import EASERecommender, ExposureGate
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> gate = ExposureGate(EASERecommender(), max_exposure=2.0)
    >>> listed = gate.fit(attack.fit_transform(X)).recommend(X, k=50)
    >>> bool((np.bincount(listed[listed >= 0], minlength=200) <= gate.exposures_).all())
    True
    >>> gate.exposure_bound()[attack.target_items_].round(2)
    array([0.07, 0.07, 0.07, 0.06, 0.06])
    """

    _parameter_constraints: dict = {
        "recommender": [HasMethods(["fit", "predict"]), None],
        "max_exposure": [StrOptions({"auto"}), Number(0, None, closed="neither")],
        "fill": ["boolean"],
    }

    def __init__(self, recommender=None, max_exposure=2.0, *, fill=False):
        self.recommender = recommender
        self.max_exposure = max_exposure
        self.fill = fill

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the recommender, and find the threshold of each item.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        given = clone_or_default(self.recommender, "recommender", "ease")
        is_auto = isinstance(self.max_exposure, str)
        max_exposure = _bearable_exposure(given, X) if is_auto else self.max_exposure
        self._put_behind(clone(given).fit(X), X, max_exposure)
        return self

    def _put_behind(self, recommender, X, max_exposure):
        """Find the thresholds for a recommender that is fitted to `X`."""
        self.recommender_ = recommender
        self.max_exposure_ = float(max_exposure)
        self.n_users_ = X.shape[0]
        counts = np.bincount(X.indices, minlength=X.shape[1])
        self.exposures_ = exposure_budgets(counts, self.max_exposure_, self.n_users_)
        rows = np.flatnonzero(np.diff(X.indptr))
        n_empty = self.n_users_ - rows.size
        self._has_place = self.exposures_ >= max(n_empty, 1)
        n_above = self.exposures_ - np.where(self._has_place, n_empty, 0)
        self.thresholds_ = column_thresholds(self._ask, X[rows], n_above)

    def exposure_bound(self, n_fakes: int = 0) -> np.ndarray:
        """Return the share of the training profiles for which each item is listed at most.

        Parameters
        ----------
        n_fakes : int, default=0
            Number of fake profiles, beside the training profiles, that rate the item.

        Returns
        -------
        bound : ndarray of shape (n_items,)
            The smaller of 1 and ``max_exposure_ * (raters + n_fakes) / n_users_``. Fake profiles in
            the training data are among the raters; leave `n_fakes` at 0 for these. With
            ``max_exposure="auto"`` a new fit may find another exposure: from one fake on the bound
            is that of the largest, 8.

        Raises
        ------
        ValueError
            If `n_fakes` is not a number of profiles, or the lists are filled up.

        Notes
        -----
        Fitted on g genuine profiles, it bounds the hit ratio of an item among them, at any length
        of the list, after an attack of `n_fakes` profiles and a new fit. For a smaller bound of an
        exposure that was found, set `max_exposure` to `max_exposure_` and fit with that from then
        on.
        """
        check_is_fitted(self)
        if not Count(0).is_satisfied_by(n_fakes):
            raise ValueError(f"n_fakes must be an integer >= 0, got {n_fakes!r}.")
        if self.fill:
            raise ValueError("fill=True lists items beyond their bound, so that there is none.")
        counts = np.rint(self.item_popularity_ * self.n_users_)
        may_change = isinstance(self.max_exposure, str) and n_fakes > 0
        max_exposure = _EXPOSURES[-1] if may_change else self.max_exposure_
        return np.minimum(1.0, max_exposure * (counts + n_fakes) / self.n_users_)

    def _score_profiles(self, X):
        scores = self._ask(X)
        is_empty = np.diff(X.indptr) == 0
        passes = np.where(is_empty[:, np.newaxis], self._has_place, ~(scores <= self.thresholds_))
        if self.fill:
            return _below_what_passes(scores, passes, self.thresholds_)
        return np.where(passes, scores, -np.inf)

    def _ask(self, X):
        """Return the scores of the recommender, in an array of their own."""
        scores = np.array(as_scores(self.recommender_.predict(X)), dtype=np.float64)
        if scores.shape != X.shape:
            raise ValueError(
                f"recommender: {type(self.recommender_).__name__}.predict must return scores of "
                f"shape {X.shape}, got {scores.shape}."
            )
        return scores


def _bearable_exposure(recommender, X):
    """Return the least exposure of a grid at which hidden ratings are still found."""
    kept, hidden = leave_one_out_split(X, random_state=0)
    counts = np.bincount(kept.indices, minlength=X.shape[1])
    is_common = counts >= _COMMON * X.shape[0]
    hidden = np.where((hidden >= 0) & is_common[hidden], hidden, -1)
    if (hidden < 0).all():  # there is nothing to go by
        return 2.0
    fitted = clone(recommender).fit(kept)
    enough = _n_found(fitted, kept, hidden) - _TOLERANCE * X.shape[0]
    for max_exposure in _EXPOSURES:
        gate = ExposureGate()
        gate._put_behind(fitted, kept, max_exposure)
        if _n_found(gate, kept, hidden) >= enough:
            break
    return max_exposure


def _n_found(recommender, X, hidden):
    """Return how many hidden items are in the lists of their users."""
    profiles = profiles_for(recommender, X)
    _, ranks = held_out_ranks(hidden, profiles.shape, profiles.score_rows, profiles.seen)
    return np.count_nonzero((ranks >= 0) & (ranks < _LENGTH))


def _below_what_passes(scores, passes, thresholds):
    """Return scores in which items that do not pass follow, by how far they are from passing."""
    has_rank = ~np.isneginf(scores)  # at -inf the recommender gives it no place in a ranking
    lacks = has_rank & ~passes
    missing = np.subtract(thresholds, scores, out=np.zeros(scores.shape), where=lacks)
    lowest = np.where(has_rank & passes, scores, np.inf).min(axis=1, keepdims=True)
    lowest = np.where(np.isfinite(lowest), lowest, 0.0)
    # By the next number down, so that no item comes level with one that passes.
    return np.where(lacks, np.nextafter(lowest, -np.inf) - missing, scores)
