"""What scikit-learn and Numba import along, and hardly ever use, is left for later.

Half of the time that scikit-learn takes to be imported goes into pandas and scipy.stats, of which
it uses a name or two, and rarely. A command is a process of its own, in which every second is
waited for; a program that imports the library finds all as it is used to.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# What is stood in for, and what of it others import by name.
_LATER: dict[str, tuple[str, ...]] = {
    "coverage": (),
    "pandas": (),
    "scipy.stats": ("chi2", "gmean", "rankdata"),
    "yaml": (),
}


class Later(ModuleType):
    """Stands in for a module, which is imported once something of it is asked for.

    Parameters
    ----------
    name : str
        Name of the module.

    imported : tuple of str, default=()
        What others import by name: it is stood in for, too, until it is used.
    """

    def __init__(self, name: str, imported: tuple[str, ...] = ()):
        super().__init__(name)
        self._imported = imported

    def __getattr__(self, name):
        imported = vars(self).get("_imported", ())
        if imported and name.startswith("__"):  # as whether it is a package, of which it is asked
            raise AttributeError(name)
        return Name(self, name) if name in imported else getattr(self._module(), name)

    def _module(self):
        name = self.__name__
        if sys.modules.get(name) is self:
            del sys.modules[name]
        return import_module(name)


class Name:
    """Stands in for something that is imported from a module by name.

    Parameters
    ----------
    later : Later
        The module.

    name : str
        What it is called there.
    """

    def __init__(self, later: Later, name: str):
        self._later = later
        self._name = name

    def __call__(self, *args, **kwargs):
        return getattr(self._later._module(), self._name)(*args, **kwargs)

    def __getattr__(self, name):
        if name in ("_later", "_name"):  # of a copy that is being made
            raise AttributeError(name)
        return getattr(getattr(self._later._module(), self._name), name)


def import_others() -> None:
    """Import what the package needs of scikit-learn and Numba, unless something is there already.

    Afterwards nothing stands in for a module in `sys.modules`: whoever imports one gets it.
    """
    if {"sklearn", "scipy", "numba", "numpy"} & set(sys.modules):
        return
    import numpy as np

    if "f2py" not in vars(np):  # SciPy takes all that NumPy has
        np.f2py = Later("numpy.f2py")
    # If something is wrong with an installation, whoever needs it will say so.
    with contextlib.suppress(ImportError), _without_collection(), _left_for_later():
        import sklearn.metrics
        import sklearn.model_selection
        import sklearn.neighbors  # noqa: F401

        import skrecsec.utils._compiling  # noqa: F401 - Numba, that is


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Look for no garbage among what lives as long as the process, now or later."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _left_for_later() -> Iterator[None]:
    """Have modules stood in for that are installed, and were not imported before."""
    names = [name for name in _LATER if name not in sys.modules and _is_installed(name)]
    stand_ins = {name: Later(name, _LATER[name]) for name in names}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _is_installed(name):
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
