"""`python -m skrecsec.experiments`: the files that it makes, and how it refuses."""

import csv
import json
import re

import numpy as np
import pytest
from sklearn.utils import Bunch

from skrecsec.datasets import make_ratings
from skrecsec.experiments import __main__ as cli
from skrecsec.experiments.paper import _laboratory, _settings
from skrecsec.experiments.paper._settings import ATTACKS, DATASETS, make_attack, printed_numbers
from skrecsec.utils._registry import registered

TARGETS = {"random": [3, 17], "unpopular": [40, 41]}


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    ratings = make_ratings(100, 80, density=0.2, random_state=0)
    small = DATASETS["filmtrust"]._replace(
        fetch=lambda data_home=None: Bunch(ratings=ratings), targets=TARGETS
    )
    monkeypatch.setitem(DATASETS, "filmtrust", small)
    monkeypatch.setattr(_settings, "KNOWLEDGE", (0.4, 1.0))
    monkeypatch.setattr(_settings, "ATTACK_SIZES", (0.03, 0.1))
    monkeypatch.setattr(_settings, "PSEUDO_LABEL_RATIOS", (0.5, 1.0))
    monkeypatch.setattr(_laboratory, "make_recommenders", small_recommenders)


def small_recommenders(dataset, pseudo_label_ratio=1.0):
    recommenders = _settings.make_recommenders(dataset, pseudo_label_ratio)
    for recommender in recommenders.values():
        recommender.set_params(n_factors=4, max_iter=7)
    return recommenders


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the folder of the records that these tests share."""
    return str(tmp_path_factory.mktemp("records"))


def run(folder, records, *arguments, attacks=("Average", "Random", "CoAttack")):
    options = ["--repeats", "2", "--out", str(folder), "--cache-dir", records]
    return cli.main([*arguments, *options, "--attack", *attacks])


def read(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_table2(tmp_path, records, capsys):
    assert run(tmp_path, records, "table2") == 0
    rows = {row["statistic"]: row for row in read(tmp_path / "table2_filmtrust.csv")}
    assert rows["users"] == {"statistic": "users", "paper": "796", "ours": "100"}
    assert float(rows["sparsity in percent"]["ours"]) == pytest.approx(80, abs=0.01)
    assert "| users " in capsys.readouterr().out


def test_table3(tmp_path, records, capsys):
    assert run(tmp_path, records, "table3", "--targets", "unpopular") == 0
    rows = read(tmp_path / "table3_filmtrust.csv")
    assert [(row["attack"], row["knowledge"]) for row in rows] == [
        ("clean", ""), ("Average", "0.4"), ("Random", "0.4"), ("CoAttack", "0.4"),
        ("Average", "1"), ("Random", "1"), ("CoAttack", "1"),
    ]  # fmt: skip
    assert {row["targets"] for row in rows} == {"unpopular"}
    printed = {(r["attack"], r["knowledge"]): r["paper"] for r in rows}
    assert printed["CoAttack", "0.4"] == "0.4429"  # typed from the paper's table
    assert printed["Average", "1"] == "0.0029"
    for row in rows:
        own = row["attack"] == "CoAttack"
        assert bool(row["best_baseline"]) == own
        assert row["n"] == "2"
    best = max(
        (r for r in rows if r["knowledge"] == "0.4" and r["attack"] in ("Average", "Random")),
        key=lambda row: float(row["mean"]),
    )
    assert rows[3]["best_baseline"] == best["attack"]
    text = (tmp_path / "table3_filmtrust.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert "0.4429 / " in text


def test_table3_without_a_baseline_and_of_one_repeat(tmp_path, capsys):
    options = ["--repeats", "1", "--out", str(tmp_path), "--targets", "random", "--quiet"]
    assert cli.main(["table3", *options, "--attack", "CoAttack"]) == 0
    rows = read(tmp_path / "table3_filmtrust.csv")
    assert [row["attack"] for row in rows] == ["clean", "CoAttack", "CoAttack"]
    assert {row["best_baseline"] + row["p"] for row in rows} == {""}
    text = capsys.readouterr().out
    assert f"/ {float(rows[1]['mean']):.4f} |" in text
    assert text.count("±") == 1  # in the explanation below


def test_tables_4_and_5_and_figures_agree_with_the_study(tmp_path, records, capsys):
    assert run(tmp_path, records, "table4", "table5", "figure4", "--quiet") == 0
    assert capsys.readouterr().err == ""
    laboratory = cli._laboratory(
        "filmtrust", cli._parser().parse_args(
            ["table4", "--repeats", "2", "--cache-dir", records, "--attack", "Average", "Random",
             "CoAttack", "--quiet"]
        ),
    )  # fmt: skip
    study = laboratory.defense_study("unpopular")
    assert [target.tolist() for target in study.target_items] == [[40, 41]] * 2
    for table, metric in (("table4", "target_hr"), ("table5", "test_hr")):
        rows = [r for r in read(tmp_path / f"{table}_filmtrust.csv") if r["targets"] == "unpopular"]
        cells = {(r["attack"], r["method"]): r for r in rows}
        for row in study.summary(metric):
            cell = cells[row["attack"], row["recommender"]]
            assert float(cell["mean"]) == pytest.approx(row["mean"], rel=1e-5)
            assert float(cell["ci_low"]) == pytest.approx(row["ci_low"], rel=1e-4, abs=1e-6)
    assert cells["CoAttack", "TCD"]["paper"] == "0.8718"
    assert cells["clean", "MF"]["paper"][:4] == "0.84"
    assert cells["clean", "TCD"]["paper"] == ""
    rows = read(tmp_path / "figure4_filmtrust.csv")
    shifts, counts = study.rank_shifts("CoAttack", "MF")
    assert [int(row["rank_shift"]) for row in rows] == shifts.tolist()
    assert [int(row["count"]) for row in rows] == counts.tolist()


def test_tables_of_deployed_recommenders_agree(tmp_path, records, capsys):
    options = ["--targets", "unpopular", "--quiet"]
    assert run(tmp_path, records, "table3b", "table4b", "table5b", *options) == 0
    by_knowledge, target, test = (
        read(tmp_path / f"{table}_filmtrust.csv") for table in ("table3b", "table4b", "table5b")
    )
    methods = ["Popularity", "ItemKNN", "EASE", "ALS", "BPR"]
    attacks = ["Average", "Random", "CoAttack"]
    assert [(r["method"], r["attack"], r["knowledge"]) for r in by_knowledge] == [
        (m, a, knowledge) for m in methods for a in attacks for knowledge in ("0.4", "1")
    ]
    cells = {(r["method"], r["attack"]): r["mean"] for r in target}
    assert set(cells) == {(m, a) for m in methods for a in ["clean", *attacks]}
    for row in by_knowledge:
        if row["knowledge"] == "0.4":  # that of the other table
            assert row["mean"] == cells[row["method"], row["attack"]]
    assert max(float(r["mean"]) for r in by_knowledge) > 0.1
    clean = {r["method"]: float(r["mean"]) for r in test if r["attack"] == "clean"}
    assert min(clean.values()) > 0.5  # of lists of 50 of 80 items
    text = (tmp_path / "table3b_filmtrust.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert text.count("| EASE, unpopular targets") == 1
    assert text.count("| CoAttack ") == len(methods)


def test_tables_of_defenses_of_the_literature(tmp_path, records, monkeypatch):
    assert set(_settings.make_literature_defenses()) == set(_settings.LITERATURE_DEFENSES)
    monkeypatch.setattr(_settings, "LITERATURE_DEFENSES", ("LTS", "R1"))
    options = ["--targets", "unpopular", "--quiet"]
    assert run(tmp_path, records, "table4c", "table5c", *options) == 0
    for table in ("table4c", "table5c"):
        rows = read(tmp_path / f"{table}_filmtrust.csv")
        assert {(r["method"], r["attack"]) for r in rows} == {
            (method, attack)
            for method in ("LTS", "R1")
            for attack in ("clean", "Average", "Random", "CoAttack")
        }
        assert all(0 <= float(r["mean"]) <= 1 and r["paper"] == "" for r in rows)


def test_detection(tmp_path, records, capsys):
    assert run(tmp_path, records, "detection", "--quiet") == 0
    rows = read(tmp_path / "detection_filmtrust.csv")
    attacks = ["Average", "Random", "CoAttack"]
    assert [(r["targets"], r["metric"], r["attack"]) for r in rows] == [
        (kind, metric, attack)
        for kind in ("random", "unpopular")
        for metric, shown in (
            ("average_precision", attacks),
            ("recall", attacks),
            ("false_positive_rate", ["clean", *attacks]),
        )
        for attack in shown
    ]
    assert {row["method"] for row in rows} == {"Lockstep"}
    arguments = cli._parser().parse_args(
        ["detection", "--repeats", "2", "--cache-dir", records, "--attack", *attacks, "--quiet",
         "--detector", "all"]
    )  # fmt: skip
    laboratory = cli._laboratory("filmtrust", arguments)
    assert laboratory.detectors == list(registered("detector"))
    laboratory.detectors = ["lockstep"]
    study = laboratory.detection_study("unpopular")
    assert study.recommenders == []
    cells = {
        (r["metric"], r["attack"]): float(r["mean"]) for r in rows if r["targets"] == "unpopular"
    }
    for metric in ("average_precision", "recall", "false_positive_rate"):
        for row in study.summary(metric):
            if (metric, row["attack"]) in cells:
                assert cells[metric, row["attack"]] == pytest.approx(row["mean"], rel=1e-5)
    assert cells["average_precision", "Average"] > 0
    text = (tmp_path / "detection_filmtrust.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    heading, _, line = text.splitlines()[:3]
    assert heading.split("|")[1].strip() == "average precision, random targets"
    assert line.split("|")[2].strip().startswith(f"{float(rows[0]['mean']):.4f} ± ")
    assert "paper" not in text


def test_p_of_table4_is_against_the_better_adversarial_training(tmp_path, records):
    assert run(tmp_path, records, "table4", "--quiet", attacks=["CoAttack"]) == 0
    rows = read(tmp_path / "table4_filmtrust.csv")
    tested = {(row["method"], row["attack"]) for row in rows if row["p"]}
    assert tested <= {("TCD", "CoAttack")}
    (mf,) = [
        r for r in rows if (r["targets"], r["method"], r["attack"]) == ("random", "MF", "CoAttack")
    ]
    assert float(mf["ri"]) == 0


@pytest.mark.parametrize(
    ("figure", "n_panels"),
    [("figure5", 1), ("figure6", 1), ("figure7", 1), ("figure8", 2), ("figure9", 2)],
)
def test_figures(figure, n_panels, tmp_path, records, monkeypatch):
    drawn = []
    draw = cli.draw_panels
    monkeypatch.setattr(cli, "draw_panels", lambda title, p: drawn.append(p) or draw(title, p))
    attacks = ["Average", "TNA"] if figure == "figure7" else ["Average", "CoAttack"]
    assert run(tmp_path, records, figure, "--quiet", attacks=attacks) == 0
    assert len(drawn[0]) == n_panels
    png, svg = ((tmp_path / f"{figure}_filmtrust.{s}").read_bytes() for s in ("png", "svg"))
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    rows = read(tmp_path / f"{figure}_filmtrust.csv")
    if figure == "figure7":
        assert {row["method"] for row in rows} == {"MF", "AT", "RAT", "TCD"}
    else:
        assert len(rows) == 4 * n_panels
        assert len({row["panel"] + row["metric"] for row in rows}) == n_panels


def test_a_rerun_fits_nothing_and_makes_the_same_bytes(tmp_path, records, monkeypatch):
    for folder in ("first", "second"):
        assert run(tmp_path / folder, records, "table4", "figure6", "--quiet") == 0
        monkeypatch.setattr("skrecsec.experiments._units._fit_and_score", None)
        monkeypatch.setattr("skrecsec.experiments._units._craft", None)
    for path in (tmp_path / "first").iterdir():
        other = tmp_path / "second" / path.name
        if path.suffix != ".json":  # which has the command
            assert path.read_bytes() == other.read_bytes()


def test_what_results_come_from(tmp_path, records):
    assert run(tmp_path, records, "table2", "--seed", "3") == 0
    source = json.loads((tmp_path / "table2_filmtrust.json").read_text(encoding="utf-8"))
    assert source["command"].startswith("python -m skrecsec.experiments table2 --seed 3 ")
    assert source["seed"] == 3
    assert source["versions"]["numpy"] == np.__version__


def test_without_cache_dir_records_lie_with_the_results(tmp_path):
    assert cli.main(
        ["figure4", "--repeats", "1", "--out", str(tmp_path), "--attack", "CoAttack", "--quiet"]
    ) == 0  # fmt: skip
    assert any((tmp_path / "records").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table6"], "table6"),
        ([], "artifact"),
        (["table2", "--repeats", "0"], "--repeats"),
        (["table2", "--repeats", "few"], "--repeats: expected a whole number from 1 to 1000000"),
        (["table2", "--dataset", "netflix"], "--dataset"),
        (["table2", "--attack", "none"], "--attack"),
        (["table2", "--out", __file__], "--out"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert error.value.code == 2
    text = capsys.readouterr().err
    assert message in text
    assert len(text.splitlines()) == 1


def test_what_does_not_go_together_is_said(tmp_path, records, capsys):
    assert run(tmp_path, records, "figure7", "--quiet", attacks=["Average"]) == 1
    assert re.search("figure7: .*TNA", capsys.readouterr().err)
    assert run(tmp_path, records, "figure4", "--quiet", attacks=["Average"]) == 1
    assert not list(tmp_path.glob("figure*"))


def test_missing_data_are_an_error_in_one_line(tmp_path, records, capsys, monkeypatch):
    def fetch(data_home=None):
        raise OSError("ratings.txt is missing")

    monkeypatch.setitem(DATASETS, "filmtrust", DATASETS["filmtrust"]._replace(fetch=fetch))
    assert run(tmp_path, records, "table2") == 1
    assert capsys.readouterr().err.strip().endswith("error: ratings.txt is missing")


def test_printed_tables_are_complete():
    assert len(printed_numbers("table3")) == 2 * 3 * 8 * 5
    assert len(printed_numbers("table4")) == 2 * 3 * 8 * 4
    assert len(printed_numbers("table5")) == 2 * 3 * 8 * 5
    assert {row["attack"] for row in printed_numbers("table4")} == set(ATTACKS)
    assert {row["dataset"] for row in printed_numbers("table5")} == {
        dataset.title for dataset in DATASETS.values()
    }


def test_settings_of_the_paper():
    attack = make_attack("GCoAttack", knowledge=0.6)
    assert (attack.pseudo_label_ratio, attack.knowledge, attack.attack_size) == (1.0, 0.6, 0.03)
    recommenders = _settings.make_recommenders("movielens-100k")
    assert list(recommenders) == ["MF", "AT", "RAT", "TCD"]
    assert (recommenders["TCD"].pseudo_label_ratio, recommenders["TCD"].reg) == (1.0, 0.005)
    assert _settings.make_recommenders("movielens-1m", 0.2)["TCD"].pseudo_label_ratio == 0.2
    assert recommenders["RAT"].perturbation == "random"
