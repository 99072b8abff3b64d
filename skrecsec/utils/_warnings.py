"""Warnings that point at the line of who uses the package."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

# Where calls pass through on their way: scikit-learn wraps every `fit`, joblib those in pipelines.
_INSIDE = tuple(
    str(Path(package).parent) + os.sep
    for package in (Path(__file__).parent, sklearn.__file__, joblib.__file__)
)


def warn_caller(message: str, category: type[Warning], stacklevel: int = 2) -> None:
    """Warn at the line outside of this package and scikit-learn from which all this was called.

    It is looked for from the frame of `stacklevel` on, which is counted as :func:`warnings.warn`
    does. That has `skip_file_prefixes` for the rest, but from Python 3.12 on only.
    """
    frame = sys._getframe(stacklevel - 1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        stacklevel, frame = stacklevel + 1, frame.f_back
    warnings.warn(message, category, stacklevel=stacklevel)
