"""Reads what one node holds, from its database as it lies there, without the product's repositories: an error in those must
not hide itself. In: a site. Out: `Holdings`, rows as plain values with agencies named by their codes."""

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
    """One node's rows. `files` has, by incoming document, each file's name and the digest of the bytes that its slice
    really gives."""

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
    """The node must be at rest."""
    engine = create_async_engine(site.database_url)
    try:
        async with engine.connect() as connection:
            found: dict[str, Any] = {
                name: await _rows(connection, query, site.codes) for name, query in _QUERIES.items()
            }
            content = _Content(connection, site.settings.node.data_dir / "content")
            files = {row["id"]: await content.of(json.loads(row["body"])) for row in found["incoming"]}
    finally:
        await engine.dispose()
    return Holdings(node=site.node, files=files, **found)


async def _rows(connection: AsyncConnection, query: str, codes: Mapping[str, str]) -> list[Row]:
    """Each with the agency's code in the place of its id."""
    found = await connection.execute(text(query))
    return [{**row, "agency": codes.get(row["agency_id"], row["agency_id"])} for row in found.mappings()]


class _Content:
    """Envelopes, each in a row or in a file."""

    def __init__(self, connection: AsyncConnection, folder: Path) -> None:
        self._connection, self._folder = connection, folder

    async def of(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {one["name"]: await self._digest_of(one) for one in document["files"]}

    async def _digest_of(self, file: Mapping[str, Any]) -> str:
        """Of the file as a clerk would open it: its slice of the envelope, decoded."""
        source: str = file["source"]
        asked = text("SELECT body FROM blob WHERE digest = :source AND body IS NOT NULL")
        row = (await self._connection.execute(asked, {"source": source})).first()
        path = self._folder / source[:2] / source[2:4] / source
        try:
            with BytesIO(row[0]) if row else path.open("rb") as envelope:
                envelope.seek(file["offset"])
                return digest(base64.b64decode(envelope.read(file["length"])))
        except (OSError, ValueError) as error:
            return repr(error)
