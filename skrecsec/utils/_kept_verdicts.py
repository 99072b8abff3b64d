"""One verdict for the same ratings: a detector that has judged them is not fitted again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import joblib

from skrecsec.utils._digest import digest_csr


class Spared:
    """How long the fits took that were not done again.

    Attributes
    ----------
    seconds : float
        0 if there was none. Who measures time adds them, so that figures do not depend on whether
        somebody else has asked before.
    """

    seconds = 0.0


_kept = threading.local()


@contextlib.contextmanager
def verdicts_kept(are_kept: bool = True) -> Iterator[Spared]:
    """Within it, a detector that judges the very ratings it judged last is not fitted again.

    A defense and a study often ask one detector about the same ratings. The latest verdict is kept
    for the thread, until :func:`forget_verdict`. Only detectors of this package are kept in mind,
    and of these only such as draw nothing at random; an equal one then has the attributes of the
    one that was fitted, as if it had been fitted itself.

    Parameters
    ----------
    are_kept : bool, default=True
        If False, every detector is fitted, as without this.

    Yields
    ------
    spared : Spared
        The time that was not spent.
    """
    before = getattr(_kept, "spared", None)
    spared = Spared()
    _kept.spared = spared if are_kept else None
    try:
        yield spared
    finally:
        _kept.spared = before


def forget_verdict() -> None:
    """Free the memory of the verdict that is kept in this thread."""
    _kept.latest = None


def fit_predict(detector, X):
    """Return the labels of a detector, and leave it fitted.

    Notes
    -----
    Within :func:`verdicts_kept` that takes O(n_ratings) beside the fit, for a digest, and memory
    for what the detector keeps.
    """
    spared = getattr(_kept, "spared", None)
    if spared is None or not _repeats_itself(detector):
        return detector.fit_predict(X)
    key = (joblib.hash(detector), type(X), X.dtype, digest_csr(X))
    latest = getattr(_kept, "latest", None)
    if latest is None or latest[0] != key:
        start = time.perf_counter()
        labels = detector.fit_predict(X)
        learned = {n: v for n, v in vars(detector).items() if n not in detector.get_params()}
        _kept.latest = (key, labels.copy(), learned, time.perf_counter() - start)
        return labels
    _, labels, learned, seconds = latest
    vars(detector).update(learned)
    spared.seconds += seconds
    return labels.copy()


def _repeats_itself(detector):
    """Return whether a detector, unfitted, says the same of the same ratings."""
    return (
        type(detector).__module__.startswith("skrecsec.")
        and hasattr(detector, "get_params")
        and set(vars(detector)) == set(detector.get_params(deep=False))
        and not any(name.endswith("random_state") for name in detector.get_params())
    )
