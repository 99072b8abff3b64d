"""Parameters and ratings at the end of their ranges, and third-party attacks that break rules."""

import pickle
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

import skrecsec.utils._memory
from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    CoAttackTransformer,
    LoveHateAttackTransformer,
    MFRecommender,
    PGAAttackTransformer,
    RandomAttackTransformer,
    TNAAttackTransformer,
)
from skrecsec.base import BaseAttackTransformer
from skrecsec.datasets import make_ratings
from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.utils._registry import registered

ATTACKS = {name: entry.make for name, entry in registered("attack").items()}
# Those of the paper; others have tests of their own.
MODELS = {name: registered("recommender")[name].make for name in ("mf", "tcd", "at")}
ESTIMATORS = {**ATTACKS, **MODELS}


@pytest.fixture(scope="module")
def few():
    return make_ratings(60, 50, density=0.2, random_state=0)


def make(cls, **parameters):
    """Return an estimator that is fitted in no time."""
    fast = {"max_iter": 4, "n_factors": 4, "n_pretrain_iter": 1, "random_state": 0}
    offered = cls().get_params()
    fast = {key: value for key, value in fast.items() if key in offered}
    return cls(**{**fast, **parameters})


# --- parameters ---


@pytest.mark.parametrize("value", [np.float16(0.05), np.float32(0.05), np.float64(0.05)])
def test_fractions_of_any_precision(value, few):
    for name in "attack_size", "knowledge":
        assert RandomAttackTransformer(**{name: value}, random_state=0).fit(few)
    assert RandomAttackTransformer(attack_size=value).fit(few).poison_.shape[0] in (2, 3)
    attack = make(TNAAttackTransformer, subset_size=value).fit(few)
    assert attack.influential_users_.size == 1


@pytest.mark.parametrize("value", [1.0, np.int8(1), np.uint64(1)])
def test_a_whole_is_a_fraction_and_one_is_one(value, few):
    n_profiles = RandomAttackTransformer(attack_size=value).fit(few).poison_.shape[0]
    assert n_profiles == (60 if isinstance(value, float) else 1)


def numbers_of(cls):
    """Return the names of the parameters that are numbers, those that are counts apart."""
    kinds = cls._parameter_constraints
    numeric = {
        name: {type(c).__name__ for c in kinds[name]} & {"Count", "Number", "Fraction"}
        for name in cls().get_params()
    }
    return (
        [name for name, found in numeric.items() if found],
        [name for name, found in numeric.items() if "Count" in found],
    )


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize("value", [True, False, np.True_, Fraction(1, 2), "1", 1j, np.nan, np.inf])
def test_what_is_no_number(cls, value, few):
    for name in numbers_of(cls)[0]:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__} must be"):
            make(cls, **{name: value}).fit(few)


@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize("value", [2**31, 2**63, 10**30, 10**400])
def test_counts_have_an_end(cls, value, few):
    _, counts = numbers_of(cls)
    assert {"n_targets", "attack_size", "n_fillers"} <= set(counts) or {"n_factors"} <= set(counts)
    for name in counts:
        with pytest.raises(ValueError, match=f"'{name}' .*, 2147483647"):
            make(cls, **{name: value}).fit(few)


WEIGHTS = [
    (name, solver)
    for name, cls in ESTIMATORS.items()
    for solver in (["sgd", "adam"] if "solver" in cls().get_params() else [None])
]


@pytest.mark.parametrize(("name", "solver"), WEIGHTS)
@pytest.mark.parametrize("value", [10**30, 10**37, 1e37, 1e300, 10**400])
def test_weights_beyond_single_precision(name, solver, value, few):
    """A finite result, or an error that says what to lower; no error of torch, no warning."""
    cls = ESTIMATORS[name]
    numbers, counts = numbers_of(cls)
    for weight in set(numbers) - set(counts):
        given = {weight: value} if solver is None else {weight: value, "solver": solver}
        try:
            fitted = make(cls, **given).fit(few)
        except ValueError as error:
            assert any(word in str(error) for word in ("must", "lower", "decrease"))  # noqa: PT017
            continue
        if name in MODELS:
            assert np.isfinite(fitted.predict(few)).all()


