"""Our own checks, on other people's estimators: they pass good ones, and each fails a bad one."""

import gc
import re
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skrecsec.base import BaseAttackTransformer, BaseRecommender
from skrecsec.utils._estimator_checks import _faults
from skrecsec.utils._estimator_checks._tools import kind_of
from skrecsec.utils.estimator_checks import (
    attack_checks,
    expected_failed_checks,
    recommender_checks,
)
from skrecsec.utils.validation import check_ratings


class Popularity(BaseRecommender):
    """The smallest recommender there is."""

    def fit(self, X, y=None):
        X = check_ratings(X, estimator=self)
        self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
        return self

    def _score_profiles(self, X):
        return np.tile(self.counts_, (X.shape[0], 1))


class NoFillers(BaseAttackTransformer):
    """The smallest attack there is."""

    def _craft_profiles(self, known, budget, rng):
        return sp.csr_array((budget.n_profiles, known.shape[1]))


class Foreign(BaseEstimator):
    """A recommender by what it can do, of nobody's house."""

    def fit(self, X, y=None):
        self.model_ = Popularity().fit(X)
        return self

    def predict(self, X):
        check_is_fitted(self)
        return self.model_.predict(X)

    def recommend(self, X, k=50, *, exclude_seen=True):
        check_is_fitted(self)
        return self.model_.recommend(X, k, exclude_seen=exclude_seen)


