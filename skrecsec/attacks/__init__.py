"""Attacks: transformers that append fake profiles to the ratings that a model is trained on."""

from skrecsec.attacks._aush import AUSHAttackTransformer
from skrecsec.attacks._cotraining import CoAttackTransformer, GCoAttackTransformer
from skrecsec.attacks._directed import (
    LoveHateAttackTransformer,
    ReverseBandwagonAttackTransformer,
    SegmentAttackTransformer,
)
from skrecsec.attacks._dl import DLAttackTransformer
from skrecsec.attacks._ease_attack import EASEAttackTransformer
from skrecsec.attacks._files import load_poison, save_poison
from skrecsec.attacks._fixed import FixedAttackTransformer
from skrecsec.attacks._heuristic import (
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    RandomAttackTransformer,
)
from skrecsec.attacks._pga import PGAAttackTransformer
from skrecsec.attacks._revadv import RevAdvAttackTransformer
from skrecsec.attacks._tna import TNAAttackTransformer

__all__ = [
    "AUSHAttackTransformer",
    "AverageAttackTransformer",
    "BandwagonAttackTransformer",
    "CoAttackTransformer",
    "DLAttackTransformer",
    "EASEAttackTransformer",
    "FixedAttackTransformer",
    "GCoAttackTransformer",
    "LoveHateAttackTransformer",
    "PGAAttackTransformer",
    "RandomAttackTransformer",
    "RevAdvAttackTransformer",
    "ReverseBandwagonAttackTransformer",
    "SegmentAttackTransformer",
    "TNAAttackTransformer",
    "load_poison",
    "save_poison",
]
