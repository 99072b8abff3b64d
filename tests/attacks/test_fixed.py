"""Profiles that are given."""

import csv

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, check_param_validation

from skrecsec import AverageAttackTransformer, FixedAttackTransformer, MFRecommender
from skrecsec.attacks import load_poison, save_poison
from skrecsec.attacks._fixed import _Given
from skrecsec.experiments import robustness_study
from skrecsec.metrics import RobustnessImprovementScorer, TargetHitRatioScorer
from skrecsec.utils.estimator_checks import attack_checks


@pytest.fixture
def crafted(ratings):
    """Return a fitted attack, whose profiles are given to another."""
    return AverageAttackTransformer(target_items=[4, 9], random_state=0).fit(ratings)


def same(first, second):
    return (sp.csr_array(first) != sp.csr_array(second)).nnz == 0


def write_csv(path, lines, header=("user", "item", "rating")):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return path


# --- as an attack ---


class AnyWidth(FixedAttackTransformer):
    """Has profiles for whatever items there are, as the checks bring them."""

    def _read(self, n_items, item_names):
        return _Given(np.eye(3, n_items) + 1, [0])


def test_estimator_checks_fail_exactly_as_those_of_other_attacks():
    records = check_estimator(AnyWidth(project=True), on_fail=None, on_skip=None)
    failed = {record["check_name"] for record in records if record["status"] == "failed"}
    assert failed == {"check_transformer_general", "check_transformer_data_not_an_array"}
    check_param_validation("AnyWidth", AnyWidth(project=True))


@pytest.mark.parametrize("check", list(attack_checks()))
def test_attack_checks(check):
    check(AnyWidth(project=True))


def test_profiles_are_appended_as_they_are(ratings, crafted):
    attack = FixedAttackTransformer(crafted.poison_, target_items=[9, 4])
    poisoned = attack.fit_transform(ratings)
    assert same(poisoned, crafted.fit_transform(ratings))
    assert same(attack.transform(ratings), ratings)
    assert_array_equal(attack.target_items_, [9, 4])
    assert_array_equal(attack.rating_levels_, crafted.rating_levels_)
    assert attack.n_distinct_profiles_ == crafted.n_distinct_profiles_
    assert attack.known_users_.size == 0
    assert same(clone(attack).fit(ratings).poison_, crafted.poison_)


def test_it_goes_where_attacks_go(ratings, crafted):
    model = MFRecommender(4, max_iter=3, random_state=0)
    fixed = FixedAttackTransformer(crafted.poison_, target_items=[4, 9])
    expected = make_pipeline(crafted, model).fit(ratings)
    pipeline = make_pipeline(fixed, clone(model)).fit(ratings)
    for scorer in TargetHitRatioScorer(k=9), RobustnessImprovementScorer(clone(model), k=9):
        assert scorer(pipeline, ratings) == pytest.approx(scorer(expected, ratings), nan_ok=True)


def test_the_study_takes_it(ratings, crafted):
    study = robustness_study(
        ratings,
        attacks={
            "average": clone(crafted).set_params(target_items=[4, 9]),
            "fixed": FixedAttackTransformer(crafted.poison_, target_items=[4, 9]),
        },
        recommenders={"m": MFRecommender(4, max_iter=3)},
        target_items=[4, 9],
        n_repeats=1,
        k=9,
        random_state=0,
    )
    assert "fixed" in str(study.summary())


# --- where profiles come from ---


@pytest.mark.parametrize("kind", ["array", "list", "csc", "matrix", "bunch", "dict"])
def test_profiles_in_memory(kind, ratings, crafted, tmp_path):
    save_poison(crafted, tmp_path / "poison.npz")
    loaded = load_poison(tmp_path / "poison.npz")
    profiles = {
        "array": crafted.poison_.toarray(),
        "list": crafted.poison_.toarray().tolist(),
        "csc": crafted.poison_.tocsc(),
        "matrix": sp.csr_matrix(crafted.poison_),
        "bunch": loaded,
        "dict": dict(loaded),
    }[kind]
    targets = None if kind in ("bunch", "dict") else [4, 9]
    attack = FixedAttackTransformer(profiles, targets).fit(ratings)
    assert same(attack.poison_, crafted.poison_)
    assert type(attack.poison_) is type(ratings)
    assert_array_equal(attack.target_items_, [4, 9])


