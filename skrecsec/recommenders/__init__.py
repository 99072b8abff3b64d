"""Recommenders: the victims of attacks and their defended relatives."""

from skrecsec.recommenders._at import ATRecommender
from skrecsec.recommenders._bpr import BPRRecommender
from skrecsec.recommenders._ease import EASERecommender
from skrecsec.recommenders._item_knn import ItemKNNRecommender
from skrecsec.recommenders._mf import MFRecommender
from skrecsec.recommenders._popularity import PopularityRecommender
from skrecsec.recommenders._tcd import TCDRecommender
from skrecsec.recommenders.adapters._decomposition import DecompositionRecommender
from skrecsec.recommenders.adapters._implicit import ImplicitRecommender

__all__ = [
    "ATRecommender",
    "BPRRecommender",
    "DecompositionRecommender",
    "EASERecommender",
    "ImplicitRecommender",
    "ItemKNNRecommender",
    "MFRecommender",
    "PopularityRecommender",
    "TCDRecommender",
]
