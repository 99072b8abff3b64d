"""The features of profiles, computed one at a time, by plain loops over dictionaries."""

import math
from statistics import correlation, fmean, pvariance

import numpy as np


def as_profiles(X):
    """Return the rows of a dense matrix as dictionaries of items and ratings."""
    return [{i: float(r) for i, r in enumerate(row) if r} for row in np.asarray(X)]


class PlainCrowd:
    """What the features need to know of a crowd of profiles."""

    def __init__(self, profiles, n_items):
        self.profiles, self.n_items = profiles, n_items
        everything = [r for p in profiles for r in p.values()]
        self.levels = sorted(set(everything))
        self.n_ratings = len(everything)
        self.counts, self.means, self.shrunk, self.spreads = {}, {}, {}, {}
        overall, variance = fmean(everything), pvariance(everything)
        for i in range(n_items):
            ratings = [p[i] for p in profiles if i in p]
            n = len(ratings)
            self.counts[i] = n
            self.means[i] = fmean(ratings) if ratings else overall
            self.shrunk[i] = (sum(ratings) + 3 * overall) / (n + 3)
            squares = sum((r - self.means[i]) ** 2 for r in ratings)
            self.spreads[i] = math.sqrt((squares + 3 * variance) / (n + 3))
        normal = np.zeros((len(profiles), n_items))
        for u, p in enumerate(profiles):
            for i in p:
                normal[u, i] = 1 / math.sqrt(len(p) * self.counts[i])
        n_directions = min(16, min(normal.shape) - 1)
        self.directions = np.linalg.svd(normal)[2][:n_directions]

    def raters(self, i):
        return max(self.counts[i], 1)


def describe_plainly(p, crowd, n_neighbors=25):
    """Return all features of one profile, a dictionary of items and ratings."""
    if not p:
        return None  # all are zero
    levels = [min(crowd.levels, key=lambda level, r=r: (abs(level - r), level)) for r in p.values()]
    found = {}
    of_ratings(found, p, levels, crowd)
    of_deviations(found, p, crowd)
    of_targets(found, "push", max, p, levels, crowd)
    of_targets(found, "nuke", min, p, levels, crowd)
    of_popularity(found, p, crowd)
    of_directions(found, p, crowd)
    of_neighbors(found, p, crowd, n_neighbors)
    return found


def of_ratings(found, p, levels, crowd):
    n, ratings = len(p), list(p.values())
    lengths = [len(q) for q in crowd.profiles]
    shares = {level: levels.count(level) / n for level in crowd.levels}
    mean = fmean(ratings)
    nearest = min(crowd.levels, key=lambda level: (abs(level - mean), level))
    scatter = sum((m - fmean(lengths)) ** 2 for m in lengths)
    found["log_length"] = math.log(n)
    found["length_variance"] = abs(n - fmean(lengths)) / scatter if scatter else 0
    found["mean_rating"] = mean
    found["rating_variance"] = pvariance(ratings)
    found["entropy"] = sum(-s * math.log2(s) for s in shares.values() if s)
    found["share_highest"] = shares[crowd.levels[-1]]
    found["share_second_highest"] = shares[crowd.levels[-2:][0]]
    found["share_second_lowest"] = shares[crowd.levels[:2][-1]]
    found["share_lowest"] = shares[crowd.levels[0]]
    found["share_average"] = shares[nearest]


def of_deviations(found, p, crowd):
    distance = {i: abs(r - crowd.means[i]) for i, r in p.items()}
    found["rdma"] = fmean(distance[i] / crowd.raters(i) for i in p)
    found["wda"] = sum(distance[i] / crowd.raters(i) for i in p)
    found["wdma"] = fmean(distance[i] / crowd.raters(i) ** 2 for i in p)
    found["mean_deviation"] = fmean(r - crowd.shrunk[i] for i, r in p.items())
    found["mean_absolute_deviation"] = fmean(abs(r - crowd.shrunk[i]) for i, r in p.items())
    z = [(r - crowd.shrunk[i]) / (crowd.spreads[i] or 1) for i, r in p.items()]
    found["highest_z"], found["lowest_z"] = max(z), min(z)


def of_targets(found, goal, extreme, p, levels, crowd):
    def targets(q):
        return {i for i in q if q[i] == extreme(q.values())}

    at_extreme = {i for i, level in zip(p, levels, strict=True) if level == extreme(levels)}
    fillers = [i for i in p if i not in at_extreme]
    found[f"fmtd_{goal}"] = found[f"fmv_{goal}"] = found[f"fmd_{goal}"] = 0
    found[f"fac_{goal}"] = 0
    if fillers:
        gap = fmean(p[i] for i in at_extreme) - fmean(p[i] for i in fillers)
        found[f"fmtd_{goal}"] = abs(gap)
        found[f"fmv_{goal}"] = fmean((p[i] - crowd.means[i]) ** 2 for i in fillers)
        found[f"fmd_{goal}"] = fmean(abs(p[i] - crowd.means[i]) for i in fillers)
        mine, means = [p[i] for i in fillers], [crowd.means[i] for i in fillers]
        if np.ptp(mine) > 1e-6 and np.ptp(means) > 1e-6:
            found[f"fac_{goal}"] = correlation(mine, means)
    all_targets = [targets(q) for q in crowd.profiles if q]
    total = sum(len(t) for t in all_targets)
    frequency = {i: sum(i in t for t in all_targets) / total for i in at_extreme}
    found[f"tmf_{goal}"] = max(frequency.values())


def of_popularity(found, p, crowd):
    counts = [crowd.raters(i) for i in p]
    found["mud"], found["rud"] = fmean(counts), max(counts) - min(counts)
    found["qud"] = np.quantile(counts, 0.25)
    found["popularity_q10"] = np.quantile(counts, 0.1)
    found["popularity_median"] = np.quantile(counts, 0.5)
    found["popularity_q90"] = np.quantile(counts, 0.9)
    found["log_popularity_mean"] = fmean(math.log(c) for c in counts)
    found["log_popularity_std"] = math.sqrt(pvariance([math.log(c) for c in counts]))
    found["mean_inverse_popularity"] = fmean(1 / c for c in counts)


def of_directions(found, p, crowd):
    row = np.zeros(crowd.n_items)
    for i in p:
        row[i] = 1 / math.sqrt(len(p) * crowd.raters(i))
    along = (crowd.directions @ row) ** 2 / (row**2).sum()
    found["energy_first"], found["energy_next"] = along[0], along[1:].sum()


def of_neighbors(found, p, crowd, n_neighbors):
    others = list(crowd.profiles)
    if p in others:
        others.remove(p)  # one of them, if there are several
    similar, discounted, overlap = [], [], []
    for q in others:
        common = [i for i in p if i in q]
        mine, theirs = [p[i] for i in common], [q[i] for i in common]
        varies = len(common) > 1 and np.ptp(mine) > 1e-6 and np.ptp(theirs) > 1e-6
        w = correlation(mine, theirs) if varies else 0
        similar.append(w)
        discounted.append(w * min(1, len(common) / 50))
        overlap.append(len(common) / len(p.keys() | q.keys()))
    for values in (similar, discounted, overlap):
        values.sort(reverse=True)
    found["degsim"] = fmean(similar[:n_neighbors])
    found["degsim_discounted"] = fmean(discounted[:n_neighbors])
    for k in (1, 5, 20):
        found[f"overlap_{k}"] = fmean(overlap[:k])
    for k in (30, 60):
        near, far = fmean(overlap[:5]), overlap[:k][-1]
        found[f"overlap_drop_{k}"] = 1 - far / near if near else 0
