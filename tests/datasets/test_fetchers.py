"""The fetchers: what they return, what they refuse and what they leave on disk."""

import errno
import hashlib
import io
import re
import threading
import time
import urllib.request
import zipfile
from functools import partial
from http.client import IncompleteRead
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.sparse as sp

from skrecsec.datasets import (
    _base,
    _filmtrust,
    _movielens,
    fetch_filmtrust,
    fetch_movielens_1m,
    fetch_movielens_100k,
    get_data_home,
)

FILMTRUST_LINES = "".join(f"7 {item} 2.5\n" for item in range(1, 16))


class Dataset:
    """A fetcher with the module and the name of its source, and a small valid file."""

    def __init__(self, fetch, module, source_name, content):
        self.fetch = fetch
        self.module = module
        self.source_name = source_name
        self.content = content

    @property
    def source(self):
        return getattr(self.module, self.source_name)

    def write(self, folder, content=None):
        path = folder / self.source.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((self.content if content is None else content).encode("latin-1"))
        return path

    def serve_from(self, monkeypatch, url, archive=None, member=None):
        """Redirect the fetcher to `url`, with the checksums of what is to be found there."""
        source = self.source._replace(
            url=url,
            archive_sha256=None if archive is None else hashlib.sha256(archive).hexdigest(),
            member_md5=None if member is None else hashlib.md5(member).hexdigest(),
        )
        monkeypatch.setattr(self.module, self.source_name, source)

    def archive(self):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README", "not wanted")
            archive.writestr(self.source.member, self.content)
        return buffer.getvalue()


DATASETS = {
    "ml-100k": Dataset(
        fetch_movielens_100k,
        _movielens,
        "ML_100K",
        "2\t3\t4\t881250949\n1\t1\t5\t0\n2\t1\t1\t891717742\n",
    ),
    "ml-1m": Dataset(
        fetch_movielens_1m, _movielens, "ML_1M", "1::40::5::10\n3::7::2::11\n1::7::3::0\n"
    ),
    "filmtrust": Dataset(fetch_filmtrust, _filmtrust, "FILMTRUST", FILMTRUST_LINES),
}


@pytest.fixture(params=DATASETS)
def dataset(request):
    return DATASETS[request.param]


@pytest.fixture
def no_network(monkeypatch):
    def refuse(url, *args, **kwargs):
        raise AssertionError(f"the network was asked for {url}")

    monkeypatch.setattr(_base, "urlopen", refuse)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# The real data


@pytest.mark.parametrize(
    ("name", "shape", "n_ratings", "levels"),
    [
        ("ml-100k", (943, 1682), 100_000, [1, 2, 3, 4, 5]),
        ("ml-1m", (6040, 3706), 1_000_209, [1, 2, 3, 4, 5]),
        ("filmtrust", (796, 2011), 30_880, [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]),
    ],
)
def test_counts_of_the_real_datasets(data_home, no_network, name, shape, n_ratings, levels):
    bunch = DATASETS[name].fetch(data_home=data_home)
    ratings = bunch.ratings
    assert isinstance(ratings, sp.csr_array)
    assert ratings.dtype == np.float64
    assert ratings.shape == shape
    assert ratings.nnz == n_ratings
    assert np.unique(ratings.data).tolist() == levels
    assert ratings.has_canonical_format
    assert bunch.user_ids.shape == (shape[0],)
    assert bunch.item_ids.shape == (shape[1],)
    assert len(np.unique(bunch.item_ids)) == shape[1]
    assert f"{n_ratings:,}" in bunch.DESCR
    assert "Citation" in bunch.DESCR


@pytest.mark.parametrize(("name", "scale"), [("ml-100k", 1), ("filmtrust", 2)])
def test_matrix_is_the_union_of_the_published_splits(data_home, paper_splits, name, scale):
    ratings = DATASETS[name].fetch(data_home=data_home).ratings
    published = np.concatenate(
        [np.loadtxt(paper_splits / f"{name}.{part}.rating") for part in ("train", "test")]
    )
    rows, columns = published[:, :2].astype(int).T
    expected = sp.csr_array((published[:, 2] / scale, (rows, columns)), shape=ratings.shape)
    assert expected.nnz == ratings.nnz == len(published)
    assert abs(ratings - expected).max() == 0


