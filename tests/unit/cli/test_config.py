"""`config check` reads every text of the settings as the node will, and names every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Terminal

AMQP = '[axis]\nkind = "amqp"\n[amqp]\npassword = "invented"\nservers = '


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[office]\nhours = "25:00-26:00"\n', "office.hours"),
        ('[office]\nhours = "13:30-17:00, 07:30-11:30"\n', "office.hours"),
        ('[office]\nweekdays = "mon, someday"\n', "office.weekdays"),
        ('[mail]\ndigest_at = "25:00"\n', "mail.digest_at"),
        ('[mail]\npeople = "a clerk"\n', "mail.people"),
        ('[accounts]\naddress = "gateway.example.invalid"\n', "accounts.address"),
        ('[log]\ntsa_url = "tsa.example.invalid/stamp"\n', "log.tsa_url"),
        ('[scanner]\naddress = "/run/clamd.ctl"\n', "scanner.address"),
        ('[database]\nurl = "postgresql://db.example.invalid/gateway"\nca = "none.pem"\n', "database.ca"),
        (f'{AMQP}"mq1.example.invalid:5671"\n', "amqp.servers"),
        (f'{AMQP}"amqp://mq1.example.invalid"\n', "amqps://mq1.example.invalid"),
        (f'{AMQP}"amqps://mq1.example.invalid, amqp://192.0.2.7"\n', "amqps://192.0.2.7"),
    ],
)
def test_what_the_node_could_not_use_is_a_fault_of_the_check(
    terminal: Terminal, tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")

    said = terminal.type("config", "check", "--lang", "en")

    assert said.code == 1
    assert named in said.err


def test_every_fault_is_named_at_once(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(
        '[office]\nhours = "25:00-26:00"\n[accounts]\naddress = "gateway.example.invalid"\n', encoding="utf-8"
    )

    said = terminal.type("config", "check", "--lang", "en").err

    assert "office.hours" in said
    assert "accounts.address" in said


@pytest.mark.parametrize("servers", ["amqp://127.0.0.1:5672", "amqp://localhost", "amqp://[::1]"])
def test_a_broker_on_this_machine_may_speak_in_clear_text(
    terminal: Terminal, tmp_path: Path, servers: str
) -> None:
    (tmp_path / "gateway.toml").write_text(f'{AMQP}"{servers}"\n', encoding="utf-8")

    assert terminal.type("config", "check").code == 0
