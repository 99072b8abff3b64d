"""The generator: its invariants, and the traits of real ratings that it promises."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skrecsec.datasets import _generated, make_ratings

SEEDS = [0, 1, 2]


@pytest.fixture(scope="module", params=SEEDS)
def ratings(request):
    return make_ratings(random_state=request.param)


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("data", "indices", "indptr")
    )


# Invariants

parameters = st.fixed_dictionaries(
    {
        "n_users": st.integers(1, 40),
        "n_items": st.integers(1, 60),
        "density": st.floats(0, 1, exclude_min=True),
        "n_factors": st.integers(1, 6),
        "levels": st.lists(st.floats(0.01, 100), min_size=1, max_size=8, unique=True).map(sorted),
        "noise": st.floats(0, 10),
        "random_state": st.integers(0, 2**32 - 1),
    }
)


@settings(deadline=None, max_examples=200)
@given(parameters)
def test_invariants(kwargs):
    n_users, n_items = kwargs["n_users"], kwargs["n_items"]
    global_state = np.random.get_state()
    ratings = make_ratings(**kwargs)

    assert isinstance(ratings, sp.csr_array)
    assert ratings.shape == (n_users, n_items)
    assert ratings.dtype == np.float64
    assert ratings.indices.dtype == ratings.indptr.dtype == np.int32
    # Sorted and without duplicates; judged afresh, not by what the array believes of itself.
    fresh = sp.csr_array((ratings.data, ratings.indices, ratings.indptr), shape=ratings.shape)
    assert fresh.has_canonical_format
    assert np.isin(ratings.data, kwargs["levels"]).all()

    n_ratings = max(1, round(kwargs["density"] * n_users * n_items))
    assert ratings.nnz == n_ratings
    assert np.diff(ratings.indptr).min() >= min(10, n_ratings // n_users)

    assert same(ratings, make_ratings(**kwargs))
    for before, after in zip(global_state, np.random.get_state(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_seeds_differ():
    assert not same(make_ratings(50, 60, random_state=0), make_ratings(50, 60, random_state=1))


def test_random_state_none_differs_and_leaves_numpy_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first, second = make_ratings(50, 60), make_ratings(50, 60, random_state=np.random)
    assert not same(first, second)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_random_state_instances_are_advanced(kind):
    generator = kind(0)
    first, second = (make_ratings(50, 60, random_state=generator) for _ in range(2))
    assert not same(first, second)
    assert same(first, make_ratings(50, 60, random_state=kind(0)))


def test_numpy_scalars_are_accepted():
    expected = make_ratings(40, 50, density=0.25, random_state=3)
    given = make_ratings(np.int32(40), np.int64(50), density=np.float32(0.25), random_state=3)
    assert same(expected, given)


def test_full_matrix():
    ratings = make_ratings(30, 20, density=1.0, random_state=0)
    assert (ratings.toarray() > 0).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_users", 0),
        ("n_users", 2.0),
        ("n_users", True),
        ("n_items", -3),
        ("n_items", "10"),
        ("n_factors", 0),
        ("density", 0),
        ("density", 1.5),
        ("density", float("nan")),
        ("density", "dense"),
        ("density", True),
        ("levels", ()),
        ("levels", (0, 1, 2)),
        ("levels", (1, 2, 2)),
        ("levels", (2, 1)),
        ("levels", (1, np.inf)),
        ("levels", (np.nan, 1)),
        ("levels", ((1, 2), (3, 4))),
        ("levels", "abc"),
        ("levels", 5),
        ("noise", -0.1),
        ("noise", np.inf),
        ("noise", None),
        ("random_state", "seed"),
        ("random_state", -1),
    ],
)
def test_bad_parameters_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        make_ratings(**{name: value})


# The traits of real ratings


def test_popularity_has_a_long_tail(ratings):
    n_users, n_items = ratings.shape
    popularity = np.sort(np.bincount(ratings.indices, minlength=n_items))[::-1]
    # MovieLens-100K: 65 %.
    assert 0.6 < popularity[: n_items // 5].sum() / ratings.nnz < 0.8
    # Targets for an attack on unpopular items.
    assert 20 < (popularity < 5).sum() < n_items // 4
    assert 0.4 < popularity[0] / n_users < 0.9


def test_activity_is_log_normal(ratings):
    activity = np.diff(ratings.indptr)
    assert activity.min() >= 10
    assert 0.75 < np.log(activity).std() < 1.0
    assert np.mean(activity) > 1.3 * np.median(activity)
    assert activity.max() <= ratings.shape[1] // 2


def test_levels_have_the_shares_of_movielens(ratings):
    shares = np.bincount(ratings.data.astype(int))[1:] / ratings.nnz
    np.testing.assert_allclose(shares, [0.061, 0.114, 0.272, 0.342, 0.211], atol=0.002)


def test_other_levels_follow_the_same_curve():
    levels = np.arange(1, 9) / 2
    ratings = make_ratings(levels=levels, random_state=0)
    shares = np.unique(ratings.data, return_counts=True)[1] / ratings.nnz
    assert len(shares) == 8
    # The upper half of the scale holds most ratings, the lowest level the fewest.
    assert 0.6 < shares[4:].sum() < 0.8
    assert shares.argmin() == 0


def test_popular_items_are_rated_higher(ratings):
    popularity = np.bincount(ratings.indices, minlength=ratings.shape[1])
    enough = popularity >= 20
    mean = np.bincount(ratings.indices, weights=ratings.data)[enough] / popularity[enough]
    correlation = np.corrcoef(mean, np.log(popularity[enough]))[0, 1]
    assert 0.25 < correlation < 0.65  # MovieLens: 0.37 to 0.47


def split(ratings, random_state):
    """Put a tenth of the ratings aside."""
    rng = np.random.default_rng(random_state)
    aside = rng.random(ratings.nnz) < 0.1
    entries = ratings.tocoo()
    return [
        sp.csr_array(
            (entries.data[part], (entries.row[part], entries.col[part])), shape=ratings.shape
        )
        for part in (~aside, aside)
    ]


def factorise(ratings, n_factors=8, penalty=0.3, n_sweeps=12):
    """Alternating least squares without biases; the predictions for all cells."""
    rng = np.random.default_rng(0)
    values = ratings.toarray() / 5
    observed = (values > 0).astype(float)
    factors = rng.uniform(0, 0.5, (values.shape[1], n_factors))
    for _ in range(n_sweeps):
        users = solve(observed, values, factors, penalty)
        factors = solve(observed.T, values.T, users, penalty)
    return 5 * users @ factors.T


def solve(observed, values, factors, penalty):
    n_factors = factors.shape[1]
    products = np.einsum("if,ig->ifg", factors, factors).reshape(len(factors), -1)
    left = (observed @ products).reshape(-1, n_factors, n_factors) + penalty * np.eye(n_factors)
    return np.linalg.solve(left, (values @ factors)[..., np.newaxis])[..., 0]


def errors(ratings, **kwargs):
    """Return the RMSE of matrix factorisation and of the item means on ratings put aside."""
    train, test = split(ratings, 0)
    entries = test.tocoo()
    n_ratings = np.bincount(train.indices, minlength=train.shape[1])
    sums = np.bincount(train.indices, weights=train.data, minlength=train.shape[1])
    means = np.where(n_ratings > 0, sums / np.maximum(n_ratings, 1), train.data.mean())
    predicted = factorise(train, **kwargs)[entries.row, entries.col]
    return tuple(
        np.sqrt(np.mean((guess - entries.data) ** 2)) for guess in (predicted, means[entries.col])
    )


def test_matrix_factorisation_beats_item_means(ratings):
    factorised, item_means = errors(ratings)
    assert factorised < 0.9 * item_means


def test_noise_is_what_cannot_be_learned():
    gains = []
    for noise in (0.0, 0.7, 3.0):
        factorised, item_means = errors(make_ratings(noise=noise, random_state=0))
        gains.append(1 - factorised / item_means)
    assert gains[0] > gains[1] + 0.05
    assert gains[1] > gains[2] + 0.05


def test_taste_decides_what_is_rated(ratings):
    # Whether an item was rated can be told from the other ratings, better than from popularity.
    train, test = split(ratings, 0)
    entries = test.tocoo()
    u, s, vt = sp.linalg.svds(train.astype(bool).astype(float), k=10, random_state=0)
    by_taste = (u * s) @ vt
    by_popularity = np.tile(np.bincount(train.indices, minlength=train.shape[1]), (len(u), 1))
    hit_ratios = []
    for score in (by_taste, by_popularity.astype(float)):
        score[train.nonzero()] = -np.inf
        threshold = np.partition(score, -50, axis=1)[:, -50]
        hit_ratios.append(np.mean(score[entries.row, entries.col] >= threshold[entries.row]))
    assert hit_ratios[0] > hit_ratios[1] + 0.02


# Size


def test_large_sparse_matrix_takes_little_memory():
    n_users, n_items, n_ratings = 20_000, 40_000, 400_000
    tracemalloc.start()
    ratings = make_ratings(
        n_users, n_items, density=n_ratings / (n_users * n_items), random_state=0
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ratings.nnz == n_ratings
    assert peak < 150e6  # all candidates at once would take 500 MB, all cells 6.4 GB
    assert np.diff(ratings.indptr).min() >= 10


def test_drawing_candidates_does_not_distort_popularity(monkeypatch):
    shares = []
    for whole_catalogue in (0.5, 0.0):  # at 0 every user looks at every item
        monkeypatch.setattr(_generated, "_WHOLE_CATALOGUE", whole_catalogue)
        ratings = make_ratings(2_000, 3_000, density=0.01, random_state=0)
        popularity = np.sort(np.bincount(ratings.indices, minlength=3_000))[::-1]
        shares.append(popularity[:300].sum() / ratings.nnz)
    assert abs(shares[0] - shares[1]) < 0.04


def test_too_few_distinct_candidates(monkeypatch):
    # One draw per rating: popular items come up twice, and somebody runs short.
    monkeypatch.setattr(_generated, "_DRAWS_PER_RATING", 1)
    monkeypatch.setattr(_generated, "_EXTRA_DRAWS", 0)
    ratings = make_ratings(200, 1_000, density=0.03, random_state=0)
    assert ratings.nnz == 6_000
    assert ratings.has_canonical_format
    assert np.diff(ratings.indptr).min() >= 10


def test_blocks_of_users_do_not_show():
    # Large enough for several blocks: every one of them follows the same popularity.
    ratings = make_ratings(4_000, 3_000, density=0.01, random_state=0)
    halves = [
        np.bincount(half.indices, minlength=3_000) for half in (ratings[:2_000], ratings[2_000:])
    ]
    assert np.corrcoef(*halves)[0, 1] > 0.95
