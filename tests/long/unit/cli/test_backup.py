"""Backing up and putting back as an operator types it, up to the two people who let a restored node work again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway_labs.authority import Authority
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.passphrases import make_cheap
from tests.unit.cli.conftest import Terminal, set_up

PASSPHRASE = ("--passphrase-file", "passphrase")
TWO = ("--confirmed-by", "A. Operator", "--approved-by", "A. Leader", "--yes")


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A node that numbers arrivals itself, and a passphrase."""
    make_cheap(monkeypatch)
    Path("passphrase").write_text("words that nobody guesses\n")
    set_up(terminal, "--numbering", "B")
    return terminal


def made(node: Terminal) -> str:
    said = node.type("backup", "--to", "node.backup", *PASSPHRASE, "-o", "json")
    assert said.code == 0, said.err
    return str(said.json["path"])


def moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the settings are those of another, empty machine."""
    monkeypatch.setenv("GATEWAY_NODE_DATA_DIR", str(Path("other").absolute()))


def test_a_backup_is_noted_and_proved_by_a_drill_without_its_name(node: Terminal) -> None:
    said = node.type("backup", *PASSPHRASE, "-o", "json")
    file = Path(said.json["path"])
    assert (said.code, file.parent.name, file.suffix) == (0, "backups", ".backup")

    drilled = node.type("--lang", "en", "restore", "--drill", *PASSPHRASE)

    assert drilled.code == 0, drilled.err
    assert f"Restored {said.json['rows']} rows, {said.json['files']} files, equal." in drilled.err
    noted = json.loads(Path("state/backup.json").read_text())
    assert noted["path"] == str(file)
    assert noted["verified_at"] > noted["at"]


def test_older_backups_of_this_node_go_with_days_to_keep_and_no_other_file(node: Terminal) -> None:
    folder = Path("state/backups")
    folder.mkdir()
    old = ("Z91.02-20200101T000000Z.backup", "Z91.02-20200102T000000Z.backup")
    others = ("Z91.03-20200101T000000Z.backup", "Z91.02-notes.backup", "Z91.02-20200101T000000Z.txt")
    for name in (*old, *others):
        (folder / name).write_text("of a test")

    kept = node.type("backup", *PASSPHRASE, "--yes", "-o", "json").json
    assert {*old, *others} < {each.name for each in folder.iterdir()}
    last = node.type("backup", *PASSPHRASE, "--yes", "--keep-days", "14", "-o", "json").json

    here = {each.name for each in folder.iterdir()}
    assert here == {*others, Path(kept["path"]).name, Path(last["path"]).name}


def test_two_backups_of_one_second_are_two_files_and_both_go_in_their_time(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda _: at)

    files = [Path(node.type("backup", *PASSPHRASE, "--yes", "-o", "json").json["path"]) for _ in range(3)]

    assert [file.name.partition("Z-")[2] for file in files] == ["", "2.backup", "3.backup"]
    later = at + timedelta(days=15)
    monkeypatch.setattr(SystemClock, "now", lambda _: later)
    last = node.type("backup", *PASSPHRASE, "--yes", "--keep-days", "14", "-o", "json").json
    assert [str(each) for each in files[0].parent.iterdir()] == [last["path"]]


def test_a_restored_node_works_again_when_two_people_say_so(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(node)
    moved(monkeypatch)

    assert node.type("restore", file, *PASSPHRASE, "--yes").code == 0
    refused = node.type("inbox", "list", "-o", "json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "GW-C-002")
    shown = node.type("restored", "-o", "json").json
    assert shown["numbers"] == [{"code": "Z91.02", "last": 0}]
    assert node.type("restored", *TWO).code == 4, "the last number must be said"
    assert node.type("restored", "--number", "Z91.02=57", *TWO[:2], "--approved-by", "a. operator").code == 5
    assert node.type("restored", "--number", "Z91.02=57", *TWO).code == 0
    assert node.type("inbox", "list", "-o", "json").code == 0
    assert "No restore waits" in node.type("--lang", "en", "restored").err


def test_a_certificate_withdrawn_after_the_backup_is_withdrawn_again(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat 114: an older copy must not quietly trust again what people stopped to trust."""
    certificate = Authority.create("Trial", SystemClock().now()).issue(
        "Z91.07", "Partner", ec.generate_private_key(ec.SECP256R1()).public_key(), SystemClock().now()
    )
    Path("partner.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    Path("agencies.csv").write_text("code,name\nZ91.07,Partner\n")
    assert node.type("registry", "import", "agencies.csv", "--apply", "--yes").code == 0
    two = Deciders.of(Path("gateway.toml"))
    with typing(two.lines(FIRST)):
        proposal = node.type(
            "keys", "propose", "Z91.07", "partner.pem", "--as", FIRST, "--yes", "-o", "json"
        ).json
    with typing(two.lines(SECOND, proposal["sha256"][0][-16:])):
        approved = node.type("keys", "approve", proposal["id"], "--as", SECOND, "--yes")
    assert approved.code == 0, approved.err
    file = made(node)
    moved(monkeypatch)
    node.type("restore", file, *PASSPHRASE, "--yes")

    (shown,) = node.type("restored", "-o", "json").json["certificates"]
    assert shown["code"] == "Z91.07"
    assert shown["proposed_by"] != shown["approved_by"]
    both = ("--confirmed-by", FIRST, "--approved-by", SECOND, "--yes")
    with typing(two.lines(FIRST) + two.lines(SECOND)):
        unknown = node.type("restored", "--number", "Z91.02=0", "--withdraw", f"Z91.07={'0' * 64}", *both)
    assert unknown.code == 3
    assert node.type("inbox", "list").code == 1, "what failed half-way confirms nothing"
    last = ("--number", "Z91.02=0", "--withdraw", f"Z91.07={shown['fingerprint']}")
    with typing(two.lines(FIRST) + two.lines(SECOND)):
        assert node.type("restored", *last, *both).code == 0
    listed = node.type("registry", "show", "Z91.07", "-o", "json").json
    assert listed["certificates"][0]["valid_to"] is not None


def test_what_is_wrong_with_the_words_is_said_before_anything_is_read(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("short").write_text("too short\n")
    assert node.type("restore", *PASSPHRASE).code == 2
    assert node.type("restore", "--drill", *PASSPHRASE).code == 3
    said = node.type("backup", "--passphrase-file", "short")
    assert (said.code, "12 or more" in said.err) == (1, True)
    assert "Cụm mật khẩu quá ngắn" in said.err

    dry = node.type("backup", "--to", "node.backup", *PASSPHRASE, "--dry-run")
    assert (dry.code, "node.backup" in dry.err) == (0, True)
    assert not Path("node.backup").exists()
    file = made(node)
    full = node.type("restore", file, *PASSPHRASE, "--yes")
    assert (full.code, "empty node" in full.err) == (4, True)
    moved(monkeypatch)
    assert node.type("restore", file, *PASSPHRASE, "--dry-run").code == 0
    assert not Path("other").exists()


def test_a_damaged_backup_is_told_in_words(node: Terminal) -> None:
    """Damage in its key looks like another passphrase: both are named."""
    file = Path(made(node))
    whole = file.read_bytes()

    told = []
    for damaged in (whole[:-1], whole[:520] + bytes([whole[520] ^ 1]) + whole[521:]):
        file.write_bytes(damaged)
        said = node.type("restore", file, "--drill", *PASSPHRASE, "-o", "json")
        assert said.code == 1
        told.append(said.json["error"]["code"])

    assert told == ["GW-B-001", "GW-B-002"]
