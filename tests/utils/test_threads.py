"""One thread per fit, whatever else the process does."""

import subprocess
import sys
import textwrap
import threading
import types

import numpy as np
import pytest
import threadpoolctl
import torch

from skrecsec import MFRecommender
from skrecsec.utils import _threads
from skrecsec.utils._threads import release_openblas, single_threaded


@pytest.fixture
def two_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def blas_limits():
    pools = threadpoolctl.threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


def test_a_block_limits_every_pool_and_gives_all_back(two_torch_threads):
    def limits():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    with threadpoolctl.threadpool_limits(2):
        before = limits()
        assert set(before) == {2}
        with single_threaded():
            assert set(limits()) == {1}
        assert limits() == before
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("last_out", ["first", "second"])
def test_overlapping_blocks_limit_both_threads_and_restore_both(two_torch_threads, last_out):
    both = threading.Barrier(2, timeout=60)
    first_is_in, other_is_out = threading.Event(), threading.Event()
    counts = {}

    def run(name):
        counts[name] = [torch.get_num_threads()]
        both.wait()
        if name == "second":
            first_is_in.wait(60)
        with single_threaded():
            first_is_in.set()
            both.wait()
            counts[name].append(torch.get_num_threads())
            both.wait()
            if name == last_out:
                other_is_out.wait(60)
                counts["blas of the last"] = blas_limits()
        other_is_out.set()
        counts[name].append(torch.get_num_threads())

    threads = [threading.Thread(target=run, args=[name]) for name in ("first", "second")]
    limits = threadpoolctl.threadpool_limits(2, user_api="blas")
    release_openblas()  # an open block would keep the other threads from setting it
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert blas_limits() == {2}
    finally:
        limits.restore_original_limits()
        release_openblas()
    assert counts == {"first": [2, 1, 2], "second": [2, 1, 2], "blas of the last": {1}}
    assert torch.get_num_threads() == 2


def test_an_error_inside_restores_as_well(two_torch_threads):
    with pytest.raises(RuntimeError, match="inside"), single_threaded():
        raise RuntimeError("inside")
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("controller", [None, object])
def test_other_versions_of_threadpoolctl_have_nothing_to_release(controller, monkeypatch):
    other = types.SimpleNamespace(OpenBLASController=controller)
    monkeypatch.setattr(_threads, "threadpoolctl", other)
    release_openblas()


def test_a_fit_does_not_mind_that_another_thread_is_importing_torch(ratings, monkeypatch):
    """Until the import is done, `sys.modules` holds a module without contents."""
    model = MFRecommender(4, max_iter=2, random_state=0)
    expected = model.fit(ratings).predict(ratings)
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    np.testing.assert_array_equal(model.fit(ratings).predict(ratings), expected)


def test_the_first_minibatch_fit_of_a_process_is_limited_too():
    """It is the one that imports torch; a fit by SGD has not."""
    code = """
    import sys
    import numpy as np
    import sklearn.callback
    from skrecsec import MFRecommender

    class Recorder:
        counts = []

        def setup(self, estimator, context): pass
        def teardown(self, estimator, context): pass
        def on_fit_task_begin(self, estimator, context): pass

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                self.counts.append(sys.modules["torch"].get_num_threads())

    X = np.random.default_rng(0).integers(0, 6, size=(30, 20))
    MFRecommender(4, max_iter=2).fit(X)
    assert "torch" not in sys.modules
    MFRecommender(4, solver="adam", max_iter=2).set_callbacks(Recorder()).fit(X)
    assert Recorder.counts == [1, 1], Recorder.counts
    """
    pytest.importorskip("sklearn.callback", reason="scikit-learn >= 1.9 has callbacks")
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
