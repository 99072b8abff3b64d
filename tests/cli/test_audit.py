"""`audit`: what it says in each format, with which status it ends, and that no id does harm."""

import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from skrecsec import AverageAttackTransformer, LockstepDetector, RandomAttackTransformer, cli
from skrecsec.base import BaseProfileDetector
from skrecsec.cli import _audit
from skrecsec.cli._audit._fakes import _new_names
from skrecsec.cli._audit._findings import plain
from skrecsec.cli._audit._harmless import columns, for_spreadsheet, padded, short, visible
from skrecsec.cli._audit._page import draw_scores
from skrecsec.datasets import load_ratings, make_ratings
from skrecsec.detection import visible_attacks
from skrecsec.utils import _registry

N_GENUINE, N_FAKES = 250, 14
NUMBER = r"[+-]?[0-9]+([.][0-9]+)?"
NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil","x")',
    "+1+2",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "two\nlines\r\nand more",
    "red \x1b[31m and \x1b]0;title\x07",
    "\u202etxt.exe",
    "\x9b31m",
    "$\\frac{",
    "long" * 500,
    "'=quoted",
]


def write_frame(path, X, user_ids, item_ids, columns=("user", "item", "rating")):
    X = X.tocoo()
    values = [np.array(user_ids, object)[X.row], np.array(item_ids, object)[X.col], X.data]
    frame = pd.DataFrame(dict(zip(columns, values, strict=True)))
    frame = frame.sample(frac=1, random_state=0)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def poisoned():
    """Return ratings of which the last rows are fake, and the attack."""
    attack = AverageAttackTransformer(attack_size=N_FAKES, n_targets=3, random_state=0)
    return attack.fit_transform(make_ratings(N_GENUINE, 120, density=0.1, random_state=0)), attack


@pytest.fixture(scope="module")
def attacked(folder, poisoned):
    users = [f"user {row}" if row < N_GENUINE else f"fake {row}" for row in range(264)]
    return write_frame(folder / "attacked.csv", poisoned[0], users, [f"b{i}" for i in range(120)])


@pytest.fixture(scope="module")
def clean(folder, poisoned):
    return write_frame(folder / "clean.csv", poisoned[0][:N_GENUINE], range(250), range(120))


@pytest.fixture(scope="module")
def nasty(folder, poisoned):
    """Return a file in which fakes, genuine users and targets have ids that may do harm."""
    users = [f"user {row}" for row in range(N_GENUINE)] + NASTY
    items = [f"item {column}" for column in range(120)]
    for target, name in zip(poisoned[1].target_items_, NASTY, strict=False):
        items[target] = name
    return write_frame(folder / "na<b>\x1bsty.parquet", poisoned[0], users, items)


def run(capsys, *arguments, status):
    assert cli.main(["audit", *map(str, arguments)]) == status
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def refused(capsys, *arguments):
    """Return the line with which arguments are refused."""
    with pytest.raises(SystemExit) as end:
        cli.main(["audit", *map(str, arguments)])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("skrecsec audit: error: ")
    return err


def fakes():
    return {f"fake {row}" for row in range(N_GENUINE, N_GENUINE + N_FAKES)}


# --- what is found --------------------------------------------------------------------------------


def test_of_an_attack_that_is_added_it_is_told_who_is_found(clean, capsys, tmp_path):
    report = tmp_path / "report.html"
    options = [clean, "--attack", "average", "--attack-size", N_FAKES, "--targets", "3,77,119"]
    result = json.loads(run(capsys, *options, "--format", "json", "--report", report, status=1))
    told = result["attack"]
    flagged = {user["user"] for user in result["flagged"]}
    added = {f"fake {number}" for number in range(1, N_FAKES + 1)}
    assert sorted(told["items"]) == [3, 77, 119]
    assert told["fake_profiles"] == N_FAKES
    assert told["other_users"] == N_GENUINE
    assert told["found"] == len(flagged & added) > N_FAKES / 2
    assert told["missed"] == N_FAKES - told["found"]
    assert told["others_flagged"] == len(flagged - added)
    assert result["ratings"]["n_users"] == N_GENUINE + N_FAKES
    assert result["settings"]["attack"] == "average"
    sentence = (
        f"Of the average attack that was added, on 3, 77, 119: found {told['found']} of {N_FAKES} "
        f"fake profiles, missed {told['missed']}. Of the {N_GENUINE} other users "
        f"{told['others_flagged']} are flagged."
    )
    assert sentence in " ".join(run(capsys, *options, status=1).split())
    assert sentence in report.read_text(encoding="utf-8")


