"""`robustness_study`: what it computes, that it does nothing twice, and that order is nothing."""

import operator
import os
import re
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from joblib._parallel_backends import ThreadingBackend
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.parallel import Parallel, delayed

import skrecsec
from skrecsec import (
    AverageAttackTransformer,
    CoAttackTransformer,
    MFRecommender,
    RandomAttackTransformer,
    TCDRecommender,
)
from skrecsec.base import BaseRecommender
from skrecsec.experiments import _running, _units, robustness_study
from skrecsec.experiments._plan import Plan, seeds_of_repeats
from skrecsec.experiments._progress import Progress, as_duration
from skrecsec.experiments._units import Unit
from skrecsec.metrics import (
    hit_ratio_score,
    ndcg_score,
    rank_shift,
    robustness_improvement_score,
    target_hit_ratio_score,
)
from skrecsec.model_selection import leave_one_out_split

ATTACKS = {
    "Average": AverageAttackTransformer(),
    "CoAttack": CoAttackTransformer(n_factors=8, max_iter=3),
}
RECOMMENDERS = {"MF": MFRecommender(8), "TCD": TCDRecommender(8, max_iter=7)}
N_UNITS = 2 * (2 + 2 + 2 * 2)  # of two repeats
MEASURED = ("seconds", "peak_memory", "attack_seconds")


class PopularityRecommender(BaseRecommender):
    """Has no user factors, and counts its fits."""

    fits = []

    def fit(self, X, y=None):
        self.counts_ = np.bincount(X.indices, minlength=X.shape[1]).astype(float)
        self.n_features_in_ = X.shape[1]
        self.fits.append(X.shape[0])
        return self

    def _score_profiles(self, X):
        return np.tile(self.counts_, (X.shape[0], 1))


class AnyRecommender(PopularityRecommender):
    """Has a parameter that can be anything."""

    def __init__(self, anything=None):
        self.anything = anything


def study(X, **options):
    defaults = {"attacks": ATTACKS, "recommenders": RECOMMENDERS, "n_repeats": 2, "k": 10}
    return robustness_study(X, **{**defaults, "random_state": 0, **options})


def figures(result):
    """Return all that has to be the same, down to the last bit."""
    records = [{k: v for k, v in r.items() if k not in MEASURED} for r in result.records]
    shifts = [
        [part.tobytes() for part in result.rank_shifts(attack, recommender, repeat=repeat)]
        for attack in result.attacks[1:]
        for recommender in result.recommenders
        for repeat in range(result.n_repeats)
    ]
    # As text, since NaN is not equal to itself; repr tells all floats apart.
    return repr(records), shifts, [targets.tolist() for targets in result.target_items]


@pytest.fixture(scope="module")
def expected(ratings):
    return study(ratings)