@pytest.mark.parametrize("cls", ATTACKS.values(), ids=ATTACKS)
def test_all_items_are_targets(cls, few):
    attack = make(cls, n_targets=2**31 - 1, n_fillers=50).fit(few)
    assert attack.target_items_.size == 50
    assert (attack.poison_.toarray() == attack.poison_.toarray()[0, 0]).all()


@pytest.mark.parametrize("cls", ATTACKS.values(), ids=ATTACKS)
def test_all_items_are_fillers_and_lists_are_longer_than_the_catalog(cls, few):
    parameters = {"n_fillers": 50, "knowledge": 1.0, "attack_size": 2}
    if "k" in cls().get_params():
        parameters["k"] = 2**31 - 1
    if "subset_size" in cls().get_params():
        parameters["subset_size"] = 2**31 - 1
    attack = make(cls, **parameters).fit(few)
    assert attack.poison_.shape == (2, 50)
    assert np.isin(attack.poison_.data, attack.rating_levels_).all()


# --- memory ---


@pytest.mark.parametrize("cls", ATTACKS.values(), ids=ATTACKS)
def test_more_profiles_than_memory(cls, few):
    with pytest.raises(MemoryError, match=r"2147483647 fake profiles .* lower attack_size"):
        make(cls, attack_size=2**31 - 1).fit(few)


# RevAdv takes no more factors than there are items.
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ESTIMATORS
        if "n_factors" in ESTIMATORS[name]().get_params() and name != "revadv"
    ],
)
def test_more_factors_than_memory(name, few):
    with pytest.raises(MemoryError, match=r"n_factors=2147483647 .* GB"):
        make(ESTIMATORS[name], n_factors=2**31 - 1).fit(few)


def test_more_hidden_units_than_memory(few):
    with pytest.raises(MemoryError, match="too many weights"):
        AUSHAttackTransformer(n_hidden=2**31 - 1).fit(few)


@pytest.mark.parametrize("cls", [PGAAttackTransformer, CoAttackTransformer])
def test_dense_arrays_beyond_memory(cls, few, monkeypatch):
    """The profiles fit, arrays of all their items do not."""
    monkeypatch.setattr(skrecsec.utils._memory, "available_memory", lambda: 350)
    with pytest.raises(MemoryError, match="1 fake profiles and 50 items; lower attack_size"):
        make(cls, attack_size=1, n_fillers=5, n_targets=1).fit(few)


# --- ratings ---


def with_outlier(X, value):
    X = X.copy()
    X.data[7] = value
    return X


RATINGS = {
    "one 1e15": lambda X: with_outlier(X, 1e15),
    "one 1e100": lambda X: with_outlier(X, 1e100),
    "one 1e300": lambda X: with_outlier(X, 1e300),
    "one 1e-300": lambda X: with_outlier(X, 1e-300),
    "all 1e-300": lambda X: X * 1e-300,
    "all 1e300": lambda X: X * 1e299,
    "denormal": lambda X: X * 5e-324,
    "the largest": lambda X: with_outlier(X, np.finfo(float).max),
    "continuous, one 1e15": lambda X: with_outlier(X + X * X * 1e-5 * np.pi, 1e15),
    "of all sizes": lambda X: sp.csr_array(
        (10.0 ** np.random.default_rng(0).uniform(-300, 300, X.nnz), X.indices, X.indptr), X.shape
    ),
}


@pytest.mark.filterwarnings("ignore::skrecsec.exceptions.UnsuitableRatingsWarning")
@pytest.mark.parametrize("ratings_of", RATINGS.values(), ids=RATINGS)
@pytest.mark.parametrize("cls", ESTIMATORS.values(), ids=ESTIMATORS)
def test_ratings_of_odd_sizes(cls, ratings_of, few):
    """A finite result or an error with a remedy, and no RuntimeWarning from within."""
    X = ratings_of(few)
    for seed in 0, 1:  # an attacker may know the outlier, or not
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                fitted = make(cls, random_state=seed).fit(X)
            except ValueError as error:
                assert not isinstance(error, np.linalg.LinAlgError)  # noqa: PT017
                assert "outliers" in str(error)  # noqa: PT017
                continue
        if cls in ATTACKS.values():
            assert np.isin(fitted.poison_.data, fitted.rating_levels_).all()
        else:
            with np.errstate(all="ignore"):
                assert np.isfinite(fitted.predict(X)).all()


