"""Fixtures that every test may use."""

import importlib.util
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec.datasets import make_ratings
from skrecsec.model_selection import leave_one_out_split
from skrecsec.utils._estimator_checks._faults import restored_globals


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Return the folder with the real datasets, or skip; under CI their absence is a failure."""
    configured = os.environ.get("SKRECSEC_DATA")
    checkout = Path(__file__).resolve().parents[1]
    folder = Path(configured).expanduser() if configured else checkout.parent / "shared" / "data"
    if not folder.is_dir():
        reason = f"needs the real datasets: {folder} does not exist, set SKRECSEC_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def module_at():
    """Return a function that runs a file of the checkout that is in no package, as a module."""

    def load(path: Path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent))  # as where it is run
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.parent))
        return module

    return load


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Let processes that tests start hear Ctrl-C, also where a shell runs all in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def whole_process():
    """Leave the process to other tests as it was found."""
    with restored_globals():
        yield


@pytest.fixture(scope="session")
def paper_splits(data_home) -> Path:
    """Return the folder with the published splits, or skip; under CI their absence is a failure."""
    folder = data_home / "paper_splits"
    if not folder.is_dir():
        reason = f"needs the published splits in {folder}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def published_splits(paper_splits) -> list:
    """Return the training ratings and the held-out items of MovieLens-100K and of FilmTrust."""
    return [read_split(paper_splits, dataset) for dataset in ("ml-100k", "filmtrust")]


def read_split(folder, dataset):
    train, test = (np.loadtxt(folder / f"{dataset}.{part}.rating") for part in ("train", "test"))
    shape = tuple(np.vstack([train, test])[:, :2].max(axis=0).astype(int) + 1)
    X = sp.csr_array((train[:, 2], train[:, :2].astype(int).T), shape=shape)
    y = np.full(shape[0], -1)
    y[test[:, 0].astype(int)] = test[:, 1]
    return X, y


@pytest.fixture(scope="session")
def ratings():
    """Return a small generated rating matrix."""
    return make_ratings(120, 90, density=0.2, random_state=0)


@pytest.fixture(scope="module")
def split(ratings):
    """Return these without a rating of each user, and which that was."""
    return leave_one_out_split(ratings, random_state=0)
