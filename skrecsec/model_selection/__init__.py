"""Ways to hide ratings and to hold out users, for scikit-learn's model selection."""

from skrecsec.model_selection._held_out import HeldOut
from skrecsec.model_selection._self_attack import SelfAttackSearchCV
from skrecsec.model_selection._split import (
    StrongGeneralization,
    WeakGeneralization,
    leave_one_out_split,
)

__all__ = [
    "HeldOut",
    "SelfAttackSearchCV",
    "StrongGeneralization",
    "WeakGeneralization",
    "leave_one_out_split",
]
