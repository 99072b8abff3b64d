"""What workers say, and that they do not outlive the process that they work for."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from multiprocessing import current_process

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.base import BaseRecommender
from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.experiments import _running, _units, _workers, robustness_study
from skrecsec.experiments._workers import interrupts_held_back, work_for


class PatternRecommender(BaseRecommender):
    """Sees which items were rated, not how."""

    smallest = 0

    def fit(self, X, y=None):
        X = self._check_ratings(X)
        if X.shape[0] < self.smallest:
            raise IndexError("too\nfew rows")
        return self

    def _score_profiles(self, X):
        return np.tile(self.item_popularity_, (X.shape[0], 1))


class LargeRecommender(PatternRecommender):
    """Cannot be fitted on a handful of ratings."""

    smallest = 50


def study(X, *recommenders, **options):
    named = {f"r{number}": recommender for number, recommender in enumerate(recommenders)}
    attacks = {"a": AverageAttackTransformer()}
    options = {"n_repeats": 2, "k": 10, "random_state": 0, **options}
    return robustness_study(X, attacks=attacks, recommenders=named, **options)


# --- what they say --------------------------------------------------------------------------------


def unary(ratings):
    return sp.csr_array((np.ones(ratings.nnz), ratings.indices, ratings.indptr), ratings.shape)


def counts(ratings):
    X = ratings.copy()
    X.data[:7] = 1e5
    return X


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(("make", "match"), [(unary, "All ratings are 1"), (counts, "100 times")])
def test_unsuitable_ratings_are_said_once_by_the_parent(ratings, capfd, make, match, n_jobs):
    recommenders = [PatternRecommender(), MFRecommender(4, max_iter=2), MFRecommender(3)]
    with pytest.warns(UnsuitableRatingsWarning, match=match) as warned:
        study(make(ratings), *recommenders, n_jobs=n_jobs)
    assert len(warned) == 1
    assert "Warning" not in capfd.readouterr().err  # of a worker


def test_models_of_implicit_feedback_are_not_warned_of(ratings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study(unary(ratings), PatternRecommender())


def test_who_cannot_be_asked_is_not_warned_of(ratings, monkeypatch):
    monkeypatch.setattr(_units, "_kept", _units.threading.local())
    with pytest.warns(UserWarning, match="cannot be fitted on a handful") as warned:
        study(unary(ratings), LargeRecommender())
    assert len(warned) == 1


def test_an_error_of_the_user_s_making_comes_before_any_work(ratings, monkeypatch):
    monkeypatch.setattr(_running, "run_task", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsuitableRatingsWarning)
        with pytest.raises(UnsuitableRatingsWarning):
            study(unary(ratings), MFRecommender(4))


def test_what_cannot_be_tried_on_a_handful_of_ratings_is_said(ratings, monkeypatch):
    monkeypatch.setattr(_units, "_kept", _units.threading.local())
    with pytest.warns(
        UserWarning, match="LargeRecommender cannot be fitted on a handful"
    ) as warned:
        result = study(ratings, LargeRecommender())
    assert len(warned) == 1
    assert "(too few rows)" in str(warned[0].message)
    assert len(result.records) == 4


def test_an_interrupt_goes_through_a_fit_before_the_first(ratings, monkeypatch):
    monkeypatch.setattr(_units, "_kept", _units.threading.local())

    def interrupted(self, X, y=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(PatternRecommender, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        study(ratings, PatternRecommender())
    assert interrupt.value.__notes__ == ["2 of 6 units were done; without cache_dir, none is kept"]


def test_an_interrupt_says_where_finished_units_are_kept(ratings, monkeypatch, tmp_path):
    def interrupted(self, X, y=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(PatternRecommender, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        study(ratings, PatternRecommender(), cache_dir=tmp_path)
    (note,) = interrupt.value.__notes__
    assert note == f"2 of 6 units were done; they are kept in {str(tmp_path)!r}"
    assert len(list(tmp_path.iterdir())) == 2


def test_frozen_recommenders_are_refused(ratings, monkeypatch):
    monkeypatch.setattr(_running, "run_task", None)
    frozen = FrozenEstimator(MFRecommender(4, max_iter=1).fit(ratings))
    for recommender in (frozen, make_pipeline(frozen)):
        with pytest.raises(ValueError, match=r"recommenders\['r0'\] is frozen"):
            study(ratings, recommender)


# --- how they end ---------------------------------------------------------------------------------

SCRIPT = """
import sys
import threading
from skrecsec import AverageAttackTransformer, MFRecommender
from skrecsec.datasets import make_ratings
from skrecsec.experiments import robustness_study
robustness_study(
    make_ratings(120, 90, density=0.2, random_state=0),
    attacks={"Average": AverageAttackTransformer()},
    recommenders={"MF": MFRecommender(8)},
    k=10,
    n_repeats=100_000,
    n_jobs=2,
    random_state=0,
    verbose=2,
)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody says that a parent is dead")
def test_workers_end_when_only_the_parent_is_killed():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            if b" 400 of " in line:  # so that both workers have had units, if one is late, too
                break
        process.kill()
        start = time.monotonic()
        process.stderr.read()  # ends when nobody holds the pipe any more
        assert time.monotonic() - start < 60  # 300 before
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