def test_an_attack_is_that_of_its_seed_and_settings(capsys, few):
    options = [
        "--dataset",
        "generated",
        "--attack",
        "random",
        "--format",
        "json",
        "--examples",
        "0",
    ]
    found = []
    for more in (["--seed", "5"], ["--seed", "5"], ["--seed", "6", "--n-targets", "2"]):
        cli.main(["audit", *options, "--attack-size", "7", *more])
        found.append(json.loads(capsys.readouterr().out))
    assert few == [5, 5, 6]
    assert found[0] == found[1]
    X = make_ratings(120, 90, density=0.2, random_state=5)
    attack = RandomAttackTransformer(attack_size=7, random_state=5).fit(X)
    assert found[0]["attack"]["items"] == attack.target_items_.tolist()
    assert found[0]["ratings"]["n_ratings"] == X.nnz + attack.poison_.nnz
    assert len(found[2]["attack"]["items"]) == 2


def test_fakes_that_are_added_have_names_of_their_own():
    assert _new_names(2, ["fake 3", 7]) == ["fake 1", "fake 2"]
    assert _new_names(2, ["fake 2", "added fake 1"]) == ["added added fake 1", "added added fake 2"]


def test_what_says_how_an_attack_is_made_needs_one(clean, capsys):
    assert "argument --n-targets: goes with --attack" in refused(capsys, clean, "--n-targets", 3)
    assert "argument --seed: goes with --attack" in refused(capsys, clean, "--seed", 3)
    times = ["--attack", "random", "--timestamp-column", "when"]
    assert "argument --timestamp-column: not with --attack" in refused(capsys, clean, *times)
    named = ["--attack", "random", "--targets", "3,300"]
    assert "argument --targets: there is no item '300'" in refused(capsys, clean, *named)
    settings = json.loads(run(capsys, clean, "--format", "json", status=0))["settings"]
    assert not {"attack", "attack_size", "targets", "seed"} & set(settings)


def test_the_table_says_who_on_which_items_and_how_surprising_that_is(attacked, poisoned, capsys):
    text = run(capsys, attacked, status=1)
    assert text.splitlines()[0].startswith("attacked.csv: 264 users, ")
    assert "14 of 264 users are flagged, in 1 group" in text
    assert "Group 1: 14 users gave 3 items the rating 5, where 0." in text
    assert re.search(r"net surprise \d+\.\d nats: about \de-\d+ such groups would come about", text)
    for target in poisoned[1].target_items_:
        assert f"b{target}" in text
    for fake in fakes():
        assert fake in text
    assert "A flag is evidence, not proof" in text
    assert not re.search("guilt|fraud|criminal", text, re.IGNORECASE)
    members = [line for line in text.splitlines() if line.startswith("  member, flagged  fake")]
    others = [line for line in text.splitlines() if line.startswith("  other            user")]
    assert len(members) == len(others) == 3
    assert all(re.split("  +", line)[5:8] == ["5"] * 3 for line in members)
    assert all(re.split("  +", line)[5:8] != ["5"] * 3 for line in others)


def test_json_is_what_the_detector_found(attacked, capsys):
    result = json.loads(run(capsys, "--ratings", attacked, "--format", "json", status=1))
    data = load_ratings(attacked, user="user", item="item", rating="rating")
    detector = LockstepDetector().fit(data.ratings)
    flagged = {data.user_ids[row]: row for row in np.flatnonzero(detector.labels_ == -1)}
    assert {entry["user"] for entry in result["flagged"]} == set(flagged) == fakes()
    scores = [entry["score"] for entry in result["flagged"]]
    assert scores == sorted(detector.profile_scores_[list(flagged.values())])
    assert all(entry["groups"] == [1] for entry in result["flagged"])
    assert result["threshold"] == detector.offset_
    (record,), (group,) = result["groups"], detector.groups_
    assert record["items"] == list(data.item_ids[group.items])
    assert {user["user"] for user in record["users"]} == set(data.user_ids[group.users])
    for user in record["users"]:
        row = list(data.user_ids).index(user["user"])
        assert user["score"] == detector.profile_scores_[row]
        assert user["flagged"] == (detector.labels_[row] == -1)
    assert (record["rating"], record["n_users"]) == (group.level, group.n_users)
    assert (record["expected"], record["net_surprise"]) == (group.expected, group.score)
    assert record["min_items"] == group.min_items
    assert result["ratings"]["n_ratings"] == data.ratings.nnz
    assert result["settings"]["contamination"] == "auto"
    assert result["visible_attacks"] == []
    assert set(result["versions"]) == {"skrecsec", "scikit-learn", "numpy"}


