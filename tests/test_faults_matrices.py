"""Matrices that SciPy takes and that are none, in every public function: no crash, no result.

Run as a script, this module makes the calls and prints a line about each before and after it; the
tests run it in a process of its own, so that what crashes is only that.
"""

import copy
import functools
import importlib.util
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import skrecsec
from skrecsec.attacks import save_poison
from skrecsec.base import Budget, choose_targets, complete_profiles
from skrecsec.experiments import robustness_study
from skrecsec.inspection import RankShiftDisplay, RobustnessDisplay
from skrecsec.metrics import (
    HitRatioScorer,
    NDCGScorer,
    RobustnessImprovementScorer,
    TargetHitRatioScorer,
    hit_ratio_score,
    ndcg_score,
    prediction_shift,
    rank_shift,
    target_hit_ratio_score,
)
from skrecsec.model_selection import (
    HeldOut,
    StrongGeneralization,
    WeakGeneralization,
    leave_one_out_split,
)
from skrecsec.utils._estimator_checks._common import _unsorted
from skrecsec.utils._estimator_checks._tools import make_test_ratings
from skrecsec.utils._registry import registered
from skrecsec.utils.validation import check_pattern, check_ratings

INDICES = (10**8, -1, "n", 2**31 - 1)
CONTAINERS = (sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix)


