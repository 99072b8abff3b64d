"""Attack recommender systems with fake profiles, and defend them, with scikit-learn.

What is public is imported when it is asked for, and scikit-learn with it, not by this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from skrecsec.utils._versions import package_version

if TYPE_CHECKING:
    from skrecsec.attacks import (
        AUSHAttackTransformer,
        AverageAttackTransformer,
        BandwagonAttackTransformer,
        BlackBoxAttackTransformer,
        CoAttackTransformer,
        CopyAttackTransformer,
        DLAttackTransformer,
        EASEAttackTransformer,
        FixedAttackTransformer,
        GCoAttackTransformer,
        GTAAttackTransformer,
        LegUPAttackTransformer,
        LoveHateAttackTransformer,
        NeighborhoodAttackTransformer,
        PGAAttackTransformer,
        PowerItemAttackTransformer,
        PowerUserAttackTransformer,
        RandomAttackTransformer,
        RevAdvAttackTransformer,
        ReverseBandwagonAttackTransformer,
        SegmentAttackTransformer,
        TNAAttackTransformer,
    )
    from skrecsec.detection import (
        FAPDetector,
        FraudarDetector,
        LockstepDetector,
        PCADetector,
        SimulatedAttackDetector,
        SpectralDetector,
        UnRAPDetector,
    )
    from skrecsec.recommenders import (
        APRRecommender,
        APTRecommender,
        ATRecommender,
        BaggedRecommender,
        BPRRecommender,
        CooperativeRecommender,
        CornacRecommender,
        DecompositionRecommender,
        EASERecommender,
        ExposureGate,
        FilteredRecommender,
        ImplicitRecommender,
        ItemKNNRecommender,
        LenskitRecommender,
        MFRecommender,
        PopularityRecommender,
        RecommendedDefense,
        RobustMFRecommender,
        TCDRecommender,
        VATRecommender,
        VicinalRecommender,
        WeightedRecommender,
        recommended_defense,
    )

__version__ = package_version()

__all__ = [
    "APRRecommender",
    "APTRecommender",
    "ATRecommender",
    "AUSHAttackTransformer",
    "AverageAttackTransformer",
    "BPRRecommender",
    "BaggedRecommender",
    "BandwagonAttackTransformer",
    "BlackBoxAttackTransformer",
    "CoAttackTransformer",
    "CooperativeRecommender",
    "CopyAttackTransformer",
    "CornacRecommender",
    "DLAttackTransformer",
    "DecompositionRecommender",
    "EASEAttackTransformer",
    "EASERecommender",
    "ExposureGate",
    "FAPDetector",
    "FilteredRecommender",
    "FixedAttackTransformer",
    "FraudarDetector",
    "GCoAttackTransformer",
    "GTAAttackTransformer",
    "ImplicitRecommender",
    "ItemKNNRecommender",
    "LegUPAttackTransformer",
    "LenskitRecommender",
    "LockstepDetector",
    "LoveHateAttackTransformer",
    "MFRecommender",
    "NeighborhoodAttackTransformer",
    "PCADetector",
    "PGAAttackTransformer",
    "PopularityRecommender",
    "PowerItemAttackTransformer",
    "PowerUserAttackTransformer",
    "RandomAttackTransformer",
    "RecommendedDefense",
    "RevAdvAttackTransformer",
    "ReverseBandwagonAttackTransformer",
    "RobustMFRecommender",
    "SegmentAttackTransformer",
    "SimulatedAttackDetector",
    "SpectralDetector",
    "TCDRecommender",
    "TNAAttackTransformer",
    "UnRAPDetector",
    "VATRecommender",
    "VicinalRecommender",
    "WeightedRecommender",
    "recommended_defense",
]

_PACKAGES = {
    "attacks",
    "base",
    "cli",
    "datasets",
    "detection",
    "exceptions",
    "experiments",
    "inspection",
    "metrics",
    "model_selection",
    "recommenders",
    "utils",
}


def __getattr__(name: str):
    """Import what is asked for the first time."""
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_package_of(name)}"), name)
    return found


def _package_of(name):
    """Return where something lives, which its name tells."""
    if name.endswith("AttackTransformer"):
        return "attacks"
    return "detection" if name.endswith("Detector") else "recommenders"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
