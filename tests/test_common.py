"""Every public estimator, found by discovery, against scikit-learn's checks and ours."""

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, check_param_validation

import skrecsec
from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.base import BaseAttackTransformer, BaseRecommender
from skrecsec.utils._documentation import DOCUMENTATION_URL
from skrecsec.utils.estimator_checks import (
    attack_checks,
    expected_failed_checks,
    parametrize_with_checks,
    recommender_checks,
)

ROOT = Path(__file__).resolve().parents[1]


def public_estimators():
    """Return all concrete estimator classes that some public module of the package exports."""
    found = set()
    for info in pkgutil.walk_packages(skrecsec.__path__, "skrecsec."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", []):
            cls = getattr(module, name)
            if inspect.isclass(cls) and issubclass(cls, BaseEstimator):
                found.add(cls)
    concrete = [cls for cls in found if not inspect.isabstract(cls)]
    return sorted(concrete, key=lambda cls: cls.__name__)


ESTIMATORS = public_estimators()
ATTACKS = [cls for cls in ESTIMATORS if issubclass(cls, BaseAttackTransformer)]
RECOMMENDERS = [cls for cls in ESTIMATORS if issubclass(cls, BaseRecommender)]


def test_discovery_finds_what_the_package_exports():
    exported = {getattr(skrecsec, name) for name in skrecsec.__all__}
    assert set(ESTIMATORS) == exported
    assert set(ESTIMATORS) == set(ATTACKS) | set(RECOMMENDERS)
    assert {"MFRecommender", "TCDRecommender", "AverageAttackTransformer"} <= {
        cls.__name__ for cls in ESTIMATORS
    }


@parametrize_with_checks([cls() for cls in ESTIMATORS])
def test_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_expected_failures_are_exactly_these(cls):
    expected = (
        {"check_transformer_general", "check_transformer_data_not_an_array"}
        if cls in ATTACKS
        else {"check_estimator_sparse_array", "check_estimator_sparse_matrix"}
    )
    assert set(expected_failed_checks(cls())) == expected
    records = check_estimator(cls(), on_fail=None, on_skip=None)
    failed = {record["check_name"] for record in records if record["status"] == "failed"}
    assert failed == expected


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_param_validation(cls):
    check_param_validation(cls.__name__, cls())


@pytest.mark.parametrize("cls", ATTACKS)
def test_set_output_is_not_offered(cls, ratings):
    attack = cls(random_state=0)
    assert not hasattr(attack, "set_output")
    with sklearn.config_context(transform_output="pandas"):
        assert sp.issparse(attack.fit_transform(ratings))
    with pytest.raises(ValueError, match="Unable to configure output"):
        make_pipeline(attack, skrecsec.MFRecommender()).set_output(transform="pandas")


# --- our own checks, on other people's estimators ---


class Popularity(BaseRecommender):
    """The smallest recommender there is."""

    def fit(self, X, y=None):
        X = skrecsec.utils.validation.check_ratings(X, estimator=self)
        self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
        return self

    def _score_profiles(self, X):
        return np.tile(self.counts_, (X.shape[0], 1))


class NoFillers(BaseAttackTransformer):
    """The smallest attack there is."""

    def _craft_profiles(self, known, budget, rng):
        return sp.csr_array((budget.n_profiles, known.shape[1]))


def passes(check, estimator):
    try:
        check(estimator)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("check", list(recommender_checks()))
def test_recommender_checks_serve_others(check):
    check(Popularity())


@pytest.mark.parametrize("check", list(attack_checks()))
def test_attack_checks_serve_others(check):
    check(NoFillers())


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


class Sees(NoFillers):
    def fit(self, X, y=None):
        super().fit(X)
        mean = round(skrecsec.utils.validation.check_ratings(X).data.mean() * 100)
        self.poison_ = self.poison_ * (1 + mean)
        return self


class Appends(NoFillers):
    def transform(self, X):
        return sp.vstack([super().transform(X), self.poison_])


class Prepends(NoFillers):
    def fit_transform(self, X, y=None):
        self.fit(X)
        return sp.vstack([self.poison_, sp.csr_array(X)], format="csr")


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (Impure(), {"check_predict_is_pure"}),
        (Unmasked(), {"check_recommend_masks_rated_items"}),
        (
            Worst(),
            {"check_recommend_is_the_top_of_predict", "check_recommend_masks_rated_items"},
        ),
        (
            Undecided(),
            {"check_same_seed_same_bits", "check_both_sparse_containers"},
        ),
        (Meddler(), {"check_global_random_state_untouched"}),
        (Lenient(), {"check_bad_ratings_are_refused"}),
        (NotANumber(), {"check_empty_rows_and_columns"}),
        (Forgetful(), {"check_pickle_keeps_results"}),
        (Sees(), {"check_poison_is_valid", "check_attack_sees_known_users_only"}),
        (Appends(), {"check_poison_is_appended_at_fit_only", "check_attack_in_pipeline"}),
        (Prepends(), {"check_poison_is_appended_at_fit_only"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)
def test_broken_estimators_fail_the_checks_that_they_break(estimator, names):
    is_attack = isinstance(estimator, BaseAttackTransformer)
    checks = attack_checks() if is_attack else recommender_checks()
    failed = {
        getattr(check, "func", check).__name__ for check in checks if not passes(check, estimator)
    }
    assert failed == names


def test_diagrams_link_to_the_documentation():
    pipeline = make_pipeline(AverageAttackTransformer(), MFRecommender())
    page = pipeline._repr_html_()
    for name in ("attacks.AverageAttackTransformer", "recommenders.MFRecommender"):
        assert f'href="{DOCUMENTATION_URL}/generated/skrecsec.{name}.html"' in page
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"] == DOCUMENTATION_URL


def test_estimators_of_others_do_not_link_to_our_documentation():
    class Mine(AverageAttackTransformer):
        pass

    Mine.__module__ = "elsewhere"
    assert DOCUMENTATION_URL not in Mine()._repr_html_()
