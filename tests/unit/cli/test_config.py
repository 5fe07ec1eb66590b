"""`config check` reads every text of the settings as the node will, and names every fault at once."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Terminal

AMQP = '[axis]\nkind = "amqp"\n[amqp]\npassword = "invented"\nservers = '


def test_what_the_node_could_not_use_is_a_fault_of_the_check(terminal: Terminal, tmp_path: Path) -> None:
    """R135 (security of links): no link to another machine is in clear text."""
    file = tmp_path / "gateway.toml"
    for text, *names in (
        ('[office]\nhours = "25:00-26:00"\n', "office.hours"),
        ('[office]\nhours = "13:30-17:00, 07:30-11:30"\n', "office.hours"),
        ('[office]\nweekdays = "mon, someday"\n', "office.weekdays"),
        ('[mail]\ndigest_at = "25:00"\n', "mail.digest_at"),
        ('[mail]\npeople = "a clerk"\n', "mail.people"),
        ('[accounts]\naddress = "gateway.example.invalid"\n', "accounts.address"),
        ('[log]\ntsa_url = "tsa.example.invalid/stamp"\n', "log.tsa_url"),
        ('[scanner]\naddress = "/run/clamd.ctl"\n', "scanner.address"),
        ('[database]\nurl = "postgresql://db.example.invalid/gateway"\nca = "none.pem"\n', "database.ca"),
        ('[node]\ndata_dir = "none"\n', "node.data_dir: expected a folder at", "nothing is there"),
        ('[keys]\nfolder = "gateway.toml"\n', "keys.folder: expected a folder at", "a file lies there"),
        ('[mail]\nca = "none.pem"\n[folder]\nroot = "none"\n', "mail.ca", "folder.root"),
        ('[webhooks]\nca = "."\n', "webhooks.ca: expected a file at", "a folder lies there"),
        (f'{AMQP}"amqps://mq1.example.invalid"\nca = "none.pem"\n', "amqp.ca"),
        ('[[axes]]\nname = "one"\nkind = "embedded"\nfolder = "none"\n', "axes.one.folder"),
        (
            '[office]\nhours = "25-26"\n[accounts]\naddress = "a.invalid"\n',
            "office.hours",
            "accounts.address",
        ),
        (f'{AMQP}"mq1.example.invalid:5671"\n', "amqp.servers"),
        (f'{AMQP}"amqp://mq1.example.invalid"\n', "amqps://mq1.example.invalid"),
        (f'{AMQP}"amqps://mq1.example.invalid, amqp://192.0.2.7"\n', "amqps://192.0.2.7"),
    ):
        file.write_text(text, encoding="utf-8")
        run = terminal.type("config", "check", "--lang", "en")
        assert run.code == 1, text
        assert [name for name in names if name not in run.err] == [], text

    # A broker on this machine may speak in clear text.
    for servers in ("amqp://127.0.0.1:5672", "amqp://localhost", "amqp://[::1]"):
        file.write_text(f'{AMQP}"{servers}"\n', encoding="utf-8")
        assert terminal.type("config", "check").code == 0, servers
