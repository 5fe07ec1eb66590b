"""Bindings that two named people made before persons signed in: the step that brings persons tells of them, so that they go
on being used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, text

from gateway.registry.directory import SqlDirectory
from gateway.store import migrate
from gateway.store.binding_log import SqlBindingLog
from gateway.store.engine import Role, open_engine
from gateway.trust.key_material import sha256
from tests.support import pki
from tests.support.clock import ManualClock
from tests.support.stores import remembering

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
ROW = (
    "INSERT INTO agency_binding (id, code, fingerprint, certificate_pem, valid_from, valid_to, state, proposed_by,"
    " approved_by, created_at) VALUES (:id, 'Z91.07', :fingerprint, :pem, NULL, :until, :state, 'A', 'B', :at)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'node.db'}"
    database: str = request.getfixturevalue("postgres_url")
    return database


async def test_bindings_of_before_are_told_and_used(url: str) -> None:
    clock, certificates = (
        ManualClock(),
        [pki.root().issue("Z91.07", pki.key("p256", owner)) for owner in "ab"],
    )
    engine = open_engine(url, Role.MIGRATOR)
    async with engine.begin() as connection:
        await connection.run_sync(to_0005)
        for n, (made, state) in enumerate(zip(certificates, ("active", "withdrawn"), strict=True)):
            at = clock.now() if connection.dialect.name == "postgresql" else clock.now().replace(tzinfo=None)
            values = {
                "id": f"b{n}",
                "fingerprint": sha256(pki.der(made)),
                "pem": made.public_bytes(Encoding.PEM).decode(),
                "until": UNTIL if connection.dialect.name == "postgresql" else "2030-01-01 00:00:00.000000",
                "state": state,
                "at": at if connection.dialect.name == "postgresql" else at.isoformat(" "),
            }
            await connection.execute(text(ROW), values)
    await engine.dispose()

    await migrate.up(url)

    writer, reader = open_engine(url, Role.WRITER), open_engine(url, Role.READER)
    async with remembering(url) as memory:
        directory = SqlDirectory(writer, reader, memory, clock, SqlBindingLog(clock))
        found = await directory.bindings("Z91.07")
        differences = await directory.differences()
    for each in (writer, reader):
        await each.dispose()
    assert [x509.load_der_x509_certificate(each.certificate_der) for each in found] == certificates
    assert {each.valid_to for each in found} == {UNTIL}
    assert differences == []


def to_0005(connection: Connection) -> None:
    command.upgrade(migrate.config(connection), "0005")
