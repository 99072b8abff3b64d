"""A scorer of detectors: which of the profiles that an attack appended they find."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skrecsec.utils._registry import register
from skrecsec.utils._verdicts import verdict_of

_OF_SCORES = {"average_precision": average_precision_score, "roc_auc": roc_auc_score}
_OF_LABELS = {"precision": precision_score, "recall": recall_score, "f1": f1_score}


def _by_name(scorer):
    """Register the scorer under a name for each metric."""
    for metric in (*_OF_SCORES, *_OF_LABELS):
        register("scorer", f"detection_{metric}", options={"metric": metric})(scorer)
    return scorer


@_by_name
@dataclass(frozen=True, eq=False)
class DetectionScorer:
    """Scorer of a detector: how well it tells the profiles that an attack appended from others.

    The estimator is a fitted pipeline of an attack and a detector, or of an attack and a
    recommender that has one, such as :class:`~skrecsec.recommenders.FilteredRecommender`.

    Parameters
    ----------
    metric : {"average_precision", "roc_auc", "precision", "recall", "f1"}, \
            default="average_precision"
        The first two are of `profile_scores_`, the others of `labels_`; fake profiles are the
        positive class.

    See Also
    --------
    skrecsec.detection.LockstepDetector : A detector.

    Notes
    -----
    It is the profiles of `fit` that are scored, so that `X` and `y` are not looked at. Where nobody
    is called fake, precision and F1 are 0. :func:`get_scorer` knows it as ``"detection_recall"``,
    and likewise for the other metrics.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import LockstepDetector
    >>> from skrecsec.metrics import DetectionScorer
    >>> X = make_ratings(400, 200, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(random_state=0)
    >>> pipeline = make_pipeline(attack, LockstepDetector()).fit(X)
    >>> DetectionScorer("recall")(pipeline, X)
    1.0
    """

    metric: str = "average_precision"

    def __call__(self, estimator, X=None, y=None) -> float:
        """Score the verdicts on the profiles of `fit`; `X` and `y` are ignored."""
        if self.metric not in (*_OF_SCORES, *_OF_LABELS):
            raise ValueError(
                f"metric must be one of {', '.join([*_OF_SCORES, *_OF_LABELS])}, got "
                f"{self.metric!r}."
            )
        of_scores = self.metric in _OF_SCORES
        is_fake, verdicts = verdict_of(
            estimator,
            "profile_scores_" if of_scores else "labels_",
            why="DetectionScorer asks which profiles it appended",
            who_asks=f"metric={self.metric!r}",
        )
        if of_scores:
            return float(_OF_SCORES[self.metric](is_fake, -verdicts))
        return float(_OF_LABELS[self.metric](is_fake, verdicts == -1, zero_division=0))
