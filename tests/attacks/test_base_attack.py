"""The threat model, which the base class of attacks owns."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skrecsec import AverageAttackTransformer, RandomAttackTransformer
from skrecsec.base import BaseAttackTransformer, choose_targets
from skrecsec.base._threat import check_scale
from skrecsec.datasets import make_ratings


def fit(X, **parameters):
    return RandomAttackTransformer(**{"random_state": 0, **parameters}).fit(X)


def with_counts(counts):
    """Return a matrix whose item i has counts[i] ratings."""
    n_users = max(counts)
    return sp.csr_array((np.arange(n_users)[:, None] < counts) * 3.0)


def test_unpopular_targets_have_fewer_than_five_ratings():
    X = with_counts([9, 4, 5, 4, 20, 1, 0, 4])
    chosen = {t for seed in range(40) for t in fit(X, n_targets=2, random_state=seed).target_items_}
    assert chosen == {1, 3, 5, 6, 7}


def test_the_least_rated_items_stand_in_where_too_few_are_unpopular():
    X = with_counts([9, 30, 8, 7, 2, 20])
    assert_array_equal(fit(X, n_targets=3).target_items_, [2, 3, 4])


@pytest.mark.parametrize("n_targets", [1, 2, 300])
def test_they_are_the_least_rated_whatever_the_number_of_targets(n_targets):
    counts = np.random.default_rng(0).permutation(300) + 5
    attack = fit(with_counts(counts), n_targets=n_targets)
    assert_array_equal(attack.target_items_, np.sort(np.argsort(counts)[:n_targets]))


def test_random_targets_may_be_any(ratings):
    chosen = np.concatenate(
        [fit(ratings, target_items="random", random_state=s).target_items_ for s in range(60)]
    )
    assert np.unique(chosen).size > 80


def test_given_targets_keep_their_order(ratings):
    attack = fit(ratings, target_items=[9, 2, 30], n_targets=1)
    assert_array_equal(attack.target_items_, [9, 2, 30])
    assert (attack.poison_[:, [9, 2, 30]].toarray() == 5).all()


def test_there_are_no_more_targets_than_items():
    assert_array_equal(fit(with_counts([3, 2, 4])).target_items_, [0, 1, 2])


@pytest.mark.parametrize(
    ("attack_size", "n_profiles"),
    [(0.03, 3), (0.05, 6), (0.001, 1), (1.0, 120), (1, 1), (7, 7), (200, 200)],
)
def test_attack_size(attack_size, n_profiles, ratings):
    assert fit(ratings, attack_size=attack_size).poison_.shape == (n_profiles, 90)


def test_attack_size_is_floored_exactly():
    X = make_ratings(100, 30, density=0.3, random_state=0)
    assert fit(X, attack_size=0.29).poison_.shape[0] == 29  # 0.29 * 100 is 28.999999999999996


def test_mean_fillers_is_the_mean_of_the_known_users(ratings):
    attack = fit(ratings)
    expected = round(np.diff(ratings.indptr)[attack.known_users_].mean())
    assert (np.diff(attack.poison_.indptr) == expected).all()


def test_fillers_count_the_targets(ratings):
    assert (np.diff(fit(ratings, n_fillers=12).poison_.indptr) == 12).all()
    assert (np.diff(fit(ratings, n_fillers=5).poison_.indptr) == 5).all()
    assert (np.diff(fit(ratings, n_fillers=90).poison_.indptr) == 90).all()
    assert (np.diff(fit(ratings, n_fillers=1, n_targets=1).poison_.indptr) == 1).all()


@pytest.mark.parametrize(("knowledge", "n_known"), [(0.4, 48), (1.0, 120), (0.001, 1)])
def test_knowledge(knowledge, n_known, ratings):
    known = fit(ratings, knowledge=knowledge).known_users_
    assert known.size == np.unique(known).size == n_known
    assert (np.diff(known) > 0).all()


def test_attacks_with_one_seed_share_targets_and_known_users(ratings):
    first = fit(ratings, attack_size=3, n_fillers=9)
    second = AverageAttackTransformer(attack_size=20, random_state=0).fit(ratings)
    assert_array_equal(first.target_items_, second.target_items_)
    assert_array_equal(first.known_users_, second.known_users_)
    third = fit(ratings, random_state=1)
    assert set(first.known_users_) != set(third.known_users_)


def test_nuke_rates_targets_lowest(ratings):
    attack = fit(ratings, goal="nuke", target_items=[3, 4])
    assert (attack.poison_[:, [3, 4]].toarray() == 1).all()


@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix])
def test_poison_is_of_the_kind_of_the_data(container, ratings):
    attack = RandomAttackTransformer(random_state=0)
    poisoned = attack.fit_transform(container(ratings))
    assert type(poisoned) is type(attack.poison_) is container
    assert poisoned.shape[0] == 120 + attack.poison_.shape[0]
    assert type(attack.transform(container(ratings))) is container


@pytest.mark.parametrize("convert", [sp.csr_array, sp.csr_matrix, sp.csr_array.toarray])
def test_indices_are_what_compiled_code_takes(convert, ratings):
    attack = AverageAttackTransformer(target_items=np.array([5, 9]), random_state=0)
    poisoned = attack.fit_transform(convert(ratings))
    for X in (attack.poison_, poisoned):
        assert (X.indices.dtype, X.indptr.dtype) == (np.int32, np.int32)
    IsolationForest(n_estimators=2, random_state=0).fit(poisoned)
    attack.set_params(evade=IsolationForest(n_estimators=2), max_detected=1).fit(ratings)


def test_dense_input_gives_a_csr_array(ratings):
    poisoned = RandomAttackTransformer(random_state=0).fit_transform(ratings.toarray())
    assert isinstance(poisoned, sp.csr_array)


class Rogue(BaseAttackTransformer):
    """Crafts whatever it is told to."""

    def __init__(self, profiles=None, *, target_items="unpopular", random_state=0):
        super().__init__(target_items=target_items, random_state=random_state)
        self.profiles = profiles

    def _craft_profiles(self, known, budget, rng):
        return self.profiles(known, budget)


def test_too_many_fillers_are_refused(ratings):
    def craft(known, budget):
        profiles = np.zeros((budget.n_profiles, 90))
        profiles[1, np.setdiff1d(np.arange(90), budget.target_items)[: budget.n_fillers + 1]] = 3
        return sp.csr_array(profiles)

    with pytest.raises(ValueError, match="the budget allows"):
        Rogue(craft).fit(ratings)


def test_wrong_shapes_are_refused(ratings):
    with pytest.raises(ValueError, match="was asked for"):
        Rogue(lambda known, budget: sp.csr_array((1, 90))).fit(ratings)


@pytest.mark.parametrize("make", [np.array, sp.csr_array, sp.lil_array, sp.coo_matrix])
def test_profiles_may_be_crafted_in_any_format(make, ratings):
    profiles = np.zeros((3, 90))
    profiles[:, 7] = 2
    attack = Rogue(lambda known, budget: make(profiles), target_items=[40]).fit(ratings)
    expected = np.where(np.arange(90) == 40, 5, profiles)
    assert_array_equal(attack.poison_.toarray(), expected)


def test_ratings_are_projected_and_targets_overwritten(ratings):
    def craft(known, budget):
        profiles = np.zeros((budget.n_profiles, 90))
        profiles[:, [10, 11, 12, 13]] = [0.2, 2.4, 2.6, 99]
        return sp.csr_array(profiles)

    poison = Rogue(craft, target_items=[10, 40]).fit(ratings).poison_.toarray()
    assert_array_equal(poison[:, [10, 11, 12, 13, 40]], np.tile([5, 2, 3, 5, 5], (3, 1)))
    assert np.count_nonzero(poison) == 3 * 5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"target_items": [3, 3]}, "item 3 is repeated"),
        ({"target_items": [90]}, "item indices from 0 to 89"),
        ({"target_items": [-1]}, "item indices from 0 to 89"),
        ({"target_items": []}, "target_items is empty"),
        ({"target_items": [1.5]}, "target_items"),
        ({"target_items": "popular"}, "'target_items'"),
        ({"n_targets": 0}, "'n_targets'"),
        ({"attack_size": 0.0}, "'attack_size'"),
        ({"attack_size": 1.5}, "'attack_size'"),
        ({"attack_size": 0}, "'attack_size'"),
        ({"knowledge": 0}, "'knowledge'"),
        ({"knowledge": 1.01}, "'knowledge'"),
        ({"n_fillers": 91}, "n_fillers=91 must be between"),
        ({"n_fillers": 4}, "n_fillers=4 must be between"),
        ({"n_fillers": 0}, "'n_fillers'"),
        ({"n_fillers": "all"}, "'n_fillers'"),
        ({"goal": "pull"}, "'goal'"),
        ({"random_state": -1}, "'random_state'"),
    ],
)
def test_bad_parameters(parameters, message, ratings):
    with pytest.raises(ValueError, match=message):
        fit(ratings, **parameters)


def test_known_users_without_ratings_are_an_error():
    X = sp.csr_array(([3.0], ([0], [1])), shape=(10, 4))
    with pytest.raises(ValueError, match="known users has ratings"):
        fit(X, knowledge=0.1, random_state=1)


def test_transform_checks_the_number_of_items(ratings):
    with pytest.raises(ValueError, match="90 features"):
        fit(ratings).transform(ratings[:, :50])
    with pytest.raises(NotFittedError):
        RandomAttackTransformer().transform(ratings)


def test_transform_takes_profiles_without_ratings(ratings):
    assert fit(ratings).transform(np.zeros((2, 90))).shape == (2, 90)


def test_distinct_profiles_are_counted(ratings):
    def craft(known, budget):
        profiles = np.zeros((budget.n_profiles, 90))
        profiles[:, 10] = [1, 4, 1]
        return sp.csr_array(profiles)

    assert Rogue(craft, target_items=[40]).fit(ratings).n_distinct_profiles_ == 2
    assert Rogue(lambda known, budget: sp.csr_array((3, 90))).fit(ratings).n_distinct_profiles_ == 1


def test_tags_say_what_is_accepted():
    tags = get_tags(RandomAttackTransformer())
    assert tags.input_tags.sparse
    assert tags.input_tags.positive_only


def test_changing_the_matrix_afterwards_does_not_change_the_attack(ratings):
    X = ratings.copy()
    attack = fit(X)
    X.data[:] = 1
    assert_array_equal(attack.genuine_ratings_.toarray(), ratings.toarray())


@pytest.mark.parametrize(
    ("highest", "is_possible"), [(1e-100, True), (9e-101, False), (1e100, True), (1.1e100, False)]
)
def test_highest_ratings_need_a_square(highest, is_possible, ratings):
    levels = np.array([0.5e-101, highest])
    if is_possible:
        check_scale(levels)
        return
    with pytest.raises(ValueError, match="its square is beyond what can be computed"):
        check_scale(levels)
    with pytest.raises(ValueError, match="its square is beyond what can be computed"):
        AverageAttackTransformer().fit(ratings / ratings.max() * highest)


def test_targets_of_a_broken_matrix_are_refused(ratings):
    broken = ratings.copy()
    broken.indices[3] = 10**6
    with pytest.raises(ValueError, match="no valid sparse matrix"):
        choose_targets(broken, "unpopular", 5, np.random.default_rng(0))
