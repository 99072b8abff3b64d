"""Synthetic ratings that behave like real ones."""

from collections.abc import Iterator, Sequence
from numbers import Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state

from skrecsec.datasets._base import check_count
from skrecsec.utils._registry import register
from skrecsec.utils._signatures import describe
from skrecsec.utils._sparse import index_dtype

# What MovieLens looks like, and what the generator imitates.
_MIN_RATINGS_PER_USER = 10  # where the density leaves room for it
_ACTIVITY_SPREAD = 0.9  # standard deviation of the log of a user's number of ratings
_POPULARITY_EXPONENT = 1.25  # of the power law: the top fifth of the items gets two thirds
_POPULARITY_HEAD = 0.01  # share of the items over which the head of the law is flattened
_LEVEL_SHARES = (0.061, 0.114, 0.272, 0.342, 0.211)  # of the ratings 1 to 5

# What a rating is made of, in units of the standard deviation of the taste.
_QUALITY_WEIGHT = 0.5
_LENIENCY_WEIGHT = 0.5
_POPULARITY_QUALITY_CORRELATION = 0.8
# How strongly taste decides, beside popularity, what a user rates at all.
_SELECTION_STRENGTH = 1.5

# A user with k ratings chooses them among 6 k + 64 draws from the popularity distribution. Once
# that is half the catalogue, looking at all of it is no dearer.
_DRAWS_PER_RATING = 6
_EXTRA_DRAWS = 64
_WHOLE_CATALOGUE = 0.5
_BLOCK_BYTES = 2**25


@register("dataset", "generated", title="Generated", seeded=True)
@describe
def make_ratings(
    n_users: int = 1000,
    n_items: int = 1200,
    *,
    density: float = 0.065,
    n_factors: int = 5,
    levels: Sequence[float] = (1, 2, 3, 4, 5),
    noise: float = 0.7,
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
) -> sp.csr_array:
    """Generate a user by item matrix of ratings with the traits of real ones.

    A few items are rated by most users and most items by few; a few users rate a great deal;
    people rate what is popular and what they like, and like it accordingly. The defaults give
    a matrix as dense and as skewed as MovieLens-100K, three quarters of its size, on which
    matrix factorisation learns, poisoning attacks succeed and defenses can be told apart.

    Parameters
    ----------
    n_users : int, default=1000
        Number of users, the rows.

    n_items : int, default=1200
        Number of items, the columns. Some may remain without any rating.

    density : float, default=0.065
        Fraction of the cells that hold a rating, in (0, 1]. The matrix has exactly
        ``round(density * n_users * n_items)`` ratings, and at least one.

    n_factors : int, default=5
        Dimension of the latent taste.

    levels : array-like of float, default=(1, 2, 3, 4, 5)
        The rating levels: positive, finite and increasing.

    noise : float, default=0.7
        Standard deviation of what neither taste nor bias explains in a rating, relative to the
        standard deviation of the taste. At 0 ratings differ from a low-rank matrix by the
        rounding to levels alone.

    random_state : int, RandomState instance, Generator or None, default=None
        Determines the ratings. Pass an int for reproducible output across multiple function
        calls. With None they differ from call to call, and the global state of numpy is neither
        read nor changed.

    Returns
    -------
    ratings : scipy.sparse.csr_array of shape (n_users, n_items)
        The ratings, float64, with sorted indices and no duplicates. Every user has at least
        ``min(10, n_ratings // n_users)`` ratings.

    Raises
    ------
    ValueError
        If a parameter is out of its range; the message names it.

    See Also
    --------
    fetch_movielens_100k : The real ratings that served as the model.

    Notes
    -----
    The number of ratings of a user is log-normal, with a minimum and a maximum [1]_; the
    popularity of the items is a power law with a flattened head. Users and items have normal
    factors, and taste is their scaled inner product. What a user rates is drawn without
    replacement with probabilities proportional to ``popularity * exp(c * taste)``. The rating is
    the sum of taste, item quality (correlated with popularity), user leniency and noise, cut
    at the quantiles that give the levels the shares they have in MovieLens [1]_ (6, 11, 27, 34
    and 21 % of the ratings are 1 to 5; other numbers of levels follow the same cumulative curve).

    Drawing without replacement is a race: each candidate arrives after an exponential waiting
    time with its weight as the rate, and the first ones are taken [2]_. Candidates are drawn from
    the popularity distribution; the weights are divided by the probability of becoming a
    candidate, so that the result hardly depends on how many there are. Each rating costs about
    six candidates and each user 64 more, a candidate O(n_factors + log(n_items)) operations.
    Memory is O(n_ratings + (n_users + n_items) x n_factors) plus one block of users, about 32 MB:
    no dense matrix of users by items is formed.

    References
    ----------
    %(harper_konstan)s

    .. [2] P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling with a reservoir",
       Information Processing Letters 97(5), 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.datasets import make_ratings
    >>> ratings = make_ratings(n_users=100, n_items=80, density=0.25, random_state=0)
    >>> ratings.shape, ratings.nnz
    ((100, 80), 2000)
    >>> np.unique(ratings.data)
    array([1., 2., 3., 4., 5.])
    """
    n_users = check_count("n_users", n_users)
    n_items = check_count("n_items", n_items)
    n_factors = check_count("n_factors", n_factors)
    _check_density(density)
    _check_noise(noise)
    levels = _check_levels(levels)
    rng = _as_generator(random_state)

    n_ratings = max(1, round(density * n_users * n_items))
    counts = _ratings_per_user(n_users, n_items, n_ratings, rng)
    popularity = rng.permutation(_popularity_curve(n_items))
    user_factors = rng.standard_normal((n_users, n_factors)) / np.sqrt(n_factors)
    item_factors = rng.standard_normal((n_items, n_factors))

    blocks = list(_choose_items(counts, popularity, user_factors, item_factors, rng))
    indices, score = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    score += _QUALITY_WEIGHT * _item_quality(popularity, rng)[indices]
    score += _LENIENCY_WEIGHT * np.repeat(rng.standard_normal(n_users), counts)
    score += noise * rng.standard_normal(n_ratings)

    dtype = index_dtype(n_ratings, n_items)
    indices = indices.astype(dtype)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(dtype)
    return sp.csr_array((_to_levels(score, levels), indices, indptr), shape=(n_users, n_items))


