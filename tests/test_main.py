"""`python -m skrecsec`: what it prints where, and how it refuses."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from skrecsec import __main__ as cli
from skrecsec.cli import _page
from skrecsec.datasets import make_ratings
from skrecsec.utils import _registry


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    def small(random_state):
        return make_ratings(150, 120, density=0.2, random_state=random_state)

    replace_dataset(monkeypatch, "generated", small)


def replace_dataset(monkeypatch, name, make):
    entry = _registry.find("dataset", name)
    monkeypatch.setitem(_registry._entries["dataset"], name, entry._replace(make=make))


def run(capsys, *arguments):
    assert cli.main(list(arguments)) == 0
    return capsys.readouterr()


def test_the_table_has_a_row_per_model_and_progress_goes_to_stderr(capsys):
    output = run(capsys)
    lines = output.out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == [
        "MF, clean",
        "MF, average attack",
        "TCD, clean",
        "TCD, average attack",
        "EASE, clean",
        "EASE, average attack",
        "Recommended, clean",
        "Recommended, average attack",
        "",
    ]
    assert lines[-1].startswith("Lockstep: found ")
    for heading in ("test HR@50", "target HR@50", "mean rank shift", "RI", "seconds"):
        assert heading in lines[0]
    assert "repeat 1 of 1 done" in output.err
    assert "repeat" not in output.out


def test_json(capsys):
    options = ["--repeats", "2", "--targets", "3,7", "--attack", "random", "--attack-size", "9"]
    result = json.loads(run(capsys, "--format", "json", *options).out)
    assert result["settings"]["targets"] == [3, 7]
    assert result["settings"]["attack_size"] == 9
    models = {record["model"]: record for record in result["results"]}
    assert [(name, record["recommender"]) for name, record in models.items()] == [
        ("clean", "MF"), ("attacked", "MF"),
        ("clean_defense", "TCD"), ("defended", "TCD"),
        ("clean_defense_ease", "EASE"), ("defended_ease", "EASE"),
        ("clean_defense_recommended", "Recommended"), ("defended_recommended", "Recommended"),
    ]  # fmt: skip
    clean, attacked = models["clean"], models["attacked"]
    assert result["settings"]["defense"] == ["tcd", "ease", "recommended"]
    assert attacked["rank_shift"] > 0
    assert attacked["test_hr_std"] >= 0
    assert clean["ri"] is attacked["ri"] is None
    assert all(record["seconds"] > 0 for record in models.values())
    for name, record in models.items():
        assert (record["ri"] is None) == (not name.startswith("defended"))
        if "clean" in name:
            assert record["rank_shift"] == 0


def test_csv(capsys):
    rows = list(csv.DictReader(io.StringIO(run(capsys, "--format", "csv").out)))
    assert [row["model"] for row in rows[:4]] == ["clean", "attacked", "clean_defense", "defended"]
    assert [row["recommender"] for row in rows[3::2]] == ["TCD", "EASE", "Recommended"]
    assert 0 <= float(rows[1]["target_hr"]) <= 1


def test_several_defenses_have_the_figures_that_each_has_alone(capsys):
    options = ["--victim", "popularity", "--detector", "none", "--format", "json"]
    together = json.loads(run(capsys, *options, "--defense", "itemknn", "ease").out)["results"]
    alone = json.loads(run(capsys, *options, "--defense", "ease").out)
    names = ["clean", "attacked", "clean_defense", "defended"]
    assert [record["model"] for record in alone["results"]] == names
    assert alone["settings"]["defense"] == "ease"
    assert [r["model"] for r in together[4:]] == ["clean_defense_ease", "defended_ease"]
    for name in ("recommender", "test_hr", "target_hr", "rank_shift", "ri"):
        for ours, theirs in zip(alone["results"][2:], together[4:], strict=True):
            assert ours[name] == theirs[name]
    assert together[3]["recommender"] == "ItemKNN"


def test_a_defense_is_compared_with_itself_on_clean_ratings(capsys):
    options = ["--attack-size", "12", "--detector", "none", "--format", "json"]

    def results(*models):
        text = run(capsys, *options, *models).out
        return {record["model"]: record for record in json.loads(text)["results"]}

    defended = results("--victim", "popularity", "--defense", "itemknn")
    alone = results("--victim", "itemknn", "--defense", "none")
    for figure in ("test_hr", "target_hr", "rank_shift"):
        assert defended["clean_defense"][figure] == alone["clean"][figure]
        assert defended["defended"][figure] == alone["attacked"][figure]
    assert defended["attacked"]["rank_shift"] != defended["defended"]["rank_shift"]


def test_the_victim_is_no_default_defense(capsys):
    rows = run(capsys, "--victim", "ease", "--format", "csv").out.splitlines()[1:]
    names = [row.rsplit(",", 1)[-1] for row in rows]
    assert names == ["EASE", "EASE", "TCD", "TCD", "Recommended", "Recommended"]


def test_what_does_not_fit_into_memory_is_left_out_of_several(capsys, monkeypatch):
    entry = _registry.find("recommender", "ease")
    small = entry._replace(facts={**entry.facts, "fits": lambda n_items: n_items < 120})
    monkeypatch.setitem(_registry._entries["recommender"], "ease", small)
    options = ["--victim", "popularity", "--detector", "none", "--format", "json"]
    output = run(capsys, *options, "--defense", "ease", "itemknn")
    assert "EASE is left out: too little memory for 120 items" in output.err
    result = json.loads(output.out)
    assert {record["recommender"] for record in result["results"][2:]} == {"ItemKNN"}
    assert result["settings"]["defense"] == "itemknn"
    alone = json.loads(run(capsys, *options, "--defense", "ease").out)
    assert alone["results"][2]["recommender"] == "EASE"


def figures(text):
    drop = ("seconds", "seconds_std")
    return [
        {key: value for key, value in record.items() if key not in drop}
        for record in json.loads(text)["results"]
    ]


def test_seeds_decide_and_jobs_do_not(capsys):
    options = ["--defense", "tcd", "--format", "json", "--repeats", "2", "--seed"]
    first = figures(run(capsys, *options, "3").out)
    assert figures(run(capsys, *options, "3", "--n-jobs", "2").out) == first
    assert figures(run(capsys, *options, "4").out) != first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "netflix"], "--dataset: invalid choice: 'netflix'"),
        (["--attack", "magic"], "--attack: invalid choice: 'magic'"),
        (["--defense", "hope"], "--defense: invalid choice: 'hope'"),
        (["--defense", "tcd", "none"], "--defense: 'none' goes alone"),
        (["--defense", "ease", "mf"], "--defense: the same as --victim"),
        (["--targets", "best"], "--targets: expected 'unpopular', 'random' or item indices"),
        (["--targets", "500"], "--targets: target_items must hold item indices from 0 to 119"),
        (["--targets", "3,3"], "--targets: target_items must be distinct"),
        (["--attack-size", "1.5"], "--attack-size: expected a fraction"),
        (["--attack-size", "0"], "--attack-size: expected a fraction in (0, 1] or a whole number"),
        (["--knowledge", "0"], "--knowledge: expected a fraction"),
        (["--knowledge", "nan"], "--knowledge: expected a fraction"),
        (["--repeats", "0"], "--repeats: expected a whole number"),
        (["--n-jobs", "0"], "--n-jobs: expected a whole number"),
        (["--seed", "-1"], "--seed: expected a whole number"),
        (["--format", "yaml"], "--format: invalid choice"),
        (["--speed", "high"], "unrecognized arguments: --speed high"),
    ],
)
def test_bad_arguments_exit_2_with_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    output = capsys.readouterr()
    assert exit_info.value.code == 2
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert message in output.err


def test_missing_data_exit_1_with_the_reason(capsys, monkeypatch):
    def fetch():
        raise OSError("ratings.txt could not be had")

    replace_dataset(monkeypatch, "filmtrust", fetch)
    assert cli.main(["--dataset", "filmtrust"]) == 1
    assert "ratings.txt could not be had" in capsys.readouterr().err


def test_as_a_module_on_real_data(data_home):
    command = [sys.executable, "-m", "skrecsec", "--dataset", "movielens-100k", "--format", "json"]
    command += ["--defense", "tcd"]
    environment = {**os.environ, "SKRECSEC_DATA": str(data_home)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    clean, attacked, _, defended = json.loads(process.stdout)["results"]
    assert clean["test_hr"] > 0.25
    assert attacked["target_hr"] > 0.3 > clean["target_hr"]
    assert defended["target_hr"] < 0.05
    assert defended["test_hr"] > 0.37
    assert np.isclose(defended["ri"], 1, atol=0.1)


# --- the report ---


def test_the_report_needs_nothing_else(capsys, tmp_path):
    path = tmp_path / "report.html"
    options = ["--repeats", "2", "--attack-size", "9", "--targets", "3,7"]
    table = run(capsys, *options, "--report", str(path)).out
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    for cell in re.split(r"  +", table.splitlines()[3].strip()):
        assert f"<td>{cell}</td>" in page
    assert "9 fake profiles" in page
    assert "Targets: 3 7." in page
    assert f"Repeats: 2. {table.splitlines()[-1]}." in page
    assert f"python -m skrecsec --repeats 2 --attack-size 9 --targets 3,7 --report {path}" in page
    settings = json.loads(run(capsys, "--format", "json").out)["settings"]
    assert "report" not in settings


def test_the_report_shows_what_the_table_has(capsys, tmp_path, monkeypatch):
    pages = []
    monkeypatch.setattr(_page, "report_page", lambda **parts: pages.append(parts) or "")
    options = ["--format", "json", "--report", str(tmp_path / "report.html")]
    clean, *others = json.loads(run(capsys, *options).out)["results"]
    attacked = [record for record in others if "clean" not in record["model"]]
    import matplotlib.figure

    displays = []
    for _, _, draw in pages[0]["figures"]:
        displays.append(draw(matplotlib.figure.Figure().subplots()))
    points = list(displays[0].points.values())
    for point, record in zip(points, (clean, *attacked), strict=True):
        assert (point["test_hr"], point["target_hr"]) == (record["test_hr"], record["target_hr"])
    for (shifts, counts), record in zip(displays[1].distributions.values(), attacked, strict=True):
        assert np.average(shifts, weights=counts) == pytest.approx(record["rank_shift"])


@pytest.mark.parametrize(
    ("path", "message"), [("none/report.html", "does not exist"), ("", "is a folder")]
)
def test_a_report_that_cannot_be_written_is_refused_first(path, message, capsys, tmp_path):
    with pytest.raises(SystemExit) as error:
        cli.main(["--report", str(tmp_path / path)])
    assert error.value.code == 2
    text = capsys.readouterr().err
    assert message in text
    assert len(text.splitlines()) == 1


def test_a_nuke_attack_demotes(capsys):
    options = ["--targets", "random", "--attack", "lovehate", "--goal", "nuke", "--format", "json"]
    options += ["--defense", "none"]
    _, attacked = json.loads(run(capsys, *options).out)["results"]
    assert attacked["rank_shift"] < 0
