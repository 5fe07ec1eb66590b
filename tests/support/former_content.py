"""Content as schema 0200 kept it: the bytes of what is small in a table of their own, and every owner in another one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from gateway.domain.account import HostedAgency
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.office.store.store import SqlOfficeStore
from gateway.store import dump, migrate
from gateway.store.blobs import path_of
from gateway.store.engine import EngineRole, open_engine
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH

SCHEMA = "0200"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerContent:
    """Both agencies own `shared` (as the document `msg-1`); North owns `small` and `large`; `unowned` has no owner."""

    shared: bytes
    small: bytes
    large: bytes
    unowned: bytes


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


async def fill(url: str, folder: Path, clock: ManualClock) -> FormerContent:
    """Brings an empty database to that schema, with both agencies and the content; what is large lies in the folder."""
    former = FormerContent(
        shared=b"shared words " * 1_000,
        small=b"",
        large=os.urandom(SMALL + 1),
        unowned=b"words of nobody " * 9,
    )
    engine = open_engine(url, EngineRole.MIGRATOR)
    async with engine.begin() as connection:
        await connection.run_sync(migrate.bring, SCHEMA)
    store = SqlOfficeStore(url, clock)
    for scope, code in ((NORTH, "Z91.01"), (SOUTH, "Z91.02")):
        await store.accounts.add_hosted(HostedAgency(id=scope.agency_id, code=code, name=code))
    await store.close()
    at = clock.now().astimezone(UTC)
    if url.startswith("sqlite"):
        at = at.replace(tzinfo=None)
    bodies = {digest_of(c): c for c in (former.shared, former.small, former.large, former.unowned)}
    owners = [(NORTH, former.shared), (SOUTH, former.shared), (NORTH, former.small), (NORTH, former.large)]
    async with engine.begin() as connection:
        tables = (await connection.run_sync(dump.reflect_tables)).tables
        blobs = [{"digest": name, "size": len(body), "stored_at": at} for name, body in bodies.items()]
        await connection.execute(tables["blob"].insert(), blobs)
        rows = [
            {"digest": name, "head": bytes(1_000), "body": body}
            for name, body in bodies.items()
            if len(body) <= SMALL
        ]
        await connection.execute(tables["small_content"].insert(), rows)
        refs = [
            {
                "agency_id": scope.agency_id,
                "owner_kind": "document",
                "owner_id": "msg-1",
                "digest": digest_of(body),
            }
            for scope, body in owners
        ]
        await connection.execute(tables["blob_ref"].insert(), refs)
    await engine.dispose()
    file = path_of(folder, digest_of(former.large))
    file.parent.mkdir(parents=True)
    file.write_bytes(former.large)
    return former
