"""Metrics of recommendation, of attacks on it and of its defense.

Functions take scores that are already predicted. Scorers take an estimator, and go wherever
scikit-learn takes `scoring`.
"""

from skrecsec.metrics._detection import DetectionScorer

# Shared with plots, studies and the command line, but not public.
from skrecsec.metrics._names import DETECTION_METRICS as DETECTION_METRICS
from skrecsec.metrics._names import METRICS as METRICS
from skrecsec.metrics._ranking import hit_ratio_score, ndcg_score, target_hit_ratio_score
from skrecsec.metrics._robustness import (
    prediction_shift,
    rank_shift,
    robustness_improvement_score,
)
from skrecsec.metrics._scorers import (
    HitRatioScorer,
    NDCGScorer,
    RobustnessImprovementScorer,
    TargetHitRatioScorer,
    get_scorer,
    get_scorer_names,
)

__all__ = [
    # Scorers: scorer(estimator, X, y)
    "DetectionScorer",
    "HitRatioScorer",
    "NDCGScorer",
    "RobustnessImprovementScorer",
    "TargetHitRatioScorer",
    # Scorers by name
    "get_scorer",
    "get_scorer_names",
    # Functions of predicted scores
    "hit_ratio_score",
    "ndcg_score",
    "prediction_shift",
    "rank_shift",
    "robustness_improvement_score",
    "target_hit_ratio_score",
]
