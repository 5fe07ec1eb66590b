"""What the embedded axis asks its queue, and its rows as values. In: an open connection of the file. Out: rows, codes,
bytes, dead parcels. Quick: each is answered by an index, or by the few rows that were asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.domain.agency_code import fold_code
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports import DeadParcel
from gateway.transport import queue_sql as sql

LANES = (Lane.URGENT, Lane.NORMAL)  # the number stored is the place here: urgent sorts first


def needed(queue: sqlite3.Connection, digests: Sequence[str]) -> set[str]:
    return {row[0] for row in queue.execute(sql.NEEDED_OF, (json.dumps(digests),)).fetchall()}


def folded(routes: Iterable[str]) -> tuple[str]:
    return (json.dumps([fold_code(route) for route in routes]),)


def hosted_of(queue: sqlite3.Connection, routes: Iterable[str]) -> frozenset[str]:
    return frozenset(row[0] for row in queue.execute(sql.HOSTED, folded(routes)).fetchall())


def bytes_of(queue: sqlite3.Connection, digests: Iterable[str]) -> dict[str, bytes]:
    return dict(queue.execute(sql.BYTES_OF, (json.dumps(sorted(digests)),)).fetchall())


def due_of(
    queue: sqlite3.Connection, asked: Mapping[str, object], limit: int, ordinary: int
) -> list[Sequence[Any]]:
    """The first of the queue; where the urgent lane would have all of them, so many are the oldest ordinary ones."""
    rows: list[Sequence[Any]] = queue.execute(sql.DUE, {**asked, "most": limit}).fetchall()
    urgent = [row for row in rows if LANES[row[5]] is Lane.URGENT]
    if len(rows) < limit or limit - len(urgent) >= ordinary:
        return rows
    theirs = queue.execute(sql.DUE_ORDINARY, {**asked, "most": ordinary}).fetchall()
    return [*urgent[: limit - len(theirs)], *theirs]


def dead(row: Sequence[Any]) -> DeadParcel:
    id, recipient, packet_id, kind, sender, lane, digest, size, deliveries, dead_at, reason = row
    return DeadParcel(
        id=str(id),
        recipient=recipient,
        packet_id=packet_id,
        kind=kind,
        sender=sender,
        lane=LANES[lane],
        digest=Digest(digest),
        size=size,
        deliveries=deliveries,
        dead_at=datetime.fromtimestamp(dead_at, UTC),
        reason=reason,
    )