def test_examples_show_what_the_profiles_hold(attacked, capsys):
    options = ["--format", "json", "--examples", "4"]
    result = json.loads(run(capsys, attacked, *options, status=1))
    frame = pd.read_csv(attacked)
    popularity = frame["item"].value_counts()
    (record,) = result["groups"]
    assert [example["is_member"] for example in record["examples"]] == [True] * 4 + [False] * 4
    for example in record["examples"]:
        profile = frame[frame["user"] == example["user"]].set_index("item")["rating"]
        assert example["n_ratings"] == len(profile)
        assert example["mean"] == pytest.approx(profile.mean())
        assert example["on_items"] == [profile.get(item) for item in record["items"]]
        others = [other["item"] for other in example["others"]]
        rest = popularity[profile.index.difference(record["items"])]
        assert sorted(popularity[others]) == sorted(rest.nlargest(3))
        assert all(other["rating"] == profile[other["item"]] for other in example["others"])
    assert "examples" in record
    none = json.loads(run(capsys, attacked, "--format", "json", "--examples", 0, status=1))
    assert none["groups"][0]["examples"] == []
    assert "some other items" not in run(capsys, attacked, "--examples", 0, status=1)


def test_csv_has_a_line_for_each_user_who_is_flagged(attacked, poisoned, capsys):
    rows = list(csv.DictReader(io.StringIO(run(capsys, attacked, "--format", "csv", status=1))))
    assert {row["user"] for row in rows} == fakes()
    assert [float(row["score"]) for row in rows] == sorted(float(row["score"]) for row in rows)
    assert {row["group"] for row in rows} == {"1"}
    targets = {f"b{item}" for item in poisoned[1].target_items_}
    assert all(set(json.loads(row["items"])) == targets for row in rows)


def test_of_clean_ratings_it_says_what_could_have_been_seen(clean, poisoned, capsys):
    text = run(capsys, clean, status=0)
    assert "Nothing was found" in text
    result = json.loads(run(capsys, clean, "--format", "json", status=0))
    assert result["flagged"] == result["groups"] == []
    attacks = visible_attacks(poisoned[0][:N_GENUINE])
    assert result["visible_attacks"] == [attack._asdict() for attack in attacks]
    lines = text.splitlines()
    (place,) = [n for n, line in enumerate(lines) if line.lstrip().startswith("unpopular (")]
    cells = [re.split("  +", line) for line in lines[place + 1 :]]
    assert [line[0] for line in cells] == [
        "1 target item", "2 target items", "3 target items", "5 target items",
    ]  # fmt: skip
    for n, line in enumerate(cells):
        for attack, cell in zip(attacks[n::4], line[1:], strict=True):
            ends = f"{attack.smallest} to {attack.largest}"
            expected = str(attack.smallest) if attack.largest == 25 else ends
            assert cell == ("-" if attack.smallest is None else expected)
    assert run(capsys, clean, "--format", "csv", status=0) == '"user","score","group","items"\n'


def test_a_share_is_flagged_whatever_the_evidence(clean, capsys):
    options = ["--contamination", "0.1", "--format"]
    result = json.loads(run(capsys, clean, *options, "json", status=1))
    assert len(result["flagged"]) == 25
    assert "because 10% were asked for" in result["verdict"]
    text = run(capsys, clean, *options, "table", status=1)
    assert "In no group, but much like other profiles:" in text


@pytest.mark.parametrize("how", ["ids", "file"])
def test_trusted_users_are_not_flagged(how, attacked, tmp_path, capsys):
    trusted = ["fake 250", "fake 263"]
    text = ",".join(trusted)
    if how == "file":
        text = tmp_path / "trusted.txt"
        text.write_text("\r\n".join([*trusted, ""]), encoding="utf-8-sig")
    options = ["--trusted", text, "--format", "json"]
    result = json.loads(run(capsys, attacked, *options, status=1))
    assert {entry["user"] for entry in result["flagged"]} == fakes() - set(trusted)
    assert "member  " in run(capsys, attacked, "--trusted", text, "--examples", 99, status=1)


