"""Memory: arrays that begin where a line of the cache does."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec.utils._memory import aligned_copy, aligned_empty


@pytest.mark.parametrize("shape", [(3, 7), (1, 128), (2, 3, 5)])
def test_aligned_arrays_begin_with_a_line(shape):
    values = np.random.default_rng(0).normal(size=shape)
    arrays = [aligned_copy(values) for _ in range(5)]
    assert {array.ctypes.data % 64 for array in arrays} == {0}
    for array in arrays:
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert_array_equal(array, values.astype(np.float32))
    assert aligned_empty(shape, np.float64).dtype == np.float64
