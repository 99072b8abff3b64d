"""Detectors in a study: what they are shown, what is measured, and that nothing is done twice."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from numpy.testing import assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    FilteredRecommender,
    LockstepDetector,
    MFRecommender,
    PopularityRecommender,
    RandomAttackTransformer,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import _running, robustness_study
from skrecsec.experiments._plan import Plan, seeds_of_repeats
from skrecsec.experiments._records import RecordStore
from skrecsec.experiments._units import Seeds, Unit
from skrecsec.model_selection import leave_one_out_split

ATTACKS = {
    "Average": AverageAttackTransformer(attack_size=0.1),
    "Random": RandomAttackTransformer(attack_size=0.05),
}
MEASURED = ("seconds", "peak_memory", "attack_seconds", "detection_seconds")


class Lengths(OutlierMixin, BaseEstimator):
    """Suspects long profiles; chance decides between equals, unless there are no scores."""

    def __init__(self, longest=15, has_scores=True, random_state=None):
        self.longest = longest
        self.has_scores = has_scores
        self.random_state = random_state

    def fit(self, X, y=None):
        lengths = np.diff(sp.csr_array(X).indptr)
        if self.has_scores:
            noise = np.random.default_rng(self.random_state).random(lengths.size)
            self.profile_scores_ = -lengths - noise / 2
        self.labels_ = np.where(lengths > self.longest, -1, 1)
        return self

    def fit_predict(self, X, y=None):
        return self.fit(X).labels_


class Fails(Lengths):
    """Calls nobody anything."""

    def fit_predict(self, X, y=None):
        return np.zeros(X.shape[0])


DETECTORS = {"Lengths": Lengths(), "Lockstep": LockstepDetector(levels="top")}


def study(X, **options):
    defaults = {"attacks": ATTACKS, "detectors": DETECTORS, "n_repeats": 2, "k": 10}
    return robustness_study(X, **{**defaults, "random_state": 0, **options})


def figures(result):
    """Return all that has to be the same, down to the last bit."""
    records = [
        {key: value for key, value in record.items() if key not in MEASURED}
        for record in (*result.records, *result.detections)
    ]
    verdicts = [
        [part.tobytes() for part in result.verdicts(attack, detector, repeat=repeat)]
        for attack in result.attacks
        for detector in result.detectors
        for repeat in range(result.n_repeats)
    ]
    return repr(records), verdicts, [targets.tolist() for targets in result.target_items]


@pytest.fixture(scope="module")
def expected(ratings):
    return study(ratings)


def precision_at_fakes(is_fake, scores):
    """Return the mean precision at each fake profile, by rising score; no two are equal."""
    found, precisions = 0, []
    for place, profile in enumerate(sorted(range(len(scores)), key=lambda p: scores[p]), start=1):
        if is_fake[profile]:
            found += 1
            precisions.append(found / place)
    return sum(precisions) / len(precisions)


def wins(is_fake, scores):
    """Return how often a fake profile is more suspicious than a genuine one."""
    pairs = [(f, g) for f in scores[is_fake] for g in scores[~is_fake]]
    return sum(f < g for f, g in pairs) / len(pairs)


# --- what is computed -----------------------------------------------------------------------------


def test_figures_are_those_of_detectors_on_the_poisoned_ratings(ratings, expected):
    assert [(r["repeat"], r["attack"], r["detector"]) for r in expected.detections] == [
        (repeat, attack, detector)
        for repeat in (0, 1)
        for attack in ("clean", "Average", "Random")
        for detector in DETECTORS
    ]
    for record in expected.detections:
        seeds = seeds_of_repeats(0, 2)[record["repeat"]]
        X, _ = leave_one_out_split(ratings, random_state=seeds.split)
        n_fake = 0
        if record["attack"] != "clean":
            attack = clone(ATTACKS[record["attack"]]).set_params(random_state=seeds.attack)
            X = attack.fit_transform(X)
            n_fake = {"Average": 12, "Random": 6}[record["attack"]]
            assert_array_equal(attack.target_items_, expected.target_items[record["repeat"]])
        detector = clone(DETECTORS[record["detector"]])
        if record["detector"] == "Lengths":
            detector.set_params(random_state=seeds.recommender)
        detector.fit(X)
        key = record["attack"], record["detector"]
        is_fake, scores, is_flagged = expected.verdicts(*key, repeat=record["repeat"])
        assert is_fake.tolist() == [False] * 120 + [True] * n_fake
        assert_array_equal(scores, detector.profile_scores_)
        assert_array_equal(is_flagged, detector.labels_ == -1)
        n_found = sum(detector.labels_[120:] == -1)
        n_accused = sum(detector.labels_[:120] == -1)
        counts = (record["n_fake"], record["n_found"], record["n_genuine"], record["n_accused"])
        assert counts == (n_fake, n_found, 120, n_accused)
        assert record["false_positive_rate"] == n_accused / 120
        assert record["detection_seconds"] > 0
        if n_fake:
            assert record["recall"] == n_found / n_fake
            if record["detector"] == "Lengths":
                expected_precision = precision_at_fakes(is_fake, scores)
                assert record["average_precision"] == pytest.approx(expected_precision)
                assert record["roc_auc"] == pytest.approx(wins(is_fake, scores))
        else:
            assert all(np.isnan(record[m]) for m in ("recall", "average_precision", "roc_auc"))
    of_lengths = [r for r in expected.detections if r["detector"] == "Lengths"]
    assert len({r["average_precision"] for r in of_lengths if r["n_fake"]}) == 4
    assert any(r["n_found"] > 0 for r in of_lengths)
    assert any(r["n_accused"] > 0 for r in of_lengths)


def test_recommenders_are_not_moved_by_detectors(ratings, expected):
    recommenders = {"MF": MFRecommender(4, max_iter=3)}
    alone = study(ratings, recommenders=recommenders, detectors=None)
    both = study(ratings, recommenders=recommenders)
    assert alone.detections == []
    assert alone.detectors == []
    assert figures(both)[1:] == figures(expected)[1:]
    assert repr(figures(both)[0]).startswith(repr(figures(alone)[0])[:-2])
    assert repr(both) == (
        "<RobustnessStudy: 2 repeats x 2 attacks x 1 recommender and 2 detectors, k=10, "
        "protocol='in_sample'>"
    )


def test_a_study_of_detectors_alone(expected):
    assert expected.records == []
    assert expected.recommenders == []
    assert expected.baseline is None
    assert expected.attacks == ["clean", "Average", "Random"]
    assert repr(expected).startswith("<RobustnessStudy: 2 repeats x 2 attacks x 2 detectors, k=10")
    with pytest.raises(ValueError, match="metric must be one of 'average_precision'"):
        expected.summary("test_hr")


def test_pipelines_and_detectors_of_labels_only(ratings):
    forest = IsolationForest(n_estimators=5, contamination=0.1)
    forest = make_pipeline(TruncatedSVD(3), forest)
    detectors = {"forest": forest, "labels": Lengths(has_scores=False)}
    result = study(ratings, detectors=detectors, n_repeats=1)
    _, scores, is_flagged = result.verdicts("Average", "forest")
    assert np.isfinite(scores).all()
    assert scores[is_flagged].max() < scores[~is_flagged].min()
    of_labels = [r for r in result.detections if r["detector"] == "labels"]
    assert all(np.isnan([r["average_precision"], r["roc_auc"]]).all() for r in of_labels)
    assert all(np.isfinite(r["recall"]) for r in of_labels if r["n_fake"])
    assert np.isnan(result.verdicts("Average", "labels").scores).all()


def test_a_filter_is_a_recommender_with_a_detector():
    X = make_ratings(400, 200, density=0.1, random_state=0)
    detectors = {"Lockstep": LockstepDetector()}
    recommenders = {
        "alone": PopularityRecommender(),
        "filtered": FilteredRecommender(LockstepDetector(), PopularityRecommender()),
    }
    attacks = {"Average": AverageAttackTransformer(attack_size=0.05)}
    result = study(
        X, attacks=attacks, recommenders=recommenders, detectors=detectors, n_repeats=1, k=50
    )
    (clean, judged) = result.detections
    assert judged["recall"] == 1
    hit_ratios = {(r["attack"], r["recommender"]): r["target_hr"] for r in result.records}
    assert hit_ratios["Average", "alone"] > 0.01
    assert hit_ratios["Average", "filtered"] == hit_ratios["clean", "alone"] == 0
    seeds = seeds_of_repeats(0, 1)[0]
    training, _ = leave_one_out_split(X, random_state=seeds.split)
    attack = clone(attacks["Average"]).set_params(random_state=seeds.attack)
    removed = recommenders["filtered"].fit(attack.fit_transform(training)).removed_users_
    assert_array_equal(removed, np.flatnonzero(result.verdicts("Average", "Lockstep").is_flagged))
    assert removed.size == judged["n_found"] + judged["n_accused"]
    assert clean["n_fake"] == 0


def test_an_error_says_where_it_happened(ratings):
    with pytest.raises(ValueError, match=r"Fails\.fit_predict must return -1 or 1") as error:
        study(ratings, detectors={"mute": Fails()})
    assert "repeat 0, mute on clean data" in error.value.__notes__[0]


# --- once, in any order, anywhere -----------------------------------------------------------------


def test_two_workers_and_threads_give_the_same_bits(ratings, expected):
    with parallel_config("loky", n_jobs=2, max_nbytes=100):
        assert figures(study(ratings)) == figures(expected)
    with parallel_config("threading", n_jobs=2):
        assert figures(study(ratings)) == figures(expected)


def test_nothing_is_done_twice(ratings, expected, tmp_path, done):
    options = {"recommenders": {"P": PopularityRecommender()}, "cache_dir": tmp_path}
    study(ratings, **options, detectors=None)
    done.clear()
    first = study(ratings, **options)
    assert set(done) == {
        Unit(repeat, attack, None, detector)
        for repeat in (0, 1)
        for attack in (None, *ATTACKS)
        for detector in DETECTORS
    }
    done.clear()
    second = study(ratings, **{**options, "k": 10})
    assert not done
    assert figures(first) == figures(second)
    assert figures(first)[1:] == figures(expected)[1:]
    for one, other in zip(first.detections, second.detections, strict=True):
        assert one["detection_seconds"] == other["detection_seconds"]
    # Lists, and how users are scored, are none of a detector's business.
    study(ratings, cache_dir=tmp_path, k=11, protocol="fold_in")
    assert not done
    study(ratings, cache_dir=tmp_path, detectors={"new": Lengths(25), "same": Lengths(15)})
    assert set(done) == {
        Unit(repeat, attack, None, "new") for repeat in (0, 1) for attack in (None, *ATTACKS)
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scores", lambda s: s[1:], r"its scores have shape \(131,\)"),
        ("scores", lambda s: s.astype(np.float32), "dtype float32"),
        ("scores", lambda s: np.where(np.arange(s.size) == 3, np.nan, s), "scores are not finite"),
        ("scores", lambda s: np.where(np.arange(s.size) == 3, np.inf, s), "scores are not finite"),
        ("is_flagged", lambda f: f.astype(int), "verdicts are no booleans"),
        ("is_flagged", lambda f: f[1:], "verdicts are no booleans"),
        ("others", lambda f: np.arange(3), "its arrays are"),
    ],
)
def test_records_that_hold_something_else_are_made_anew(
    ratings, expected, tmp_path, done, monkeypatch, name, value, message
):
    unit = Unit(0, "Average", None, "Lengths")
    save = RecordStore.save
    options = {"detectors": {"Lengths": Lengths()}, "n_repeats": 1, "cache_dir": tmp_path}

    def spoil(self, description, record):
        if "Lengths" in str(description) and "attack_size" in str(description):
            spoilt = {**record.arrays, name: value(record.arrays.get(name))}
            spoilt = record._replace(arrays=spoilt)
            record = spoilt if "AverageAttack" in str(description) else record
        save(self, description, record)

    with monkeypatch.context() as patch:
        patch.setattr(RecordStore, "save", spoil)
        study(ratings, **options)
    done.clear()
    with pytest.warns(UserWarning, match=message):
        mended = study(ratings, **options)
    assert done == [unit]
    assert (
        figures(mended)[1]
        == figures(study(ratings, detectors=options["detectors"], n_repeats=1))[1]
    )
    done.clear()
    study(ratings, **options)
    assert not done


def test_progress_names_detectors(ratings, capsys):
    study(ratings, n_repeats=1, verbose=2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 + 3 * 2
    assert any("; repeat 0, Lockstep on Average: " in line for line in lines)
    assert any("; repeat 0, Lengths on clean data: " in line for line in lines)


def test_detections_grow_by_repeats_and_outlive_an_interrupt(ratings, monkeypatch):
    options = {"target_items": "random", "n_targets": 3, "n_repeats": 2, "k": 10}
    options |= {"protocol": "fold_in", "seeds": [Seeds(3, 3, 3), Seeds(4, 4, 4)]}
    recommenders = {"P": PopularityRecommender()}
    plan = Plan(
        ratings, None, ATTACKS, recommenders, detectors={"L": Lengths()}, repeats_per_worker=1,
        **options,
    )  # fmt: skip
    fit, n_fits = Lengths.fit, []

    def interrupted(self, X, y=None):
        n_fits.append(X.shape[0] >= ratings.shape[0])  # there may be one that is not timed, before
        if sum(n_fits) == 6:
            raise KeyboardInterrupt
        return fit(self, X)

    monkeypatch.setattr(Lengths, "fit", interrupted)
    results = None
    with pytest.raises(KeyboardInterrupt):
        for results in _running.run_by_repeat(plan, None, 1, 0):  # noqa: B007
            pass
    assert [record["repeat"] for record in results.detections] == [0, 0, 0]
    assert set(results.verdicts) == {(0, attack, "L") for attack in ("clean", *ATTACKS)}


def test_clean_ratings_are_judged_by_nobody_if_that_is_said(ratings):
    plan = Plan(
        ratings, None, ATTACKS, {"P": PopularityRecommender()}, detectors=DETECTORS,
        target_items="random", n_targets=3, n_repeats=1, k=10, protocol="fold_in",
        random_state=0, judges_clean=False,
    )  # fmt: skip
    units = plan.units([0])
    assert [unit for unit in units if unit.attack is None] == [Unit(0, None, "P")]
    assert Unit(0, "Average", None, "Lockstep") in units
    assert len(units) == 2 + 1 + 2 * 3


# --- summaries ------------------------------------------------------------------------------------


def test_tables_and_tests_of_detectors(ratings):
    result = study(ratings, n_repeats=3, recommenders={"P": PopularityRecommender()})
    by_detector = {
        name: [r["average_precision"] for r in result.detections
               if (r["attack"], r["detector"]) == ("Average", name)]
        for name in DETECTORS
    }  # fmt: skip
    rows = {(r["attack"], r["detector"]): r for r in result.summary("average_precision")}
    row = rows["Average", "Lockstep"]
    assert row["mean"] == pytest.approx(np.mean(by_detector["Lockstep"]))
    assert (row["n"], row["baseline"]) == (3, "Lengths")
    test = stats.ttest_rel(by_detector["Lockstep"], by_detector["Lengths"])
    assert (row["t"], row["p"]) == pytest.approx((test.statistic, test.pvalue))
    turned = {
        (r["attack"], r["detector"]): r
        for r in result.summary("average_precision", baseline="Lockstep")
    }
    assert turned["Average", "Lengths"]["t"] == pytest.approx(-row["t"])
    assert rows["clean", "Lengths"]["n"] == 0
    heading, _, *lines = result.to_markdown("average_precision").splitlines()
    assert [cell.strip() for cell in heading.strip("|").split("|")] == [
        "average precision", "clean", "Average", "Random",
    ]  # fmt: skip
    assert [line.split("|")[1].strip() for line in lines] == list(DETECTORS)
    assert [line.split("|")[2].strip() for line in lines] == ["-", "-"]
    assert "Lockstep" in result.to_latex("false_positive_rate")
    everything = result.summary()
    assert {r["metric"] for r in everything if "detector" in r} == {
        "average_precision", "roc_auc", "recall", "false_positive_rate", "detection_seconds",
    }  # fmt: skip
    assert len(everything) == 3 * (8 + 5 * 2)
    renamed = result.summary(baseline="P")
    assert repr(renamed) == repr(everything)


def test_frames(ratings, expected):
    frame = expected.to_frame("detectors")
    assert frame.shape == (12, 12)
    assert frame.groupby("detector").recall.max()["Lockstep"] == max(
        r["recall"] for r in expected.detections if r["detector"] == "Lockstep" and r["n_fake"]
    )
    assert expected.to_frame().empty


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.verdicts("Segment", "Lengths"), "attack must be one of 'clean', 'Average'"),
        (lambda s: s.verdicts("clean", "MF"), "detector must be one of 'Lengths', 'Lockstep'"),
        (lambda s: s.verdicts("clean", "Lengths", repeat=2), "repeat must be one of 0, 1"),
        (lambda s: s.summary("recall", baseline="MF"), "baseline must be one of 'Lengths'"),
        (lambda s: s.summary("n_found"), "metric must be one of"),
        (lambda s: s.compare_attacks("recall"), "recommender must be one of"),
        (lambda s: s.to_frame("attacks"), "of must be one of 'recommenders', 'detectors'"),
    ],
)
def test_unknown_names_are_refused(expected, call, message):
    with pytest.raises(ValueError, match=message):
        call(expected)


def test_attacks_are_compared_by_recommenders_only(ratings):
    result = study(ratings, n_repeats=1, recommenders={"P": PopularityRecommender()})
    with pytest.raises(ValueError, match=r"metric must be one of 'test_hr'.*got 'recall'"):
        result.compare_attacks("recall")


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detectors": [Lengths()]}, "'detectors' parameter"),
        ({"detectors": {}}, "recommenders is empty; at least one is required"),
        ({"detectors": None}, "recommenders is empty; at least one is required"),
        ({"recommenders": {}, "detectors": {}}, "recommenders is empty"),
        ({"detectors": {3: Lengths()}}, "detectors must have strings as names, got 3"),
        ({"detectors": {"a": Lengths}}, r"detectors\['a'\] must be a detector"),
        ({"detectors": {"a": MFRecommender()}}, r"detectors\['a'\] must be a detector"),
        ({"detectors": {"a": "Lockstep"}}, r"detectors\['a'\] must be a detector"),
        ({"detectors": {"a": FrozenEstimator(Lengths())}}, r"detectors\['a'\]"),
        ({"detectors": {"a": LockstepDetector(n_seeds=0)}}, r"detectors\['a'\].*'n_seeds'"),
        ({"baseline": "Lengths"}, "baseline='Lengths' names a recommender, and there is none"),
    ],
)
def test_bad_arguments_are_refused_at_once(ratings, monkeypatch, options, message):
    monkeypatch.setattr(_running, "run_task", None)
    with pytest.raises(ValueError, match=message):
        study(ratings, **options)


def test_what_cannot_be_described_is_refused_before_anything_is_done(ratings, tmp_path, done):
    detectors = {"a": Lengths(longest=object())}
    with pytest.raises(ValueError, match=r"detectors\['a'\].longest is of type object"):
        study(ratings, detectors=detectors, cache_dir=tmp_path / "cache")
    assert not done
    assert not (tmp_path / "cache").exists()


def test_a_verdict_that_is_shared_says_the_same_and_takes_as_long(ratings, monkeypatch):
    def study(**options):
        count.clear()
        plan = Plan(
            ratings,
            None,
            ATTACKS,
            {"Popularity": PopularityRecommender(), "Filtered": FilteredRecommender()},
            detectors={"Lockstep": LockstepDetector()},
            target_items="unpopular",
            n_targets=2,
            n_repeats=1,
            k=10,
            protocol="fold_in",
            seeds=[Seeds(0, 0, 0)],
            judges_clean=False,
            **options,
        )
        return _running.run(plan, None, 1, 0)

    count, judge = [], LockstepDetector._judge

    def slow(self, X, *args, **kwargs):
        if X.shape[0] > len(ratings.indptr) - 1:
            count.append(X.shape)
            time.sleep(0.02)
        return judge(self, X, *args, **kwargs)

    monkeypatch.setattr(LockstepDetector, "_judge", slow)
    each, shared = study(), study(shares_verdicts=True)
    assert len(count) == len(ATTACKS) < len(each.detections) + len(ATTACKS)
    for ours, theirs in zip(shared.records, each.records, strict=True):
        assert {k: v for k, v in ours.items() if k not in MEASURED} == pytest.approx(
            {k: v for k, v in theirs.items() if k not in MEASURED}, nan_ok=True
        )
    for ours, theirs in zip(shared.detections, each.detections, strict=True):
        assert ours["n_found"] == theirs["n_found"]
        assert ours["average_precision"] == theirs["average_precision"]
        assert ours["detection_seconds"] > 0.02
