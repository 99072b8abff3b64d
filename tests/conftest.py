"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

from skrecsec.datasets import make_ratings


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
def ratings():
    """Return a small generated rating matrix."""
    return make_ratings(120, 90, density=0.2, random_state=0)
