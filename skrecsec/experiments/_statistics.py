"""The arithmetic of a study: robustness improvement, means and paired tests."""

from __future__ import annotations

import math
import warnings

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skrecsec.metrics import robustness_improvement_score
from skrecsec.utils._verdicts import Verdicts

# How the data without an attack are called.
CLEAN = "clean"


def with_ri(records: list[dict], baseline: str) -> list[dict]:
    """Return the records with the robustness improvement over a baseline."""
    if not records:  # of a study without recommenders
        return []
    hit_ratios = {
        (record["repeat"], record["attack"]): record["target_hr"]
        for record in records
        if record["recommender"] == baseline
    }
    origin, attacked, defended = np.array(
        [
            (
                hit_ratios[record["repeat"], CLEAN],
                hit_ratios[record["repeat"], record["attack"]],
                record["target_hr"],
            )
            for record in records
        ]
    ).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # clean data, or an attack without effect
        improvements = np.atleast_1d(robustness_improvement_score(origin, attacked, defended))
    return [record | {"ri": float(ri)} for record, ri in zip(records, improvements, strict=True)]


def figures_of_verdicts(verdicts: Verdicts) -> dict:
    """Return how well fakes are told from genuine profiles; NaN what cannot be said.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.experiments._statistics import figures_of_verdicts
    >>> from skrecsec.utils._verdicts import Verdicts
    >>> scores = np.array([0.0, -3.0, -1.0, -2.0, -4.0])
    >>> figures = figures_of_verdicts(Verdicts(np.arange(5) > 2, scores, scores < -2.5))
    >>> figures["average_precision"], figures["recall"], figures["false_positive_rate"]
    (0.8333333333333333, 0.5, 0.3333333333333333)
    """
    is_fake, scores, is_flagged = verdicts
    n_fake, n_genuine = int(is_fake.sum()), int((~is_fake).sum())
    n_found, n_accused = int(is_flagged[is_fake].sum()), int(is_flagged[~is_fake].sum())
    can_rank = n_fake > 0 and not np.isnan(scores).any()
    nan = float("nan")
    return {
        "average_precision": float(average_precision_score(is_fake, -scores)) if can_rank else nan,
        "roc_auc": float(roc_auc_score(is_fake, -scores)) if can_rank else nan,
        "recall": n_found / n_fake if n_fake else nan,
        "false_positive_rate": n_accused / n_genuine,
        "n_fake": n_fake,
        "n_found": n_found,
        "n_genuine": n_genuine,
        "n_accused": n_accused,
    }


def strength(target_hr: float, rank_shift: float, goal: str) -> tuple[float, float]:
    """Return what attacks are sorted by: the larger, the further they move their targets.

    Where lists of recommendations show no difference, ranks may. What cannot be had comes last.

    Examples
    --------
    >>> from skrecsec.experiments._statistics import strength
    >>> strength(0.5, 3.0, "push") > strength(0.5, 2.0, "push") > strength(0.4, 9.0, "push")
    True
    >>> strength(0.4, -3.0, "nuke") > strength(0.5, -9.0, "nuke")
    True
    """
    sign = 1.0 if goal == "push" else -1.0
    hit_ratio, shift = (
        -math.inf if math.isnan(value) else sign * value for value in (target_hr, rank_shift)
    )
    return hit_ratio, shift


def describe_mean(values: np.ndarray) -> dict:
    """Return mean, spread and 95% confidence interval of the values that are not NaN."""
    values = values[~np.isnan(values)]
    n = values.size
    mean = float(values.mean()) if n else float("nan")
    std = float(values.std(ddof=1)) if n > 1 else float("nan")
    margin = float("nan")
    if n > 1:
        from scipy.stats import t  # slow to import

        margin = float(t.ppf(0.975, n - 1)) * std / n**0.5
    return {"n": n, "mean": mean, "std": std, "ci_low": mean - margin, "ci_high": mean + margin}


def compare(values: np.ndarray, others: np.ndarray) -> dict:
    """Return the mean difference and the paired t-test of the pairs without a NaN."""
    paired = ~np.isnan(values) & ~np.isnan(others)
    values, others = values[paired], others[paired]
    difference = float((values - others).mean()) if values.size else float("nan")
    t = p = float("nan")
    if values.size > 1 and np.any(values != others):
        from scipy.stats import ttest_rel  # slow to import

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # differences that hardly vary
            result = ttest_rel(values, others)
        t, p = float(result.statistic), float(result.pvalue)
    return {"difference": difference, "t": t, "p": p}
