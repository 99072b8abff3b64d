"""All attacks on the command line: the worst first, told with the command that repeats it."""

import csv
import io
import json
import re
import shlex

import numpy as np
import pytest

from skrecsec import AverageAttackTransformer, ItemKNNRecommender, LockstepDetector, cli
from skrecsec.base import BaseAttackTransformer
from skrecsec.cli import _choices
from skrecsec.cli._outcome import Outcome
from skrecsec.cli._worst import _page
from skrecsec.cli._worst._parser import complete_choices, make_parser
from skrecsec.datasets import make_ratings
from skrecsec.experiments import strength
from skrecsec.utils import _registry

HEURISTIC = ("random", "average", "segment")
DEFENDED = ("--victim", "popularity", "--defense", "itemknn")


def run(capsys, *arguments, attacks=HEURISTIC):
    assert cli.main(["worst-case", *arguments, "--attacks", *attacks]) == 0
    return capsys.readouterr()


def as_json(capsys, *arguments, **options):
    return json.loads(run(capsys, "--format", "json", *arguments, **options).out)


def add_attack(monkeypatch, name, make):
    entry = _registry.Entry("attack", name, make, {}, {})
    monkeypatch.setitem(_registry._entries["attack"], name, entry)


def is_time(name):
    return "seconds" in name


def without_times(record):
    return {name: value for name, value in record.items() if not is_time(name)}


@pytest.mark.parametrize(
    "options",
    [
        (*DEFENDED, "--repeats", "2", "--seed", "7", "--attack-size", "9", "--knowledge", "0.8"),
        ("--victim", "itemknn", "--targets", "random", "--n-targets", "2", "--goal", "nuke"),
        ("--victim", "itemknn", "--targets", "3,7", "--filter", "lockstep", "--detector", "none"),
    ],
)
def test_each_attack_has_the_figures_of_the_command_that_repeats_it(options, few, capsys):
    found = as_json(capsys, *options)
    command = shlex.split(found["worst"]["command"])
    assert command[0] == "skrecsec"
    assert cli.main([*command[1:], "--format", "json"]) == 0
    repeated = json.loads(capsys.readouterr().out)
    models = {record["model"]: without_times(record) for record in repeated["results"]}
    attacked = [record for name, record in models.items() if "clean" not in name]
    worst = found["attacks"][0]
    assert worst["attack"] == found["worst"]["attack"] == repeated["settings"]["attack"]
    for model in ("clean", "clean_defense"):
        assert (model in found) == (model in models)
        assert model not in found or without_times(found[model]) == models[model]
    assert [without_times(record) for record in worst["results"]] == attacked
    seen, seen_again = worst.get("detection"), repeated.get("detection")
    assert (seen and without_times(seen)) == (seen_again and without_times(seen_again))
    assert {"attacks", *repeated["settings"]} - {"attack"} == {*found["settings"]}


def test_attacks_that_know_victim_and_filter_are_repeated_alike(few, capsys):
    options = ("--victim", "itemknn", "--filter", "lockstep", "--detector", "none")
    found = as_json(capsys, *options, attacks=("blackbox", "gcoattack"))
    assert not found["failed"]
    command = shlex.split(found["worst"]["command"])
    for record in found["attacks"]:
        command[command.index("--attack") + 1] = record["attack"]
        assert cli.main([*command[1:], "--format", "json"]) == 0
        results = json.loads(capsys.readouterr().out)["results"]
        again = [without_times(r) for r in results if "clean" not in r["model"]]
        assert [without_times(r) for r in record["results"]] == again


@pytest.mark.parametrize("goal", ["push", "nuke"])
def test_the_worst_comes_first(goal, few, capsys):
    options = ("--goal", goal, "--targets", "random", "--attack-size", "20", "--detector", "none")
    found = as_json(capsys, *DEFENDED, *options)
    assert {record["attack"] for record in found["attacks"]} == set(HEURISTIC)
    defended = [record["results"][1] for record in found["attacks"]]
    assert [record["model"] for record in defended] == ["defended"] * 3
    hit_ratios = [record["target_hr"] for record in defended]
    assert len(set(hit_ratios)) > 1
    assert hit_ratios == sorted(hit_ratios, reverse=goal == "push")


