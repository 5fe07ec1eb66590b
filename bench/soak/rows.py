"""Reads the rows of one node, from its database directly, without the product's repositories: an error in those must not
hide itself. In: a site. Out: `Holdings`, rows as plain values with agencies named by their codes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bench.soak.papers import digest
from bench.soak.stage import Site

Row = Mapping[str, Any]  # Any: a column may be of any type


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """One node's rows. `files` has, by incoming document, each file's name and the digest of the bytes in its slice."""

    node: str
    outgoing: Sequence[Row] = ()
    deliveries: Sequence[Row] = ()
    facts: Sequence[Row] = ()
    incoming: Sequence[Row] = ()
    inbox: Sequence[Row] = ()
    outbox: Sequence[Row] = ()
    jobs: Sequence[Row] = ()
    identities: Sequence[Row] = ()
    register: Sequence[Row] = ()
    handovers: Sequence[Row] = ()
    events: Sequence[Row] = ()
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


_QUERIES = {
    "outgoing": "SELECT agency_id, id, packet_id, external_id, state FROM outgoing_document",
    "deliveries": "SELECT agency_id, id, document_id, code, state, marks FROM delivery",
    "facts": "SELECT agency_id, subject_id, track, code, body FROM fact",
    "incoming": "SELECT agency_id, id, packet_id, sender_code, kind, state, body FROM incoming_document",
    "inbox": "SELECT agency_id, id, state, code, reason, lease_token, attempts FROM inbox",
    "outbox": "SELECT agency_id, id, packet_id, kind, subject_id, state, lease_token, last_error FROM outbox",
    "jobs": "SELECT agency_id, id, kind, subject_id, last_error FROM job",
    "identities": "SELECT agency_id, sender, packet_id, kind, incoming_id FROM identity",
    "register": "SELECT agency_id, incoming_id, book, year, number FROM register_entry",
    "handovers": "SELECT agency_id, incoming_id, state FROM handover",
    "events": "SELECT agency_id, node_seq, agency_seq FROM event",
}


async def read(site: Site) -> Holdings:
    """Read all rows; the node must be at rest."""
    engine = create_async_engine(site.database_url)
    try:
        async with engine.connect() as connection:
            tables: dict[str, Any] = {
                name: await _rows(connection, query, site.codes) for name, query in _QUERIES.items()
            }
            content = _Content(connection, site.settings.node.data_dir / "content")
            files = {row["id"]: await content.digests(json.loads(row["body"])) for row in tables["incoming"]}
    finally:
        await engine.dispose()
    return Holdings(node=site.node, files=files, **tables)


async def _rows(connection: AsyncConnection, query: str, codes: Mapping[str, str]) -> list[Row]:
    """Return each row with the agency's code in the place of its id."""
    selected = await connection.execute(text(query))
    return [{**row, "agency": codes.get(row["agency_id"], row["agency_id"])} for row in selected.mappings()]


class _Content:
    """Envelopes, each in a row or in a file."""

    def __init__(self, connection: AsyncConnection, folder: Path) -> None:
        self._connection, self._folder = connection, folder

    async def digests(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {f["name"]: await self._digest_of(f) for f in document["files"]}

    async def _digest_of(self, file: Mapping[str, Any]) -> str:
        """Digest the file as a clerk would open it: its slice of the envelope, decoded."""
        source: str = file["source"]
        query = text("SELECT body FROM blob WHERE digest = :source AND body IS NOT NULL")
        row = (await self._connection.execute(query, {"source": source})).first()
        path = self._folder / source[:2] / source[2:4] / source
        try:
            with BytesIO(row[0]) if row else path.open("rb") as envelope:
                envelope.seek(file["offset"])
                return digest(base64.b64decode(envelope.read(file["length"])))
        except (OSError, ValueError) as error:
            return repr(error)
