"""`RobustnessStudy`: tables, intervals and tests of figures that are known."""

import builtins
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

from skrecsec.experiments import RobustnessStudy
from skrecsec.experiments._statistics import compare
from skrecsec.experiments._tables import latex_table, markdown_table
from skrecsec.utils._html import html_table

N_REPEATS = 6
RNG = np.random.default_rng(0)
# target_hr[attack, recommender][repeat]
TARGET_HR = {
    ("clean", "MF"): np.zeros(N_REPEATS),
    ("clean", "TCD"): np.zeros(N_REPEATS),
    ("strong", "MF"): RNG.uniform(0.8, 0.9, N_REPEATS),
    ("strong", "TCD"): RNG.uniform(0.1, 0.2, N_REPEATS),
    ("weak", "MF"): np.array([0.0, 0.1, 0.2, 0.1, 0.2, 0.1]),
    ("weak", "TCD"): np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.1]),
}


@pytest.fixture
def study():
    records = [
        {
            "repeat": repeat,
            "attack": attack,
            "recommender": recommender,
            "test_hr": 0.25,
            "target_hr": float(TARGET_HR[attack, recommender][repeat]),
            "ri": float("nan"),
            "ndcg": 0.1,
            "rank_shift": float("nan") if attack == "clean" else 12.25,
            "seconds": 1.0,
            "peak_memory": 300.0,
            "attack_seconds": 2.0,
        }
        for repeat in range(N_REPEATS)
        for attack in ("clean", "strong", "weak")
        for recommender in ("MF", "TCD")
    ]
    shifts = {
        (repeat, attack, recommender): (
            np.array([-2, 0, repeat + 1], dtype=np.int32),
            np.array([1, 2, 3], dtype=np.int32),
        )
        for repeat in range(N_REPEATS)
        for attack in ("strong", "weak")
        for recommender in ("MF", "TCD")
    }
    targets = [np.array([1, 2])] * N_REPEATS
    return RobustnessStudy(records, shifts, targets, baseline="MF", k=50, protocol="in_sample")


def row(rows, **wanted):
    (found,) = [r for r in rows if all(r[key] == value for key, value in wanted.items())]
    return found


def test_names_and_repr(study):
    assert study.attacks == ["clean", "strong", "weak"]
    assert study.recommenders == ["MF", "TCD"]
    assert study.n_repeats == N_REPEATS
    assert repr(study) == (
        "<RobustnessStudy: 6 repeats x 2 attacks x 2 recommenders, k=50, protocol='in_sample'>"
    )
    assert repr(pickle.loads(pickle.dumps(study))) == repr(study)


def test_robustness_improvement(study):
    records = {(r["repeat"], r["attack"], r["recommender"]): r["ri"] for r in study.records}
    strong = TARGET_HR["strong", "TCD"] / TARGET_HR["strong", "MF"]
    for repeat in range(N_REPEATS):
        assert np.isnan(records[repeat, "clean", "TCD"])
        assert records[repeat, "strong", "MF"] == 0
        assert records[repeat, "strong", "TCD"] == pytest.approx(1 - strong[repeat])
    assert np.isnan(records[0, "weak", "TCD"])  # the attack changed nothing


def test_to_frame(study):
    frame = study.to_frame()
    assert frame.shape == (N_REPEATS * 3 * 2, 11)
    assert list(frame.columns) == list(study.records[0])
    means = frame.groupby(["attack", "recommender"])["target_hr"].mean()
    assert means["strong", "MF"] == pytest.approx(TARGET_HR["strong", "MF"].mean())
    assert isinstance(frame, pd.DataFrame)


def test_without_pandas_the_error_names_the_extra(study, monkeypatch):
    original = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match=r"skrecsec\[experiments\]"):
        study.to_frame()


def test_means_and_intervals(study):
    values = TARGET_HR["strong", "TCD"]
    found = row(study.summary("target_hr"), attack="strong", recommender="TCD")
    assert found["n"] == N_REPEATS
    assert found["mean"] == pytest.approx(values.mean())
    assert found["std"] == pytest.approx(values.std(ddof=1))
    interval = stats.t.interval(0.95, N_REPEATS - 1, values.mean(), stats.sem(values))
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(interval)