def test_trusted_users_who_are_unknown(attacked, tmp_path, capsys):
    line = refused(capsys, attacked, "--trusted", "user 1,user x")
    assert "argument --trusted: there is no user or file 'user x'" in line
    refused(capsys, attacked, "--trusted", "x" * 5000)
    refused(capsys, attacked, "--trusted", "~nobody-of-this-name/x")
    path = tmp_path / "trusted.txt"
    path.write_text("user 1\nuser x\nuser y\n")
    assert cli.main(["audit", attacked, "--trusted", str(path)]) == 1
    err = capsys.readouterr().err
    assert err == "skrecsec audit: warning: 2 of the trusted users have no ratings here\n"


def test_columns_can_be_told(folder, poisoned, capsys):
    columns = ("who", "what", "stars")
    path = write_frame(folder / "told.csv", poisoned[0], range(264), range(120), columns)
    options = ["--user-column", "who", "--item-column", "what", "--rating-column", "stars"]
    rows = csv.DictReader(io.StringIO(run(capsys, path, *options, "--format", "csv", status=1)))
    assert {int(row["user"]) for row in rows} == set(range(250, 264))


# --- times ----------------------------------------------------------------------------------------

HOUR, YEAR = 3600, 365 * 86400


@pytest.fixture(scope="module")
def copied(folder):
    """Return a file in which twelve copies of genuine profiles praise one item, on one day."""
    X, rng = make_ratings(N_GENUINE, 120, density=0.1, random_state=0), np.random.default_rng(0)
    target = int(np.argsort(np.bincount(X.indices, minlength=120), kind="stable")[60])
    copies = X[rng.choice(N_GENUINE, 12, replace=False)].toarray()
    copies[:, target] = 5
    ratings = np.vstack([X.toarray(), copies])
    times = rng.integers(0, YEAR, ratings.shape)
    times[N_GENUINE:, target] = YEAR // 2 + rng.integers(0, HOUR, 12)
    users, items = np.nonzero(ratings)
    frame = pd.DataFrame({"user": users, "item": items, "rating": ratings[users, items]})
    frame["when"] = times[users, items]
    frame.to_csv(folder / "copied.csv", index=False)
    frame["when"] = pd.to_datetime(frame["when"], unit="s", utc=True)
    frame.to_parquet(folder / "copied.parquet")
    return str(folder / "copied.csv"), target


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_bursts_are_evidence_where_the_column_of_the_times_is_told(suffix, copied, capsys):
    path, target = str(Path(copied[0]).with_suffix(suffix)), copied[1]
    without = json.loads(run(capsys, path, "--format", "json", status=0))
    assert without["ratings"]["has_times"] is False
    options = ["--timestamp-column", "when"]
    found = json.loads(run(capsys, path, *options, "--format", "json", status=1))
    assert found["ratings"]["has_times"] is True
    assert found["settings"]["timestamp_column"] == "when"
    users = {record["user"] for record in found["flagged"]}
    assert len(users & set(range(N_GENUINE, N_GENUINE + 12))) > 6
    assert len(users) < 15
    (group,) = found["groups"]
    assert group["items"] == [target]


