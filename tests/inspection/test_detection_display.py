"""`DetectionDisplay`: precision over recall, against plain loops and scikit-learn."""

import matplotlib.figure
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import same_color
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from skrecsec import (
    AverageAttackTransformer,
    FilteredRecommender,
    LockstepDetector,
    PopularityRecommender,
    RandomAttackTransformer,
)
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study
from skrecsec.inspection import AttackCurveDisplay, DetectionDisplay
from skrecsec.inspection._style import COLORS
from skrecsec.metrics import DetectionScorer

DETECTORS = {
    "Lockstep": LockstepDetector(),
    "items": LockstepDetector(evidence=("items",)),
    "blind": LockstepDetector(threshold=1e6),
}


def axes():
    return matplotlib.figure.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def study():
    return robustness_study(
        make_ratings(200, 150, density=0.1, random_state=0),
        attacks={
            "few": AverageAttackTransformer(attack_size=3),
            "many": RandomAttackTransformer(attack_size=8),
        },
        detectors=DETECTORS,
        target_items="random",
        n_targets=2,
        n_repeats=3,
        k=10,
        random_state=0,
    )


def precision_by_recall(is_fake, scores):
    """Return the precision at which each number of fakes is reached, by plain loops."""
    precisions = []
    for number in range(1, sum(is_fake) + 1):
        for threshold in sorted(set(scores)):
            reached = [fake for fake, s in zip(is_fake, scores, strict=True) if s <= threshold]
            if sum(reached) >= number:
                precisions.append(sum(reached) / len(reached))
                break
    return precisions


def at(curve, recall):
    """Return the value of a step function."""
    return next(
        p for r, p in zip(curve["recall"], curve["precision"], strict=True) if r >= recall - 1e-12
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=14))
def test_a_curve_is_that_of_plain_loops(profiles):
    is_fake, scores = (np.array(part) for part in zip((True, 3), *profiles, strict=True))
    display = DetectionDisplay.from_scores({"one": (is_fake, scores)}, ax=axes())
    curve = display.curves["one"]
    expected = precision_by_recall(is_fake.tolist(), scores.tolist())
    n_fake = len(expected)
    found = [at(curve, number / n_fake) for number in range(1, n_fake + 1)]
    assert_allclose(found, expected)
    assert curve["recall"][-1] == 1
    assert (np.diff(curve["recall"]) > 0).all()
    area = average_precision_score(is_fake, -scores)
    assert curve["average_precision"] == pytest.approx(area) == pytest.approx(np.mean(expected))
    assert curve["chosen"] is None
    assert display.markers_ == {}


def test_what_is_drawn_has_the_average_precision_as_its_area():
    rng = np.random.default_rng(0)
    is_fake, scores = rng.random(40) < 0.3, rng.normal(size=40)
    display = DetectionDisplay.from_scores({"a": (is_fake, scores, scores < -1)}, ax=axes())
    line = display.lines_["a"]
    assert line.get_drawstyle() == "steps-pre"
    x, y = line.get_data()
    assert (x[0], x[-1]) == (0, 1)
    area = sum((x[i] - x[i - 1]) * y[i] for i in range(1, x.size))
    assert area == pytest.approx(average_precision_score(is_fake, -scores))
    (label,) = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert label == f"a (AP {area:.2f})"
    flagged = scores < -1
    assert display.curves["a"]["chosen"] == pytest.approx(
        ((flagged & is_fake).sum() / is_fake.sum(), (flagged & is_fake).sum() / flagged.sum())
    )
    assert_allclose(np.ravel(display.markers_["a"].get_data()), display.curves["a"]["chosen"])
    assert "Recall" in display.ax_.get_xlabel()
    assert "Precision" in display.ax_.get_ylabel()


def test_fitted_pipelines():
    X = make_ratings(200, 150, density=0.1, random_state=0)
    attack = AverageAttackTransformer(attack_size=8, n_targets=2, random_state=0)
    detector = LockstepDetector(evidence=("items",), contamination=0.1)
    filtered = FilteredRecommender(LockstepDetector(), PopularityRecommender())
    pipelines = {
        "items": make_pipeline(attack, detector).fit(X),
        "all": make_pipeline(attack, LockstepDetector()).fit(X),
        "filter": make_pipeline(attack, filtered).fit(X),
    }
    display = DetectionDisplay.from_estimator(pipelines, ax=axes(), title="Average")
    for name, pipeline in pipelines.items():
        curve = display.curves[name]
        assert curve["average_precision"] == pytest.approx(DetectionScorer()(pipeline))
        recall, precision = curve["chosen"]
        assert recall == DetectionScorer("recall")(pipeline)
        assert precision == DetectionScorer("precision")(pipeline)
    assert_array_equal(display.curves["all"]["precision"], display.curves["filter"]["precision"])
    assert display.ax_.get_title() == "Average"


