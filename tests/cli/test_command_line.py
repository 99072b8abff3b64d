"""What the command line offers, and that its report says one thing once."""

import json
import re
import tomllib
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from skrecsec import (
    AverageAttackTransformer,
    BPRRecommender,
    MFRecommender,
    __version__,
    cli,
)
from skrecsec.__main__ import main
from skrecsec.cli import _job, _page
from skrecsec.cli._outcome import Outcome
from skrecsec.cli._parser import as_command, make_parser
from skrecsec.datasets import make_ratings
from skrecsec.detection import LockstepDetector
from skrecsec.experiments import run_by_repeat
from skrecsec.utils import _registry
from skrecsec.utils._arguments import OneLineErrorParser


def test_version_and_names(capsys):
    for run, prog in ((main, "python -m skrecsec"), (cli.main, "skrecsec")):
        with pytest.raises(SystemExit) as end:
            run(["--version"])
        assert end.value.code == 0
        assert capsys.readouterr().out == f"skrecsec {__version__}\n"
        with pytest.raises(SystemExit):
            run(["--nonsense"])
        assert capsys.readouterr().err.startswith(f"{prog}: error: unrecognized")


def test_the_command_is_installed():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["scripts"] == {"skrecsec": "skrecsec.cli:main"}


def test_help_tells_each_default_once():
    parser = make_parser("skrecsec")
    formatter = parser.formatter_class("skrecsec")
    for action in parser._actions:
        help_text = formatter._expand_help(action)
        assert "None" not in help_text
        assert help_text.count("(default:") == (action.default not in (None, "==SUPPRESS=="))
    assert "usage: skrecsec [options]\n" in parser.format_help()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"default": "in all", "help": "where (default: here)"}, "where (default: here)"),
        ({"default": None, "help": "what"}, "what"),
        ({"action": "store_true", "help": "whether"}, "whether"),
        ({"default": 0, "help": "number"}, "number (default: 0)"),
        ({"default": 1, "help": "number"}, "number (default: 1)"),
        ({"default": ["a", "b"], "help": "names"}, "names (default: a b)"),
        ({"default": "50%", "help": "share"}, "share (default: 50%)"),
    ],
)
def test_defaults_in_help(options, expected):
    action = OneLineErrorParser("x").add_argument("--option", **options)
    formatter = OneLineErrorParser("x").formatter_class("x")
    assert formatter._expand_help(action) == expected


def test_a_name_is_registered_once():
    known = dict(_registry._entries["attack"])

    @_registry.register("attack", "new")
    class New:
        pass

    try:
        assert _registry.register("attack", "new")(New) is New  # as when a module is reloaded
        with pytest.raises(ValueError, match=r"attack 'new' is registered already, as .*New"):
            _registry.register("attack", "new")(AnsweringMachine)
        assert _registry.find("attack", "new").make is New
    finally:
        _registry._entries["attack"].clear()
        _registry._entries["attack"].update(known)


class AnsweringMachine:
    """Something else."""


def test_choices_are_what_is_registered(monkeypatch, capsys):
    entry = _registry.find("attack", "random")
    monkeypatch.setitem(_registry._entries["attack"], "new", entry._replace(name="new"))
    arguments = make_parser("skrecsec").parse_args(["--attack", "new"])
    assert arguments.attack == "new"
    assert set(_registry.registered("dataset")) == {
        "filmtrust", "generated", "movielens-100k", "movielens-1m",
    }  # fmt: skip
    assert make_parser("skrecsec").parse_args(["--victim", "ease"]).victim == "ease"
    with pytest.raises(SystemExit):
        make_parser("skrecsec").parse_args(["--defense", "hope"])
    assert "invalid choice: 'hope'" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "used"), [("10000", 6), ("3", 3), ("-1", -1)])
def test_no_more_workers_than_there_is_work(given, used, few, monkeypatch):
    seen = []

    def run(plan, store, n_jobs, verbose):
        seen.append(n_jobs)
        return run_by_repeat(plan, store, 1, verbose)

    monkeypatch.setattr(_job, "run_by_repeat", run)
    assert cli.main(["--n-jobs", given, "--defense", "tcd"]) == 0
    assert seen == [used]


def test_messages_are_one_line(capsys):
    with pytest.raises(SystemExit):
        cli.main(["two\nlines"])
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def report(few, monkeypatch, tmp_path, capsys):
    """Return the records, the legends and the displays of a report."""
    pages = []
    monkeypatch.setattr(_page, "report_page", lambda **parts: pages.append(parts) or "")
    options = ["--repeats", "3", "--targets", "random", "--format", "json"]
    options += ["--defense", "tcd", "ease"]
    assert cli.main([*options, "--report", str(tmp_path / "report.html")]) == 0
    displays = []
    for _, _, draw in pages[0]["figures"]:
        displays.append(draw(matplotlib.figure.Figure().subplots()))
    return json.loads(capsys.readouterr().out)["results"], displays


def test_one_mean_rank_shift(report):
    records, (_, shifts) = report
    attacked = [record for record in records if "clean" not in record["model"]]
    texts = [text.get_text() for text in shifts.ax_.get_legend().get_texts()]
    for record, name, text in zip(attacked, shifts.distributions, texts, strict=True):
        distinct, counts = shifts.distributions[name]
        # The repeats differ in their number of pairs, so that the mean of all is something else.
        assert np.average(distinct, weights=counts) != pytest.approx(record["rank_shift"])
        assert shifts.means[name] == record["rank_shift"]
        assert text == f"{name} (mean {record['rank_shift']:+.0f})"


