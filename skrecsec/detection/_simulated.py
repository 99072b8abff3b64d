"""A detector that learns from attacks that it makes itself, beside the scan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skrecsec.base import BaseProfileDetector, SuspiciousGroup
from skrecsec.datasets import make_ratings
from skrecsec.detection._learning import (
    Describer,
    cross_fit,
    describe_simulations,
    mean_probabilities,
)
from skrecsec.detection._lockstep import LockstepDetector
from skrecsec.detection._simulations import find_attacks, simulate
from skrecsec.detection._suspects import (
    NOTHING,
    find_meetings,
    judge_new,
    ranks_among,
    ranks_of,
)
from skrecsec.detection._verdicts import ordered
from skrecsec.utils._compat import Count, HasMethods, Number, StrOptions
from skrecsec.utils._random import spawn_generators
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import complete
from skrecsec.utils._threads import single_threaded
from skrecsec.utils.validation import check_ratings, find_rating_levels, project_to_levels

# Of fewer profiles nothing is learned.
_FEWEST_USERS = 50
_FEWEST_GENUINE = 10


class Lesson(NamedTuple):
    """What was learned: the crowd's description, classifiers, how odd each is, who meets where."""

    describer: Describer
    classifiers: list
    oddness: np.ndarray
    meetings: list


