"""What a robustness study found."""

from __future__ import annotations

import numpy as np

from skrecsec.experiments._statistics import with_ri
from skrecsec.experiments._summaries import SummariesMixin
from skrecsec.utils._signatures import complete
from skrecsec.utils._verdicts import Verdicts


@complete
class RobustnessStudy(SummariesMixin):
    """The results of :func:`robustness_study`, which makes it.

    Parameters
    ----------
    records : list of dict
        Figures without `ri`, see the attribute.

    rank_shifts : dict
        For each (repeat, attack, recommender) the distinct rank shifts and their counts.

    target_items : list of ndarray
        The targets of each repeat.

    baseline : str or None
        The undefended recommender; None if there are no recommenders.

    k : int
        Length of the lists of recommendations.

    protocol : {"in_sample", "fold_in"}
        How users were scored.

    detections : list of dict, default=()
        Figures of detectors, see the attribute.

    verdicts : dict, default=None
        For each (repeat, attack, detector) what the method of the name returns.

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

    detections : list of dict
        One for each repeat, attack and detector, in this order; clean data come first. The keys are

        - `repeat`, from 0, `attack` and `detector`;
        - `average_precision` and `roc_auc`, by which the scores of the detector tell fake profiles
          from genuine ones; NaN on clean data, and of a detector without scores;
        - `recall`, the share of the fake profiles that are called fake; NaN on clean data;
        - `false_positive_rate`, the share of the genuine users who are called fake;
        - `n_fake` and `n_found`, how many profiles are fake, and how many of these are called so;
        - `n_genuine` and `n_accused`, how many users are genuine, and how many are called fake;
        - `detection_seconds`, the wall-clock time of judging all of them.

        All but the last depend on the random state alone.

    target_items : list of ndarray
        The targets of each repeat.

    attacks : list of str
        Names, with ``"clean"`` first.

    recommenders : list of str
        Names.

    detectors : list of str
        Names.

    baseline : str or None
        The undefended recommender that `ri` and tests refer to. Tests of detectors refer to the
        first of them.

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

    def __init__(
        self,
        records,
        rank_shifts,
        target_items,
        *,
        baseline,
        k,
        protocol,
        detections=(),
        verdicts=None,
    ):
        self.records = with_ri(records, baseline)
        self.detections = list(detections)
        self.target_items = target_items
        self.attacks = _distinct("attack", [*self.records, *self.detections])
        self.recommenders = _distinct("recommender", self.records)
        self.detectors = _distinct("detector", self.detections)
        self.baseline = baseline
        self.k = k
        self.protocol = protocol
        self._rank_shifts = rank_shifts
        self._verdicts = verdicts or {}

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return len(self.target_items)

    def to_frame(self, of: str = "recommenders"):
        """Return the records as a data frame.

        Parameters
        ----------
        of : {"recommenders", "detectors"}, default="recommenders"
            Whose: `records` or `detections`.

        Returns
        -------
        frame : pandas.DataFrame
            One row per record, one column per key.

        Raises
        ------
        ImportError
            If pandas is not installed.

        ValueError
            If `of` is something else.
        """
        self._check_choice("of", of, ["recommenders", "detectors"])
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "RobustnessStudy.to_frame needs pandas, which comes with an extra: "
                'python -m pip install "skrecsec[experiments]". Without it, use `records`.'
            ) from None
        return pd.DataFrame(self.records if of == "recommenders" else self.detections)

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

    def verdicts(self, attack: str, detector: str, *, repeat: int = 0) -> Verdicts:
        """Return what a detector said of each profile in a repeat.

        Parameters
        ----------
        attack : str
            Name of an attack, or ``"clean"``.

        detector : str
            Name of a detector.

        repeat : int, default=0
            Number of the repeat.

        Returns
        -------
        is_fake : ndarray of bool of shape (n_profiles,)
            Which profiles are fake: the last ones, after the genuine users.

        scores : ndarray of float of shape (n_profiles,)
            The lower, the more suspicious; NaN of a detector without scores.

        is_flagged : ndarray of bool of shape (n_profiles,)
            Which profiles the detector calls fake.

        Raises
        ------
        ValueError
            If there is no such attack, detector or repeat.
        """
        self._check_choice("attack", attack, self.attacks)
        self._check_choice("detector", detector, self.detectors)
        self._check_choice("repeat", repeat, range(self.n_repeats))
        return self._verdicts[repeat, attack, detector]

    def __repr__(self) -> str:
        sizes = [_count(self.n_repeats, "repeat"), _count(len(self.attacks) - 1, "attack")]
        tried = [(self.recommenders, "recommender"), (self.detectors, "detector")]
        sizes.append(" and ".join(_count(len(names), what) for names, what in tried if names))
        sizes = " x ".join(sizes)
        return f"<RobustnessStudy: {sizes}, k={self.k}, protocol={self.protocol!r}>"


def _distinct(key, records):
    return list(dict.fromkeys(record[key] for record in records))


def _count(n, what):
    return f"{n} {what}{'' if n == 1 else 's'}"
