"""Attacks that guess unknown users know how many there are, whatever share of them they know."""

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
@pytest.mark.parametrize(
    ("knowledge", "n_known"), [(0.025, 2), (0.001, 1), (1e-9, 1), (0.408, 24), (0.995, 60)]
)
def test_what_counts_is_how_many_are_known(attack, knowledge, n_known, few):
    """The share that was asked for, rounded to users, and the one that is known are the same."""
    attack.set_params(target_items=[4, 9], attack_size=5, random_state=0)
    found = attack.set_params(knowledge=knowledge).fit(few).poison_
    assert attack.known_users_.size == n_known
    expected = attack.set_params(knowledge=n_known / N_USERS).fit(few).poison_
    assert_array_equal(found.toarray(), expected.toarray())


class Watching(BaseAttackTransformer):
    def _craft_profiles(self, known, budget, rng):
        self.n_users_ = budget.n_users
        return np.zeros((budget.n_profiles, known.shape[1]))


@pytest.mark.parametrize("options", [{}, {"knowledge": 1e-9}, {"profile_lengths": "genuine"}])
def test_the_budget_says_how_many_users_there_are(options, few):
    assert Watching(**options, random_state=0).fit(few).n_users_ == N_USERS
