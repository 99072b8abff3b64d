"""Features of profiles, against plain loops, and what must not change them."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_checks

from skrecsec import AverageAttackTransformer
from skrecsec.datasets import make_ratings
from skrecsec.detection import ProfileFeatures
from skrecsec.detection import _feature_statistics as statistics
from skrecsec.detection._features import PRESETS
from skrecsec.utils.estimator_checks import _check_name, _common_checks


def _load(name):
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = _load("plain_features")
NAMES = PRESETS["all"]


def random_ratings(n_users, n_items, density, seed, levels=(1.0, 2.0, 3.0, 4.0, 5.0)):
    rng = np.random.default_rng(seed)
    observed = rng.random((n_users, n_items)) < density
    return np.where(observed, rng.choice(levels, (n_users, n_items)), 0)


def expected_of(profiles, crowd, n_neighbors=25):
    crowd = plain.PlainCrowd(plain.as_profiles(crowd), crowd.shape[1])
    rows = []
    for profile in plain.as_profiles(profiles):
        found = plain.describe_plainly(profile, crowd, n_neighbors)
        assert found is None or set(found) == set(NAMES)
        rows.append([0.0] * len(NAMES) if found is None else [found[name] for name in NAMES])
    return np.array(rows)


def assert_same(got, expected):
    for name, column, wanted in zip(NAMES, got.T, expected.T, strict=True):
        np.testing.assert_allclose(column, wanted, rtol=1e-7, atol=1e-9, err_msg=name)


CROWDS = {
    "usual": random_ratings(70, 30, 0.25, seed=0),
    "wide": random_ratings(12, 60, 0.3, seed=1),
    "half levels": random_ratings(40, 20, 0.4, seed=2, levels=np.arange(0.5, 5.5, 0.5)),
    "thin": random_ratings(50, 40, 0.04, seed=3),
    "one level": random_ratings(30, 20, 0.3, seed=4, levels=[4.0]),
    "two users": random_ratings(2, 10, 0.7, seed=5),
}


@pytest.mark.parametrize("kind", CROWDS)
@pytest.mark.parametrize("n_neighbors", [25, 3])
def test_features_of_the_crowd_are_those_of_plain_loops(kind, n_neighbors):
    X = CROWDS[kind]
    got = ProfileFeatures(n_neighbors=n_neighbors).fit_transform(X)
    assert_same(got, expected_of(X, X, n_neighbors))


def test_new_profiles_are_held_against_the_crowd():
    X = CROWDS["usual"].copy()
    X[:, [3, 17]] = 0  # nobody has rated these
    Z = random_ratings(20, 30, 0.3, seed=6)
    Z[0], Z[1], Z[2] = X[5], 0, 0  # of the crowd; nothing; what nobody has rated
    Z[2, 3] = 5
    fitted = ProfileFeatures().fit(X)
    assert_same(fitted.transform(Z), expected_of(Z, X))
    assert_same(fitted.transform(Z[[7]]), expected_of(Z[[7]], X))
    between = np.where(Z > 0, Z - 0.2, 0)  # none of the levels
    assert_same(fitted.transform(between), expected_of(between, X))


def test_of_equal_profiles_one_is_the_profile_itself():
    X = CROWDS["usual"].copy()
    X[10:14] = X[9]  # five of them
    X[20] = X[19]
    X[20, X[20].argmax()] = 1  # the same items, one of them rated differently
    got = ProfileFeatures().fit(X)
    assert_same(got.transform(X), expected_of(X, X))
    overlap = got.transform(X)[:, NAMES.index("overlap_1")]
    np.testing.assert_array_equal(overlap[[9, 13, 19, 20]], 1)
    assert overlap[0] < 1


def test_profiles_without_ratings_have_zeros_throughout():
    X = np.vstack([CROWDS["usual"], np.zeros((3, 30))])
    features = ProfileFeatures().fit_transform(X)
    np.testing.assert_array_equal(features[-3:], 0)
    assert features[:-3].any(axis=1).all()


def test_by_hand():
    X = np.array([[5, 1, 0, 0], [5, 3, 4, 0], [2, 0, 4, 0], [0, 0, 0, 3.0]])
    features = ProfileFeatures(
        ["rdma", "wda", "fmtd_push", "tmf_push", "mud", "rud", "overlap_1"]
    ).fit_transform(X)
    # Means 4, 2, 4, 3 of 3, 2, 2, 1 ratings.
    rdma = [(1 / 3 + 1 / 2) / 2, (1 / 3 + 1 / 2 + 0) / 3, (2 / 3 + 0) / 2, 0]
    np.testing.assert_allclose(features[:, 0], rdma)
    np.testing.assert_allclose(features[:, 1], np.multiply(rdma, [2, 3, 2, 1]))
    np.testing.assert_allclose(features[:, 2], [4, 1.5, 2, 0])
    np.testing.assert_allclose(features[:, 3], [2 / 4, 2 / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(features[:, 4], [2.5, 7 / 3, 2.5, 1])
    np.testing.assert_allclose(features[:, 5], [1, 1, 1, 0])
    np.testing.assert_allclose(features[:, 6], [2 / 3, 2 / 3, 2 / 3, 0])


# --------------------------------------------------------------------------- what changes nothing


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from(["none", "rank"]))
def test_order_does_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    X = random_ratings(int(rng.integers(2, 40)), 15, rng.uniform(0.1, 0.8), seed)
    X[0, 0] = 3
    features = ProfileFeatures(scale=scale).fit_transform(X)
    rows, columns = rng.permutation(X.shape[0]), rng.permutation(15)
    again = ProfileFeatures(scale=scale).fit_transform(X[rows][:, columns])
    np.testing.assert_allclose(again, features[rows], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", ["none", "rank"])
def test_each_profile_is_described_by_itself(scale):
    X = make_ratings(150, 90, density=0.1, random_state=0)
    fitted = ProfileFeatures(scale=scale).fit(X)
    whole = fitted.transform(X)
    np.testing.assert_array_equal(ProfileFeatures(scale=scale).fit_transform(X), whole)
    np.testing.assert_allclose(fitted.transform(X[[7, 3]]), whole[[7, 3]], rtol=1e-9, atol=1e-12)


def test_mean_popularity_does_not_depend_on_the_length():
    X = np.zeros((40, 20))
    X[:, :12] = random_ratings(40, 12, 0.5, seed=8)
    short, long = np.zeros(20), np.zeros(20)
    X[:30, 0:12] = 4  # these items are equally popular
    X[30:, 0:12] = 0
    short[:2], long[:12] = 4, 4
    got = ProfileFeatures("degree").fit(X).transform(np.array([short, long]))
    np.testing.assert_array_equal(got, [[30, 0, 30], [30, 0, 30]])


def test_fillers_and_targets_are_compared_by_own_ratings():
    X = CROWDS["usual"]
    mine = (X[0] > 0).nonzero()[0]
    others = X.copy()
    others[1:, mine] = np.where(others[1:, mine] > 0, 6 - others[1:, mine], 0)
    names = [f"fmtd_{goal}" for goal in ("push", "nuke")]
    before = ProfileFeatures(names).fit_transform(X)[0]
    np.testing.assert_array_equal(ProfileFeatures(names).fit_transform(others)[0], before)


def test_push_and_nuke_mirror_each_other():
    X = CROWDS["usual"]
    names = ("fmtd", "fmv", "fmd", "fac", "tmf")
    push = ProfileFeatures([f"{name}_push" for name in names]).fit_transform(X)
    nuke = ProfileFeatures([f"{name}_nuke" for name in names]).fit_transform(
        np.where(X > 0, 6 - X, 0)
    )
    np.testing.assert_allclose(push, nuke, atol=1e-12)


# ------------------------------------------------------------------------------------------- ranks


def test_ranks_are_shares_of_the_crowd():
    X = CROWDS["usual"]
    plainly = ProfileFeatures().fit(X)
    values, ranked = plainly.transform(X), ProfileFeatures(scale="rank").fit(X)
    Z = random_ratings(15, 30, 0.2, seed=9)
    new = plainly.transform(Z)
    got = ranked.transform(Z)
    for column in range(len(NAMES)):
        crowd = values[:, column]
        tiny = 1e-9 * np.abs(crowd).max()
        for row, value in enumerate(new[:, column]):
            less = sum(other < value - tiny for other in crowd)
            equal = sum(abs(other - value) <= tiny for other in crowd)
            assert got[row, column] == pytest.approx((less + equal / 2) / len(crowd))


def test_ranks_do_not_depend_on_units():
    X = CROWDS["half levels"]
    ranks = ProfileFeatures(scale="rank").fit_transform(X)
    np.testing.assert_allclose(ProfileFeatures(scale="rank").fit_transform(2 * X), ranks)
    assert ranks.min() >= 0
    assert ranks.max() <= 1


# ----------------------------------------------------------------------------- names, sets, checks


def test_families_return_what_they_say():
    X = sp.csr_array(CROWDS["usual"])
    crowd = statistics.Crowd.of(X)
    profiles = statistics.Profiles(X, crowd)
    for names, function in statistics.FAMILIES.items():
        assert tuple(function(profiles, crowd)) == names
    assert len(set(NAMES)) == len(NAMES)
    assert all(set(names) <= set(NAMES) for names in PRESETS.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_sets_are_parts_of_the_whole(preset):
    X = CROWDS["usual"]
    part = ProfileFeatures(preset).fit(X)
    whole = pd.DataFrame(ProfileFeatures().fit_transform(X), columns=NAMES)
    assert part.get_feature_names_out().tolist() == list(PRESETS[preset])
    np.testing.assert_array_equal(part.transform(X), whole[list(PRESETS[preset])])


def test_names_and_sets_may_be_mixed():
    fitted = ProfileFeatures(["rud", "degree", "overlap_1"]).fit(CROWDS["usual"])
    assert fitted.get_feature_names_out().tolist() == ["rud", "mud", "qud", "overlap_1"]


@pytest.mark.parametrize("features", [["mudd"], [3], [], "nothing", 3])
def test_unknown_features_are_refused(features):
    with pytest.raises(ValueError, match="features"):
        ProfileFeatures(features).fit(CROWDS["usual"])


def test_other_items_are_refused():
    fitted = ProfileFeatures("degree").fit(CROWDS["usual"])
    with pytest.raises(ValueError, match="30 features"):
        fitted.transform(CROWDS["usual"][:, 1:])


def test_data_frames():
    X = pd.DataFrame(CROWDS["usual"], columns=[f"film {i}" for i in range(30)])
    X.index = [f"user {u}" for u in range(len(X))]
    frame = ProfileFeatures("degree").set_output(transform="pandas").fit_transform(X)
    assert list(frame.columns) == ["mud", "rud", "qud"]
    assert frame.index.equals(X.index)
    with pytest.raises(ValueError, match="input_features"):
        ProfileFeatures("degree").fit(X).get_feature_names_out(["something else"] * 30)


def test_what_is_learned_belongs_to_the_caller():
    fitted = ProfileFeatures().fit(CROWDS["usual"])
    before = fitted.transform(CROWDS["usual"])
    for name in ("item_counts_", "item_means_", "rating_levels_"):
        getattr(fitted, name)[:] = 7
    np.testing.assert_array_equal(fitted.transform(CROWDS["usual"]), before)


@pytest.mark.filterwarnings("ignore:X (does not have|has) .*feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_global_output_transform_pandas,
    ],
)
def test_checks_that_scikit_learn_runs_on_its_own(check):
    check("ProfileFeatures", ProfileFeatures())


@pytest.mark.parametrize("check", list(_common_checks()), ids=_check_name)
@pytest.mark.parametrize("scale", ["none", "rank"])
def test_checks_of_what_takes_ratings(check, scale):
    check(ProfileFeatures(scale=scale))


def test_a_classifier_learns_from_simulated_attacks_what_fakes_are_like():
    def labeled(seed):
        X = make_ratings(300, 200, density=0.1, random_state=seed)
        poisoned = AverageAttackTransformer(random_state=seed).fit_transform(X)
        return poisoned, np.arange(poisoned.shape[0]) >= X.shape[0]

    X, y = labeled(0)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    pipeline = make_pipeline(ProfileFeatures(scale="rank"), tree).fit(X, y)
    assert pipeline.score(X, y) > 0.99
    # Another crowd is described in its own terms.
    X, y = labeled(1)
    features = ProfileFeatures(scale="rank").fit_transform(X)
    assert tree.predict(features)[y].mean() > 0.8
    assert tree.predict(features)[~y].mean() < 0.02
