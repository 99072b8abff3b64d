"""What the matrix-factorisation recommenders share: one `fit`, folding in, one set of names."""

from __future__ import annotations

import math
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np

from skrecsec.base import BaseRecommender
from skrecsec.recommenders import _kernels
from skrecsec.recommenders._solver import (
    RatingData,
    SGDSolver,
    initial_factors,
    train,
)
from skrecsec.utils._compat import (
    CallbackSupportMixin,
    Interval,
    StrOptions,
    _fit_context,
    with_callbacks,
)
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import check_ratings, find_rating_levels

# The learning rates of the mini-batch solvers for learning_rate="auto"; that of SGD depends on the
# recommender.
_LEARNING_RATES = {"adam": 1e-3, "adadelta": 20.0}


class BaseFactorRecommender(CallbackSupportMixin, BaseRecommender):
    """Base class of recommenders that predict p_u . q_i.

    A subclass sets `_n_models` and `_sgd_learning_rate` and implements `_schedule`, which lists the
    epochs of a fit.
    """

    _n_models = 1
    _sgd_learning_rate = 0.02

    _parameter_constraints: dict = {
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"sgd", "adam", "adadelta"})],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "reg": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "fold_in_reg": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _schedule(self, data, solver, rng):
        """Yield the `Epoch`s of a fit."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the factors from the ratings in `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Ratings; a stored entry (of a dense array: a non-zero one) is a rating and must be
            finite and positive. Rows and columns without ratings are allowed.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted recommender.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid, or training diverges.
        """
        X = check_ratings(X, estimator=self)
        self._check_parameters()
        (rng,) = spawn_generators(self.random_state, 1)
        data = RatingData.from_matrix(X, self.validation_fraction, rng)
        callbacks = self._init_callback_context(max_subtasks=self.max_iter)
        if callbacks is not None:
            callbacks.call_on_fit_task_begin(estimator=self, X=X, y=y)
        levels = find_rating_levels(X.data)
        with single_threaded():
            solver = self._make_solver(data, rng)
            result = train(
                solver,
                self._schedule(data, solver, rng),
                on_epoch=_EpochReport(self, X, y, levels, callbacks),
            )
        self.rating_levels_ = levels
        self.n_iter_ = result.n_iter
        self.best_iter_ = result.best_iter
        self.validation_loss_ = result.validation_loss
        self.history_ = result.history
        self._set_factors(result.user_factors, result.item_factors)
        if callbacks is not None:
            callbacks.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def fit_predict(self, X, y=None) -> np.ndarray:
        """Fit, and predict the training profiles from the factors learned for them.

        This is the in-sample protocol: unlike `predict`, it does not fold the profiles in.

        Parameters
        ----------
        X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
            Ratings.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        ratings : ndarray of shape (n_users, n_items)
            ``user_factors_ @ item_factors_.T`` on the scale of the ratings.
        """
        self.fit(X, y)
        return self._score_factors(self.user_factors_.astype(np.float64))

    def _check_parameters(self):
        """Check what concerns more than one parameter."""
        if self.solver != "sgd":
            import_minibatch().check_device(self.device)
        elif self.device != "cpu":
            raise ValueError(
                f"solver='sgd' runs on device='cpu' only, got device={self.device!r}; "
                "choose solver='adam' or solver='adadelta'."
            )

    def _check_pretraining(self):
        if self.n_pretrain_iter != "auto" and math.ceil(self.n_pretrain_iter) >= self.max_iter:
            raise ValueError(
                f"n_pretrain_iter={self.n_pretrain_iter} must leave at least one of the "
                f"max_iter={self.max_iter} epochs for the training after it."
            )

    def _make_solver(self, data, rng):
        factors = initial_factors(self._n_models, data.n_users, data.n_items, self.n_factors, rng)
        learning_rate = self.learning_rate
        if learning_rate == "auto":
            learning_rate = _LEARNING_RATES.get(self.solver, self._sgd_learning_rate)
        options = {"learning_rate": learning_rate, "reg": self.reg}
        if self.solver == "sgd":
            return SGDSolver(data, *factors, **options)
        return import_minibatch().MinibatchSolver(
            data,
            *factors,
            optimiser=self.solver,
            batch_size=self.batch_size,
            device=self.device,
            **options,
        )

    def _set_factors(self, user_factors, item_factors):
        """Set the fitted factors from those of all models, (n_models, n_rows, n_factors)."""
        self.user_factors_ = user_factors[0]
        self.item_factors_ = item_factors[0]

    def _score_profiles(self, X):
        """Fold profiles in: O(n_ratings n_factors^2 + n_rows n_factors^3) at most."""
        profiles = _kernels.fold_in(
            self.item_factors_.astype(np.float64),
            X.indptr.astype(np.int64),
            X.indices.astype(np.int32),
            X.data / self.rating_levels_[-1],
            float(self.fold_in_reg),
        )
        return self._score_factors(profiles)

    def _score_factors(self, profiles):
        with single_threaded():
            scores = profiles @ self.item_factors_.T.astype(np.float64)
        scores *= self.rating_levels_[-1]
        return scores


def import_minibatch():
    """Import the mini-batch solver: torch takes seconds, and SGD does without."""
    from skrecsec.recommenders import _minibatch

    return _minibatch


class _EpochReport:
    """Tells users and scikit-learn's callbacks of a finished epoch; returns whether to stop."""

    def __init__(self, estimator, X, y, levels, callbacks):
        self.estimator = estimator
        self.X, self.y = X, y
        self.levels = levels
        self.callbacks = callbacks

    def __call__(self, record, solver):
        if self.estimator.verbose:
            numbers = ", ".join(f"{key} {value:.6g}" for key, value in record.items())
            print(f"[{type(self.estimator).__name__}] {numbers}")
        if self.callbacks is None:
            return False

        def attributes():
            user_factors, item_factors = solver.factors()
            return {
                "user_factors_": user_factors[0],
                "item_factors_": item_factors[0],
                "rating_levels_": self.levels,
            }

        task = self.callbacks.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)
        return task.call_on_fit_task_end(
            estimator=self.estimator, X=self.X, y=self.y, reconstruction_attributes=attributes
        )
