"""Whatever happens in `fit`, an estimator is afterwards fitted, or as it was before."""

from __future__ import annotations

import functools
from collections.abc import Callable


def atomic_fit(fit: Callable) -> Callable:
    """Wrap a `fit` so that the attributes are those of before if it raises, or is interrupted.

    Parts of two fits never stand side by side, such as the number of items of the new data beside
    the factors of the old: compiled code would read what is not there.
    """

    @functools.wraps(fit)
    def wrapped(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:  # Ctrl-C is one
            self.__dict__ = before
            raise

    return wrapped


class AtomicFitMixin:
    """Makes the `fit` of every subclass atomic, so that nobody has to remember it."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "fit" in vars(cls):
            cls.fit = atomic_fit(cls.fit)