# --- what is computed -----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["in_sample", "fold_in"])
def test_figures_are_those_of_the_public_functions(ratings, protocol):
    result = study(ratings, protocol=protocol)
    assert result.attacks == ["clean", "Average", "CoAttack"]
    assert [(r["repeat"], r["attack"], r["recommender"]) for r in result.records] == [
        (repeat, attack, recommender)
        for repeat in (0, 1)
        for attack in result.attacks
        for recommender in RECOMMENDERS
    ]
    records = {(r["attack"], r["recommender"]): r for r in result.records if r["repeat"] == 1}
    seeds = seeds_of_repeats(0, 2)[1]
    X, y = leave_one_out_split(ratings, random_state=seeds.split)
    targets = result.target_items[1]
    scores = {}
    for attack in result.attacks:
        training = X
        if attack != "clean":
            transformer = clone(ATTACKS[attack]).set_params(random_state=seeds.attack)
            training = transformer.fit_transform(X)
            assert_array_equal(transformer.target_items_, targets)
        for name, recommender in RECOMMENDERS.items():
            recommender = clone(recommender).set_params(random_state=seeds.recommender)
            predicted = recommender.fit_predict(training)[: X.shape[0]]
            if protocol == "fold_in":
                predicted = recommender.predict(X)
            scores[attack, name] = predicted
            record = records[attack, name]
            assert record["test_hr"] == hit_ratio_score(y, predicted, k=10, seen=X)
            assert record["ndcg"] == ndcg_score(y, predicted, k=10, seen=X)
            assert record["target_hr"] == target_hit_ratio_score(predicted, targets, k=10, seen=X)
    for attack in ATTACKS:
        for name in RECOMMENDERS:
            shifts = rank_shift(scores["clean", name], scores[attack, name], targets, seen=X)
            shifts = np.sort(shifts[~np.isnan(shifts)])
            assert_array_equal(np.repeat(*result.rank_shifts(attack, name, repeat=1)), shifts)
            record = records[attack, name]
            assert record["rank_shift"] == pytest.approx(shifts.mean())
            expected_ri = robustness_improvement_score(
                records["clean", "MF"]["target_hr"],
                records[attack, "MF"]["target_hr"],
                record["target_hr"],
            )
            assert record["ri"] == expected_ri
            assert record["seconds"] > 0
            assert record["attack_seconds"] > 0
            assert np.isnan(record["peak_memory"]) or 10 < record["peak_memory"] < 1e5
    assert all(np.isnan(records["clean", "MF"][key]) for key in ("ri", "rank_shift"))


def test_repeats_differ_and_random_state_decides(ratings, expected):
    assert expected.target_items[0].tolist() != expected.target_items[1].tolist()
    assert figures(study(ratings, random_state=1)) != figures(expected)
    by_instance = study(ratings, random_state=np.random.RandomState(0))
    assert figures(by_instance) == figures(expected)


def test_seeds_do_not_depend_on_the_number_of_repeats():
    assert seeds_of_repeats(3, 5)[:2] == seeds_of_repeats(3, 2)
    assert len({seed for repeat in seeds_of_repeats(3, 5) for seed in repeat}) == 15


def test_a_given_split_and_given_targets(ratings):
    X, y = leave_one_out_split(ratings, random_state=7)
    targets = [11, 3]
    result = study(X, y=y, target_items=targets, recommenders={"MF": MFRecommender(8)})
    assert [t.tolist() for t in result.target_items] == [targets, targets]
    seeds = seeds_of_repeats(0, 1)[0]
    predicted = MFRecommender(8, random_state=seeds.recommender).fit_predict(X)
    assert result.records[0]["test_hr"] == hit_ratio_score(y, predicted, k=10, seen=X)
    expected_hr = target_hit_ratio_score(predicted, targets, k=10, seen=X)
    assert result.records[0]["target_hr"] == expected_hr


def test_held_out_items_may_be_targets_or_missing(ratings):
    X, y = leave_one_out_split(ratings, random_state=7)
    y[:50] = -1
    targets = [y[60], y[61]]
    result = study(X, y=y, target_items=targets, n_repeats=1)
    seeds = seeds_of_repeats(0, 1)[0]
    predicted = MFRecommender(8, random_state=seeds.recommender).fit_predict(X)
    assert result.records[0]["test_hr"] == hit_ratio_score(y, predicted, k=10, seen=X)


@pytest.mark.parametrize("to_format", [sp.csr_matrix, sp.coo_array, lambda X: X.toarray()])
def test_formats_of_the_ratings(ratings, expected, to_format):
    X = to_format(ratings)
    before = X.copy()
    assert figures(study(X)) == figures(expected)
    assert abs(X - before).sum() == 0


def test_working_memory_does_not_matter(ratings, expected):
    import sklearn

    with sklearn.config_context(working_memory=0.01):
        result = study(ratings)
    for one, other in zip(result.records, expected.records, strict=True):
        assert one["target_hr"] == pytest.approx(other["target_hr"])


