"""Attack recommender systems with fake profiles, and defend them, with scikit-learn."""

from importlib.metadata import PackageNotFoundError, version

from skrecsec.attacks import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    DLAttackTransformer,
    GCoAttackTransformer,
    LoveHateAttackTransformer,
    PGAAttackTransformer,
    RandomAttackTransformer,
    ReverseBandwagonAttackTransformer,
    SegmentAttackTransformer,
    TNAAttackTransformer,
)
from skrecsec.recommenders import (
    ATRecommender,
    BPRRecommender,
    DecompositionRecommender,
    EASERecommender,
    ImplicitRecommender,
    ItemKNNRecommender,
    MFRecommender,
    PopularityRecommender,
    TCDRecommender,
)

try:
    __version__ = version("skrecsec")
except PackageNotFoundError:  # pragma: no cover - running from a source tree
    __version__ = "0.0.0"

__all__ = [
    "ATRecommender",
    "AUSHAttackTransformer",
    "AverageAttackTransformer",
    "BPRRecommender",
    "BandwagonAttackTransformer",
    "CoAttackTransformer",
    "DLAttackTransformer",
    "DecompositionRecommender",
    "EASERecommender",
    "GCoAttackTransformer",
    "ImplicitRecommender",
    "ItemKNNRecommender",
    "LoveHateAttackTransformer",
    "MFRecommender",
    "PGAAttackTransformer",
    "PopularityRecommender",
    "RandomAttackTransformer",
    "ReverseBandwagonAttackTransformer",
    "SegmentAttackTransformer",
    "TCDRecommender",
    "TNAAttackTransformer",
]