def test_how_soon_one_after_the_other_the_ratings_came(copied, capsys, tmp_path):
    """Three in four of a group's ratings: as few of all others between them as there can be."""
    path, target = copied
    report = tmp_path / "report.html"
    options = ["--timestamp-column", "when", "--report", report]
    found = json.loads(run(capsys, path, *options, "--format", "json", status=1))
    (group,) = found["groups"]
    frame = pd.read_csv(path)
    members = [user["user"] for user in group["users"]]
    of_group = frame[frame.user.isin(members) & (frame.item == target) & (frame.rating == 5)]
    when, n_most = sorted(of_group.when), -(-3 * len(of_group) // 4)
    n_then = min(
        sum(when[place] <= time <= when[place + n_most - 1] for time in frame.when)
        for place in range(len(when) - n_most + 1)
    )
    assert group["haste"] == pytest.approx(n_then / len(frame))
    words = f"three in four of these ratings came while {100 * n_then / len(frame):.2g}% of all"
    assert words in report.read_text()
    text = run(capsys, path, *options[:2], status=1)
    assert f"  {words} ratings did" in text
    assert text.splitlines()[0].endswith("ratings, with their times")
    assert "three in four" not in run(capsys, path, "--contamination", 0.1, status=1)


def test_the_latest_rating_can_be_kept(copied, capsys, folder):
    frame = pd.read_csv(copied[0])
    late = frame.iloc[:1].assign(rating=1, when=2 * YEAR)
    pd.concat([late, frame]).to_csv(folder / "repeated.csv", index=False)
    options = ["--timestamp-column", "when", "--repeated", "latest", "--format", "json"]
    for detector in ("lockstep", "pca"):  # which looks at no times otherwise
        arguments = [folder / "repeated.csv", *options, "--detector", detector]
        result = json.loads(run(capsys, *arguments, status=1))
        assert result["ratings"]["n_ratings"] == len(frame)


def test_times_that_nobody_would_look_at_are_refused(copied, capsys):
    path, _ = copied
    options = ["--timestamp-column", "when"]
    line = refused(capsys, path, *options, "--detector", "pca")
    assert "argument --timestamp-column: the detector 'pca' does not look at times" in line
    line = refused(capsys, path, "--repeated", "latest")
    assert "argument --repeated: 'latest' needs --timestamp-column" in line
    line = refused(capsys, "--dataset", "generated", *options)
    assert "argument --timestamp-column: goes with --ratings" in line
    assert cli.main(["audit", path, "--timestamp-column", "never"]) == 2
    assert "'never'" in capsys.readouterr().err


@pytest.mark.parametrize(("detector", "looks"), [("lockstep", True), ("pca", False)])
def test_times_of_public_ratings_are_used_by_detectors_that_can(
    detector, looks, copied, capsys, monkeypatch
):
    dataset = load_ratings(copied[0], user="user", item="item", rating="rating", timestamp="when")
    entry = _registry.find("dataset", "movielens-100k")._replace(make=lambda: dataset)
    monkeypatch.setitem(_registry._entries["dataset"], "movielens-100k", entry)
    options = ["--dataset", "movielens-100k", "--detector", detector, "--format", "json"]
    result = json.loads(run(capsys, *options, status=1))
    assert result["ratings"]["has_times"] is looks


def test_public_ratings_are_audited_too(few, capsys):
    text = run(capsys, "--dataset", "generated", status=0)
    assert text.startswith("generated: 120 users, 90 items, ")
    assert few == [0]


# --- other detectors ------------------------------------------------------------------------------


class LongProfiles(BaseProfileDetector):
    """Flags the longest profiles, and knows no groups."""

    def _judge(self, X, is_trusted):
        lengths = np.diff(X.indptr)
        return -lengths.astype(float), -float(np.sort(lengths)[-3]), None


@pytest.fixture
def other_detector(monkeypatch):
    entry = _registry.find("detector", "lockstep")._replace(name="long", make=LongProfiles)
    monkeypatch.setitem(_registry._entries["detector"], "long", entry)


@pytest.mark.usefixtures("other_detector")
def test_a_detector_without_groups(clean, capsys, tmp_path):
    options = [clean, "--detector", "long"]
    text = run(capsys, *options, "--report", tmp_path / "report.html", status=1)
    assert "2 of 250 users are flagged: " in text
    assert "In no group, but much like other profiles:\n  users: " in text
    rows = list(csv.DictReader(io.StringIO(run(capsys, *options, "--format", "csv", status=1))))
    assert [(row["group"], row["items"]) for row in rows] == [("", "")] * 2
    assert "Users: " in (tmp_path / "report.html").read_text(encoding="utf-8")


# --- faults ---------------------------------------------------------------------------------------


def test_wrong_arguments_are_refused_in_one_line(attacked, tmp_path, capsys):
    for arguments, message in (
        ([], "expected a FILE of ratings, or --dataset NAME"),
        ([attacked, "--ratings", attacked], "argument --ratings: not with FILE"),
        ([attacked, "--dataset", "filmtrust"], "argument --ratings: not with --dataset"),
        (["--dataset", "filmtrust", "--user-column", "who"], "--user-column: goes with --ratings"),
        ([attacked, "--detector", "crystal"], "--detector: invalid choice: 'crystal'"),
        ([attacked, "--contamination", "0.6"], "expected 'auto' or a fraction in (0, 0.5]"),
        ([attacked, "--examples", "-1"], "--examples: expected a whole number from 0"),
        ([attacked, "--format", "xml"], "--format: invalid choice"),
        ([attacked, "--report", tmp_path / "none" / "x.html"], "--report: the folder"),
        ([attacked, "--attack", "magic"], "--attack: invalid choice: 'magic'"),
        ([attacked, "--victim", "mf"], "unrecognized arguments"),
    ):
        assert message in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "none.csv"),
        ("user,item\n1,2\n", "rating"),
        ("user,item,rating\n1,2,3\n1,2,4\n", "1 of 2 rows repeat a pair"),
        ("user,item,rating\n1,2,x\n", "rating"),
        ("", "none.csv"),
    ],
)
def test_faults_of_the_file_end_with_2(content, message, tmp_path, capsys):
    path = tmp_path / "none.csv"
    if content is not None:
        path.write_text(content)
    assert cli.main(["audit", str(path), "--report", str(tmp_path / "report.html")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("skrecsec audit: error: ")
    assert message in err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RuntimeError("a fault of the program"), 2, "Traceback"),
        (MemoryError(), 2, "skrecsec audit: error: MemoryError"),
        (KeyboardInterrupt(), 130, "skrecsec audit: interrupted"),
    ],
)
def test_nothing_else_ends_with_the_status_of_a_finding(
    error, status, message, clean, capsys, monkeypatch
):
    def fail(arguments):
        raise error

    monkeypatch.setattr(_audit, "load_data", fail)
    assert cli.main(["audit", clean]) == status
    assert message in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(_audit, "load_data", lambda arguments: pytest.fail("was read"))
    assert "is a folder" in refused(capsys, "none.csv", "--report", tmp_path)


