"""Saving poison and loading it."""

import pickle
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skrecsec import AverageAttackTransformer, MFRecommender, SegmentAttackTransformer
from skrecsec.attacks import load_poison, save_poison


def test_what_is_saved_is_loaded(ratings, tmp_path):
    attack = SegmentAttackTransformer(
        segment_items=np.array([5, 8]), target_items=[1, 2], attack_size=np.int64(7),
        knowledge=np.float64(0.5), random_state=3,
    ).fit(ratings)  # fmt: skip
    save_poison(attack, tmp_path / "poison.npz")
    loaded = load_poison(str(tmp_path / "poison.npz"))
    assert (loaded.poison != attack.poison_).nnz == 0
    assert loaded.poison.dtype == attack.poison_.dtype
    for name in ("target_items", "known_users", "rating_levels"):
        assert_array_equal(loaded[name], getattr(attack, f"{name}_"))
    assert loaded.attack == "SegmentAttackTransformer"
    again = SegmentAttackTransformer(**loaded.params).fit(ratings)
    assert (again.poison_ != attack.poison_).nnz == 0
    assert set(loaded.versions) == {"skrecsec", "scikit-learn"}


def test_a_file_is_replaced_whole_or_not_at_all(ratings, tmp_path, monkeypatch):
    path = tmp_path / "poison.npz"
    first = AverageAttackTransformer(random_state=0).fit(ratings)
    save_poison(first, path)

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_poison(AverageAttackTransformer(random_state=1).fit(ratings), path)
    monkeypatch.undo()
    assert (load_poison(path).poison != first.poison_).nnz == 0
    assert [p.name for p in tmp_path.iterdir()] == ["poison.npz"]


def test_what_cannot_be_saved(ratings, tmp_path):
    path = tmp_path / "poison.npz"
    with pytest.raises(ValueError, match="attack must be an attack transformer"):
        save_poison(MFRecommender(), path)
    with pytest.raises(NotFittedError):
        save_poison(AverageAttackTransformer(), path)
    drawn = AverageAttackTransformer(random_state=np.random.RandomState(0)).fit(ratings)
    with pytest.raises(ValueError, match=r"random_state=.* cannot be saved"):
        save_poison(drawn, path)
    assert not path.exists()


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_poison(tmp_path / "none.npz")
    contents = {
        "text": b"no archive",
        "empty": b"",
        "pickle": pickle.dumps({"description": "x"}),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("description.npy", b"\x93NUMPY")
    for name in (*contents, "other.npz", "cut.npz"):
        with pytest.raises(ValueError, match="does not hold fake profiles"):
            load_poison(tmp_path / name)


def test_other_formats_are_refused(ratings, tmp_path):
    path = tmp_path / "poison.npz"
    save_poison(AverageAttackTransformer(random_state=0).fit(ratings), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["description"] = np.array(
        str(arrays["description"]).replace('"format": 1', '"format": 2')
    )
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="known format"):
        load_poison(path)
