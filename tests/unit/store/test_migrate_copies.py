"""What earlier versions kept among the verdicts of packets on their way, and the replacements that came before:
the step that gives both a place of their own brings them over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from gateway.domain.document import Change, IncomingDocument, Kind
from gateway.domain.identity import DocumentId
from gateway.store import migrate
from gateway.store.columns import to_json
from gateway.store.engine import Role, open_engine
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, digest, incoming, opened

AGENCY = "INSERT INTO hosted_agency (id, code, body) VALUES ('agy_north', 'Z91.01', '{}')"
INBOX = (
    "INSERT INTO inbox (agency_id, id, file_digest, size, received_at, transport_packet_id, transport_kind,"
    " transport_sender, transport_node, lane, state, code, steps, attempts)"
    " VALUES ('agy_north', :id, :digest, 1, :at, 'lie', 'edoc', 'Z91.02', 'thief', 'normal', 'landed', :code, '[]', 0)"
)
INCOMING = (
    "INSERT INTO incoming_document (agency_id, id, inbox_id, kind, sender_code, sender_folded, document_id, state,"
    " number, symbol, arrived_at, version, folded, body) VALUES ('agy_north', :id, :id, :kind, 'Z91.02', 'z91.02',"
    " :id, 'new', '', '', :at, 1, '', :body)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'node.db'}"
    database: str = request.getfixturevalue("postgres_url")
    return database


async def test_packets_on_their_way_and_replacements_of_before_are_brought_over(url: str) -> None:
    clock = ManualClock()
    told = {"packet_id": "true", "kind": "edoc", "sender": "Z91.02", "node": None}
    codes = {"plain": None, "copy": "again:" + json.dumps(told), "let-in": "RELEASED"}
    change = Change(reason="r", replaces=((DocumentId("old"), ("Z91.01",)), (DocumentId("old"), ())))
    newer = incoming(clock, kind=Kind.REPLACEMENT, change=change)
    engine = open_engine(url, Role.MIGRATOR)
    async with engine.begin() as connection:
        await connection.run_sync(_to_0025)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        at = moment if connection.dialect.name == "postgresql" else "2026-01-01 00:00:00.000000"
        await connection.execute(text(AGENCY))
        for id, code in codes.items():
            await connection.execute(text(INBOX), {"id": id, "at": at, "code": code, "digest": digest(id)})
        for one in (newer, incoming(clock)):
            body = to_json(IncomingDocument, one)
            row = {"id": one.id, "kind": one.kind.value, "at": at, "body": body}
            await connection.execute(text(INCOMING), row)
    await engine.dispose()

    await migrate.up(url)

    async with opened(url, clock) as store, store.read(NORTH) as work:
        found = {id: await work.inbox.get(id) for id in codes}
        replacing = await work.incoming.replacing("Z91.02", "old")
    assert [one.code for one in found.values()] == [None, None, None]
    assert {id: (one.told.packet_id, one.told.node, one.released) for id, one in found.items()} == {
        "plain": ("lie", "thief", False),
        "copy": ("true", None, False),
        "let-in": ("lie", "thief", True),
    }
    assert [one.id for one in replacing] == [newer.id]


def _to_0025(connection: Connection) -> None:
    command.upgrade(migrate.config(connection), "0025")
