"""Types of arguments, for signatures."""

from __future__ import annotations

import scipy.sparse as sp
from numpy.typing import ArrayLike

MatrixLike = ArrayLike | sp.sparray | sp.spmatrix
