"""Faults on purpose: calls that raise in the middle, matrices that point outside of themselves."""

from __future__ import annotations

import gc
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import scipy.sparse as sp
import sklearn
import threadpoolctl


def count_calls(function: Callable) -> int:
    """Return how many Python functions are called, at any depth, while `function()` runs."""
    return _run_watched(function, None, None)[0]


def interrupted(function: Callable, number: int, exception: type[BaseException]) -> str | None:
    """Run ``function()`` and raise an exception in the `number`-th call of a Python function.

    Returns
    -------
    place : str or None
        The name of the function in which it was raised; None if `function` returned all the same.
    """
    _, place, error = _run_watched(function, number, exception)
    return None if error is None else place


def _run_watched(function, number, exception):
    n_calls, place = 0, None

    def watch(frame, event, _):  # pragma: no cover - nothing traces what traces calls itself
        nonlocal n_calls, place
        if event != "call" or frame.f_code.co_flags & inspect.CO_GENERATOR:
            return  # a generator is entered when it is thrown away, too, and raises in vain
        n_calls += 1
        if n_calls == number:
            place = frame.f_code.co_qualname
            sys.setprofile(None)
            raise exception("raised on purpose")

    error, before = None, sys.getprofile()
    # A collection would call finalisers at some place, and these swallow what they raise.
    was_enabled = gc.isenabled()
    gc.disable()
    sys.setprofile(watch)
    try:
        function()
    except BaseException as raised:
        error = raised
    finally:
        sys.setprofile(before)
        if was_enabled:
            gc.enable()
    if error is not None and place is None:
        raise error
    return n_calls, place, error


@contextmanager
def restored_globals():
    """Put back what belongs to the process, which what is interrupted at a bad moment does not.

    A block that sets something for a while is interrupted where it would put it back.
    """
    with ExitStack() as stack:
        stack.callback(sklearn.set_config, **sklearn.get_config())
        stack.callback(np.seterr, **np.geterr())
        stack.callback(warnings.filters.__setitem__, slice(None), warnings.filters.copy())
        for pool in threadpoolctl.ThreadpoolController().lib_controllers:
            stack.callback(pool.set_num_threads, pool.num_threads)
        torch = sys.modules.get("torch")
        if torch is not None:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
            stack.callback(torch.set_rng_state, torch.get_rng_state())
        yield


def broken_matrices(X: sp.csr_array) -> Iterator[tuple[str, sp.sparray | sp.spmatrix]]:
    """Yield matrices that SciPy takes and that are none, with what is wrong with them.

    They point outside by so little that hardly any code crashes on them.
    """
    n_rows, n_items = X.shape
    for make in (sp.csr_array, sp.csr_matrix):
        for index in (n_items, -1):
            broken = make(X, copy=True)
            broken.indices[-1] = index
            yield f"a {make.__name__} with an item {index} of {n_items}", broken
    for container, index in ((sp.csc_array, n_rows), (sp.csc_array, -1)):
        broken = container(X)
        broken.indices[-1] = index
        yield f"a {container.__name__} with a user {index} of {n_rows}", broken
    for index in (n_items, -1):
        broken = sp.coo_array(X, copy=True)
        broken.col[-1] = index
        yield f"a coo_array with an item {index} of {n_items}", broken
        broken = sp.bsr_array(X, blocksize=(1, 1))
        broken.indices[-1] = index
        yield f"a bsr_array with an item {index} of {n_items}", broken
        broken = sp.lil_array(X)
        broken.rows[-1][-1] = index
        yield f"a lil_array with an item {index} of {n_items}", broken
    broken = X.copy()
    broken.indptr[1] = broken.indptr[2] + 1
    yield "a csr_array with row boundaries that go back", broken
    broken = X.copy()
    broken.indices = broken.indices[:-1]
    yield "a csr_array with fewer indices than ratings", broken
    broken = X.copy()
    broken.indices[1] = broken.indices[0]
    broken.has_canonical_format = True
    yield "a csr_array that denies having two ratings for one item", broken
