"""Detectors: which profiles are fake, and on whose behalf."""

from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.detection._power import smallest_visible_attack

__all__ = ["LockstepDetector", "smallest_visible_attack"]
