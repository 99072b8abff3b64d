"""What a robustness study found, and how sure one can be of it."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from skrecsec.experiments._statistics import compare, describe_mean, with_ri
from skrecsec.experiments._tables import latex_table, markdown_table
from skrecsec.metrics import METRICS
from skrecsec.utils._signatures import complete


@complete
class RobustnessStudy:
    """The results of :func:`robustness_study`, which makes it.

    Parameters
    ----------
    records : list of dict
        Figures without `ri`, see the attribute.

    rank_shifts : dict
        For each (repeat, attack, recommender) the distinct rank shifts and their counts.

    target_items : list of ndarray
        The targets of each repeat.

    baseline : str
        The undefended recommender.

    k : int
        Length of the lists of recommendations.

    protocol : {"in_sample", "fold_in"}
        How users were scored.

    Attributes
    ----------
    records : list of dict
        One for each repeat, attack and recommender, in this order; clean data come first, as an
        attack of the name ``"clean"``. The keys are

        - `repeat`, from 0, `attack` and `recommender`;
        - `test_hr` and `ndcg`, HR@k and NDCG@k of the held-out items;
        - `target_hr`, HR@k of the target items;
        - `ri`, the robustness improvement over the baseline in the same repeat; NaN on clean data
          and where the attack did not change the baseline's hit ratio;
        - `rank_shift`, the mean number of places by which the attack moved the targets up in the
          ranking of this recommender, over users who have not rated them; NaN on clean data;
        - `seconds`, the wall-clock time of the fit;
        - `peak_memory`, in MiB, the most memory that was resident in the process that did the fit
          and the scoring: in that time, on Linux; since the process was started, elsewhere; NaN on
          Windows. The interpreter and the imported libraries, some 200 MiB, are part of it, and so
          is whatever else the process holds;
        - `attack_seconds`, the wall-clock time of crafting the fake profiles, the same for all
          recommenders; NaN on clean data.

        All but the last three depend on the random state alone.

    target_items : list of ndarray
        The targets of each repeat.

    attacks : list of str
        Names, with ``"clean"`` first.

    recommenders : list of str
        Names.

    baseline : str
        The undefended recommender that `ri` and tests refer to.

    k : int
        Length of the lists of recommendations.

    protocol : {"in_sample", "fold_in"}
        How users were scored.

    See Also
    --------
    robustness_study : Runs a study.

    Notes
    -----
    Tests are paired: two recommenders are compared on the same split, targets and poison. No
    correction is made for the number of tests; of 100 true null hypotheses, expect 5 to be rejected
    at 0.05.

    %(study.example)s
    >>> study = robustness_study(
    ...     make_ratings(150, 120, density=0.2, random_state=0),
    ...     attacks={"Average": AverageAttackTransformer()},
    ...     recommenders={"MF": MFRecommender(8), "TCD": TCDRecommender(8, max_iter=9)},
    ...     n_repeats=2,
    ...     k=10,
    ...     random_state=0,
    ... )
    >>> study
    <RobustnessStudy: 2 repeats x 1 attack x 2 recommenders, k=10, protocol='in_sample'>
    >>> print(study.to_markdown("target_hr"))
    | target HR@10 |           clean |         Average |
    | :----------- | --------------: | --------------: |
    | MF           | ... ± ... | ... ± ... |
    | TCD          | ... ± ... | ... ± ... |
    >>> shifts, counts = study.rank_shifts("Average", "TCD")
    >>> int(counts.sum()) <= 2 * 150 * 5
    True
    """

    def __init__(self, records, rank_shifts, target_items, *, baseline, k, protocol):
        self.records = with_ri(records, baseline)
        self.target_items = target_items
        self.attacks = list(dict.fromkeys(record["attack"] for record in records))
        self.recommenders = list(dict.fromkeys(record["recommender"] for record in records))
        self.baseline = baseline
        self.k = k
        self.protocol = protocol
        self._rank_shifts = rank_shifts

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return len(self.target_items)

    def to_frame(self):
        """Return the records as a data frame.

        Returns
        -------
        frame : pandas.DataFrame
            One row per record, one column per key.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "RobustnessStudy.to_frame needs pandas, which comes with an extra: "
                'python -m pip install "skrecsec[experiments]". Without it, use `records`.'
            ) from None
        return pd.DataFrame(self.records)

    def rank_shifts(
        self, attack: str, recommender: str, *, repeat: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the distribution of the targets' rank shifts over users, targets and repeats.

        A rank shift is the rank of a target in the list of a user without the attack, minus the
        rank with it, for the same recommender: positive where the target was promoted. Only targets
        that a user has not rated have ranks.

        Parameters
        ----------
        attack : str
            Name of an attack, not ``"clean"``.

        recommender : str
            Name of a recommender.

        repeat : int, default=None
            Number of the repeat; None takes all together.

        Returns
        -------
        shifts : ndarray of shape (n_distinct,), dtype int64
            The distinct shifts that occurred, sorted.

        counts : ndarray of shape (n_distinct,), dtype int64
            How often each of them did. The distribution is exact, not binned;
            ``numpy.repeat(shifts, counts)`` has each single shift.

        Raises
        ------
        ValueError
            If there is no such attack, recommender or repeat.
        """
        self._check_choice("attack", attack, self.attacks[1:])
        self._check_choice("recommender", recommender, self.recommenders)
        repeats = range(self.n_repeats)
        if repeat is not None:
            self._check_choice("repeat", repeat, repeats)
            repeats = [repeat]
        parts = [self._rank_shifts[r, attack, recommender] for r in repeats]
        shifts, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        distinct, positions = np.unique(shifts, return_inverse=True)
        summed = np.bincount(positions, counts, distinct.size)
        return distinct.astype(np.int64), summed.astype(np.int64)

    def summary(self, metric: str | None = None, *, baseline: str | None = None) -> list[dict]:
        """Return means, confidence intervals and tests of each recommender against the baseline.

        Parameters
        ----------
        metric : str, default=None
            The key of a figure in `records`; None takes all of them.

        baseline : str, default=None
            Name of the recommender to compare with, which also replaces the baseline of `ri`; None
            takes that of the study.

        Returns
        -------
        rows : list of dict
            One for each metric, attack and recommender, with `metric`, `attack`, `recommender`; `n`
            repeats that have a figure (of `ri`, not all do), their `mean` and standard deviation
            `std`; `ci_low` and `ci_high`, the limits of the 95% confidence interval of the mean by
            Student's t; and, compared with the `baseline` under the same attack, the mean
            `difference`, `t` and two-sided `p` of the paired t-test. What cannot be had is NaN: an
            interval or a test from one repeat, a test where all differences are 0.

        Raises
        ------
        ValueError
            If there is no such metric or recommender.

        Notes
        -----
        The intervals describe single means. Whether two recommenders differ is for the paired test
        to say: most of the variation from one repeat to the next is common to both.
        """
        if baseline is None:
            baseline = self.baseline
        self._check_choice("baseline", baseline, self.recommenders)
        rows = []
        for name in self._metrics(metric):
            figures = self._figures(name, baseline)
            for (attack, recommender), own in figures.items():
                row = {"metric": name, "attack": attack, "recommender": recommender}
                row |= describe_mean(own) | {"baseline": baseline}
                rows.append(row | compare(own, figures[attack, baseline]))
        return rows

    def compare_attacks(
        self, metric: str = "target_hr", *, recommender: str | None = None
    ) -> list[dict]:
        """Return paired t-tests of each attack against each other one.

        Parameters
        ----------
        metric : str, default="target_hr"
            The key of a figure in `records`.

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
        (metric,) = self._metrics(metric)
        figures = self._figures(metric, self.baseline)
        return [
            {"metric": metric, "recommender": recommender, "attack": attack, "other": other}
            | compare(figures[attack, recommender], figures[other, recommender])
            for other, attack in combinations(self.attacks, 2)
        ]

    def to_markdown(self, metric: str = "target_hr", *, baseline: str | None = None) -> str:
        """Return a table of a metric in Markdown: recommenders in rows, attacks in columns.

        %(table)s

        Returns
        -------
        table : str
            The cells have the mean and half the width of its 95% confidence interval; a star, where
            a paired t-test against the baseline under the same attack has p < 0.05.
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

    def __repr__(self) -> str:
        sizes = " x ".join(
            f"{n} {what}{'' if n == 1 else 's'}"
            for n, what in (
                (self.n_repeats, "repeat"),
                (len(self.attacks) - 1, "attack"),
                (len(self.recommenders), "recommender"),
            )
        )
        return f"<RobustnessStudy: {sizes}, k={self.k}, protocol={self.protocol!r}>"

    def _metrics(self, metric):
        if metric is None:
            return list(METRICS)
        self._check_choice("metric", metric, list(METRICS))
        return [metric]

    def _check_choice(self, parameter, value, choices):
        if value not in choices:
            shown = ", ".join(repr(choice) for choice in choices)
            raise ValueError(f"{parameter} must be one of {shown}, got {value!r}.")

    def _figures(self, metric, baseline):
        """Return the values of a metric over the repeats, by attack and recommender."""
        records = self.records if baseline == self.baseline else with_ri(self.records, baseline)
        figures = {}
        for record in records:
            key = record["attack"], record["recommender"]
            figures.setdefault(key, []).append(record[metric])
        return {key: np.array(values, dtype=float) for key, values in figures.items()}

    def _table(self, metric, baseline):
        (metric,) = self._metrics(metric)
        rows = {(r["attack"], r["recommender"]): r for r in self.summary(metric, baseline=baseline)}
        heading = METRICS[metric].name(self.k)
        lines = [
            [recommender, *(_as_cell(rows.get((attack, recommender))) for attack in self.attacks)]
            for recommender in self.recommenders
        ]
        return [heading, *self.attacks], lines


def _as_cell(row):
    if row is None or row["n"] == 0:
        return "-"
    margin = row["ci_high"] - row["mean"] if row["n"] > 1 else None
    cell = METRICS[row["metric"]].write_mean(row["mean"], margin)
    return f"{cell}*" if row["p"] < 0.05 else cell
