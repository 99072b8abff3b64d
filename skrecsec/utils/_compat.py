"""The one place that imports what scikit-learn keeps private or calls experimental."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils.validation import _check_feature_names_in, _num_samples, validate_data

try:  # scikit-learn >= 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # pragma: no cover - depends on the installed scikit-learn

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in where scikit-learn has no callbacks: the fit loop asks and gets nothing."""

        def _init_callback_context(self, **kwargs):
            return None

    def with_callbacks(method):
        """Return the method as it is."""
        return method


# The highest count: what is counted in 32 bits, as indices of sparse matrices are.
MAX_COUNT = 2**31 - 1


# What single precision holds, with room for a few operations.
MAX_NUMBER = 1e38


class Number(Interval):
    """A constraint: real numbers of an interval; True and False are no numbers.

    Parameters
    ----------
    left, right : float or None
        Bounds. None as the right one is the highest that is computed with.

    closed : {"left", "right", "both", "neither"}
        Which bounds belong to the interval.
    """

    def __init__(self, left, right, *, closed):
        super().__init__(Real, left, MAX_NUMBER if right is None else right, closed=closed)

    def is_satisfied_by(self, val):
        """Return whether a value is one of them, whatever its type of float or int."""
        return _is_number(val) and super().is_satisfied_by(val)


class Fraction(Interval):
    """A constraint: a float in (0, 1], of any precision, where an int would mean a number.

    Unlike `RealNotInt` of scikit-learn it takes ``np.float32(0.05)``.
    """

    def __init__(self):
        super().__init__(RealNotInt, 0, 1, closed="right")

    def is_satisfied_by(self, val):
        """Return whether a value is a float in (0, 1]."""
        return isinstance(val, (float, np.floating)) and val in self


class Count(Interval):
    """A constraint: whole numbers, at most 2^31 - 1; True and False are no numbers.

    Parameters
    ----------
    lowest : int, default=1
        The lowest one.

    highest : int, default=2147483647
        The highest one.
    """

    def __init__(self, lowest=1, highest=MAX_COUNT):
        super().__init__(Integral, lowest, highest, closed="both")

    def is_satisfied_by(self, val):
        """Return whether a value is one of them, whatever its type of int."""
        return _is_number(val) and super().is_satisfied_by(val)


def _is_number(value):
    """Tell numbers from booleans, and from what NumPy does not compute with."""
    return isinstance(value, (Integral, float, np.floating)) and not isinstance(value, bool)


__all__ = [
    "CallbackSupportMixin",
    "Count",
    "Fraction",
    "HasMethods",
    "Interval",
    "Number",
    "RealNotInt",
    "StrOptions",
    "_check_feature_names_in",
    "_fit_context",
    "_num_samples",
    "_safe_indexing",
    "validate_data",
    "validate_parameter_constraints",
    "validate_params",
    "with_callbacks",
]