@pytest.mark.parametrize(("n_items", "dtype"), [(128, "int8"), (129, "int16"), (2**16, "int32")])
def test_ranks_fit_into_what_they_are_kept_in(n_items, dtype):
    ranks = np.array([-1, n_items - 1])
    assert _units._compact(ranks, n_items).dtype == dtype
    assert_array_equal(_units._compact(ranks, n_items), ranks)


def test_estimators_are_left_alone(ratings):
    attack, recommender = AverageAttackTransformer(target_items=[1]), MFRecommender(4)
    study(ratings, attacks={"A": attack}, recommenders={"MF": recommender}, n_repeats=1)
    assert attack.target_items == [1]
    assert recommender.random_state is None
    assert not hasattr(recommender, "item_factors_")


def test_recommenders_without_user_factors_and_nested_seeds(ratings):
    recommenders = {
        "popularity": PopularityRecommender(),
        "nested": make_pipeline(MFRecommender(4)),
    }
    first, second = (study(ratings, recommenders=recommenders) for _ in range(2))
    assert figures(first) == figures(second)
    assert first.baseline == "popularity"


def test_in_sample_empty_profiles_are_folded_in(ratings):
    """Nothing was learned of them."""
    X = sp.csr_array(sp.vstack([ratings[:3], sp.csr_array((1, ratings.shape[1])), ratings[3:]]))
    model = MFRecommender(4, max_iter=3, random_state=0).fit(X)
    rows = np.array([3, 5])
    scores = _units._row_scores(model, X, "in_sample")(rows)
    assert_array_equal(scores[0], model.predict(X[[3]])[0])
    assert_array_equal(scores[1], model.predict_training_rows(rows)[1])
    assert not np.array_equal(scores[0], model.predict_training_rows(rows)[0])


def test_an_error_says_where_it_happened(ratings):
    attacks = {"huge": RandomAttackTransformer(n_fillers=10_000)}
    with pytest.raises(ValueError, match="n_fillers=10000") as error:
        study(ratings, attacks=attacks)
    assert "repeat 0, crafting huge" in error.value.__notes__[0]


# --- once, in any order, anywhere -----------------------------------------------------------------


def test_nothing_is_fitted_twice(ratings, monkeypatch):
    monkeypatch.setattr(PopularityRecommender, "fits", [])
    monkeypatch.setattr(_units, "_kept", threading.local())
    crafted = []
    craft = AverageAttackTransformer._craft_profiles
    monkeypatch.setattr(
        AverageAttackTransformer,
        "_craft_profiles",
        lambda *args: crafted.append(1) or craft(*args),
    )
    attacks = {"a": AverageAttackTransformer(), "b": AverageAttackTransformer(knowledge=0.2)}
    recommenders = {"P": PopularityRecommender(), "MF": MFRecommender(4)}
    study(ratings, attacks=attacks, recommenders=recommenders, n_repeats=3)
    assert len(crafted) == 3 * 2
    # The small one is the fit before the first, which is not timed.
    assert sorted(PopularityRecommender.fits) == [20] + [120] * 3 + [123] * 6


@pytest.fixture
def two_processes():
    """Have two workers, which share the ratings by a file, as loky does it from a megabyte on."""
    with joblib.parallel_config("loky", n_jobs=2, max_nbytes=100):
        yield


def test_two_workers_give_the_same_bits(ratings, expected, two_processes):
    assert figures(study(ratings)) == figures(expected)
    # With a given split, fits get the very arrays that are shared.
    X, y = leave_one_out_split(ratings, random_state=7)
    one_process = study(X, y=y, protocol="fold_in", n_jobs=1)
    assert figures(study(X, y=y, protocol="fold_in", n_jobs=2)) == figures(one_process)


def test_shared_ratings_can_be_written_to(two_processes):
    is_writeable = operator.attrgetter("flags.writeable")
    with _running._make_parallel(None) as parallel:
        assert all(parallel([delayed(is_writeable)(np.zeros(1000))] * 2))


def test_threads(ratings, expected):
    with joblib.parallel_config("threading", n_jobs=2):
        assert figures(study(ratings)) == figures(expected)


