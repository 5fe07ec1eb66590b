"""Checks the table of bindings against the events: only confirmed rows count (K6, threat 114). In: rows, and the events
of the same database. Out: whether a row agrees with its events, and every difference by name. So write access to the
table alone binds nothing: such a row is ignored until two people approve it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain import event
from gateway.domain.account import AgencyScope
from gateway.domain.event import BINDING_KINDS, BindingDifference, Bound, Event, EventKind, binding_subject
from gateway.log import action
from gateway.ports.services import Clock
from gateway.registry.tables import BINDING, aware
from gateway.store.events import NODE, SqlEvents, to_domain
from gateway.store.tables import EventRow
from gateway.store.transaction import Transaction

_AT_ONCE = 500
_REMEMBERED = 4096
_log = logging.getLogger(__name__)


class SqlBindingLog:
    """Events of bindings, in the same database as the table: written in the transaction of the change. Events of
    bindings and imports belong to the node, not to an agency."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def tell(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        code: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        """Append an event about a binding, in the connection's transaction."""
        await self.note(connection, kind, binding_subject(code), principal_id, data)

    async def note(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        subject_id: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        """Append an event about any other change of the registry."""
        tx = Transaction(connection, shared=False)
        await self._events(tx, principal_id).append(kind, subject_id, self._clock.now(), data)
        await tx.flush()  # the registry's own transaction commits

    async def list_for_code(self, connection: AsyncConnection, code: str) -> Sequence[Event]:
        """Return the events of one code, oldest first."""
        return await self.list_of_subject(connection, binding_subject(code))

    async def list_of_subject(self, connection: AsyncConnection, subject_id: str) -> Sequence[Event]:
        """Return the events of one subject of the node, oldest first."""
        return await self._events(Transaction(connection, shared=False), "").of_subject(subject_id)

    def _events(self, tx: Transaction, principal_id: str) -> SqlEvents:
        return SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), self._clock)

    async def list_all(
        self, connection: AsyncConnection, kinds: Sequence[EventKind] = BINDING_KINDS
    ) -> Sequence[Event]:
        """Return the events of these kinds about every code, oldest first. A province binds a few hundred certificates."""
        names = [kind.value for kind in kinds]
        query = select(EventRow).where(col(EventRow.agency_id) == NODE, col(EventRow.kind).in_(names))
        rows = await Transaction(connection, shared=False).rows(
            EventRow, query.order_by(col(EventRow.position))
        )
        return [to_domain(row) for row in rows]


async def confirm(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]]
) -> list[Row[Any]]:
    """Return those of the rows, all of one code, that the events confirm."""
    if not rows:
        return []
    confirmed = event.fold_bindings(await log.list_for_code(connection, rows[0].code))
    return [row for row in rows if (bound := bound_of(row)) == confirmed.get((bound.code, bound.fingerprint))]


async def differences(connection: AsyncConnection, log: SqlBindingLog) -> list[BindingDifference]:
    """Return every difference between the table and the events."""
    rows: list[Bound] = []
    async with connection.stream(select(BINDING)) as result:
        async for part in result.partitions(_AT_ONCE):
            rows += [bound_of(row) for row in part]
    return event.binding_differences(rows, event.fold_bindings(await log.list_all(connection)))


async def alert(connection: AsyncConnection, log: SqlBindingLog, diffs: Sequence[BindingDifference]) -> None:
    """Write an event for each difference that has none yet."""
    for diff in diffs:
        data = {"code": diff.code, "fingerprint": diff.fingerprint, "what": diff.kind, "detail": diff.detail}
        earlier = await log.list_for_code(connection, diff.code)
        if not any(e.kind is EventKind.BINDING_ORPHAN and data.items() <= e.data.items() for e in earlier):
            action(_log, "binding.untold", diff.detail, code=diff.code, fingerprint=diff.fingerprint)
            await log.tell(connection, EventKind.BINDING_ORPHAN, diff.code, "node", data)


@lru_cache(maxsize=_REMEMBERED)
def certificate_of(pem: str) -> bytes | None:
    """Return a row's certificate in DER; None for an unreadable one. Cached, because the same few hundred are read
    repeatedly."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return None


def bound_of(row: Row[Any]) -> Bound:
    """Return the content of a row. The fingerprint is computed from the certificate, not read from its column; an
    unreadable certificate has none."""
    der = certificate_of(row.certificate_pem)
    return Bound(
        code=row.code,
        fingerprint=f"unreadable:{row.fingerprint}" if der is None else hashlib.sha256(der).hexdigest(),
        valid_from=None if row.valid_from is None else aware(row.valid_from),
        valid_to=None if row.valid_to is None else aware(row.valid_to),
        state=row.state,
    )
