"""Every public estimator, found by discovery, against scikit-learn's checks and ours."""

import importlib
import inspect
import pkgutil
import re
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
from skrecsec.base import BaseAttackTransformer, BaseProfileDetector, BaseRecommender
from skrecsec.detection import ProfileFeatures
from skrecsec.model_selection import SelfAttackSearchCV
from skrecsec.utils import _documentation
from skrecsec.utils._estimator_checks._tools import make_test_ratings, prepared
from skrecsec.utils.estimator_checks import expected_failed_checks, parametrize_with_checks

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


# Estimators that the generic checks cannot try, and why not; they have tests of their own.
NOT_GENERIC = {
    skrecsec.FixedAttackTransformer: "its profiles rate the items of one matrix, checks bring many",
    SelfAttackSearchCV: "it hides ratings, of which the matrices of checks have too few",
}
ESTIMATORS = [cls for cls in public_estimators() if cls not in NOT_GENERIC]
ATTACKS = [cls for cls in ESTIMATORS if issubclass(cls, BaseAttackTransformer)]
RECOMMENDERS = [cls for cls in ESTIMATORS if issubclass(cls, BaseRecommender)]
DETECTORS = [cls for cls in ESTIMATORS if issubclass(cls, BaseProfileDetector)]
# Stock transformers, which skrecsec itself does not hand on.
TRANSFORMERS = [ProfileFeatures]
# Nor these.
SEARCHES = [SelfAttackSearchCV]


def test_discovery_finds_what_the_package_exports():
    exported = {getattr(skrecsec, name) for name in skrecsec.__all__}
    classes = {thing for thing in exported if inspect.isclass(thing)}
    assert set(ESTIMATORS) | set(NOT_GENERIC) == classes | set(TRANSFORMERS) | set(SEARCHES)
    assert set(ESTIMATORS) == {*ATTACKS, *RECOMMENDERS, *DETECTORS, *TRANSFORMERS}
    assert {"MFRecommender", "TCDRecommender", "AverageAttackTransformer"} <= {
        cls.__name__ for cls in ESTIMATORS
    }


@parametrize_with_checks([cls() for cls in ESTIMATORS])
def test_estimator(estimator, check):
    check(estimator)


# The public check allows for models of other packages, which compute in single precision.
OWN = [cls for cls in RECOMMENDERS if ".adapters." not in cls.__module__]


@pytest.mark.parametrize("cls", [*OWN, skrecsec.DecompositionRecommender])
def test_our_own_predictions_are_pure_to_the_last_digits(cls):
    X = make_test_ratings()
    fitted = prepared(cls()).fit(X)
    scores = fitted.predict(X)
    order = np.random.default_rng(0).permutation(X.shape[0])
    for rows in (order, [5]):
        np.testing.assert_allclose(fitted.predict(X[rows]), scores[rows], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_expected_failures_are_exactly_these(cls):
    if cls in ATTACKS:
        expected = {"check_transformer_general", "check_transformer_data_not_an_array"}
    elif cls in DETECTORS:
        expected = {"check_outliers_fit_predict"}
        if hasattr(cls, "predict"):  # whoever judges new profiles is asked for more
            expected.add("check_outliers_train")
    elif cls in TRANSFORMERS:
        expected = set()
    else:
        expected = {"check_estimator_sparse_array", "check_estimator_sparse_matrix"}
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


@pytest.fixture
def publish(monkeypatch):
    """Return a function that has the package say these addresses."""

    class Metadata(dict):
        get_all = dict.get

    def say(*urls):
        found = Metadata({"Project-URL": [*urls]} if urls else {})
        monkeypatch.setattr(_documentation.metadata, "metadata", lambda name: found)
        _documentation.documentation_url.cache_clear()

    yield say
    monkeypatch.undo()
    _documentation.documentation_url.cache_clear()


@pytest.fixture
def address(publish):
    """Have the documentation be somewhere."""
    address = "https://docs.example.org/stable"
    publish("Source, https://example.org", f"Documentation, {address}")
    return address


def test_diagrams_link_to_the_documentation(address):
    pipeline = make_pipeline(AverageAttackTransformer(), MFRecommender())
    page = pipeline._repr_html_()
    for name in ("attacks.AverageAttackTransformer", "recommenders.MFRecommender"):
        assert f'href="{address}/generated/skrecsec.{name}.html"' in page


def test_without_an_address_nothing_pretends(publish):
    """No address of this project stands anywhere but in [project.urls], where there is none yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "urls" not in project
    publish()
    assert 'href="None' not in MFRecommender()._repr_html_()
    assert MFRecommender()._get_doc_link() == ""
    texts = [*ROOT.glob("*.md"), *ROOT.glob("*.json"), *ROOT.glob("docs/**/*.rst")]
    texts += ROOT.glob("skrecsec/**/*.py")
    for path in texts:
        assert not re.search(
            r"skrecsec\.(readthedocs|github)\.io|github\.com/\w+/skrecsec",
            path.read_text(encoding="utf-8"),
        ), path


def test_estimators_of_others_do_not_link_to_our_documentation(address):
    class Mine(AverageAttackTransformer):
        pass

    Mine.__module__ = "elsewhere"
    assert address not in Mine()._repr_html_()
