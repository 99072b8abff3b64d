"""The certificate of EASE holds against all fake profiles of small cases, and against searches."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec import EASERecommender
from skrecsec.datasets import make_ratings
from skrecsec.metrics import TargetHitRatioScorer
from skrecsec.recommenders import _ease_certificate as certificate_module
from skrecsec.utils._ranking import top_k


def random_pattern(seed, n_users=40, n_items=6, density=0.4):
    rng = np.random.default_rng(seed)
    X = (rng.random((n_users, n_items)) < density).astype(float)
    X[:, 0] = rng.random(n_users) < 0.1  # the target
    X[np.arange(n_users), 1 + np.arange(n_users) % (n_items - 1)] = 1
    return X


def plain_weights(X, reg):
    """Return EASE's weights column by column, as the ridge regressions that they are."""
    n_items = X.shape[1]
    weights = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = np.delete(np.arange(n_items), item)
        A = X[:, others]
        weights[others, item] = np.linalg.solve(
            A.T @ A + reg * np.eye(others.size), A.T @ X[:, item]
        )
    return weights


def users_who_list(X, weights, target, k):
    scores = X @ weights
    lists = top_k(scores, k, seen=sp.csr_array(X))
    return (lists == target).any(axis=1)


def all_profiles(n_items, size):
    return [p for p in product((0.0, 1.0), repeat=n_items) if sum(p) <= size]


@pytest.mark.parametrize("reg", [1.0, 3.0])
def test_no_fake_profiles_at_all_break_it(reg):
    n_won = n_held = 0
    for seed, n_fakes, size, k in [(0, 1, 6, 1), (1, 1, 3, 2), (0, 2, 2, 2), (2, 2, 2, 1)]:
        X = random_pattern(seed)
        ease = EASERecommender(reg).fit(X)
        certificate = ease.certify(X, [0], n_fakes=n_fakes, profile_size=size, k=k)
        clean = plain_weights(X, reg)
        thresholds = np.where(X > 0, -np.inf, X @ clean)[:, 1:]
        thresholds = np.sort(thresholds, axis=1)[:, -k]
        worst = worst_score = 0
        for fakes in combinations_with_replacement(all_profiles(X.shape[1], size), n_fakes):
            weights = plain_weights(np.vstack([X, *fakes]), reg)
            listed = users_who_list(X, weights, 0, k)
            worst = max(worst, listed.mean())
            reached = (X[:, 0] == 0) & ((X @ weights)[:, 0] >= thresholds)
            worst_score = max(worst_score, reached.mean())
            assert not (listed & (certificate.safe_fakes[:, 0] >= n_fakes)).any()
        assert worst <= certificate.hit_ratio[0]
        assert worst_score <= certificate.hit_ratio_fixed[0] <= certificate.hit_ratio_plain[0]
        assert certificate.hit_ratio_clean[0] == users_who_list(X, clean, 0, k).mean()
        n_won += worst > certificate.hit_ratio_clean[0]
        n_held += certificate.hit_ratio[0] < np.mean(X[:, 0] == 0)
    # Some attack wins somebody, and most bounds say something.
    assert n_won > 0
    assert n_held >= 3


@pytest.mark.parametrize("reg", [1.0, 30.0])
@pytest.mark.parametrize("size", [2, 12])
def test_changes_of_scores_are_within_their_budgets(reg, size):
    rng = np.random.default_rng(0)
    X = (rng.random((25, 20)) < 0.3).astype(float)
    before = plain_weights(X, reg)
    residuals = certificate_module.residual_bounds(before, size)
    together = certificate_module.row_residual_bound(before, size)
    spectrum = certificate_module.Spectrum(sp.csr_array(X))
    leverage = (spectrum.root(certificate_module._kernel(0.0, reg)) ** 2).sum(axis=1)
    for n_fakes in (1, 4):
        for _ in range(40):
            fakes = np.zeros((n_fakes, 20))
            copied = X[rng.integers(25, size=n_fakes)]
            for fake, chances in zip(fakes, copied, strict=True):
                chosen = rng.choice(20, size, False, p=(chances + 0.05) / (chances + 0.05).sum())
                fake[chosen] = 1
            changes = np.where(X > 0, 0, X @ (plain_weights(np.vstack([X, fakes]), reg) - before))
            errors = fakes - fakes @ before
            n_ratings = n_fakes * size
            assert (np.abs(errors) <= residuals + 1e-9).all()
            assert (errors**2).sum(axis=1).max() <= together + 1e-9
            lengths = (errors**2).sum(axis=0)
            budgets = certificate_module.plain_budget(lengths, n_ratings, reg)
            assert ((changes**2).sum(axis=0) <= budgets + 1e-9).all()
            per_user = certificate_module.user_budget(lengths, n_ratings, reg)
            assert (changes**2 <= leverage[:, np.newaxis] * per_user + 1e-9).all()