def test_paired_tests_against_the_baseline(study):
    rows = study.summary("target_hr")
    result = stats.ttest_rel(TARGET_HR["strong", "TCD"], TARGET_HR["strong", "MF"])
    found = row(rows, attack="strong", recommender="TCD")
    assert (found["t"], found["p"]) == pytest.approx((result.statistic, result.pvalue))
    differences = TARGET_HR["strong", "TCD"] - TARGET_HR["strong", "MF"]
    assert found["difference"] == pytest.approx(differences.mean())
    assert found["baseline"] == "MF"
    itself = row(rows, attack="strong", recommender="MF")
    assert itself["difference"] == 0
    assert np.isnan(itself["p"])
    turned = row(study.summary("target_hr", baseline="TCD"), attack="strong", recommender="MF")
    assert turned["t"] == pytest.approx(-found["t"])


def test_repeats_without_a_figure_are_left_out(study):
    found = row(study.summary("ri"), attack="weak", recommender="TCD")
    ri = 1 - TARGET_HR["weak", "TCD"][1:] / TARGET_HR["weak", "MF"][1:]
    assert found["n"] == N_REPEATS - 1
    assert found["mean"] == pytest.approx(ri.mean())
    assert found["p"] == pytest.approx(stats.ttest_1samp(ri, 0).pvalue)
    clean = row(study.summary("ri"), attack="clean", recommender="TCD")
    assert clean["n"] == 0
    assert np.isnan(clean["mean"])


def test_pairs_are_compared_where_both_have_a_figure():
    one = np.array([1.0, np.nan, 3.0, 5.0, 9.0])
    other = np.array([np.nan, 1.0, 1.0, 4.0, 5.0])
    found = compare(one, other)
    assert found["difference"] == pytest.approx((2 + 1 + 4) / 3)
    result = stats.ttest_rel([3, 5, 9], [1, 4, 5])
    assert (found["t"], found["p"]) == pytest.approx((result.statistic, result.pvalue))


def test_another_baseline_has_another_ri(study):
    found = row(study.summary("ri", baseline="TCD"), attack="strong", recommender="MF")
    ri = 1 - TARGET_HR["strong", "MF"] / TARGET_HR["strong", "TCD"]
    assert found["mean"] == pytest.approx(ri.mean())
    assert row(study.summary("ri"), attack="strong", recommender="MF")["mean"] == 0


def test_all_metrics(study):
    rows = study.summary()
    assert len(rows) == 8 * 3 * 2
    assert row(rows, metric="rank_shift", attack="weak", recommender="MF")["mean"] == 12.25
    assert {r["metric"] for r in rows} == set(study.records[0]) - {
        "repeat",
        "attack",
        "recommender",
    }


def test_attacks_against_each_other(study):
    rows = study.compare_attacks()
    assert [(r["attack"], r["other"]) for r in rows] == [
        ("strong", "clean"),
        ("weak", "clean"),
        ("weak", "strong"),
    ]
    result = stats.ttest_rel(TARGET_HR["weak", "MF"], TARGET_HR["strong", "MF"])
    assert (rows[2]["t"], rows[2]["p"]) == pytest.approx((result.statistic, result.pvalue))
    assert rows[2]["difference"] < 0
    found = study.compare_attacks("target_hr", recommender="TCD")[0]
    assert found["difference"] == pytest.approx(TARGET_HR["strong", "TCD"].mean())


def test_one_repeat_has_no_interval_and_no_test(study):
    records = [r for r in study.records if r["repeat"] == 0]
    one = RobustnessStudy(records, {}, [np.array([1])], baseline="MF", k=50, protocol="fold_in")
    found = row(one.summary("target_hr"), attack="strong", recommender="TCD")
    assert all(np.isnan(found[key]) for key in ("std", "ci_low", "ci_high", "t", "p"))
    assert "±" not in one.to_markdown()
    assert repr(one).startswith("<RobustnessStudy: 1 repeat x 2 attacks")


