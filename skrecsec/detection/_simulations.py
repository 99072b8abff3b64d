"""Attacks that a detector makes itself, to learn from: on whom, on which items, of what size."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from skrecsec.base import BaseAttackTransformer
from skrecsec.detection._counts import rows_of
from skrecsec.exceptions import UnsuitableRatingsWarning
from skrecsec.utils._registry import find

# What a simulated attack is like is drawn from these.
_SIZES = (0.01, 0.02, 0.03)
_FEWEST_PROFILES = 3
_NUMBERS_OF_TARGETS = (1, 2, 3, 5)
_CHANCE_OF_NUKE = 0.2
# Of attacks on more targets than two, how many give each profile only two of them.
_CHANCE_OF_SHARING = 0.3
_TARGETS_OF_A_SHARE = 2
_PER_CROWD = 2
# How much of a copy is copied, and among how many times as many popular items the rest is.
_COPIED = (0.6, 1.0)
_POPULAR = 2


class CopiedProfiles(BaseAttackTransformer):
    """Cut fake profiles out of genuine ones; some ratings are replaced by those of popular items.

    It stands for all attacks that hide behind genuine profiles, and costs next to nothing.
    """

    def _craft_profiles(self, known, budget, rng):
        known = sp.csr_array(known)
        counts = np.bincount(known.indices, minlength=known.shape[1])
        sums = np.bincount(known.indices, known.data, minlength=known.shape[1])
        means = sums / np.maximum(counts, 1)
        popular = np.argsort(-counts, kind="stable")[: _POPULAR * budget.n_fillers]
        popular = popular[counts[popular] > 0]
        lengths = np.diff(known.indptr)
        n_long = max(budget.n_profiles, int((lengths >= budget.n_fillers).sum()))
        long_ones = np.argsort(-lengths, kind="stable")[:n_long]
        rows, items, ratings = [], [], []
        # A loop over the fake profiles, of which there are few.
        for row, user in enumerate(np.resize(rng.permutation(long_ones), budget.n_profiles)):
            own = slice(known.indptr[user], known.indptr[user + 1])
            n_kept = max(1, round(rng.uniform(*_COPIED) * budget.n_fillers))
            kept = rng.permutation(lengths[user])[:n_kept]
            others = rng.permutation(np.setdiff1d(popular, known.indices[own][kept]))
            others = others[: max(budget.n_fillers - kept.size, 0)]
            likely = rng.choice(known.data, others.size) if row % 2 else means[others]
            items += [known.indices[own][kept], others]
            ratings += [known.data[own][kept], likely]
            rows += [np.full(kept.size + others.size, row)]
        cells = (np.concatenate(rows), np.concatenate(items))
        shape = (budget.n_profiles, known.shape[1])
        return _shortened(sp.csr_array((np.concatenate(ratings), cells), shape=shape), budget)


def _shortened(profiles, budget):
    """Return profiles of at most as many fillers as allowed: a kept one may be one too many."""
    places = np.arange(profiles.nnz) - np.repeat(profiles.indptr[:-1], np.diff(profiles.indptr))
    profiles.data = np.where(places < budget.n_fillers, profiles.data, 0)
    profiles.eliminate_zeros()
    return profiles


# The cheap attacks of different kinds, by their names; copies are as frequent as two of them.
_DEFAULTS = ("random", "average", "bandwagon", "segment")


def find_attacks(attacks) -> list:
    """Return the attacks to simulate, given a list of attacks and of names, or None."""
    if attacks is None:
        known = [find("attack", name)() for name in _DEFAULTS]
        return [*known, CopiedProfiles(), CopiedProfiles()]
    found = [find("attack", each)() if isinstance(each, str) else each for each in attacks]
    if not found:
        raise ValueError("attacks is empty; at least one attack is required.")
    for attack in found:
        if not isinstance(attack, BaseAttackTransformer):
            raise ValueError(
                f"attacks must be attack transformers or names of attacks, got {attack!r}."
            )
    return found


class Simulation(NamedTuple):
    """Fake profiles (CSR) of some attacks, and the ratings that they are to join."""

    crowd: sp.csr_array
    fakes: sp.csr_array


def simulate(attacked, crowd, attacks, n_simulations: int, rng) -> list[Simulation]:
    """Return fake profiles of different attacks, to join a crowd.

    Parameters
    ----------
    attacked : csr_array of shape (n_attacked, n_items)
        Whom attackers know: profiles without fakes among them, as far as one knows.

    crowd : csr_array of shape (n_users, n_items)
        The profiles that the fakes join.

    attacks : list of attacks
        They take turns, in random order.

    n_simulations : int
        How many crowds are made; two attacks are made in each.

    rng : Generator
        Draws what the attacks are like.
    """
    turns = rng.permutation(np.resize(np.arange(len(attacks)), n_simulations * _PER_CROWD))
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsuitableRatingsWarning)
        for together in turns.reshape(n_simulations, _PER_CROWD):
            fakes = [_make_fakes(attacked, attacks[turn], rng) for turn in together]
            made.append(Simulation(crowd, sp.csr_array(sp.vstack(fakes, format="csr"))))
    return made


def _make_fakes(attacked, attack, rng):
    n_targets = int(rng.choice(_NUMBERS_OF_TARGETS))
    attack = clone(attack).set_params(
        target_items=str(rng.choice(["unpopular", "random"])),
        n_targets=n_targets,
        attack_size=max(_FEWEST_PROFILES, int(rng.choice(_SIZES) * attacked.shape[0])),
        goal="nuke" if rng.random() < _CHANCE_OF_NUKE else "push",
        random_state=int(rng.integers(np.iinfo(np.int32).max)),
    )
    attack.fit(attacked)
    fakes = sp.csr_array(attack.poison_)
    if n_targets > _TARGETS_OF_A_SHARE and rng.random() < _CHANCE_OF_SHARING:
        return _shared_out(fakes, attack.target_items_, rng)
    return fakes


def _shared_out(fakes, targets, rng):
    """Leave each profile two of the targets."""
    place = np.full(fakes.shape[1], -1)
    place[targets] = np.arange(targets.size)
    ranks = rng.permuted(np.tile(np.arange(targets.size), (fakes.shape[0], 1)), axis=1)
    rows = rows_of(fakes)
    at = place[fakes.indices]
    dropped = (at >= 0) & (ranks[rows, at] >= _TARGETS_OF_A_SHARE)
    fakes = sp.csr_array(
        (np.where(dropped, 0, fakes.data), fakes.indices, fakes.indptr), fakes.shape
    )
    fakes.eliminate_zeros()
    return fakes
