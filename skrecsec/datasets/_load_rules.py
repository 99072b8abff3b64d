"""What to do with observations that a rating matrix cannot hold, or should not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrecsec.datasets._base import sort_by_user_and_item

ON_BAD_VALUE = ("error", "drop")
ON_REPEAT = ("error", "first", "last", "latest", "mean", "max", "sum")


class Observations(NamedTuple):
    """Rows of a table of ratings."""

    users: np.ndarray  # of shape (n_rows,): positions of the ids, -1 where missing
    items: np.ndarray
    ratings: np.ndarray  # float64, not finite where missing
    times: np.ndarray | None  # int64 or float64

    def take(self, which) -> Observations:
        """Return the rows with the given positions, or where a mask is true."""
        times = None if self.times is None else self.times[which]
        return Observations(self.users[which], self.items[which], self.ratings[which], times)


def handle_missing(
    rows: Observations, missing_times: np.ndarray | None, rule: str, labels: dict, log: list
) -> Observations:
    """Refuse or drop rows that lack an id, a rating or a time."""
    missing = {"user": rows.users < 0, "item": rows.items < 0}
    missing["rating"] = ~np.isfinite(rows.ratings)
    if missing_times is not None:
        missing["timestamp"] = missing_times
    counts = {labels[role]: int(mask.sum()) for role, mask in missing.items() if mask.any()}
    if not counts:
        return rows
    found = ", ".join(f"{count} in {label}" for label, count in counts.items())
    if rule == "error":
        raise ValueError(
            f"Values are missing or not finite: {found}, of {len(rows.users)} rows. Pass "
            "missing='drop' to leave such rows out."
        )
    keep = ~np.logical_or.reduce(list(missing.values()))
    log.append(f"{np.sum(~keep)} rows with missing values left out ({found}).")
    return rows.take(keep)


def handle_zero_and_negative(
    rows: Observations, offset: float, zero: str, negative: str, labels: dict, log: list
) -> Observations:
    """Add the offset to the ratings, and refuse or drop what is then not positive."""
    if offset:
        rows = rows._replace(ratings=rows.ratings + offset)
        log.append(f"{offset:g} added to every rating.")
    after = f" after {offset:g} is added" if offset else ""
    for name, rule, compare, advice in (
        ("negative", negative, np.less, "they are to be left out"),
        ("zero", zero, np.equal, "a zero means that there is no rating"),
    ):
        is_bad = compare(rows.ratings, 0)
        n_bad = int(is_bad.sum())
        if n_bad == 0:
            continue
        if rule == "error":
            raise ValueError(
                f"{n_bad} of {len(is_bad)} ratings in {labels['rating']} are {name}{after}; "
                f"ratings must be positive, and the lowest is {rows.ratings.min():g}. Pass "
                f"`offset` to shift all of them, or {name}='drop' if {advice}."
            )
        log.append(f"{n_bad} {name} ratings left out.")
        rows = rows.take(~is_bad)
    return rows


def merge_repeated(rows: Observations, rule: str, labels: dict, log: list) -> Observations:
    """Sort by user and item, and keep one rating of each pair."""
    times = rows.times if rule == "latest" else None
    order, repeats = sort_by_user_and_item(rows.users, rows.items, times)
    n_repeats = int(repeats.sum())
    if n_repeats == 0:
        return rows.take(order)
    starts = np.flatnonzero(~repeats)
    ends = np.append(starts[1:], len(order))
    n_pairs = int((ends - starts > 1).sum())
    found = (
        f"{n_repeats} of {len(order)} rows repeat a pair of user and item of an earlier row "
        f"(pairs that occur more than once: {n_pairs})"
    )
    if rule == "error":
        others = ", ".join(repr(other) for other in ON_REPEAT[1:])
        raise ValueError(
            f"{found}, by {labels['user']} and {labels['item']}. Say with `repeated` what to keep: "
            f"{others}."
        )
    log.append(f"{found}: {rule}.")
    if rule in ("first", "last", "latest"):
        return rows.take(order[starts if rule == "first" else ends - 1])
    return _aggregate(rows.take(order), starts, ends, rule)


def _aggregate(rows: Observations, starts: np.ndarray, ends: np.ndarray, rule: str) -> Observations:
    highest = np.maximum.reduceat(rows.ratings, starts)
    if rule == "max":
        ratings = highest
    else:
        ratings = np.add.reduceat(rows.ratings, starts)
        if rule == "mean":
            # Rounding must not make a new rating level of several equal ratings.
            lowest = np.minimum.reduceat(rows.ratings, starts)
            ratings = np.clip(ratings / (ends - starts), lowest, highest)
    times = None if rows.times is None else np.maximum.reduceat(rows.times, starts)
    return Observations(rows.users[starts], rows.items[starts], ratings, times)


def keep_core(
    rows: Observations, min_user_ratings: int, min_item_ratings: int, log: list
) -> Observations:
    """Drop users and items with too few ratings until none is left that has."""
    n_rows = len(rows.users)
    if min_user_ratings > 1 or min_item_ratings > 1:
        while len(rows.users):
            keep = np.bincount(rows.users)[rows.users] >= min_user_ratings
            keep &= np.bincount(rows.items)[rows.items] >= min_item_ratings
            if keep.all():
                break
            rows = rows.take(keep)
    if n_rows > len(rows.users):
        log.append(
            f"{n_rows - len(rows.users)} ratings left out for min_user_ratings="
            f"{min_user_ratings} and min_item_ratings={min_item_ratings}."
        )
    return rows
