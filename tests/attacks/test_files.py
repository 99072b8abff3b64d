"""Saving poison and loading it."""

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skrecsec import AverageAttackTransformer, MFRecommender, SegmentAttackTransformer
from skrecsec.attacks import load_poison, save_poison
from skrecsec.detection import LockstepDetector


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


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "poison.npz"
    with pytest.raises(ValueError, match="attack must be an attack transformer"):
        save_poison(MFRecommender(), path)
    with pytest.raises(NotFittedError):
        save_poison(AverageAttackTransformer(), path)
    assert not path.exists()


@pytest.mark.parametrize(
    "targets",
    [
        [1, 2],
        (1, 2),
        range(1, 3),
        [np.int64(1), np.int64(2)],
        np.array([1, 2]),
        np.array([1.0, 2.0]),
        pd.Index([1, 2]),
        pd.Series([1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_targets_of_any_kind_can_be_saved(targets, ratings, tmp_path):
    attack = AverageAttackTransformer(target_items=targets, random_state=0).fit(ratings)
    save_poison(attack, tmp_path / "poison.npz")
    loaded = load_poison(tmp_path / "poison.npz")
    assert loaded.params["target_items"] == [1, 2]
    assert loaded.not_saved == {}
    again = AverageAttackTransformer(**loaded.params).fit(ratings)
    assert (again.poison_ != attack.poison_).nnz == 0


def test_targets_given_by_name_are_saved_by_index(ratings, tmp_path):
    X = pd.DataFrame(ratings.toarray(), columns=[f"film {i}" for i in range(90)])
    attack = AverageAttackTransformer(target_items=["film 8"], random_state=0).fit(X)
    save_poison(attack, tmp_path / "poison.npz")
    assert load_poison(tmp_path / "poison.npz").params["target_items"] == [8]


PRINT = "builtin_function_or_method"


class Odd(AverageAttackTransformer):
    """Has a parameter that JSON has no word for."""

    def __init__(self, odd=None, *, target_items="unpopular", random_state=None):
        super().__init__(target_items=target_items, random_state=random_state)
        self.odd = odd


@pytest.mark.parametrize(
    ("odd", "saved"),
    [
        (np.random.RandomState(0), "RandomState"),
        (print, PRINT),
        ({1: 2}, "dict"),
        (pd.DataFrame([[1]]), "DataFrame"),
        (1j, "complex"),
        (np.complex128(1j), "complex128"),
    ],
    ids=str,
)
def test_what_json_does_not_have_is_named(odd, saved, ratings, tmp_path):
    save_poison(Odd(odd).fit(ratings), tmp_path / "poison.npz")
    loaded = load_poison(tmp_path / "poison.npz")
    assert loaded.not_saved == {"odd": saved}
    assert loaded.params["odd"] is None


@pytest.mark.parametrize(
    ("odd", "plain", "not_saved"),
    [
        (["tcd", LockstepDetector()], ["tcd", None], {"odd[1]": "LockstepDetector"}),
        ((1, {2}, [print]), [1, None, [None]], {"odd[1]": "set", "odd[2][0]": PRINT}),
        ({"a": 1j, "b": 2}, {"a": None, "b": 2}, {"odd['a']": "complex"}),
        ([{1: 2}], [None], {"odd[0]": "dict"}),
    ],
    ids=str,
)
def test_elements_that_json_does_not_have_are_named(odd, plain, not_saved, ratings, tmp_path):
    save_poison(Odd(odd).fit(ratings), tmp_path / "poison.npz")
    loaded = load_poison(tmp_path / "poison.npz")
    assert loaded.params["odd"] == plain
    assert loaded.not_saved == not_saved


def test_nested_parameters_are_saved(ratings, tmp_path):
    odd = {"a": (np.float32(0.5), np.bool_(True), [None, "x", range(2)]), "b": pd.Series([1.5])}
    save_poison(Odd(odd).fit(ratings), tmp_path / "poison.npz")
    saved = load_poison(tmp_path / "poison.npz").params["odd"]
    assert saved == {"a": [0.5, True, [None, "x", [0, 1]]], "b": [1.5]}


def test_a_drawn_state_can_be_saved(ratings, tmp_path):
    """The fit may have taken hours, and cannot be made again."""
    attack = AverageAttackTransformer(random_state=np.random.RandomState(0)).fit(ratings)
    save_poison(attack, tmp_path / "poison.npz")
    loaded = load_poison(tmp_path / "poison.npz")
    assert loaded.not_saved == {"random_state": "RandomState"}
    assert (loaded.poison != attack.poison_).nnz == 0


def test_paths_are_checked_first(tmp_path, monkeypatch):
    unfitted = AverageAttackTransformer()
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    for path, error, message in [
        (tmp_path / "poison.csv", ValueError, r"ends in \.npz"),
        (tmp_path / "poison", ValueError, r"ends in \.npz"),
        ("", ValueError, r"ends in \.npz"),
        (tmp_path / "none" / "poison.npz", FileNotFoundError, "There is no folder"),
        (tmp_path / "file" / "poison.npz", NotADirectoryError, "is no folder"),
        (tmp_path / "folder.npz", IsADirectoryError, "is a folder"),
    ]:
        for check_only in True, False:
            with pytest.raises(error, match=message):
                save_poison(unfitted, path, check_only=check_only)
    save_poison(unfitted, tmp_path / "poison.npz", check_only=True)
    with pytest.raises(NotFittedError):
        save_poison(unfitted, tmp_path / "poison.npz")
    assert not (tmp_path / "poison.npz").exists()
    monkeypatch.setattr("os.access", lambda *arguments: False)
    with pytest.raises(PermissionError, match="No file can be written"):
        save_poison(unfitted, tmp_path / "poison.npz", check_only=True)


def test_a_tilde_is_the_home_folder(ratings, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_poison(AverageAttackTransformer(random_state=0).fit(ratings), "~/poison.NPZ")
    assert (tmp_path / "poison.NPZ").exists()
    assert load_poison("~/poison.NPZ").attack == "AverageAttackTransformer"


def test_more_than_can_be_loaded_is_not_saved(ratings, tmp_path, monkeypatch):
    attack = AverageAttackTransformer(random_state=0).fit(ratings)
    monkeypatch.setattr("skrecsec.attacks._files.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="more than a file of poison holds"):
        save_poison(attack, tmp_path / "poison.npz")


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
