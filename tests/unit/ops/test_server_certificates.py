"""The certificates of broker and database: read whatever they are, told in time, and whose they are is checked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import GatewayError, Misconfigured
from gateway.ops import checks_of_lines
from gateway.ops.checks_of_lines import Peer
from gateway.settings import load
from gateway.store.engine import EngineRole, open_engine
from tests.support.cases import Cases
from tests.support.tls_servers import in_days, make_certificate, serving


def peer(part: str, port: int) -> Peer:
    return Peer(part=part, host="127.0.0.1", port=port)


def test_each_server_shows_when_its_certificate_ends_also_one_that_nobody_accepts(
    tmp_path: Path, cases: Cases
) -> None:
    rows = [
        (100, "green", "server.fine"),
        (20, "yellow", "server.expiring"),
        (3, "red", "server.expiring"),
        (-1, "red", "server.expired"),
    ]
    for part in ("axis", "database"):
        for days, level, cause in rows:
            expected_end = in_days(days)
            server = serving(
                *make_certificate(tmp_path, f"{part}{days}", expected_end), is_postgres=part == "database"
            )
            with cases.case((part, days)), server as (port, _):
                end = checks_of_lines.certificate_ends(peer(part, port))
                finding = checks_of_lines.server_finding(peer(part, port), end, datetime.now(UTC))
                assert end == expected_end
                assert finding is not None
                assert (finding.level, finding.cause) == (level, cause)
                assert (finding.cure is None) == (level == "green")


def test_who_does_not_answer_or_has_no_certificate_is_not_judged(tmp_path: Path) -> None:
    with serving(*make_certificate(tmp_path, "server", in_days(1))) as (port, _):
        pass

    assert checks_of_lines.certificate_ends(peer("axis", port)) is None
    assert checks_of_lines.server_finding(peer("axis", port), None, datetime.now(UTC)) is None


def test_the_servers_are_those_of_the_settings_that_are_reached_over_a_network(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[axis]\nkind = "amqp"\n[amqp]\nservers = "amqps://mq1:5671, amqp://mq2"\n'
        '[database]\nurl = "postgresql://gateway@db.example/gateway"\n'
    )
    servers = checks_of_lines.servers_of(load(file, {}))

    assert [(server.part, str(server)) for server in servers] == [
        ("database", "db.example:5432"),
        ("axis", "mq1:5671"),
    ]
    assert checks_of_lines.servers_of(load(None, {})) == ()


def test_encryption_to_anybody_is_yellow() -> None:
    for url, ca, is_told in (
        ("postgresql://gateway@db.example/gateway", None, True),
        ("postgresql://gateway@db.example/gateway?ssl=require", None, True),
        ("postgresql://gateway@db.example/gateway", Path("ca.pem"), False),
        ("postgresql://gateway@127.0.0.1/gateway", None, False),
        ("postgresql://gateway@/gateway?host=/run/postgresql", None, False),
        ("sqlite:///gateway.db", None, False),
    ):
        settings = load(
            None, {"GATEWAY_DATABASE_URL": url} | ({"GATEWAY_DATABASE_CA": str(ca)} if ca else {})
        )
        findings = [*checks_of_lines.line_findings(settings)]
        assert [(x.level, x.cause) for x in findings] == [("yellow", "database.anybody")] * is_told


async def connect_to_database(folder: Path, port: int, ca: Path) -> None:
    file = folder / "gateway.toml"
    file.write_text(f'[database]\nurl = "postgresql://gateway@127.0.0.1:{port}/gateway"\nca = "{ca}"\n')
    engine = open_engine(load(file, {}).database.address, EngineRole.READER)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()


async def test_the_database_is_told_nothing_before_its_certificate_is_that_of_its_authority(
    tmp_path: Path,
) -> None:
    """R135 (links are encrypted)."""
    server, key = make_certificate(tmp_path, "server", in_days(100))
    other, _ = make_certificate(tmp_path, "other", in_days(100))
    with serving(server, key, is_postgres=True) as (port, received):
        with pytest.raises(Misconfigured, match="certificate is not accepted"):
            await connect_to_database(tmp_path, port, other)
        assert b"".join(received) == b""
        with pytest.raises(SQLAlchemyError):  # it hangs up: what it heard is what counts
            await connect_to_database(tmp_path, port, server)

    assert b"gateway" in b"".join(received)


async def test_an_expired_certificate_of_the_database_and_an_authority_that_cannot_be_read_are_named(
    tmp_path: Path,
) -> None:
    server, key = make_certificate(tmp_path, "server", in_days(-1))
    with serving(server, key, is_postgres=True) as (port, _), pytest.raises(Misconfigured) as excinfo:
        await connect_to_database(tmp_path, port, server)

    assert "expired" in str(excinfo.value)
    assert "renewed at the server" in (excinfo.value.hint or "")

    with pytest.raises(GatewayError, match=r"database\.ca"):
        await connect_to_database(tmp_path, 5432, tmp_path / "none.pem")