class ForeignAttack(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """An attack by what it can do."""

    def __init__(
        self,
        target_items="random",
        attack_size=0.03,
        n_fillers="mean",
        knowledge=0.4,
        goal="push",
        random_state=None,
    ):
        self.target_items = target_items
        self.attack_size = attack_size
        self.n_fillers = n_fillers
        self.knowledge = knowledge
        self.goal = goal
        self.random_state = random_state

    def fit(self, X, y=None):
        attack = NoFillers(**self.get_params()).fit(X)
        self.attack_, self.poison_ = attack, attack.poison_
        self.target_items_, self.known_users_ = attack.target_items_, attack.known_users_
        return self

    def fit_transform(self, X, y=None):
        self.fit(X)
        return sp.vstack([check_ratings(X), self.poison_], format="csr")

    def transform(self, X):
        check_is_fitted(self)
        return self.attack_.transform(X)


class Impure(Popularity):
    def _score_profiles(self, X):
        return super()._score_profiles(X) + np.arange(X.shape[0])[:, None]


class Unmasked(Popularity):
    def recommend(self, X, k=50, *, exclude_seen=True):
        return super().recommend(X, k, exclude_seen=False)


class Worst(Popularity):
    def recommend(self, X, k=50, *, exclude_seen=True):
        return super().recommend(X, k, exclude_seen=exclude_seen)[:, ::-1]


class Undecided(Popularity):
    def fit(self, X, y=None):
        super().fit(X)
        self.counts_ += np.random.default_rng().random(self.counts_.size)
        return self


class Meddler(Popularity):
    def fit(self, X, y=None):
        np.random.rand()
        return super().fit(X)


class Lenient(Popularity):
    def fit(self, X, y=None):
        X = sp.csr_array(X)
        self.n_features_in_ = X.shape[1]
        self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
        return self


class NotANumber(Popularity):
    def _score_profiles(self, X):
        scores = super()._score_profiles(X)
        return np.where(np.diff(X.indptr)[:, None] == 0, np.nan, scores)


class Forgetful(Popularity):
    def __getstate__(self):
        return {**super().__getstate__(), "counts_": np.zeros(30)}


class Halves(Popularity):
    """Takes note of the new data first, and is not protected as subclasses of ours are."""


def _unprotected_fit(self, X, y=None):
    X = check_ratings(X, estimator=self)
    self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
    return self


Halves.fit = _unprotected_fit


class Keeps(Popularity):
    """Hands out the same array every time."""

    def fit(self, X, y=None):
        self.kept_ = {}
        return super().fit(X)

    def _score_profiles(self, X):
        return self.kept_.setdefault(X.shape, super()._score_profiles(X))


class Overwrites(Popularity):
    def fit(self, X, y=None):
        super().fit(X)
        if sp.issparse(X) and X.format == "csr":
            X.data[...] = 1
        return self


class Believes(Popularity):
    """Makes something of matrices that are none."""

    def fit(self, X, y=None):
        try:
            return super().fit(X)
        except ValueError as error:
            if "no valid sparse matrix" not in str(error):
                raise
            return super().fit(np.ones(X.shape))


class FirstItems(Popularity):
    """Gives empty profiles the items with the lowest indices."""

    def _score_profiles(self, X):
        scores = super()._score_profiles(X)
        return np.where(np.diff(X.indptr)[:, None] == 0, 0, scores)


class TwoTruths(Popularity):
    def fit(self, X, y=None):
        super().fit(X)
        self.scores_ = np.tile(self.counts_, (X.shape[0], 1))
        return self

    def predict_training_rows(self, rows):
        return self.scores_[rows]

    def fit_predict(self, X, y=None):
        return 2 * self.fit(X).predict(X)


class OneTruth(TwoTruths):
    def fit_predict(self, X, y=None):
        return self.fit(X).predict(X)


class InSample(Popularity):
    """Has predictions of its training rows, and no method that fits and predicts."""

    def fit(self, X, y=None):
        super().fit(X)
        self.scores_ = np.tile(self.counts_, (X.shape[0], 1))
        return self

    def predict_training_rows(self, rows):
        return self.scores_[rows]


class ReadOnly(Popularity):
    """Hands out what nobody can write into."""

    def _score_profiles(self, X):
        scores = super()._score_profiles(X)
        scores.flags.writeable = False
        return scores


class Silent(Popularity):
    """Recommends nothing to who has rated nothing."""

    def recommend(self, X, k=50, *, exclude_seen=True):
        items = super().recommend(X, k, exclude_seen=exclude_seen)
        return np.where(np.diff(sp.csr_array(X).indptr)[:, None] == 0, -1, items)


class Picky(Popularity):
    """Masks every third item by -inf, for everybody."""

    def _score_profiles(self, X):
        return np.where(np.arange(X.shape[1]) % 3 == 0, -np.inf, super()._score_profiles(X))


class Secretive(Popularity):
    """Leaves out every third item, and does not say so in its predictions."""

    def recommend(self, X, k=50, *, exclude_seen=True):
        lists = Picky().fit(X)
        lists.counts_ = self.counts_
        return lists.recommend(X, k, exclude_seen=exclude_seen)


class HalvesPoison(NoFillers):
    """As `Halves`."""


def _unprotected_attack(self, X, y=None):
    self.n_features_in_ = np.shape(X)[1]
    return NoFillers.fit(self, X)


HalvesPoison.fit = _unprotected_attack


class OverwritesGenuine(NoFillers):
    def transform(self, X):
        checked = super().transform(X).copy()
        if sp.issparse(X) and X.format == "csr":
            X.data[...] = 1
        return checked


class BelievesGenuine(NoFillers):
    def transform(self, X):
        try:
            return super().transform(X)
        except ValueError as error:
            if "no valid sparse matrix" not in str(error):
                raise
            return sp.csr_array(X.shape)


class Noisy(Popularity):
    """Sums in single precision, in an order that depends on the number of rows."""

    noise = 1e-7

    def _score_profiles(self, X):
        scores = super()._score_profiles(X).astype(np.float32)
        if X.shape[0] > 1:
            scores *= np.float32(1 + self.noise)
        return scores


class TooNoisy(Noisy):
    noise = 1e-4


class Sees(NoFillers):
    def fit(self, X, y=None):
        super().fit(X)
        mean = round(check_ratings(X).data.mean() * 100)
        self.poison_ = self.poison_ * (1 + mean)
        return self


class GivesAll(NoFillers):
    """Hides nothing, whatever it is told."""

    def fit(self, X, y=None):
        super().fit(X)
        poison = self.poison_.tolil()
        poison[:, self.target_items_] = self.rating_levels_[-1 if self.goal == "push" else 0]
        self.poison_ = sp.csr_array(poison)
        return self


class TooLong(NoFillers):
    """Rates everything where lengths are genuine."""

    def fit(self, X, y=None):
        super().fit(X)
        if self.profile_lengths == "genuine":
            self.poison_ = sp.csr_array(np.full(self.poison_.shape, 5.0))
        return self


class Appends(NoFillers):
    def transform(self, X):
        return sp.vstack([super().transform(X), self.poison_])


class Prepends(NoFillers):
    def fit_transform(self, X, y=None):
        self.fit(X)
        return sp.vstack([self.poison_, sp.csr_array(X)], format="csr")


@pytest.mark.parametrize(
    "estimator",
    [Popularity(), Foreign(), OneTruth(), InSample(), ReadOnly(), Silent(), Picky(), Noisy()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_recommender_checks_serve_others(estimator):
    for check in recommender_checks():
        check(estimator)


@pytest.mark.parametrize("estimator", [NoFillers(), ForeignAttack()])
def test_attack_checks_serve_others(estimator):
    for check in attack_checks():
        check(estimator)


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (Popularity(), "recommender"),
        (Foreign(), "recommender"),
        (NoFillers(), "attack"),
        (ForeignAttack(), "attack"),
        (FunctionTransformer(), None),
        (KMeans(), None),
    ],
)
def test_kinds_are_found_by_tags_or_abilities(estimator, kind):
    assert kind_of(estimator) == kind
    assert bool(expected_failed_checks(estimator)) == (kind is not None)


_EVASION = {
    "check_attack_evades_a_detector",
    "check_lengths_keep_to_the_budget",
    "check_targets_get_the_levels",
    "check_targets_are_shared_out",
}


def complaint(check, estimator):
    try:
        check(estimator)
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (Impure(), {"check_predict_is_pure"}),
        (TooNoisy(), {"check_predict_is_pure"}),
        (Halves(), {"check_failed_fit_leaves_nothing_half"}),
        (HalvesPoison(), {"check_failed_fit_leaves_nothing_half"}),
        (Keeps(), {"check_results_belong_to_the_caller"}),
        (Overwrites(), {"check_arguments_are_not_modified"}),
        (OverwritesGenuine(), {"check_arguments_are_not_modified"}),
        (Believes(), {"check_bad_indices_are_refused"}),
        (BelievesGenuine(), {"check_bad_indices_are_refused"}),
        (
            Secretive(),
            {
                "check_recommend_is_the_top_of_predict",
                "check_recommend_masks_rated_items",
                "check_empty_profiles_get_what_is_popular",
            },
        ),
        (FirstItems(), {"check_empty_profiles_get_what_is_popular"}),
        (TwoTruths(), {"check_in_sample_predictions_agree"}),
        (Unmasked(), {"check_recommend_masks_rated_items"}),
        (
            Worst(),
            {
                "check_recommend_is_the_top_of_predict",
                "check_recommend_masks_rated_items",
                "check_empty_profiles_get_what_is_popular",
            },
        ),
        (
            Undecided(),
            {"check_same_seed_same_bits", "check_both_sparse_containers"},
        ),
        (Meddler(), {"check_global_random_state_untouched"}),
        (Lenient(), {"check_bad_ratings_are_refused", "check_bad_indices_are_refused"}),
        (
            NotANumber(),
            {"check_empty_rows_and_columns", "check_empty_profiles_get_what_is_popular"},
        ),
        (Forgetful(), {"check_pickle_keeps_results"}),
        (Sees(), {"check_poison_is_valid", "check_attack_sees_known_users_only", *_EVASION}),
        (GivesAll(), _EVASION - {"check_lengths_keep_to_the_budget"}),
        (TooLong(), {"check_lengths_keep_to_the_budget"}),
        (Appends(), {"check_poison_is_appended_at_fit_only", "check_attack_in_pipeline"}),
        (Prepends(), {"check_poison_is_appended_at_fit_only"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)
def test_broken_estimators_fail_the_checks_that_they_break(estimator, names):
    is_attack = isinstance(estimator, BaseAttackTransformer)
    checks = attack_checks() if is_attack else recommender_checks()
    failed = {}
    for check in checks:
        message = complaint(check, estimator)
        if message is not None:
            failed[getattr(check, "func", check).__name__] = message
    assert set(failed) == names, failed
    # Whoever reads it knows which rule is broken, by whom, and how that shows.
    pattern = rf"(?s)rule: .+; seen: {type(estimator).__name__}: .+"
    assert all(re.fullmatch(pattern, message) for message in failed.values())


# --- faults on purpose ----------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert _faults.count_calls(lambda: gc.isenabled()) == 1
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_globals_are_restored_where_torch_is_not_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    before = np.geterr()
    with _faults.restored_globals():
        np.seterr(all="raise")
    assert np.geterr() == before
