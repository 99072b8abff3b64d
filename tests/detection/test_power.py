"""How small an attack can be seen: the formula, and whether the detector keeps to it."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import betabinom

from skrecsec import AverageAttackTransformer, LockstepDetector
from skrecsec.datasets import make_ratings
from skrecsec.detection import _power, _visibility, smallest_visible_attack, visible_attacks
from skrecsec.detection._items import prior_of_share


@pytest.fixture(name="X", scope="module")
def genuine_ratings():
    return make_ratings(500, 300, density=0.06, random_state=0)


@pytest.fixture(scope="module")
def crowd(X):
    return _visibility.count_crowd(X)


def target_like(X, quantile):
    counts = np.bincount(X.indices, minlength=X.shape[1])
    rated = sorted(item for item in range(X.shape[1]) if counts[item])
    return sorted(counts[rated])[round(quantile * (len(rated) - 1))]


def evidence_by_loops(X, n, n_targets, quantile, lift):
    """What the docstring says, user by user."""
    top = X.toarray() == X.data.max()
    rated = X.toarray() > 0
    n_ratings = target_like(X, quantile)
    shares, variances = prior_of_share(top.sum(axis=0), rated.sum(axis=0))

    def usual(count):
        order = np.argsort(rated.sum(axis=0), kind="stable")
        order = [item for item in order if rated[:, item].any()]
        x = [math.log(rated[:, item].sum()) for item in order]
        return [np.interp(math.log(count), x, y[order]) for y in (shares, variances)]

    n_given = round(usual(n_ratings)[0] * n_ratings)
    usable = sum(top[:, item].sum() >= 3 for item in range(X.shape[1]))
    usable += n_targets if n_given < 3 <= n_given + n else 0
    mean, variance = usual(n_ratings + n)
    total = max(mean * (1 - mean) / variance - 1, 1)
    beta_binomial = betabinom(n_ratings + n, mean * total, (1 - mean) * total)
    tail = math.fsum(beta_binomial.pmf(np.arange(n_given + n, n_ratings + n + 1)))
    freedom = sum(rated[:, item].sum() >= 5 for item in range(X.shape[1])) / 2
    z = freedom * math.log1p(-math.log(tail) / freedom) if n_given + n >= 4 else 0
    best = -math.inf
    if n_given + n - mean * (n_ratings + n) >= (1 - mean) * (n_given + n) / 2:
        best = z - math.log(usable)
    if n < 4:
        return best
    r = [row.sum() for row in top] + [top.sum() / X.shape[0] + n_targets] * n
    for size in range(2, n_targets + 1):
        expected = 0.0
        for r_u in r:
            expected += min(r_u * (n_given + n) / sum(r), 1) ** size
        expected *= lift ** (size - 1)
        if expected < n / 3:
            net = n * math.log(n / expected) - (n - expected) + size * max(z - 3, 0)
            best = max(best, net - math.log(math.comb(usable, size)) - math.log(3) - 3)
    return best


@pytest.mark.parametrize("n_targets", [1, 2, 4])
@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.97])
def test_the_formula_is_that_of_the_docstring(X, crowd, n_targets, quantile):
    n_ratings = crowd.at(quantile)
    assert n_ratings == target_like(X, quantile)
    for n in (2, 4, 9, 40):
        evidence = _visibility.evidence(n, n_targets, n_ratings, crowd)
        expected = evidence_by_loops(X, n, n_targets, quantile, crowd.lift)
        assert evidence == pytest.approx(expected, rel=1e-9)


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
def test_all_between_the_ends_have_enough_evidence(X, crowd, n_targets, popularity, max_share):
    (attack,) = visible_attacks(X, [n_targets], popularities=[popularity], max_share=max_share)
    quantile = {"unpopular": 0.1, "median": 0.5}.get(popularity, popularity)
    assert attack[:3] == (n_targets, popularity, target_like(X, quantile))
    is_visible = [
        n > 0 and _visibility.evidence(n, n_targets, attack.n_ratings, crowd) > 3
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
    assert numbers[0][-1] == 4
    assert numbers[2][0] == 10**6
    assert smallest_visible_attack(X, 5, threshold=30.0) > smallest_visible_attack(X, 5)


def test_so_many_fakes_that_they_are_what_is_usual_hide(X):
    (attack,) = visible_attacks(X, [5], popularities=[0.9], max_share=0.5)
    assert 2 * attack.smallest <= attack.largest < 100
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
    crowd = _visibility.count_crowd(X)
    top = (X.toarray() == 5).astype(float)
    r, c = top.sum(axis=1), top.sum(axis=0)
    surprises = []
    for i in range(250):
        for j in range(i):
            n = (top[:, i] * top[:, j]).sum()
            expected = crowd.lift * c[i] * c[j] * (r**2).sum() / r.sum() ** 2
            if n >= 4 and n > expected:
                surprises.append(n * math.log(n / expected) - (n - expected))
    surprises.sort(reverse=True)
    n_seeds = LockstepDetector().n_seeds
    assert len(surprises) > n_seeds
    kept = [value for value in surprises[:n_seeds] if value > surprises[n_seeds]]
    assert crowd.floor == pytest.approx(kept[-1])
    assert _visibility.evidence(8, 5, 10, crowd) > 3
    closed = crowd._replace(floor=math.inf)
    assert _visibility.evidence(8, 5, 10, closed) < 3


def test_where_tastes_make_groups_more_fakes_are_needed(X, crowd):
    """Eight circles of nine friends who praise three items each."""
    tastes = np.zeros((X.shape[0], X.shape[1] + 24))
    tastes[:, : X.shape[1]] = X.toarray()
    for circle in range(8):
        tastes[9 * circle : 9 * circle + 9, X.shape[1] + 3 * circle :][:, :3] = 5
    of_friends = _visibility.count_crowd(sp.csr_array(tastes))
    assert crowd.lift == 2
    assert of_friends.lift > 2
    for n_fakes in (8, 12, 20):
        evidence = [_visibility.evidence(n_fakes, 3, 20, each) for each in (crowd, of_friends)]
        assert evidence[1] < evidence[0]
