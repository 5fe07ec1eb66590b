"""Setting up a node without a terminal: what is missing or wrong is said before anything is made."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.settings import load
from tests.unit.cli.conftest import Terminal

GOOD = ("init", "--data-dir", "state", "--code", "Z91.02", "--name", 'An "Office"', "--port", "0", "--yes")


def test_what_cannot_be_asked_is_named_and_a_dry_run_makes_nothing(
    terminal: Terminal, tmp_path: Path
) -> None:
    run = terminal.type("init", "--data-dir", "state", "--yes")
    assert run.code == 2
    assert "--code, --name" in run.err
    for option, value in (("--code", "no code"), ("--numbering", "D"), ("--name", " "), ("--port", "70000")):
        assert terminal.type(*GOOD, option, value).code == 2, option
    dry = terminal.type(*GOOD, "--dry-run")
    assert dry.code == 0
    assert tomllib.loads(dry.out)["node"] == {"name": "Z91.02", "data_dir": "state"}
    # A worker process has a number of its own above the web process.
    for number in ("0", "100", "x"):
        assert terminal.type("serve", "--role", "worker", "--number", number).code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_settings_file_that_cannot_be_written_is_named_with_the_way_out(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("in the way of the folder", encoding="utf-8")

    run = terminal.type("--lang", "en", "--config", tmp_path / "a file" / "gateway.toml", *GOOD)

    assert run.code == 1
    assert "gateway.toml cannot be written" in run.err
    assert "--config" in run.err


def test_a_new_node_has_settings_schema_agency_key_and_one_secret_shown_once(
    terminal: Terminal, tmp_path: Path
) -> None:
    node = terminal.type(*GOOD, "-o", "json").json

    settings = load(tmp_path / "gateway.toml", {})
    listed = terminal.type("tokens", "list", "-o", "json")
    keys = terminal.type("keys", "list", "-o", "json").json["data"]
    assert settings.node.data_dir == tmp_path / "state"
    assert terminal.type("migrate", "status", "-o", "json").json["pending"] == []
    assert [key["id"] for key in keys] == [node["key_id"]]
    assert [row["id"] for row in listed.json["data"]] == [node["token_id"]]
    assert node["secret"] not in listed.out
    assert node["secret"].encode() not in (tmp_path / "state" / "gateway.db").read_bytes()
    assert (tmp_path / "gateway.toml").stat().st_mode & 0o077 == 0
    assert settings.keys.folder.stat().st_mode & 0o077 == 0
    assert Path(node["request"]).read_text(encoding="ascii").startswith("-----BEGIN CERTIFICATE REQUEST")
    anchorless = terminal.type("queue", "list", "--lang", "en")
    assert (anchorless.code, "ca.pem does not exist" in anchorless.err) == (1, True)
    file_before = (tmp_path / "gateway.toml").read_bytes()
    assert terminal.type(*GOOD).code == 4  # a second init changes nothing
    assert (tmp_path / "gateway.toml").read_bytes() == file_before


def test_a_schema_that_a_newer_program_made_is_called_so(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type(*GOOD)
    assert not terminal.type("migrate", "status", "-o", "json").json["newer"]
    with closing(sqlite3.connect(tmp_path / "state" / "gateway.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert terminal.type("migrate", "status", "-o", "json").json["newer"]
    assert "A newer program made the schema: 9999" in terminal.type("--lang", "en", "migrate", "status").out


def test_a_token_is_bound_to_networks_and_the_list_says_to_which(terminal: Terminal) -> None:
    terminal.type(*GOOD)
    bound = ("--from", "203.0.113.10", "--from", "2001:db8:12::/48")

    wrong = terminal.type("tokens", "new", "qlvb", "--yes", "--from", "203.0.113.10/24")
    many = terminal.type(
        "tokens", "new", "qlvb", "--yes", *(part for n in range(21) for part in ("--from", f"10.0.0.{n}"))
    )
    token = terminal.type("tokens", "new", "qlvb", "--yes", *bound, "-o", "json").json
    listed = terminal.type("tokens", "list", "-o", "json").json["data"]
    listing = terminal.type("tokens", "list").out

    assert (wrong.code, many.code) == (2, 2)
    assert token["networks"] == "203.0.113.10/32 2001:db8:12::/48"
    assert [row["networks"] for row in listed] == [[], ["203.0.113.10/32", "2001:db8:12::/48"]]
    assert "2001:db8:12::/48" in listing


@pytest.mark.parametrize("command", ["import", "propose"])
def test_a_certificate_that_cannot_sign_is_refused_before_anybody_relies_on_it(
    terminal: Terminal, tmp_path: Path, command: str
) -> None:
    """Every receiver refuses it at step 9, so an operator would only see packets vanish into quarantines (K3)."""
    terminal.type("init", "--code", "Z91.01", "--name", "Office", "--yes")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Z91.01")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    without_usage = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, day, day + timedelta(days=365))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    (tmp_path / "cert.pem").write_bytes(without_usage)
    words = ("cert.pem",) if command == "import" else ("Z91.01", "cert.pem", "--as", "An")

    run = terminal.type("keys", command, *words, "--yes", "-o", "json")

    assert run.code == 4
    assert run.json["error"]["code"] == "CERT-USAGE"
