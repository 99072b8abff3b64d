"""Learning to tell simulated fakes, without learning that those among the crowd are genuine."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from skrecsec.detection._copies import Originals, copied_shares
from skrecsec.detection._features import ProfileFeatures
from skrecsec.detection._suspects import ranks_of
from skrecsec.utils._random import random_states

_N_FOLDS = 3
# The oddest of those who count as genuine are left out in the second round.
_LEFT_OUT = 0.05


class Describer:
    """Describes profiles against a crowd: ranks of features, and what was copied."""

    def __init__(self, crowd):
        self.features = ProfileFeatures(scale="rank")
        self.of_crowd = self.features.fit_transform(crowd)
        self.originals = Originals.of(crowd)
        self.of_crowd = self._with_copies(self.of_crowd, crowd)

    def describe(self, X):
        """Return the features (n_profiles, n_features) of profiles (CSR)."""
        return self._with_copies(self.features.transform(X), X)

    def _with_copies(self, features, X):
        return np.column_stack([features, copied_shares(X, self.originals)]).astype(np.float32)


def describe_simulations(simulations, n_crowd: int):
    """Return features of the crowds of all simulations, stacked, and of all their fakes."""
    crowds, fakes = [], []
    for crowd, fake in simulations:
        features = Describer(sp.csr_array(sp.vstack([crowd, fake], format="csr"))).of_crowd
        crowds.append(features[:n_crowd])
        fakes.append(features[n_crowd:])
    return np.concatenate(crowds), np.concatenate(fakes)


def cross_fit(classifier, judged, crowd, fakes, who, counts, is_trusted, rng):
    """Return the fitted classifiers, and how odd each user is to one that has not seen them.

    Parameters
    ----------
    classifier : classifier
        It is cloned, and given a seed if it has none.

    judged : ndarray of shape (n_users, n_features)
        Features of those who are judged.

    crowd : ndarray of shape (n_genuine, n_features)
        Features of those who count as genuine, and maybe of others.

    fakes : ndarray of shape (n_fakes, n_features)
        Features of simulated fakes.

    who : ndarray of int of shape (n_genuine,)
        Which of those judged a row of `crowd` is, -1 if none.

    counts : ndarray of bool of shape (n_genuine,)
        Whether a row of `crowd` counts as genuine.

    is_trusted : ndarray of bool of shape (n_users,)
        Who is known to be genuine, however odd.

    rng : Generator
        Draws the folds, and seeds.
    """
    n_users = judged.shape[0]
    fold = rng.permutation(n_users) % _N_FOLDS
    classifier = _seeded(classifier, rng)
    left_out = np.zeros(n_users, dtype=bool)
    for _ in range(2):
        used = counts & ((who < 0) | ~left_out[who])
        fitted, oddness = [], np.empty(n_users)
        for number in range(_N_FOLDS):
            kept = used & ((who < 0) | (fold[who] != number))
            X = np.concatenate([crowd[kept], fakes])
            y = np.arange(X.shape[0]) >= kept.sum()
            fitted.append(clone(classifier).fit(X, y))
            members = fold == number
            oddness[members] = _probabilities(fitted[-1], judged[members])
        left_out = (ranks_of(oddness) <= _LEFT_OUT * n_users) & ~is_trusted
    return fitted, oddness


def mean_probabilities(classifiers, features):
    """Return the mean probability of being fake by several classifiers."""
    return np.mean([_probabilities(each, features) for each in classifiers], axis=0)


def _probabilities(classifier, features):
    if features.shape[0] == 0:
        return np.empty(0)
    return classifier.predict_proba(features)[:, 1]


def _seeded(classifier, rng):
    """Return a clone, its random states that are None replaced by ints."""
    classifier = clone(classifier)
    seeds = {
        name: int(rng.integers(np.iinfo(np.int32).max))
        for name, value in random_states(classifier).items()
        if value is None
    }
    return classifier.set_params(**seeds)
