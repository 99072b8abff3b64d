"""The project's own tools do what they say: checks, constraints, workflow, mutants."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STEPS = re.findall(r"^step '(.*)'$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
CHECKERS = ("ruff", "codespell", "mypy")


def load_yaml(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_hooks_are_the_quick_checks_of_ci():
    commands = [command for step in STEPS for command in step.split(" && ")]
    (repository,) = load_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == [
        command for command in commands if command.split()[0] in CHECKERS
    ]
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    assert not any(hook["pass_filenames"] for hook in repository["hooks"])


# ---------------------------------------------------------------------------------- the workflow

WORKFLOW = load_yaml(".github/workflows/ci.yml")


def test_the_workflow_runs_what_ci_runs():
    commands = [step.get("run") for step in WORKFLOW["jobs"]["everything"]["steps"]]
    assert commands[-1] == ".ci/run"


def test_the_workflow_runs_the_tests_with_every_version():
    job = WORKFLOW["jobs"]["versions"]
    command = job["steps"][-1]["run"]
    assert command.replace("${{ matrix.constraints }}", "constraints.txt") == STEPS[-1]
    matrix = job["strategy"]["matrix"]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == pythons
    (oldest,) = matrix["include"]
    assert f">={oldest['python']}" == PROJECT["requires-python"]
    files = {*matrix["constraints"], oldest["constraints"]}
    assert files == {"constraints.txt", "constraints-oldest.txt"}


def test_the_workflow_may_only_read_and_says_which_actions():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    for job in WORKFLOW["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v0"))


def test_issue_forms_have_what_a_form_needs():
    for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")):
        form = load_yaml(path)
        if path.name == "config.yml":
            continue
        assert form["name"]
        assert form["description"]
        identifiers = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(identifiers) == len(set(identifiers)) > 0


# ------------------------------------------------------------------------------- oldest versions

NOT_THE_OLDEST = {"torch"}
HIGHER_FOR_TESTS = {"pyarrow"}


def release(version):
    """Return the numbers of a version, without zeros at the end."""
    numbers = re.match(r"\d+(\.\d+)*", version)[0]
    return tuple(int(number) for number in re.sub(r"(\.0)+$", "", numbers).split("."))


def lower_bounds():
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *extras["test"]]:
        name, bound = re.match(r"([a-z0-9-]+)(?:\[[a-z]+\])?>=([0-9.]+)", requirement).groups()
        yield name, release(bound)


def pins(path):
    """Return the versions of a constraints file, block by block."""
    blocks = (ROOT / path).read_text(encoding="utf-8").split("\n\n")
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        yield {name: release(version) for name, version in (line.split("==") for line in lines)}


def test_the_oldest_versions_are_the_lower_bounds():
    oldest, consequences = pins("constraints-oldest.txt")
    bounds = dict(lower_bounds())
    assert oldest.keys() == bounds.keys()
    for name, bound in bounds.items():
        if name in NOT_THE_OLDEST:
            assert oldest[name] > bound
        else:
            assert oldest[name] == bound
    assert not consequences.keys() & bounds.keys()


def test_the_tested_versions_are_allowed():
    (tested,) = pins("constraints.txt")
    assert all(tested[name] >= bound for name, bound in lower_bounds())


def test_a_bound_is_the_same_wherever_it_stands():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = set(re.findall(r'"([a-z0-9-]+)(?:\[[a-z]+\])?>=([0-9.]+)"', text))
    several = {name for name, bound in bounds if bound != dict(bounds)[name]}
    assert several == HIGHER_FOR_TESTS


# -------------------------------------------------------------------------------------- coverage


def test_what_coverage_leaves_out_has_a_reason():
    for path in sorted((ROOT / "skrecsec").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "pragma: no" in line:
                assert re.search(r"# pragma: no (cover|branch) - \w", line), f"{path}: {line}"


# --------------------------------------------------------------------------------------- mutants

specification = importlib.util.spec_from_file_location("mutate", ROOT / "tools" / "mutate.py")
mutate = importlib.util.module_from_spec(specification)
specification.loader.exec_module(mutate)


def changes(source):
    return [mutant.becomes for mutant in mutate.find_mutants(source)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a = b < c", ["a = (b <= c)"]),
        ("a = b <= c != d", ["a = (b < c != d)", "a = (b <= c == d)"]),
        ("a = b and c", ["a = (b or c)"]),
        ("a = not b", ["a = b"]),
        ("a = b * (c + d)", ["a = (b / (c + d))", "a = b * ((c - d))"]),
        ("a = b[1]", ["a = b[2]", "a = b[0]"]),
        ("a = 0.5, True", ["a = 1.5, True", "a = 0.5, False"]),
        ("a -= b", ["a += b"]),
        ("if f(): a = b", ["if (not f()): a = b"]),
        ("def f(a='b', *, c=None): pass", ["def f(a='b_', *, c=None): pass"]),
        ("def f(): return a", ["def f(): return None"]),
        ("def f(): return None", []),
        ("f(a)", ["pass"]),
        ("raise f(1)", ["pass"]),
        ("'''2 < 3'''", []),
        ("a: f(1) = b", []),
        ("def f(a: f(1)) -> f(2): pass", []),
        ("a = f'{b + c}'", []),
        ("__all__ = [1]", []),
        ("if TYPE_CHECKING: a = 1", []),
        ("é = b + c; d = 'é' in e", ["é = (b - c); d = 'é' in e", "é = b + c; d = ('é' not in e)"]),
    ],
)
def test_mutants_of_a_line(line, expected):
    assert changes(line) == expected


def test_mutants_know_their_function():
    source = (
        "class A:\n    def f(self):\n        return 1 + 1\n\n\ndef g():\n    return [\n  a <\n b]\n"
    )
    mutants = mutate.find_mutants(source)
    assert {mutant.function for mutant in mutants} == {"A.f", "g"}
    assert mutants[-1].key == ("g", "a < b]", "(a <= b)]", 1)
    assert "return [\n  (a <= b)]\n" in mutants[-1].source


def test_mutants_of_equal_lines_are_told_apart():
    mutants = mutate.find_mutants("def f():\n    a += b\n    a += b\n")
    assert [mutant.key for mutant in mutants] == [
        ("f", "a += b", "a -= b", 1),
        ("f", "a += b", "a -= b", 2),
    ]


def test_mutants_are_of_existing_modules_and_tests():
    for module, tests in mutate.TESTS.items():
        assert (ROOT / module).is_file()
        for test in tests:
            file, _, name = test.partition("::")
            assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8")


def test_explained_mutants_exist_and_have_a_reason():
    explained = mutate.read_explained()
    assert explained.keys() <= mutate.TESTS.keys()
    for module, reasons in explained.items():
        source = (ROOT / module).read_text(encoding="utf-8")
        mutants = mutate.find_mutants(source)
        assert reasons.keys() <= {mutant.key for mutant in mutants}
        assert all(reasons.values())
