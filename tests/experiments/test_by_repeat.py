"""Results that are there repeat by repeat."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec import AverageAttackTransformer, MFRecommender, RandomAttackTransformer
from skrecsec.experiments import RobustnessStudy
from skrecsec.experiments._plan import Plan
from skrecsec.experiments._running import run, run_by_repeat
from skrecsec.experiments._units import Seeds

ATTACKS = {"Average": AverageAttackTransformer(), "Random": RandomAttackTransformer()}
RECOMMENDERS = {"MF": MFRecommender(4), "other": MFRecommender(4, max_iter=5)}


def plan(X, **options):
    defaults = {
        "target_items": "random",
        "n_targets": 3,
        "n_repeats": 3,
        "k": 10,
        "protocol": "fold_in",
        "seeds": [Seeds(s, s, s) for s in (5, 3, 4)],
    }
    return Plan(X, None, ATTACKS, RECOMMENDERS, **{**defaults, **options})


def as_study(results):
    return RobustnessStudy(
        results.records,
        results.rank_shifts,
        results.target_items,
        baseline="MF",
        k=10,
        protocol="fold_in",
    )


def comparable(records):
    measured = ("seconds", "peak_memory", "attack_seconds")
    return [{k: repr(v) for k, v in r.items() if k not in measured} for r in records]


@pytest.mark.parametrize(("n_jobs", "repeats_per_worker"), [(1, 1), (1, None), (2, 1)])
def test_results_grow_by_repeats(ratings, n_jobs, repeats_per_worker):
    whole = run(plan(ratings), None, 1, 0)
    numbers = []
    some = plan(ratings, repeats_per_worker=repeats_per_worker)
    for results in run_by_repeat(some, None, n_jobs, 0):
        numbers.append(len(results.target_items))
        study = as_study(results)
        assert study.n_repeats == numbers[-1]
        assert {record["repeat"] for record in study.records} == set(range(numbers[-1]))
        assert study.summary("target_hr")[0]["n"] == numbers[-1]
        study.rank_shifts("Average", "MF")
    assert numbers == [1, 2, 3]
    assert comparable(results.records) == comparable(whole.records)
    for given, expected in zip(results.target_items, whole.target_items, strict=True):
        assert_array_equal(given, expected)


def test_what_was_finished_outlives_an_interrupt(ratings, monkeypatch):
    fits = []
    fit = MFRecommender.fit

    def interrupted(self, X, y=None):
        if X.shape[0] >= ratings.shape[0]:
            fits.append(1)
            if len(fits) == 6 * 2 + 3:
                raise KeyboardInterrupt
        return fit(self, X)

    monkeypatch.setattr(MFRecommender, "fit", interrupted)
    results = None
    with pytest.raises(KeyboardInterrupt):
        for results in run_by_repeat(plan(ratings, repeats_per_worker=1), None, 1, 0):  # noqa: B007
            pass
    monkeypatch.undo()
    study = as_study(results)
    assert study.n_repeats == 2
    whole = run(plan(ratings), None, 1, 0)
    assert comparable(results.records) == comparable(whole.records)[: len(results.records)]
    assert np.isfinite(study.records[-1]["rank_shift"])


def test_one_repeat_per_worker_is_under_way(ratings):
    waves = list(plan(ratings, repeats_per_worker=1).waves(2))
    assert waves == [range(2), range(2, 3)]
