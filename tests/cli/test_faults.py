"""A person at a shell is told in one line what went wrong, and keeps what was finished."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skrecsec import MFRecommender, cli
from skrecsec.utils import _files

posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")


def refused(capsys, *arguments):
    """Return the line with which arguments are refused."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "file", "content", "message"),
    [
        ("filmtrust", "filmtrust/ratings.txt", b"\x00\xff\x13garbage\n", "line 1: expected 3"),
        ("filmtrust", "filmtrust/ratings.txt", b"", "is empty"),
        ("filmtrust", "filmtrust/ratings.txt", b"1 2 3\n", "no user with 15"),
        ("movielens-100k", "ml-100k/u.data", b"1\t1\tnan\t0\n", "line 1: rating 'nan'"),
        ("movielens-1m", "ml-1m/ratings.dat", b"1::1::5::0\n1::1::4::0\n", "line 2: user 1 has"),
        ("movielens-100k", "ml-100k/u.data", b"1\t1\t5\t0\n2\t1\t4\t0\n", "at least two ratings"),
    ],
)
def test_damaged_data(dataset, file, content, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SKRECSEC_DATA", str(tmp_path))
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_bytes(content)
    assert cli.main(["--dataset", dataset]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("skrecsec: error: ")
    assert "Traceback" not in err


def test_too_much_to_ask_for(few, capsys):
    assert cli.main(["--attack-size", "9" * 15]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("skrecsec: error: ")
    assert "--repeats: expected a whole number from 1 to" in refused(capsys, "--repeats", "9" * 15)


# --- the report -----------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_refused_first(few, tmp_path, monkeypatch, capsys):
    def fail(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_files.tempfile, "NamedTemporaryFile", fail)
    line = refused(capsys, "--report", str(tmp_path / "report.html"))
    assert f"argument --report: {tmp_path}: Permission denied" in line
    assert few == []


@posix
def test_what_is_no_file_is_refused(tmp_path, capsys):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "ymbolic" in refused(capsys, "--report", str(loop)).replace("Symlink", "Symbolic")
    assert "is not a regular file" in refused(capsys, "--report", os.devnull)
    assert Path(os.devnull).is_char_device()
    assert "too long" in refused(capsys, "--report", str(tmp_path / ("x" * 300)))
    assert "no such home folder" in refused(capsys, "--report", "~nobody-of-this-name/x.html")


@posix
def test_a_home_folder_a_long_name_and_a_link(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "x" * 240 + ".html"
    target, link = tmp_path / "reports" / name, tmp_path / "link.html"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    assert cli.main(["--report", "~/link.html"]) == 0
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in target.parent.iterdir()] == [name]


def test_the_table_comes_before_a_report_that_fails(few, tmp_path, monkeypatch, capsys):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "replace", fail)
    path = tmp_path / "report.html"
    assert cli.main(["--report", str(path)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 11
    assert err.splitlines()[-1] == f"skrecsec: error: {path}: No space left on device"
    assert not path.exists()


# --- who reads the output -------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_nobody_reads_the_output(start, arguments):
    process = start(*arguments)
    process.stdout.close()
    assert process.stderr.read().count("\n") == (0 if "--help" in arguments else 2)
    assert process.wait(60) in (141, 0 if "--help" in arguments else 141)


@posix
def test_nobody_reads_anything(start):
    process = start("--repeats", "500", stderr=subprocess.STDOUT)
    assert "movielens-100k: 120 users" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141  # long before all repeats are done


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk(start):
    with open("/dev/full", "w") as full:
        process = start(stdout=full)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.splitlines()[-1] == "python -m skrecsec: error: No space left on device"
        assert "Traceback" not in err
        process = start("--format", "csv", stderr=full)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert len(out.splitlines()) == 9


@posix
def test_progress_does_not_get_into_the_result(start):
    silent = {"preexec_fn": lambda: os.close(2), "check": False}
    if subprocess.run([sys.executable, "-c", "import scipy.sparse"], **silent).returncode:
        pytest.skip("this SciPy is not imported where there is no stderr, as 1.14 with NumPy 2.0")
    process = start("--format", "json", preexec_fn=lambda: os.close(2), stderr=None)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(json.loads(out)["results"]) == 8


# --- the end before the end -----------------------------------------------------------------------


@posix
@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_an_interrupt_leaves_the_repeats_that_were_finished(start, n_jobs):
    process = start("--repeats", "500", "--n-jobs", n_jobs, "--format", "json")
    lines = [process.stderr.readline()]
    while "repeat 2 of 500 done" not in lines[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    result = json.loads(out)
    n_finished = result["finished_repeats"]
    assert 2 <= n_finished < 500
    assert result["settings"]["repeats"] == 500
    assert result["results"][2]["test_hr_std"] is not None
    # Not always the last line: a helper of joblib may still say what it found deleted.
    said = f"python -m skrecsec: interrupted; {n_finished} of 500 repeats were finished"
    assert said in err.splitlines()
    assert "Traceback" not in err, err


@posix
def test_an_interrupt_while_workers_start_is_silent(start):
    process = start("--repeats", "500", "--n-jobs", "2")
    process.stderr.readline()
    # It may come in the moment in which processes are started, when nobody hears it.
    for _ in range(50):
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(0.5)
            break
        except subprocess.TimeoutExpired:
            pass
    out, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter: again, when all was said
    assert "Traceback" not in err
    assert "interrupted" in err
    assert out == "" or "MF, clean" in out


def raising(monkeypatch, error, n):
    """Have the nth fit of many ratings raise an error."""
    fits = []
    fit = MFRecommender.fit

    def fit_or_fail(self, X, y=None):
        if X.shape[0] >= 120:
            fits.append(1)
            if len(fits) == n:
                raise error
        return fit(self, X)

    monkeypatch.setattr(MFRecommender, "fit", fit_or_fail)


def test_an_interrupt_before_anything_is_finished(few, monkeypatch, capsys):
    raising(monkeypatch, KeyboardInterrupt(), 1)
    assert cli.main(["--repeats", "2"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "skrecsec: interrupted; 0 of 2 repeats were finished"


def test_an_error_leaves_what_was_finished_and_a_report(few, monkeypatch, tmp_path, capsys):
    raising(monkeypatch, MemoryError("too much"), 4)
    path = tmp_path / "report.html"
    assert cli.main(["--repeats", "3", "--report", str(path)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 11
    assert err.splitlines()[-1].startswith("skrecsec: error: too much (")
    assert err.splitlines()[-1].endswith("(1 of 3 repeats were finished)")
    page = path.read_text(encoding="utf-8")
    assert "Repeats: 1 of 3, after which it was interrupted." in page
    for cell in re.split(r"  +", out.splitlines()[3].strip()):
        assert f"<td>{cell}</td>" in page
