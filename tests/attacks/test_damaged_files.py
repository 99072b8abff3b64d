"""Damaged and hostile files of poison: a ValueError, or what was written."""

import io
import json
import random
import struct
import time
import warnings
import zipfile
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec import AverageAttackTransformer, FixedAttackTransformer
from skrecsec.attacks import _archive, load_poison, save_poison


@pytest.fixture(scope="module")
def good(ratings, tmp_path_factory):
    """Return a file of poison as bytes, and what is in it."""
    path = tmp_path_factory.mktemp("good") / "good.npz"
    save_poison(AverageAttackTransformer(target_items=[3, 7], random_state=0).fit(ratings), path)
    return path.read_bytes(), load_poison(path)


def members_of(raw):
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# --- ways to damage a file; each takes the bytes and a random.Random ---


def cut(raw, rng):
    return raw[: rng.randrange(len(raw))]


def flip_bits(raw, rng):
    damaged = bytearray(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        damaged[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def splice(raw, rng):
    start, stop = sorted(rng.randrange(len(raw)) for _ in range(2))
    place, length = rng.randrange(len(raw)), rng.randrange(200)
    piece = rng.choice([raw[start:stop], rng.randbytes(length), b"\0" * length, b"\xff" * length])
    return raw[:place] + piece + raw[place + rng.choice([0, len(piece)]) :]


def flip_in_member(raw, rng):
    """Damage what is compressed, and compress it with the right checksum."""
    members = members_of(raw)
    name = rng.choice(list(members))
    members[name] = rng.choice([cut, flip_bits, splice])(members[name], rng)
    return archive_of(members.items(), rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))


def swap_members(raw, rng):
    members = members_of(raw)
    first, second = rng.sample(list(members), 2)
    way = rng.choice(["swap", "drop", "double", "rename", "bzip2", "lzma"])
    items = dict(members)
    if way == "swap":
        items[first], items[second] = items[second], items[first]
    elif way == "drop":
        del items[first]
    elif way == "rename":
        items[first + rng.choice(["x", ".npy", "/"])] = items.pop(first)
    pairs = list(items.items()) + ([(first, members[second])] if way == "double" else [])
    methods = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    return archive_of(pairs, methods.get(way, zipfile.ZIP_DEFLATED))


VALUES = [0, -1, 1, 5, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 0.5, np.nan, np.inf, -np.inf, 1e300]
DTYPES = ["<i1", "<u8", "<i4", ">i4", "<f4", ">f8", "<f2", "<c16", "?", "<U3", "<M8[s]"]


def edit_array(raw, rng):
    members = members_of(raw)
    name = rng.choice([name for name in members if name != "description.npy"])
    array = np.load(io.BytesIO(members[name]))
    way = rng.choice(["value", "value", "dtype", "shorter", "longer", "reverse", "2-D", "empty"])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if way == "value":
            kind = array.dtype if rng.random() < 0.5 else np.float64
            array = array.astype(kind)
            array[rng.randrange(array.size)] = np.asarray(rng.choice(VALUES)).astype(kind)
        elif way == "dtype":
            array = array.astype(rng.choice(DTYPES[:-1]))
        elif way == "shorter":
            array = array[: rng.randrange(array.size)]
        elif way == "longer":
            array = np.concatenate([array, array[: rng.randrange(1, 9)]])
        elif way == "reverse":
            array = array[::-1]
        elif way == "2-D":
            array = array[np.newaxis]
        else:
            array = array[:0]
    members[name] = npy(array)
    return archive_of(members.items())


def edit_header(raw, rng):
    members = members_of(raw)
    name = rng.choice(list(members))
    content = members[name]
    header = content[10 : 10 + struct.unpack("<H", content[8:10])[0]].decode()
    old, new = rng.choice(
        [
            ("(", "(10000000000000,"),
            ("(", "(" * 3000),
            ("(", "(-1, "),
            ("False", "True"),
            ("<f8", "|O"),
            ("<i4", "<M8[s]"),
            ("<i8", "<i9"),
            ("<f8", "<f0"),
            ("'shape'", "'form'"),
            ("{", "{'a': " * 999),
            ("{", "__import__('os').abort() or {"),
            ("<", ">"),
        ]
    )
    header = header.replace(old, new, 1).encode()
    version = bytes([rng.choice([1, 1, 1, 2, 3, 9]), 0])
    length = struct.pack("<H", len(header) % 2**16)
    members[name] = content[:6] + version + length + header + content[10 + len(header) :]
    return archive_of(members.items())


def edit_description(raw, rng):
    members = members_of(raw)
    description = json.loads(np.load(io.BytesIO(members["description.npy"])).item())
    key = rng.choice([*description, "more"])
    value = rng.choice([None, 1, -1, 2, [], {}, "", "x", 1e999, {"a": [{}]}])
    description[key] = value
    if rng.random() < 0.2:
        del description[key]
    text = json.dumps(description)
    text = rng.choice(
        [text, text, text, text[: rng.randrange(len(text))], "[" * 10**5, "9" * 10**4, "\ud800"]
    )
    members["description.npy"] = npy(np.array(text))
    return archive_of(members.items())


WAYS = [
    cut, flip_bits, splice, flip_in_member, swap_members, edit_array, edit_header, edit_description,
]  # fmt: skip
# Ways after which a file can be another valid one.
REMAKES = {flip_in_member, edit_array, edit_header, edit_description}


def assert_valid(loaded, ratings):
    """Assert that what was loaded is what an attack could have made, for any items."""
    poison = loaded.poison
    assert 0 <= poison.indices.min(initial=0) <= poison.indices.max(initial=0) < poison.shape[1]
    assert poison.indptr[0] == 0
    assert poison.indptr[-1] == poison.data.size == poison.indices.size
    assert poison.indptr.size == poison.shape[0] + 1
    assert (np.diff(poison.indptr) >= 0).all()
    assert (np.isfinite(poison.data) & (poison.data > 0)).all()
    assert np.isin(poison.data, loaded.rating_levels).all()
    assert np.unique(loaded.target_items).size == loaded.target_items.size > 0
    assert 0 <= loaded.target_items.min() <= loaded.target_items.max() < poison.shape[1]
    assert (np.diff(loaded.known_users) > 0).all()
    assert loaded.known_users.min(initial=0) >= 0
    assert isinstance(loaded.attack, str)
    assert isinstance(loaded.params, dict)
    if poison.shape[1] == ratings.shape[1] and poison.nnz:
        FixedAttackTransformer(loaded, project=True).fit(ratings)


def equal(first, second):
    return (
        first.poison.shape == second.poison.shape
        and (first.poison != second.poison).nnz == 0
        and all(
            np.array_equal(first[key], second[key])
            for key in ("target_items", "known_users", "rating_levels")
        )
        and all(first[key] == second[key] for key in ("attack", "params", "versions"))
    )


def try_damaged_files(n_files, seed, good, ratings, path):
    raw, content = good
    rng = random.Random(seed)
    outcomes = Counter()
    for _ in range(n_files):
        way = rng.choice(WAYS)
        path.write_bytes(way(raw, rng))
        try:
            loaded = load_poison(path)
        except ValueError:
            outcomes["refused"] += 1
            continue
        if equal(loaded, content):
            outcomes["the same content"] += 1
        else:
            assert way in REMAKES
            assert_valid(loaded, ratings)
            outcomes["other valid content"] += 1
    print(dict(outcomes))
    return outcomes


def test_damaged_files(good, ratings, tmp_path):
    outcomes = try_damaged_files(400, 0, good, ratings, tmp_path / "x.npz")
    assert outcomes["refused"] > 250


@pytest.mark.slow
def test_20000_damaged_files(good, ratings, tmp_path):
    outcomes = try_damaged_files(20_000, 1, good, ratings, tmp_path / "x.npz")
    assert outcomes["refused"] > 12_000


def test_every_truncation(good, tmp_path):
    raw, _ = good
    for length in range(0, len(raw), 23):
        (tmp_path / "x.npz").write_bytes(raw[:length])
        with pytest.raises(ValueError, match="does not hold fake profiles"):
            load_poison(tmp_path / "x.npz")


# --- files that are made to harm ---


def test_nothing_larger_than_declared_is_allocated(good, tmp_path):
    """A header may ask for petabytes, an archive of some kilobytes for gigabytes."""
    raw, _ = good
    members = members_of(raw)
    path = tmp_path / "x.npz"
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if name != "data.npy":
                archive.writestr(name, content)
        with archive.open("data.npy", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))
    path.write_bytes(zeros.getvalue())
    assert path.stat().st_size < 2**20
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f"more than {_archive.MAX_BYTES} bytes"):
        load_poison(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("indices", np.array([10**8], np.int32), "column 100000000"),
        ("indices", np.array([-1], np.int32), "column -1"),
        ("indptr", np.array([0, 5], np.int32), "its arrays do not describe"),
        ("data", np.array([np.nan]), "not among the levels"),
        ("data", np.array([-3.0]), "not among the levels"),
        ("data", np.array([2.0]), "not among the levels"),
        ("data", np.array([2 + 0j]), "complex128|unknown header"),
        ("rating_levels", np.array([5.0, 1.0]), "not sorted"),
        ("rating_levels", np.array([-1.0, 5.0]), "no ratings"),
        ("rating_levels", np.array([1.0, np.inf]), "no ratings"),
        ("rating_levels", np.empty(0), "no ratings"),
        ("target_items", np.array([80]), "item indices from 0 to 79"),
        ("target_items", np.array([-1]), "item indices from 0 to 79"),
        ("target_items", np.array([0, 0]), "repeated"),
        ("target_items", np.empty(0, int), "empty"),
        ("target_items", np.array([0.0]), "float64"),
        ("known_users", np.array([-1]), "known users"),
        ("known_users", np.array([3, -(2**63)]), "known users"),
        ("known_users", np.array([2, 1]), "known users"),
        ("known_users", np.array([2**63], np.uint64), "known users"),
        ("known_users", np.array([1, 1], np.uint8), "known users"),
        ("shape", np.array([1, 80, 1]), "its shape is none"),
        ("shape", np.array([1, 2**40]), "its shape is none"),
        ("shape", np.array([0, 80]), "its shape is none"),
        ("shape", np.array([-1, 80]), "its shape is none"),
        ("more", np.array([1]), "known format"),
        ("description", np.array("[" * 10**5), "does not hold fake profiles"),
        ("description", np.array("[]"), "description is none"),
        ("description", np.array("{}"), "known format"),
        ("description", np.array(" " * 2**23), "too long"),
    ],
)
def test_content_is_checked(name, array, message, tmp_path):
    arrays = {
        "description": np.array(
            json.dumps({"format": 1, "attack": "A", "params": {}, "versions": {}})
        ),
        "data": np.ones(1),
        "indices": np.array([3], np.int32),
        "indptr": np.array([0, 1], np.int32),
        "shape": np.array([1, 80]),
        "target_items": np.array([0]),
        "known_users": np.array([0]),
        "rating_levels": np.array([1.0, 5.0]),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    assert load_poison(tmp_path / "x.npz").poison.shape == (1, 80)
    np.savez_compressed(tmp_path / "x.npz", **{**arrays, name: array})
    with pytest.raises(ValueError, match=message):
        load_poison(tmp_path / "x.npz")


def test_profiles_with_an_item_twice_are_refused(good, tmp_path):
    raw, content = good
    members = members_of(raw)
    indices = content.poison.indices.copy()
    indices[1] = indices[0]
    members["indices.npy"] = npy(indices)
    (tmp_path / "x.npz").write_bytes(archive_of(members.items()))
    with pytest.raises(ValueError, match="not sorted or not distinct"):
        load_poison(tmp_path / "x.npz")


def test_an_encrypted_or_endless_file_is_refused(good, tmp_path):
    raw, _ = good
    encrypted = bytearray(raw)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.find(signature)
        while place >= 0:
            encrypted[place + offset] |= 1
            place = raw.find(signature, place + 1)
    (tmp_path / "x.npz").write_bytes(encrypted)
    with pytest.raises(ValueError, match="encrypted"):
        load_poison(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="is no file"):
        load_poison(tmp_path)


def test_files_of_scipy_are_checked_as_well(ratings, tmp_path):
    """The fuzzing of FixedAttackTransformer's own reader: what it takes is a matrix."""
    path = tmp_path / "x.npz"
    sp.save_npz(path, sp.csr_array(np.eye(3, 90)))
    raw = path.read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        way = rng.choice([cut, flip_bits, splice, flip_in_member, swap_members, edit_header])
        path.write_bytes(way(raw, rng))
        try:
            FixedAttackTransformer(path, [0], project=True).fit(ratings)
        except ValueError:
            continue
