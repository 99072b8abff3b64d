"""The contracts: what recommenders, attack transformers and detectors are."""

from skrecsec.base._attack import BaseAttackTransformer
from skrecsec.base._detector import BaseProfileDetector, SuspiciousGroup
from skrecsec.base._recommender import BaseRecommender
from skrecsec.base._threat import Budget, choose_targets, complete_profiles

__all__ = [
    "BaseAttackTransformer",
    "BaseProfileDetector",
    "BaseRecommender",
    "Budget",
    "SuspiciousGroup",
    "choose_targets",
    "complete_profiles",
]
