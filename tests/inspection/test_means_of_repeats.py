"""The mean rank shift is one figure in tables and legends, also where repeats differ in size."""

import numpy as np
import pytest

from skrecsec.experiments import RobustnessStudy
from skrecsec.inspection import RankShiftDisplay
from skrecsec.metrics import METRICS


@pytest.fixture
def study():
    """Return a study whose first repeat has 2 pairs, and whose second one has 6."""
    shifts = [(np.array([10, 30]), np.array([1, 1])), (np.array([100]), np.array([6]))]
    figures = {"test_hr": 0.5, "target_hr": 0.5, "ndcg": 0.5, "seconds": 1.0, "peak_memory": 1.0}
    records = [
        {"repeat": repeat, "attack": attack, "recommender": "MF", "attack_seconds": 1.0}
        | figures
        | {
            "rank_shift": float("nan")
            if attack == "clean"
            else float(np.average(shifts[repeat][0]))
        }
        for repeat in range(2)
        for attack in ("clean", "A")
    ]
    return RobustnessStudy(
        records,
        {(repeat, "A", "MF"): shifts[repeat] for repeat in range(2)},
        [np.array([0])] * 2,
        baseline="MF",
        k=10,
        protocol="fold_in",
    )


def test_the_legend_has_the_mean_of_the_table(study):
    import matplotlib.figure

    ax = matplotlib.figure.Figure().subplots()
    display = RankShiftDisplay.from_study(study, ax=ax)
    (text,) = ax.get_legend().get_texts()
    pooled = np.average(display.distributions["MF"][0], weights=display.distributions["MF"][1])
    assert pooled == 80
    assert study.to_markdown("rank_shift").count("+60.0 ± ") == 1
    assert text.get_text() == "MF (mean +60)"
    assert (
        text.get_text()
        != RankShiftDisplay(display.distributions)
        .plot(matplotlib.figure.Figure().subplots())
        .ax_.get_legend()
        .get_texts()[0]
        .get_text()
    )


@pytest.mark.parametrize(
    ("metric", "mean", "spread", "text"),
    [
        ("test_hr", 0.25, 0.5, "0.2500 ± 0.5000"),
        ("rank_shift", 12.34, 1.0, "+12.3 ± 1.0"),
        ("rank_shift", -0.01, None, "+0.0"),
        ("ri", -0.0001, None, "0.000"),
        ("peak_memory", 200.4, 0.6, "200 ± 1"),
    ],
)
def test_how_metrics_are_written(metric, mean, spread, text):
    assert METRICS[metric].write_mean(mean, spread) == text


def test_what_metrics_are_called():
    assert METRICS["ndcg"].name(7) == "NDCG@7"
    assert METRICS["seconds"].name(7) == "seconds of fit"
    assert METRICS["seconds"].name(7, short=True) == "seconds"
    assert METRICS["ri"].explain(7).endswith("; higher is better")
    for metric in METRICS.values():
        assert metric.better in ("higher", "lower", None)
        assert "{" not in metric.explain(5) + metric.name(5)
