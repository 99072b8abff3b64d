"""Threads of an epoch: same bits as one, and nobody writes what another one reads."""

import threading

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec.datasets import make_ratings
from skrecsec.recommenders import TCDRecommender
from skrecsec.training._threads import independent_tiles, run_levels, run_side_by_side


@pytest.mark.parametrize(("n_user_blocks", "n_item_blocks"), [(7, 5), (1, 4), (1, 1), (12, 12)])
def test_levels_keep_the_order_of_what_conflicts(n_user_blocks, n_item_blocks):
    tiles = np.random.default_rng(0).permutation(n_user_blocks * n_item_blocks)
    levels = independent_tiles(tiles, n_user_blocks, n_item_blocks)
    assert_array_equal(np.sort(np.concatenate(levels)), np.sort(tiles))
    level_of = {tile: n for n, level in enumerate(levels) for tile in level}
    for t, later in enumerate(tiles):
        conflicts = [
            level_of[earlier]
            for earlier in tiles[:t]
            if earlier // n_item_blocks == later // n_item_blocks
            or earlier % n_item_blocks == later % n_item_blocks
        ]
        # After all that it conflicts with, and no later than need be.
        assert level_of[later] == max(conflicts, default=-1) + 1


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_run_levels(n_threads):
    seen, lock = [], threading.Lock()

    def work(tiles):
        with lock:
            seen.extend(tiles)
        return tiles.size

    levels = [np.arange(5), np.arange(5, 6), np.arange(6, 20)]
    assert run_levels(work, levels, n_threads) == 20
    for n_before, level in zip([0, 5, 6], levels, strict=True):
        assert set(seen[n_before : n_before + level.size]) == set(level)


@pytest.mark.parametrize("run", [run_levels, run_side_by_side])
def test_an_error_in_a_thread_ends_all(run):
    def work(tiles):
        if np.any(tiles == 1):
            raise MemoryError("tile 1")
        return 0

    with pytest.raises(MemoryError, match="tile 1"):
        run(work, [np.arange(2), np.arange(2, 9)], 2)


@pytest.mark.parametrize("options", [{}, {"pseudo_label_ratio": 0.5}, {"solver": "adam"}])
def test_results_do_not_depend_on_n_jobs(options):
    X = make_ratings(170, 130, density=0.1, random_state=0)
    fits = [
        TCDRecommender(n_factors=8, max_iter=4, random_state=0, n_jobs=n_jobs, **options).fit(X)
        for n_jobs in (None, 2, 3)
    ]
    for other in fits[1:]:
        assert_array_equal(other.user_factors_all_, fits[0].user_factors_all_)
        assert_array_equal(other.item_factors_all_, fits[0].item_factors_all_)
        assert other.history_ == fits[0].history_


def test_tiles_are_shared_out(monkeypatch):
    names = set()
    from skrecsec.training import _kernels_tiles

    kernel = _kernels_tiles.sgd_tiles
    pause = threading.Barrier(2)  # a second thread has to come, or this fails

    def spy(*args):
        if len(names) < 2:
            names.add(threading.current_thread().name)
            pause.wait(timeout=20)
        return kernel(*args)

    monkeypatch.setattr(_kernels_tiles, "sgd_tiles", spy)
    X = make_ratings(170, 130, density=0.1, random_state=0)
    TCDRecommender(n_factors=8, max_iter=2, random_state=0, n_jobs=2).fit(X)
    assert len(names) == 2


def test_no_threads_at_all():
    X = make_ratings(20, 15, random_state=0)
    with pytest.raises(ValueError, match="n_jobs"):
        TCDRecommender(n_jobs=0).fit(X)


def test_workers_of_a_study_have_a_thread_each():
    """A cluster counts its own workers, each of which would start as many threads."""
    with joblib.parallel_config("loky", n_jobs=3):
        assert joblib.effective_n_jobs(None) == 3
        assert TCDRecommender()._n_threads() == 1
    assert TCDRecommender(n_jobs=2)._n_threads() == 2
    assert TCDRecommender(n_jobs=-1)._n_threads() == joblib.cpu_count()
    assert TCDRecommender(n_jobs=-1000)._n_threads() == 1