@register("detector", "simulated", title="Simulated attacks")
@complete
class SimulatedAttackDetector(BaseProfileDetector):
    r"""Find fake profiles by what tells those apart that the detector makes itself.

    It runs a scan, simulates attacks on the profiles that the scan leaves alone, and trains a
    classifier to tell the fakes from the crowd. Whom this finds odd is no proof. That the odd ones
    meet at an item is, and adds to what the scan says. So it tells fakes from genuine raters of an
    item that many like, where the scan is blind.

    Parameters
    ----------
    scan : detector, default=None
        A detector with the attributes of :class:`LockstepDetector`, which None stands for; it is
        cloned. What it calls fake stays fake. Its scores should be in nats, see Notes.

    classifier : classifier, default=None
        Anything with `predict_proba`; it is cloned. None means
        ``ExtraTreesClassifier(100, min_samples_leaf=5, max_features=0.5,
        class_weight="balanced")``.

    attacks : list of attack transformers and names of attacks, default=None
        What is simulated, in turns. Targets, their number, the size, the goal and the random state
        are drawn, other parameters are as given. None means ``["random", "average", "bandwagon",
        "segment"]`` and, twice as often as each, profiles cut out of genuine ones.

    clean : {"unflagged", "trusted", "generated"}, default="unflagged"
        Who stands for genuine profiles: those that the scan does not call fake; `trusted_users`,
        ten or more; or ratings of :func:`~skrecsec.datasets.make_ratings` as dense as `X`.

    n_simulations : int, default=8
        How many crowds are made, each with the fakes of two attacks.

    threshold : float, default=3.0
        Evidence, in nats, above which ``contamination="auto"`` calls profiles fake that meet.

    %(detector.contamination)s

    %(detector.trusted_users)s

    random_state : int, RandomState instance or None, default=None
        Determines the attacks, the folds and the classifiers. Pass an int for results that are the
        same down to the last bit.

    Attributes
    ----------
    scan_ : detector
        The fitted scan.

    classifiers_ : list of classifiers
        One for each fold of the users, which has not seen these; empty if there were fewer than 50
        profiles with ratings, of which nothing is learned.

    oddness_ : ndarray of shape (n_users,)
        How probably each profile is a simulated fake, to the classifier that has not seen it; 0
        where there is none, or the profile has no ratings.

    %(detector.attributes)s

    See Also
    --------
    LockstepDetector : The scan; deterministic, and ten times as fast.
    ProfileFeatures : The features, for classifiers that are trained otherwise.

    Notes
    -----
    *Features*: those of :class:`ProfileFeatures` as ranks, and how much of a profile some other one
    has rated in exactly the same way, as a share of the ratings and weighted by how rare they are
    (:math:`\log(n / n_{il})`, with :math:`n_{il}` the users who gave i the level l), each also as
    the lead over the sixth best. No two people rate dozens of items alike; profiles that are cut
    out of genuine ones do, and the matching of records knows how much that gives away [1]_.

    *Fakes in the crowd*: those that the scan missed are taught as genuine. Three things keep them
    from being learned: a user is judged by a classifier that was trained on other users only; fakes
    and genuine profiles weigh as much in all, so that simulated fakes outvote real ones; and in a
    second round the oddest twentieth of the crowd is left out.

    *Meetings*: of the 0.5, 1, 2, 4 and 8% oddest users, o gave item i the highest (or the lowest)
    level where e are expected, twice what their numbers of such ratings would bring by chance. That
    is :math:`E_i = o \log(o / e) - (o - e)` nats, less log 5. Added is what is odd about the item
    itself, and taken off the log of the number of items that can be attacked. A user's score is the
    largest such sum over the items that he or she gave the level, with the evidence of look-alikes,
    less the log of the rank by oddness, or the scan's score, whichever is larger. Only ranks of the
    oddness count, so that no classifier has to be calibrated. The automatic rule adds to those
    whom the scan calls fake the oddest users who meet at an item with more than `threshold` nats.

    *New profiles* are described against the crowd of `fit`, their rank is that among its users, and
    they are held against the items where the crowd's oddest meet, and against the groups of two
    items or more that the scan has found. Of profiles of that crowd this says nearly what `labels_`
    say, not exactly: all classifiers judge them, and look-alikes are not counted.

    Time: O(`n_simulations` sum of the squared numbers of raters of an item), for features, and that
    of six fits of the classifier on `n_simulations` n_users rows. Memory:
    O(`n_simulations` n_users + n_ratings). MovieLens-100K takes 7 seconds on one core.

    It learns from what it is told to simulate: attacks whose profiles look like neither those nor
    anything odd are left to the scan. Where an attack is found, genuine users who are odd, too, and
    meet its fakes at a popular filler item can be accused, about one in a hundred at worst.

    References
    ----------
    .. [1] A. Narayanan, V. Shmatikov, "Robust De-anonymization of Large Sparse Datasets", IEEE
       Symposium on Security and Privacy 2008. :doi:`10.1109/SP.2008.33`

    Examples
    --------
    >>> from skrecsec.attacks import AverageAttackTransformer
    >>> from skrecsec.datasets import make_ratings
    >>> from skrecsec.detection import SimulatedAttackDetector
    >>> X = make_ratings(200, 150, density=0.1, random_state=0)
    >>> attack = AverageAttackTransformer(n_targets=1, random_state=0)
    >>> detector = SimulatedAttackDetector(n_simulations=2, random_state=0)
    >>> (detector.fit_predict(attack.fit_transform(X))[200:] == -1).all()
    np.True_
    >>> (detector.predict(attack.poison_) == -1).all()
    np.True_
    """

    _parameter_constraints: dict = {
        **BaseProfileDetector._parameter_constraints,
        "scan": [HasMethods(["fit_predict"]), None],
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "attacks": ["array-like", None],
        "clean": [StrOptions({"unflagged", "trusted", "generated"})],
        "n_simulations": [Count()],
        "threshold": [Number(0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        scan=None,
        classifier=None,
        *,
        attacks=None,
        clean="unflagged",
        n_simulations=8,
        threshold=3.0,
        contamination="auto",
        trusted_users=None,
        random_state=None,
    ):
        super().__init__(contamination=contamination, trusted_users=trusted_users)
        self.scan = scan
        self.classifier = classifier
        self.attacks = attacks
        self.clean = clean
        self.n_simulations = n_simulations
        self.threshold = threshold
        self.random_state = random_state

    def _judge(self, X, is_trusted):
        attacks = find_attacks(self.attacks)
        if self.clean == "trusted" and is_trusted.sum() < _FEWEST_GENUINE:
            raise ValueError(
                f"trusted_users has {is_trusted.sum()} users; clean='trusted' needs at least "
                f"{_FEWEST_GENUINE}."
            )
        self.scan_ = self._run_scan(X)
        suspicion = self.threshold + self.scan_.offset_ - self.scan_.profile_scores_
        is_fake = self.scan_.labels_ == -1
        rated = np.flatnonzero(np.diff(X.indptr))
        self._meetings, self._describer, self.classifiers_ = [], None, []
        self.oddness_ = np.zeros(X.shape[0])
        if rated.size >= _FEWEST_USERS:
            lesson = self._learn(X[rated], is_fake[rated], is_trusted[rated], attacks)
            scores = np.max([each.scores for each in lesson.meetings], axis=0)
            verdicts = np.max([each.verdicts for each in lesson.meetings], axis=0)
            suspicion[rated] = np.maximum(suspicion[rated], scores)
            is_fake[rated] |= verdicts > self.threshold
            self._describer, self.classifiers_, self.oddness_[rated], self._meetings = lesson
        return -ordered(suspicion, is_fake, self.threshold), -float(self.threshold), rated

    def _find_groups(self, evidence, labels):
        found = [*self.scan_.groups_]
        for meeting in self._meetings:
            found += _groups_of(meeting, evidence, labels)
        return sorted(found, key=lambda group: -group.score)

    def score_samples(self, X) -> np.ndarray:
        """Judge profiles, new ones or others, against the crowd of `fit`.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        scores : ndarray of shape (n_profiles,)
            The lower, the more abnormal, as `profile_scores_`.

        Raises
        ------
        ValueError
            If `X` is invalid, or has another number of items than the crowd.
        """
        check_is_fitted(self)
        X = check_ratings(X, estimator=self, reset=False, allow_no_ratings=True)
        suspicion = np.full(X.shape[0], NOTHING)
        verdicts = suspicion.copy()
        if self._describer is not None and X.nnz:
            with single_threaded():
                features = self._describer.describe(X)
                odd = mean_probabilities(self.classifiers_, features)
            ranks = ranks_among(self.oddness_, odd)
            for meeting in self._meetings:
                scores, blamed = judge_new(X, meeting, ranks)
                suspicion = np.maximum(suspicion, scores)
                verdicts = np.maximum(verdicts, blamed)
        for group in self.scan_.groups_:
            if group.min_items > 1 and X.nnz:
                score = np.where(group.matches(X), max(group.score, self.threshold + 1), NOTHING)
                suspicion, verdicts = np.maximum(suspicion, score), np.maximum(verdicts, score)
        return -ordered(suspicion, verdicts > self.threshold, self.threshold)

    def decision_function(self, X) -> np.ndarray:
        """Return the scores of profiles less `offset_`: negative for those called fake.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        decision : ndarray of shape (n_profiles,)
            Scores above the threshold.

        Raises
        ------
        ValueError
            If `X` is invalid, or has another number of items than the crowd.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """Say which profiles are fake, new ones or others, against the crowd of `fit`.

        Parameters
        ----------
        %(profiles)s

        Returns
        -------
        labels : ndarray of int of shape (n_profiles,)
            1 for a genuine profile, -1 for a fake one.

        Raises
        ------
        ValueError
            If `X` is invalid, or has another number of items than the crowd.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _run_scan(self, X):
        scan = LockstepDetector() if self.scan is None else clone(self.scan)
        if self.trusted_users is not None and "trusted_users" in scan.get_params():
            scan.set_params(trusted_users=self.trusted_users)
        return scan.fit(X)

    def _learn(self, X, is_flagged, is_trusted, attacks):
        simulating, learning = spawn_generators(self.random_state, 2)
        levels = find_rating_levels(X.data)
        if self.clean == "generated":
            crowd = make_ratings(
                *X.shape, density=X.nnz / X.shape[0] / X.shape[1], levels=levels,
                random_state=simulating,
            )  # fmt: skip
            crowd = crowd[np.flatnonzero(np.diff(crowd.indptr))]
            is_clean = np.ones(crowd.shape[0], dtype=bool)
            who = np.full(crowd.shape[0], -1)
        else:
            crowd, who = X, np.arange(X.shape[0])
            is_clean = is_trusted if self.clean == "trusted" else ~is_flagged | is_trusted
        with single_threaded():
            made = simulate(
                crowd[np.flatnonzero(is_clean)], crowd, attacks, self.n_simulations, simulating
            )
            describer = Describer(X)
            of_crowds, of_fakes = describe_simulations(made, crowd.shape[0])
            classifiers, oddness = cross_fit(
                self._make_classifier(), describer.of_crowd, of_crowds, of_fakes,
                np.tile(who, len(made)), np.tile(is_clean, len(made)), is_trusted, learning,
            )  # fmt: skip
            numbers = np.searchsorted(levels, project_to_levels(X.data, levels))
            meetings = find_meetings(X, numbers, levels, ranks_of(oddness))
        return Lesson(describer, classifiers, oddness, meetings)

    def _make_classifier(self):
        if self.classifier is not None:
            return self.classifier
        from sklearn.ensemble import ExtraTreesClassifier  # slow to import

        return ExtraTreesClassifier(
            100, min_samples_leaf=5, max_features=0.5, class_weight="balanced"
        )


def _groups_of(meeting, rated, labels):
    """Return those who meet at an item as a group, if any of them is called fake."""
    groups = []
    for item in np.unique(meeting.by_item[meeting.by_item >= 0]):
        members = np.flatnonzero(meeting.by_item == item)
        if not (labels[rated[members]] == -1).any() or meeting.items[item] <= 0:
            continue
        groups.append(
            SuspiciousGroup(
                rated[members], np.array([item]), meeting.level, 1, int(meeting.n_met[item]),
                float(meeting.expected[item]), float(meeting.items[item]),
            )
        )  # fmt: skip
    return groups
