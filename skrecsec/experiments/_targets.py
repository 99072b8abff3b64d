"""Which items a study attacks: those that it is told, or those that its attacks agree on."""

from __future__ import annotations

import inspect
import reprlib

from skrecsec.utils._items import check_target_items

_SHARED = (
    "The attacks of a study share their targets: state them as the {parameter} of the study and "
    "leave those of the attacks at the default, or make a study for each."
)


def agree_on_targets(target_items, n_targets, attacks: dict, n_items: int, item_names=None):
    """Return the targets of a study, and how many are chosen where they are chosen.

    Parameters
    ----------
    target_items : {"unpopular", "random"}, array-like or None
        What the study is told; None leaves it to the attacks.

    n_targets : int or None
        Likewise.

    attacks : dict of attack transformers
        By name. What differs from the default of its class was set on purpose.

    n_items : int
        Number of items.

    item_names : ndarray of shape (n_items,), default=None
        Names of the items, which targets may be given by.

    Returns
    -------
    target_items : {"unpopular", "random"} or tuple of int
        Kind or indices.

    n_targets : int
        The number of indices, if they are given.

    Raises
    ------
    ValueError
        If what was set on an attack is not what the study is told, or what another attack says.

    Examples
    --------
    >>> from skrecsec import AverageAttackTransformer, RandomAttackTransformer
    >>> from skrecsec.experiments._targets import agree_on_targets
    >>> attacks = {"Average": AverageAttackTransformer(), "Random": RandomAttackTransformer()}
    >>> agree_on_targets(None, None, attacks, n_items=90)
    ('unpopular', 5)
    >>> agree_on_targets([7, 2], None, attacks, n_items=90)
    ((7, 2), 2)
    """
    settings = {name: attack.get_params(deep=False) for name, attack in attacks.items()}
    said = {
        name: _normal(setting.get("target_items"), n_items, item_names, f"attacks[{name!r}]: ")
        for name, setting in settings.items()
    }
    stated = _normal(target_items, n_items, item_names)
    items = _agreed("target_items", stated, said, attacks)
    items = "unpopular" if items is None else items
    said = {name: setting.get("n_targets") for name, setting in settings.items()}
    if isinstance(items, str):
        number = _agreed("n_targets", n_targets, said, attacks)
        return items, 5 if number is None else int(number)
    if n_targets not in (None, len(items)):
        raise ValueError(
            f"n_targets={n_targets} does not go with the {len(items)} items in target_items; leave "
            f"it out."
        )
    chosen_by_attack = {
        name for name in said if isinstance(settings[name].get("target_items"), str)
    }
    _agreed("n_targets", len(items), {name: said[name] for name in chosen_by_attack}, attacks)
    return items, len(items)


def _normal(target_items, n_items, item_names, where=""):
    """Return a kind of targets, or None, as it is; and indices, checked, as a tuple."""
    if target_items is None or isinstance(target_items, str):
        return target_items
    try:
        items = check_target_items(target_items, n_items, item_names=item_names)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error
    return tuple(items.tolist())


def _agreed(parameter, stated, said, attacks):
    """Return what the study is told, or else all attacks say; None if nobody says anything."""
    said = {name: value for name, value in said.items() if value is not None}
    if stated is not None:
        for name, value in said.items():
            if not (_same(value, stated) or _is_default(attacks[name], parameter, value)):
                raise ValueError(
                    f"attacks[{name!r}] has {parameter}={_shown(value)}, and the study is to have "
                    f"{_shown(stated)}. {_SHARED.format(parameter=parameter)}"
                )
        return stated
    for name, value in said.items():
        first = next(iter(said))
        if not _same(value, said[first]):
            raise ValueError(
                f"attacks[{name!r}] has {parameter}={_shown(value)}, and attacks[{first!r}] has "
                f"{_shown(said[first])}. {_SHARED.format(parameter=parameter)}"
            )
    return next(iter(said.values()), None)


def _same(one, other):
    if isinstance(one, tuple) and isinstance(other, tuple):
        return sorted(one) == sorted(other)
    return one == other


def _is_default(attack, parameter, value):
    known = inspect.signature(type(attack).__init__).parameters.get(parameter)
    return known is not None and not isinstance(value, tuple) and value == known.default


def _shown(value):
    return reprlib.repr(list(value) if isinstance(value, tuple) else value)
