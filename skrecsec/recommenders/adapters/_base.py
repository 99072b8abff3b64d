"""What adapters of other libraries share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.utils import check_random_state

from skrecsec.recommenders._interactions import BaseInteractionRecommender
from skrecsec.utils._signatures import complete


@complete
class BaseAdapterRecommender(BaseInteractionRecommender):
    """Base class of recommenders around a model of another library, of which a copy is fitted."""

    _parameter_constraints: dict = {
        **BaseInteractionRecommender._parameter_constraints,
        "model": "no_validation",  # subclasses say what is wrong
        "random_state": ["random_state"],
    }

    def __init__(self, model=None, *, interactions="all", random_state=None):
        self.model = model
        self.interactions = interactions
        self.random_state = random_state

    def _draw_seed(self) -> int | None:
        """Return a seed as other libraries take it, None to leave it to the model."""
        if self.random_state is None:
            return None
        return check_random_state(self.random_state).randint(2**31 - 1)


@contextmanager
def needs(package: str, who: str) -> Iterator[None]:
    """Say in an ImportError which extra a package comes with."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{who} needs the package {package}, which comes with an extra: "
            f'python -m pip install "skrecsec[{package}]".'
        ) from error
