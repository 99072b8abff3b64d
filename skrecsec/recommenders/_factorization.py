"""What the matrix-factorisation recommenders share: one `fit`, folding in, one set of names."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrecsec.base import BaseRecommender
from skrecsec.training import (
    SOLVERS,
    RatingData,
    check_device,
    fold_in,
    import_solver,
    initial_factors,
    make_solver,
    train,
)
from skrecsec.utils._compat import (
    CallbackSupportMixin,
    Count,
    Number,
    StrOptions,
    _fit_context,
    with_callbacks,
)
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import find_rating_levels, warn_of_unsuitable_ratings


@complete
class BaseFactorRecommender(CallbackSupportMixin, BaseRecommender):
    """Base class of recommenders that predict p_u . q_i.

    A subclass implements `_schedule`, which lists the epochs of a fit, and may set `_n_models` and
    `_sgd_learning_rate`.
    """

    _n_models = 1
    _sgd_learning_rate: float | None = None  # what is usual

    _parameter_constraints: dict = {
        "n_factors": [Count()],
        "max_iter": [Count()],
        "solver": [StrOptions(set(SOLVERS))],
        "learning_rate": [StrOptions({"auto"}), Number(0, None, closed="neither")],
        "reg": [Number(0, None, closed="left")],
        "batch_size": [Count()],
        "validation_fraction": [Number(0, 1, closed="left")],
        "fold_in_reg": [Number(0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_factors=128,
        *,
        max_iter=40,
        solver="sgd",
        learning_rate="auto",
        reg=0.0,
        batch_size=2048,
        validation_fraction=0.1,
        fold_in_reg=10.0,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.n_factors = n_factors
        self.max_iter = max_iter
        self.solver = solver
        self.learning_rate = learning_rate
        self.reg = reg
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.fold_in_reg = fold_in_reg
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _schedule(self, data, solver, rng):
        """Yield the `Epoch`s of a fit."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the factors from the ratings in `X`.

        %(recommender.fit)s
        """
        X = self._check_ratings(X)
        self._check_parameters()
        warn_of_unsuitable_ratings(X.data)
        (rng,) = spawn_generators(self.random_state, 1)
        levels = find_rating_levels(X.data)
        data = RatingData.from_matrix(X, self.validation_fraction, rng, levels=levels)
        callbacks = self._init_callback_context(max_subtasks=self.max_iter)
        if callbacks is not None:  # pragma: no branch - scikit-learn 1.8 has none
            callbacks.call_on_fit_task_begin(estimator=self, X=X, y=y)
        import_solver(self.solver)
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
        if callbacks is not None:  # pragma: no branch - scikit-learn 1.8 has none
            callbacks.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def fit_predict(self, X, y=None) -> np.ndarray:
        """Fit, and predict the training profiles from the factors learned for them.

        This is the in-sample protocol: unlike `predict`, it does not fold the profiles in. The
        scores are ``user_factors_ @ item_factors_.T``, on the scale of the ratings.

        %(recommender.fit_predict)s
        """
        self.fit(X, y)
        return self.predict_training_rows(np.arange(self.user_factors_.shape[0]))

    def predict_training_rows(self, rows) -> np.ndarray:
        """Predict training profiles from the factors learned for them.

        That is ``user_factors_[rows] @ item_factors_.T``, on the scale of the ratings.

        %(predict_training_rows)s
        """
        check_is_fitted(self)
        return self._score_factors(self.user_factors_[rows].astype(np.float64))

    def _check_parameters(self):
        """Check what concerns more than one parameter."""
        check_device(self.solver, self.device)

    def _make_solver(self, data, rng):
        return make_solver(
            self.solver,
            data,
            initial_factors(self._n_models, data.n_users, data.n_items, self.n_factors, rng),
            learning_rate=self.learning_rate,
            sgd_learning_rate=self._sgd_learning_rate,
            reg=self.reg,
            batch_size=self.batch_size,
            device=self.device,
            n_threads=self._n_threads(),
        )

    def _n_threads(self):
        return 1

    def _set_factors(self, user_factors, item_factors):
        """Set the fitted factors from those of all models, (n_models, n_rows, n_factors)."""
        self.user_factors_ = user_factors[0]
        self.item_factors_ = item_factors[0]

    def _score_profiles(self, X):
        """Fold profiles in: O(n_ratings n_factors^2 + n_rows n_factors^3) at most."""
        ratings = X.data / self._highest_level()
        profiles = fold_in(self.item_factors_, X, ratings, self.fold_in_reg)
        return self._score_factors(profiles)

    def _score_factors(self, profiles):
        with single_threaded():
            scores = profiles @ self.item_factors_.T.astype(np.float64)
        scores *= self._highest_level()
        return scores

    def _highest_level(self):
        levels = np.asarray(self.rating_levels_)
        if levels.ndim != 1 or levels.size == 0 or not 0 < levels[-1] < np.inf:
            raise ValueError(f"rating_levels_ must be sorted positive levels, got {levels}.")
        return levels[-1]


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
        if self.callbacks is None:  # pragma: no cover - scikit-learn 1.8 has none
            return False

        def attributes():
            user_factors, item_factors = solver.factors()
            return {
                "user_factors_": user_factors[0][: self.X.shape[0]],
                "item_factors_": item_factors[0],
                "rating_levels_": self.levels,
            }

        task = self.callbacks.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)
        return task.call_on_fit_task_end(
            estimator=self.estimator, X=self.X, y=self.y, reconstruction_attributes=attributes
        )