def test_the_worst_of_those_that_the_defense_undoes(few, capsys, monkeypatch):
    # That the fakes come last is what the detector does not know, but this one.
    monkeypatch.setattr(
        LockstepDetector,
        "fit_predict",
        lambda self, X: np.where(np.arange(X.shape[0]) < 120, 1, -1),
    )
    options = ("--victim", "itemknn", "--filter", "lockstep", "--detector", "none")
    found = as_json(capsys, *options, "--attack-size", "20")
    attacked, defended = zip(*(record["results"] for record in found["attacks"]), strict=True)
    clean = found["clean_defense"]["target_hr"]
    assert clean == found["clean"]["target_hr"]
    assert {record["target_hr"] for record in defended} == {clean}
    hit_ratios = [record["target_hr"] for record in attacked]
    assert hit_ratios == sorted(hit_ratios, reverse=True)
    assert hit_ratios[0] > hit_ratios[-1]
    none, worst, _ = found["conclusions"]
    assert none == "No attack gets its targets into more lists than clean ratings do."
    assert worst.startswith("The worst is the ")
    assert worst.endswith(f"to {clean:.4f} (ItemKNN behind Lockstep).")


def test_ranks_decide_where_hit_ratios_do_not():
    nan = float("nan")
    pushed = [(0.5, 1.0), (0.5, 0.0), (0.5, nan), (0.2, 9.0), (nan, nan)]
    assert sorted(pushed, key=lambda f: strength(*f, "push"), reverse=True) == pushed
    nuked = [(0.2, 9.0), (0.5, 0.0), (0.5, 1.0), (0.5, nan), (nan, nan)]
    assert sorted(nuked, key=lambda f: strength(*f, "nuke"), reverse=True) == nuked


def test_the_table_and_what_is_said_below(few, capsys):
    output = run(capsys, *DEFENDED, "--attack-size", "12")
    heading, clean, *lines = output.out.splitlines()
    assert [line.split(" attack")[0][:9] for line in lines[:3]] == ["ItemKNN, "] * 3
    found = as_json(capsys, *DEFENDED, "--attack-size", "12")
    assert lines[3] == ""
    assert lines[4:] == found["conclusions"]
    record = found["attacks"][0]
    attacked, defended = record["results"]
    on_clean = found["clean_defense"]
    assert on_clean["target_hr"] != found["clean"]["target_hr"]
    assert re.split(r"  +", clean.strip()) == [
        "ItemKNN, clean",
        f"{on_clean['test_hr']:.4f}",
        f"{on_clean['target_hr']:.4f}",
        "-",
        f"{found['clean']['target_hr']:.4f}",
        *"----",
    ]
    seen = record["detection"]
    assert lines[4] == (
        f"The worst is the {record['attack']} attack: it moves target HR@50 from "
        f"{on_clean['target_hr']:.4f} (ItemKNN, clean) to {defended['target_hr']:.4f} "
        f"(ItemKNN); Lockstep: found {seen['found']} of 12 fake profiles, missed {seen['missed']}, "
        f"wrongly accused {seen['wrongly_accused']} of 120 genuine users."
    )
    assert re.split(r"  +", lines[0])[1:-1] == [
        f"{defended['test_hr']:.4f}",
        f"{defended['target_hr']:.4f}",
        f"{defended['rank_shift']:+.1f}",
        f"{attacked['target_hr']:.4f}",
        f"{seen['average_precision']:.4f}",
        f"{seen['found']} of 12",
        f"{seen['wrongly_accused']} of 120",
    ]
    assert "target HR@50 of Popularity" in heading
    progress = [line for line in output.err.splitlines() if line.startswith("attack ")]
    assert len(progress) == 3
    assert progress[0].startswith("attack 1 of 3: ItemKNN, random attack, target HR@50 0.")


def test_the_worst_that_is_hardly_seen(few, capsys, monkeypatch):
    options = ("--victim", "itemknn", "--attack-size", "12")
    worst, second, third = (record["attack"] for record in as_json(capsys, *options)["attacks"])
    detection = Outcome.detection

    def told(seen, about):
        """Return what is said of an attack if some have all of their fakes found."""

        def detected(outcome):
            n_found = 12 if outcome.arguments.attack in seen else 5
            return detection(outcome) | {"found": n_found}

        monkeypatch.setattr(Outcome, "detection", detected)
        sentences = as_json(capsys, *options)["conclusions"]
        return [sentence for sentence in sentences if about in sentence]

    (sentence,) = told({worst}, "finds less than half, the worst is")
    assert f"the worst is the {second} attack: it moves" in sentence
    assert not told({third}, "half")  # the worst is hardly seen itself
    assert told({worst, second, third}, "half") == [
        "Lockstep finds at least half of the fakes of every attack."
    ]


