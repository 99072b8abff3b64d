"""The compiled cooperative epoch: tiles of users x items, voted on and trained on in tile order.

Factors are float32 arrays with a leading model axis, (n_models, n_rows, n_factors).
"""

from __future__ import annotations

import numpy as np

from skrecsec.training._kernels import LINE, sgd_pairs, step_size
from skrecsec.utils._compiling import fast_jit, inlined_jit, jit, prefetch
from skrecsec.utils._memory import aligned_empty

# Inside a tile, cells are updated in groups of 3 users x 3 items: that is what fits in registers,
# and at one sample per cell it is twice as fast as one cell at a time. The side of a tile is a
# multiple of it.
GROUP = 3
TILE = 48


@fast_jit
def sgd_tiles(
    user_factors,
    item_factors,
    model,
    n_users,
    n_items,
    tiles,
    starts,
    slots,
    positions,
    values,
    rest_users,
    rest_items,
    rest_ratings,
    levels,
    midpoints,
    learning_rate,
    reg,
    sigmoid,
):
    """Train one model on tiles, in the given order; return how many pseudo-labels it used.

    A tile is a block of users times a block of items, which follow one another in the factors (see
    `in_tile_order`). Its observed ratings, sorted by `sort_by_tile`, are targets; so are, on its
    other cells, the levels on which the two other models agree. Ratings outside the chosen tiles
    (`rest_*`) are visited in between, spread evenly.
    """
    n_item_blocks = (n_items + TILE - 1) // TILE
    votes = np.empty((2, TILE, TILE), np.float32)
    target = np.empty((TILE, TILE), np.float32)
    n_pseudo_labels = 0
    n_tiles = tiles.size
    n_rest = rest_ratings.size
    for t in range(n_tiles):
        user_block = tiles[t] // n_item_blocks
        u = user_block * TILE
        i = tiles[t] % n_item_blocks * TILE
        # Tiles come at random, and the next one's factors while there is work on this one.
        next_tile = tiles[min(t + 1, n_tiles - 1)]
        next_u = next_tile // n_item_blocks * TILE
        next_i = next_tile % n_item_blocks * TILE
        start, stop = starts[user_block], starts[user_block + 1]
        _read_sorted_ratings(slots, positions, values, start, stop, i, target)
        for v in range(2):
            other = (model + 1 + v) % 3
            P = user_factors[other, u : u + TILE]
            Q = item_factors[other, i : i + TILE]
            P_next = user_factors[other, next_u : next_u + TILE]
            Q_next = item_factors[other, next_i : next_i + TILE]
            _tile_scores(P, Q, votes[v], P_next, Q_next)
        n_pseudo_labels += _fill_agreed(
            votes, min(TILE, n_users - u), min(TILE, n_items - i), levels, midpoints, target
        )
        P = user_factors[model, u : u + TILE]
        Q = item_factors[model, i : i + TILE]
        P_next = user_factors[model, next_u : next_u + TILE]
        Q_next = item_factors[model, next_i : next_i + TILE]
        _tile_updates(P, Q, target, learning_rate, reg, sigmoid, P_next, Q_next)
        # Zero times a factor that has overflowed is not zero.
        P[max(0, n_users - u) :] = 0
        Q[max(0, n_items - i) :] = 0
        if n_rest > 0:
            start = t * n_rest // n_tiles
            stop = (t + 1) * n_rest // n_tiles
            sgd_pairs(
                user_factors[model : model + 1],
                item_factors[model : model + 1],
                rest_users[start:stop],
                rest_items[start:stop],
                rest_ratings[start:stop],
                learning_rate,
                reg,
                sigmoid,
            )
    return n_pseudo_labels


def in_tile_order(factors, order):
    """Return the factors with rows in the given order, and rows of zeros up to full tiles.

    They begin where memory is fetched from, so that rows are not spread over more than they need.
    """
    n_models, _, n_factors = factors.shape
    n_rows = (order.size + TILE - 1) // TILE * TILE
    result = aligned_empty((n_models, n_rows, n_factors))
    _order_rows(factors, order, result)
    return result


@jit
def _order_rows(factors, order, result):
    n_models, _, n_factors = factors.shape
    for j in range(n_models):
        for x in range(order.size):
            row = np.int64(order[x])
            for k in range(n_factors):
                result[j, x, k] = factors[j, row, k]
        result[j, order.size :] = 0


