"""The compiled epochs of stochastic gradient descent: ratings, tiles, and the attack loss.

Factors are float32 arrays with a leading model axis, (n_models, n_rows, n_factors).
"""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit, inlined_jit

# Inside a tile, cells are updated in groups of 3 users x 3 items: that is what fits in registers,
# and at one sample per cell it is twice as fast as one cell at a time. The side of a tile is a
# multiple of it.
GROUP = 3
TILE = 48


@fast_jit
def _logistic(score):
    return np.float32(1) / (np.float32(1) + np.exp(-score))


@fast_jit
def _step_size(target, score, learning_rate, sigmoid):
    """Return half the negative gradient of the squared error in the score; 0 without a target."""
    if target <= 0:
        return np.float32(0)
    if sigmoid:
        output = _logistic(score)
        return learning_rate * (target - output) * output * (np.float32(1) - output)
    return learning_rate * (target - score)


@fast_jit
def sgd_pairs(user_factors, item_factors, users, items, ratings, learning_rate, reg, sigmoid):
    """Visit ratings in the given order; after each one update the factors of its user and item.

    Ratings are predicted by p . q or, if `sigmoid`, by its logistic function.
    """
    n_models, _, n_factors = user_factors.shape
    decay = learning_rate * reg
    for j in range(n_models):
        P = user_factors[j]
        Q = item_factors[j]
        for t in range(ratings.size):
            u = np.int64(users[t])
            i = np.int64(items[t])
            score = np.float32(0)
            for k in range(n_factors):
                score += P[u, k] * Q[i, k]
            step = _step_size(ratings[t], score, learning_rate, sigmoid)
            for k in range(n_factors):
                p = P[u, k]
                q = Q[i, k]
                P[u, k] = p + step * q - decay * p
                Q[i, k] = q + step * p - decay * q


@fast_jit
def squared_error(user_factors, item_factors, users, items, ratings):
    """Return the mean squared error of one model, (n_rows, n_factors) factors, on ratings."""
    total = 0.0
    for t in range(ratings.size):
        score = np.float32(0)
        for k in range(user_factors.shape[1]):
            score += user_factors[users[t], k] * item_factors[items[t], k]
        total += (ratings[t] - score) ** 2
    return total / ratings.size


@fast_jit
def sgd_tiles(
    user_factors,
    item_factors,
    model,
    user_order,
    item_order,
    item_position,
    tiles,
    indptr,
    indices,
    data,
    rest_users,
    rest_items,
    rest_ratings,
    levels,
    midpoints,
    learning_rate,
    reg,
    sigmoid,
):
    """Train one model for one cooperative epoch and return how many pseudo-labels it used.

    A tile is a block of users times a block of items. Its observed ratings are targets; so are, on
    its other cells, the levels on which the two other models agree. Ratings outside the chosen
    tiles (`rest_*`) are visited in between, spread evenly.
    """
    n_item_blocks = (item_order.size + TILE - 1) // TILE
    n_factors = user_factors.shape[2]
    P = np.empty((TILE, n_factors), np.float32)
    Q = np.empty((TILE, n_factors), np.float32)
    votes = np.empty((2, TILE, TILE), np.float32)
    target = np.empty((TILE, TILE), np.float32)
    n_pseudo_labels = 0
    n_tiles = tiles.size
    n_rest = rest_ratings.size
    for t in range(n_tiles):
        first_user = tiles[t] // n_item_blocks * TILE
        first_item = tiles[t] % n_item_blocks * TILE
        users = user_order[first_user : first_user + TILE]
        items = item_order[first_item : first_item + TILE]
        read_tile_ratings(users, first_item, item_position, indptr, indices, data, target)
        n_pseudo_labels += add_pseudo_labels(
            user_factors, item_factors, model, users, items, levels, midpoints, P, Q, votes, target
        )
        _load(user_factors, model, users, P)
        _load(item_factors, model, items, Q)
        _tile_updates(P, Q, target, learning_rate, reg, sigmoid)
        _store(user_factors, model, users, P)
        _store(item_factors, model, items, Q)
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
        _tile_scores(P, Q, votes[v])
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


