"""Ratings that lie on disk, mapped into memory, read only."""

import numpy as np
import pytest
import scipy.sparse as sp

import skrecsec
from skrecsec.datasets import make_ratings
from skrecsec.detection import LockstepDetector


@pytest.fixture(scope="module")
def X():
    return make_ratings(150, 100, density=0.15, random_state=0)


@pytest.fixture(scope="module")
def mapped(X, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    parts = []
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(X, name))
        parts.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
        assert isinstance(parts[-1], np.memmap)
    ratings = sp.csr_array(tuple(parts), shape=X.shape)
    assert not ratings.data.flags.writeable
    assert np.shares_memory(ratings.data, parts[0])
    return ratings


@pytest.mark.parametrize(
    "recommender",
    [
        skrecsec.MFRecommender(max_iter=2, random_state=0),
        skrecsec.TCDRecommender(max_iter=2, random_state=0),
        skrecsec.BPRRecommender(max_iter=2, random_state=0),
        skrecsec.EASERecommender(),
        skrecsec.ExposureGate(skrecsec.ItemKNNRecommender()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_recommenders(recommender, X, mapped):
    expected = recommender.fit(X).recommend(X, 5)
    np.testing.assert_array_equal(recommender.fit(mapped).recommend(mapped, 5), expected)


def test_attacks_and_detectors(X, mapped):
    attack = skrecsec.CoAttackTransformer(random_state=0)
    assert (attack.fit_transform(mapped) != attack.fit_transform(X)).nnz == 0
    detector = LockstepDetector()
    np.testing.assert_array_equal(detector.fit(mapped).labels_, detector.fit(X).labels_)