def test_a_study_is_shown_by_its_means(study):
    display = DetectionDisplay.from_study(study, ax=axes())
    assert list(display.curves) == [f"{d}, {a}" for a in ("few", "many") for d in DETECTORS]
    rows = {(row["metric"], row["attack"], row["detector"]): row["mean"] for row in study.summary()}
    for attack, n_fake in (("few", 3), ("many", 8)):
        for detector in DETECTORS:
            curve = display.curves[f"{detector}, {attack}"]
            mean = rows["average_precision", attack, detector]
            assert curve["average_precision"] == pytest.approx(mean)
            each = [
                precision_by_recall(is_fake.tolist(), scores.tolist())
                for is_fake, scores, _ in (
                    study.verdicts(attack, detector, repeat=repeat) for repeat in range(3)
                )
            ]
            expected = np.mean(each, axis=0)
            assert_allclose([at(curve, (i + 1) / n_fake) for i in range(n_fake)], expected)
    assert len({round(c["average_precision"], 6) for c in display.curves.values()}) > 2
    assert display.curves["blind, many"]["chosen"] is None
    assert "blind, many" not in display.markers_
    recall = [r["recall"] for r in study.detections
              if (r["attack"], r["detector"]) == ("many", "Lockstep")]  # fmt: skip
    flagged = [study.verdicts("many", "Lockstep", repeat=r).is_flagged.any() for r in range(3)]
    assert any(flagged)
    chosen = display.curves["Lockstep, many"]["chosen"]
    assert chosen[0] == pytest.approx(np.mean(np.array(recall)[flagged]))


def test_names_and_styles_are_those_of_the_study(study):
    by_attack = DetectionDisplay.from_study(study, detectors="items", ax=axes())
    assert list(by_attack.curves) == ["few", "many"]
    one = DetectionDisplay.from_study(study, "many", ["items"], ax=axes())
    assert list(one.curves) == ["items"]
    assert same_color(one.lines_["items"].get_color(), COLORS[1])
    assert same_color(by_attack.lines_["many"].get_color(), COLORS[1])


def test_ten_curves_are_told_apart():
    rng = np.random.default_rng(0)
    is_fake = np.arange(50) >= 40
    verdicts = {str(n): (is_fake, rng.normal(size=50) - n * is_fake) for n in range(10)}
    display = DetectionDisplay.from_scores(verdicts, ax=axes())
    looks = {(line.get_color(), line.get_linestyle()) for line in display.lines_.values()}
    assert len(looks) == 10
    widths = [line.get_linewidth() for line in display.lines_.values()]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 10
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.x0 > display.ax_.get_window_extent().x1
    few = DetectionDisplay.from_scores(dict(list(verdicts.items())[:5]), ax=axes())
    few.figure_.canvas.draw()
    assert few.ax_.get_legend().get_window_extent().x1 < few.ax_.get_window_extent().x1


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ({}, "nothing to plot: curves is empty"),
        ({"a": ([True, False], [1.0])}, r"verdicts\['a'\] must hold arrays of shape"),
        ({"a": ([True, False], [1.0, 2.0], [True])}, r"verdicts\['a'\] must hold arrays of shape"),
        ({"a": ([[True]], [[1.0]])}, r"verdicts\['a'\] must hold arrays of shape"),
        ({"a": ([False, False], [1.0, 2.0])}, r"verdicts\['a'\] has no fake profile"),
        ({"a": ([True, False], [1.0, np.nan])}, r"verdicts\['a'\] has scores that are not finite"),
    ],
)
def test_verdicts_that_cannot_be_shown_are_refused(verdicts, message):
    with pytest.raises(ValueError, match=message):
        DetectionDisplay.from_scores(verdicts, ax=axes())


def test_what_a_study_or_an_estimator_lacks_is_refused(study):
    with pytest.raises(ValueError, match="attacks: 'clean' is not one of 'few', 'many'"):
        DetectionDisplay.from_study(study, "clean")
    with pytest.raises(ValueError, match="detectors: 'MF' is not one of 'Lockstep'"):
        DetectionDisplay.from_study(study, detectors="MF")
    X = make_ratings(60, 50, density=0.2, random_state=0)
    with pytest.raises(ValueError, match="not a fitted pipeline with an attack step"):
        DetectionDisplay.from_estimator({"a": LockstepDetector().fit(X)})
    attacked = make_pipeline(AverageAttackTransformer(random_state=0), PopularityRecommender())
    with pytest.raises(ValueError, match=r"estimators\['a'\].* needs a detector with profile_"):
        DetectionDisplay.from_estimator({"a": attacked.fit(X)})


def test_curves_over_a_setting_of_metrics_of_detectors(study):
    rows = {(r["attack"], r["detector"]): r for r in study.summary("average_precision")}
    curves = {"size": {3: "few", 8: ("many", "items")}}
    display = AttackCurveDisplay.from_study(
        study, curves, metric="average_precision", recommender="blind", ax=axes()
    )
    expected = [rows["few", "blind"]["mean"], rows["many", "items"]["mean"]]
    assert_allclose(display.lines_["size"].get_ydata(), expected)
    assert display.ax_.get_ylabel() == "Average precision"
    first = AttackCurveDisplay.from_study(
        study, {"size": {3: "few"}}, metric="average_precision", ax=axes()
    )
    assert_allclose(first.lines_["size"].get_ydata(), [rows["few", "Lockstep"]["mean"]])
    with pytest.raises(ValueError, match="the attack and the detector"):
        AttackCurveDisplay.from_study(
            study, {"size": {3: ("few", "MF")}}, metric="recall", ax=axes()
        )
