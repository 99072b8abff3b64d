"""The same random_state gives the same bits, whatever goes on around it."""

import contextlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
import torch
from numpy.testing import assert_array_equal

from skrecsec import (
    AverageAttackTransformer,
    BPRRecommender,
    CoAttackTransformer,
    GCoAttackTransformer,
    MFRecommender,
    TCDRecommender,
)
from skrecsec.datasets import make_ratings
from skrecsec.utils._threads import single_threaded

SETTINGS = [
    (MFRecommender, "sgd"),
    (MFRecommender, "adam"),
    (TCDRecommender, "sgd"),
    (TCDRecommender, "adadelta"),
]
each = pytest.mark.parametrize(("cls", "solver"), SETTINGS)


def fit_bits(cls, solver, X):
    recommender = cls(16, solver=solver, max_iter=6, random_state=0).fit(X)
    parts = (recommender.user_factors_, recommender.item_factors_, recommender.predict(X))
    return b"".join(part.tobytes() for part in parts)


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@each
def test_thread_counts_do_not_matter(cls, solver, ratings, torch_threads):
    bits = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        with threadpoolctl.threadpool_limits(n_threads):
            bits.append(fit_bits(cls, solver, ratings))
        assert torch.get_num_threads() == n_threads  # as it was found
    assert bits[0] == bits[1]


@each
def test_what_ran_before_does_not_matter(cls, solver, ratings):
    expected = fit_bits(cls, solver, ratings)
    fit_bits(TCDRecommender, "adam", make_ratings(70, 60, density=0.2, random_state=1))
    np.random.seed(5)
    torch.manual_seed(5)
    assert fit_bits(cls, solver, ratings) == expected


@each
def test_global_random_states_are_untouched(cls, solver, ratings):
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()
    AverageAttackTransformer(random_state=0).fit(ratings)
    cls(4, solver=solver, max_iter=5, random_state=0).fit(ratings)
    numpy_after = np.random.get_state()
    assert_array_equal(numpy_after[1], numpy_before[1])
    assert numpy_after[2:] == numpy_before[2:]
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_fits_in_overlapping_threads(ratings, torch_threads):
    torch.set_num_threads(2)
    expected = [fit_bits(cls, solver, ratings) for cls, solver in SETTINGS]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(fit_bits, *setting, ratings) for setting in SETTINGS * 2]
        assert [job.result() for job in jobs] == expected * 2
    assert torch.get_num_threads() == 2


def test_single_threaded_limits_nests_and_restores(torch_threads):
    torch.set_num_threads(2)

    def limits():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    with threadpoolctl.threadpool_limits(2):
        before = limits()
        with contextlib.suppress(RuntimeError), single_threaded():
            with single_threaded():
                assert set(limits()) == {1}
            assert set(limits()) == {1}
            assert torch.get_num_threads() == 1
            raise RuntimeError("errors restore as well")
        assert limits() == before
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_a_second_process_does_not_compile_again(tmp_path):
    code = (
        "from skrecsec import TCDRecommender; from skrecsec.datasets import make_ratings;"
        "from skrecsec.training import _kernels, _kernels_tiles, _linalg;"
        "X = make_ratings(60, 50, density=0.2, random_state=0);"
        "TCDRecommender(8, max_iter=5, random_state=0).fit(X).recommend(X, 3);"
        "kernels = [_kernels.sgd_pairs, _kernels_tiles.sgd_tiles, _kernels.squared_error];"
        "kernels += [_linalg.fold_in_rows];"
        "print(sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    misses = [
        int(
            subprocess.run(
                [sys.executable, "-c", code],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(2)
    ]
    assert misses[0] >= 4
    assert misses[1] == 0


@pytest.mark.parametrize("cls", [MFRecommender, BPRRecommender])
def test_predictions_do_not_depend_on_the_number_of_threads(cls):
    """BLAS, left alone, adds these products up in an order that depends on it."""
    X = make_ratings(37, 1300, density=0.05, random_state=0)
    model = cls(max_iter=1, random_state=0).fit(X)
    predictions = []
    for n_threads in (1, 2):
        with threadpoolctl.threadpool_limits(n_threads):
            predictions.append(model.predict(X))
    assert_array_equal(*predictions)


@pytest.mark.parametrize("cls", [CoAttackTransformer, GCoAttackTransformer])
def test_attacks_do_not_depend_on_the_number_of_threads(cls):
    X = make_ratings(90, 1300, density=0.05, random_state=0)
    poison = []
    for n_threads in (1, 2):
        with threadpoolctl.threadpool_limits(n_threads):
            attack = cls(max_iter=3, attack_size=37, random_state=0).fit(X)
        poison.append(attack.poison_.toarray())
    assert_array_equal(*poison)
