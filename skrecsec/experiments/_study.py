"""Running a study: many repeats of attacks and defenses, in parallel and resumable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral

from skrecsec.experiments._checks import (
    check_attacks,
    check_baseline,
    check_detectors,
    check_held_out,
    check_recommenders,
)
from skrecsec.experiments._plan import Plan
from skrecsec.experiments._records import RecordStore
from skrecsec.experiments._results import RobustnessStudy
from skrecsec.experiments._running import run
from skrecsec.experiments._targets import agree_on_targets
from skrecsec.utils._compat import Count, StrOptions, validate_params
from skrecsec.utils._signatures import describe
from skrecsec.utils.validation import check_ratings


@validate_params(
    {
        "attacks": [Mapping],
        "recommenders": [Mapping, None],
        "detectors": [Mapping, None],
        "target_items": [StrOptions({"unpopular", "random"}), "array-like", None],
        "n_targets": [Count(), None],
        "n_repeats": [Count()],
        "k": [Count()],
        "protocol": [StrOptions({"in_sample", "fold_in"})],
        "baseline": [str, None],
        "y": ["array-like", None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "cache_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
    },
    # Estimators, which are fitted with the configuration of this call, check their parameters too.
    prefer_skip_nested_validation=False,
)
@describe
def robustness_study(
    X,
    *,
    attacks,
    recommenders=None,
    detectors=None,
    target_items=None,
    n_targets=None,
    n_repeats=30,
    k=50,
    protocol="in_sample",
    baseline=None,
    y=None,
    n_jobs=None,
    random_state=None,
    cache_dir=None,
    verbose=0,
) -> RobustnessStudy:
    r"""Try recommenders and detectors on clean ratings and under attacks, repeatedly.

    In each repeat one rating per user is hidden, targets are chosen, each attack crafts its fake
    profiles once, and each recommender is fitted once on the clean ratings and once on those
    poisoned by each attack. Genuine users are scored, the items that they have rated masked: HR@k
    and NDCG@k of hidden items, HR@k and rank shifts of targets. The robustness improvement compares
    with the baseline on the same data,

    .. math:: RI = 1 - \frac{HR_{defense} - HR_{origin}}{HR_{attack} - HR_{origin}}

    where :math:`HR` are hit ratios of targets: of the recommender under attack, and of the baseline
    on clean data and under the same attack.

    Detectors judge all profiles that recommenders learn from, the genuine users first: how well do
    their scores tell the fake ones from these, and whom do they call fake?

    Parameters
    ----------
    X : {array-like, sparse matrix, sparse array} of shape (n_users, n_items)
        Ratings.

    attacks : dict of attack transformers
        By name, at least one; ``"clean"`` is no name for an attack. They are cloned; their
        `random_state` is replaced by the one of the repeat, so that attacks share targets and, if
        they know the same number of users, known users.

    recommenders : dict of recommenders, default=None
        By name, at least one: estimators with `fit(X)` and `predict(X)`. They are cloned; their
        `random_state`, and that of estimators inside them, is replaced by the one of the repeat. A
        detector before a recommender is a
        :class:`~skrecsec.recommenders.FilteredRecommender`. None goes with detectors.

    detectors : dict of detectors, default=None
        By name: outlier detectors with `fit_predict(X)`, or pipelines that end with one. They are
        cloned, and seeded like recommenders. What is ranked are their `profile_scores_`, or what
        they return by `score_samples`; the figures of those that have neither are of their verdicts
        alone. None has nobody judged.

    target_items : {"unpopular", "random"} or array-like of int or str, default=None
        The items to promote or demote, the same for all attacks: in each repeat `n_targets` random
        ones with fewer than 5 ratings (the least rated ones where there are too few of these), or
        random ones; or those with the given indices in all repeats. If `X` is a data frame, names
        of columns will do. None takes what the attacks say, on which they have to agree. Attacks
        that are left at the default of their class go with anything that is stated here; what was
        set on an attack and differs is refused.

    n_targets : int, default=None
        Number of targets to choose, for which the same holds: None takes that of the attacks. It
        does not go with an array of another length.

    n_repeats : int, default=30
        Number of repeats.

    k : int, default=50
        Length of the lists of recommendations.

    protocol : {"in_sample", "fold_in"}, default="in_sample"
        How users are scored: by what was learned of them in training, as in the paper, where the
        recommender has a method `predict_training_rows`; or by `predict`, which folds their
        profiles in, and which other recommenders are asked in either case.

    baseline : str, default=None
        Name of the undefended recommender; None takes the first one.

    y : array-like of int of shape (n_users,), default=None
        The held-out item of each user, -1 for none, as a published split has them; `X` must not
        contain them. It is the same in all repeats. None hides one rating of each user of `X`,
        anew in each repeat.

    n_jobs : int, default=None
        Number of units done at the same time, see the notes. None means 1 unless in a
        :class:`joblib.parallel_config` context, -1 means all processors.

    random_state : int, RandomState instance or None, default=None
        Determines all. With None or an instance that is in another state, nothing in `cache_dir` is
        found again.

    cache_dir : str or path-like, default=None
        Folder, made if it does not exist, for a record of every finished unit: with the same
        folder, a study that was interrupted goes on, and one that is extended by repeats, attacks,
        recommenders or detectors does what is new. A leading ``~`` is expanded. None keeps no
        records.

    verbose : int, default=0
        If positive, tell on stderr how many units are done and about how long the others will take:
        every few seconds with 1, after each unit with more.

    Returns
    -------
    study : RobustnessStudy
        All figures, with summaries, tests and tables.

    Raises
    ------
    ValueError
        If an argument or a parameter of an estimator is invalid; before anything is computed, as
        far as it can be known then.

    Warns
    -----
    UserWarning
        If something in `cache_dir` is no good record, which is then made anew; once, if records
        cannot be written any more, because the disk is full, say, whereupon the study goes on
        without; if items that `y` holds out are among the ratings of their users, where they cannot
        be ranked and count as misses; or if a recommender or detector cannot be fitted before its
        first fit.

    UnsuitableRatingsWarning
        Once, if the ratings are not what a recommender can learn from.

    See Also
    --------
    RobustnessStudy : What is returned.
    skrecsec.metrics.RobustnessImprovementScorer : RI of a single pipeline.
    skrecsec.metrics.DetectionScorer : What the detector of a single pipeline finds.

    Notes
    -----
    With a attacks, d recommenders and detectors, and r repeats there are r (a + d + a d) units:
    crafting the profiles of an attack, fitting and scoring a recommender on clean or poisoned data,
    or having a detector judge them. Nothing is fitted twice. Units are done by joblib; within
    ``joblib.parallel_config(backend="dask")`` or ``"ray"`` a cluster does them, and the process
    that was started only collects results and writes records. What a unit is seeded with depends on
    `random_state` and the number of the repeat alone: results are the same bits for any number of
    workers, order or content of `cache_dir`, except for times and memory.

    Besides what fits and attacks need themselves, a worker holds the ratings, one split of them and
    one block of scores; scoring takes O(n_users n_items n_factors) time per unit. The collecting
    process holds the fake profiles, and the ranks of n_users times n_targets pairs, of as many
    repeats as keep the workers busy; and what detectors say of each profile, in all repeats.

    The name of a record is a hash of all that its unit depends on: ratings and `y`, the classes of
    the estimators with all of their parameters, seeds, targets, `k`, `protocol`, the format of the
    records, and the versions of skrecsec and of the packages that the estimators come from. So
    nothing stale is read; but the code itself is not compared: who changes an estimator without
    changing a version needs another `cache_dir`. To make such names, parameters have to be numbers,
    strings, arrays, containers, estimators, or importable classes and functions. A process that is
    killed loses the units that are being done; the workers that joblib has started for it end with
    it. Several may use a folder at the same time. The folder is only ever read and written by the
    process that was started.

    The first time that a recommender or detector is fitted in a process, it is fitted on a handful
    of ratings before, so that no compilation and no import counts as time of a fit. For attacks
    that is not done.

    %(study.example)s
    >>> study = robustness_study(
    ...     make_ratings(150, 120, density=0.2, random_state=0),
    ...     attacks={
    ...         "Average, 40%": AverageAttackTransformer(knowledge=0.4),
    ...         "Average, all": AverageAttackTransformer(knowledge=1.0),
    ...     },
    ...     recommenders={"MF": MFRecommender(8), "TCD": TCDRecommender(8, max_iter=9)},
    ...     n_repeats=2,
    ...     k=10,
    ...     random_state=0,
    ... )
    >>> study.records[-1]["attack"], study.records[-1]["recommender"]
    ('Average, all', 'TCD')
    >>> [row["n"] for row in study.summary("test_hr")]
    [2, 2, 2, 2, 2, 2]

    Detectors alone, each told nothing:

    >>> from skrecsec import LockstepDetector
    >>> study = robustness_study(
    ...     make_ratings(300, 200, density=0.1, random_state=0),
    ...     attacks={"Average": AverageAttackTransformer()},
    ...     detectors={"Lockstep": LockstepDetector()},
    ...     n_repeats=1,
    ...     random_state=0,
    ... )
    >>> [(r["attack"], r["n_found"], r["n_fake"]) for r in study.detections]
    [('clean', 0, 0), ('Average', 9, 9)]
    """
    item_names = getattr(X, "columns", None)
    X = check_ratings(X)
    y = check_held_out(y, X)
    check_attacks(attacks)
    recommenders, detectors = dict(recommenders or {}), dict(detectors or {})
    check_recommenders(recommenders, detectors)
    check_detectors(detectors)
    target_items, n_targets = agree_on_targets(
        target_items, n_targets, attacks, X.shape[1], item_names
    )
    baseline = check_baseline(baseline, recommenders)
    if n_jobs == 0:
        raise ValueError("n_jobs must be None or an integer other than 0, got 0.")
    plan = Plan(
        X,
        y,
        dict(attacks),
        recommenders,
        detectors=detectors,
        target_items=target_items,
        n_targets=n_targets,
        n_repeats=n_repeats,
        k=k,
        protocol=protocol,
        random_state=random_state,
    )
    store = None
    if cache_dir is not None:
        plan.check_descriptions()
        store = RecordStore(cache_dir)
    results = run(plan, store, n_jobs, verbose)
    return RobustnessStudy(
        results.records,
        results.rank_shifts,
        results.target_items,
        detections=results.detections,
        verdicts=results.verdicts,
        baseline=baseline,
        k=k,
        protocol=protocol,
    )
