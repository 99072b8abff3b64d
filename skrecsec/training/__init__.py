"""The training core: plans of an epoch, solvers, kernels. It knows no estimator.

What other packages of skrecsec use of it is named here; users have no need of it.
"""

from skrecsec.training._data import RatingData, initial_factors
from skrecsec.training._linalg import fold_in, user_products
from skrecsec.training._loop import Epoch, train
from skrecsec.training._plans import plan_pairs, plan_tiles
from skrecsec.training._ranking import RankingSolver, plan_comparisons
from skrecsec.training._ridge import (
    RidgeFactorization,
    csr_arrays,
    draw_item_factors,
    ill_conditioned,
    largest_singular_value,
)
from skrecsec.training._sgd import SGDSolver
from skrecsec.training._solvers import (
    SOLVERS,
    check_device,
    check_pretraining,
    import_solver,
    make_solver,
)
from skrecsec.training._terms import AttackTerm, Perturbation, finite_scores
from skrecsec.training._weighted import WeightedFactorization

__all__ = [
    "SOLVERS",
    "AttackTerm",
    "Epoch",
    "Perturbation",
    "RankingSolver",
    "RatingData",
    "RidgeFactorization",
    "SGDSolver",
    "WeightedFactorization",
    "check_device",
    "check_pretraining",
    "csr_arrays",
    "draw_item_factors",
    "finite_scores",
    "fold_in",
    "ill_conditioned",
    "import_solver",
    "initial_factors",
    "largest_singular_value",
    "make_solver",
    "plan_comparisons",
    "plan_pairs",
    "plan_tiles",
    "train",
    "user_products",
]
