"""Attacks that guess unknown users guess no more than there are, whatever share they know."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrecsec import (
    BlackBoxAttackTransformer,
    EASEAttackTransformer,
    GTAAttackTransformer,
    NeighborhoodAttackTransformer,
    PopularityRecommender,
    RevAdvAttackTransformer,
)
from skrecsec.attacks._trials import count_users
from skrecsec.base import BaseAttackTransformer
from skrecsec.datasets import make_ratings

N_USERS = 60
ATTACKS = {
    "blackbox": BlackBoxAttackTransformer(PopularityRecommender(), max_iter=3),
    "ease": EASEAttackTransformer(max_iter=5, n_surrogates=2),
    "gta": GTAAttackTransformer(max_iter=2, n_factors=4, n_pretrain_iter=2, n_update_iter=2),
    "neighborhood": NeighborhoodAttackTransformer(n_neighbors=8, k=5),
    "revadv": RevAdvAttackTransformer(max_iter=5, n_surrogates=2, n_factors=4),
}


@pytest.fixture(scope="module")
def few():
    return make_ratings(N_USERS, 30, density=0.3, random_state=0)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize(("knowledge", "n_known"), [(0.025, 2), (0.001, 1), (1e-9, 1), (0.392, 24)])
def test_what_counts_is_how_many_are_known(attack, knowledge, n_known, few):
    """A share that was rounded up to users is the same as the one that is known."""
    attack.set_params(target_items=[4, 9], attack_size=5, random_state=0)
    found = attack.set_params(knowledge=knowledge).fit(few).poison_
    assert attack.known_users_.size == n_known
    expected = attack.set_params(knowledge=n_known / N_USERS).fit(few).poison_
    assert_array_equal(found.toarray(), expected.toarray())


class Watching(BaseAttackTransformer):
    def _craft_profiles(self, known, budget, rng):
        self.n_users_ = count_users(known, budget)
        return np.zeros((budget.n_profiles, known.shape[1]))


@pytest.mark.parametrize("knowledge", [1e-9, 0.025, 0.1, 0.392, 0.4, 0.5, 0.995, 1.0])
def test_the_budget_says_how_many_users_there_are(knowledge, few):
    attack = Watching(knowledge=knowledge, random_state=0).fit(few)
    assert attack.n_users_ == N_USERS
