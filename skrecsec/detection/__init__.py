"""Detectors: which profiles are fake, and on whose behalf; features to train classifiers on."""

from skrecsec.detection._features import ProfileFeatures
from skrecsec.detection._lockstep import LockstepDetector

__all__ = ["LockstepDetector", "ProfileFeatures"]
