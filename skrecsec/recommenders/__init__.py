"""Recommenders: the victim of attacks and its defended relatives."""

from skrecsec.recommenders._at import ATRecommender
from skrecsec.recommenders._mf import MFRecommender
from skrecsec.recommenders._tcd import TCDRecommender

__all__ = ["ATRecommender", "MFRecommender", "TCDRecommender"]