def _check_density(density) -> None:
    if not isinstance(density, Real) or isinstance(density, bool) or not 0 < float(density) <= 1:
        raise ValueError(f"density must be a number in (0, 1], got {density!r}.")


def _check_noise(noise) -> None:
    if not isinstance(noise, Real) or isinstance(noise, bool) or not 0 <= float(noise) < np.inf:
        raise ValueError(f"noise must be a finite number of at least 0, got {noise!r}.")


def _check_levels(levels) -> np.ndarray:
    try:
        array = np.asarray(levels, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    well_formed = array.ndim == 1 and array.size > 0 and np.isfinite(array).all()
    if not well_formed or array[0] <= 0 or (np.diff(array) <= 0).any():
        raise ValueError(
            f"levels must be positive, finite and strictly increasing numbers, got {levels!r}."
        )
    return array


def _as_generator(random_state) -> np.random.Generator:
    """Return a Generator, leaving numpy's global state alone even for None."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None or random_state is np.random:
        return np.random.default_rng()
    try:
        legacy = check_random_state(random_state)
    except ValueError as error:
        raise ValueError(f"random_state cannot be used: {error}") from error
    return np.random.default_rng(legacy.randint(2**32, size=4, dtype=np.uint32))


def _ratings_per_user(
    n_users: int, n_items: int, n_ratings: int, rng: np.random.Generator
) -> np.ndarray:
    """Share `n_ratings` out in proportion to a log-normal activity, within limits."""
    fewest = min(_MIN_RATINGS_PER_USER, n_ratings // n_users)
    # Nobody rates most of the catalogue, unless the density leaves no choice.
    most = min(n_items, max(n_items // 2, -(-2 * n_ratings // n_users)))
    activity = np.exp(_ACTIVITY_SPREAD * rng.standard_normal(n_users))

    # The total grows with the scale: bisect for the largest scale that does not exceed it.
    low, high = 0.0, most / activity.min()
    for _ in range(100):
        scale = (low + high) / 2
        if np.clip(scale * activity, fewest, most).sum() <= n_ratings:
            low = scale
        else:
            high = scale
    wanted = np.clip(low * activity, fewest, most)
    counts = wanted.astype(np.int64)

    # Rounding down left fewer ratings than users over: one more for the largest remainders.
    below = np.flatnonzero(counts < most)
    by_remainder = below[np.argsort(counts[below] - wanted[below], kind="stable")]
    counts[by_remainder[: n_ratings - counts.sum()]] += 1
    return counts


def _popularity_curve(n_items: int) -> np.ndarray:
    """Return the share of each item in a power law, most popular first."""
    head = _POPULARITY_HEAD * n_items
    rank = (np.arange(n_items) + 0.5 + head) / (n_items + 2 * head)
    # -log(1 - rank) is the rank itself in the head; it thins out the tail, as in real catalogues.
    popularity = (-np.log1p(-rank)) ** -_POPULARITY_EXPONENT
    return popularity / popularity.sum()


def _item_quality(popularity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a standardised quality; good items tend to be popular ones."""
    fame = np.log(popularity)
    fame = (fame - fame.mean()) / max(fame.std(), np.finfo(float).tiny)
    rho = _POPULARITY_QUALITY_CORRELATION
    return rho * fame + np.sqrt(1 - rho**2) * rng.standard_normal(len(popularity))


def _to_levels(score: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Cut scores at the quantiles that give the levels the shares of real ratings."""
    curve = np.cumsum((0.0, *_LEVEL_SHARES))
    position = np.arange(1, len(levels)) / len(levels)
    shares = np.interp(position, np.linspace(0, 1, len(curve)), curve)
    return levels[np.searchsorted(np.quantile(score, shares), score)]


def _choose_items(
    counts: np.ndarray,
    popularity: np.ndarray,
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, per block of users, the items they rate (ascending per user) and their taste."""
    n_items, n_factors = item_factors.shape
    n_draws = _DRAWS_PER_RATING * counts + _EXTRA_DRAWS
    n_draws[n_draws > _WHOLE_CATALOGUE * n_items] = n_items
    cumulative = np.cumsum(popularity)
    cumulative /= cumulative[-1]
    # A candidate costs two gathered rows of factors and about eight numbers.
    pairs_per_block = _BLOCK_BYTES // (8 * (2 * n_factors + 8))
    for block in _user_blocks(n_draws, pairs_per_block):
        n_chosen = counts[block]
        users, items, chance = _draw_candidates(n_chosen, n_draws[block], cumulative, rng)
        taste = np.einsum("ij,ij->i", user_factors[block][users], item_factors[items])
        rate = n_items * popularity[items] / chance * np.exp(_SELECTION_STRENGTH * taste)
        arrival = rng.standard_exponential(len(users)) / rate
        first = _first_per_user(users, arrival, n_chosen)
        yield items[first], taste[first]


def _user_blocks(sizes: np.ndarray, limit: int) -> Iterator[slice]:
    """Cut the users into runs of total size at most `limit`, or of a single user."""
    ends = np.cumsum(sizes)
    start, done = 0, 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(ends, done + limit, side="right")))
        yield slice(start, stop)
        start, done = stop, ends[stop - 1]