class NoGeneratorBackend(ThreadingBackend):
    """A backend that, like that of Ray, cannot hand over results one by one."""

    supports_return_generator = False


def test_backends_without_generators(ratings, expected, monkeypatch):
    joblib.register_parallel_backend("no-generator", NoGeneratorBackend)
    monkeypatch.setattr(_running, "_PORTION", 2)
    with joblib.parallel_config("no-generator", n_jobs=2):
        assert figures(study(ratings)) == figures(expected)


def test_waves_of_any_size(ratings, expected, monkeypatch):
    sizes = []
    run = _running._Runner.run
    monkeypatch.setattr(
        _running._Runner,
        "run",
        lambda self, units, done: sizes.append(len(units)) or run(self, units, done),
    )
    monkeypatch.setattr("skrecsec.experiments._plan._UNITS_PER_WORKER", 1)
    assert figures(study(ratings)) == figures(expected)
    assert sizes == [4, 4 + 4, 4]


@pytest.mark.parametrize(("n_workers", "size"), [(1, 7), (2, 13), (200, 30)])
def test_waves_suit_the_number_of_workers(ratings, n_workers, size):
    options = {"target_items": "random", "n_targets": 1, "n_repeats": 30, "k": 1}
    plan = Plan(
        ratings, None, ATTACKS, RECOMMENDERS, protocol="in_sample", random_state=0, **options
    )
    waves = list(plan.waves(n_workers))
    assert len(waves[0]) == size
    assert [repeat for wave in waves for repeat in wave] == list(range(30))


