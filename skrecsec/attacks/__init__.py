"""Attacks: transformers that append fake profiles to the ratings that a model is trained on."""

from skrecsec.attacks._aush import AUSHAttackTransformer
from skrecsec.attacks._blackbox import BlackBoxAttackTransformer
from skrecsec.attacks._copying import CopyAttackTransformer
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
from skrecsec.attacks._gta import GTAAttackTransformer
from skrecsec.attacks._heuristic import (
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    RandomAttackTransformer,
)
from skrecsec.attacks._legup import LegUPAttackTransformer
from skrecsec.attacks._neighborhood import NeighborhoodAttackTransformer
from skrecsec.attacks._pga import PGAAttackTransformer
from skrecsec.attacks._power import PowerItemAttackTransformer, PowerUserAttackTransformer
from skrecsec.attacks._revadv import RevAdvAttackTransformer
from skrecsec.attacks._tna import TNAAttackTransformer

__all__ = [
    "AUSHAttackTransformer",
    "AverageAttackTransformer",
    "BandwagonAttackTransformer",
    "BlackBoxAttackTransformer",
    "CoAttackTransformer",
    "CopyAttackTransformer",
    "DLAttackTransformer",
    "EASEAttackTransformer",
    "FixedAttackTransformer",
    "GCoAttackTransformer",
    "GTAAttackTransformer",
    "LegUPAttackTransformer",
    "LoveHateAttackTransformer",
    "NeighborhoodAttackTransformer",
    "PGAAttackTransformer",
    "PowerItemAttackTransformer",
    "PowerUserAttackTransformer",
    "RandomAttackTransformer",
    "RevAdvAttackTransformer",
    "ReverseBandwagonAttackTransformer",
    "SegmentAttackTransformer",
    "TNAAttackTransformer",
    "load_poison",
    "save_poison",
]
