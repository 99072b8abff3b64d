"""How well detectors tell fake profiles from genuine ones: precision over recall."""

from __future__ import annotations

import numpy as np

from skrecsec.inspection._base import BaseDisplay, as_list, in_study
from skrecsec.inspection._style import axes_for
from skrecsec.utils._signatures import complete
from skrecsec.utils._verdicts import Verdicts, verdict_of

# So many names fit into the axes without covering curves.
_NAMES_WITHIN = 5


@complete
class DetectionDisplay(BaseDisplay):
    """Precision over recall of detectors, the most suspicious profiles first.

    A curve that stays at the top finds all fake profiles before it accuses anybody genuine. A
    marker is where the detector itself draws the line: how many of the fakes it calls fake, and how
    many of those whom it calls so are. Make one with `from_estimator`, `from_scores` or
    `from_study`.

    Parameters
    ----------
    curves : dict of dict
        By name, a curve: `recall` and `precision`, arrays of shape (n_points,), by rising recall;
        `average_precision`, the area under the steps; and `chosen`, a pair of the recall and the
        precision of those called fake, or None if nobody is.

    Attributes
    ----------
    curves : dict of dict
        As given.

    %(display.attributes)s

    %(display.styles_)s

    lines_ : dict of matplotlib Line2D
        By name, the curves.

    markers_ : dict of matplotlib Line2D
        By name, what the detector chooses, where it calls anybody fake.

    See Also
    --------
    skrecsec.metrics.DetectionScorer : Average precision, recall and others of a pipeline.
    skrecsec.experiments.robustness_study : Measures detectors repeatedly.

    Notes
    -----
    The curve is a step function: its value on the way to a recall is the precision among all
    profiles at least as suspicious as needed to reach it, which makes its area the average
    precision. Profiles with equal scores are reached together. Of several repeats of a study, the
    curve is the mean of the precisions at each recall, and the marker the mean of the repeats in
    which anybody was called fake.

    Curves that coincide are seen beside one another: the earlier ones are wider.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.inspection import DetectionDisplay
    >>> is_fake = np.array([False, False, False, True, True])
    >>> scores = np.array([-0.1, -0.8, -0.2, -0.9, -0.7])
    >>> verdicts = {"Average": (is_fake, scores, scores < -0.75)}
    >>> display = DetectionDisplay.from_scores(verdicts)  # doctest: +SKIP
    """

    def __init__(self, curves):
        self.curves = curves

    @classmethod
    def from_scores(cls, verdicts, *, ax=None, **plot_options):
        """Plot what detectors say of profiles of which it is known which are fake.

        Parameters
        ----------
        verdicts : dict of tuple of array-like
            By name: which profiles are fake, of shape (n_profiles,); their scores, the lower the
            more suspicious; and, if there is a marker to be, which of them are called fake. The
            method `verdicts` of a study returns such tuples.

        %(plot_options)s

        Returns
        -------
        display : DetectionDisplay
            With a curve for each name.

        Raises
        ------
        ValueError
            If arrays differ in shape, no profile is fake, or a score is not finite.
        """
        curves = {name: _curve(f"verdicts[{name!r}]", *given) for name, given in verdicts.items()}
        return cls(curves).plot(ax=ax, **plot_options)

    @classmethod
    def from_estimator(cls, estimators, *, ax=None, **plot_options):
        """Plot what the detectors of fitted pipelines say of the profiles that they were fitted on.

        Parameters
        ----------
        estimators : dict of pipelines
            By name, fitted pipelines of an attack, and a detector or a recommender that has one,
            such as :class:`~skrecsec.recommenders.FilteredRecommender`.

        %(plot_options)s

        Returns
        -------
        display : DetectionDisplay
            With a curve for each pipeline.

        Raises
        ------
        ValueError
            If an estimator has no attack step, or no detector with `profile_scores_` and `labels_`.
        """
        verdicts = {}
        for name, estimator in estimators.items():
            options = {
                "why": "DetectionDisplay asks which profiles it appended",
                "who_asks": f"estimators[{name!r}]: DetectionDisplay",
            }
            is_fake, scores = verdict_of(estimator, "profile_scores_", **options)
            _, labels = verdict_of(estimator, "labels_", **options)
            verdicts[name] = Verdicts(is_fake, scores, labels == -1)
        return cls.from_scores(verdicts, ax=ax, **plot_options)

    @classmethod
    def from_study(cls, study, attacks=None, detectors=None, *, ax=None, **plot_options):
        """Plot what the detectors of a study found, in the mean of its repeats.

        Parameters
        ----------
        %(study)s

        attacks : str or list of str, default=None
            Names of attacks; None takes all.

        detectors : str or list of str, default=None
            Names of detectors; None takes all.

        %(plot_options)s

        Returns
        -------
        display : DetectionDisplay
            With a curve for each attack and detector, named after what varies.

        Raises
        ------
        ValueError
            If there is no such attack or detector, or a detector has no scores.
        """
        attacks = as_list("attacks", attacks, study.attacks[1:])
        detectors = as_list("detectors", detectors, study.detectors)
        curves = {}
        for attack in attacks:
            for detector in detectors:
                name = f"{detector}, {attack}"
                if len(attacks) == 1:
                    name = detector
                elif len(detectors) == 1:
                    name = attack
                curves[name] = _mean_curve(
                    [
                        _curve(name, *study.verdicts(attack, detector, repeat=repeat))
                        for repeat in range(study.n_repeats)
                    ]
                )
        return cls(curves).plot(ax=ax, **in_study(study, curves, plot_options))

    def plot(self, ax=None, *, styles=None, title: str | None = None):
        """Plot the curves.

        %(plot)s
        """
        ax = axes_for(ax)
        self._set_styles("curves", styles)
        self.lines_, self.markers_ = {}, {}
        widths = np.linspace(1.4 + min(0.8 * (len(self.curves) - 1), 4), 1.4, len(self.curves))
        for width, (name, curve) in zip(widths, self.curves.items(), strict=True):
            style = self.styles_[name]
            (self.lines_[name],) = ax.plot(
                np.concatenate([[0.0], curve["recall"]]),
                np.concatenate([curve["precision"][:1], curve["precision"]]),
                drawstyle="steps-pre", color=style["color"], linestyle=style["linestyle"],
                linewidth=width, label=f"{name} (AP {curve['average_precision']:.2f})",
            )  # fmt: skip
            if curve.get("chosen") is not None:
                (self.markers_[name],) = ax.plot(
                    *([value] for value in curve["chosen"]), marker=style["marker"], markersize=9,
                    color=style["color"], markeredgecolor="white", linestyle="none", zorder=3,
                    clip_on=False,
                )  # fmt: skip
        # A curve and its marker together.
        handles = [
            (line, *(artist for artist in [self.markers_.get(name)] if artist is not None))
            for name, line in self.lines_.items()
        ]
        place = {"loc": "lower left"}
        if len(self.curves) > _NAMES_WITHIN:
            place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        ax.legend(handles, [line.get_label() for line in self.lines_.values()], **place)
        return self._finish(
            ax,
            title=title,
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.05),
            xlabel="Recall (share of the fake profiles that are reached)",
            ylabel="Precision (share of the profiles reached that are fake)",
        )


