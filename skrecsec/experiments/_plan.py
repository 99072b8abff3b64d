"""What there is to do in a study, with which seeds, and what the results depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from sklearn.utils import check_random_state

from skrecsec.experiments._checks import check_held_out
from skrecsec.experiments._describe import describe
from skrecsec.experiments._records import RECORD_FORMAT
from skrecsec.experiments._units import Seeds, Setting, Task, Unit
from skrecsec.utils._digest import digest, digest_csr
from skrecsec.utils._random import with_seed
from skrecsec.utils._versions import package_version

# So many that it does not matter when workers wait for the last units of a wave.
_UNITS_PER_WORKER = 50


class Plan:
    """The units of a study, and a task for each.

    Parameters
    ----------
    X : csr_array or csr_matrix of shape (n_users, n_items)
        Checked ratings.

    y : ndarray of shape (n_users,) or None
        Held-out items, the same in all repeats.

    attacks, recommenders : dict of estimators
        By name.

    detectors : dict of estimators, default=None
        By name; None has nobody judged.

    target_items : {"unpopular", "random"} or array-like of int
        Those of all attacks, whatever is set on them.

    n_targets : int
        How many of a kind are chosen.

    n_repeats, k : int
        As of :func:`~skrecsec.experiments.robustness_study`.

    protocol : {"in_sample", "fold_in"}
        Likewise.

    random_state : int, RandomState instance or None, default=None
        One number is drawn from it.

    seeds : list of Seeds, default=None
        Those of the repeats, which are `n_repeats`; None draws them by `random_state`.

    judges_clean : bool, default=True
        Whether detectors judge the clean data, too.

    repeats_per_worker : int, default=None
        How many repeats are under way at once, for each worker: with few, the first results are
        there early. None takes as many as have units enough to keep all workers busy.

    shares_verdicts : bool, default=False
        Whether a detector that judges the ratings that it has judged for a defense, or the other
        way round, is not fitted again. Its `seconds` are then those of the other fit, but its
        `peak_memory` is not.
    """

    def __init__(
        self,
        X,
        y,
        attacks,
        recommenders,
        *,
        detectors=None,
        target_items,
        n_targets,
        n_repeats,
        k,
        protocol,
        random_state=None,
        seeds=None,
        judges_clean=True,
        repeats_per_worker=None,
        shares_verdicts=False,
    ):
        if y is None:
            check_held_out(None, X)
        self.X, self.y = X, y
        self.attacks, self.recommenders = attacks, recommenders
        self.detectors = detectors or {}
        self.judges_clean = judges_clean
        self.repeats_per_worker = repeats_per_worker
        self.shares_verdicts = shares_verdicts
        if not isinstance(target_items, str):
            target_items = tuple(np.asarray(target_items).tolist())
        self.setting = Setting(
            data=digest_csr(X) + ("" if y is None else digest(y)),
            shape=X.shape,
            target_items=target_items,
            n_targets=n_targets,
            k=k,
            protocol=protocol,
        )
        self.seeds = seeds_of_repeats(random_state, n_repeats) if seeds is None else list(seeds)

    def crafting_units(self, repeats: Iterable[int]) -> list[Unit]:
        """Return the units that craft the fake profiles of these repeats."""
        return [Unit(repeat, attack, None) for repeat in repeats for attack in self.attacks]

    def clean_units(self, repeats: Iterable[int]) -> list[Unit]:
        """Return the units that fit something on the clean data of these repeats."""
        detectors = self.detectors if self.judges_clean else {}
        return [
            unit for repeat in repeats for unit in _fits(repeat, None, self.recommenders, detectors)
        ]

    def attacked_units(self, repeats: Iterable[int]) -> list[Unit]:
        """Return the units that fit something on poisoned data, which has to be crafted."""
        return [
            unit
            for repeat in repeats
            for attack in self.attacks
            for unit in _fits(repeat, attack, self.recommenders, self.detectors)
        ]

    def units(self, repeats: Iterable[int]) -> list[Unit]:
        """Return all units of these repeats."""
        return (
            self.crafting_units(repeats) + self.clean_units(repeats) + self.attacked_units(repeats)
        )

    def all_units(self) -> list[Unit]:
        """Return all units."""
        return self.units(range(len(self.seeds)))

    def waves(self, n_workers: int) -> Iterator[range]:
        """Cut the repeats into waves of units enough for all workers.

        Fake profiles and ranks are held for a wave only.
        """
        n_repeats = len(self.seeds)
        if self.repeats_per_worker is None:
            size = -(-_UNITS_PER_WORKER * n_workers // len(self.units([0])))
        else:
            size = self.repeats_per_worker * n_workers
        for start in range(0, n_repeats, size):
            yield range(start, min(start + size, n_repeats))

    def task(self, unit: Unit, poison: dict[str, np.ndarray] | None = None) -> Task:
        """Return what a worker needs for a unit; for an attacked one that is the poison, too."""
        seeds, estimator = self.seeds[unit.repeat], self._estimator(unit)
        return Task(unit, self.setting, seeds, estimator, poison, self.shares_verdicts)

    def arrays(self) -> tuple:
        """Return the ratings as the arguments that go with every task."""
        return self.X.data, self.X.indices, self.X.indptr, self.y

    def description(self, unit: Unit) -> dict:
        """Return all that the result of a unit depends on, and nothing else.

        That another attack, recommender or detector is added changes no description, and neither do
        more repeats.
        """
        setting, seeds = self.setting, self.seeds[unit.repeat]
        targets = setting.target_items
        description = {
            "format": RECORD_FORMAT,
            "skrecsec": package_version(),
            "ratings": setting.data,
            "split": seeds.split if self.y is None else "given",
            "targets": list(targets)
            if not isinstance(targets, str)
            else [targets, setting.n_targets, seeds.attack],
        }
        if unit.attack is not None:
            attack = self._estimator(Unit(unit.repeat, unit.attack, None))
            description["attack"] = describe(attack, f"attacks[{unit.attack!r}]")
        if unit.detector is not None:
            detector = self._estimator(unit)
            description["detector"] = describe(detector, f"detectors[{unit.detector!r}]")
        elif not unit.crafts:
            name = unit.recommender
            recommender = describe(self._estimator(unit), f"recommenders[{name!r}]")
            description |= {
                "recommender": recommender,
                "k": setting.k,
                "protocol": setting.protocol,
            }
        return description

    def check_descriptions(self) -> None:
        """Raise a ValueError if an estimator cannot be described."""
        for unit in self.units([0]):
            self.description(unit)

    def _estimator(self, unit):
        """Return the estimator that a unit fits, with its seed."""
        seeds = self.seeds[unit.repeat]
        if unit.detector is not None:
            return with_seed(self.detectors[unit.detector], seeds.recommender)
        if not unit.crafts:
            return with_seed(self.recommenders[unit.recommender], seeds.recommender)
        attack = with_seed(self.attacks[unit.attack], seeds.attack)
        # Those of the study, so that it does not matter which of the two has stated them.
        targets = {"target_items": self.setting.target_items, "n_targets": self.setting.n_targets}
        known = attack.get_params(deep=False)
        return attack.set_params(**{name: targets[name] for name in targets if name in known})


def _fits(repeat, attack, recommenders, detectors):
    """Return the units that fit recommenders, and then those that have detectors judge."""
    return [Unit(repeat, attack, name) for name in recommenders] + [
        Unit(repeat, attack, None, name) for name in detectors
    ]


def seeds_of_repeats(random_state, n_repeats: int) -> list[Seeds]:
    """Return the seeds of each repeat, which do not depend on the number of repeats."""
    entropy = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    seeds = []
    for sequence in np.random.SeedSequence(entropy).spawn(n_repeats):
        # Integers that `RandomState`, and so every random_state, takes.
        seeds.append(Seeds(*(int(word) >> 1 for word in sequence.generate_state(3))))
    return seeds
