"""Believes of the table of bindings only what the events tell (K6, threat 114). In: rows, and the events of the same
database. Out: whether a row is as told, and every difference by name. Whoever can write into the table alone binds
nothing: such a row is as if it were not there, until two people approve it."""

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
_KINDS = [each.value for each in BINDING_KINDS]
_log = logging.getLogger(__name__)


class SqlBindingLog:
    """The events of bindings, in the database that holds the table: written with the change, read beside the rows. Those of
    bindings and imports belong to the node, never to an agency."""

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
        """Appends an event in the connection's transaction."""
        await self.note(connection, kind, binding_subject(code), principal_id, data)

    async def note(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        subject_id: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        """The same of anything else that the registry changes."""
        tx = Transaction(connection, shared=False)
        await self._events(tx, principal_id).append(kind, subject_id, self._clock.now(), data)
        await tx.put_now()  # the registry commits

    async def of(self, connection: AsyncConnection, code: str) -> Sequence[Event]:
        """Of one code, oldest first."""
        return await self._events(Transaction(connection, shared=False), "").of(binding_subject(code))

    def _events(self, tx: Transaction, principal_id: str) -> SqlEvents:
        return SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), self._clock)

    async def everything(self, connection: AsyncConnection) -> Sequence[Event]:
        """Of every code, oldest first. A province binds a few hundred certificates."""
        query = select(EventRow).where(col(EventRow.agency_id) == NODE, col(EventRow.kind).in_(_KINDS))
        rows = await Transaction(connection, shared=False).rows(
            EventRow, query.order_by(col(EventRow.position))
        )
        return [to_domain(row) for row in rows]


async def as_told(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]]
) -> list[Row[Any]]:
    """Those rows of one code that the events tell exactly so."""
    if not rows:
        return []
    told = event.bindings_told(await log.of(connection, rows[0].code))
    return [row for row in rows if (bound := bound_of(row)) == told.get((bound.code, bound.fingerprint))]


async def differences(connection: AsyncConnection, log: SqlBindingLog) -> list[BindingDifference]:
    """Every place where the table is not what the events tell."""
    rows: list[Bound] = []
    async with connection.stream(select(BINDING)) as result:
        async for part in result.partitions(_AT_ONCE):
            rows += [bound_of(row) for row in part]
    return event.binding_differences(rows, event.bindings_told(await log.everything(connection)))


async def alert(connection: AsyncConnection, log: SqlBindingLog, found: Sequence[BindingDifference]) -> None:
    """An event for each difference that none tells of yet."""
    for each in found:
        data = {"code": each.code, "fingerprint": each.fingerprint, "what": each.what, "detail": each.detail}
        earlier = await log.of(connection, each.code)
        if not any(
            one.kind is EventKind.BINDING_UNTOLD and data.items() <= one.data.items() for one in earlier
        ):
            action(_log, "binding.untold", each.detail, code=each.code, fingerprint=each.fingerprint)
            await log.tell(connection, EventKind.BINDING_UNTOLD, each.code, "node", data)


@lru_cache(maxsize=_REMEMBERED)
def certificate_of(pem: str) -> bytes | None:
    """The certificate of a row in DER; None for what is none. The same few hundred are read again and again."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return None


def bound_of(row: Row[Any]) -> Bound:
    """What the row says. The fingerprint is that of the certificate itself, not of the column beside it; of what is no
    certificate it is none."""
    der = certificate_of(row.certificate_pem)
    return Bound(
        code=row.code,
        fingerprint=f"unreadable:{row.fingerprint}" if der is None else hashlib.sha256(der).hexdigest(),
        valid_from=None if row.valid_from is None else aware(row.valid_from),
        valid_to=None if row.valid_to is None else aware(row.valid_to),
        state=row.state,
    )
