"""The arithmetic of a study: robustness improvement, means and paired tests."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

from skrecsec.metrics import robustness_improvement_score

# How the data without an attack are called.
CLEAN = "clean"


def with_ri(records: list[dict], baseline: str) -> list[dict]:
    """Return the records with the robustness improvement over a baseline."""
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


def describe_mean(values: np.ndarray) -> dict:
    """Return mean, spread and 95% confidence interval of the values that are not NaN."""
    values = values[~np.isnan(values)]
    n = values.size
    mean = float(values.mean()) if n else float("nan")
    std = float(values.std(ddof=1)) if n > 1 else float("nan")
    margin = float(stats.t.ppf(0.975, n - 1)) * std / n**0.5 if n > 1 else float("nan")
    return {"n": n, "mean": mean, "std": std, "ci_low": mean - margin, "ci_high": mean + margin}


def compare(values: np.ndarray, others: np.ndarray) -> dict:
    """Return the mean difference and the paired t-test of the pairs without a NaN."""
    paired = ~np.isnan(values) & ~np.isnan(others)
    values, others = values[paired], others[paired]
    difference = float((values - others).mean()) if values.size else float("nan")
    t = p = float("nan")
    if values.size > 1 and np.any(values != others):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # differences that hardly vary
            result = stats.ttest_rel(values, others)
        t, p = float(result.statistic), float(result.pvalue)
    return {"difference": difference, "t": t, "p": p}
