"""Ratings that are few, and a shell to run the command line in."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skrecsec.datasets import make_ratings
from skrecsec.utils import _registry


@pytest.fixture
def few(monkeypatch):
    """Have few generated ratings in this process; return the number of times they were made."""
    made = []

    def make(random_state):
        made.append(random_state)
        return make_ratings(120, 90, density=0.2, random_state=random_state)

    entry = _registry.find("dataset", "generated")._replace(make=make)
    monkeypatch.setitem(_registry._entries["dataset"], "generated", entry)
    return made


@pytest.fixture
def few_on_disk(tmp_path):
    """Return a data home where few ratings lie as MovieLens-100K."""
    X = make_ratings(120, 90, density=0.2, random_state=0).tocoo()
    file = tmp_path / "data" / "ml-100k" / "u.data"
    file.parent.mkdir(parents=True)
    lines = np.column_stack([X.row + 1, X.col + 1, X.data, np.zeros(X.nnz)])
    np.savetxt(file, lines, fmt="%d", delimiter="\t")
    return file.parents[1]


@pytest.fixture
def start(few_on_disk):
    """Return a function that starts the command line on few ratings, in a process of its own."""
    environment = {
        **os.environ,
        "SKRECSEC_DATA": str(few_on_disk),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    processes = []

    def start(*arguments, **options):
        command = [sys.executable, "-m", "skrecsec", "--dataset", "movielens-100k", *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            command, env=environment, text=True, start_new_session=True, **options
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
