"""Believes of the table of bindings only what the events tell (K6, threat 114). In: rows, and the events of the same
database. Out: whether a row is as told, and every difference by name. Whoever can write into the table alone binds
nothing: such a row is as if it were not there, until two people approve it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain import event
from gateway.domain.event import BindingDifference, Bound, Event, EventKind
from gateway.log import action
from gateway.registry.tables import BINDING, aware

_AT_ONCE = 500
_REMEMBERED = 4096
_log = logging.getLogger(__name__)


class BindingLog(Protocol):
    """The events of bindings, in the database that holds the table: written with the change, read beside the rows."""

    async def tell(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        code: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        """Appends an event in the connection's transaction."""

    async def note(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        subject_id: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        """The same of anything else that the registry changes."""

    async def of(self, connection: AsyncConnection, code: str) -> Sequence[Event]:
        """Of one code, oldest first."""

    async def everything(self, connection: AsyncConnection) -> Sequence[Event]:
        """Of every code, oldest first."""


async def as_told(connection: AsyncConnection, log: BindingLog, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those rows of one code that the events tell exactly so."""
    if not rows:
        return []
    told = event.bindings_told(await log.of(connection, rows[0].code))
    return [row for row in rows if (bound := bound_of(row)) == told.get((bound.code, bound.fingerprint))]


async def differences(connection: AsyncConnection, log: BindingLog) -> list[BindingDifference]:
    """Every place where the table is not what the events tell."""
    rows: list[Bound] = []
    async with connection.stream(select(BINDING)) as result:
        async for part in result.partitions(_AT_ONCE):
            rows += [bound_of(row) for row in part]
    return event.binding_differences(rows, event.bindings_told(await log.everything(connection)))


async def alert(connection: AsyncConnection, log: BindingLog, found: Sequence[BindingDifference]) -> None:
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