def test_weighted_changes_are_within_their_budgets():
    """What multipliers say of the target's scores, and of all items' at once."""
    rng = np.random.default_rng(1)
    reg, size, n_fakes = 5.0, 4, 3
    X = (rng.random((25, 20)) < 0.3).astype(float)
    before = plain_weights(X, reg)
    n_ratings = size * n_fakes
    full = certificate_module.Spectrum(sp.csr_array(X))
    for share in (0.0, 0.3):
        for tangent in (0.0, 0.5, 1.0):
            weights = rng.random(25) ** 3
            kernel = certificate_module._monotone_kernel(share / n_ratings, reg, tangent)
            root = full.root(kernel)
            largest = np.linalg.eigvalsh(root.T @ (weights[:, np.newaxis] * root))[-1]
            for _ in range(20):
                fakes = (rng.random((n_fakes, 20)) < 0.2).astype(float)
                fakes[fakes.sum(axis=1) > size] = 0
                after = plain_weights(np.vstack([X, fakes]), reg)
                changes = np.where(X > 0, 0, X @ (after - before))
                lengths = ((fakes - fakes @ before) ** 2).sum(axis=0) / (4 * (1 - share))
                assert (weights @ changes**2 <= lengths * largest + 1e-9).all()


def test_the_tangent_lies_above_the_kernel():
    values = np.linspace(0, 3000, 500)
    for mu in (1e-4, 1e-2):
        kernel = certificate_module._kernel(mu, 50.0)(values)
        for tangent in (0.0, 0.5, 1.0):
            above = certificate_module._monotone_kernel(mu, 50.0, tangent)(values)
            assert (above >= kernel - 1e-12).all()


def test_a_search_for_the_worst_profiles_does_not_break_it():
    """Coordinate ascent with full knowledge: flips whatever raises the target most."""
    X = (make_ratings(400, 40, density=0.25, random_state=0) > 0).toarray().astype(float)
    target = int(np.argmin(X.sum(axis=0)))
    reg, n_fakes, size, k = 100.0, 2, 5, 20
    ease = EASERecommender(reg).fit(X)
    certificate = ease.certify(X, [target], n_fakes=n_fakes, profile_size=size, k=k)
    others = np.where(X > 0, -np.inf, ease.predict(X))
    others[:, target] = -np.inf
    thresholds = np.sort(others, axis=1)[:, -k]
    rng = np.random.default_rng(0)
    fakes = np.zeros((n_fakes, 40))
    fakes[:, target] = 1

    def outcome(fakes):
        both = np.vstack([X, fakes])
        weights = EASERecommender(reg).fit(both).item_weights_.astype(float)
        scores = X @ weights
        listed = users_who_list(X, weights, target, k).mean()
        lacking = thresholds - scores[:, target]
        return listed, -np.maximum(lacking, 0)[X[:, target] == 0].sum()

    best = outcome(fakes)
    for _ in range(200):
        row, item = rng.integers(n_fakes), rng.integers(40)
        tried = fakes.copy()
        tried[row, item] = 1 - tried[row, item]
        if tried[row].sum() > size or not tried[row, target]:
            continue
        found = outcome(tried)
        if found > best:
            best, fakes = found, tried
    assert certificate.hit_ratio_clean[0] < best[0] <= certificate.hit_ratio[0] < 1
    assert best[0] <= certificate.hit_ratio_fixed[0]


def gradient_attack(X, reg, n_fakes, size, thresholds, *, width=0.05, n_steps=60, seed=0):
    """Return fakes, with full knowledge, for a target that nobody has rated; it is left out of X.

    Adam on logits, of which the `size` largest of each fake are rated (straight-through), for the
    smoothed number of users whose score reaches a threshold.
    """
    torch = pytest.importorskip("torch")
    C = torch.from_numpy(np.linalg.inv(X.T @ X + reg * np.eye(X.shape[1])))
    A, thresholds = torch.from_numpy(X), torch.from_numpy(thresholds)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_fakes, X.shape[1], generator=generator, dtype=torch.float64)
    counts = torch.log1p(A.sum(dim=0))
    logits = (0.5 * counts / counts.max() + 0.1 * noise).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.02)
    best = -1.0, None
    for _ in range(n_steps):
        hard = torch.zeros_like(logits).scatter(1, logits.topk(size, dim=1).indices, 1.0)
        soft = torch.sigmoid(logits)
        F = hard + soft - soft.detach()
        FC = F @ C
        w = torch.linalg.solve(
            torch.eye(n_fakes, dtype=torch.float64) + FC @ F.T,
            torch.ones(n_fakes, dtype=torch.float64),
        )
        lacking = thresholds - A @ (FC.T @ w)
        won = torch.sigmoid(-lacking / width).mean()
        if won.item() > best[0]:
            best = won.item(), hard.numpy().copy()
        optimizer.zero_grad()
        (-won).backward()
        optimizer.step()
    return best[1]