@pytest.mark.parametrize("convert", [sp.csr_array, sp.csc_matrix, sp.coo_array, sp.coo_matrix])
@pytest.mark.parametrize("compressed", [True, False])
def test_files_of_scipy(convert, compressed, ratings, crafted, tmp_path):
    path = tmp_path / "published.npz"
    sp.save_npz(path, convert(crafted.poison_), compressed=compressed)
    assert same(FixedAttackTransformer(path, [4, 9]).fit(ratings).poison_, crafted.poison_)
    with pytest.raises(ValueError, match="target_items is None"):
        FixedAttackTransformer(str(path)).fit(ratings)
    with pytest.raises(ValueError, match=r"scipy\.sparse\.save_npz.*FixedAttackTransformer"):
        load_poison(path)


def test_files_of_ours_say_which_items_are_targets(ratings, crafted, tmp_path):
    save_poison(crafted, tmp_path / "poison.npz")
    attack = FixedAttackTransformer(str(tmp_path / "poison.npz")).fit(ratings)
    assert same(attack.poison_, crafted.poison_)
    assert_array_equal(attack.target_items_, [4, 9])
    attack.set_params(target_items=[1]).fit(ratings)
    assert_array_equal(attack.target_items_, [1])
    # What is fixed can be saved again.
    save_poison(attack, tmp_path / "again.npz")
    loaded = load_poison(tmp_path / "again.npz")
    assert loaded.attack == "FixedAttackTransformer"
    assert same(loaded.poison, crafted.poison_)
    assert loaded.known_users.size == 0


def test_wide_indices_of_a_file_are_narrowed(ratings, crafted, tmp_path):
    wide = crafted.poison_.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    sp.save_npz(tmp_path / "wide.npz", wide)
    attack = FixedAttackTransformer(tmp_path / "wide.npz", crafted.target_items_)
    poisoned = attack.fit_transform(ratings)
    assert poisoned.indices.dtype == poisoned.indptr.dtype == np.int32
    assert_array_equal(attack.poison_.toarray(), crafted.poison_.toarray())


def test_csv_files(ratings, tmp_path):
    lines = [("u7", 3, 5, "x"), ("a", 0, 1.0, "y"), ("u7", 89, "2", "z")]
    path = write_csv(tmp_path / "fake.csv", lines, ("user", "item", "rating", "time"))
    poison = FixedAttackTransformer(path, [3]).fit(ratings).poison_.toarray()
    assert poison.shape == (2, 90)
    assert_array_equal(poison[0, [3, 89]], [5, 2])
    assert poison[1, 0] == 1
    assert np.count_nonzero(poison) == 3


def test_names_of_items(ratings, tmp_path):
    names = [f"film {i}" for i in range(90)]
    X = pd.DataFrame(ratings.toarray(), columns=names)
    profiles = pd.DataFrame(np.eye(2, 90) * 5, columns=names)
    attack = FixedAttackTransformer(profiles, target_items=["film 1", "film 0"]).fit(X)
    assert_array_equal(attack.target_items_, [1, 0])
    with pytest.raises(ValueError, match="other columns than X"):
        FixedAttackTransformer(profiles[names[::-1]], [0]).fit(X)
    path = write_csv(tmp_path / "fake.csv", [("a", "film 8", 5), ("a", "film 2", 4)])
    poison = FixedAttackTransformer(path, ["film 8"]).fit(X).poison_.toarray()
    assert_array_equal(np.flatnonzero(poison), [2, 8])
    path = write_csv(tmp_path / "fake.csv", [("a", "8", 5)])
    with pytest.raises(ValueError, match="names '8', which is no column"):
        FixedAttackTransformer(path, [0]).fit(X)


# --- what is refused ---


