"""How sure one can be of what a study found: means, intervals, tests and tables."""

from __future__ import annotations

import html
from itertools import combinations

import numpy as np

from skrecsec.experiments._statistics import compare, describe_mean, strength, with_ri
from skrecsec.experiments._tables import latex_table, markdown_table
from skrecsec.metrics import DETECTION_METRICS, METRICS
from skrecsec.utils._html import html_table
from skrecsec.utils._signatures import complete

_ALL_METRICS = METRICS | DETECTION_METRICS
# What notebooks show of a study, of recommenders and of detectors.
_SHOWN = ("test_hr", "target_hr", "average_precision", "recall")
_LEGEND = (
    "Means over the repeats, with half the width of their 95% confidence intervals. A star: "
    "compared with the baseline, or the first detector, a paired t-test has p < 0.05."
)


@complete
class SummariesMixin:
    """Summaries of `records` and `detections`, of recommenders and of detectors."""

    attacks: list[str]
    recommenders: list[str]
    detectors: list[str]
    records: list[dict]
    detections: list[dict]
    baseline: str | None
    k: int

    def summary(self, metric: str | None = None, *, baseline: str | None = None) -> list[dict]:
        """Return means, confidence intervals and tests of each recommender against the baseline.

        Parameters
        ----------
        metric : str, default=None
            The key of a figure in `records`, or of one that is no count in `detections`; None takes
            all of them.

        baseline : str, default=None
            Name of the recommender to compare with, which also replaces the baseline of `ri`; None
            takes that of the study. With a metric of detectors it is the name of a detector, and
            None takes the first.

        Returns
        -------
        rows : list of dict
            One for each metric, attack and recommender or detector, with `metric`, `attack`, and
            `recommender` or `detector`; `n` repeats that have a figure (of `ri`, not all do), their
            `mean` and standard deviation `std`; `ci_low` and `ci_high`, the limits of the 95%
            confidence interval of the mean by Student's t; and, compared with the `baseline` under
            the same attack, the mean `difference`, `t` and two-sided `p` of the paired t-test. What
            cannot be had is NaN: an interval or a test from one repeat, a test where all
            differences are 0.

        Raises
        ------
        ValueError
            If there is no such metric, recommender or detector.

        Notes
        -----
        The intervals describe single means. Whether two recommenders differ is for the paired test
        to say: most of the variation from one repeat to the next is common to both.
        """
        names = self._metrics(metric)
        rows = []
        for name in names:
            who, choices = self._judged_by(name)
            other = baseline
            if other is None or (who == "detector" and len(names) > 1):
                other = self.baseline if who == "recommender" else choices[0]
            self._check_choice("baseline", other, choices)
            figures = self._figures(name, other)
            for (attack, own_name), own in figures.items():
                row = {"metric": name, "attack": attack, who: own_name}
                row |= describe_mean(own) | {"baseline": other}
                rows.append(row | compare(own, figures[attack, other]))
        return rows

    def compare_attacks(
        self, metric: str = "target_hr", *, recommender: str | None = None
    ) -> list[dict]:
        """Return paired t-tests of each attack against each other one.

        Parameters
        ----------
        metric : str, default="target_hr"
            The key of a figure in `records`, not in `detections`.

        recommender : str, default=None
            Name of the attacked recommender; None takes the baseline.

        Returns
        -------
        rows : list of dict
            One for each pair of attacks, clean data among them, with `metric`, `recommender`,
            `attack`, `other`, and the mean `difference` (`attack` minus `other`), `t` and two-sided
            `p` of the paired t-test; NaN as in `summary`.

        Raises
        ------
        ValueError
            If there is no such metric or recommender.
        """
        if recommender is None:
            recommender = self.baseline
        self._check_choice("recommender", recommender, self.recommenders)
        self._check_choice("metric", metric, list(METRICS))
        figures = self._figures(metric, self.baseline)
        return [
            {"metric": metric, "recommender": recommender, "attack": attack, "other": other}
            | compare(figures[attack, recommender], figures[other, recommender])
            for other, attack in combinations(self.attacks, 2)
        ]

    def worst_case(self, recommender: str | None = None, *, goal: str = "push") -> str:
        """Return the name of the attack that moves the targets of a recommender furthest.

        Parameters
        ----------
        recommender : str, default=None
            Name of the attacked recommender; None takes the baseline.

        goal : {"push", "nuke"}, default="push"
            What the attacks were after.

        Returns
        -------
        attack : str
            The one with the highest mean `target_hr`, or the lowest to ``"nuke"``; of several, the
            one with the highest or lowest mean `rank_shift`; of several such, the first.

        Raises
        ------
        ValueError
            If there is no such recommender or goal, or no recommender at all.

        See Also
        --------
        compare_attacks : Whether one is stronger than another.
        """
        recommender = self.baseline if recommender is None else recommender
        self._check_choice("recommender", recommender, self.recommenders)
        self._check_choice("goal", goal, ["push", "nuke"])
        figures = [self._figures(metric, self.baseline) for metric in ("target_hr", "rank_shift")]

        def key(attack):
            hit_ratio, shift = (describe_mean(f[attack, recommender])["mean"] for f in figures)
            return strength(hit_ratio, shift, goal)

        return max(self.attacks[1:], key=key)

    def to_markdown(self, metric: str = "target_hr", *, baseline: str | None = None) -> str:
        """Return a table of a metric in Markdown: attacks in columns, recommenders in rows.

        %(table)s

        Returns
        -------
        table : str
            The cells have the mean and half the width of its 95% confidence interval; a star, where
            a paired t-test against the baseline under the same attack has p < 0.05. Of a metric of
            detectors, these are in the rows.
        """
        return markdown_table(*self._table(metric, baseline))

    def to_latex(self, metric: str = "target_hr", *, baseline: str | None = None) -> str:
        """Return the table of `to_markdown` in LaTeX, which needs the package booktabs.

        %(table)s

        Returns
        -------
        table : str
            A ``tabular`` environment.
        """
        return latex_table(*self._table(metric, baseline))

    def _repr_html_(self) -> str:
        shown = [metric for metric in _SHOWN if metric in self._metrics(None)]
        tables = [html_table(*self._table(metric, None)) for metric in shown]
        return "\n".join([f"<p>{html.escape(repr(self))}</p>", *tables, f"<p>{_LEGEND}</p>"])

    def _metrics(self, metric):
        choices = [*(METRICS if self.recommenders else ())]
        choices += [*(DETECTION_METRICS if self.detectors else ())]
        if metric is None:
            return choices
        self._check_choice("metric", metric, choices)
        return [metric]

    def _judged_by(self, metric):
        """Return what has figures of a metric, and the names that there are."""
        if metric in METRICS:
            return "recommender", self.recommenders
        return "detector", self.detectors

    def _check_choice(self, parameter, value, choices):
        if value not in choices:
            shown = ", ".join(repr(choice) for choice in choices)
            raise ValueError(f"{parameter} must be one of {shown}, got {value!r}.")

    def _figures(self, metric, baseline):
        """Return the values of a metric over the repeats, by attack and recommender or detector."""
        who, _ = self._judged_by(metric)
        records = self.records if who == "recommender" else self.detections
        if metric == "ri" and baseline != self.baseline:
            records = with_ri(self.records, baseline)
        figures = {}
        for record in records:
            key = record["attack"], record[who]
            figures.setdefault(key, []).append(record[metric])
        return {key: np.array(values, dtype=float) for key, values in figures.items()}

    def _table(self, metric, baseline):
        (metric,) = self._metrics(metric)
        who, names = self._judged_by(metric)
        rows = {(r["attack"], r[who]): r for r in self.summary(metric, baseline=baseline)}
        heading = _ALL_METRICS[metric].name(self.k)
        lines = [
            [name, *(_as_cell(rows.get((attack, name))) for attack in self.attacks)]
            for name in names
        ]
        return [heading, *self.attacks], lines


def _as_cell(row):
    if row is None or row["n"] == 0:
        return "-"
    margin = row["ci_high"] - row["mean"] if row["n"] > 1 else None
    cell = _ALL_METRICS[row["metric"]].write_mean(row["mean"], margin)
    return f"{cell}*" if row["p"] < 0.05 else cell