def test_attacks_by_gradient_do_not_break_it():
    X = (make_ratings(300, 60, density=0.25, random_state=0) > 0).toarray().astype(float)
    reg, n_fakes, size, k = 30.0, 6, 12, 20
    with_target = np.hstack([X, np.zeros((300, 1))])
    ease = EASERecommender(reg).fit(with_target)
    certificate = ease.certify(with_target, [60], n_fakes=n_fakes, profile_size=size + 1, k=k)
    others = np.where(X > 0, -np.inf, ease.predict(with_target)[:, :60])
    thresholds = np.sort(others, axis=1)[:, -k]
    fakes = gradient_attack(X, reg, n_fakes, size, thresholds)
    poisoned = np.vstack([with_target, np.hstack([fakes, np.ones((n_fakes, 1))])])
    weights = EASERecommender(reg).fit(poisoned).item_weights_.astype(float)
    reached = ((with_target @ weights)[:, 60] >= thresholds).mean()
    listed = users_who_list(with_target, weights, 60, k).mean()
    assert 0.01 < listed <= certificate.hit_ratio[0]
    assert 0.01 < reached <= certificate.hit_ratio_fixed[0] < 1
    assert certificate.hit_ratio_fixed[0] <= certificate.hit_ratio_plain[0]


def test_more_fakes_and_longer_profiles_can_do_more():
    X = make_ratings(60, 40, density=0.25, random_state=0)
    ease = EASERecommender(20.0).fit(X)
    target = int(np.argmin(np.bincount(X.indices, minlength=40)))

    def bounds(**attack):
        found = ease.certify(X, [target], k=5, **attack)
        return found.hit_ratio[0], found.hit_ratio_fixed[0], found.hit_ratio_plain[0]

    few = bounds(n_fakes=1, profile_size=5)
    # The multipliers are searched for, to a few thousandths.
    for more in (bounds(n_fakes=3, profile_size=5), bounds(n_fakes=1, profile_size=20)):
        assert (np.array(more) >= np.array(few) - 0.01).all()
        assert more[2] > few[2]


def test_what_cannot_be_won_and_what_is_lost():
    X = random_pattern(3, n_users=8)
    X[5] = 0  # served by popularity: nothing is promised
    X[6, :] = 1  # nothing left to list
    ease = EASERecommender(3.0).fit(X)
    certificate = ease.certify(X, [0, 1], n_fakes=1, k=2)
    safe = certificate.safe_fakes
    assert safe.shape == (8, 2)
    assert (safe[X[:, :2] > 0] == 10_000).all()
    assert (safe[5] == 0).all()
    assert (certificate.hit_ratio >= 1 / 8).all()
    assert (ease.certify(X, [0], k=7).hit_ratio == 7 / 8).all()  # lists of everything


@pytest.mark.parametrize("k", [1, 2])
def test_ratings_below_the_threshold_are_left_out_of_lists(k):
    """They are no interactions, and nobody is recommended what they have rated."""
    low = np.random.default_rng(4).random((40, 6)) < 0.5
    likes = random_pattern(4)
    ratings = np.where(likes > 0, 5.0, low)
    ease = EASERecommender(2.0, interactions=4.0).fit(ratings)
    certificate = ease.certify(ratings, range(6), n_fakes=1, profile_size=3, k=k)
    clean = [TargetHitRatioScorer([target], k=k)(ease, ratings, None) for target in range(6)]
    np.testing.assert_allclose(certificate.hit_ratio_clean, clean)
    assert (certificate.safe_fakes[ratings > 0] == 10_000).all()
    for fake in all_profiles(6, 3):
        both = np.vstack([ratings, 5 * np.array(fake)])
        lists = EASERecommender(2.0, interactions=4.0).fit(both).recommend(ratings, k)
        listed = (lists[:, :, np.newaxis] == np.arange(6)).any(axis=1)
        assert (listed.mean(axis=0) <= certificate.hit_ratio).all()
        assert not (listed & (certificate.safe_fakes >= 1)).any()


def test_other_ratings_with_the_same_counts_are_refused():
    X = random_pattern(0)
    ease = EASERecommender().fit(X)
    others = np.random.default_rng(0).permuted(X, axis=0)
    with pytest.raises(ValueError, match="X must be the ratings"):
        ease.certify(others, [0])
    levels = sp.csr_array(np.where(X > 0, 3, 0))
    levels.indices = levels.indices.astype(np.int64)
    assert ease.certify(levels, [0]).hit_ratio == ease.certify(X, [0]).hit_ratio


def test_bad_arguments_are_named():
    X = random_pattern(0)
    ease = EASERecommender().fit(X)
    for arguments, message in [
        ({"target_items": [9]}, "target_items"),
        ({"n_fakes": 0}, "n_fakes"),
        ({"n_fakes": 0.5}, "n_fakes"),
        ({"profile_size": 0}, "profile_size"),
        ({"k": 0}, "k, the length"),
    ]:
        with pytest.raises(ValueError, match=message):
            ease.certify(X, **{"target_items": [0], **arguments})
    with pytest.raises(ValueError, match="X must be the ratings that the model was fitted to"):
        ease.certify(X[:5], [0])
