"""What all detectors count with."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import rankdata

from skrecsec.detection._counts import average_ranks


@pytest.mark.parametrize("n", [0, 1, 2, 50])
@pytest.mark.parametrize("n_values", [1, 7, 10_000])
def test_ranks_are_those_of_scipy(n, n_values):
    values = np.random.default_rng(n).integers(n_values, size=n) / 7
    assert_array_equal(average_ranks(values), rankdata(values))
