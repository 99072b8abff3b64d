"""Who the fakes were, on the command line, and a detector before the defense."""

import json
import re

import numpy as np
import pytest

from skrecsec import AverageAttackTransformer, LockstepDetector, cli
from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split

FAST = ("--victim", "popularity", "--defense", "itemknn")


def run(capsys, *arguments):
    assert cli.main([*FAST, *arguments]) == 0
    return capsys.readouterr()


def as_json(capsys, *arguments):
    return json.loads(run(capsys, "--format", "json", *arguments).out)


def judged(seed, **options):
    """Return who is fake and who is flagged in the ratings of a repeat."""
    ratings = make_ratings(120, 90, density=0.2, random_state=0)
    X, _ = leave_one_out_split(ratings, random_state=seed)
    attack = AverageAttackTransformer(random_state=seed, **options)
    labels = LockstepDetector().fit_predict(attack.fit_transform(X))
    return np.arange(labels.size) >= 120, labels == -1


def test_numbers_are_those_of_the_detector_in_all_repeats(few, capsys):
    options = {"attack_size": 8, "knowledge": 1.0}
    result = as_json(capsys, "--repeats", "3", "--attack-size", "8", "--knowledge", "1")
    found = result["detection"]
    is_fake, is_flagged = map(
        np.concatenate, zip(*(judged(seed, **options) for seed in (0, 1, 2)), strict=True)
    )
    assert found["detector"] == "lockstep"
    assert found["fake_profiles"] == 24
    assert found["genuine_users"] == 360
    assert found["found"] == (is_fake & is_flagged).sum()
    assert found["missed"] == (is_fake & ~is_flagged).sum()
    assert found["wrongly_accused"] == (~is_fake & is_flagged).sum()
    assert found["found"] > 12
    assert 0 < found["average_precision"] <= 1
    assert 0 < found["roc_auc"] <= 1
    assert found["detection_seconds"] > 0
    settings = result["settings"]
    assert (settings["detector"], settings["filter"]) == ("lockstep", "none")


def test_one_line_after_the_table(few, capsys):
    output = run(capsys, "--repeats", "2", "--attack-size", "12")
    *table, empty, line = output.out.splitlines()
    assert len(table) == 5
    assert empty == ""
    found = as_json(capsys, "--repeats", "2", "--attack-size", "12")["detection"]
    assert line == (
        f"Lockstep: found {found['found']} of 24 fake profiles, missed {found['missed']}, "
        f"wrongly accused {found['wrongly_accused']} of 240 genuine users, in 2 repeats"
    )
    once = run(capsys, "--attack-size", "12").out.splitlines()[-1]
    assert re.fullmatch(r"Lockstep: .* of 12 fake .* of 120 genuine users", once)


def test_lines_of_csv_are_of_models_and_who_is_fake_is_told_beside(few, capsys):
    output = run(capsys, "--format", "csv")
    lines = output.out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "model", "clean", "attacked", "clean_defense", "defended",
    ]  # fmt: skip
    assert output.err.splitlines()[-1].startswith("Lockstep: found ")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_no_detector(form, few, capsys, monkeypatch):
    monkeypatch.setattr(LockstepDetector, "fit", None)
    output = run(capsys, "--detector", "none", "--format", form)
    assert "found" not in output.out + output.err
    if form == "json":
        assert "detection" not in json.loads(output.out)
    else:
        assert len(output.out.splitlines()) == 5


def test_a_filter_before_the_defense(few, capsys, monkeypatch):
    # That the fakes come last is what the detector does not know, but this one.
    monkeypatch.setattr(
        LockstepDetector,
        "fit_predict",
        lambda self, X: np.where(np.arange(X.shape[0]) < 120, 1, -1),
    )
    same = ["--victim", "popularity", "--defense", "popularity", "--filter", "lockstep"]
    options = ["--attack-size", "12", "--detector", "none", "--format", "json", "--repeats", "2"]
    assert cli.main([*same, *options]) == 0
    clean, attacked, filtered, defended = json.loads(capsys.readouterr().out)["results"]
    assert attacked["target_hr"] > clean["target_hr"] + 0.1
    for figure in ("target_hr", "test_hr"):
        assert defended[figure] == filtered[figure] == clean[figure]
    assert defended["rank_shift"] == 0
    assert cli.main([*same]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("Popularity behind Lockstep, clean  ")
    assert lines[4].startswith("Popularity behind Lockstep, average attack  ")
    assert lines[-1] == (
        "Lockstep: found 3 of 3 fake profiles, missed 0, wrongly accused 0 of 120 genuine users"
    )
    with pytest.raises(SystemExit):
        cli.main(same[:4])
    assert "argument --defense: the same as --victim" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--detector", "--filter"])
def test_unknown_detectors_are_refused_in_one_line(option, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([option, "hope"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {option}: invalid choice: 'hope'" in error
    assert len(error.splitlines()) == 1


def test_whom_an_interrupted_run_has_judged(few, capsys, monkeypatch):
    fit, fits = LockstepDetector.fit, []

    def interrupted(self, X, y=None, **more):
        fits.append(X.shape[0] >= 120)
        if sum(fits) == 3:
            raise KeyboardInterrupt
        return fit(self, X, **more)

    monkeypatch.setattr(LockstepDetector, "fit", interrupted)
    assert cli.main([*FAST, "--repeats", "4", "--format", "json", "--attack-size", "12"]) == 130
    result = json.loads(capsys.readouterr().out)
    assert result["finished_repeats"] == 2
    assert result["detection"]["fake_profiles"] == 24
