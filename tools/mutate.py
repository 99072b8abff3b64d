"""Mutation testing: change one thing in a module and see whether its tests notice.

    python tools/mutate.py                                # every module of the table
    python tools/mutate.py skrecsec/utils/_items.py       # one of them
    python tools/mutate.py skrecsec/cli/_page.py --tests tests/test_main.py
    python tools/mutate.py --sample 100 --seed 1 --jobs 2

Each mutant is written into a copy of the package in a temporary folder. Its tests run there in a
fork of a process that has imported everything else, compiled functions as plain Python, Hypothesis
with fixed seeds. Exits with 1 if a mutant survives that `mutants_explained.toml` does not explain,
or if one does not survive that it does. Needs `os.fork`, so not for Windows.

What is changed: comparisons, `and` and `or`, `not` (also where a condition has none), arithmetic,
integers by one, floats, booleans, strings that are defaults, returned values (to None), and
statements that raise or only call something (to nothing). What is not: annotations, docstrings,
f-strings, what is raised, imports, `__all__` and what only type checkers see.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EXPLAINED = Path(__file__).with_name("mutants_explained.toml")

# The modules that define metrics, splits, the order of items, rating matrices, the threat model and
# the evidence of detectors, with the tests that have to notice a change.
_PICKLING = "tests/attacks/test_pickling.py::test_"
_EXTREMES = "tests/attacks/test_extremes.py::test_"
_CRAFTED = [  # the others take too long as plain Python
    _EXTREMES + "crafted_profiles_are_checked",
    _EXTREMES + "crafted_ratings_become_levels",
    _EXTREMES + "dense_profiles_will_do",
    _EXTREMES + "counts_are_warned_of_as_recommenders_do",
    _EXTREMES + "the_lowest_of_one_level_promotes",
    _EXTREMES + "more_profiles_than_memory",
]
_SPLITS = "tests/model_selection/test_splits.py::test_"
TESTS = {
    "skrecsec/base/_attack.py": [
        "tests/attacks/test_base_attack.py",
        "tests/attacks/test_evasion.py",
        _PICKLING + "an_attack_knows_what_it_was_fitted_on",
        _PICKLING + "copies_within_a_process_are_whole",
        _PICKLING + "ratings_are_kept_where_that_is_asked_for",
        _PICKLING + "of_a_pipeline_neither",
        *_CRAFTED,
    ],
    "skrecsec/base/_detector.py": ["tests/detection/test_base_detector.py"],
    "skrecsec/base/_threat.py": [
        "tests/attacks/test_base_attack.py",
        "tests/attacks/test_evasion.py",
        *_CRAFTED,
    ],
    "skrecsec/detection/_agreement.py": ["tests/detection/test_agreement.py"],
    "skrecsec/detection/_balls.py": ["tests/detection/test_balls.py"],
    "skrecsec/detection/_bursts.py": ["tests/detection/test_bursts.py"],
    "skrecsec/detection/_crowds.py": ["tests/detection/test_crowds.py"],
    "skrecsec/detection/_groups.py": ["tests/detection/test_groups.py"],
    "skrecsec/detection/_items.py": ["tests/detection/test_items.py"],
    "skrecsec/detection/_verdicts.py": ["tests/detection/test_verdicts.py"],
    "skrecsec/metrics/_ranking.py": [
        "tests/metrics/test_ranking_metrics.py",
        "tests/metrics/test_scorers_see_what_models_see.py::test_masked_predictions_are_not_ranked",
        "tests/test_faults_kinds.py",
    ],
    "skrecsec/metrics/_robustness.py": ["tests/metrics/test_robustness_metrics.py"],
    "skrecsec/model_selection/_held_out.py": ["tests/model_selection/test_splits.py"],
    "skrecsec/model_selection/_split.py": ["tests/model_selection/test_splits.py"],
    "skrecsec/utils/_held_out.py": ["tests/utils/test_ranking.py"],
    "skrecsec/utils/_items.py": ["tests/utils/test_ranking.py"],
    "skrecsec/utils/_ranking.py": ["tests/utils/test_ranking.py"],
    "skrecsec/utils/_scoring.py": [
        "tests/metrics/test_ranking_metrics.py",
        "tests/utils/test_scoring.py",
    ],
    "skrecsec/utils/_sparse.py": ["tests/utils/test_sparse.py"],
    "skrecsec/utils/_timestamps.py": [
        _SPLITS + "a_stored_zero_is_a_time",
        _SPLITS + "times_may_be_in_any_sparse_format",
        _SPLITS + "times_may_be_in_the_order_of_the_data_also_if_that_is_unsorted",
        _SPLITS + "times_are_compared_exactly",
        _SPLITS + "times_that_do_not_belong_to_the_ratings_are_refused",
        _SPLITS + "dates_and_times_are_timestamps",
        _SPLITS + "what_is_no_time_is_refused",
        _SPLITS + "masked_times_are_refused",
        _SPLITS + "times_as_objects_are_dates_or_refused",
        _SPLITS + "times_in_the_order_of_the_data_need_csr",
        _SPLITS + "damaged_matrices_are_refused_before_anybody_reads_them",
    ],
    "skrecsec/utils/validation.py": [
        "tests/utils/test_validation.py",
        "tests/utils/test_sparse.py",
        "tests/test_faults_kinds.py",
    ],
}

# Imported once, before the forks. The package itself is imported too, and forgotten again.
PRELOADED = ["hypothesis.extra.numpy", "pandas", "pytest", "sklearn.model_selection", "skrecsec"]

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


class Mutant(NamedTuple):
    """One change of a module; lines are without indentation, and joined if there are several."""

    number: int
    function: str
    line: str
    becomes: str
    occurrence: int
    source: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells mutants of a module apart, also after other lines have changed."""
        return self.function, self.line, self.becomes, self.occurrence


