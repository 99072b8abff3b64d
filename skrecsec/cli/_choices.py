"""What there is to choose from: the registry, as choices of a command line."""

from __future__ import annotations

from argparse import Namespace

from skrecsec.utils._registry import Entry, registered

NONE = "none"  # what is said instead of the name of a detector, or of a defense


def names_of(said: str | list[str]) -> list[str]:
    """Return what an option names: one thing, several, or none.

    Examples
    --------
    >>> from skrecsec.cli._choices import names_of
    >>> names_of("tcd"), names_of(["tcd", "ease"]), names_of("none")
    (['tcd'], ['tcd', 'ease'], [])
    """
    return [name for name in ([said] if isinstance(said, str) else said) if name != NONE]


def attacks() -> dict[str, Entry]:
    """Return the attacks by name."""
    return registered("attack")


def recommenders() -> dict[str, Entry]:
    """Return the recommenders by name."""
    return registered("recommender")


def datasets() -> dict[str, Entry]:
    """Return the datasets by name."""
    return registered("dataset")


def detectors() -> dict[str, Entry]:
    """Return the detectors by name."""
    return registered("detector")


def make_attack(arguments: Namespace, **options):
    """Return the attack that the arguments describe, with further options."""
    is_evading = arguments.evade != NONE
    return attacks()[arguments.attack](
        attack_size=arguments.attack_size,
        knowledge=arguments.knowledge,
        goal=arguments.goal,
        targets_per_profile=arguments.targets_per_profile,
        target_rating=arguments.target_rating,
        profile_lengths=arguments.profile_lengths,
        obfuscation=arguments.obfuscation,
        evade=detectors()[arguments.evade]() if is_evading else None,
        **options,
    )


def known_models(arguments: Namespace) -> dict:
    """Return what an attack is told of the models that it is tried on, as options for it.

    One that asks a victim has that of the arguments, unfitted, and one that plays against a defense
    has the detector before the defenses, where there is one.
    """
    asked = attacks()[arguments.attack]().get_params(deep=False)
    options: dict = {}
    if "victim" in asked:
        options["victim"] = recommenders()[arguments.victim]()
    if "defense" in asked and arguments.filter != NONE:
        options["defense"] = detectors()[arguments.filter]()
    return options


def attack_title(name: str) -> str:
    """Return what tables and plots call an attack.

    Examples
    --------
    >>> from skrecsec.cli._choices import attack_title
    >>> attack_title("average"), attack_title("gcoattack")
    ('average attack', 'gco attack')
    """
    return f"{name.removesuffix('attack')} attack"


def detector_title(name: str) -> str:
    """Return what tables and plots call a detector."""
    return detectors()[name].facts["title"]


def recommender_title(name: str) -> str:
    """Return what tables and plots call a recommender."""
    return recommenders()[name].facts["title"]
