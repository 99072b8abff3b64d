"""What the record of a unit has to hold, whoever wrote it."""

from __future__ import annotations

import json
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from skrecsec.experiments._records import POISON, Record
from skrecsec.utils._sparse import check_compressed
from skrecsec.utils.validation import check_ratings

_SHARES = ("test_hr", "ndcg", "target_hr")
_MEASURED = ("seconds", "peak_memory", "unit_seconds")

_MOST = 1e12  # seconds, or MiB: beyond what can be


def check_content(record: Record, task) -> None:
    """Raise a ValueError unless a record holds what a task would find out, as far as can be seen.

    Parameters
    ----------
    record : Record
        Read from a file.

    task : Task
        That of the unit.
    """
    fits = task.unit.recommender is not None
    arrays = ["target_ranks"] if fits else POISON if task.unit.crafts else ["scores", "is_flagged"]
    _check_names("values", record.values, (*_SHARES, *_MEASURED) if fits else _MEASURED)
    _check_names("arrays", record.arrays, (*arrays, "target_items"))
    for name, value in record.values.items():
        _check_value(name, value)
    n_users, n_items = task.setting.shape
    targets = record.arrays["target_items"]
    _check_targets(targets, task.setting, n_items)
    if task.unit.crafts:
        data, indices, indptr = (record.arrays[name] for name in POISON)
        _check_poison(data, indices, indptr, n_items)
    elif task.unit.detector is not None:
        n_profiles = n_users + _n_fake(task)
        _check_verdicts(record.arrays["scores"], record.arrays["is_flagged"], n_profiles)
    else:
        _check_ranks(record.arrays["target_ranks"], (n_users, targets.size), n_items)


def size_limit(task, description: dict) -> int:
    """Return how many bytes the content of a record can have: more are not read into memory."""
    n_users, n_items = task.setting.shape
    n_targets = task.setting.n_targets
    if task.unit.crafts:
        size = getattr(task.estimator, "attack_size", 1.0)
        n_profiles = max(n_users, size if isinstance(size, Integral) else 0)
        content = 16 * (n_profiles + 1) * (n_items + 1)  # were they dense
    elif task.unit.detector is not None:
        content = 9 * (n_users + _n_fake(task))
    else:
        content = 8 * n_users * n_targets
    return int(content) + 8 * n_targets + 6 * len(json.dumps(description)) + 2**16


def _check_names(what, found, expected):
    if set(found) != set(expected):
        raise ValueError(f"its {what} are {', '.join(sorted(found)) or 'none'}")


def _check_value(name, value):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"its {name} is no number")
    highest = 1.0 if name in _SHARES else _MOST
    if not (0 <= value <= highest or (name == "peak_memory" and np.isnan(value))):
        raise ValueError(f"its {name} is {value}")


def _check_targets(targets, setting, n_items):
    if targets.ndim != 1 or targets.dtype != np.int64:
        raise ValueError("its target_items are no list of indices")
    if isinstance(setting.target_items, str):
        fits = targets.size == min(setting.n_targets, n_items) and np.all(np.diff(targets) > 0)
    else:
        fits = tuple(targets.tolist()) == setting.target_items
    if not fits or targets.min() < 0 or targets.max() >= n_items:
        raise ValueError("its target_items are others")


def _check_ranks(ranks, shape, n_items):
    if ranks.dtype.kind != "i" or ranks.shape != shape:
        raise ValueError(f"its target_ranks have shape {ranks.shape} and dtype {ranks.dtype}")
    if ranks.min() < -1 or ranks.max() >= n_items:
        raise ValueError("its target_ranks are out of range")


def _n_fake(task):
    return 0 if task.poison is None else task.poison["indptr"].size - 1


def _check_verdicts(scores, is_flagged, n_profiles):
    if scores.dtype != np.float64 or scores.shape != (n_profiles,):
        raise ValueError(f"its scores have shape {scores.shape} and dtype {scores.dtype}")
    if not (np.isfinite(scores).all() or np.isnan(scores).all()):
        raise ValueError("its scores are not finite")
    if is_flagged.dtype != bool or is_flagged.shape != (n_profiles,):
        raise ValueError("its verdicts are no booleans, one for each profile")


def _check_poison(data, indices, indptr, n_items):
    if data.ndim != 1 or data.dtype != np.float64 or indptr.ndim != 1:
        raise ValueError("its fake profiles are no sparse matrix")
    shape = (max(indptr.size - 1, 0), n_items)
    check_compressed(indptr, indices, data.size, shape, "the matrix of fake profiles")
    check_ratings(sp.csr_array((data, indices, indptr), shape=shape))