def find_mutants(source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of their lines."""
    text = source.encode()  # the columns of the syntax tree count bytes
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    mutants = []
    occurrences = Counter()
    changes = sorted(_changes(ast.parse(source), ""), key=lambda change: change[1].lineno)
    for function, node, replacement in changes:
        new = ast.unparse(replacement)
        if not isinstance(replacement, ast.stmt | ast.Constant | ast.Name | ast.Call):
            new = f"({new})"
        new = new.encode()
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        before = text[starts[node.lineno - 1] : begin]
        after = text[end : starts[node.end_lineno]]
        line = _one_line(before + text[begin:end] + after)
        becomes = _one_line(before + new + after)
        occurrences[function, line, becomes] += 1
        occurrence = occurrences[function, line, becomes]
        mutated = (text[:begin] + new + text[end:]).decode()
        mutants.append(Mutant(node.lineno, function, line, becomes, occurrence, mutated))
    return mutants


def _one_line(text):
    return " ".join(text.decode().split())


def _changes(node, function) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Yield the name of a function, a node in it and what could stand in its place."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}" if function else node.name
    for changed, replacement in _mutations(node):
        yield function, changed, replacement
    for child in _children(node):
        yield from _changes(child, function)


def _mutations(node):
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                mutated = copy.deepcopy(node)
                mutated.ops[place] = COMPARISONS[type(operator)]()
                yield node, mutated
        case ast.BoolOp() | ast.BinOp() | ast.AugAssign():
            mutated = copy.deepcopy(node)
            mutated.op = OPERATORS[type(node.op)]()
            yield node, mutated
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield node, node.operand
        case ast.UnaryOp(op=ast.USub()) if not isinstance(node.operand, ast.Constant):
            yield node, node.operand
        case ast.Constant(value=bool()):
            yield node, ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield node, ast.Constant(node.value + 1)
            yield node, ast.Constant(node.value - 1)
        case ast.Constant(value=float()):
            yield node, ast.Constant(node.value + 1)
        case ast.arguments():
            for default in [*node.defaults, *node.kw_defaults]:
                if isinstance(default, ast.Constant) and isinstance(default.value, str):
                    yield default, ast.Constant(default.value + "_")
        case ast.Return() if not isinstance(node.value, ast.Constant | None):
            yield node, ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield node, ast.Pass()
        case ast.If() | ast.IfExp() | ast.While():
            # Others are changed as what they are.
            if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
                yield node.test, ast.UnaryOp(ast.Not(), node.test)


def _children(node):
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Raise():
            return []
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.arg():
            return []
        case ast.AnnAssign():
            return [node.value] if node.value else []
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return node.orelse
        case ast.FunctionDef():
            return [*node.decorator_list, node.args, *node.body]
    return ast.iter_child_nodes(node)


def read_explained() -> dict[str, dict[tuple, str]]:
    """Return, for each module, the reasons why mutants survive."""
    reasons: dict[str, dict[tuple, str]] = {}
    for entry in tomllib.loads(EXPLAINED.read_text(encoding="utf-8")).get("mutant", []):
        key = entry["function"], entry["line"], entry["becomes"], entry.get("occurrence", 1)
        reasons.setdefault(entry["module"], {})[key] = entry["reason"]
    return reasons


class Trial(NamedTuple):
    """A mutant whose tests are running."""

    module: str
    mutant: Mutant
    folder: Path
    original: bytes
    deadline: float


def run_mutants(mutants, tests, limits, folders) -> Iterator[tuple[str, Mutant, str]]:
    """Yield each module and mutant with what became of it: killed, survived or timed out."""
    folders = list(folders)
    waiting = list(reversed(mutants))
    running: dict[int, Trial] = {}
    try:
        while waiting or running:
            while waiting and folders:
                module, mutant = waiting.pop()
                folder = folders.pop()
                original = (folder / module).read_bytes()
                (folder / module).write_text(mutant.source, encoding="utf-8")
                process = start_tests(folder, tests[module])
                deadline = time.time() + limits[module]
                running[process] = Trial(module, mutant, folder, original, deadline)
            for process, trial in list(running.items()):
                status = wait(process, trial.deadline)
                if status is None:
                    continue
                del running[process]
                (trial.folder / trial.module).write_bytes(trial.original)
                folders.append(trial.folder)
                yield trial.module, trial.mutant, status
            time.sleep(0.01)
    finally:
        for process in running:
            wait(process, 0)


def make_copy() -> Path:
    """Copy what the tests need into a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    for name in ("skrecsec", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def start_tests(folder: Path, tests: list[str]) -> int:
    """Run tests of a copy in a new process, and return its number."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider"]
        status = pytest.main([*options, *tests], plugins=[QuickTestsFirst()])
        imported = sys.modules.get("skrecsec")
        if imported and not Path(imported.__file__).is_relative_to(folder):
            status = 71
    finally:
        os._exit(status)


class QuickTestsFirst:
    """Lets pytest run property tests last."""

    def pytest_collection_modifyitems(self, items):
        """Keep the order otherwise."""
        items.sort(key=lambda item: item.get_closest_marker("hypothesis") is not None)


def wait(process: int, deadline: float) -> str | None:
    """Return what became of the tests, or None while they run; end them after the deadline."""
    done, status = os.waitpid(process, os.WNOHANG)
    if done:
        return "survived" if status == 0 else "killed"
    if time.time() < deadline:
        return None
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "timed out"


def prepare():
    """Import everything that mutants have in common."""
    # The tests of a mutant are one process among several; kernels are tested as plain Python.
    os.environ.update(NUMBA_DISABLE_JIT="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    # A mutant must not be imported from the bytecode of the last one.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "skrecsec"]:
        del sys.modules[name]
    sys.path.remove(str(ROOT))

    from hypothesis import Phase, settings

    phases = [Phase.explicit, Phase.generate]  # the smallest example is of no interest
    settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
    settings.load_profile("mutants")


def main(arguments=None) -> int:
    """Run the command line, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="paths from the root; default: the table's")
    parser.add_argument("--tests", nargs="+", help="test files, instead of the table's")
    parser.add_argument("--sample", type=int, help="number of mutants to draw; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="number of mutants tested at a time")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    options = parser.parse_args(arguments)

    modules = options.modules or list(TESTS)
    tests = {module: options.tests or TESTS.get(module, []) for module in modules}
    if not all(tests.values()):
        parser.error("name the tests of a module that is not in the table: --tests FILE ...")
    explained = read_explained()
    mutants = []
    for module in modules:
        source = (ROOT / module).read_text(encoding="utf-8")
        found = find_mutants(source)
        unknown = set(explained.get(module, {})) - {mutant.key for mutant in found}
        for function, line, becomes, _ in sorted(unknown):
            print(
                f"explained, but not a mutant: {module} {function}\n    - {line}\n    + {becomes}"
            )
        if unknown:
            return 2
        mutants += [(module, mutant) for mutant in found]
        if options.list:
            print(f"{module}: {len(found)} mutants")
    if options.list:
        return 0
    if options.sample is not None and options.sample < len(mutants):
        mutants = random.Random(options.seed).sample(mutants, options.sample)

    prepare()
    with contextlib.ExitStack() as cleaning:
        folders = [make_copy() for _ in range(options.jobs)]
        for folder in folders:
            cleaning.callback(shutil.rmtree, folder)
        return run(mutants, tests, explained, folders)


def run(mutants, tests, explained, folders) -> int:
    """Try all mutants and print what became of them; return an exit code."""
    limits = {}
    for module in dict.fromkeys(module for module, _ in mutants):
        source = (folders[0] / module).read_text(encoding="utf-8")
        unchanged = [(module, Mutant(0, "", "", "", 0, source))]
        start = time.time()
        ((_, _, status),) = run_mutants(unchanged, tests, {module: 600.0}, folders[:1])
        limits[module] = 5 * len(folders) * (time.time() - start) + 20
        if status != "survived":
            print(f"{module}: the tests fail without a change, too: {' '.join(tests[module])}")
            return 2

    counts = {module: Counter() for module in limits}
    n_wrong = 0
    for module, mutant, status in run_mutants(mutants, tests, limits, folders):
        is_explained = mutant.key in explained.get(module, {})
        if is_explained and status == "survived":
            status = "explained"
        elif is_explained and status == "killed":
            status = "killed, though explained"
        counts[module][status] += 1
        n_wrong += status in ("survived", "killed, though explained")
        print(f"{status}: {module}:{mutant.number} {mutant.function}")
        print(f"    - {mutant.line}\n    + {mutant.becomes}", flush=True)
    print()
    for module, count in counts.items():
        results = ", ".join(f"{n} {status}" for status, n in sorted(count.items()))
        print(f"{module}: {count.total()} mutants, {results}")
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