@jit
def sort_by_tile(user_order, item_position, indptr, indices, data):
    """Sort the ratings of a CSR matrix by user block and, within, by item block.

    Returns where each user block starts, (n_blocks + 1,), and for each rating its user's place in
    the block, its item's position, and its value. O(n_ratings + number of tiles).
    """
    n_item_blocks = (item_position.size + TILE - 1) // TILE
    n_user_blocks = (user_order.size + TILE - 1) // TILE
    starts = np.zeros(n_user_blocks + 1, np.int64)
    slots = np.empty(data.size, np.uint8)
    positions = np.empty(data.size, np.int32)
    values = np.empty(data.size, np.float32)
    place = np.empty(n_item_blocks + 1, np.int64)
    for block in range(n_user_blocks):
        users = user_order[block * TILE : (block + 1) * TILE]
        place[:] = 0
        for x in range(users.size):
            for e in range(indptr[users[x]], indptr[users[x] + 1]):
                place[item_position[indices[e]] // TILE + 1] += 1
        place[0] = starts[block]
        for y in range(n_item_blocks):
            place[y + 1] += place[y]
        starts[block + 1] = place[n_item_blocks]
        for x in range(users.size):
            for e in range(indptr[users[x]], indptr[users[x] + 1]):
                position = item_position[indices[e]]
                f = place[position // TILE]
                place[position // TILE] += 1
                slots[f] = x
                positions[f] = position
                values[f] = data[e]
    return starts, slots, positions, values


@fast_jit
def _read_sorted_ratings(slots, positions, values, start, stop, first_item, ratings):
    """Write the ratings of a tile, out of those of its user block, into `ratings`; 0 elsewhere."""
    ratings[:] = 0
    last = stop
    while start < last:  # for the first one of the item block
        middle = (start + last) // 2
        if positions[middle] < first_item:
            start = middle + 1
        else:
            last = middle
    for e in range(start, stop):
        y = positions[e] - first_item
        if y >= TILE:
            break
        ratings[slots[e], y] = values[e]


@fast_jit
def read_tile_ratings(users, first_item, item_position, indptr, indices, data, ratings):
    """Write the observed ratings of a tile into `ratings` (side, side), 0 where there is none.

    Walks the profiles of the tile's users: cheaper than sorting all ratings by tile, and the cost
    does not grow with the number of tiles.
    """
    ratings[:] = 0
    for x in range(users.size):
        for e in range(indptr[users[x]], indptr[users[x] + 1]):
            y = item_position[indices[e]] - first_item
            if 0 <= y < ratings.shape[1]:
                ratings[x, y] = data[e]


@fast_jit
def add_pseudo_labels(
    user_factors, item_factors, model, users, items, levels, midpoints, P, Q, votes, target
):
    """Fill the unobserved cells of `target` on which the two other models, once projected, agree.

    `P`, `Q` (side, n_factors) and `votes` (2, side, side) are work space; `side` is a multiple of
    `GROUP`. Returns the number of cells filled.
    """
    for v in range(2):
        other = (model + 1 + v) % 3
        _load(user_factors, other, users, P)
        _load(item_factors, other, items, Q)
        _tile_scores(P, Q, votes[v], P, Q)
    return _fill_agreed(votes, users.size, items.size, levels, midpoints, target)


@fast_jit
def _fill_agreed(votes, n_users, n_items, levels, midpoints, target):
    """Fill the empty cells of `target` whose votes agree.

    A score's level is the number of midpoints below it, so the votes agree where these counts do.
    """
    n_labels = 0
    count_difference = np.empty(target.shape[1], np.int32)
    label = np.empty(target.shape[1], np.float32)
    for x in range(n_users):
        count_difference[:] = 0
        label[:] = levels[0]
        for c in range(midpoints.size):
            midpoint = midpoints[c]
            next_level = levels[c + 1]
            for y in range(label.size):
                above = votes[0, x, y] > midpoint
                count_difference[y] += np.int32(above) - np.int32(votes[1, x, y] > midpoint)
                label[y] = next_level if above else label[y]
        for y in range(n_items):
            if count_difference[y] == 0 and target[x, y] == 0:
                target[x, y] = label[y]
                n_labels += 1
    return n_labels


@fast_jit
def _load(factors, model, rows, block):
    """Copy rows into a contiguous block; rows that a tile at the edge lacks become zero."""
    source = factors[model]
    for x in range(rows.size):
        row = np.int64(rows[x])
        for k in range(source.shape[1]):
            block[x, k] = source[row, k]
    block[rows.size :] = 0


@inlined_jit
def _group_scores(P, Q, x, y):
    """Return 3 x 3 cells of P Q^T, row by row; they stay in registers."""
    n_factors = P.shape[1]
    s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = np.float32(0)
    for k in range(n_factors):
        p0 = P[x, k]
        p1 = P[x + 1, k]
        p2 = P[x + 2, k]
        q0 = Q[y, k]
        q1 = Q[y + 1, k]
        q2 = Q[y + 2, k]
        s00 += p0 * q0
        s01 += p0 * q1
        s02 += p0 * q2
        s10 += p1 * q0
        s11 += p1 * q1
        s12 += p1 * q2
        s20 += p2 * q0
        s21 += p2 * q1
        s22 += p2 * q2
    return s00, s01, s02, s10, s11, s12, s20, s21, s22


@fast_jit
def _tile_scores(P, Q, scores, P_next, Q_next):
    """Write P Q^T, and prefetch the next two blocks."""
    side, n_factors = P.shape
    for x in range(0, side, GROUP):
        for y in range(0, side, GROUP):
            # A share for each group: spread, it costs little.
            for k in range(y * n_factors // LINE, (y + GROUP) * n_factors // LINE, LINE):
                prefetch(P_next, x * n_factors + k)
                prefetch(Q_next, x * n_factors + k)
            s00, s01, s02, s10, s11, s12, s20, s21, s22 = _group_scores(P, Q, x, y)
            scores[x, y] = s00
            scores[x, y + 1] = s01
            scores[x, y + 2] = s02
            scores[x + 1, y] = s10
            scores[x + 1, y + 1] = s11
            scores[x + 1, y + 2] = s12
            scores[x + 2, y] = s20
            scores[x + 2, y + 1] = s21
            scores[x + 2, y + 2] = s22


@fast_jit
def _tile_updates(P, Q, target, learning_rate, reg, sigmoid, P_next, Q_next):
    """Walk the tile along its diagonals in groups of 3 x 3 cells with a target.

    Within a group the nine updates see the same factors (a mini-batch of nine, summed); groups
    follow one another. Cells without a target (0) do nothing. Prefetches the next two blocks.
    """
    # The side comes from the array: given a constant, LLVM unrolls first and cannot vectorise.
    side, n_factors = target.shape[0], P.shape[1]
    n_groups = side // GROUP
    decay = learning_rate * reg
    x = y = 0
    s00, s01, s02, s10, s11, s12, s20, s21, s22 = _group_scores(P, Q, x, y)
    for z in range(0, side, GROUP):
        for g in range(n_groups):
            for k in range(z * n_factors // LINE, (z + GROUP) * n_factors // LINE, LINE):
                prefetch(P_next, x * n_factors + k)
                prefetch(Q_next, x * n_factors + k)
            # The next group shares no row with this one, so it is scored before this one's updates:
            # they need not wait for sums.
            if g + 1 < n_groups:
                next_x = x + GROUP
                next_y = next_x + z
            else:
                next_x = 0
                next_y = z + GROUP
            if next_y >= side:
                next_y -= side
            n00, n01, n02, n10, n11, n12, n20, n21, n22 = _group_scores(P, Q, next_x, next_y)
            s00 = step_size(target[x, y], s00, learning_rate, sigmoid)
            s01 = step_size(target[x, y + 1], s01, learning_rate, sigmoid)
            s02 = step_size(target[x, y + 2], s02, learning_rate, sigmoid)
            s10 = step_size(target[x + 1, y], s10, learning_rate, sigmoid)
            s11 = step_size(target[x + 1, y + 1], s11, learning_rate, sigmoid)
            s12 = step_size(target[x + 1, y + 2], s12, learning_rate, sigmoid)
            s20 = step_size(target[x + 2, y], s20, learning_rate, sigmoid)
            s21 = step_size(target[x + 2, y + 1], s21, learning_rate, sigmoid)
            s22 = step_size(target[x + 2, y + 2], s22, learning_rate, sigmoid)
            # Most fits have no penalty, and a quarter of the arithmetic is for those that have.
            if decay == 0:
                _update_group(P, Q, x, y, s00, s01, s02, s10, s11, s12, s20, s21, s22, decay, False)
            else:
                _update_group(P, Q, x, y, s00, s01, s02, s10, s11, s12, s20, s21, s22, decay, True)
            x, y = next_x, next_y
            s00, s01, s02, s10, s11 = n00, n01, n02, n10, n11
            s12, s20, s21, s22 = n12, n20, n21, n22


@inlined_jit
def _update_group(P, Q, x, y, s00, s01, s02, s10, s11, s12, s20, s21, s22, decay, decays):
    """Take the steps of 3 x 3 cells, all from the same factors."""
    for k in range(P.shape[1]):
        p0 = P[x, k]
        p1 = P[x + 1, k]
        p2 = P[x + 2, k]
        q0 = Q[y, k]
        q1 = Q[y + 1, k]
        q2 = Q[y + 2, k]
        if decays:
            P[x, k] = p0 + s00 * q0 + s01 * q1 + s02 * q2 - decay * p0
            P[x + 1, k] = p1 + s10 * q0 + s11 * q1 + s12 * q2 - decay * p1
            P[x + 2, k] = p2 + s20 * q0 + s21 * q1 + s22 * q2 - decay * p2
            Q[y, k] = q0 + s00 * p0 + s10 * p1 + s20 * p2 - decay * q0
            Q[y + 1, k] = q1 + s01 * p0 + s11 * p1 + s21 * p2 - decay * q1
            Q[y + 2, k] = q2 + s02 * p0 + s12 * p1 + s22 * p2 - decay * q2
        else:
            P[x, k] = p0 + s00 * q0 + s01 * q1 + s02 * q2
            P[x + 1, k] = p1 + s10 * q0 + s11 * q1 + s12 * q2
            P[x + 2, k] = p2 + s20 * q0 + s21 * q1 + s22 * q2
            Q[y, k] = q0 + s00 * p0 + s10 * p1 + s20 * p2
            Q[y + 1, k] = q1 + s01 * p0 + s11 * p1 + s21 * p2
            Q[y + 2, k] = q2 + s02 * p0 + s12 * p1 + s22 * p2
