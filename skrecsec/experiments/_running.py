"""Having the units of a study done, in parallel, and putting their records together."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice

from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.experiments._checks import warn_of_unsuitable
from skrecsec.experiments._collecting import Results
from skrecsec.experiments._contents import check_content, size_limit
from skrecsec.experiments._plan import Plan
from skrecsec.experiments._progress import Progress
from skrecsec.experiments._records import POISON, RecordStore
from skrecsec.experiments._units import Unit, forget_repeat, run_task
from skrecsec.experiments._workers import interrupts_held_back
from skrecsec.utils._shell import describe_error

# Where a backend cannot hand over results one by one, so many units per worker are done at once.
_PORTION = 4


def run(plan: Plan, store: RecordStore | None, n_jobs: int | None, verbose: int) -> Results:
    """Have all units of a plan done, in parallel, and put their records together."""
    for results in run_by_repeat(plan, store, n_jobs, verbose):  # noqa: B007
        pass
    return results


def run_by_repeat(
    plan: Plan, store: RecordStore | None, n_jobs: int | None, verbose: int
) -> Iterator[Results]:
    """Have all units of a plan done, in parallel; yield what there is after each repeat.

    Crafting and clean units of a wave of repeats are done together with the attacked units of the
    wave before: so all that a unit needs is there when it starts. What is yielded is always the
    same object, which grows; if the caller is interrupted, it has the repeats that were finished.
    """
    warn_of_unsuitable(plan.X, plan.recommenders)
    results = Results(plan)
    with _make_parallel(n_jobs) as parallel:
        runner = _Runner(plan, store, parallel, effective_n_jobs(n_jobs), verbose)
        try:
            for repeat, done in _run_waves(plan, runner):
                results.collect(repeat, done)
                yield results
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(runner.what_was_finished())
            raise


def _run_waves(plan, runner):
    """Yield the repeats as they are finished, in any order, and the records of units by unit."""
    done = {}
    before = range(0)
    try:
        for repeats in [*plan.waves(runner.n_workers), range(0)]:
            attacked = plan.attacked_units(before)
            missing = Counter(unit.repeat for unit in attacked)
            units = attacked + plan.crafting_units(repeats) + plan.clean_units(repeats)
            for unit, record in runner.run(units, done):
                done[unit] = record
                if unit.repeat in before:
                    missing[unit.repeat] -= 1
                    if not missing[unit.repeat]:
                        yield unit.repeat, done
            done = {unit: record for unit, record in done.items() if unit.repeat in repeats}
            before = repeats
    finally:
        forget_repeat()


class _Runner:
    """Has units done, in parallel, unless there are records of them."""

    def __init__(self, plan, store, parallel, n_workers, verbose):
        self.plan = plan
        self.store = store
        self.parallel = parallel
        self.n_workers = n_workers
        self.progress = Progress(plan.all_units(), verbose)
        self.can_save = True
        self.has_workers = False

    def run(self, units, done):
        """Yield units and their records; `done` has those with the poison that they need."""
        missing = []
        for unit in units:
            record = self._load(unit, done)
            if record is None:
                missing.append(unit)
            else:
                self.progress.finish(unit, record.values["unit_seconds"], cached=True)
                yield unit, record
        for unit, record in self._outcomes(missing, done):
            self._save(unit, record)
            self.progress.finish(unit, record.values["unit_seconds"], cached=False)
            yield unit, record

    def what_was_finished(self) -> str:
        """Return how many units are done, and where they are."""
        kept = "without cache_dir, none is kept"
        if self.store is not None:
            kept = f"they are kept in {str(self.store.folder)!r}"
        return f"{self.progress.n_done} of {self.progress.n_units} units were done; {kept}"

    def _load(self, unit, done):
        if self.store is None:
            return None
        description = self.plan.description(unit)
        task = self.plan.task(unit, self._poison(unit, done))
        return self.store.load(
            description,
            check=partial(check_content, task=task),
            max_bytes=size_limit(task, description),
        )

    def _save(self, unit, record):
        """Keep a record if that is possible; a study of hours does not end for want of it."""
        if self.store is None:
            return
        description = self.plan.description(unit)
        try:
            self.store.save(description, record)
        except OSError as error:
            # Of a folder in its place it was warned when the record was to be read.
            if self.can_save and not self.store.path(description).is_dir():
                self.can_save = False
                warnings.warn(
                    f"No record can be written to cache_dir ({describe_error(error)}). The study "
                    f"goes on; what is not recorded will have to be done again.",
                    UserWarning,
                    stacklevel=2,
                )

    def _outcomes(self, units, done):
        """Yield units and their records as they are finished."""
        tasks = (self._task(unit, done) for unit in units)
        if self.parallel.return_generator:
            with interrupts_held_back(until_started=not self.has_workers):
                outcomes = self._start(tasks)
            self.has_workers = True
            yield from outcomes
            return
        while portion := list(islice(tasks, _PORTION * self.n_workers)):
            yield from self._start(portion)

    def _start(self, tasks):
        with warnings.catch_warnings():  # the filters at this moment are those of all workers
            # That has been said, once.
            warnings.simplefilter("ignore", UnsuitableRatingsWarning)
            return self.parallel(tasks)

    def _task(self, unit, done):
        task = self.plan.task(unit, self._poison(unit, done))
        return delayed(run_task)(task, *self.plan.arrays(), parent=os.getpid())

    def _poison(self, unit, done):
        """Return the fake profiles that a unit needs, None if it needs none."""
        if unit.attack is None or unit.crafts:
            return None
        arrays = done[Unit(unit.repeat, unit.attack, None)].arrays
        return {name: arrays[name] for name in POISON}


def _make_parallel(n_jobs):
    options = {
        "n_jobs": n_jobs,
        "batch_size": 1,  # units are long, and few should be lost when the process is killed
        "mmap_mode": "c",  # much compiled code refuses arrays that are read-only
    }
    try:
        return Parallel(return_as="generator_unordered", **options)
    except ValueError:  # the backend cannot; those that inherit from multiprocessing's, like Ray's
        return Parallel(**options)
