"""The classical attacks: who is rated, and how."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skrecsec import (
    AverageAttackTransformer,
    BandwagonAttackTransformer,
    RandomAttackTransformer,
)
from skrecsec.attacks._fillers import rating_statistics, sample_items
from skrecsec.datasets import make_ratings

heuristics = pytest.mark.parametrize(
    "cls", [RandomAttackTransformer, AverageAttackTransformer, BandwagonAttackTransformer]
)


@pytest.fixture(scope="module")
def fine_ratings():
    """Return ratings on a fine scale, so that projection hardly moves a moment."""
    X = make_ratings(300, 60, density=0.4, levels=np.arange(1, 41) / 4, random_state=0)
    X.data = 3 + X.data / 2.5  # away from the ends of the scale
    return X


def test_rating_statistics_by_hand():
    X = sp.csr_array([[5.0, 0, 2, 0], [1, 0, 0, 0], [3, 0, 0, 0]])
    statistics = rating_statistics(X)
    assert (statistics.mean, statistics.std) == (2.75, np.std([5, 2, 1, 3]))
    assert_array_equal(statistics.item_counts, [3, 0, 1, 0])
    assert_allclose(statistics.item_means, [3, 2.75, 2, 2.75])
    assert_allclose(statistics.item_stds, [np.std([5, 1, 3])] + [statistics.std] * 3)


def test_sampled_items_are_distinct_and_uniform():
    candidates = np.arange(10, 30)
    items = sample_items(candidates, 4000, 7, np.random.default_rng(0))
    assert all(np.unique(row).size == 7 for row in items)
    counts = np.bincount(items.ravel() - 10, minlength=20)
    assert_allclose(counts, 4000 * 7 / 20, rtol=0.1)  # five standard deviations
    assert_allclose(items.mean(axis=0), 19.5, rtol=0.03)  # in every place
    assert_array_equal(candidates, np.arange(10, 30))
    with pytest.raises(ValueError, match="Cannot draw 21"):
        sample_items(candidates, 1, 21, np.random.default_rng(0))


@heuristics
def test_fillers_fill_the_budget_and_are_never_targets(cls, ratings):
    attack = cls(target_items=[1, 2, 3], attack_size=40, n_fillers=20, random_state=0).fit(ratings)
    poison = attack.poison_.toarray()
    assert (np.count_nonzero(poison, axis=1) == 20).all()
    assert (poison[:, [1, 2, 3]] == 5).all()


def test_random_attack_rates_like_all_ratings(fine_ratings):
    attack = RandomAttackTransformer(
        target_items=[0], attack_size=2000, n_fillers=11, knowledge=1.0, random_state=0
    ).fit(fine_ratings)
    fillers = attack.poison_[:, 1:]
    assert fillers.data.mean() == pytest.approx(fine_ratings.data.mean(), abs=0.05)
    assert fillers.data.std() == pytest.approx(fine_ratings.data.std(), abs=0.05)
    item_means = fillers.sum(axis=0) / (fillers > 0).sum(axis=0)
    assert item_means.std() < 0.1  # whatever the item


def test_average_attack_rates_each_item_like_its_own_ratings(fine_ratings):
    attack = AverageAttackTransformer(
        target_items=[0], attack_size=3000, n_fillers=11, knowledge=1.0, random_state=0
    ).fit(fine_ratings)
    statistics = rating_statistics(fine_ratings)
    counts = (attack.poison_ > 0).sum(axis=0)
    means = attack.poison_.sum(axis=0) / counts
    well_known = statistics.item_counts >= 5
    well_known[0] = False
    assert_allclose(means[well_known], statistics.item_means[well_known], atol=0.2)
    assert statistics.item_means[well_known].std() > 0.3  # they do differ
    squares = attack.poison_.power(2).sum(axis=0) / counts
    spread = np.sqrt(np.maximum(squares - means**2, 0))[well_known]
    assert_allclose(spread, statistics.item_stds[well_known], atol=0.25)
    assert spread.mean() > 0.3


def test_average_attack_uses_the_known_users_only(ratings):
    """An item that is known as bad only is rated badly, whatever the others say."""
    attack = AverageAttackTransformer(
        target_items=[0], attack_size=60, n_fillers=45, random_state=0
    ).fit(ratings)
    X = ratings.toarray()
    unknown = np.setdiff1d(np.arange(120), attack.known_users_)
    X[attack.known_users_, 7] = 1
    X[unknown, 7] = 5
    column = attack.fit(sp.csr_array(X)).poison_[:, [7]].toarray()
    assert set(np.unique(column)) <= {0, 1}
    assert column.any()


def test_bandwagon_attack_rates_the_most_popular_items_highest(ratings):
    attack = BandwagonAttackTransformer(
        popular_fraction=0.5, target_items=[0], n_fillers=21, attack_size=30, random_state=0
    ).fit(ratings)
    counts = np.bincount(ratings[attack.known_users_].indices, minlength=90)
    counts[0] = -1
    popular = np.argsort(-counts, kind="stable")[:10]
    poison = attack.poison_.toarray()
    assert (poison[:, popular] == 5).all()
    others = np.delete(poison, [0, *popular], axis=1)
    assert (np.count_nonzero(others, axis=1) == 10).all()
    assert np.unique(others).size > 3


def test_bandwagon_rates_popular_items_highest_in_a_nuke_attack_too(ratings):
    attack = BandwagonAttackTransformer(
        popular_fraction=1.0, target_items=[0], n_fillers=11, goal="nuke", random_state=0
    ).fit(ratings)
    assert sorted(np.unique(attack.poison_[[0]].data)) == [1, 5]
    assert attack.poison_[0, 0] == 1


@pytest.mark.parametrize("popular_fraction", [0.0, 1.0])
def test_bandwagon_extremes(popular_fraction, ratings):
    attack = BandwagonAttackTransformer(popular_fraction=popular_fraction, random_state=0)
    poison = attack.fit(ratings).poison_.toarray()
    n_patterns = len({tuple(row > 0) for row in poison})
    assert n_patterns == (1 if popular_fraction else poison.shape[0])


def test_bandwagon_refuses_a_bad_fraction(ratings):
    with pytest.raises(ValueError, match="'popular_fraction'"):
        BandwagonAttackTransformer(popular_fraction=1.5).fit(ratings)


@heuristics
def test_another_seed_gives_other_profiles(cls, ratings):
    first, second = (cls(random_state=seed).fit(ratings).poison_ for seed in (0, 1))
    assert (first != second).nnz > 0


def test_items_without_known_ratings_are_rated_like_all_ratings():
    """Item 0 is always rated 2 and item 1 always 4; nobody has rated item 2."""
    X = sp.csr_array(np.tile([2.0, 4.0, 0.0, 0.0], (30, 1)))
    attack = AverageAttackTransformer(
        target_items=[3], n_fillers=4, attack_size=500, random_state=0
    )
    poison = attack.fit(X).poison_.toarray()
    assert_array_equal(np.unique(poison[:, 0]), [2])
    assert_array_equal(np.unique(poison[:, 1]), [4])
    assert poison[:, 2].mean() == pytest.approx(3, abs=0.2)


@heuristics
def test_every_item_has_the_same_chance_to_be_a_filler(cls, ratings):
    attack = cls(target_items=[0], attack_size=4000, n_fillers=11, random_state=0).fit(ratings)
    counts = (attack.poison_ > 0).sum(axis=0)[1:]
    if cls is BandwagonAttackTransformer:
        counts = np.delete(counts, counts.argmax())  # one filler of ten is the most popular item
    expected = counts.mean()
    # The statistic has less than n_items degrees of freedom: draws exclude one another.
    chi_square = ((counts - expected) ** 2).sum() / expected
    assert chi_square < counts.size + 4 * np.sqrt(2 * counts.size)
    assert chi_square > counts.size / 3
