"""Ratings that lie on disk, mapped into memory, read only."""

import numpy as np
import pytest
import scipy.sparse as sp

import skrecsec
from skrecsec.datasets import make_ratings
from skrecsec.detection import LockstepDetector


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(150, 100, density=0.15, random_state=0)


@pytest.fixture(scope="module")
def mapped(ratings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    parts = []
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(ratings, name))
        parts.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
        assert isinstance(parts[-1], np.memmap)
    on_disk = sp.csr_array(tuple(parts), shape=ratings.shape)
    assert not on_disk.data.flags.writeable
    assert np.shares_memory(on_disk.data, parts[0])
    return on_disk


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
def test_recommenders(recommender, ratings, mapped):
    expected = recommender.fit(ratings).recommend(ratings, 5)
    np.testing.assert_array_equal(recommender.fit(mapped).recommend(mapped, 5), expected)


def test_attacks_and_detectors(ratings, mapped):
    attack = skrecsec.CoAttackTransformer(random_state=0)
    assert (attack.fit_transform(mapped) != attack.fit_transform(ratings)).nnz == 0
    detector = LockstepDetector()
    np.testing.assert_array_equal(detector.fit(mapped).labels_, detector.fit(ratings).labels_)
