"""The job: attack a recommender, defend it, and print what happened, repeat by repeat."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from skrecsec.base import choose_targets
from skrecsec.cli import _choices
from skrecsec.cli._formats import FORMATS
from skrecsec.cli._outcome import PROTOCOL, K, Outcome
from skrecsec.cli._parser import (
    check_number_of_targets,
    check_recommenders,
    check_report,
    complete_defenses,
    make_parser,
)
from skrecsec.cli._ratings import complete_arguments, load, title_of
from skrecsec.experiments import Plan, Seeds, run_by_repeat
from skrecsec.recommenders import FilteredRecommender
from skrecsec.utils._files import write_atomically


def attack_and_defend(argv: Sequence[str] | None, *, prog: str) -> int:
    """Do what the arguments say; return the exit status."""
    parser = make_parser(prog)
    arguments = parser.parse_args(argv)
    complete_defenses(arguments, parser)
    X, targets = prepare(arguments, parser, f"{arguments.attack} attack")
    command = [*prog.split(), *(sys.argv[1:] if argv is None else argv)]
    outcome = Outcome(arguments)
    run_and_publish(
        lambda: _run(make_plan(X, targets, outcome), outcome),
        lambda: _publish(outcome, command),
        lambda: outcome.n_repeats,
        f"{arguments.repeats} repeats",
    )
    return 0


def run_and_publish(
    run: Callable[[], None], publish: Callable[[], None], n_finished: Callable[[], int], what: str
) -> None:
    """Run something and publish it; if it is cut off, publish what of it was finished."""
    try:
        run()
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            error = KeyboardInterrupt()  # whose notes are of units, of which nobody has heard here
        error.add_note(f"{n_finished()} of {what} were finished")
        if n_finished():
            publish()
        raise error from None
    publish()


def prepare(arguments, parser, what: str):
    """Refuse arguments that do not go together, and say what will be done.

    Return the ratings, and the targets as the study takes them.
    """
    if arguments.report is not None:
        check_report(arguments.report, parser)
    check_recommenders(arguments, parser)
    complete_arguments(arguments, parser)
    check_number_of_targets(arguments, parser)
    X, targets = load(arguments, parser)
    _leave_out_what_does_not_fit(arguments, X.shape[1])
    try:
        choose_targets(X, targets, arguments.n_targets, np.random.default_rng(0))
    except ValueError as error:
        parser.error(f"argument --targets: {error}")
    tell(
        f"{title_of(arguments)}: {X.shape[0]} users, {X.shape[1]} items, {X.nnz} ratings; "
        f"{what} on {arguments.targets} targets"
    )
    return X, targets


def _leave_out_what_does_not_fit(arguments, n_items):
    """Of several defenses leave out those that cannot be fitted to so many items, and say so."""
    names = _choices.names_of(arguments.defense)
    if len(names) < 2:  # it says itself what it lacks
        return
    facts = {name: _choices.recommenders()[name].facts for name in names}
    kept = [name for name in names if facts[name].get("fits", lambda n_items: True)(n_items)]
    for name in names:
        if name not in kept:
            tell(f"{facts[name]['title']} is left out: too little memory for {n_items} items")
    arguments.defense = kept if len(kept) > 1 else kept[0] if kept else _choices.NONE


def make_plan(X, targets, outcome: Outcome, *, is_attacked: bool = True) -> Plan:
    """Return the plan: the victim and the defenses on clean and on poisoned ratings.

    A detector judges the latter, too. Without an attack it is the former alone.
    """
    arguments = outcome.arguments
    attacks = {}
    if is_attacked:
        known = _choices.known_models(arguments)
        attacks[outcome.attack] = _choices.make_attack(arguments, **known)
    recommenders = {outcome.baseline: _choices.recommenders()[arguments.victim]()}
    for name, title in outcome.defenses.items():
        defense = _choices.recommenders()[name]()
        if arguments.filter != _choices.NONE:
            defense = FilteredRecommender(_choices.detectors()[arguments.filter](), defense)
        recommenders[title] = defense
    detectors = {}
    if outcome.detector is not None:
        detectors[outcome.detector] = _choices.detectors()[arguments.detector]()
    return Plan(
        X,
        None,
        attacks,
        recommenders,
        detectors=detectors,
        target_items=targets,
        n_targets=arguments.n_targets,
        n_repeats=arguments.repeats,
        k=K,
        protocol=PROTOCOL,
        seeds=[Seeds(*[arguments.seed + repeat] * 3) for repeat in range(arguments.repeats)],
        judges_clean=False,
        repeats_per_worker=1,
        shares_verdicts=True,
    )


def run_plan(plan: Plan, n_jobs: int, store=None):
    """Have a plan done; yield what there is after each repeat."""
    # More workers than there are units would wait for work, and take memory.
    return run_by_repeat(plan, store, min(n_jobs, len(plan.all_units())), verbose=0)


def _run(plan, outcome):
    """Have the plan done, and tell of each repeat that is finished."""
    n_repeats = len(plan.seeds)
    before = 0.0
    for results in run_plan(plan, outcome.arguments.n_jobs):
        outcome.update(results)
        seconds = sum(record["seconds"] for record in results.records)
        tell(
            f"repeat {outcome.n_repeats} of {n_repeats} done, {seconds - before:.1f} s of training"
        )
        before = seconds


def _publish(outcome, command):
    print(FORMATS[outcome.arguments.format](outcome), flush=True)
    who = outcome.who_is_fake()
    if who is not None and outcome.arguments.format == "csv":  # which has the models only
        tell(who)
    report = outcome.arguments.report
    if report is not None:
        from skrecsec.cli._page import page_of

        # What a link leads to is replaced, not the link.
        write_atomically(report.resolve(), page_of(outcome, command))


def tell(message: str) -> None:
    """Print on stderr; without a reader there is no point in going on."""
    if sys.stderr is not None:  # print would take stdout
        try:
            print(message, file=sys.stderr, flush=True)
        except BrokenPipeError:
            raise
        except OSError:  # a full disk: the result may still find its way
            pass
