"""How far a study is, and how long it will take."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts finished units and tells what time the others will take.

    Parameters
    ----------
    units : iterable of Unit
        All units of the study. Those that differ only in the repeat are expected to take the same
        time.

    verbose : int
        0: silent. 1: a line to stderr now and then. 2: a line per unit.

    clock : callable, default=time.monotonic
        Tells the time in seconds.

    Examples
    --------
    >>> from skrecsec.experiments._progress import Progress
    >>> from skrecsec.experiments._units import Unit
    >>> units = [Unit(0, "PGA", "MF"), Unit(1, "PGA", "MF")]
    >>> progress = Progress(units, verbose=0)
    >>> progress.finish(units[0], 2.0, cached=False)
    >>> progress.expected_seconds(units[1])
    2.0
    """

    def __init__(self, units, verbose: int, clock=time.monotonic):
        self._left = Counter(unit[1:] for unit in units)
        self.n_units = self._left.total()
        self._n_cached = 0
        self._seconds: dict = defaultdict(float)
        self._measured: Counter = Counter()
        self._seconds_here = 0.0
        self._verbose = verbose
        self._clock = clock
        self._start = clock()
        self._last_line = -float("inf")

    def finish(self, unit, seconds: float, *, cached: bool) -> None:
        """Take note of a finished unit and of the seconds that it took, now or when it was made."""
        kind = unit[1:]
        self._left[kind] -= 1
        self._seconds[kind] += seconds
        self._measured[kind] += 1
        if cached:
            self._n_cached += 1
        else:
            self._seconds_here += seconds
        self._report(unit, seconds, cached)

    @property
    def n_done(self) -> int:
        """Number of units that are finished."""
        return self.n_units - self._left.total()

    def expected_seconds(self, unit) -> float:
        """Return the mean time of such units; of the nearest kind known, if there was none yet."""
        kind = unit[1:]
        return self._mean(lambda known: known == kind) or self._mean_of_similar(kind)

    def seconds_left(self) -> float | None:
        """Return the expected time until all is done, None if nothing is known.

        The units left are weighed by their mean times, and done at the rate at which this process
        has had units done so far, on however many workers that was.
        """
        if not self._seconds_here:
            return None
        left = sum(n * self.expected_seconds((None, *kind)) for kind, n in self._left.items() if n)
        return left * (self._clock() - self._start) / self._seconds_here

    def _mean(self, is_meant):
        kinds = [kind for kind in self._measured if is_meant(kind)]
        n = sum(self._measured[kind] for kind in kinds)
        return sum(self._seconds[kind] for kind in kinds) / n if n else 0.0

    def _mean_of_similar(self, kind):
        estimators = kind[1:]  # of none, the unit crafts profiles
        return self._mean(lambda known: known[1:] == estimators) or self._mean(lambda known: True)

    def _report(self, unit, seconds, cached):
        now = self._clock()
        n_done = self.n_done
        due = now - self._last_line >= _SECONDS_BETWEEN_LINES or n_done == self.n_units
        if self._verbose < 1 or not (due or self._verbose > 1):
            return
        self._last_line = now
        line = f"[robustness_study] {n_done} of {self.n_units} units done"
        if self._n_cached:
            line += f" ({self._n_cached} found in cache_dir)"
        line += f", {as_duration(now - self._start)} elapsed"
        left = self.seconds_left()
        if left is not None and n_done < self.n_units:
            line += f", about {as_duration(left)} left"
        if self._verbose > 1:
            line += f"; {unit}: {'found' if cached else f'{seconds:.1f} s'}"
        print(line, file=sys.stderr, flush=True)


def as_duration(seconds: float) -> str:
    """Return a duration in words, in the two units that matter.

    Examples
    --------
    >>> from skrecsec.experiments._progress import as_duration
    >>> as_duration(3.2), as_duration(185), as_duration(7500)
    ('3 s', '3 min 5 s', '2 h 5 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
