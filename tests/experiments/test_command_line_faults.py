"""`python -m skrecsec.experiments` shows nobody a traceback."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import skrecsec
from skrecsec.experiments import __main__ as cli
from skrecsec.experiments import _running
from skrecsec.experiments.paper import _laboratory, _tables
from skrecsec.experiments.paper._figures import FIGURES
from skrecsec.experiments.paper._laboratory import why_not
from skrecsec.experiments.paper._settings import ATTACKS, KINDS, OWN_ATTACKS
from skrecsec.utils import _versions


@pytest.fixture
def data(tmp_path):
    """Return a data home with a small file of ratings."""
    lines = [
        f"{user} {item} {1 + (7 * user + 3 * item) % 5}"
        for user in range(1, 41)
        for item in range(1, 1701)  # the published targets among them
        if (user + item) % 40 < 2
    ]
    home = tmp_path / "data"
    (home / "filmtrust").mkdir(parents=True)
    (home / "filmtrust" / "ratings.txt").write_text("\n".join(lines))
    return home


@pytest.fixture
def no_work(monkeypatch):
    """Fail if anything is computed."""
    monkeypatch.setattr(_running, "run_task", None)
    monkeypatch.setattr(_laboratory, "robustness_study", None)


def run(folder, data, *arguments):
    options = ["--out", str(folder / "out"), "--data-home", str(data), "--quiet"]
    return cli.main([*arguments, *options])


def start(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "skrecsec.experiments", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **options)


# --- arguments ------------------------------------------------------------------------------------


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"skrecsec {skrecsec.__version__}\n"


def test_help_tells_each_default_once(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    options = re.split(r" (?=--[a-z-]+ [A-Z{])", text.partition("options:")[2])
    assert max(option.count("(default: ") for option in options) == 1
    assert "None" not in text
    assert "[" not in text.partition("options:")[2].replace("[NAME ...]", "")
    assert "kinds of targets: random, unpopular (default: all)" in text


@pytest.mark.parametrize("option", ["--out", "--cache-dir", "--data-home"])
def test_empty_folders_are_refused(option, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["table2", option, ""])
    assert end.value.code == 2
    assert f"argument {option}: expected a folder" in capsys.readouterr().err


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure5", "--targets", "unpopular"], "figure5: shows random targets"),
        (["figure9", "--targets", "random"], "figure9: shows unpopular targets"),
        (["table4", "figure7", "--attack", "DL"], "figure7: shows the attack TNA"),
        (["figure4", "--attack", "PGA"], "figure4: shows the attacks DL, CoAttack, GCoAttack"),
    ],
)
def test_what_options_leave_out_is_refused_before_any_work(
    tmp_path, data, capsys, arguments, message
):
    assert run(tmp_path, data, *arguments) == 1
    assert f"error: {message}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_says_what_it_leaves_out(tmp_path, data, capsys, monkeypatch):
    made = []
    monkeypatch.setattr(cli, "_make", lambda name, *_: made.append(name))
    assert run(tmp_path, data, "all", "--attack", "Average", "--targets", "random") == 0
    tables = ["table2", "table3", "table3b"]
    tables += [f"table{number}{part}" for number in (4, 5) for part in ("", "b", "c")]
    assert made == [*tables, "detection", "figure5", "figure8"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[5] for line in lines] == ["figure4", "figure6", "figure7", "figure9"]


def test_figures_can_be_made_of_what_they_show():
    for name, function in FIGURES.items():
        assert why_not(function, attacks=ATTACKS, kinds=KINDS) is None, name
    assert why_not(FIGURES["figure4"], attacks=OWN_ATTACKS[:1], kinds=KINDS) is None


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_work")
def test_an_output_folder_that_cannot_be_written(tmp_path, data, capsys, monkeypatch):
    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(cli, "check_writable", refuse)
    with pytest.raises(SystemExit) as end:
        run(tmp_path, data, "table4")
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(
        f"argument --out: {tmp_path / 'out'}: Permission denied\n"
    )


@pytest.mark.parametrize(
    "content", [b"", b"1 2\n", b"1 2 x\n", b"\xff\xfe\x00", b"1 2 -3\n", b"PK\x03\x04", b"1 2 nan"]
)
def test_damaged_data(tmp_path, data, capsys, content):
    file = data / "filmtrust" / "ratings.txt"
    file.write_bytes(content)
    assert run(tmp_path, data, "table2") == 1
    message = capsys.readouterr().err
    assert message.startswith("python -m skrecsec.experiments: error: ")
    assert "ratings.txt" in message
    assert len(message.splitlines()) == 1


def test_a_full_disk_while_writing(tmp_path, data, capsys, monkeypatch):
    def fail(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(cli, "write_atomically", fail)
    assert run(tmp_path, data, "table2") == 1
    message = capsys.readouterr().err
    assert "table2_filmtrust.md: No space left on device (while making table2_filmtrust)" in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_behind_stdout(tmp_path, data):
    with open("/dev/full", "w") as full:
        options = ["--out", tmp_path / "out", "--data-home", data, "--quiet"]
        process = start("table2", *options, stdout=full)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.decode().splitlines() == [
        "python -m skrecsec.experiments: error: No space left on device (while making "
        "table2_filmtrust)"
    ]
    assert (tmp_path / "out" / "table2_filmtrust.csv").exists()


def test_nobody_reads_the_table(tmp_path, data):
    options = ["--out", tmp_path / "out", "--data-home", data, "--quiet"]
    process = start("table2", *options, stdout=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(120) == 141
    assert errors == b""
    assert (tmp_path / "out" / "table2_filmtrust.csv").exists()


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_an_interrupt_says_what_was_written(tmp_path, data, capsys, monkeypatch):
    def interrupted(laboratory):
        raise KeyboardInterrupt

    monkeypatch.setitem(_tables.TABLES, "table3", interrupted)
    assert run(tmp_path, data, "table2", "table3") == 130
    assert capsys.readouterr().err == (
        "python -m skrecsec.experiments: interrupted; written: table2_filmtrust\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_in_a_terminal(tmp_path, data, n_jobs):
    out = tmp_path / "out"
    options = ["--out", out, "--data-home", data, "--n-jobs", n_jobs, "--repeats", 500]
    # As a terminal does it: to all processes of the group, the workers among them.
    process = start("table4", *options, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while len(list(out.glob("records/*.record"))) < 8 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    text = errors.decode()
    assert "Traceback" not in text
    last = text.splitlines()[-1]
    assert re.search(r": interrupted; \d+ of \d+ units were done; they are kept in '", last)
    assert last.endswith("; written: nothing")


# --- where results come from ----------------------------------------------------------------------


def test_the_processor_is_part_of_it(tmp_path, data, monkeypatch):
    assert run(tmp_path, data, "table2") == 0
    source = json.loads((tmp_path / "out" / "table2_filmtrust.json").read_text(encoding="utf-8"))
    assert source["processor"] == _versions.processor()
    assert all(source["processor"].values())
    import numba

    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    assert _versions.processor()["compiled_for"] == "generic"
