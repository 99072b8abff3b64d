"""What happened epoch by epoch."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrecsec.inspection._base import BaseDisplay
from skrecsec.inspection._style import COLORS, axes_for
from skrecsec.utils._scoring import steps_of
from skrecsec.utils._signatures import complete


@complete
class TrainingHistoryDisplay(BaseDisplay):
    """Validation loss over the epochs and, for TCD, how many pseudo-ratings the models agree on.

    Parameters
    ----------
    history : list of dict
        For each epoch `epoch`, `validation_loss` and optionally `n_pseudo_labels`, as the
        `history_` of a recommender has them.

    best_iter : int, default=None
        The epoch whose factors were kept.

    n_cells : int, default=None
        Number of cells, of all models together, of which the pseudo-ratings are shown as a share;
        None shows their number.

    Attributes
    ----------
    history, best_iter, n_cells : list, int, int
        As given.

    ax_ : matplotlib Axes
        Axes with the validation loss.

    pseudo_ax_ : matplotlib Axes or None
        Axes with the pseudo-ratings, which share the epochs with `ax_`.

    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    skrecsec.recommenders.TCDRecommender : Whose models train one another.

    Examples
    --------
    >>> from skrecsec import TCDRecommender
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.inspection import TrainingHistoryDisplay
    >>> X = make_ratings(100, 80, density=0.2, random_state=0)
    >>> recommender = TCDRecommender(8, max_iter=6, random_state=0).fit(X)
    >>> TrainingHistoryDisplay.from_estimator(recommender)  # doctest: +SKIP
    """

    def __init__(self, history, *, best_iter=None, n_cells=None):
        self.history = history
        self.best_iter = best_iter
        self.n_cells = n_cells

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **plot_options):
        """Plot the history of a fitted recommender.

        Parameters
        ----------
        estimator : recommender
            Fitted; a recommender, a pipeline that ends with one, or a search over either.

        %(plot_options)s

        Returns
        -------
        display : TrainingHistoryDisplay
            Of its `history_`.

        Raises
        ------
        ValueError
            If the estimator keeps no history.
        """
        check_is_fitted(estimator)
        recommender = steps_of(estimator)[-1]
        if not hasattr(recommender, "history_"):
            raise ValueError(f"{type(recommender).__name__} has no history_ to plot.")
        n_cells = None
        if hasattr(recommender, "user_factors_all_"):
            n_models, n_users, _ = recommender.user_factors_all_.shape
            n_cells = n_models * n_users * recommender.item_factors_.shape[0]
        display = cls(recommender.history_, best_iter=recommender.best_iter_, n_cells=n_cells)
        return display.plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, title: str | None = None):
        """Plot the history.

        Parameters
        ----------
        %(ax)s

        %(title)s

        %(plotted)s
        """
        if not self.history:
            raise ValueError("There is nothing to plot: history is empty.")
        counts_pseudo_ratings = "n_pseudo_labels" in self.history[0]
        if self.n_cells is not None and not counts_pseudo_ratings:
            raise ValueError(
                "n_cells is given, but history has no n_pseudo_labels to divide by it."
            )
        ax = axes_for(ax)
        epochs = np.array([entry["epoch"] for entry in self.history])
        losses = np.array([entry["validation_loss"] for entry in self.history], dtype=float)
        handles = ax.plot(
            epochs, losses, color=COLORS[0], marker="o", markersize=4, label="Validation loss"
        )
        if self.best_iter is not None:
            handles.append(
                ax.axvline(self.best_iter, color="black", linestyle=":", label="Epoch kept")
            )
        ax.xaxis.get_major_locator().set_params(integer=True)
        self.pseudo_ax_ = None
        if counts_pseudo_ratings:
            handles.append(self._plot_pseudo_ratings(ax, epochs))
        ax.legend(handles=handles)
        return self._finish(
            ax,
            title=title,
            xlabel="Epoch",
            ylabel="Mean squared error on validation ratings ([0, 1] scale)",
        )

    def _plot_pseudo_ratings(self, ax, epochs):
        """Plot how many pseudo-ratings the models used, on axes of their own; return the line."""
        counts = np.array([entry["n_pseudo_labels"] for entry in self.history], dtype=float)
        label = "Pseudo-ratings"
        if self.n_cells is not None:
            counts /= self.n_cells
            label += " (share of all cells)"
        self.pseudo_ax_ = ax.twinx()
        (line,) = self.pseudo_ax_.plot(
            epochs, counts, color=COLORS[1], linestyle="--", marker="s", markersize=4, label=label
        )
        self.pseudo_ax_.set_ylabel(label, color=COLORS[1])
        self.pseudo_ax_.tick_params(axis="y", colors=COLORS[1])
        self.pseudo_ax_.set_ylim(bottom=0)
        return line