def _curve(name, is_fake, scores, is_flagged=None):
    """Return the points at which another fake profile is reached, and what was chosen."""
    is_fake, scores = np.asarray(is_fake, dtype=bool), np.asarray(scores, dtype=float)
    is_flagged = np.zeros(is_fake.shape, bool) if is_flagged is None else np.asarray(is_flagged)
    if is_fake.ndim != 1 or not is_fake.shape == scores.shape == is_flagged.shape:
        raise ValueError(
            f"{name} must hold arrays of shape (n_profiles,), got shapes {is_fake.shape}, "
            f"{scores.shape} and {is_flagged.shape}."
        )
    if not is_fake.any():
        raise ValueError(f"{name} has no fake profile that could be found.")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} has scores that are not finite, which rank nobody.")
    order = np.argsort(scores)
    is_last = np.append(np.diff(scores[order]) > 0, True)  # of those with equal scores
    n_reached = np.flatnonzero(is_last) + 1
    n_found = np.cumsum(is_fake[order])[is_last]
    rises = np.diff(n_found, prepend=0) > 0
    recall, precision = n_found[rises] / is_fake.sum(), n_found[rises] / n_reached[rises]
    chosen = None
    if is_flagged.any():
        n_hits = (is_flagged & is_fake).sum()
        chosen = float(n_hits / is_fake.sum()), float(n_hits / is_flagged.sum())
    return _with_area(recall, precision, chosen)


def _mean_curve(curves):
    """Return the mean of step functions, and of what was chosen in any of them."""
    recall = np.unique(np.concatenate([curve["recall"] for curve in curves]))
    precision = np.mean(
        [curve["precision"][np.searchsorted(curve["recall"], recall)] for curve in curves], axis=0
    )
    chosen = [curve["chosen"] for curve in curves if curve["chosen"] is not None]
    return _with_area(recall, precision, tuple(np.mean(chosen, axis=0)) if chosen else None)


def _with_area(recall, precision, chosen):
    area = float(np.sum(np.diff(recall, prepend=0) * precision))
    return {
        "recall": recall,
        "precision": precision,
        "average_precision": area,
        "chosen": chosen,
    }