@pytest.mark.slow
def test_a_dask_cluster(ratings, expected):
    distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        result = study(ratings)
    assert figures(result) == figures(expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # Ray's own
def test_a_ray_cluster(ratings, expected, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
    try:
        with joblib.parallel_config("ray", n_jobs=2):
            backend, _ = joblib.parallel.get_active_backend()
            assert type(backend).__module__.startswith("ray.")
            result = study(ratings)
    finally:
        ray.shutdown()
    assert figures(result) == figures(expected)


# --- records --------------------------------------------------------------------------------------


def test_a_second_run_does_nothing(ratings, expected, tmp_path, done):
    first = study(ratings, cache_dir=tmp_path)
    assert len(done) == len(set(done)) == N_UNITS == len(list(tmp_path.iterdir()))
    done.clear()
    second = study(ratings, cache_dir=str(tmp_path))
    assert not done
    assert figures(first) == figures(second) == figures(expected)
    for key in MEASURED:
        assert_array_equal(*([r[key] for r in s.records] for s in (first, second)))


def test_part_of_the_records(ratings, expected, tmp_path, done):
    study(ratings, cache_dir=tmp_path)
    names = sorted(tmp_path.iterdir())
    for path in names[::3]:
        path.unlink()
    done.clear()
    assert figures(study(ratings, cache_dir=tmp_path)) == figures(expected)
    assert len(done) == len(names[::3])


def test_extending_a_study_reuses_all_of_it(ratings, tmp_path, done):
    small = {"attacks": {"a": AverageAttackTransformer()}, "recommenders": {"MF": MFRecommender(4)}}
    study(ratings, cache_dir=tmp_path, **small)
    done.clear()
    larger = {
        "attacks": {"new": RandomAttackTransformer(), "renamed": AverageAttackTransformer()},
        "recommenders": {"other": MFRecommender(5), "MF too": MFRecommender(4)},
    }
    study(ratings, cache_dir=tmp_path, n_repeats=3, **larger)
    assert {unit for unit in done if unit.repeat < 2} == {
        Unit(repeat, attack, recommender)
        for repeat in (0, 1)
        for attack, recommender in [
            ("new", None),
            (None, "other"),
            ("new", "other"),
            ("new", "MF too"),
            ("renamed", "other"),
        ]
    }
    assert len(done) == 2 * 5 + 8


def changed_rating(X):
    X = X.copy()
    X.data[5] = 1 if X.data[5] > 1 else 2
    return X


def changed_item(X):
    X = X.tolil()
    rated = list(X.rows[0])
    free = next(item for item in range(X.shape[1]) if item not in rated)
    X[0, free] = X[0, rated[0]]
    X[0, rated[0]] = 0
    return X.tocsr()


@pytest.mark.parametrize(
    ("change", "n_redone"),
    [
        ({"k": 11}, 2),
        ({"protocol": "fold_in"}, 2),
        ({"random_state": 1}, 3),
        ({"target_items": "random"}, 3),
        ({"target_items": [1, 2, 3]}, 3),
        ({"n_targets": 4}, 3),
        ({"attacks": {"a": AverageAttackTransformer(knowledge=0.41)}}, 2),
        ({"recommenders": {"MF": MFRecommender(4, learning_rate=0.02)}}, 2),
        ({"recommenders": {"MF": TCDRecommender(4, max_iter=7)}}, 2),
        ({"X": changed_rating}, 3),
        ({"X": changed_item}, 3),
        ({"X": lambda X: sp.csr_array((X.data, X.indices, X.indptr), shape=(120, 91))}, 3),
        ({"attacks": {"a": AverageAttackTransformer(random_state=3)}}, 0),
        ({"attacks": {"a": AverageAttackTransformer(target_items=[7])}}, 3),
        ({"target_items": "unpopular", "n_targets": 5}, 0),
        ({"baseline": "MF"}, 0),
        ({"n_jobs": 1}, 0),
        ({"X": lambda X: sp.csr_matrix(X)}, 0),
    ],
)
def test_what_a_change_makes_stale(ratings, tmp_path, done, change, n_redone):
    options = {
        "attacks": {"a": AverageAttackTransformer()},
        "recommenders": {"MF": MFRecommender(4)},
        "n_repeats": 1,
        "cache_dir": tmp_path,
    }
    study(ratings, **options)
    done.clear()
    change_ratings = change.pop("X", lambda X: X)
    study(change_ratings(ratings), **{**options, **change})
    assert len(done) == n_redone


def test_a_given_split_is_part_of_the_name(ratings, tmp_path, done):
    X, y = leave_one_out_split(ratings, random_state=7)
    options = {"n_repeats": 1, "cache_dir": tmp_path}
    study(X, y=y, **options)
    done.clear()
    study(X, **options)
    assert len(done) == N_UNITS // 2
    done.clear()
    study(X, y=y, **options)
    assert not done
    y = y.copy()
    y[3] = -1
    study(X, y=y, **options)
    assert len(done) == N_UNITS // 2


def test_repeats_of_what_has_no_seed_are_told_apart(ratings, tmp_path):
    options = {"recommenders": {"P": PopularityRecommender()}, "target_items": [1, 2]}
    result = study(ratings, cache_dir=tmp_path, **options)
    assert figures(result) == figures(study(ratings, **options))
    assert len(records_in(tmp_path)) == 2 * (2 + 1 + 2)


def test_another_version_finds_nothing(ratings, tmp_path, done, monkeypatch):
    study(ratings, cache_dir=tmp_path)
    done.clear()
    monkeypatch.setattr("skrecsec.__version__", "99")
    study(ratings, cache_dir=tmp_path)
    assert len(done) == N_UNITS


def test_the_version_counts_for_estimators_from_elsewhere_too(ratings):
    options = {"target_items": "random", "n_targets": 1, "n_repeats": 1, "k": 1, "random_state": 0}
    recommenders = {"P": PopularityRecommender()}
    plan = Plan(ratings, None, ATTACKS, recommenders, protocol="in_sample", **options)
    assert plan.description(Unit(0, None, "P"))["skrecsec"] == skrecsec.__version__


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "swap"])
def test_damage_is_noticed_and_mended(ratings, expected, tmp_path, done, damage):
    study(ratings, cache_dir=tmp_path)
    done.clear()
    paths = sorted(tmp_path.iterdir())
    for path in paths[:2]:
        content = bytearray(path.read_bytes())
        if damage == "cut":
            content = content[:-1]
        elif damage == "flip":
            content[-20] ^= 1
        elif damage == "empty":
            content = b""
        else:
            content = paths[5].read_bytes()
        path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged") as warned:
        result = study(ratings, cache_dir=tmp_path)
    assert len([w for w in warned if "is damaged" in str(w.message)]) == 2
    assert figures(result) == figures(expected)
    assert len(done) == 2
    done.clear()
    study(ratings, cache_dir=tmp_path)
    assert not done


