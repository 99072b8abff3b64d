"""The front door keeps its promises: what the README shows is what happens."""

import json
import re
from pathlib import Path

import pytest

from skrecsec.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Return the fenced blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_python_example():
    (example,) = blocks("python")
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    scores = names["scores"]
    assert scores["test_HR"].min() > 0.4
    assert scores["test_target HR"].max() < 0.1
    assert scores["test_RI"].min() > 0.8


def test_example_has_about_ten_lines():
    (example,) = blocks("python")
    lines = [line for line in example.splitlines() if line and not line.startswith("from ")]
    assert len(lines) <= 10


def test_printed_table(capsys):
    (table,) = blocks("text")
    assert main(["--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    results, detection = result["results"], result["detection"]
    heading, *lines, empty, who = table.splitlines()
    assert empty == ""
    assert re.split(r"\s{2,}", heading.strip()) == [
        "test HR@50",
        "target HR@50",
        "mean rank shift",
        "RI",
        "seconds",
    ]
    assert len(lines) == len(results)
    for line, result in zip(lines, results, strict=True):
        *_, test_hr, target_hr, rank_shift, ri, _ = line.split()
        # Numbers may differ by a little between processors.
        assert float(test_hr) == pytest.approx(result["test_hr"], abs=0.02)
        assert float(target_hr) == pytest.approx(result["target_hr"], abs=0.02)
        if rank_shift != "-":
            assert float(rank_shift) == pytest.approx(result["rank_shift"], abs=20)
        if ri != "-":
            assert float(ri) == pytest.approx(result["ri"], abs=0.02)
    found = re.fullmatch(
        r"Lockstep: found (\d+) of (\d+) fake profiles, missed (\d+), wrongly accused (\d+) of "
        r"(\d+) genuine users",
        who,
    )
    names = ("found", "fake_profiles", "missed", "wrongly_accused", "genuine_users")
    tolerances = (1, 0, 1, 5, 0)
    for number, name, tolerance in zip(found.groups(), names, tolerances, strict=True):
        assert int(number) == pytest.approx(detection[name], abs=tolerance)


def test_commands_are_those_of_ci():
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    install_and_run, test, *_ = commands
    assert install_and_run == "python -m pip install -c constraints.txt . && python -m skrecsec"
    assert test == 'python -m pip install -c constraints.txt ".[test]" && python -m pytest -n 2'
    steps = re.findall(r"^step '(.*)'$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert install_and_run in steps
    assert steps[-1] == test, "the summary of the tests is the last thing that CI prints"


def test_docs_command_is_that_of_ci():
    (command,) = [
        line for block in blocks("bash") for line in block.splitlines() if "sphinx" in line
    ]
    assert f"step '{command.split(' && ')[-1]}'" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)", README))
def test_links_to_files(path):
    assert (ROOT / path).is_file()


def test_constraints_cover_the_dependencies():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9._-]+==[0-9][^+\s]*", pin) for pin in pins)
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required = set(re.findall(r'"([a-z0-9-]+)>=', metadata))
    assert required <= {pin.split("==")[0] for pin in pins}
