"""The studies that the paper's tables and figures are made of."""

from __future__ import annotations

from collections.abc import Callable

import scipy.sparse as sp

from skrecsec.experiments._results import RobustnessStudy
from skrecsec.experiments._study import robustness_study
from skrecsec.experiments.paper._settings import (
    DATASETS,
    make_attack,
    make_deployed_recommenders,
    make_detectors,
    make_literature_defenses,
    make_recommenders,
)


class Laboratory:
    """Runs the studies that tables and figures need, on one dataset.

    Parameters
    ----------
    dataset : str
        Name of a dataset of the paper.

    ratings : csr_array of shape (n_users, n_items)
        Its ratings.

    attacks : list of str
        Names of the attacks of the paper to try.

    kinds : list of {"random", "unpopular"}
        Kinds of targets.

    detectors : list of str, default=()
        Names of the detectors to try, as they are registered.

    **study_options : dict
        Passed to :func:`~skrecsec.experiments.robustness_study`.
    """

    def __init__(
        self, dataset: str, ratings: sp.csr_array, *, attacks, kinds, detectors=(), **study_options
    ):
        self.dataset = dataset
        self.ratings = ratings
        self.attacks = list(attacks)
        self.kinds = list(kinds)
        self.detectors = list(detectors)
        self._study_options = study_options
        self._studies: dict[tuple[str, str], RobustnessStudy] = {}

    def study(
        self, kind: str, attacks: dict, recommenders: dict | None, detectors: dict | None = None
    ) -> RobustnessStudy:
        """Run a study on the published targets of a kind."""
        return robustness_study(
            self.ratings,
            attacks=attacks,
            recommenders=recommenders,
            detectors=detectors,
            target_items=DATASETS[self.dataset].targets[kind],
            **self._study_options,
        )

    def defense_study(self, kind: str) -> RobustnessStudy:
        """Run the study of all recommenders of the paper, once for what is made of it."""
        return self._once("defense", kind, self.recommenders)

    def deployed_study(self, kind: str) -> RobustnessStudy:
        """Run the study of the recommenders that people run, once for what is made of it."""
        return self._once("deployed", kind, make_deployed_recommenders)

    def literature_study(self, kind: str) -> RobustnessStudy:
        """Run the study of defenses of the literature, once for what is made of it."""
        return self._once("literature", kind, make_literature_defenses)

    def detection_study(self, kind: str) -> RobustnessStudy:
        """Run the study of the detectors to try, without any recommender."""
        return self.study(kind, self.all_attacks(), None, make_detectors(self.detectors))

    def _once(self, name, kind, make):
        if (name, kind) not in self._studies:
            self._studies[name, kind] = self.study(kind, self.all_attacks(), make())
        return self._studies[name, kind]

    def all_attacks(self) -> dict:
        """Return the attacks to try, by name."""
        return {name: self.attack(name) for name in self.attacks}

    def attack(self, name: str, **settings):
        """Return an attack of the paper."""
        return make_attack(name, **settings)

    def recommenders(self, *names: str, pseudo_label_ratio: float = 1.0) -> dict:
        """Return recommenders of the paper with their settings for this dataset."""
        made = make_recommenders(self.dataset, pseudo_label_ratio)
        return {name: made[name] for name in names or made}

    def varied(self, setting: str, values) -> dict:
        """Return attacks that differ in a setting, by the names that `variant` makes."""
        return {
            variant(name, value): self.attack(name, **{setting: value})
            for name in self.attacks
            for value in values
        }


def shows(*, kind: str | None = None, attacks: tuple[str, ...] = ()) -> Callable:
    """Return a decorator that notes of a table or figure what it shows, if not what one likes.

    Parameters
    ----------
    kind : {"random", "unpopular"}, default=None
        The only kind of targets that it shows.

    attacks : tuple of str, default=()
        The only attacks that it shows, of which some will do.
    """

    def note(function):
        function.kind, function.attacks = kind, attacks
        return function

    return note


def why_not(function: Callable, *, attacks, kinds) -> str | None:
    """Return why a table or figure cannot be made of some attacks and kinds, None if it can."""
    kind, shown = getattr(function, "kind", None), getattr(function, "attacks", ())
    if kind is not None and kind not in kinds:
        return f"shows {kind} targets, which are not among --targets."
    if shown and not set(shown) & set(attacks):
        some = ", ".join(shown)
        return f"shows the attack{'s' * (len(shown) > 1)} {some}, which --attack leaves out."
    return None


def variant(name: str, value: float) -> str:
    """Return the name of an attack or recommender with a setting."""
    return f"{name}, {value:g}"


def figures_of(row):
    """Return what a table tells of a row of a study's summary."""
    return {key: row[key] for key in ("mean", "std", "ci_low", "ci_high", "n")}


def by_pair(rows):
    """Return the rows of a summary by attack and recommender."""
    return {(row["attack"], row["recommender"]): row for row in rows}
