"""Warnings that are raised on purpose, to be caught or filtered by their class."""

from __future__ import annotations

__all__ = ["EvasionWarning", "UnsuitableRatingsWarning"]


class EvasionWarning(UserWarning):
    """An attack with a detector in its loop did not get past it.

    See Also
    --------
    skrecsec.base.BaseAttackTransformer : Has the parameters `evade` and `max_detected`.

    Examples
    --------
    >>> import warnings
    >>> from skrecsec.exceptions import EvasionWarning
    >>> warnings.filterwarnings("error", category=EvasionWarning)  # doctest: +SKIP
    """


class UnsuitableRatingsWarning(UserWarning):
    """Ratings are valid, but not what a model of ratings can learn from.

    See Also
    --------
    skrecsec.utils.validation.check_ratings : Checks whether ratings are valid.

    Notes
    -----
    The message says what to do. There are two cases. With one rating level, as in clicks or
    purchases, there is nothing to tell apart. Counts with heavy tails, such as those of plays, are
    divided by the largest one, next to which all others are nearly 0: take logarithms, or bin them.

    Examples
    --------
    >>> import warnings
    >>> from skrecsec.exceptions import UnsuitableRatingsWarning
    >>> warnings.filterwarnings("error", category=UnsuitableRatingsWarning)  # doctest: +SKIP
    """
