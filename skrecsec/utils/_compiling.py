"""The one place that decides how kernels are compiled, and whether they are kept on disk.

Numba keeps compiled code beside the source, or in the user's cache folder, or in
``NUMBA_CACHE_DIR``. Where it can write to none of them, as in a container whose site-packages
belong to somebody else, code is compiled anew in each process: slower, but nothing fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numba
from numba.core import types
from numba.extending import intrinsic

# Reassociation lets dot products be vectorised; NaN and inf keep their meaning, because a diverged
# fit has to be noticed.
_REASSOCIATE = {"reassoc", "contract", "nsz", "arcp"}

# The newest of which it was looked at how it loads what was compiled.
_NEWEST_NUMBA = (0, 68)


def jit(function: Callable) -> Callable:
    """Compile a function for one thread, without the GIL, and keep the result where that can be.

    The cache of a function is renewed when its own file changes, not when a compiled function
    changes that it calls from another file: keep callers and callees together.
    """
    return _compile(function, fastmath=False)


def fast_jit(function: Callable) -> Callable:
    """Compile as `jit` does, with sums in any order."""
    return _compile(function, fastmath=_REASSOCIATE)


def inlined_jit(function: Callable) -> Callable:
    """Compile as `fast_jit` does, into each caller: for what has to stay in its registers."""
    return _compile(function, fastmath=_REASSOCIATE, inline="always")


def _prefetch(typing_context, array, position):
    """Have the processor fetch element `position` of an array's memory, and what is beside it."""

    def generate(context, builder, signature, arguments):
        from llvmlite import ir

        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        parameters = [pointer, number, number, number]
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), parameters)
        )
        address = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        for_reading, into_all_caches, of_data = (ir.Constant(number, n) for n in (0, 3, 1))
        builder.call(function, [address, for_reading, into_all_caches, of_data])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _do_nothing(array, position):
    pass


# Plain Python cannot, and need not.
prefetch = _do_nothing if getattr(numba.config, "DISABLE_JIT", False) else intrinsic(_prefetch)


def compiled_for() -> str:
    """Return the kind of processor that kernels are compiled for."""
    import llvmlite.binding

    return getattr(numba.config, "CPU_NAME", None) or llvmlite.binding.get_host_cpu_name()


def _compile(function, **options):
    options["nogil"] = True
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except Exception:  # Numba finds no folder that it can write to
        return numba.njit(**options)(function)
    # Private to Numba: where it is another, or none as with NUMBA_DISABLE_JIT, that is as well.
    cache = getattr(dispatcher, "_cache", None)
    if hasattr(cache, "load_overload") and hasattr(cache, "save_overload"):
        with contextlib.suppress(AttributeError, TypeError):
            dispatcher._cache = _ForgivingCache(cache)
    return dispatcher


def _load(cache, sig, target_context):
    """Load what was compiled, without the half of Numba that it takes to compile.

    Numba brings in all that it can compile before it looks whether there is anything to be
    compiled, which takes longer than loading a kernel does.
    """
    if numba.version_info.short > _NEWEST_NUMBA or not hasattr(cache, "_load_overload"):
        return cache.load_overload(sig, target_context)
    from numba.core.runtime import rtsys

    rtsys.initialize(target_context)  # what compiled code calls; done once
    with cache._guard_against_spurious_io_errors():
        return cache._load_overload(sig, target_context)


class _ForgivingCache:
    """A cache of Numba's that does without where a file is damaged, or the disk full."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        if name == "_cache":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self._cache, name)

    def load_overload(self, *args, **kwargs):
        # A damaged file raises whatever its bytes happen to mean to pickle.
        try:
            return _load(self._cache, *args, **kwargs)
        except Exception:
            return None

    def save_overload(self, *args, **kwargs):
        # Numba reads the index before it writes: a damaged one would be in the way for ever.
        try:
            self._cache.save_overload(*args, **kwargs)
        except Exception:
            with contextlib.suppress(Exception):
                self._cache.flush()
                self._cache.save_overload(*args, **kwargs)