SCRIPT = """
import sys
from skrecsec import *
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study
robustness_study(
    make_ratings(120, 90, density=0.2, random_state=0),
    attacks={
        "Average": AverageAttackTransformer(),
        "CoAttack": CoAttackTransformer(n_factors=8, max_iter=3),
    },
    recommenders={"MF": MFRecommender(8), "TCD": TCDRecommender(8, max_iter=7)},
    k=10,
    random_state=0,
    cache_dir=sys.argv[1],
    n_repeats=400,
)
"""


def records_in(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*.record")}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_killed_and_run_again(ratings, expected, tmp_path, done):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while len(records_in(tmp_path)) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    survived = records_in(tmp_path)
    assert len(survived) >= 6
    result = study(ratings, cache_dir=tmp_path)
    assert figures(result) == figures(expected)
    # None that had been finished was done again: all records of before are the same files.
    after = records_in(tmp_path)
    assert after.items() >= survived.items()
    assert len(done) == len(after) - len(survived)
    assert 0 < len(done) < N_UNITS or len(survived) >= N_UNITS


def test_two_processes_share_a_folder(ratings, expected, tmp_path, done, two_processes):
    options = {"attacks": ATTACKS, "recommenders": RECOMMENDERS, "n_repeats": 2, "k": 10}
    options |= {"random_state": 0, "cache_dir": tmp_path, "n_jobs": 1}
    studies = Parallel()([delayed(robustness_study)(ratings, **options)] * 2)
    assert [figures(result) for result in studies] == [figures(expected)] * 2
    assert len(records_in(tmp_path)) == len(list(tmp_path.iterdir())) == N_UNITS
    assert figures(study(ratings, cache_dir=tmp_path, n_jobs=1)) == figures(expected)
    assert not done


# --- progress -------------------------------------------------------------------------------------


def test_progress_goes_to_stderr(ratings, tmp_path, capsys):
    study(ratings, cache_dir=tmp_path)
    assert capsys.readouterr() == ("", "")
    study(ratings, n_repeats=3, cache_dir=tmp_path, verbose=2)
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert len(lines) == 24
    assert lines[0].startswith("[robustness_study] 1 of 24 units done (1 found in cache_dir)")
    assert any(re.search(r"about \d+ s left; repeat 2, crafting CoAttack: \d", x) for x in lines)
    assert "; repeat 0, TCD on Average: found" in output.err
    study(ratings, n_repeats=3, cache_dir=tmp_path, verbose=1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("[robustness_study] 24 of 24 units done (24 found in cache_dir)")
    assert "left" not in lines[1]


def test_the_time_left_weighs_units_by_their_kind():
    now = [0.0]
    units = [
        Unit(repeat, attack, recommender)
        for repeat in range(3)
        for attack, recommender in [("a", None), (None, "fast"), (None, "slow"), ("a", "slow")]
    ]
    progress = Progress(units, verbose=0, clock=lambda: now[0])
    assert progress.seconds_left() is None
    # Two workers: what takes 10 + 1 + 100 + 100 seconds is done in half of that.
    for unit, seconds in zip(units[:3], [10.0, 1.0, 100.0], strict=True):
        progress.finish(unit, seconds, cached=False)
        now[0] += seconds / 2
    # Of the kind ("a", "slow") nothing is known; it is taken to be like (None, "slow").
    left = 2 * (10 + 1 + 100) + 3 * 100
    assert progress.seconds_left() == pytest.approx(left / 2)
    # What is found tells how long such units take, and not how fast this process is.
    progress.finish(units[3], 40.0, cached=True)
    left = 2 * (10 + 1 + 100 + 40)
    assert progress.seconds_left() == pytest.approx(left / 2)


def test_durations_in_words():
    assert as_duration(59.4) == "59 s"
    assert as_duration(59.6) == "1 min 0 s"
    assert as_duration(3600) == "1 h 0 min"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": [AverageAttackTransformer()]}, "'attacks' parameter"),
        ({"attacks": {}}, "attacks is empty"),
        ({"attacks": {"clean": AverageAttackTransformer()}}, "attacks: 'clean'"),
        ({"attacks": {3: AverageAttackTransformer()}}, "attacks must have strings as names"),
        ({"attacks": {"MF": MFRecommender()}}, r"attacks\['MF'\] must be an attack transformer"),
        ({"attacks": {"a": AverageAttackTransformer}}, r"attacks\['a'\] must be an attack"),
        ({"attacks": {"a": AverageAttackTransformer(knowledge=2)}}, r"attacks\['a'\].*'knowledge'"),
        ({"recommenders": {}}, "recommenders is empty"),
        ({"recommenders": {"a": MFRecommender}}, r"recommenders\['a'\] must be a recommender"),
        ({"recommenders": {"a": "MF"}}, r"recommenders\['a'\] must be a recommender"),
        ({"recommenders": {"a": MFRecommender(0)}}, r"recommenders\['a'\].*'n_factors'"),
        ({"target_items": "best"}, "'target_items' parameter"),
        ({"target_items": [90]}, "target_items must hold item indices from 0 to 89"),
        ({"target_items": [3, 3]}, "target_items must be distinct"),
        ({"n_targets": 0}, "'n_targets' parameter"),
        ({"n_repeats": 0}, "'n_repeats' parameter"),
        ({"k": 1.5}, "'k' parameter"),
        ({"protocol": "out"}, "'protocol' parameter"),
        ({"baseline": "AT"}, "baseline must be the name of a recommender, 'MF', 'TCD', got 'AT'"),
        ({"y": np.zeros(7, dtype=int)}, "y must hold one held-out item per row"),
        ({"y": np.full(120, -1)}, "y holds out no item"),
        ({"y": np.full(120, 90)}, "y must hold item indices from 0 to 89"),
        ({"n_jobs": 0}, "n_jobs must be"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
        ({"cache_dir": 3}, "'cache_dir' parameter"),
        ({"verbose": "yes"}, "'verbose' parameter"),
        ({"X": sp.eye_array(8).tocsr()}, "X has no user with at least two ratings"),
        ({"X": [[1, -2]]}, "ratings must be positive"),
    ],
)
def test_bad_arguments_are_refused_at_once(ratings, monkeypatch, options, message):
    monkeypatch.setattr(_running, "run_task", None)
    with pytest.raises(ValueError, match=message):
        study(options.pop("X", ratings), **options)


def test_a_file_as_cache_dir_is_refused(ratings, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"cache_dir=.* is not a folder"):
            study(ratings, cache_dir=path)


def test_what_cannot_be_described_is_refused_before_anything_is_done(ratings, tmp_path, done):
    recommenders = {"MF": MFRecommender(), "P": AnyRecommender(object())}
    with pytest.raises(ValueError, match=r"recommenders\['P'\].anything is of type object"):
        study(ratings, recommenders=recommenders, cache_dir=tmp_path / "cache")
    assert not done
    assert not (tmp_path / "cache").exists()


def test_held_out_items_that_are_rated_cause_a_warning(ratings):
    _, y = leave_one_out_split(ratings, random_state=0)
    with pytest.warns(UserWarning, match="120 of the items that y holds out are among"):
        study(ratings, y=y, n_repeats=1)