@fast_jit
def _store(factors, model, rows, block):
    destination = factors[model]
    for x in range(rows.size):
        row = np.int64(rows[x])
        for k in range(destination.shape[1]):
            destination[row, k] = block[x, k]


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
def _tile_scores(P, Q, scores):
    """Write P Q^T."""
    side = P.shape[0]
    for x in range(0, side, GROUP):
        for y in range(0, side, GROUP):
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
def _tile_updates(P, Q, target, learning_rate, reg, sigmoid):
    """Walk the tile along its diagonals in groups of 3 x 3 cells with a target.

    Within a group the nine updates see the same factors (a mini-batch of nine, summed); groups
    follow one another. Cells without a target (0) do nothing.
    """
    n_factors = P.shape[1]
    # The side comes from the array: given a constant, LLVM unrolls first and cannot vectorise.
    side = target.shape[0]
    decay = learning_rate * reg
    for z in range(0, side, GROUP):
        for x in range(0, side, GROUP):
            y = x + z
            if y >= side:
                y -= side
            s00, s01, s02, s10, s11, s12, s20, s21, s22 = _group_scores(P, Q, x, y)
            s00 = _step_size(target[x, y], s00, learning_rate, sigmoid)
            s01 = _step_size(target[x, y + 1], s01, learning_rate, sigmoid)
            s02 = _step_size(target[x, y + 2], s02, learning_rate, sigmoid)
            s10 = _step_size(target[x + 1, y], s10, learning_rate, sigmoid)
            s11 = _step_size(target[x + 1, y + 1], s11, learning_rate, sigmoid)
            s12 = _step_size(target[x + 1, y + 2], s12, learning_rate, sigmoid)
            s20 = _step_size(target[x + 2, y], s20, learning_rate, sigmoid)
            s21 = _step_size(target[x + 2, y + 1], s21, learning_rate, sigmoid)
            s22 = _step_size(target[x + 2, y + 2], s22, learning_rate, sigmoid)
            for k in range(n_factors):
                p0 = P[x, k]
                p1 = P[x + 1, k]
                p2 = P[x + 2, k]
                q0 = Q[y, k]
                q1 = Q[y + 1, k]
                q2 = Q[y + 2, k]
                P[x, k] = p0 + s00 * q0 + s01 * q1 + s02 * q2 - decay * p0
                P[x + 1, k] = p1 + s10 * q0 + s11 * q1 + s12 * q2 - decay * p1
                P[x + 2, k] = p2 + s20 * q0 + s21 * q1 + s22 * q2 - decay * p2
                Q[y, k] = q0 + s00 * p0 + s10 * p1 + s20 * p2 - decay * q0
                Q[y + 1, k] = q1 + s01 * p0 + s11 * p1 + s21 * p2 - decay * q1
                Q[y + 2, k] = q2 + s02 * p0 + s12 * p1 + s22 * p2 - decay * q2


@fast_jit
def sgd_attack(
    user_factors, item_factors, users, last_items, target_items, masked, goal, learning_rate, margin
):
    """Descend the attack loss user by user; return how many (user, target) pairs took a step.

    The loss of a user and a target is max(log h(last) - log h(target), -margin), with h the
    logistic function of p . q and `last` the last item of the user's list; for `goal` -1 instead of
    1 (nuke), its two items change places. `user_factors` and `item_factors` are one model's,
    `last_items` (n_users,) and `masked` (n_users, n_targets) go with `users`.
    """
    n_factors = user_factors.shape[1]
    n_steps = 0
    for x in range(users.size):
        u = np.int64(users[x])
        i = np.int64(last_items[x])
        for y in range(target_items.size):
            t = np.int64(target_items[y])
            if masked[x, y] or t == i:
                continue
            last_score = np.float32(0)
            target_score = np.float32(0)
            for k in range(n_factors):
                last_score += user_factors[u, k] * item_factors[i, k]
                target_score += user_factors[u, k] * item_factors[t, k]
            last = _logistic(last_score)
            target = _logistic(target_score)
            if goal * (np.log(last) - np.log(target)) <= -margin:
                continue
            n_steps += 1
            # d log h / d score = 1 - h
            pull = goal * learning_rate * (np.float32(1) - target)
            push = goal * learning_rate * (np.float32(1) - last)
            for k in range(n_factors):
                p = user_factors[u, k]
                q_last = item_factors[i, k]
                q_target = item_factors[t, k]
                user_factors[u, k] = p + pull * q_target - push * q_last
                item_factors[t, k] = q_target + pull * p
                item_factors[i, k] = q_last - push * p
    return n_steps
