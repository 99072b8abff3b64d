"""What there is to choose from: the registry, as choices of a command line."""

from __future__ import annotations

# All that registers.
import skrecsec.attacks
import skrecsec.datasets
import skrecsec.detection
import skrecsec.recommenders  # noqa: F401
from skrecsec.utils._registry import Entry, registered

NONE = "none"  # what is said instead of the name of a detector


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