def test_counts_are_warned_of_as_recommenders_do(few):
    with pytest.warns(UnsuitableRatingsWarning, match=r"log1p") as caught:
        AverageAttackTransformer(random_state=0).fit(with_outlier(few, 1e6))
    assert len(caught) == 1


@pytest.mark.parametrize("cls", ATTACKS.values(), ids=ATTACKS)
def test_the_lowest_of_one_level_promotes(cls, few):
    ones = sp.csr_array((np.ones(few.nnz), few.indices, few.indptr), shape=few.shape)
    with pytest.warns(UnsuitableRatingsWarning, match=r"goal='nuke' promote the targets"):
        make(cls, goal="nuke").fit(ones)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsuitableRatingsWarning)
        make(cls, goal="push").fit(ones)


def test_love_and_hate_of_one_level():
    with pytest.warns(UnsuitableRatingsWarning):
        LoveHateAttackTransformer(random_state=0).fit(np.eye(9) + np.eye(9, k=1))


# --- attacks of others ---


class Rogue(BaseAttackTransformer):
    """Returns whatever it is told to."""

    def __init__(self, craft=None, *, random_state=0):
        super().__init__(random_state=random_state, attack_size=2, target_items=[0], n_fillers=5)
        self.craft = craft

    def _craft_profiles(self, known, budget, rng):
        return self.craft(budget.n_profiles, known.shape[1])


def entry(value, item=3):
    return lambda n, m: sp.coo_array(([value], ([0], [item])), shape=(n, m))


def outside(item):
    def craft(n, m):
        profiles = sp.csr_array(([1.0], ([0], [3])), shape=(n, m))
        profiles.indices[0] = item
        return profiles

    return craft


@pytest.mark.parametrize(
    ("craft", "message"),
    [
        (
            lambda n, m: None,
            r"_craft_profiles must return a sparse matrix of shape \(2, 50\).*got NoneType",
        ),
        (lambda n, m: [[1.0] * m] * n, r"must return a sparse matrix of shape \(2, 50\).*got list"),
        (lambda n, m: "profiles", r"must return a sparse matrix of shape \(2, 50\).*got str"),
        (lambda n, m: pd.DataFrame(np.ones((n, m))), "got DataFrame"),
        (lambda n, m: np.ones((n, m)), "filler items; the budget allows 4"),
        (lambda n, m: np.ones(m), "2D|was asked for"),
        (lambda n, m: sp.csr_array((n + 1, m)), "was asked for"),
        (lambda n, m: sp.csr_array((n, m - 1)), "was asked for"),
        (entry(np.nan), "not finite"),
        (entry(np.inf), "not finite"),
        (entry(-np.inf), "not finite"),
        (entry(1j), "complex128"),
        (outside(10**8), r"crafted profiles .* no valid sparse matrix.* column 100000000"),
        (outside(50), r"crafted profiles .* no valid sparse matrix.* column 50"),
        (
            lambda n, m: sp.coo_array(([2.0, 2.0], ([0, 0], [3, 3])), shape=(n, m)),
            "two ratings of one item",
        ),
    ],
)
def test_crafted_profiles_are_checked(craft, message, few):
    with pytest.raises(ValueError, match=message):
        Rogue(craft).fit(few)


@pytest.mark.parametrize(
    ("craft", "expected"),
    [(entry(99), 5), (entry(-3), 1), (entry(2), 2), (entry(True), 1), (entry(np.float32(2.6)), 3)],
)
def test_crafted_ratings_become_levels(craft, expected, few):
    poison = Rogue(craft).fit(few).poison_.toarray()
    assert poison[0, 3] == expected
    assert np.count_nonzero(poison) == 3


def test_dense_profiles_will_do(few):
    poison = Rogue(lambda n, m: np.eye(n, m, k=1) * 3).fit(few).poison_.toarray()
    assert poison[0, 1] == poison[1, 2] == 3


# --- what an attack says of itself ---


def test_attacks_say_what_they_are():
    for cls in ATTACKS.values():
        assert get_tags(cls()).estimator_type == "attack"
    pipeline = make_pipeline(AverageAttackTransformer(), MFRecommender())
    assert get_tags(pipeline).estimator_type == "recommender"
    assert "AverageAttackTransformer" in pipeline._repr_html_()
    assert pickle.loads(pickle.dumps(pipeline)).steps[0][0] == "averageattacktransformer"