def test_csv_has_a_line_for_each_model(few, capsys):
    output = run(capsys, *DEFENDED, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(output.out)))
    clean = ["clean", "clean_defense"]
    assert [row["model"] for row in rows] == [*clean, *["attacked", "defended"] * 3]
    assert rows[0]["attack"] == rows[1]["attack"] == ""
    assert {row["attack"] for row in rows[2:]} == set(HEURISTIC)
    assert int(rows[2]["found"]) + int(rows[2]["missed"]) == 3
    assert output.err.splitlines()[-1].startswith("The worst again: skrecsec --attack ")


class SulkingAttackTransformer(BaseAttackTransformer):
    """Refuses to craft anything."""

    def _craft_profiles(self, known, budget, rng):
        raise ValueError("not these ratings")


def test_an_attack_that_fails_is_named_and_does_not_stop_the_others(few, capsys, monkeypatch):
    add_attack(monkeypatch, "sulking", SulkingAttackTransformer)
    output = run(capsys, "--victim", "itemknn", attacks=("sulking", "random"))
    assert "ItemKNN, random attack" in output.out
    failed = [line for line in output.out.splitlines() if line.startswith("sulking failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith("sulking failed: not these ratings")
    assert "attack 1 of 2: sulking failed: not these ratings" in output.err
    found = as_json(capsys, "--victim", "itemknn", attacks=("sulking", "random"))
    assert [record["attack"] for record in found["attacks"]] == ["random"]
    assert list(found["failed"]) == ["sulking"]


def test_all_attacks_fail(few, capsys, monkeypatch):
    add_attack(monkeypatch, "sulking", SulkingAttackTransformer)
    assert cli.main(["worst-case", "--victim", "itemknn", "--attacks", "sulking"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-1].startswith(
        "skrecsec worst-case: error: no attack can be tried on these ratings"
    )


def test_a_victim_that_fails_is_not_blamed_on_attacks(few, capsys, monkeypatch):
    fit = ItemKNNRecommender.fit

    def fail(self, X, y=None):
        if X.shape[0] >= 120:
            raise MemoryError("too many items")
        return fit(self, X)

    monkeypatch.setattr(ItemKNNRecommender, "fit", fail)
    assert cli.main(["worst-case", "--victim", "itemknn", "--attacks", "random"]) == 1
    *told, error = capsys.readouterr().err.splitlines()
    assert len(told) == 1  # which ratings
    assert error.startswith("skrecsec worst-case: error: too many items (")
    assert error.endswith("(0 of 1 attacks were finished)")


def test_an_interrupt_leaves_the_attacks_that_were_finished(few, capsys, monkeypatch):
    def interrupted(self, known, budget, rng):
        raise KeyboardInterrupt

    monkeypatch.setattr(AverageAttackTransformer, "_craft_profiles", interrupted)
    arguments = ["--victim", "itemknn", "--format", "json", "--attacks", "random", "average"]
    assert cli.main(["worst-case", *arguments]) == 130
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert [record["attack"] for record in found["attacks"]] == ["random"]
    assert "Not tried, for it was interrupted: average." in found["conclusions"]
    said = "skrecsec worst-case: interrupted; 1 of 2 attacks were finished"
    assert output.err.splitlines()[-1] == said


def test_what_is_fitted_on_clean_ratings_is_fitted_once(few, capsys, monkeypatch):
    fit, fitted = ItemKNNRecommender.fit, []

    def noted(self, X, y=None):
        fitted.append(X.shape[0])
        return fit(self, X)

    monkeypatch.setattr(ItemKNNRecommender, "fit", noted)
    run(capsys, "--victim", "itemknn", "--repeats", "2", "--detector", "none")
    assert fitted.count(120) == 2
    assert fitted.count(123) == 6
    fitted.clear()
    run(capsys, *DEFENDED, "--repeats", "2", "--detector", "none")
    assert fitted.count(120) == 2
    assert fitted.count(123) == 6


def test_a_defense_is_compared_with_itself(few, capsys):
    options = ("--attack-size", "9", "--detector", "none")
    defended = as_json(capsys, "--victim", "bpr", "--defense", "popularity", *options)
    alone = as_json(capsys, "--victim", "popularity", *options)
    for figure in ("test_hr", "target_hr", "rank_shift"):
        assert defended["clean_defense"][figure] == alone["clean"][figure]
        assert defended["clean"]["target_hr"] != alone["clean"]["target_hr"]
        for ours in defended["attacks"]:
            (theirs,) = (r for r in alone["attacks"] if r["attack"] == ours["attack"])
            assert ours["results"][1][figure] == theirs["results"][0][figure]


def test_ranks_may_move_where_lists_do_not(capsys, monkeypatch):
    def make(random_state):
        return make_ratings(120, 300, density=0.03, random_state=random_state)

    entry = _registry.find("dataset", "generated")._replace(make=make)
    monkeypatch.setitem(_registry._entries["dataset"], "generated", entry)
    options = ("--victim", "popularity", "--n-targets", "1", "--detector", "none")
    for goal, number in (("push", "more"), ("nuke", "fewer")):
        found = as_json(capsys, *options, "--attack-size", "1", "--goal", goal, attacks=["random"])
        (record,) = found["attacks"][0]["results"]
        assert record["target_hr"] == found["clean"]["target_hr"]
        assert record["rank_shift"] != 0
        assert found["conclusions"][0] == (
            f"No attack gets its targets into {number} lists than clean ratings do."
        )


def test_all_that_registers_is_tried(monkeypatch):
    add_attack(monkeypatch, "new", AverageAttackTransformer)
    arguments = make_parser("x").parse_args([])
    complete_choices(arguments)
    assert arguments.attacks == list(_choices.attacks())
    assert {"new", "average", "gcoattack"} < set(arguments.attacks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attacks", "magic"], "--attacks: invalid choice: 'magic'"),
        (["--victim", "mf", "--defense", "mf"], "--defense: the same as --victim"),
        (["--targets", "3,4", "--n-targets", "3"], "--n-targets: --targets names 2; leave it out"),
        (["--filter", "hope"], "--filter: invalid choice: 'hope'"),
        (["--attack", "average"], "unrecognized arguments"),
    ],
)
def test_refusals(arguments, message, few, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["worst-case", *arguments])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("skrecsec worst-case: error: ")
    assert message in err


def test_help(capsys):
    for arguments in (["--help"], ["worst-case", "--help"]):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0
        assert "worst-case" in capsys.readouterr().out


# --- the report -----------------------------------------------------------------------------------


def test_the_report(few, capsys, tmp_path):
    path = tmp_path / "report.html"
    table = run(capsys, *DEFENDED, "--report", str(path), attacks=["random"]).out
    page = path.read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    for cell in re.split(r"  +", table.splitlines()[2].strip()):
        assert f"<td>{cell}</td>" in page
    assert "The worst is the " in page
    headings = {text for text in re.findall(r"<th>(.*?)</th>", page) if text}
    explained = set(re.findall(r"<dt>(.+?)</dt>", page))
    assert explained == headings - {"found", "accused", "target HR@50 of Popularity"}


@pytest.mark.parametrize("detector", ["lockstep", "none"])
def test_the_plots_show_what_the_table_has(detector, few, capsys, monkeypatch, tmp_path):
    import matplotlib.figure

    pages = []
    monkeypatch.setattr(_page, "report_page", lambda **parts: pages.append(parts) or "")
    options = ["--victim", "itemknn", "--detector", detector, "--attack-size", "12"]
    found = as_json(capsys, *options, "--report", str(tmp_path / "report.html"))
    figures = pages[0]["figures"]
    axes = [matplotlib.figure.Figure().subplots() for _ in figures]
    for ax, (_, _, draw, _) in zip(axes, figures, strict=True):
        draw(ax)
    hit_ratios = [record["results"][0]["target_hr"] for record in found["attacks"]]
    assert [patch.get_width() for patch in axes[0].patches] == hit_ratios[::-1]
    if detector == "none":
        assert len(axes) == 1
        return
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes[1].lines]
    precisions = [record["detection"]["average_precision"] for record in found["attacks"]]
    assert points == list(zip(precisions, hit_ratios, strict=True))
