"""The contracts: what a recommender is and what an attack transformer is."""

from skrecsec.base._attack import BaseAttackTransformer
from skrecsec.base._recommender import BaseRecommender
from skrecsec.base._threat import Budget, choose_targets, complete_profiles

__all__ = [
    "BaseAttackTransformer",
    "BaseRecommender",
    "Budget",
    "choose_targets",
    "complete_profiles",
]