def test_movielens_1m_numbers_items_as_the_published_split(data_home, paper_splits):
    ratings = fetch_movielens_1m(data_home=data_home).ratings
    held_out = np.loadtxt(paper_splits / "ml-1m.test.item", dtype=int)
    assert (ratings[np.arange(6040), held_out] > 0).all()
    # The items that the published experiments promote as unpopular.
    n_ratings = np.bincount(ratings.indices, minlength=ratings.shape[1])
    assert (n_ratings[[3639, 3698, 3622, 3570, 3503]] < 5).all()


def test_movielens_100k_timestamps_belong_to_their_ratings(data_home):
    bunch = fetch_movielens_100k(data_home=data_home)
    np.testing.assert_array_equal(bunch.timestamps.indices, bunch.ratings.indices)
    np.testing.assert_array_equal(bunch.timestamps.indptr, bunch.ratings.indptr)
    # The first line of the file.
    assert bunch.ratings[195, 241] == 3
    assert bunch.timestamps[195, 241] == 881250949


@pytest.mark.parametrize("name", ["ml-100k", "filmtrust"])
def test_pinned_checksums_are_those_of_the_real_files(data_home, name):
    source = DATASETS[name].source
    content = (data_home / source.filename).read_bytes()
    assert hashlib.md5(content).hexdigest() == source.member_md5


def test_a_million_ratings_load_quickly(data_home):
    # Processor time: what else the machine does should not matter.
    start = time.process_time()
    fetch_movielens_1m(data_home=data_home)
    assert time.process_time() - start < 2


# Small files in the same layout


def test_movielens_100k_positions_are_ids_less_one(tmp_path, no_network):
    DATASETS["ml-100k"].write(tmp_path)
    bunch = fetch_movielens_100k(data_home=tmp_path)
    np.testing.assert_array_equal(bunch.ratings.toarray(), [[5, 0, 0], [1, 0, 4]])
    np.testing.assert_array_equal(bunch.user_ids, [1, 2])
    np.testing.assert_array_equal(bunch.item_ids, [1, 2, 3])
    # A time of zero is a time: it stays stored, next to its rating.
    np.testing.assert_array_equal(bunch.timestamps.data, [0, 891717742, 881250949])
    np.testing.assert_array_equal(bunch.timestamps.indices, bunch.ratings.indices)
    np.testing.assert_array_equal(bunch.timestamps.indptr, bunch.ratings.indptr)


def test_ratings_and_timestamps_own_their_memory(tmp_path):
    DATASETS["ml-100k"].write(tmp_path)
    bunch = fetch_movielens_100k(data_home=tmp_path)
    for name in ("data", "indices", "indptr"):
        assert getattr(bunch.ratings, name).flags.c_contiguous
        assert not np.shares_memory(getattr(bunch.ratings, name), getattr(bunch.timestamps, name))


def test_movielens_1m_columns_are_in_order_of_appearance(tmp_path, no_network):
    DATASETS["ml-1m"].write(tmp_path)
    bunch = fetch_movielens_1m(data_home=tmp_path)
    # User 2 has no ratings and keeps its row.
    np.testing.assert_array_equal(bunch.ratings.toarray(), [[5, 3], [0, 0], [0, 2]])
    np.testing.assert_array_equal(bunch.item_ids, [40, 7])
    np.testing.assert_array_equal(bunch.timestamps.data, [10, 0, 11])


def test_movielens_1m_without_times_has_no_timestamps(tmp_path):
    DATASETS["ml-1m"].write(tmp_path, "1::40::5::0\n3::7::2::0\n")
    assert fetch_movielens_1m(data_home=tmp_path).timestamps is None


def test_filmtrust_filter(tmp_path, no_network):
    lines = [f"30 {item} 2.5" for item in range(115, 100, -1)]  # 15 ratings: stays
    lines += [f"4 {item} 1" for item in range(101, 115)] + ["4 101 3"]  # 14 and a repeat: goes
    lines += [f"12 {item} 4" for item in range(1, 16)] + ["12 2 0.5"]  # the repeat counts
    DATASETS["filmtrust"].write(tmp_path, "\n".join(lines))
    bunch = fetch_filmtrust(data_home=tmp_path)
    np.testing.assert_array_equal(bunch.user_ids, [12, 30])
    np.testing.assert_array_equal(bunch.item_ids, [*range(1, 16), *range(101, 116)])
    expected = np.zeros((2, 30))
    expected[0, :15] = 4
    expected[0, 1] = 0.5
    expected[1, 15:] = 2.5
    np.testing.assert_array_equal(bunch.ratings.toarray(), expected)
    assert bunch.timestamps is None


