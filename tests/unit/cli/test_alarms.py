"""`gateway alarms` lists open alarms, tries each channel, sends that a unit failed; a backup that fails is a finding."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.alarm import Alarm, AlarmBook
from gateway.domain.diagnosis import red
from gateway.store.alarm_file import AlarmFile
from tests.unit.cli.conftest import Terminal, set_up

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)


@pytest.fixture
def node(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a node whose alarms go to a mail server that is not there."""
    set_up(terminal)
    for name, text in {"MAIL_HOST": "127.0.0.1", "MAIL_PORT": "9", "MAIL_SENDER": "node@example.vn"}.items():
        monkeypatch.setenv(f"GATEWAY_{name}", text)
    monkeypatch.setenv("GATEWAY_ALARMS_MAIL", "op@example.vn")
    return next(Path.cwd().glob("*/gateway.db")).parent


def test_open_alarms_are_listed_with_their_cure(terminal: Terminal, node: Path) -> None:
    finding = red("workers", "workers.none", "gateway serve", at="–")
    alarm = Alarm(id="alm_1", finding=finding, since=NOW, waits_from=NOW, seen_at=NOW, is_open=True)
    AlarmFile(node).write(AlarmBook(looked_at=NOW, alarms={"a": alarm}))

    (record,) = json.loads(terminal.type("alarms", "-o", "json").out)["data"]

    assert (record["check"], record["code"], record["level"]) == ("workers", "workers.none", "red")
    assert "gateway serve" in terminal.type("alarms").out


def test_a_test_names_the_channel_that_fails_and_a_unit_is_sent_once_an_hour(
    terminal: Terminal, node: Path
) -> None:
    for words in (("--test",), ("--unit", "gateway-backup.service")):
        run = terminal.type("alarms", *words, "-o", "json")
        (record,) = json.loads(run.out)["data"]
        assert (run.code, record["name"], record["state"]) == (6, "mail op@example.vn", "failed")

    repeated = terminal.type("alarms", "--unit", "gateway-backup.service", "-o", "json")

    assert (repeated.code, json.loads(repeated.out)["data"]) == (0, [])


def test_a_test_without_a_channel_proves_nothing_and_a_unit_without_one_is_no_failure(
    terminal: Terminal,
) -> None:
    set_up(terminal)

    assert terminal.type("alarms", "--test").code == 1
    assert terminal.type("alarms", "--unit", "gateway-backup.service").code == 0
    assert terminal.type("alarms").code == 0


def test_a_backup_that_fails_is_a_red_finding_until_one_succeeds(terminal: Terminal, node: Path) -> None:
    (Path.cwd() / "passphrase.txt").write_text("twelve letters or more")
    (Path.cwd() / "taken").write_text("no folder")
    backup = ("backup", "--passphrase-file", "passphrase.txt", "--yes")

    def causes() -> set[str]:
        checks = json.loads(terminal.type("doctor", "-o", "json").out)["checks"]
        return {check["level"] for check in checks if check["check"] == "backup"}

    def borne() -> list[int]:
        status = json.loads(terminal.type("status", "-o", "json").out)
        return [status["spare_workers"], status["backups"]]

    assert terminal.type(*backup, "--to", "taken/a.backup").code != 0
    failed = causes()
    assert borne() == [0, 0]
    assert terminal.type(*backup).code == 0
    assert borne() == [0, 1]
    assert "usable backups: 1" in terminal.type("--lang", "en", "status").out

    assert ("red" in failed, "red" in causes()) == (True, False)