def test_what_is_not_given():
    with pytest.raises(ValueError, match="profiles is None"):
        FixedAttackTransformer().fit([[1, 2]])
    with pytest.raises(ValueError, match="target_items is None"):
        FixedAttackTransformer([[1, 2]]).fit([[1, 2]])
    with pytest.raises(ValueError, match="'target_items'"):
        FixedAttackTransformer([[1, 2]], "unpopular").fit([[1, 2]])
    with pytest.raises(ValueError, match="with 'poison'"):
        FixedAttackTransformer({"profiles": [[1, 2]]}).fit([[1, 2]])
    with pytest.raises(FileNotFoundError):
        FixedAttackTransformer("no_such_file.npz").fit([[1, 2]])
    with pytest.raises(ValueError, match=r"end in \.npz or \.csv"):
        FixedAttackTransformer("fake.tsv").fit([[1, 2]])


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ([[5.0, 1, 0, 0]], "profiles has 4 items, X has 3"),
        ([[5.0, np.nan, 0]], "NaN"),
        ([[5.0, np.inf, 0]], "infinity"),
        ([[5.0, -1, 0]], "Negative"),
        ([[0.0, 0, 0]], "no ratings"),
        ([5.0, 1, 0], "Expected 2D"),
        (sp.coo_array(([5.0, 3], ([0, 0], [1, 1])), shape=(1, 3)), "more than one rating"),
        ([[5.0, 2, 0]], "rating 2, which is none of the 3 levels of X, from 1 to 5"),
        ([[9.0, 1, 0]], "rating 9, which is none of"),
    ],
)
def test_profiles_that_are_none(profiles, message):
    with pytest.raises(ValueError, match=message):
        FixedAttackTransformer(profiles, [0]).fit([[5, 3, 0], [1, 0, 5]])


def test_indices_outside_of_the_shape_are_refused(ratings):
    profiles = sp.csr_array((2, 90))
    profiles.data, profiles.indices = np.ones(1), np.array([10**6], dtype=np.int32)
    profiles.indptr = np.array([0, 1, 1], dtype=np.int32)
    with pytest.raises(ValueError, match="column 1000000"):
        FixedAttackTransformer(profiles, [0]).fit(ratings)


def test_projection_is_asked_for_but_rounding_is_not():
    X = [[4.1, 3, 0], [1, 0, 5]]
    profiles = np.array([[9.0, 2.4, 0.1]])
    attack = FixedAttackTransformer(profiles, [0], project=True).fit(X)
    assert_array_equal(attack.poison_.toarray(), [[5, 3, 1]])
    single = FixedAttackTransformer(np.float32([[4.1, 0, 3]]), [0]).fit(X)
    assert_array_equal(single.poison_.toarray(), [[4.1, 0, 3]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line must name the columns"),
        ("1,2,3\n", "first line must name the columns"),
        ("user,item,rating\n", "no line has a rating"),
        ("user,item,rating\n1,2\n", "line 2 has no rating"),
        ("user,item,rating\n1,2,five\n", "no rating but 'five'"),
        ("user,item,rating\n1,2,nan\n", "no rating but 'nan'"),
        ("user,item,rating\n1,film,4\n", "must hold indices of items"),
        ("user,item,rating\n1,90,4\n", "item indices from 0 to 89"),
        ("user,item,rating\n1,-1,4\n", "item indices from 0 to 89"),
        ("user,item,rating\n1,1" + "0" * 40 + ",4\n", "item"),
        ("user,item,rating\n1,2,4\n1,2,4\n", "more than one rating"),
        (b"\xff\xfe\x00", "does not hold fake profiles"),
        ('user,item,rating\n"' + "x" * 200_000, "does not hold fake profiles"),
    ],
)
def test_csv_files_that_hold_none(content, message, ratings, tmp_path):
    path = tmp_path / "fake.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        FixedAttackTransformer(path, [0]).fit(ratings)


@pytest.mark.parametrize("convert", [sp.dia_array, sp.bsr_array])
def test_other_formats_of_scipy_are_named(convert, ratings, tmp_path):
    path = tmp_path / "published.npz"
    matrix = convert(np.eye(3, 90))
    sp.save_npz(path, matrix)
    message = f"it is a matrix of the format '{matrix.format}'; save it as CSR"
    with pytest.raises(ValueError, match=f"does not hold fake profiles.*{message}"):
        FixedAttackTransformer(path, [0]).fit(ratings)


def test_other_archives_are_refused(ratings, tmp_path):
    path = tmp_path / "x.npz"
    for write in (
        lambda: np.savez(path, a=np.arange(3)),
        lambda: np.savez(path, format="csr", data=[1.0], shape=[3], indices=[0], indptr=[0, 1]),
        lambda: np.savez(
            path, format="csr", data=[1.0], shape=[1, 90], indices=[91], indptr=[0, 1]
        ),
        lambda: np.savez(path, format="coo", data=[1.0], shape=[1, 90], row=[2**62], col=[0]),
        lambda: np.savez(path, format="coo", data=[1.0], shape=[1, 90], row=[-1], col=[0]),
        lambda: path.write_bytes(b"PK\x03\x04"),
    ):
        write()
        with pytest.raises(ValueError, match="does not hold fake profiles"):
            FixedAttackTransformer(path, [0]).fit(ratings)
