"""Recommenders: the victims of attacks and their defended relatives."""

from skrecsec.recommenders._apr import APRRecommender
from skrecsec.recommenders._apt import APTRecommender
from skrecsec.recommenders._at import ATRecommender
from skrecsec.recommenders._bagged import BaggedRecommender
from skrecsec.recommenders._bpr import BPRRecommender
from skrecsec.recommenders._cooperative import CooperativeRecommender
from skrecsec.recommenders._ease import EASERecommender
from skrecsec.recommenders._filtered import FilteredRecommender
from skrecsec.recommenders._gate import ExposureGate
from skrecsec.recommenders._item_knn import ItemKNNRecommender
from skrecsec.recommenders._mf import MFRecommender
from skrecsec.recommenders._popularity import PopularityRecommender
from skrecsec.recommenders._recommended import RecommendedDefense, recommended_defense
from skrecsec.recommenders._robust_mf import RobustMFRecommender
from skrecsec.recommenders._tcd import TCDRecommender
from skrecsec.recommenders._vat import VATRecommender
from skrecsec.recommenders._vicinal import VicinalRecommender
from skrecsec.recommenders._weighted import WeightedRecommender
from skrecsec.recommenders.adapters._cornac import CornacRecommender
from skrecsec.recommenders.adapters._decomposition import DecompositionRecommender
from skrecsec.recommenders.adapters._implicit import ImplicitRecommender
from skrecsec.recommenders.adapters._lenskit import LenskitRecommender

__all__ = [
    "APRRecommender",
    "APTRecommender",
    "ATRecommender",
    "BPRRecommender",
    "BaggedRecommender",
    "CooperativeRecommender",
    "CornacRecommender",
    "DecompositionRecommender",
    "EASERecommender",
    "ExposureGate",
    "FilteredRecommender",
    "ImplicitRecommender",
    "ItemKNNRecommender",
    "LenskitRecommender",
    "MFRecommender",
    "PopularityRecommender",
    "RecommendedDefense",
    "RobustMFRecommender",
    "TCDRecommender",
    "VATRecommender",
    "VicinalRecommender",
    "WeightedRecommender",
    "recommended_defense",
]
