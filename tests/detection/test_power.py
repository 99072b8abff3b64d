"""How small an attack can be seen: the formula, and whether the detector keeps to it."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import betabinom
from sklearn import config_context

from skrecsec import AverageAttackTransformer, LockstepDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection import (
    _groups,
    _power,
    _verdicts,
    _visibility,
    smallest_visible_attack,
    visible_attacks,
)
from skrecsec.detection._items import examine_items, prior_of_share


@pytest.fixture(name="X", scope="module")
def genuine_ratings():
    return make_ratings(500, 300, density=0.06, random_state=0)


@pytest.fixture(scope="module")
def background(X):
    return _visibility.background_of(X)


def target_like(X, quantile):
    counts = np.bincount(X.indices, minlength=X.shape[1])
    rated = sorted(item for item in range(X.shape[1]) if counts[item])
    return sorted(counts[rated])[round(quantile * (len(rated) - 1))]


class ByLoops:
    """What the docstring says, user by user and item by item."""

    def __init__(self, X, lift, floor):
        self.top, self.rated = X.toarray() == X.data.max(), X.toarray() > 0
        self.r, self.lengths = ([int(row.sum()) for row in y] for y in (self.top, self.rated))
        self.n_given, self.n_ratings = (y.sum(axis=0) for y in (self.top, self.rated))
        self.lift, self.floor = lift, floor
        self.suspicions = sorted(examine_items(X, X.data == X.data.max()).combined, reverse=True)

    def usual(self, count):
        """Mean and variance of the share of the level, and both counts of a beta distribution."""
        shares = prior_of_share(self.n_given, self.n_ratings)
        items = [item for item, n in enumerate(self.n_ratings) if n]
        items.sort(key=lambda item: self.n_ratings[item])
        x = [math.log(self.n_ratings[item]) for item in items]
        mean, variance = (np.interp(math.log(count), x, y[items]) for y in shares)
        total = max(mean * (1 - mean) / variance - 1, 1)
        return mean, variance, mean * total, (1 - mean) * total

    def meet(self, numbers, count, size):
        """How many users with such numbers of ratings rate all of so many items, without a lift."""
        total = sum(numbers)
        return sum(min(number * count / total, 1) ** size for number in numbers)

    def agreement(self, n, n_ratings, n_given, size):
        n_others = 2 ** (size - 1) * self.meet(self.lengths, n_ratings, size)
        n_others = round(min(n_others, n_ratings))
        _, variance, a, b = self.usual(n_ratings + n)
        share = (a + n_given) / (a + b + n_ratings)
        of_all = min(share + math.sqrt(variance), 1)
        for _ in range(size - 1):
            of_all *= share + 0.75 * (1 - share)
        n_all, clipped = n + n_others, min(max(of_all, 0.03), 0.97)
        total = max(clipped * (1 - clipped) / 0.02 - 1, 1)
        usual = betabinom(n_all, clipped * total, (1 - clipped) * total)
        n_agreeing = n + round(n_others * of_all)
        return -math.log(math.fsum(usual.pmf(np.arange(n_agreeing, n_all + 1))))

    def is_seed(self, n, n_targets, z, r, c):
        """Targets are among the 25 most suspicious items, or among the pairs that are looked at."""
        last = min(25, len(self.suspicions) - 1)
        if n_targets <= last and z > max(self.suspicions[last - n_targets], 0):
            return True
        expected = 2 * c**2 * sum(r_u**2 for r_u in r) / sum(r) ** 2
        is_more = n >= 4 and n > expected
        return is_more and n * math.log(n / expected) - (n - expected) > self.floor

    def evidence(self, n, n_targets, n_ratings):
        n_given = round(self.usual(n_ratings)[0] * n_ratings)
        c = n_given + n
        n_usable = sum(self.n_given >= 3)
        n_usable += n_targets if n_given < 3 <= c else 0
        mean, _, a, b = self.usual(n_ratings + n)
        tail = math.fsum(betabinom(n_ratings + n, a, b).pmf(np.arange(c, n_ratings + n + 1)))
        freedom = sum(self.n_ratings >= 5) / 2
        z = freedom * math.log1p(-math.log(tail) / freedom) if c >= 4 else 0
        single = 0.0
        if c - mean * (n_ratings + n) >= (1 - mean) * c / 2:
            single = max(z - math.log(n_usable), 0)
        r = self.r + [sum(self.r) / len(self.r) + n_targets] * n
        if n_targets < 2 or not self.is_seed(n, n_targets, z, r, c):
            return single
        nets = {}
        for lift in (2, self.lift):
            for size in range(2, min(n_targets, 8) + 1):
                if 2 ** (size - 1) * self.meet(r, c, size) > n / 3:
                    break
                expected = lift ** (size - 1) * self.meet(r, c, size)
                net = n * math.log(n / expected) - (n - expected) if n > expected else 0.0
                n_groups = math.comb(max(n_usable, 8), size)
                net += size * max(z - 3, 0) - math.log(n_groups) - math.log(3)
                nets[lift, size] = net
        most = max((net for (lift, _), net in nets.items() if lift == 2), default=0)
        group = 0.0
        for lift, size in nets:
            if lift == self.lift and (size <= 3 or nets[2, size] == most):
                net = nets[lift, size]
                agreed, least = self.agreement(n, n_ratings, n_given, size), 5.4 + 0.35 * (size - 2)
                group = max(group, net if agreed >= least else min(net - 3, 3 * agreed / least))
        return group if group > 3 else max(group, single)


@pytest.mark.parametrize(("lift", "floor"), [(None, None), (2.5, math.inf), (7.0, 0.0)])
@pytest.mark.parametrize(("n_items", "density"), [(150, 0.06), (30, 0.01)])
def test_the_formula_is_that_of_the_docstring(n_items, density, lift, floor):
    X = make_ratings(250, n_items, density=density, random_state=1)
    background = _visibility.background_of(X)
    if lift is not None:
        background = background._replace(lift=lift, floor=floor)
    plain = ByLoops(X, background.lift, background.floor)
    seen = set()
    for quantile in (0.05, 0.5, 0.97):
        n_ratings = background.at(quantile)
        assert n_ratings == target_like(X, quantile)
        for n_targets in (1, 2, 3, 10):
            for n in (2, 4, 7, 12, 60):
                assert_agreement_is_as_by_loops(n, n_ratings, background, plain)
                evidence = _visibility.evidence(n, n_targets, n_ratings, background)
                expected = plain.evidence(n, n_targets, n_ratings)
                assert evidence == pytest.approx(expected, rel=1e-9)
                seen.add(evidence > 3)
    assert seen == {False, True}


def assert_agreement_is_as_by_loops(n, n_ratings, background, plain):
    n_given, sizes = round(plain.usual(n_ratings)[0] * n_ratings), np.arange(2, 6)
    agreement = _visibility._agreement(n, n_ratings, n_given, sizes, background)
    expected = [plain.agreement(n, n_ratings, n_given, size) for size in sizes]
    np.testing.assert_allclose(agreement, expected)


def test_ends_of_what_is_visible():
    """The first run that is as long as the double of its beginning, or as the largest size."""

    def ends(visible, largest):
        return _power._visible(lambda size, *_: size in visible, 1, 1, _power._sizes(largest))

    assert ends(set(), 50) == (None, None)
    assert ends(set(range(7, 40)), 50) == (7, 39)
    assert ends(set(range(7, 13)), 50) == (None, None)
    assert ends({*range(7, 13), *range(20, 41)}, 50) == (20, 40)
    assert ends(set(range(47, 51)), 50) == (47, 50)
    assert ends(set(range(1, 1000)), 50) == (1, 50)
    assert ends(set(range(123, 457)), 2000) == (123, 456)
    assert ends({1}, 0) == (None, None)


@pytest.mark.parametrize("n_targets", [1, 2, 3, 5])
@pytest.mark.parametrize("popularity", ["unpopular", "median", 0.8])
@pytest.mark.parametrize("max_share", [0.02, 0.2])
def test_all_between_the_ends_have_enough_evidence(X, background, n_targets, popularity, max_share):
    (attack,) = visible_attacks(X, [n_targets], popularities=[popularity], max_share=max_share)
    quantile = {"unpopular": 0.1, "median": 0.5}.get(popularity, popularity)
    assert attack[:3] == (n_targets, popularity, target_like(X, quantile))
    is_visible = [
        n > 0 and _visibility.evidence(n, n_targets, attack.n_ratings, background) > 3
        for n in range(int(max_share * 500) + 2)
    ]
    n = smallest_visible_attack(X, n_targets, popularity=popularity, max_share=max_share)
    assert n == attack.smallest
    if n is None:
        assert attack.largest is None
        assert not all(is_visible[-10:-1])
    else:
        assert all(is_visible[n : attack.largest + 1])
        assert not is_visible[n - 1]
        assert attack.largest == int(max_share * 500) or not is_visible[attack.largest + 1]


def test_more_targets_and_less_popular_ones_are_easier_to_see(X):
    numbers = [
        [smallest_visible_attack(X, n, popularity=p) or 10**6 for n in (2, 3, 5, 8, 20)]
        for p in ("unpopular", "median", "popular")
    ]
    assert (np.diff(numbers, axis=1) <= 0).all()
    assert (np.diff(numbers, axis=0) >= 0).all()
    assert numbers[0][-1] == 5
    assert numbers[2][0] == 10**6
    assert smallest_visible_attack(X, 5, threshold=30.0) > smallest_visible_attack(X, 5)


def test_so_many_fakes_that_they_are_what_is_usual_hide(X):
    (attack,) = visible_attacks(X, [5], popularities=[0.7])
    assert 2 * attack.smallest <= attack.largest < 50
    assert smallest_visible_attack(X, 3, popularity=0.95) is None


@pytest.mark.parametrize(
    ("n_targets", "quantile"), [(1, 0.1), (1, 0.5), (2, 0.5), (3, 0.5), (5, 0.8)]
)
def test_an_attack_half_as_large_again_is_seen_and_its_targets_named(n_targets, quantile):
    X = make_ratings(1000, 800, density=0.03, random_state=0)
    n = smallest_visible_attack(X, n_targets, popularity=quantile)
    counts = np.bincount(X.indices, minlength=X.shape[1])
    candidates = np.argsort(np.abs(counts - target_like(X, quantile)), kind="stable")[:20]
    for seed in range(2):
        targets = np.random.default_rng(seed).choice(candidates, n_targets, replace=False)
        attack = AverageAttackTransformer(
            target_items=targets, attack_size=math.ceil(1.5 * n), random_state=seed
        )
        detector = LockstepDetector(levels="top").fit(attack.fit_transform(X))
        assert (detector.labels_[X.shape[0] :] == -1).mean() > 0.8
        assert set(targets) & set(detector.groups_[0].items)


def test_half_as_many_need_not_be_seen(X):
    n = smallest_visible_attack(X, 5)
    attack = AverageAttackTransformer(target_items=np.arange(5), attack_size=n // 2, random_state=0)
    detector = LockstepDetector(levels="top").fit(attack.fit_transform(X))
    assert (detector.labels_ == 1).all()


def test_it_depends_neither_on_order_nor_on_scale_nor_on_the_container(X):
    rng = np.random.default_rng(0)
    shuffled = X[rng.permutation(X.shape[0])][:, rng.permutation(X.shape[1])]
    for other in (shuffled, 2 * X, X.toarray(), sp.coo_array(X)):
        assert smallest_visible_attack(other, 2) == smallest_visible_attack(X, 2)


@pytest.mark.parametrize("n_users", [1, 9, 40])
def test_few_users_hide_everything(n_users):
    X = sp.csr_array(np.full((n_users, 3), 5.0))
    assert smallest_visible_attack(X, 2) is None


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"n_targets": 0}, "n_targets"),
        ({"popularity": "rare"}, "popularity"),
        ({"popularity": 1.5}, "popularity"),
        ({"max_share": 0}, "max_share"),
        ({"threshold": -1}, "threshold"),
    ],
)
def test_bad_parameters_are_named(X, parameters, name):
    with pytest.raises(ValueError, match=name):
        smallest_visible_attack(X, **parameters)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [({"n_targets": [2, 0]}, "n_targets"), ({"popularities": ["rare"]}, "popularities")],
)
def test_bad_members_of_sequences_are_named(X, parameters, name):
    with pytest.raises(ValueError, match=name):
        visible_attacks(X, **parameters)


def test_groups_grow_only_from_pairs_as_surprising_as_those_that_the_detector_takes():
    X = make_ratings(300, 250, density=0.4, random_state=0)
    background = _visibility.background_of(X)
    top = (X.toarray() == 5).astype(float)
    r, c = top.sum(axis=1), top.sum(axis=0)
    surprises = []
    for i in range(250):
        for j in range(i):
            n = (top[:, i] * top[:, j]).sum()
            expected = 2 * c[i] * c[j] * (r**2).sum() / r.sum() ** 2
            if n >= 4 and n > expected:
                surprises.append(n * math.log(n / expected) - (n - expected))
    surprises.sort(reverse=True)
    n_seeds = LockstepDetector().n_seeds
    assert len(surprises) > n_seeds
    assert background.floor == pytest.approx(surprises[n_seeds])


def test_groups_grow_from_suspicious_items_or_from_surprising_pairs(background):
    def stands_out(**changes):
        return _visibility.evidence(9, 3, 13, background._replace(**changes)) > 3

    nothing, everything = np.zeros(30), np.full(30, math.inf)
    assert stands_out(floor=math.inf, suspicions=nothing)
    assert stands_out(floor=0.0, suspicions=everything)
    assert not stands_out(floor=math.inf, suspicions=everything)
    # Of 25 items three are targets.
    assert stands_out(floor=math.inf, suspicions=np.repeat([math.inf, 0], [22, 8]))
    assert not stands_out(floor=math.inf, suspicions=np.repeat([math.inf, 0], [23, 7]))


def test_pairs_as_surprising_as_one_that_is_left_out_are_left_out_in_any_blocks():
    """Some have eight users, and two in three five, of whom none can stay if one has to go."""
    B = np.zeros((300, 60))
    for pair in range(30):
        B[10 * pair : 10 * pair + (5 if pair % 3 else 8), 2 * pair : 2 * pair + 2] = 1
    B = sp.csr_array(B)
    for n, n_kept in ((9, 0), (10, 10), (11, 10), (29, 10), (30, 30)):
        whole, floor = _groups._most_surprising_pairs(B, n)
        with config_context(working_memory=1e-4):
            in_blocks = _groups._most_surprising_pairs(B, n)
        assert sorted(map(tuple, in_blocks[0])) == sorted(map(tuple, whole))
        assert (len(whole), floor) == (n_kept, in_blocks[1])
        assert (floor == 0) == (n == 30)


def test_where_tastes_make_groups_more_fakes_are_needed(X, background):
    """Eight circles of nine friends who praise three items each."""
    tastes = np.zeros((X.shape[0], X.shape[1] + 24))
    tastes[:, : X.shape[1]] = X.toarray()
    for circle in range(8):
        tastes[9 * circle : 9 * circle + 9, X.shape[1] + 3 * circle :][:, :3] = 5
    of_friends = _visibility.background_of(sp.csr_array(tastes))
    assert background.lift == 2
    assert of_friends.lift > 2
    for n_fakes in (8, 12, 20):
        evidence = [_visibility.evidence(n_fakes, 3, 20, each) for each in (background, of_friends)]
        assert evidence[1] < evidence[0]


@pytest.mark.parametrize("n_circles", [0, 2, 3, 4])
def test_the_lift_is_that_of_the_poisoned_ratings(n_circles):
    """Three groups may stand out: with the attack it is the detector's lift, without it is less."""
    X = np.zeros((800, 440))
    X[:, :400] = make_ratings(800, 400, density=0.05, random_state=0).toarray()
    for circle in range(n_circles):
        X[50 * circle : 50 * circle + 12, 400 + 5 * circle :][:, :5] = 5
    attack = AverageAttackTransformer(target_items=np.arange(435, 440), attack_size=12)
    poisoned = attack.set_params(random_state=0).fit_transform(sp.csr_array(X))
    is_top = poisoned.data == 5
    found = _groups.search(
        _verdicts.Pattern(poisoned, is_top, 5.0, False, 0.0, True).ones(),
        examine_items(poisoned, is_top).combined,
        n_seeds=1500,
        max_items=8,
    )
    assert _visibility.background_of(sp.csr_array(X)).lift == found.lift
    assert (found.lift > 2) == (n_circles > 2)
