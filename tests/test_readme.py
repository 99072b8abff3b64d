"""The front door keeps its promises: what the README shows is what happens."""

import doctest
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


COMMANDS = re.findall(
    r"^```bash\npython -m (skrecsec[^\n]*)\n```\n\n<!-- output -->\n```text\n(.*?)^```$",
    README,
    flags=re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?")


def same(shown, printed):
    """Return whether a text is as shown, with numbers that are nearly the same.

    They differ a little between processors, and seconds by any factor.
    """
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    for line, printed_line in zip(shown.splitlines(), printed.splitlines(), strict=True):
        for a, b in zip(NUMBER.findall(line), NUMBER.findall(printed_line), strict=True):
            if "." not in a:
                close = abs(float(a) - float(b)) <= max(5, 0.02 * abs(float(b)))
            else:
                close = abs(float(a) - float(b)) <= max(0.02, 0.02 * abs(float(b)))
            if not close:
                return False
    return True


def without_seconds(text):
    """Return a table without its last column, if that has seconds."""
    lines = text.rstrip("\n").split("\n")
    if "seconds" in lines[0]:
        table = lines.index("")
        lines[1:table] = [line.rstrip().rsplit(maxsplit=1)[0] for line in lines[1:table]]
    return "\n".join(lines)


def test_there_is_an_output_to_each_question():
    assert [command.split()[1:2] for command, _ in COMMANDS] == [["audit"], [], ["worst-case"]]
    assert len(blocks("text")) == len(COMMANDS)


def prints_what_is_shown(question, capsys):
    command, shown = COMMANDS[question]
    assert main(command.split()[1:]) == (1 if "audit" in command else 0)
    printed = capsys.readouterr().out
    assert same(without_seconds(shown), without_seconds(printed)), printed


@pytest.mark.parametrize("question", [0, 1])
def test_commands_print_what_is_shown(question, capsys):
    prints_what_is_shown(question, capsys)


@pytest.mark.slow
def test_the_worst_case_is_as_shown(capsys):
    prints_what_is_shown(2, capsys)


def test_shown_and_printed_are_compared():
    assert same("found 30 of 30, 0.97 +1046.0", "found 29 of 30,  0.98 +1040.1")
    assert not same("found 30 of 30", "found 20 of 30")
    assert not same("HR 0.97", "HR 0.93")
    assert not same("HR 0.97", "RI 0.97")
    assert without_seconds("a  seconds\nx  1  2.5\n\nfound 3\n") == "a  seconds\nx  1\n\nfound 3"
    assert without_seconds("found 3\nand 4\n") == "found 3\nand 4"


def test_python_session():
    (session,) = blocks("pycon")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert test.examples
    assert runner.run(test).failed == 0


def test_the_first_page_of_the_site_shows_the_same():
    front = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
    assert ".. include:: generated/front.rst" in front
    part = README.split("<!-- front -->\n")[1].split("<!-- end of front -->\n")[0]
    assert all(shown in part for _, shown in COMMANDS)


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