def broken_matrices(X):
    """Yield names and makers of matrices that are broken in one way each."""
    n_rows, n_items = X.shape

    def at(index, n):
        return n if index == "n" else index

    def compressed(container, change):
        def make():
            broken = container(X, copy=True)
            change(broken)
            return broken

        return make

    for container in CONTAINERS:
        name = container.__name__
        n_minor = n_items if name.startswith("csr") else n_rows
        for index in INDICES:
            yield f"{name} index {index}", compressed(container, _at_index(at(index, n_minor)))
        for what, change in ARRAYS.items():
            yield f"{name} {what}", compressed(container, change)

    for container in (sp.coo_array, sp.coo_matrix):
        name = container.__name__
        for axis, n in (("row", n_rows), ("col", n_items)):
            for index in INDICES:
                yield f"{name} {axis} {index}", _coo(X, container, axis, at(index, n))
        yield f"{name} fewer values", _coo_with_fewer_values(X, container)
    for size in ((1, 1), (2, 2), (4, 5)):
        for index in INDICES:
            yield f"bsr {size} {index}", _bsr(X, size, at(index, n_items // size[1]))
    for index in INDICES:
        yield f"lil {index}", _lil(X, at(index, n_items))
        yield f"dok {index}", _dok(X, at(index, n_items))
    yield "lil lists of other lengths", _lil(X, None)
    yield "dia fewer places", _dia(X, lambda offsets: offsets[:-1])
    yield "dia a place twice", _dia(X, lambda offsets: np.append(offsets[:-1], offsets[0]))


def _at_index(index):
    def change(X):
        X.indices[-1] = index

    return change


def _set(name, function):
    def change(X):
        setattr(X, name, function(getattr(X, name)))

    return change


def _change_item(name, position, value):
    def change(X):
        array = getattr(X, name)
        array[position] = value(array) if callable(value) else value

    return change


# Ways in which the arrays of a compressed matrix do not fit together.
ARRAYS = {
    "64-bit index": _set("indices", lambda a: np.append(a[:-1].astype(np.int64), 2**40)),
    "float indices": _set("indices", lambda a: a.astype(float)),
    "indptr goes back": _change_item("indptr", 1, lambda a: a[2] + 3),
    "indptr negative": _change_item("indptr", 1, -5),
    "indptr huge": _change_item("indptr", 1, 10**8),
    "indptr ends late": _change_item("indptr", -1, lambda a: a[-1] + 7),
    "indptr too long": _set("indptr", lambda a: np.append(a, a[-1])),
    "indptr too short": _set("indptr", lambda a: a[:-1]),
    "indptr does not start at 0": _change_item("indptr", 0, 1),
    "fewer indices": _set("indices", lambda a: a[:-1]),
    "fewer values": _set("data", lambda a: a[:-1]),
    "more values": _set("data", lambda a: np.append(a, 1.0)),
    "two-dimensional values": _set("data", lambda a: a[:, np.newaxis]),
}


def _coo(X, container, axis, index):
    def make():
        broken = container(X, copy=True)
        getattr(broken, axis)[-1] = index
        return broken

    return make


def _coo_with_fewer_values(X, container):
    def make():
        broken = container(X, copy=True)
        broken.data = broken.data[:-1]
        return broken

    return make


def _bsr(X, size, index):
    def make():
        broken = sp.bsr_array(X, blocksize=size)
        broken.indices[-1] = index
        return broken

    return make


def _lil(X, index):
    def make():
        broken = sp.lil_array(X)
        if index is None:
            broken.data[0] = broken.data[0][:-1]
        else:
            broken.rows[0][-1] = index
        return broken

    return make


def _dok(X, index):
    def make():
        broken = sp.dok_array(X)
        broken._dict[(0, index)] = 3.0
        return broken

    return make


def _dia(X, change):
    def make():
        broken = sp.dia_array(X)
        broken.offsets = change(broken.offsets)
        return broken

    return make


# --- calls ----------------------------------------------------------------------------------------


def installed(kind):
    """Return what is registered, without what needs a package that is not there."""
    return {
        name: entry
        for name, entry in registered(kind).items()
        if importlib.util.find_spec(entry.facts.get("package") or "sklearn") is not None
    }


def entries():
    """Return every public function that takes a matrix, as a function of that matrix."""
    X, y = leave_one_out_split(make_test_ratings(), random_state=0)
    scores = np.random.default_rng(0).random(X.shape)
    held_out = sp.csr_array((np.ones(40), (np.arange(40), y)), shape=X.shape)
    calls = {}
    for kind, methods in (
        ("attack", ("fit", "fit_transform", "transform")),
        ("recommender", ("fit", "fit_predict", "predict", "recommend", "score")),
    ):
        # One of each class: its other settings read a matrix in the same way.
        by_class = {entry.make: (name, entry) for name, entry in installed(kind).items()}
        for name, entry in by_class.values():
            for method in methods:
                if not hasattr(entry(), method):
                    continue
                calls[f"{name}.{method}"] = _method(entry, method, X, y)

    model = skrecsec.MFRecommender(2, max_iter=2, random_state=0).fit(X)
    attack = skrecsec.AverageAttackTransformer(target_items=[3, 4], random_state=0)
    pipeline = _pipeline(attack, model).fit(X)

    def changed_held_out(B):
        wrapped = HeldOut(held_out)
        wrapped.matrix = B
        return wrapped

    calls |= {
        "check_ratings": check_ratings,
        "check_pattern": check_pattern,
        "hit_ratio_score(y)": lambda B: hit_ratio_score(B, scores, k=5),
        "hit_ratio_score(seen)": lambda B: hit_ratio_score(y, scores, k=5, seen=B),
        "ndcg_score(y)": lambda B: ndcg_score(B, scores, k=5),
        "ndcg_score(seen)": lambda B: ndcg_score(y, scores, k=5, seen=B),
        "target_hit_ratio_score": lambda B: target_hit_ratio_score(scores, [1], k=5, seen=B),
        "rank_shift": lambda B: rank_shift(scores, scores, [1], seen=B),
        "prediction_shift": lambda B: prediction_shift(scores, scores, [1], seen=B),
        "HitRatioScorer(X)": lambda B: HitRatioScorer(k=5)(pipeline, B, y),
        "HitRatioScorer(y)": lambda B: HitRatioScorer(k=5)(pipeline, X, B),
        "HitRatioScorer(HeldOut)": lambda B: HitRatioScorer(k=5)(model, X, changed_held_out(B)),
        "NDCGScorer(X)": lambda B: NDCGScorer(k=5)(model, B, y),
        "NDCGScorer(y)": lambda B: NDCGScorer(k=5)(model, X, B),
        "TargetHitRatioScorer": lambda B: TargetHitRatioScorer(k=5)(pipeline, B),
        "RobustnessImprovementScorer": lambda B: RobustnessImprovementScorer(model, k=5)(
            pipeline, B
        ),
        "model.score(y)": lambda B: model.score(X, B),
        "HeldOut": HeldOut,
        "HeldOut[rows]": lambda B: changed_held_out(B)[[1, 2]],
        "leave_one_out_split(X)": leave_one_out_split,
        "leave_one_out_split(timestamps)": lambda B: leave_one_out_split(X, timestamps=B),
        "WeakGeneralization(X)": lambda B: list(WeakGeneralization(2).split(B)),
        "WeakGeneralization(y)": lambda B: list(WeakGeneralization(2).split(X, B)),
        "StrongGeneralization(X)": lambda B: list(StrongGeneralization(2).split(B)),
        "StrongGeneralization(y)": lambda B: list(StrongGeneralization(2).split(X, B)),
        "choose_targets": lambda B: choose_targets(B, "unpopular", 3, np.random.default_rng(0)),
        "complete_profiles": lambda B: complete_profiles(
            B, 30, Budget(40, 31, np.array([0]), 5.0, np.array([1.0, 5.0]))
        ),
        "robustness_study(X)": lambda B: _study(B, None),
        "robustness_study(y)": lambda B: _study(X, B),
        "RankShiftDisplay.from_estimator": lambda B: RankShiftDisplay.from_estimator(
            model, model, B, [1]
        ),
        "RankShiftDisplay.from_predictions": lambda B: RankShiftDisplay.from_predictions(
            scores, scores, [1], seen=B
        ),
        "RobustnessDisplay.from_estimator": lambda B: RobustnessDisplay.from_estimator(
            {"MF": pipeline}, B, y
        ),
        "save_poison": lambda B: _save(pipeline[0], B),
        "FixedAttackTransformer": lambda B: skrecsec.attacks.FixedAttackTransformer(
            B, [3]
        ).fit_transform(X),
        "RI of changed poison_": lambda B: _score_with(pipeline, X, poison_=B),
        "RI of changed genuine_ratings_": lambda B: _score_with(pipeline, X, genuine_ratings_=B),
    }
    return calls


def _pipeline(attack, model):
    return make_pipeline(attack, clone(model))


def _method(entry, method, X, y):
    estimator = entry()
    small = {"n_factors": 2, "max_iter": 6}
    estimator.set_params(**{k: v for k, v in small.items() if k in estimator.get_params()})
    fitted = None

    def call(B):
        nonlocal fitted
        if method.startswith("fit"):
            return getattr(estimator, method)(B)
        if fitted is None:
            fitted = entry(**estimator.get_params(deep=False) | entry.options).fit(X)
        return fitted.score(B, y) if method == "score" else getattr(fitted, method)(B)

    return call


def _study(X, y):
    return robustness_study(
        X,
        y=y,
        attacks={"A": skrecsec.AverageAttackTransformer(random_state=0)},
        recommenders={"MF": skrecsec.MFRecommender(2, max_iter=2)},
        n_repeats=1,
        k=5,
        random_state=0,
    )


def _save(attack, B):
    attack = copy.copy(attack)
    attack.poison_ = B
    with tempfile.TemporaryDirectory() as folder:
        save_poison(attack, Path(folder, "poison.npz"))


def _score_with(pipeline, X, **attributes):
    scorer = RobustnessImprovementScorer(skrecsec.MFRecommender(2, max_iter=2), k=5)
    return scorer(_with_step(pipeline, **attributes), X)


def attribute_calls():
    """Return calls of fitted estimators of which an attribute was changed."""
    X, y = leave_one_out_split(make_test_ratings(), random_state=0)
    wide = sp.csr_array(([5.0, 4.0], ([0, 1], [3, 10**8])), shape=(40, 10**9))
    empty = sp.csr_array((40, 10**9))
    calls = {}
    changes = {
        "item_factors_ fewer": ("item_factors_", lambda a: a[:-5]),
        "item_factors_ more": ("item_factors_", lambda a: np.vstack([a, a])),
        "item_factors_ 1-D": ("item_factors_", np.ravel),
        "item_factors_ None": ("item_factors_", lambda a: None),
        "item_factors_ strings": ("item_factors_", lambda a: a.astype(str).astype(object) + "x"),
        "n_features_in_": ("n_features_in_", lambda a: 10**9),
        "rating_levels_ empty": ("rating_levels_", lambda a: []),
        "rating_levels_ zero": ("rating_levels_", lambda a: a * 0),
        "similarities_ outside": ("similarities_", _outside),
        "model_ fewer items": ("model_", _model_of_fewer_items),
        "item_popularity_ short": ("item_popularity_", lambda a: a[:-1]),
        "item_popularity_ scalar": ("item_popularity_", lambda a: 0.5),
        "item_popularity_ one": ("item_popularity_", lambda a: a[:1]),
        "user_factors_ width": ("user_factors_", lambda a: a[:, :-1]),
    }
    with_empty = sp.csr_array(sp.vstack([X[:39], sp.csr_array((1, 30))]))
    for name, entry in installed("recommender").items():
        model = entry()
        small = {"n_factors": 3, "max_iter": 6}
        model.set_params(**{k: v for k, v in small.items() if k in model.get_params()}).fit(X)
        for change, (attribute, function) in changes.items():
            if not hasattr(model, attribute) or (name != "als" and attribute == "model_"):
                continue
            broken = _with(model, attribute, function)
            if attribute == "user_factors_":
                calls[f"{name} {change} rows"] = lambda m=broken: m.predict_training_rows(
                    np.arange(3)
                )
                continue
            asked = {"n_features_in_": [X, wide, empty]}.get(attribute, [with_empty])
            for number, Z in enumerate(asked):
                calls[f"{name} {change} predict {number}"] = lambda m=broken, Z=Z: m.predict(Z)
                calls[f"{name} {change} recommend {number}"] = lambda m=broken, Z=Z: m.recommend(Z)
                calls[f"{name} {change} scorer {number}"] = lambda m=broken, Z=Z: HitRatioScorer()(
                    m, Z, y
                )

    model = skrecsec.MFRecommender(2, max_iter=2, random_state=0)
    pipeline = _pipeline(skrecsec.AverageAttackTransformer(random_state=0), model).fit(X)
    narrow = sp.csr_array(np.ones((3, 7)))
    for name, attributes in {
        "target_items_ out of range": {"target_items_": np.array([30])},
        "target_items_ negative": {"target_items_": np.array([-1])},
        "target_items_ float": {"target_items_": np.array([0.5])},
        "target_items_ None": {"target_items_": None},
        "poison_ narrow": {"poison_": narrow},
        "poison_ None": {"poison_": None},
        "poison_ text": {"poison_": "poison"},
        "poison_ negative": {"poison_": -sp.csr_array(np.ones((3, 30)))},
        "genuine_ratings_ narrow": {"genuine_ratings_": narrow},
        "genuine_ratings_ list": {"genuine_ratings_": [[1, 2]]},
    }.items():
        calls[f"RI {name}"] = lambda a=attributes: _score_with(pipeline, X, **a)
    calls["target scorer target_items_"] = lambda: TargetHitRatioScorer()(
        _with_step(pipeline, target_items_=np.array([30])), X
    )
    calls["transform n_features_in_"] = lambda: _with_step(pipeline, n_features_in_=10**9)[
        0
    ].transform(X)
    return calls


def _outside(matrix):
    matrix = matrix.copy()
    matrix.indices[-1] = 10**8
    return matrix


def _model_of_fewer_items(model):
    model = copy.copy(model)
    model.item_factors = model.item_factors[:5]
    return model


def _with(estimator, attribute, function):
    estimator = copy.copy(estimator)
    setattr(estimator, attribute, function(getattr(estimator, attribute)))
    return estimator


def _with_step(pipeline, **attributes):
    pipeline = copy.deepcopy(pipeline)
    for name, value in attributes.items():
        setattr(pipeline[0], name, value)
    return pipeline


def all_calls(what):
    yield from attribute_calls().items()
    X, _ = leave_one_out_split(make_test_ratings(), random_state=0)
    every = 1 if what == "all" else 15
    for e, (entry, call) in enumerate(entries().items()):
        for f, (fault, make) in enumerate(broken_matrices(X)):
            if (e + f) % every == 0:
                yield f"{entry} | {fault}", lambda call=call, make=make: call(make())


def main(what, first):
    """Make all calls from the `first` on; print the name of each, then what came of it."""
    import matplotlib

    matplotlib.use("Agg")
    warnings.simplefilter("ignore")
    for number, (name, call) in enumerate(all_calls(what)):
        if number < first:
            continue
        print(json.dumps([number, name]), flush=True)
        try:
            call()
            outcome = "accepted"
        except Exception as error:
            outcome = "" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        if outcome:
            print(json.dumps([number, name, outcome]), flush=True)


def results_of(what):
    """Return how many calls were made, and those that did not end in a ValueError."""
    first, faults = 0, []
    while True:
        run = subprocess.run(
            [sys.executable, __file__, what, str(first)], capture_output=True, text=True
        )
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        faults += [line[1:] for line in lines if len(line) == 3]
        if run.returncode == 0:
            return lines[-1][0] + 1, faults
        if not lines or run.returncode > 0 or len(faults) > 3000:
            raise AssertionError(run.stderr[-2000:])
        number, name, *_ = lines[-1]
        faults.append([name, f"the interpreter ends with status {run.returncode}"])
        first = number + 1


@pytest.mark.parametrize(
    ("what", "at_least"),
    [("some", 1000), pytest.param("all", 12_000, marks=pytest.mark.slow)],
)
def test_nothing_crashes_and_nothing_is_made_of_it(what, at_least):
    n_calls, faults = results_of(what)
    assert n_calls >= at_least
    assert not faults, f"{len(faults)} of {n_calls}: {faults[:20]}"


# --- matrices that are right, and say wrong things of themselves ----------------------------------


def unsorted(X, *, stale):
    """Return the same matrix, the indices of each row in descending order."""
    X = _unsorted(X)
    if stale:
        X.has_sorted_indices = X.has_canonical_format = True
    return X


def plain(result):
    if isinstance(result, tuple):
        return [array for part in result for array in plain(part)]
    result = getattr(result, "matrix", result)
    return [result.toarray() if sp.issparse(result) else np.asarray(result)]


RATES = ("check_ratings", "check_pattern", "HeldOut", "leave_one_out_split(X)")
SEEN = ("hit_ratio_score(seen)", "target_hit_ratio_score", "rank_shift", "prediction_shift")
HELD_OUT = ("hit_ratio_score(y)", "ndcg_score(y)", "HitRatioScorer(y)", "HeldOut[rows]")
METHODS = ("mf.predict", "mf.recommend", "average.transform", "average.fit_transform")


@pytest.mark.filterwarnings("ignore:.* held-out items are among the items seen")
@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize(
    "name", [*RATES, *SEEN, *HELD_OUT, *METHODS, "HitRatioScorer(X)", "TargetHitRatioScorer"]
)
def test_what_a_matrix_says_of_its_order_changes_nothing(name, stale):
    X, _ = leave_one_out_split(make_test_ratings(), random_state=0)
    if name == "average.fit_transform":  # draws
        attack = skrecsec.AverageAttackTransformer(random_state=0)
        call = attack.fit_transform
    elif name == "leave_one_out_split(X)":
        call = functools.partial(leave_one_out_split, random_state=0)
    else:
        call = entries()[name]
    other = unsorted(X, stale=stale)
    for expected, seen in zip(plain(call(X)), plain(call(other)), strict=True):
        np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("name", [*SEEN, *HELD_OUT, "check_pattern", "HeldOut"])
@pytest.mark.filterwarnings("ignore:.* held-out items are among the items seen")
def test_what_is_stored_twice_is_one_item_where_values_do_not_count(name):
    X, _ = leave_one_out_split(make_test_ratings(), random_state=0)
    twice = X.copy()
    twice.indices[1] = twice.indices[0]
    once = twice.copy()
    once.sum_duplicates()
    twice.has_canonical_format = True  # or so it says
    call = entries()[name]
    for expected, seen in zip(plain(call(once)), plain(call(twice)), strict=True):
        np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("name", ["check_ratings", "mf.fit", "mf.predict", "average.fit"])
def test_two_ratings_of_one_item_are_refused_whatever_the_flags_say(name):
    X, _ = leave_one_out_split(make_test_ratings(), random_state=0)
    X.indices[1] = X.indices[0]
    X.has_canonical_format = True
    with pytest.raises(ValueError, match="more than one rating"):
        entries()[name](X)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