def test_help_names_the_statuses_and_the_main_help_names_the_audit(capsys):
    for arguments, expected in (
        (["audit", "--help"], "0 if nothing is found, 1 if something is, 2 if arguments"),
        (["--help"], "'skrecsec audit --help' says how"),
        (["--help"], "skrecsec audit FILE [options]"),
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0
        assert expected in " ".join(capsys.readouterr().out.split())


def test_from_a_shell_that_knows_few_letters(nasty):
    command = [sys.executable, "-m", "skrecsec", "audit", nasty]
    path = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr == ""
    assert r"lon\u2026" in process.stdout


# --- ids that may do harm -------------------------------------------------------------------------


def is_harmless(text):
    return all(letter.isprintable() for letter in text.replace("\n", ""))


@given(st.text(max_size=30))
def test_any_text_is_made_harmless(text):
    assert is_harmless(visible(text))
    assert "\n" not in visible(text)
    assert columns(short(text, 8)) <= 8
    cell = for_spreadsheet(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@")) or re.fullmatch(NUMBER, cell)
    assert (cell[1:] if cell.startswith("'") else cell) == visible(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("-5", "-5"), ("+4.25", "+4.25"), ("-5+1", "'-5+1"), (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("'", "''"), ("", ""), ("a=b", "a=b"), ("-", "'-"), ("-5.", "'-5."),
    ],
)  # fmt: skip
def test_cells(text, cell):
    assert for_spreadsheet(text) == cell


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (np.int64(7), 7), (7, 7), (2.5, 2.5), (np.float64(2.5), 2.5), ("7", "7"), (True, "True"),
        (np.True_, "True"), (np.datetime64("2024-01-02", "ns"), "2024-01-02T00:00:00.000000000"),
        (np.timedelta64(3, "s"), "3 seconds"), (b"x", "b'x'"),
    ],
)  # fmt: skip
def test_ids_of_any_type_become_text_or_numbers(identity, expected):
    assert plain(identity) == expected
    assert type(plain(identity)) is type(expected)


@pytest.mark.parametrize(
    "lines", [["a,x,5"], ["a,x,5", "b,x,5"], ["a,x,1", "a,y,1"], [f"{u},{u},3" for u in range(40)]]
)
def test_few_ratings_are_no_fault(lines, tmp_path, capsys):
    """But it is said that nobody could be found among few users."""
    path = tmp_path / "few.csv"
    path.write_text("\n".join(["user,item,rating", *lines]))
    for name in ("table", "json", "csv"):
        report = tmp_path / f"{name}.html"
        text = run(capsys, path, "--format", name, "--report", report, status=0)
        assert report.exists()
        is_told = "They are too few for that" in " ".join(text.split())
        assert name == "csv" or is_told == (len(lines) < 10)


