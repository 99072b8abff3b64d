"""What there is to choose from: the registry, as choices of a command line."""

from __future__ import annotations

# All that registers.
import skrecsec.attacks
import skrecsec.datasets
import skrecsec.recommenders  # noqa: F401
from skrecsec.utils._registry import Entry, registered


def attacks() -> dict[str, Entry]:
    """Return the attacks by name."""
    return registered("attack")


def defenses() -> dict[str, Entry]:
    """Return the recommenders that defend themselves, by name."""
    return registered("recommender", defends=True)


def datasets() -> dict[str, Entry]:
    """Return the datasets by name."""
    return registered("dataset")


def attack_title(name: str) -> str:
    """Return what tables and plots call an attack.

    Examples
    --------
    >>> from skrecsec.cli._choices import attack_title
    >>> attack_title("average"), attack_title("gcoattack")
    ('average attack', 'gco attack')
    """
    return f"{name.removesuffix('attack')} attack"


def defense_title(name: str) -> str:
    """Return what tables and plots call a defense."""
    return defenses()[name].facts["title"]


def load(name: str, seed: int):
    """Return the ratings of a dataset; the seed is for those that are generated.

    Raises
    ------
    OSError
        If a file cannot be had.

    ValueError
        If a file is damaged.
    """
    entry = datasets()[name]
    data = entry(random_state=seed) if entry.facts.get("seeded") else entry()
    return getattr(data, "ratings", data)
