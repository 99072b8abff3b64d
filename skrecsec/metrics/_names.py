"""What tables, plots and command lines call metrics, and how they write them."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """How a figure of a study is presented.

    Parameters
    ----------
    title : str
        Its name; ``{k}`` stands for the length of the lists.

    decimals : int
        How many are written.

    better : {"higher", "lower"} or None
        Which values are better; None where the goal of the attack decides.

    meaning : str
        What it is, in a few words.

    is_signed : bool, default=False
        Whether a plus is written.

    heading : str, default=None
        The name in a table that has several metrics; None: the title.

    Examples
    --------
    >>> from skrecsec.metrics import METRICS
    >>> METRICS["test_hr"].name(50), METRICS["rank_shift"].write(352.71)
    ('test HR@50', '+352.7')
    """

    title: str
    decimals: int
    better: str | None
    meaning: str
    is_signed: bool = False
    heading: str | None = None

    def name(self, k: int, *, short: bool = False) -> str:
        """Return the title, or the heading."""
        return (self.title if self.heading is None or not short else self.heading).format(k=k)

    def explain(self, k: int) -> str:
        """Return what it is, and which values are better."""
        direction = "" if self.better is None else f"; {self.better} is better"
        return self.meaning.format(k=k) + direction

    def write(self, value: float) -> str:
        """Return a value as text."""
        return f"{value:{'+' if self.is_signed else ''}z.{self.decimals}f}"

    def write_mean(self, mean: float, spread: float | None = None) -> str:
        """Return a mean as text, with what is given as its spread, unless that is None."""
        spread = "" if spread is None else f" ± {spread:z.{self.decimals}f}"
        return self.write(mean) + spread


METRICS = {
    "test_hr": Metric(
        "test HR@{k}", 4, "higher", "share of hidden ratings among {k} recommendations"
    ),
    "target_hr": Metric(
        "target HR@{k}", 4, None, "how often a target is among {k} recommendations"
    ),
    "ri": Metric("RI", 3, "higher", "share of the damage that the defense undoes"),
    "ndcg": Metric(
        "NDCG@{k}", 4, "higher", "how high hidden ratings are among {k} recommendations"
    ),
    "rank_shift": Metric(
        "mean rank shift", 1, None, "places by which the attack moved targets up", is_signed=True
    ),
    "seconds": Metric("seconds of fit", 2, "lower", "time of a fit", heading="seconds"),
    "peak_memory": Metric("peak memory in MiB", 0, "lower", "most memory in use"),
    "attack_seconds": Metric("seconds of attack", 2, "lower", "time of crafting fake profiles"),
}

# Those of detectors, which studies measure, too.
DETECTION_METRICS = {
    "average_precision": Metric(
        "average precision",
        4,
        "higher",
        "precision at each fake profile, by rising score, on average",
    ),
    "roc_auc": Metric(
        "ROC AUC", 4, "higher", "how often a fake profile is more suspicious than a genuine one"
    ),
    "recall": Metric("recall", 4, "higher", "share of the fake profiles that are called fake"),
    "false_positive_rate": Metric(
        "false positive rate", 4, "lower", "share of the genuine users who are called fake"
    ),
    "detection_seconds": Metric("seconds of detection", 2, "lower", "time of judging all profiles"),
}