def _draw_candidates(
    n_chosen: np.ndarray, n_draws: np.ndarray, cumulative: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distinct candidates (user, item), sorted, and the chance each had to be one."""
    n_items = len(cumulative)
    whole = n_draws >= n_items
    users = np.repeat(np.arange(len(n_chosen)), np.where(whole, 0, n_draws))
    drawn = np.searchsorted(cumulative, rng.random(len(users)), side="right")
    pairs = np.sort(users * n_items + drawn)  # np.unique hashes, which is far slower here
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]

    # Who happened to draw too few distinct items chooses from the whole catalogue.
    whole = whole | (np.bincount(pairs // n_items, minlength=len(whole)) < n_chosen)
    if whole.any():
        everything = np.flatnonzero(whole)[:, np.newaxis] * n_items + np.arange(n_items)
        pairs = np.sort(np.concatenate([pairs[~whole[pairs // n_items]], everything.ravel()]))
    users, items = np.divmod(pairs, n_items)

    share = np.diff(cumulative, prepend=0.0)[items]
    with np.errstate(divide="ignore"):  # a share of 1: log(0), and a chance of 1 all the same
        chance = -np.expm1(n_draws[users] * np.log1p(-share))
    chance[whole[users]] = 1.0
    return users, items, chance


def _first_per_user(users: np.ndarray, arrival: np.ndarray, n_chosen: np.ndarray) -> np.ndarray:
    """Return the ascending positions of the `n_chosen` earliest arrivals of each user.

    `users` is sorted. The arrival times are squeezed into [0, 1/2] and added to the user's
    number, so that a single sort ranks the arrivals of all users.
    """
    order = np.argsort(users + 0.5 * arrival / (1 + arrival))
    start = np.searchsorted(users, np.arange(len(n_chosen)))
    rank = np.arange(len(users)) - start[users]
    return np.sort(order[rank < n_chosen[users]])