def test_one_color(report):
    _, (robustness, shifts) = report
    assert len(robustness.artists_) == 4
    assert len(shifts.artists_) == 3
    for name, artist in shifts.artists_.items():
        marker = robustness.artists_[name].lines[0]
        assert artist.get_edgecolor()[:3] == matplotlib.colors.to_rgb(marker.get_color())


def test_the_report_explains_its_columns(few, tmp_path, capsys):
    path = tmp_path / "report.html"
    assert cli.main(["--report", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    assert "<h1>TCD, EASE and Recommended against the average attack</h1>" in page
    headings = [text for text in re.findall(r"<th>(.*?)</th>", page) if text]
    assert set(re.findall(r"<dt>(.+?)</dt>", page)) == set(headings) - {"seconds"}
    assert f"<code>skrecsec --report {path}</code>" in page


def attack_of(*options):
    outcome = Outcome(make_parser("skrecsec").parse_args(options))
    X = make_ratings(30, 20, density=0.3, random_state=0)
    (attack,) = _job.make_plan(X, "random", outcome).attacks.values()
    return attack


def test_attacks_know_what_they_are_tried_on():
    assert isinstance(attack_of("--attack", "blackbox", "--victim", "bpr").victim, BPRRecommender)
    assert isinstance(attack_of("--attack", "blackbox").victim, MFRecommender)
    assert attack_of("--attack", "gcoattack").defense == "tcd"
    filtered = attack_of("--attack", "gcoattack", "--filter", "lockstep")
    assert isinstance(filtered.defense, LockstepDetector)


def test_attacks_hide_as_they_are_told():
    options = ["--targets-per-profile", "2", "--target-rating", "mixed", "--filter", "none"]
    attack = attack_of(*options)
    assert (attack.targets_per_profile, attack.target_rating) == (2, "mixed")
    assert (attack.profile_lengths, attack.obfuscation, attack.evade) == ("fixed", None, None)
    attack = attack_of(
        *["--target-rating", "3", "--profile-lengths", "genuine", "--obfuscation", "noise"],
        *["--evade", "lockstep"],
    )
    assert (attack.target_rating, attack.profile_lengths, attack.obfuscation) == (
        (3, "genuine", "noise")
    )
    assert isinstance(attack.evade, LockstepDetector)


def test_an_attack_in_sight_of_a_detector(few, capsys):
    assert cli.main(["--defense", "none", "--evade", "unrap", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["evade"] == "unrap"


def test_without_a_defense(few, capsys, tmp_path):
    path = tmp_path / "report.html"
    options = ["--victim", "itemknn", "--defense", "none", "--report", str(path)]
    assert cli.main(options) == 0
    _, clean, attacked, empty, _ = capsys.readouterr().out.splitlines()
    assert clean.startswith("ItemKNN, clean ")
    assert attacked.startswith("ItemKNN, average attack ")
    assert empty == ""
    page = path.read_text(encoding="utf-8")
    assert "<h1>ItemKNN against the average attack</h1>" in page
    assert "None" not in page
    with pytest.raises(SystemExit):
        cli.main(["--defense", "none", "--filter", "lockstep"])
    assert "argument --filter: goes with --defense" in capsys.readouterr().err


def test_number_of_targets(few, monkeypatch, capsys):
    fast = ["--victim", "popularity", "--defense", "none", "--detector", "none"]
    crafted = []
    complete = AverageAttackTransformer._craft_profiles

    def noted(self, known, budget, rng):
        crafted.append(budget.target_items.tolist())
        return complete(self, known, budget, rng)

    monkeypatch.setattr(AverageAttackTransformer, "_craft_profiles", noted)
    for options in (["--n-targets", "2"], [], ["--targets", "3,7"]):
        assert cli.main([*fast, *options]) == 0
    assert [len(targets) for targets in crafted] == [2, 5, 2]
    assert crafted[2] == [3, 7]
    assert cli.main([*fast, "--targets", "3,7", "--n-targets", "2", "--format", "json"]) == 0
    with pytest.raises(SystemExit):
        cli.main([*fast, "--targets", "3,7", "--n-targets", "4"])
    assert "argument --n-targets: --targets names 2; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--attack-size", "1", "--knowledge", "0.7", "--goal", "nuke", "--repeats", "2"],
        ["--attack-size", "1.0", "--victim", "ease", "--defense", "none", "--seed", "3"],
        ["--defense", "ease", "itemknn"],
        ["--ratings", "a file.csv", "--user-column", "2", "--item-column=-it", "--targets=-3,x y"],
        ["--dataset", "filmtrust", "--targets", "3,7", "--filter", "lockstep", "--detector", "pca"],
    ],
)
def test_arguments_as_a_command(options):
    parser = make_parser("skrecsec")
    arguments = parser.parse_args([*options, "--n-jobs", "2", "--format", "csv"])
    words = as_command(arguments, parser, ("attack",))
    again = vars(parser.parse_args(words))
    same = vars(arguments) | {"n_jobs": 1, "format": "table"}
    assert again == same
    assert words[words.index("--attack") + 1] == "average"
    if not options:
        assert len(words) == 2