IGNORED = (signal.SIGINT, signal.SIG_IGN)


@pytest.fixture
def watched(monkeypatch):
    """Return what would be watched, or ended."""
    calls = []
    monkeypatch.setattr(_workers, "_watching", set())
    monkeypatch.setattr(_workers.os, "_exit", lambda status: calls.append("exit"))
    monkeypatch.setattr(_workers.signal, "signal", lambda *what: calls.append(what))

    class Thread:
        def __init__(self, **options):
            calls.append("watch")

        def start(self):
            pass

    monkeypatch.setattr(_workers.threading, "Thread", Thread)
    return calls


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is done")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LokyProcess-3", [IGNORED, "watch"]),
        ("ForkPoolWorker-1", [IGNORED, "watch"]),
        ("MainProcess", []),
        ("Dask Worker process (from Nanny)", []),
    ],
)
def test_only_workers_of_joblib_are_ended_and_not_interrupted(watched, monkeypatch, name, expected):
    monkeypatch.setattr(current_process(), "_name", name)
    work_for(os.getpid())  # this process is the one that the study was started in
    assert watched == []
    for _ in range(2):
        work_for(os.getppid())
    assert watched == expected


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is done")
def test_a_worker_that_comes_late_ends_at_once(watched, monkeypatch):
    monkeypatch.setattr(current_process(), "_name", "LokyProcess-1")
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    work_for(dead.pid)
    assert watched == ["exit"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is done")
def test_outside_of_the_main_thread_a_worker_is_watched_but_hears_interrupts(watched, monkeypatch):
    monkeypatch.setattr(current_process(), "_name", "LokyProcess-1")
    monkeypatch.setattr(_workers.threading, "main_thread", lambda: None)
    work_for(os.getppid())
    assert watched == ["watch"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is done")
def test_a_parent_of_another_user_is_alive(watched, monkeypatch):
    def refuse(process, signal):
        raise PermissionError

    monkeypatch.setattr(current_process(), "_name", "LokyProcess-1")
    monkeypatch.setattr(_workers.os, "kill", refuse)
    work_for(os.getppid())
    assert watched == [IGNORED, "watch"]


def test_a_worker_ends_when_it_has_another_parent(watched, monkeypatch):
    parents = iter([7, 7, 1])
    monkeypatch.setattr(_workers.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(_workers.time, "sleep", lambda seconds: watched.append("sleep"))
    _workers._watch(7)
    assert watched == ["sleep", "sleep", "exit"]


def test_an_interrupt_is_held_back_and_then_heard():
    handed_over = []

    def hand_over():
        with interrupts_held_back(until_started=False):
            signal.raise_signal(signal.SIGINT)
            handed_over.append("all tasks")

    with pytest.raises(KeyboardInterrupt):
        hand_over()
    assert handed_over == ["all tasks"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_workers_inherit_that_interrupts_are_ignored():
    with interrupts_held_back(until_started=True):
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_of_the_main_thread_interrupts_are_left_alone():
    handlers = []

    def look():
        with interrupts_held_back(until_started=True):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
