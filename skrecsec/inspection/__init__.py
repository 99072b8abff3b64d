"""Displays: plots of attacks and defenses, in scikit-learn's manner."""

from skrecsec.inspection._attack_curve import AttackCurveDisplay
from skrecsec.inspection._detection import DetectionDisplay
from skrecsec.inspection._group import GroupDisplay
from skrecsec.inspection._rank_shift import RankShiftDisplay
from skrecsec.inspection._robustness import RobustnessDisplay

# For the command line, not public.
from skrecsec.inspection._style import MARKERS as MARKERS
from skrecsec.inspection._style import styles_for as styles_for
from skrecsec.inspection._training_history import TrainingHistoryDisplay

__all__ = [
    "AttackCurveDisplay",
    "DetectionDisplay",
    "GroupDisplay",
    "RankShiftDisplay",
    "RobustnessDisplay",
    "TrainingHistoryDisplay",
]
