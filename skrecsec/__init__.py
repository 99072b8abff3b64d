"""Attack recommender systems with fake profiles, and defend them, with scikit-learn."""

from skrecsec.attacks import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    CoAttackTransformer,
    DLAttackTransformer,
    FixedAttackTransformer,
    GCoAttackTransformer,
    LoveHateAttackTransformer,
    PGAAttackTransformer,
    RandomAttackTransformer,
    ReverseBandwagonAttackTransformer,
    SegmentAttackTransformer,
    TNAAttackTransformer,
)
from skrecsec.detection import LockstepDetector
from skrecsec.recommenders import (
    APRRecommender,
    ATRecommender,
    BPRRecommender,
    CornacRecommender,
    DecompositionRecommender,
    EASERecommender,
    FilteredRecommender,
    ImplicitRecommender,
    ItemKNNRecommender,
    LenskitRecommender,
    MFRecommender,
    PopularityRecommender,
    TCDRecommender,
)
from skrecsec.utils._versions import package_version

__version__ = package_version()

__all__ = [
    "APRRecommender",
    "ATRecommender",
    "AUSHAttackTransformer",
    "AverageAttackTransformer",
    "BPRRecommender",
    "BandwagonAttackTransformer",
    "CoAttackTransformer",
    "CornacRecommender",
    "DLAttackTransformer",
    "DecompositionRecommender",
    "EASERecommender",
    "FilteredRecommender",
    "FixedAttackTransformer",
    "GCoAttackTransformer",
    "ImplicitRecommender",
    "ItemKNNRecommender",
    "LenskitRecommender",
    "LockstepDetector",
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