def test_filmtrust_without_active_users(tmp_path):
    path = DATASETS["filmtrust"].write(tmp_path, "1 1 2.5\n")
    with pytest.raises(ValueError, match="no user with 15 ratings") as raised:
        fetch_filmtrust(data_home=tmp_path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n"])
def test_line_ends_do_not_matter(dataset, tmp_path, end):
    dataset.write(tmp_path)
    expected = dataset.fetch(data_home=tmp_path).ratings
    newline = "\r\n" if end == "\r\n" else "\n"
    dataset.write(tmp_path, dataset.content.rstrip().replace("\n", newline) + end)
    assert abs(dataset.fetch(data_home=tmp_path).ratings - expected).max() == 0


# Files that are not what they should be


def edit_field(content, separator, line, field, value):
    """Replace a field of a line (both from 0) by `value`."""
    lines = content.splitlines()
    fields = lines[line].split(separator)
    fields[field] = value
    lines[line] = separator.join(fields)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, "x", "user 'x' is not a number"),
        (0, "", "user .. is not a number|found 2"),
        (0, "0", "user '0' is out of range"),
        (0, "-3", "user '-3' is out of range"),
        (1, "99999999999", "item '99999999999' is out of range"),
        (1, "1.5", "item '1.5' is not a whole number"),
        (1, "9" * 30, "item '9+' is out of range"),
        (1, "nan", "item 'nan' is not finite"),
        (1, "1_0", "item '1_0' is not a number"),
        (1, "\xe9", "item '\xe9' is not a number"),
        (2, "0", "rating '0' is not positive"),
        (2, "-1", "rating '-1' is not positive"),
        (2, "inf", "rating 'inf' is not finite"),
        (2, "1e999", "rating '1e999' is not finite"),
        (2, "good", "rating 'good' is not a number"),
        (2, "# 3", "rating .# 3. is not a number|found 4"),
    ],
)
@pytest.mark.parametrize("line", [0, 2])
def test_bad_fields_are_refused(dataset, tmp_path, field, value, message, line):
    separator = {"ml-100k": "\t", "ml-1m": "::", "filmtrust": " "}[name_of(dataset)]
    content = edit_field(dataset.content, separator, line, field, value)
    path = dataset.write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as raised:
        dataset.fetch(data_home=tmp_path)
    assert f"{path}, line {line + 1}: " in str(raised.value)


def name_of(dataset):
    return next(name for name, candidate in DATASETS.items() if candidate is dataset)


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m"])
@pytest.mark.parametrize(
    ("value", "message"), [("soon", "not a number"), ("1.5", "not a whole"), ("inf", "not finite")]
)
def test_bad_timestamps_are_refused(tmp_path, name, value, message):
    separator = {"ml-100k": "\t", "ml-1m": "::"}[name]
    content = edit_field(DATASETS[name].content, separator, 1, 3, value)
    DATASETS[name].write(tmp_path, content)
    with pytest.raises(ValueError, match=f"line 2: timestamp '{value}' is {message}"):
        DATASETS[name].fetch(data_home=tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ml-100k", "1\t2\t3"),
        ("ml-100k", "1\t2\t3\t4\t5"),
        ("ml-100k", "1 2 3 4"),
        ("ml-100k", "1::2::3::4"),
        ("ml-1m", "1::2::3"),
        ("ml-1m", "1::2::3::4::5"),
        ("ml-1m", "1\t2\t3\t4"),
        ("filmtrust", "1 2"),
        ("filmtrust", "1 2 3 4"),
    ],
)
def test_wrong_number_of_fields_is_refused(tmp_path, name, line):
    first, rest = DATASETS[name].content.split("\n", 1)
    path = DATASETS[name].write(tmp_path, f"{first}\n{line}\n{rest}")
    with pytest.raises(ValueError, match=r"expected \d fields .*, found \d") as raised:
        DATASETS[name].fetch(data_home=tmp_path)
    assert f"{path}, line 2: " in str(raised.value)


def test_wrong_number_of_fields_on_every_line_is_refused(dataset, tmp_path):
    dataset.write(tmp_path, "1\n2\n3\n")
    with pytest.raises(ValueError, match=r"line 1: expected . fields"):
        dataset.fetch(data_home=tmp_path)


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_line_between_ratings_is_refused(dataset, tmp_path, blank):
    first, rest = dataset.content.split("\n", 1)
    dataset.write(tmp_path, f"{first}\n{blank}\n{rest}")
    with pytest.raises(ValueError, match=r"line 2: .*found 0"):
        dataset.fetch(data_home=tmp_path)


