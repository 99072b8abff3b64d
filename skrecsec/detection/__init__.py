"""Detectors: which profiles are fake, and on whose behalf; features to train classifiers on."""

from skrecsec.detection._fap import FAPDetector
from skrecsec.detection._features import ProfileFeatures
from skrecsec.detection._fraudar import FraudarDetector
from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.detection._pca import PCADetector
from skrecsec.detection._power import VisibleAttack, smallest_visible_attack, visible_attacks
from skrecsec.detection._simulated import SimulatedAttackDetector
from skrecsec.detection._spectral import SpectralDetector
from skrecsec.detection._unrap import UnRAPDetector

__all__ = [
    "FAPDetector",
    "FraudarDetector",
    "LockstepDetector",
    "PCADetector",
    "ProfileFeatures",
    "SimulatedAttackDetector",
    "SpectralDetector",
    "UnRAPDetector",
    "VisibleAttack",
    "smallest_visible_attack",
    "visible_attacks",
]
