"""Ratings and recommenders of one's own on the command line."""

import csv
import json

import numpy as np
import pytest

from skrecsec.__main__ import main
from skrecsec.datasets import make_ratings


@pytest.fixture
def file(tmp_path):
    """Return a CSV file with ids that are no numbers, in mixed order."""
    X = make_ratings(100, 80, density=0.2, random_state=0).tocoo()
    path = tmp_path / "ratings.csv"
    order = np.random.default_rng(0).permutation(X.nnz)
    with path.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["who", "what", "stars"])
        for user, item, rating in zip(X.row[order], X.col[order], X.data[order], strict=True):
            writer.writerow([f"user {user}", f"item {item}", rating])
    return path


COLUMNS = ["--user-column", "who", "--item-column", "what", "--rating-column", "stars"]


def test_a_file_is_attacked_and_defended(file, capsys, tmp_path):
    report = tmp_path / "report.html"
    options = ["--ratings", str(file), *COLUMNS, "--victim", "ease", "--defense", "itemknn"]
    targets = ["--targets", "item 3,item 79", "--attack-size", "9", "--report", str(report)]
    assert main([*options, *targets, "--format", "json"]) == 0
    output = capsys.readouterr()
    assert "ratings.csv: 100 users, 80 items, 1600 ratings" in output.err
    result = json.loads(output.out)
    assert result["settings"]["ratings"] == str(file)
    assert result["settings"]["targets"] == ["item 3", "item 79"]
    assert "dataset" not in result["settings"]
    models = [record["model"] for record in result["results"]]
    assert models == ["clean", "attacked", "clean_defense", "defended"]
    page = report.read_text(encoding="utf-8")
    assert "Ratings: ratings.csv. Targets: item 3 item 79." in page
    assert "EASE, average attack" in page
    assert "ItemKNN, average attack" in page


def test_targets_are_found_by_their_ids(file):
    """Ids are sorted as text, so that item 10 comes before item 2."""
    from skrecsec.cli._parser import make_parser
    from skrecsec.cli._ratings import complete_arguments, load
    from skrecsec.datasets import load_ratings

    parser = make_parser("skrecsec")
    arguments = parser.parse_args(["--ratings", str(file), *COLUMNS, "--targets", "item 2,item 10"])
    complete_arguments(arguments, parser)
    X, targets = load(arguments, parser)
    ids = load_ratings(file, user="who", item="what", rating="stars").item_ids
    assert list(ids[targets]) == ["item 2", "item 10"]
    assert X.shape == (100, 80)


def test_files_without_a_header(tmp_path, capsys):
    path = tmp_path / "ratings.dat"
    X = make_ratings(60, 50, density=0.3, random_state=0).tocoo()
    lines = (f"{u}::{i}::{r}" for u, i, r in zip(X.row, X.col, X.data, strict=True))
    path.write_text("\n".join(lines))
    columns = ["--user-column", "0", "--item-column", "1", "--rating-column", "2"]
    options = ["--ratings", str(path), *columns, "--defense", "popularity", "--targets", "7"]
    assert main([*options, "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user-column", "who"], "argument --user-column: goes with --ratings"),
        (["--repeated", "last"], "argument --repeated: goes with --ratings"),
        (["--ratings", "FILE", "--dataset", "filmtrust"], "--ratings: not with --dataset"),
        (["--ratings", "FILE", *COLUMNS, "--targets", "item 99"], "there is no item 'item 99'"),
        (
            ["--ratings", "FILE", *COLUMNS, "--targets", "item 9,item 3,item 9"],
            "argument --targets: item 'item 9' is named more than once",
        ),
        (["--victim", "tcd", "--defense", "tcd"], "argument --defense: the same as --victim"),
        (["--victim", "hope"], "argument --victim: invalid choice: 'hope'"),
        (["--min-user-ratings", "0", "--ratings", "FILE"], "--min-user-ratings: expected a whole"),
    ],
)
def test_what_would_be_ignored_is_refused_in_one_line(options, message, file, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main([str(file) if option == "FILE" else option for option in options])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_faults_of_the_file_are_told_in_one_line(file, capsys):
    text = file.read_text()
    for path, message in (
        (file.parent / "none.csv", "none.csv"),
        (file, "item"),  # there is no column of the default names
    ):
        assert main(["--ratings", str(path)]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    file.write_text(text + text.splitlines()[1] + "\n")
    assert main(["--ratings", str(file), *COLUMNS]) == 1
    assert "1 of 1601 rows repeat a pair" in capsys.readouterr().err
    assert main(["--ratings", str(file), *COLUMNS, "--repeated", "last", "--defense", "ease"]) == 0


def test_a_recommender_without_its_package_is_refused_first(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["--victim", "als"])
    error = capsys.readouterr().err
    assert 'argument --victim: needs implicit: python -m pip install "skrecsec[implicit]"' in error