def test_wide_and_combining_letters_keep_the_columns_of_a_table():
    assert columns("\u4e2d\u6587") == 4
    assert columns("e\u0301") == 1
    assert short("\u4e2d\u6587\u4e2d", 5) == "\u4e2d\u6587\u2026"
    assert padded("\u4e2d", 4) == "\u4e2d  "
    assert padded("\u4e2d", 4, right=True) == "  \u4e2d"


def test_the_terminal_gets_no_control_characters(nasty, capsys):
    text = run(capsys, nasty, status=1)
    assert is_harmless(text)
    assert len(text.splitlines()) < 60
    assert r"red \x1b[31m" in text
    assert r"two\nlines" in text
    assert r"\u202etxt.exe" in text
    assert r"\x9b31m" in text
    assert "long" * 7 not in text
    assert "longlonglonglonglonglon…" in text
    assert max(map(len, text.splitlines())) < 200


def test_the_spreadsheet_gets_no_formulas(nasty, capsys):
    text = run(capsys, nasty, "--format", "csv", status=1)
    assert is_harmless(text)
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == len(text.splitlines()) == 1 + len(NASTY)
    for user, score, group, items in rows[1:]:
        assert user[0] not in "=+-@"
        assert not user.lstrip().startswith(("=", "+", "-", "@"))
        assert float(score) < 0
        assert group == "1"
        assert len(json.loads(items)) == 3
    users = {row[0] for row in rows[1:]}
    assert {'\'=HYPERLINK("http://evil","x")', "'-2+3", "'+1+2", "'@SUM(A1)"} <= users
    assert {"''=quoted", "long" * 500, r"\t=1+1"} <= users


def test_json_has_the_ids_as_they_are(nasty, capsys):
    text = run(capsys, nasty, "--format", "json", status=1)
    assert is_harmless(text)
    assert text.isascii()
    result = json.loads(text)
    assert {entry["user"] for entry in result["flagged"]} == set(NASTY)
    assert set(result["groups"][0]["items"]) == set(NASTY[:3])


def test_the_page_has_no_markup_of_ids(nasty, capsys, tmp_path):
    path = tmp_path / "<i>&\x1breport.html"
    run(capsys, nasty, "--report", path, status=1)
    page = path.read_text(encoding="utf-8")
    assert is_harmless(page)
    tags = set(re.findall(r"<(/?[a-zA-Z!][a-zA-Z0-9]*)", page))
    known = "html head meta title style body h1 h2 p div table thead tbody tr th td figure img"
    known = {*known.split(), "figcaption", "footer", "code", "!DOCTYPE"}
    assert {tag.removeprefix("/") for tag in tags} <= known
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == 2
    assert all(
        re.fullmatch(r'<img alt="[^"]*" src="data:image/png;base64,[^"]*">', i) for i in images
    )
    text = html.unescape(re.sub("<[^>]*>", "", page))
    assert NASTY[0] in text
    assert NASTY[1] in text
    assert r"red \x1b[31m" in text
    assert "long" * 20 not in text
    assert "evidence, not proof" in text


def test_the_page_of_clean_ratings_says_what_could_have_been_seen(clean, capsys, tmp_path):
    path = tmp_path / "report.html"
    text = run(capsys, clean, "--report", path, status=0)
    page = path.read_text(encoding="utf-8")
    assert "Nothing was found" in page
    assert "<h2>What could have been seen</h2>" in page
    assert page.count('src="data:image/png;base64,') == 1
    for cell in re.split("  +", text.splitlines()[-1]):
        assert f"<td>{cell}</td>" in page


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [([-9.0, -3.1, -3.0, 4.0, 7.0], -3.0), ([1.0, 2.0], -3.0), ([2.0, 2.0], 2.0), ([-5.0], 1.0)],
)
def test_no_bar_of_the_histogram_has_users_on_both_sides_of_the_threshold(scores, threshold):
    scores = np.array(scores)
    labels = np.where(scores < threshold, -1, 1)
    detector = SimpleNamespace(profile_scores_=scores, labels_=labels, offset_=threshold)
    ax = Figure().subplots()
    draw_scores(SimpleNamespace(detector=detector), ax)
    bars = [bar for bar in ax.patches if bar.get_height() > 0]
    assert sum(bar.get_height() for bar in bars) == scores.size
    for bar in bars:
        left, right = bar.get_x(), bar.get_x() + bar.get_width()
        assert right <= threshold + 1e-9 or left >= threshold - 1e-9
