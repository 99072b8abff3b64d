"""Detectors: which profiles are fake, and on whose behalf."""

from skrecsec.detection._lockstep import LockstepDetector

__all__ = ["LockstepDetector"]
