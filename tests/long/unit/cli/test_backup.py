"""An operator backs a node up and puts it back, up to the two people who let a restored node work again."""

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
    """Set up a node that numbers arrivals itself, and a passphrase."""
    make_cheap(monkeypatch)
    Path("passphrase").write_text("words that nobody guesses\n")
    set_up(terminal, "--numbering", "B")
    return terminal


def back_up(node: Terminal) -> str:
    output = node.type("backup", "--to", "node.backup", *PASSPHRASE, "-o", "json")
    assert output.code == 0, output.err
    return str(output.json["path"])


def moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the settings to those of another, empty machine."""
    monkeypatch.setenv("GATEWAY_NODE_DATA_DIR", str(Path("other").absolute()))


KINDS = pytest.mark.parametrize(
    ("words", "suffix"), [((), ".backup"), (("--incremental",), ".snapshot")], ids=["whole", "incremental"]
)


@KINDS
def test_a_backup_is_noted_and_proved_by_a_drill_without_its_name(
    node: Terminal, words: tuple[str, ...], suffix: str
) -> None:
    """R126 (backup and restore)."""
    output = node.type("backup", *words, *PASSPHRASE, "-o", "json")
    file = Path(output.json["path"])
    assert (output.code, file.parent.name, file.suffix) == (0, "backups", suffix)

    drilled = node.type("--lang", "en", "restore", "--drill", *PASSPHRASE)

    assert drilled.code == 0, drilled.err
    assert f"Restored {output.json['rows']} rows, {output.json['files']} files, equal." in drilled.err
    noted = json.loads(Path("state/backup.json").read_text())
    assert noted["path"] == str(file)
    assert noted["verified_at"] > noted["at"]


def test_older_backups_of_this_node_go_with_days_to_keep_and_no_other_file(node: Terminal) -> None:
    folder = Path("state/backups")
    folder.mkdir()
    old = ("Z91.02-20200101T000000Z.backup", "Z91.02-20200102T000000Z.backup")
    foreign_files = ("Z91.03-20200101T000000Z.backup", "Z91.02-notes.backup", "Z91.02-20200101T000000Z.txt")
    for name in (*old, *foreign_files):
        (folder / name).write_text("of a test")

    backup = node.type("backup", *PASSPHRASE, "--yes", "-o", "json").json
    assert {*old, *foreign_files} < {path.name for path in folder.iterdir()}
    last = node.type("backup", *PASSPHRASE, "--yes", "--keep-days", "14", "-o", "json").json

    names = {path.name for path in folder.iterdir()}
    assert names == {".store", *foreign_files, Path(backup["path"]).name, Path(last["path"]).name}


@KINDS
def test_two_backups_of_one_second_are_two_files_and_both_go_in_their_time(
    node: Terminal, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], suffix: str
) -> None:
    at = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda _: at)

    make = ("backup", *words, *PASSPHRASE, "--yes", "-o", "json")
    files = [Path(node.type(*make).json["path"]) for _ in range(3)]

    assert [file.name.partition("Z-")[2] for file in files] == ["", f"2{suffix}", f"3{suffix}"]
    two_weeks_on = at + timedelta(days=15)
    monkeypatch.setattr(SystemClock, "now", lambda _: two_weeks_on)
    last = node.type(*make, "--keep-days", "14").json
    assert [str(path) for path in files[0].parent.glob(f"*{suffix}")] == [last["path"]]
    assert node.type("restore", "--drill", *PASSPHRASE).code == 0, "the rest needs what went"


def test_a_restored_node_works_again_when_two_people_say_so(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = back_up(node)
    moved(monkeypatch)

    assert node.type("restore", file, *PASSPHRASE, "--yes").code == 0
    refused = node.type("inbox", "list", "-o", "json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "GW-C-002")
    restored = node.type("restored", "-o", "json").json
    assert restored["numbers"] == [{"code": "Z91.02", "last": 0}]
    assert node.type("restored", *TWO).code == 4, "the last number must be said"
    assert node.type("restored", "--number", "Z91.02=57", *TWO[:2], "--approved-by", "a. operator").code == 5
    assert node.type("restored", "--number", "Z91.02=57", *TWO).code == 0
    assert node.type("inbox", "list", "-o", "json").code == 0
    assert "No restore waits" in node.type("--lang", "en", "restored").err


def test_a_certificate_withdrawn_after_the_backup_is_withdrawn_after_the_restore(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat 114: an older copy must not quietly trust again what people stopped to trust."""
    certificate = Authority.create("Trial", SystemClock().now()).issue(
        "Z91.07", "Partner", ec.generate_private_key(ec.SECP256R1()).public_key(), SystemClock().now()
    )
    Path("partner.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    Path("agencies.csv").write_text("code,name\nZ91.07,Partner\n")
    assert node.type("registry", "import", "agencies.csv", "--apply", "--yes").code == 0
    two = Deciders.add_to(Path("gateway.toml"))
    with typing(two.lines(FIRST)):
        proposal = node.type(
            "keys", "propose", "Z91.07", "partner.pem", "--as", FIRST, "--yes", "-o", "json"
        ).json
    with typing(two.lines(SECOND, proposal["sha256"][0][-16:])):
        approved = node.type("keys", "approve", proposal["id"], "--as", SECOND, "--yes")
    assert approved.code == 0, approved.err
    file = back_up(node)
    moved(monkeypatch)
    node.type("restore", file, *PASSPHRASE, "--yes")

    (suspect,) = node.type("restored", "-o", "json").json["certificates"]
    assert suspect["code"] == "Z91.07"
    assert suspect["proposed_by"] != suspect["approved_by"]
    both = ("--confirmed-by", FIRST, "--approved-by", SECOND, "--yes")
    with typing(two.lines(FIRST) + two.lines(SECOND)):
        unknown = node.type("restored", "--number", "Z91.02=0", "--withdraw", f"Z91.07={'0' * 64}", *both)
    assert unknown.code == 3
    assert node.type("inbox", "list").code == 1, "what failed half-way confirms nothing"
    last = ("--number", "Z91.02=0", "--withdraw", f"Z91.07={suspect['fingerprint']}")
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
    output = node.type("backup", "--passphrase-file", "short")
    assert (output.code, "12 or more" in output.err) == (1, True)
    assert "Cụm mật khẩu quá ngắn" in output.err

    dry = node.type("backup", "--to", "node.backup", *PASSPHRASE, "--dry-run")
    assert (dry.code, "node.backup" in dry.err) == (0, True)
    assert not Path("node.backup").exists()
    file = back_up(node)
    full = node.type("restore", file, *PASSPHRASE, "--yes")
    assert (full.code, "empty node" in full.err) == (4, True)
    moved(monkeypatch)
    assert node.type("restore", file, *PASSPHRASE, "--dry-run").code == 0
    assert not Path("other").exists()


def test_a_damaged_backup_is_told_in_words(node: Terminal) -> None:
    """Damage in its key looks like another passphrase: both are named."""
    file = Path(back_up(node))
    content = file.read_bytes()

    codes = []
    for damaged in (content[:-1], content[:520] + bytes([content[520] ^ 1]) + content[521:]):
        file.write_bytes(damaged)
        output = node.type("restore", file, "--drill", *PASSPHRASE, "-o", "json")
        assert output.code == 1
        codes.append(output.json["error"]["code"])

    assert codes == ["GW-B-001", "GW-B-002"]


def test_the_list_of_destroyed_documents_goes_with_backups_and_comes_with_a_restore(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("state/destroyed.jsonl").write_text("{}\n")
    file = back_up(node)
    assert Path("destroyed.jsonl").read_text() == "{}\n"

    moved(monkeypatch)
    assert node.type("restore", file, *PASSPHRASE, "--yes").code == 0
    assert Path("other/destroyed.jsonl").read_text() == "{}\n"
