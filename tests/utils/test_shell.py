"""What a person at a shell is told when something goes wrong."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import warnings
import zipfile
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from skrecsec.utils import _files, _shell
from skrecsec.utils._files import check_writable, write_atomically
from skrecsec.utils._shell import run_shell


def raising(error, *notes):
    def main(argv):
        for note in notes:
            error.add_note(note)
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("u.data is missing"), "u.data is missing"),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: No such file or directory"),
        (FileNotFoundError(2, "No such file or directory", b"a"), "a: No such file or directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (ValueError("two\n  lines"), "two lines"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "'utf-8' codec can't decode"),
        (ImportError("needs matplotlib"), "needs matplotlib"),
        (MemoryError(), "MemoryError"),
        (EOFError(), "EOFError"),
        (zipfile.BadZipFile("no zip"), "no zip"),
        (BrokenProcessPool("a worker was killed"), "a worker was killed"),
    ],
)
def test_errors_of_the_world_are_one_line(error, line, capsys):
    assert run_shell(raising(error, "in repeat\n3"), prog="tool") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"tool: error: {line}")
    assert err.endswith(" (in repeat 3)\n")
    assert len(err.splitlines()) == 1


def test_a_failure_may_have_another_status(capsys):
    """Where 1 means something else, nothing that fails ends with it."""
    assert run_shell(raising(OSError("no space")), prog="tool", failed=2) == 2
    assert capsys.readouterr().err == "tool: error: no space\n"
    assert run_shell(raising(ZeroDivisionError("a fault")), prog="tool", failed=2) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("ZeroDivisionError: a fault\n")
    assert run_shell(raising(KeyboardInterrupt()), prog="tool", failed=2) == 130
    assert run_shell(lambda argv: 1, prog="tool", failed=2) == 1
    with pytest.raises(ZeroDivisionError):
        run_shell(raising(ZeroDivisionError()), prog="tool")


def test_an_interrupt_says_what_was_finished(capsys):
    assert run_shell(raising(KeyboardInterrupt(), "3 of 8 done"), prog="tool") == 130
    assert capsys.readouterr().err == "tool: interrupted; 3 of 8 done\n"


def test_faults_of_the_program_keep_their_traceback():
    with pytest.raises(TypeError):
        run_shell(raising(TypeError("a bug")), prog="tool")


def test_the_end_by_argparse_and_the_status_go_through():
    with pytest.raises(SystemExit) as end:
        run_shell(raising(SystemExit(2)), prog="tool")
    assert end.value.code == 2
    assert run_shell(lambda argv: 3 + len(argv), ["a"], prog="tool") == 4


def test_warnings_are_one_line(capsys):
    before = warnings.formatwarning

    def main(argv):
        print(warnings.formatwarning("two\nlines", UserWarning, "file.py", 3), file=sys.stderr)
        return 0

    assert run_shell(main, prog="tool") == 0
    assert capsys.readouterr().err.strip() == "tool: warning: two lines"
    assert warnings.formatwarning is before


SCRIPT = """
import sys
from skrecsec.utils._shell import run_shell

def main(argv):
    print("first line", flush={flush})
    if {wait}:
        sys.stdin.read()
    print("x\\n" * 100_000, file=sys.{stream}, flush={flush})
    return 0

sys.exit(run_shell(main, prog="tool"))
"""


def start(script, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", script], env=environment, **options)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("flush", [True, False])
def test_nobody_reads_any_more(stream, flush):
    pipe = subprocess.PIPE
    errors = pipe if stream == "stdout" else subprocess.STDOUT
    script = SCRIPT.format(flush=flush, wait=flush, stream=stream)
    with start(script, stdin=pipe, stdout=pipe, stderr=errors) as process:
        if flush:
            assert process.stdout.readline() == b"first line" + os.linesep.encode()
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 141
        if process.stderr is not None:
            assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("flush", [True, False])
def test_a_full_disk_behind_stdout(flush):
    script = SCRIPT.format(flush=flush, wait=False, stream="stdout")
    with open("/dev/full", "w") as full:
        process = start(script, stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.decode().strip() == "tool: error: No space left on device"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_what_a_broken_stream_holds_goes_nowhere():
    stream = open("/dev/full", "w")  # noqa: SIM115 - closed below
    stream.write("what nobody will read")
    _shell._give_up_if_broken(stream)
    stream.close()  # raises otherwise


def test_streams_that_are_no_files():
    class Broken(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed, None):
        _shell._give_up_if_broken(stream)


# --- other threads ---


@pytest.mark.parametrize("interrupted", [False, True])
def test_threads_say_what_went_wrong_unless_interrupted(interrupted, monkeypatch, capsys):
    said = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: said.append(failed.exc_type))

    def main(argv):
        try:
            if interrupted:
                signal.raise_signal(signal.SIGINT)
        finally:
            thread = threading.Thread(target=[].pop)
            thread.start()
            thread.join()
        return 0

    assert run_shell(main, [], prog="tool") == (130 if interrupted else 0)
    assert said == ([] if interrupted else [IndexError])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capsys.readouterr().err == ("tool: interrupted\n" if interrupted else "")


def test_what_an_interrupt_leaves_behind_warns_no_more(capsys):
    class Generator:
        def __del__(self):
            warnings.warn("2 tasks have been cancelled", stacklevel=1)

    def main(argv):
        unused = Generator()  # noqa: F841  freed when the exception is
        raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run_shell(main, [], prog="tool") == 130
        assert capsys.readouterr().err == "tool: interrupted\n"
        assert caught == []
        Generator().__del__()
        assert len(caught) == 2  # and once more when it goes


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone():
    statuses = []
    thread = threading.Thread(
        target=lambda: statuses.append(run_shell(lambda argv: 3, [], prog="tool"))
    )
    thread.start()
    thread.join()
    assert statuses == [3]


# --- files ----------------------------------------------------------------------------------------


def test_errors_name_the_file_that_was_asked_for(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    for folder in (tmp_path / "none", Path(__file__)):
        with pytest.raises(OSError, match=r"none|test_shell\.py") as error:
            check_writable(folder)
        assert error.value.filename == str(folder)
    monkeypatch.setattr(_files.os, "replace", fail)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(tmp_path / "table.md", "text")
    assert error.value.filename == str(tmp_path / "table.md")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_be_written_stays_as_it_was(tmp_path):
    check_writable(tmp_path)
    assert not list(tmp_path.iterdir())