@pytest.mark.parametrize("content", ["", "\n", " \r\n\r\n", "\t"])
def test_empty_file_is_refused(dataset, tmp_path, content):
    path = dataset.write(tmp_path, content)
    with pytest.raises(ValueError, match="is empty") as raised:
        dataset.fetch(data_home=tmp_path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "line"), [("ml-100k", "2\t3\t1\t5\n1\t1\t2\t2"), ("ml-1m", "3::7::3::0")]
)
def test_repeated_movielens_ratings_are_refused(tmp_path, name, line):
    content = DATASETS[name].content
    DATASETS[name].write(tmp_path, content + line)
    user, item = (2, 3) if name == "ml-100k" else (3, 7)
    with pytest.raises(ValueError, match=f"line 4: user {user} has rated item {item} on an ear"):
        DATASETS[name].fetch(data_home=tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_a_carriage_return_within_a_line_is_refused(tmp_path, name):
    path = DATASETS[name].write(tmp_path, DATASETS[name].content.replace("\n", "\n\r", 1))
    with pytest.raises(ValueError, match="carriage return") as raised:
        DATASETS[name].fetch(data_home=tmp_path)
    assert str(raised.value).startswith(f"{path}, line 2: ")


@pytest.mark.filterwarnings("error")
def test_damaged_files_are_refused_in_one_line_or_read(dataset, tmp_path):
    rng = np.random.default_rng(0)
    whole = dataset.content.encode()
    pieces = [b"\r", b"\x00", b"\x1f", b"\xa0", b"\xef\xbb\xbf", b"nan", b"1e400", b"9" * 20, b"\t"]
    for trial in range(300):
        at, length = rng.integers(len(whole)), rng.integers(4)
        piece = pieces[trial % len(pieces)] if trial % 2 else rng.bytes(rng.integers(1, 6))
        content = whole[:at] + piece + whole[at + length :] if trial % 10 else rng.bytes(20)
        path = dataset.write(tmp_path, content.decode("latin-1"))
        expected = f"{re.escape(str(path))}(, line [0-9]+: | is empty: | has no )|$"
        assert re.match(expected, _what_is_wrong(dataset, tmp_path))


def test_what_no_line_is_to_blame_for_is_an_error_of_the_file():
    with pytest.raises(ValueError, match=r"u\.data cannot be read as ratings: a bug") as error:
        _base._raise_for_first_bad_line(
            Path("u.data"), b"1\t2\t3", ("user", "item", "rating"), "\t", TypeError("a bug")
        )
    assert isinstance(error.value.__cause__, TypeError)


def _what_is_wrong(dataset, folder):
    try:
        ratings = dataset.fetch(data_home=folder).ratings
    except ValueError as error:
        return str(error)
    return "" if np.isfinite(ratings.data).all() and ratings.data.min() > 0 else "bad ratings"


# The data home


def test_data_home_argument_then_variable_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SKRECSEC_DATA", str(tmp_path / "variable"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert get_data_home(tmp_path / "argument") == tmp_path / "argument"
    assert get_data_home("~/argument") == tmp_path / "argument"
    assert get_data_home() == tmp_path / "variable"
    monkeypatch.setenv("SKRECSEC_DATA", "")
    assert get_data_home() == tmp_path / "skrecsec_data"
    monkeypatch.delenv("SKRECSEC_DATA")
    assert get_data_home() == tmp_path / "skrecsec_data"
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("data_home", ["", b"x", "~nobody-of-that-name/data"])
def test_a_data_home_that_is_none_is_refused(data_home):
    with pytest.raises(ValueError, match="data_home must be a path"):
        get_data_home(data_home)


def test_fetchers_expand_the_home(dataset, monkeypatch, tmp_path, no_network):
    dataset.write(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert dataset.fetch(data_home="~/data").ratings.nnz == dataset.content.count("\n")


def test_fetchers_read_the_variable(dataset, monkeypatch, tmp_path, no_network):
    dataset.write(tmp_path)
    monkeypatch.setenv("SKRECSEC_DATA", str(tmp_path))
    assert dataset.fetch().ratings.nnz == dataset.content.count("\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_home", 3),
        ("download_if_missing", "yes"),
        ("download_if_missing", None),
        ("n_retries", -1),
        ("n_retries", 1.0),
        ("n_retries", True),
        ("delay", -1.0),
        ("delay", float("nan")),
        ("delay", float("inf")),
        ("delay", "1"),
    ],
)
def test_bad_parameters_are_refused(dataset, tmp_path, no_network, name, value):
    dataset.write(tmp_path)
    with pytest.raises(ValueError, match=f"^{name} must be"):
        dataset.fetch(**{"data_home": tmp_path, name: value})


