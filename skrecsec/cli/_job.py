"""The job: attack a recommender, defend it, and print what happened, repeat by repeat."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from skrecsec.base import choose_targets
from skrecsec.cli import _choices
from skrecsec.cli._formats import FORMATS
from skrecsec.cli._outcome import PROTOCOL, K, Outcome
from skrecsec.cli._parser import check_recommenders, check_report, make_parser
from skrecsec.cli._ratings import complete_arguments, load, title_of
from skrecsec.experiments import Plan, Seeds, run_by_repeat
from skrecsec.recommenders import FilteredRecommender
from skrecsec.utils._files import write_atomically

_N_TARGETS = 5


def attack_and_defend(argv: Sequence[str] | None, *, prog: str) -> int:
    """Do what the arguments say; return the exit status."""
    parser = make_parser(prog)
    arguments = parser.parse_args(argv)
    if arguments.report is not None:
        check_report(arguments.report, parser)
    check_recommenders(arguments, parser)
    complete_arguments(arguments, parser)
    X, targets = load(arguments, parser)
    try:
        choose_targets(X, targets, _N_TARGETS, np.random.default_rng(0))
    except ValueError as error:
        parser.error(f"argument --targets: {error}")
    _tell(
        f"{title_of(arguments)}: {X.shape[0]} users, {X.shape[1]} items, {X.nnz} ratings; "
        f"{arguments.attack} attack on {arguments.targets} targets"
    )
    command = [*prog.split(), *(sys.argv[1:] if argv is None else argv)]
    outcome = Outcome(arguments)
    try:
        _run(make_plan(X, targets, outcome), outcome)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            error = KeyboardInterrupt()  # whose notes are of units, of which nobody has heard here
        error.add_note(f"{outcome.n_repeats} of {arguments.repeats} repeats were finished")
        if outcome.n_repeats:
            _publish(outcome, command)
        raise error from None
    _publish(outcome, command)
    return 0


def make_plan(X, targets, outcome: Outcome) -> Plan:
    """Return the plan: the victim on clean and on poisoned ratings, the defense on the latter.

    A detector judges these, too.
    """
    arguments = outcome.arguments
    attack = _choices.attacks()[arguments.attack](
        attack_size=arguments.attack_size,
        knowledge=arguments.knowledge,
        goal=arguments.goal,
        targets_per_profile=arguments.targets_per_profile,
        target_rating=arguments.target_rating,
    )
    defense = _choices.recommenders()[arguments.defense]()
    if arguments.filter != _choices.NONE:
        defense = FilteredRecommender(_choices.detectors()[arguments.filter](), defense)
    detectors = {}
    if arguments.detector != _choices.NONE:
        detectors[outcome.detector] = _choices.detectors()[arguments.detector]()
    return Plan(
        X,
        None,
        {outcome.attack: attack},
        {
            outcome.baseline: _choices.recommenders()[arguments.victim](),
            outcome.defense: defense,
        },
        detectors=detectors,
        target_items=targets,
        n_targets=_N_TARGETS,
        n_repeats=arguments.repeats,
        k=K,
        protocol=PROTOCOL,
        seeds=[Seeds(*[arguments.seed + repeat] * 3) for repeat in range(arguments.repeats)],
        reference=outcome.baseline,
        repeats_per_worker=1,
    )


def _run(plan, outcome):
    """Have the plan done, and tell of each repeat that is finished."""
    n_repeats = len(plan.seeds)
    # More workers than there are units would wait for work, and take memory.
    n_jobs = min(outcome.arguments.n_jobs, len(plan.all_units()))
    before = 0.0
    for results in run_by_repeat(plan, None, n_jobs, verbose=0):
        outcome.update(results)
        seconds = sum(record["seconds"] for record in results.records)
        _tell(
            f"repeat {outcome.n_repeats} of {n_repeats} done, {seconds - before:.1f} s of training"
        )
        before = seconds


def _publish(outcome, command):
    print(FORMATS[outcome.arguments.format](outcome), flush=True)
    who = outcome.who_is_fake()
    if who is not None and outcome.arguments.format == "csv":  # which has the models only
        _tell(who)
    report = outcome.arguments.report
    if report is not None:
        from skrecsec.cli._page import page_of

        # What a link leads to is replaced, not the link.
        write_atomically(report.resolve(), page_of(outcome, command))


def _tell(message):
    """Print on stderr; without a reader there is no point in going on."""
    if sys.stderr is not None:  # print would take stdout
        try:
            print(message, file=sys.stderr, flush=True)
        except BrokenPipeError:
            raise
        except OSError:  # a full disk: the result may still find its way
            pass
