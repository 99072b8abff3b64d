"""The plan of an epoch: which ratings and which tiles it visits, and in which order.

Plans are drawn here, each before anything of it is trained, from the random state; solvers carry
them out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrecsec.training._data import RatingData, Triplets
from skrecsec.utils._compiling import fast_jit


@fast_jit
def random_order(words):
    """Return a random order of `words.size` elements from as many random uint32.

    Fisher-Yates; a word is scaled to a position by multiplication, which favours none by more than
    2^-32. Three times as fast as `Generator.permutation`.
    """
    order = np.arange(words.size, dtype=np.int32)
    for x in range(words.size - 1, 0, -1):
        y = (np.uint64(words[x]) * np.uint64(x + 1)) >> np.uint64(32)
        order[x], order[y] = order[y], order[x]
    return order


def plan_pairs(data: RatingData, rng: np.random.Generator, fraction: float = 1.0) -> Triplets:
    """Draw the random order of a pass over the ratings, or over a random `fraction` of them."""
    n_ratings = data.train.ratings.size
    return data.train.take(draw_order(n_ratings, rng)[: round(fraction * n_ratings)])


def draw_order(n_ratings: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the random order of a pass over so many ratings."""
    return random_order(rng.integers(2**32, size=n_ratings, dtype=np.uint32))


@dataclass(frozen=True)
class TilePlan:
    """A cooperative epoch of one model: random tiles, and the ratings that lie outside them.

    Users and items are put in random order and cut into blocks of `side`; a tile is a block of
    users times a block of items, numbered `user_block * n_item_blocks + item_block`.
    """

    side: int
    user_order: np.ndarray
    item_order: np.ndarray
    user_position: np.ndarray  # where a user stands in `user_order`
    item_position: np.ndarray  # and an item in `item_order`
    tiles: np.ndarray  # in the order in which they are visited
    rest: Triplets  # visited in between

    def blocks(self, tile: int) -> tuple[slice, slice]:
        """Return where a tile's users and items stand in `user_order` and `item_order`."""
        user_block, item_block = divmod(int(tile), -(-self.item_order.size // self.side))

        def place(block, order):
            return slice(block * self.side, min((block + 1) * self.side, order.size))

        return place(user_block, self.user_order), place(item_block, self.item_order)


def plan_tiles(data: RatingData, ratio: float, side: int, rng: np.random.Generator) -> TilePlan:
    """Draw the tiles of a cooperative epoch: a random fraction `ratio` of all of them.

    Memory and time are O(n_users + n_items + n_ratings + number of chosen tiles).
    """
    user_order = rng.permutation(data.n_users).astype(np.int32)
    item_order = rng.permutation(data.n_items).astype(np.int32)
    user_position, item_position = map(_inverse_permutation, (user_order, item_order))
    n_item_blocks = -(-data.n_items // side)
    n_tiles = -(-data.n_users // side) * n_item_blocks
    n_chosen = max(1, round(ratio * n_tiles))
    if n_chosen == n_tiles:
        tiles = rng.permutation(n_tiles)
        rest = data.train.take(np.empty(0, dtype=np.int64))
    else:
        tiles = rng.choice(n_tiles, n_chosen, replace=False)
        user_block = user_position[data.train.users] // side
        tile_of_rating = user_block.astype(np.int64) * n_item_blocks
        tile_of_rating += item_position[data.train.items] // side
        outside = np.flatnonzero(~_is_in(tile_of_rating, tiles))
        rest = data.train.take(rng.permutation(outside))
    return TilePlan(side, user_order, item_order, user_position, item_position, tiles, rest)


def _inverse_permutation(order):
    position = np.empty_like(order)
    position[order] = np.arange(order.size, dtype=order.dtype)
    return position


def _is_in(values, chosen):
    """Return which values are among the chosen ones, in memory bounded by both."""
    chosen = np.sort(chosen)
    slot = np.minimum(np.searchsorted(chosen, values), chosen.size - 1)
    return chosen[slot] == values