def test_rank_shifts(study):
    shifts, counts = study.rank_shifts("strong", "TCD", repeat=2)
    assert_array_equal(shifts, [-2, 0, 3])
    assert_array_equal(counts, [1, 2, 3])
    shifts, counts = study.rank_shifts("strong", "TCD")
    assert_array_equal(shifts, [-2, 0, 1, 2, 3, 4, 5, 6])
    assert_array_equal(counts, [6, 12, 3, 3, 3, 3, 3, 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.summary("hr"), "metric must be one of 'test_hr', 'target_hr'"),
        (lambda s: s.summary(baseline="AT"), "baseline must be one of 'MF', 'TCD', got 'AT'"),
        (lambda s: s.compare_attacks(recommender="AT"), "recommender must be one of"),
        (lambda s: s.to_markdown("hr"), "metric must be one of"),
        (lambda s: s.to_latex(baseline="AT"), "baseline must be one of"),
        (lambda s: s.rank_shifts("clean", "MF"), "attack must be one of 'strong', 'weak'"),
        (lambda s: s.rank_shifts("weak", "AT"), "recommender must be one of"),
        (lambda s: s.rank_shifts("weak", "MF", repeat=6), "repeat must be one of 0, 1"),
    ],
)
def test_unknown_names_are_refused(study, call, message):
    with pytest.raises(ValueError, match=message):
        call(study)


def test_markdown(study):
    lines = study.to_markdown("target_hr").splitlines()
    assert lines[0].split() == [
        "|",
        "target",
        "HR@50",
        "|",
        "clean",
        "|",
        "strong",
        "|",
        "weak",
        "|",
    ]
    assert set(lines[1]) == set("|:- ")
    assert len({len(line) for line in lines}) == 1
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    found = row(study.summary("target_hr"), attack="strong", recommender="TCD")
    margin = found["ci_high"] - found["mean"]
    assert cells[:3] == ["TCD", "0.0000 ± 0.0000", f"{found['mean']:.4f} ± {margin:.4f}*"]
    assert not cells[3].endswith("*")
    assert study.to_markdown("ri").splitlines()[2].split("|")[2].strip() == "-"


def test_latex(study):
    lines = study.to_latex("target_hr").splitlines()
    assert lines[0] == r"\begin{tabular}{lrrr}"
    assert lines[2] == r"target HR@50 & clean & strong & weak \\"
    assert r"$\pm$" in lines[5]
    assert r"\textsuperscript{*}" in lines[5]
    assert lines[-1] == r"\end{tabular}"


def test_names_are_escaped():
    assert r"a\|b" in markdown_table(["a|b"], [])
    latex = latex_table(["50% & #1_{x}~^$", "b\\c"], [])
    assert r"50\% \& \#1\_\{x\}\textasciitilde{}\textasciicircum{}\$" in latex
    assert r"b\textbackslash{}c" in latex
    assert latex.startswith(r"\begin{tabular}{lr}")


def test_the_worst_case(study):
    assert study.worst_case() == study.worst_case("TCD") == "strong"
    assert study.worst_case(goal="nuke") == "weak"
    for record in study.records:
        record["target_hr"] = 0.5  # then ranks decide
        if record["attack"] == "weak" and record["recommender"] == "TCD":
            record["rank_shift"] = 13.0
    assert study.worst_case() == "strong"  # the first of several
    assert study.worst_case("TCD") == "weak"
    assert study.worst_case("TCD", goal="nuke") == "strong"
    with pytest.raises(ValueError, match="recommender must be one of 'MF', 'TCD', got 'X'"):
        study.worst_case("X")
    with pytest.raises(ValueError, match="goal must be one of 'push', 'nuke', got 'hide'"):
        study.worst_case(goal="hide")


def test_notebooks_show_tables(study):
    page = study._repr_html_()
    assert "RobustnessStudy: 6 repeats x 2 attacks x 2 recommenders" in page
    assert page.count("<table>") == 2  # hidden items, targets
    heading, rows = study._table("target_hr", None)
    table = html_table(heading, rows)
    assert table in page
    assert rows[1][2].endswith("*")


def test_what_notebooks_show_is_escaped(study):
    for record in study.records:
        record["attack"] = record["attack"].replace("weak", "<script>alert(1)</script>")
    study.attacks[-1] = "<script>alert(1)</script>"
    page = study._repr_html_()
    assert "<script" not in page
    assert page.count("<th>&lt;script&gt;alert(1)&lt;/script&gt;</th>") == 2