# The download


def test_missing_file_without_download(dataset, tmp_path, no_network):
    with pytest.raises(OSError, match="download_if_missing is False") as raised:
        dataset.fetch(data_home=tmp_path, download_if_missing=False)
    assert str(tmp_path / dataset.source.filename) in str(raised.value)
    assert dataset.source.url in str(raised.value)
    assert files_below(tmp_path) == []


def test_download_from_a_file_url(dataset, monkeypatch, tmp_path):
    archive = dataset.archive()
    (tmp_path / "served.zip").write_bytes(archive)
    url = (tmp_path / "served.zip").as_uri()
    dataset.serve_from(monkeypatch, url, archive, dataset.content.encode())
    home = tmp_path / "new" / "home"
    downloaded = dataset.fetch(data_home=home)
    folder, _ = dataset.source.filename.split("/")
    assert files_below(home) == [folder, dataset.source.filename]
    assert (home / dataset.source.filename).read_text() == dataset.content
    # The second time it is read from there.
    (tmp_path / "served.zip").unlink()
    again = dataset.fetch(data_home=home)
    assert abs(downloaded.ratings - again.ratings).max() == 0


@pytest.fixture
def http_server(tmp_path):
    """Serve a folder over HTTP; yield the folder and its URL."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_download_over_http(dataset, monkeypatch, tmp_path, http_server):
    folder, url = http_server
    archive = dataset.archive()
    (folder / "data.zip").write_bytes(archive)
    dataset.serve_from(monkeypatch, f"{url}/data.zip", archive)
    bunch = dataset.fetch(data_home=tmp_path / "home")
    assert bunch.ratings.nnz == dataset.content.count("\n")


def test_http_error_names_url_and_file(dataset, monkeypatch, tmp_path, http_server):
    _, url = http_server
    dataset.serve_from(monkeypatch, f"{url}/absent.zip")
    home = tmp_path / "home"
    with pytest.warns(UserWarning, match="Retry") as warned, pytest.raises(OSError) as raised:
        dataset.fetch(data_home=home, n_retries=2, delay=0)
    assert len(warned) == 2
    assert "404" in str(raised.value)
    assert f"{url}/absent.zip" in str(raised.value)
    assert str(home / dataset.source.filename) in str(raised.value)
    assert files_below(home) == []


@pytest.mark.parametrize(
    "failure", [URLError("no route"), TimeoutError(), ConnectionResetError(), IncompleteRead(b"")]
)
def test_retries_until_the_network_is_back(dataset, monkeypatch, tmp_path, failure):
    archive = dataset.archive()
    (tmp_path / "served.zip").write_bytes(archive)
    dataset.serve_from(monkeypatch, (tmp_path / "served.zip").as_uri(), archive)
    home = tmp_path / "home"
    failures = [failure, failure]
    pauses = []

    def flaky(url, **kwargs):
        # What is under way lies in the data home, where a rename can finish it.
        assert len(files_below(home)) >= 1
        assert not (home / dataset.source.filename).exists()
        if failures:
            raise failures.pop()
        return urllib.request.urlopen(url, **kwargs)

    monkeypatch.setattr(_base, "urlopen", flaky)
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.warns(UserWarning, match=f"Retry downloading from url: {dataset.source.url}"):
        bunch = dataset.fetch(data_home=home, n_retries=2, delay=0.25)
    assert pauses == [0.25, 0.25]
    assert bunch.ratings.nnz == dataset.content.count("\n")


def test_retry_warning_points_at_the_caller(dataset, monkeypatch, tmp_path):
    dataset.serve_from(monkeypatch, (tmp_path / "absent.zip").as_uri())
    with pytest.warns(UserWarning, match="Retry") as warned, pytest.raises(OSError):
        dataset.fetch(data_home=tmp_path, n_retries=1, delay=0)
    assert warned[0].filename == __file__


def test_no_retries(dataset, monkeypatch, tmp_path):
    calls = []

    def fail(url, **kwargs):
        calls.append(url)
        raise URLError("no route")

    monkeypatch.setattr(_base, "urlopen", fail)
    with pytest.raises(OSError, match="no route"):
        dataset.fetch(data_home=tmp_path, n_retries=0)
    assert len(calls) == 1
    assert files_below(tmp_path) == []


def test_wrong_archive_checksum(dataset, monkeypatch, tmp_path):
    (tmp_path / "served.zip").write_bytes(dataset.archive())
    dataset.serve_from(monkeypatch, (tmp_path / "served.zip").as_uri(), b"something else")
    home = tmp_path / "home"
    with pytest.raises(OSError, match="sha256 checksum of the archive is") as raised:
        dataset.fetch(data_home=home)
    assert str(home / dataset.source.filename) in str(raised.value)
    assert files_below(home) == []


def test_wrong_member_checksum(dataset, monkeypatch, tmp_path):
    (tmp_path / "served.zip").write_bytes(dataset.archive())
    url = (tmp_path / "served.zip").as_uri()
    dataset.serve_from(monkeypatch, url, member=b"something else")
    home = tmp_path / "home"
    with pytest.raises(OSError, match="md5 checksum of the member is"):
        dataset.fetch(data_home=home)
    assert files_below(home) == []


def broken_archives():
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("something.else", "1 1 1")
    yield "not a zip file", b"<html>Moved</html>"
    yield "truncated", DATASETS["filmtrust"].archive()[:-30]
    yield "without the member", other.getvalue()
    damaged = bytearray(DATASETS["filmtrust"].archive())
    start = damaged.index(b"ratings.txt") + len("ratings.txt")
    damaged[start : start + 20] = bytes(20)
    yield "damaged", bytes(damaged)


@pytest.mark.parametrize(
    "archive", [pytest.param(archive, id=name) for name, archive in broken_archives()]
)
def test_broken_archives(monkeypatch, tmp_path, archive):
    dataset = DATASETS["filmtrust"]  # its archive has no checksum to catch this earlier
    (tmp_path / "served.zip").write_bytes(archive)
    dataset.serve_from(monkeypatch, (tmp_path / "served.zip").as_uri())
    home = tmp_path / "home"
    with pytest.raises(OSError, match="the archive") as raised:
        dataset.fetch(data_home=home)
    assert str(home / dataset.source.filename) in str(raised.value)
    assert files_below(home) == []


class InterruptedResponse(io.BytesIO):
    """Deliver a few bytes, then raise."""

    def __init__(self, content, error):
        super().__init__(content)
        self.error = error

    def read(self, size=-1):
        if self.tell():
            raise self.error
        return super().read(10)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_download_leaves_nothing(dataset, monkeypatch, tmp_path, error):
    archive = dataset.archive()
    monkeypatch.setattr(_base, "urlopen", lambda *_, **__: InterruptedResponse(archive, error()))
    with pytest.raises(error):
        dataset.fetch(data_home=tmp_path)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("step", ["_extract", "_check_digest"])
def test_interrupted_installation_leaves_nothing(dataset, monkeypatch, tmp_path, step):
    archive = dataset.archive()
    (tmp_path / "served.zip").write_bytes(archive)
    dataset.serve_from(monkeypatch, (tmp_path / "served.zip").as_uri(), archive)
    original = getattr(_base, step)

    def finish_and_interrupt(*args):
        original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(_base, step, finish_and_interrupt)
    home = tmp_path / "home"
    with pytest.raises(KeyboardInterrupt):
        dataset.fetch(data_home=home)
    assert files_below(home) == []


def test_disk_full_is_not_retried(dataset, monkeypatch, tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(_base, "urlopen", lambda *_, **__: InterruptedResponse(b"a" * 99, full))
    with pytest.raises(OSError, match="No space left") as raised:
        dataset.fetch(data_home=tmp_path, n_retries=5, delay=100)
    assert dataset.source.url in str(raised.value)
    assert files_below(tmp_path) == []


def test_data_home_that_is_a_file(dataset, tmp_path):
    home = tmp_path / "file"
    home.write_text("in the way")
    with pytest.raises(OSError) as raised:
        dataset.fetch(data_home=home)
    assert str(home / dataset.source.filename) in str(raised.value)


def test_sources_are_the_official_ones():
    for dataset in DATASETS.values():
        assert dataset.source.url.startswith("https://")
        assert dataset.source.archive_sha256 or dataset.source.member_md5
