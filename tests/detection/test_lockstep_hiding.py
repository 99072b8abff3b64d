"""Fakes that hide: as copies of genuine profiles, at several levels, with few targets each."""

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec import (
    AUSHAttackTransformer,
    AverageAttackTransformer,
    FixedAttackTransformer,
    LockstepDetector,
)
from skrecsec.datasets import make_ratings
from skrecsec.detection import _verdicts
from skrecsec.detection._lockstep import _patterns

N = 600


@pytest.fixture(scope="module")
def clean():
    return make_ratings(N, 400, density=0.06, random_state=1)


def rarely_rated(X, n, seed, fewest=3, most=12):
    counts = np.bincount(X.indices, minlength=X.shape[1])
    items = np.flatnonzero((counts >= fewest) & (counts <= most))
    return np.sort(np.random.default_rng(seed).permutation(items)[:n])


def with_copies(X, n_fakes, targets, seed, levels=(5.0,)):
    """Append copies of genuine profiles that rate the targets, too."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.flatnonzero(np.diff(X.indptr) > 15))[:n_fakes]
    profiles = X[users].toarray()
    profiles[:, targets] = rng.choice(levels, (n_fakes, len(targets)))
    return FixedAttackTransformer(profiles, target_items=targets).fit_transform(X)


def share_found(detector):
    return (detector.labels_[N:] == -1).mean()


def n_accused(detector):
    return (detector.labels_[:N] == -1).sum()


# ------------------------------------------------------------------------------------------ levels


@pytest.mark.parametrize("n_fakes", [12, 18])
def test_mixed_levels_find_copies_that_give_the_targets_different_ones(clean, n_fakes):
    targets = rarely_rated(clean, 3, n_fakes)
    X = with_copies(clean, n_fakes, targets, n_fakes, levels=(4.0, 5.0))
    assert share_found(LockstepDetector().fit(X)) < 0.3
    detector = LockstepDetector(levels="mixed").fit(X)
    assert share_found(detector) > 0.9
    assert n_accused(detector) <= 3
    group = detector.groups_[0]
    assert group.items.tolist() == targets.tolist()
    assert (group.level, group.or_more) == (4.0, True)
    assert "level=4 or more" in repr(group)
    # Whoever rates them 4 or 5 is in it.
    given = X.toarray()[:, targets] >= 4
    np.testing.assert_array_equal(group.users, np.flatnonzero(given.sum(axis=1) >= group.min_items))


def test_mixed_levels_find_generated_profiles(clean):
    targets = rarely_rated(clean, 3, 0)
    attack = AUSHAttackTransformer(target_items=targets, max_iter=3, random_state=0)
    X = attack.fit_transform(clean).tolil()
    given = np.random.default_rng(0).choice([4.0, 5.0], (X.shape[0] - N, 3))
    X[N:, targets] = given
    detector = LockstepDetector(levels="mixed").fit(X.tocsr())
    assert share_found(detector) > 0.9
    assert n_accused(detector) <= 3


@pytest.mark.parametrize("levels", ["all", "top", "extremes", "mixed"])
def test_what_is_looked_at(levels, clean):
    detector = LockstepDetector(levels=levels)
    X = clean[:80]
    number = np.searchsorted([1.0, 2, 3, 4, 5], X.data)
    found = list(_patterns(X, number, np.arange(1.0, 6), detector.levels))
    exact = {"all": [1, 2, 3, 4, 5], "top": [5], "extremes": [1, 5], "mixed": [1, 2, 3, 4, 5]}
    expected = [(level, False) for level in exact[levels]]
    expected += [(level, True) for level in ([2, 3, 4] if levels == "mixed" else [])]
    assert [(pattern.level, pattern.or_more) for pattern in found] == expected
    price = np.log(5)
    for pattern in found:
        same = X.data >= pattern.level if pattern.or_more else X.data == pattern.level
        np.testing.assert_array_equal(pattern.at_level, same)
        is_end = not pattern.or_more and pattern.level in (1, 5)
        assert pattern.is_extreme == is_end
        costs = (
            0 if (pattern.level, pattern.or_more) == (5, False) else price if is_end else 2 * price
        )
        assert pattern.cost == pytest.approx(costs)


# ------------------------------------------------------------------------------------------- times


def times_of(X, targets, rng, is_burst=True):
    """Return times within 1000 days, fake ratings of the targets within a day or not."""
    times = rng.uniform(0, 1000, X.nnz)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    of_fakes = (rows >= N) & np.isin(X.indices, targets)
    if is_burst:
        times[of_fakes] = 500 + rng.random(of_fakes.sum())
    return times


@pytest.fixture(scope="module")
def copied(clean):
    """Return ratings with copies that push one item, and which."""
    targets = rarely_rated(clean, 1, 0, fewest=15, most=40)
    return with_copies(clean, 18, targets, 0), targets


def test_copies_with_one_target_are_found_by_when_they_came(copied):
    X, targets = copied
    for seed in range(2):
        rng = np.random.default_rng(seed)
        apart = times_of(X, targets, rng, is_burst=False)
        together = times_of(X, targets, rng)
        for timestamps in (None, apart):
            detector = LockstepDetector().fit(X, timestamps=timestamps)
            assert share_found(detector) < 0.2
            assert n_accused(detector) <= 3
        detector = LockstepDetector().fit(X, timestamps=together)
        assert share_found(detector) > 0.9
        assert n_accused(detector) <= 3
        assert detector.groups_[0].items.tolist() == targets.tolist()
        np.testing.assert_array_equal(
            LockstepDetector().fit_predict(X, timestamps=together), detector.labels_
        )


@pytest.mark.parametrize("seed", range(3))
def test_clean_ratings_that_came_at_random_times_are_left_alone(seed, clean):
    times = np.random.default_rng(seed).random(clean.nnz)
    detector = LockstepDetector().fit(clean, timestamps=times)
    assert (detector.labels_ == 1).all()
    assert detector.groups_ == []


def test_forms_and_orders_of_timestamps_agree(copied):
    X, targets = copied
    days = np.floor(times_of(X, targets, np.random.default_rng(0)))
    expected = LockstepDetector().fit(X, timestamps=days).profile_scores_
    assert (expected != LockstepDetector().fit(X).profile_scores_).any()
    matrix = sp.csr_array((days + 1, X.indices, X.indptr), shape=X.shape)
    dates = np.datetime64("2020-01-01") + days.astype("timedelta64[D]")
    for same in (days.tolist(), matrix, matrix.tocoo(), matrix.tocsc(), dates, days * 3 - 7):
        got = LockstepDetector().fit(X, timestamps=same).profile_scores_
        np.testing.assert_array_equal(got, expected)
    # Another order of rows, many of whose times are equal.
    rows = np.random.default_rng(1).permutation(X.shape[0])
    columns = np.random.default_rng(2).permutation(X.shape[1])
    got = LockstepDetector().fit(X[rows], timestamps=matrix[rows]).profile_scores_
    np.testing.assert_allclose(got, expected[rows], rtol=1e-6, atol=1e-6)
    got = LockstepDetector().fit(X[:, columns], timestamps=matrix[:, columns]).profile_scores_
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("timestamps", "message"),
    [
        (lambda X: np.arange(X.nnz - 1), "timestamps must be a sparse matrix"),
        (lambda X: np.full(X.nnz, np.nan), "timestamps contain NaN"),
        (lambda X: np.array(["noon"] * X.nnz), "timestamps must be numbers"),
        (lambda X: sp.csr_array(np.ones(X.shape)), "exactly where X does"),
        (lambda X: X[:-1], "exactly where X does"),
    ],
)
def test_bad_timestamps_are_refused_before_anything_is_learned(timestamps, message, clean):
    detector = LockstepDetector()
    with pytest.raises(ValueError, match=message):
        detector.fit(clean, timestamps=timestamps(clean))
    with pytest.raises(ValueError, match=message):
        detector.fit_predict(clean, timestamps=timestamps(clean))
    assert not hasattr(detector, "labels_")


def test_timestamps_in_the_order_of_the_data_need_csr(clean):
    with pytest.raises(ValueError, match="CSR"):
        LockstepDetector().fit(clean.toarray(), timestamps=np.arange(clean.nnz))


# ------------------------------------------------------------------------------- targets shared out


def shared_out(X, n_fakes, targets, seed):
    """Append profiles of an average attack that rate two of the targets each."""
    attack = AverageAttackTransformer(random_state=0, attack_size=n_fakes / N, target_items=targets)
    X = attack.fit_transform(X).toarray()
    rng = np.random.default_rng(seed)
    for row in X[N:]:
        row[rng.permutation(targets)[2:]] = 0
    return X


@pytest.mark.parametrize("n_fakes", [12, 18, 30])
def test_targets_that_are_shared_out_are_found(clean, n_fakes):
    targets = rarely_rated(clean, 5, n_fakes)
    detector = LockstepDetector().fit(shared_out(clean, n_fakes, targets, 0))
    assert share_found(detector) > 0.8
    assert n_accused(detector) <= 3
    named = set().union(*(group.items.tolist() for group in detector.groups_))
    assert len(named & set(targets.tolist())) >= (2 if n_fakes == 12 else 4)
    assert len(named - set(targets.tolist())) <= 1


def test_a_crowd_is_named_where_no_group_explains_it(clean):
    targets = rarely_rated(clean, 5, 1)
    X = shared_out(clean, 18, targets, 1)
    detector = LockstepDetector(evidence=("groups", "balls")).fit(X)
    assert share_found(detector) > 0.9
    assert n_accused(detector) <= 3
    (crowd,) = detector.groups_
    assert len(crowd.items) >= 3
    assert set(crowd.items.tolist()) <= set(targets.tolist())
    assert (crowd.min_items, crowd.expected, crowd.n_users) == (1, 1, crowd.users.size)
    np.testing.assert_array_equal(crowd.users, np.flatnonzero(detector.labels_ == -1))


def test_genuine_raters_of_items_that_a_group_explains_are_left_alone(monkeypatch):
    X = make_ratings(1000, 100, density=0.1, random_state=0)
    attack = AverageAttackTransformer(random_state=0, attack_size=0.03, target_items=[40, 52, 70])
    X = attack.fit_transform(X)
    detector = LockstepDetector(levels="top").fit(X)
    assert (detector.labels_[1000:] == -1).all()
    assert (detector.labels_[:1000] == 1).all()
    raters = (X[:1000][:, [40, 52, 70]].toarray() == 5).any(axis=1)
    assert raters.sum() > 20

    def nothing(*args):
        return np.zeros(100, dtype=bool)

    monkeypatch.setattr(_verdicts, "_explained_by_crowd", nothing)
    labels = LockstepDetector(levels="top").fit_predict(X)
    assert (labels[:1000] == 1).all()
    # Otherwise they would be accused.
    monkeypatch.setattr(_verdicts, "_explained_away", nothing)
    labels = LockstepDetector(levels="top").fit_predict(X)
    assert (labels[:1000][raters] == -1).sum() > 20
