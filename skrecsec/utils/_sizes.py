"""How many: numbers that may be given as a share."""

from __future__ import annotations

from numbers import Integral


def as_count(size: float | int, n_all: int) -> int:
    """Return a number: an int as it is, a share of all rounded down, but at least 1."""
    if isinstance(size, Integral):
        return int(size)
    # The tolerance keeps 0.03 * 100 from being floored to 2.
    return max(1, int(float(size) * n_all + 1e-9))
