"""Detectors: which profiles are fake, and on whose behalf."""

from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.detection._power import VisibleAttack, smallest_visible_attack, visible_attacks

__all__ = ["LockstepDetector", "VisibleAttack", "smallest_visible_attack", "visible_attacks"]
