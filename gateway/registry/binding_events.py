"""Checks the table of bindings against the events: only confirmed rows count (K6, threat 114). In: rows, and the events
of the same database. Out: whether a row agrees with its events, and every difference by name. So write access to the
table alone binds nothing: such a row is ignored until two people approve it."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain import event
from gateway.domain.account import AgencyScope
from gateway.domain.delegated import batch_subject, proved_binding
from gateway.domain.event import (
    BINDING_KINDS,
    LIST_KINDS,
    WITHDRAWN,
    BindingDifference,
    Bound,
    BoundKey,
    Event,
    EventKind,
    binding_subject,
)
from gateway.ports.services import Clock
from gateway.registry.tables import BINDING
from gateway.store.events import NODE, SqlEvents, to_domain
from gateway.store.tables_node import EventRow
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
        return await self.of_subject(connection, binding_subject(code))

    async def of_subject(self, connection: AsyncConnection, subject_id: str) -> Sequence[Event]:
        """Return the node's events of a subject, oldest first."""
        return await self._events(Transaction(connection, shared=False), "").of_subject(subject_id)

    async def of_kinds(self, connection: AsyncConnection, kinds: Sequence[EventKind]) -> Sequence[Event]:
        """Return the node's events of these kinds, oldest first."""
        return await self._select(connection, col(EventRow.kind).in_([kind.value for kind in kinds]))

    async def of_subjects(
        self, connection: AsyncConnection, subjects: Collection[str]
    ) -> Mapping[str, Sequence[Event]]:
        """Return the node's events by subject, oldest first."""
        ordered, by_subject = sorted(subjects), defaultdict[str, list[Event]](list)
        for start in range(0, len(ordered), _AT_ONCE):
            part = ordered[start : start + _AT_ONCE]
            for event_row in await self._select(connection, col(EventRow.subject_id).in_(part)):
                by_subject[event_row.subject_id].append(event_row)
        return by_subject

    async def _select(self, connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Event]:
        query = select(EventRow).where(col(EventRow.agency_id) == NODE, *conditions)
        rows = await Transaction(connection, shared=False).rows(
            EventRow, query.order_by(col(EventRow.position))
        )
        return [to_domain(row) for row in rows]

    def _events(self, tx: Transaction, principal_id: str) -> SqlEvents:
        return SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), self._clock)

    async def list_all(self, connection: AsyncConnection) -> Sequence[Event]:
        """Return the events of every code, oldest first."""
        return await self.of_kinds(connection, BINDING_KINDS)


async def confirm(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]]
) -> list[Row[Any]]:
    """Return those of the rows that the events confirm: events of their codes, and of the lists that they name."""
    if not rows:
        return []
    of_codes = await log.of_subjects(connection, {binding_subject(row.code) for row in rows})
    listed = await _listed(connection, log, rows)
    confirmed = event.fold_bindings((e for events in of_codes.values() for e in events), listed)
    return [row for row in rows if (bound := bound_of(row)) == confirmed.get((bound.code, bound.fingerprint))]


async def _listed(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]]
) -> dict[BoundKey, Bound]:
    """Return the bindings that these rows' proofs show to have come into force with their lists, and to last since."""
    batches = {row.list_id for row in rows if row.list_id is not None}
    if not batches:
        return {}
    of_lists = await log.of_subjects(connection, {batch_subject(batch) for batch in batches})
    bindings = dict[BoundKey, Bound]()
    for row in rows:
        bound = listed_binding(row, of_lists.get(batch_subject(row.list_id or ""), ()))
        if bound is not None:
            bindings[bound.code, bound.fingerprint] = bound
    return bindings


def listed_binding(row: Row[Any], events: Sequence[Event]) -> Bound | None:
    """Return the binding that a row's proof shows by the events of its list; None for a row of no list, or a wrong
    proof. The end of a whole list ends each of its bindings."""
    begun = [e for e in events if e.kind is EventKind.LIST_BOUND]
    if len(begun) != 1 or not row.proof:
        return None
    bound = proved_binding(row.proof, begun[0])
    if bound is None:
        return None
    for ended in (e for e in events if e.kind is EventKind.LIST_ENDED):
        at = datetime.fromisoformat(str(ended.data["at"]))
        end = at if bound.valid_to is None else min(at, bound.valid_to)
        bound = replace(bound, valid_to=end, state=WITHDRAWN)
    return bound


async def differences(connection: AsyncConnection, log: SqlBindingLog) -> list[BindingDifference]:
    """Return every difference between the table and the events. Bindings of a list are proved one by one, and counted:
    where some are missing, the rows kept of the list name them."""
    rows, listed, present = list[Bound](), dict[BoundKey, Bound](), Counter[str]()
    of_lists = defaultdict[str, list[Event]](list)
    for event_of_list in await log.of_kinds(connection, LIST_KINDS):
        of_lists[event_of_list.subject_id].append(event_of_list)
    async with connection.stream(select(BINDING)) as result:
        async for part in result.partitions(_AT_ONCE):
            for row in part:
                rows.append(bound_of(row))
                subject = batch_subject(row.list_id or "")
                bound = listed_binding(row, of_lists.get(subject, ()))
                if bound is not None:
                    listed[bound.code, bound.fingerprint] = bound
                    present[subject] += 1
    faults = event.binding_differences(rows, event.fold_bindings(await log.list_all(connection), listed))
    return faults + _missing_of_lists(of_lists, present)


def _missing_of_lists(
    of_lists: Mapping[str, Sequence[Event]], present: Mapping[str, int]
) -> list[BindingDifference]:
    """Return a difference for each list whose bindings are missing in the table, or whose rows are not proved."""
    faults = []
    for subject, events in of_lists.items():
        begun = next((e for e in events if e.kind is EventKind.LIST_BOUND), None)
        count = int(begun.data["count"]) if begun is not None else 0
        if count != present[subject]:
            detail = f"the events tell {count} bindings of this list, {present[subject]} are proved here"
            name = f"{begun.data['issuer']} {begun.data['sequence']}" if begun is not None else subject
            faults.append(BindingDifference(code=name, fingerprint=subject, kind="missing", detail=detail))
    return faults


@lru_cache(maxsize=_REMEMBERED)
def certificate_of(pem: str) -> bytes | None:
    """Return a row's certificate in DER; None for an unreadable one. Cached, because the same few hundred are read
    repeatedly."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

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
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        state=row.state,
    )
