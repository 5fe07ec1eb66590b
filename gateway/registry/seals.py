"""Certificates that sign PDFs, registered for agency codes, and rights to seal for another agency (R23). In: a change with
the two people who vouch for it, or a withdrawal by one. Out: a row that documents are judged by, and the event that records
it. As with bindings, a row counts only if the events confirm it, so that write access to the table alone registers
nothing. People are authenticated before this module is called."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, Row, Table, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE, WITHDRAWN, Event, EventKind
from gateway.domain.seals import (
    CertificateKind,
    RegisteredCertificate,
    SealChange,
    SealingRight,
    SealingRightChange,
    SealRegister,
)
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound, Refused
from gateway.ports.services import Clock
from gateway.registry.binding_events import SqlBindingLog, certificate_of
from gateway.registry.importing import lock_table
from gateway.registry.tables import SEAL, SEALING_RIGHT, as_utc, aware, value_of

APPROVALS = (EventKind.SEAL_APPROVED, EventKind.SEALING_RIGHT_APPROVED)
WITHDRAWALS = (EventKind.SEAL_WITHDRAWN, EventKind.SEALING_RIGHT_WITHDRAWN)
# Beyond so many codes, all events of seals are read at once.
_FEW_CODES = 20
_FACTS = {
    EventKind.SEAL_APPROVED: (
        *("id", "code", "kind", "fingerprint", "name", "position", "capacity", "valid_from", "valid_to"),
    ),
    EventKind.SEALING_RIGHT_APPROVED: (
        *("id", "code", "acting_code", "act_number", "act_date", "valid_from", "valid_to"),
    ),
}


def seal_subject(code: str) -> str:
    """Return the subject id of events about a code's seals, persons and rights to seal for it."""
    return f"seal:{code}"


class SqlSeals:
    """Registered certificates and rights in a caller's transaction; each change is made by one principal and recorded by an
    event."""

    def __init__(self, connection: AsyncConnection, clock: Clock, principal_id: str) -> None:
        self._connection, self._clock = connection, clock
        self._log, self._principal_id = SqlBindingLog(clock), principal_id

    async def register(
        self, change: SealChange, people: tuple[str, str], reasons: Mapping[str, object]
    ) -> None:
        """Register the certificate for the code. Clash if it is registered so already, or is another code's seal."""
        if change.valid_to <= change.valid_from:
            raise Refused("seal", f"{change.code}: it would end at {change.valid_to}, before it begins")
        certificate = x509.load_der_x509_certificate(change.certificate_der)
        await lock_table(self._connection, SEAL.name)
        await self._refuse_overlap(change)
        values = {
            "id": self._clock.new_id("sea_"),
            "code": change.code,
            "kind": str(change.kind),
            "fingerprint": change.fingerprint,
            "certificate_pem": certificate.public_bytes(Encoding.PEM).decode(),
            "name": change.name,
            "position": change.position,
            "capacity": change.capacity,
            "valid_from": as_utc(change.valid_from),
            "valid_to": as_utc(change.valid_to),
        }
        await self._insert(SEAL, EventKind.SEAL_APPROVED, values, people, reasons)

    async def entitle(
        self, change: SealingRightChange, people: tuple[str, str], reasons: Mapping[str, object]
    ) -> None:
        """Let one agency seal for another. Clash where it may already."""
        if change.acting_code == change.code:
            raise Refused("sealing right", f"{change.code} needs no right to seal for itself")
        if change.valid_to is not None and change.valid_to < change.valid_from:
            raise Refused("sealing right", f"it would end on {change.valid_to}, before it begins")
        await lock_table(self._connection, SEALING_RIGHT.name)
        for right in await self._rights(SEALING_RIGHT.c.code == change.code):
            goes_on = right.valid_to is None or right.valid_to >= change.valid_from
            begins = change.valid_to is None or right.valid_from <= change.valid_to
            if right.acting_code == change.acting_code and goes_on and begins:
                raise Clash(
                    f"{change.acting_code} may seal for {change.code} already, by {right.act_number} ({right.id});"
                    " withdraw that right first"
                )
        values = {
            "id": self._clock.new_id("srt_"),
            "acting_code": change.acting_code,
            "code": change.code,
            "act_number": change.act_number,
            "act_date": change.act_date,
            "valid_from": change.valid_from,
            "valid_to": change.valid_to,
        }
        await self._insert(SEALING_RIGHT, EventKind.SEALING_RIGHT_APPROVED, values, people, reasons)

    async def withdraw(self, id: str, at: datetime, reason: str) -> str:
        """End a registered certificate or a right at that moment, unless it ends earlier already; return its code. NotFound
        when there is none of this id."""
        await lock_table(self._connection, SEAL.name)
        for certificate in await self._certificates(SEAL.c.id == id):
            end: datetime | date = min(at, certificate.valid_to)
            await self._end(
                SEAL,
                EventKind.SEAL_WITHDRAWN,
                certificate,
                as_utc(min(at, certificate.valid_to)),
                end,
                reason,
            )
            return certificate.code
        await lock_table(self._connection, SEALING_RIGHT.name)
        for right in await self._rights(SEALING_RIGHT.c.id == id):
            last = local(at).date() - timedelta(days=1)
            last = last if right.valid_to is None else min(last, right.valid_to)
            await self._end(SEALING_RIGHT, EventKind.SEALING_RIGHT_WITHDRAWN, right, last, last, reason)
            return right.code
        raise NotFound(f"nothing is registered as {id}", hint="list it with: gateway registry seals list")

    async def list_certificates(self, code: str | None = None) -> Sequence[RegisteredCertificate]:
        """List registered certificates by code, of one code or all."""
        return await self._certificates(*(() if code is None else (SEAL.c.code == code,)))

    async def list_rights(self, code: str | None = None) -> Sequence[SealingRight]:
        """List rights to seal, with a code those of and for it."""
        of_code = or_(SEALING_RIGHT.c.code == code, SEALING_RIGHT.c.acting_code == code)
        return await self._rights(*(() if code is None else (of_code,)))

    async def _insert(
        self,
        table: Table,
        kind: EventKind,
        values: Mapping[str, Any],
        people: tuple[str, str],
        reasons: Mapping[str, object],
    ) -> None:
        facts = {"proposed_by": people[0], "approved_by": people[1]}
        now = as_utc(self._clock.now())
        await self._connection.execute(insert(table).values(**values, **facts, state=ACTIVE, created_at=now))
        data = {
            _event_field(name): _text(value) for name, value in values.items() if name != "certificate_pem"
        }
        await self._tell(kind, str(values["code"]), data | facts | dict(reasons))

    async def _end(
        self,
        table: Table,
        kind: EventKind,
        row: RegisteredCertificate | SealingRight,
        stored_end: datetime | date,
        end: datetime | date,
        reason: str,
    ) -> None:
        change = update(table).where(table.c.id == row.id).values(state=WITHDRAWN, valid_to=stored_end)
        await self._connection.execute(change)
        data: dict[str, object] = {"id": row.id, "code": row.code, "valid_to": _text(end), "reason": reason}
        if isinstance(row, RegisteredCertificate):
            data |= {"what": str(row.kind), "fingerprint": row.fingerprint}
        else:
            data |= {"acting_code": row.acting_code}
        await self._tell(kind, row.code, data)

    async def _tell(self, kind: EventKind, code: str, data: Mapping[str, object]) -> None:
        await self._log.note(self._connection, kind, seal_subject(code), self._principal_id, data)

    async def _refuse_overlap(self, change: SealChange) -> None:
        """Raise Clash where the certificate is registered for an overlapping time: twice for one code, or a seal for two
        codes, though it could speak for only one."""
        for other in await self._certificates(SEAL.c.fingerprint == change.fingerprint):
            if other.valid_to <= change.valid_from or change.valid_to <= other.valid_from:
                continue
            if other.code == change.code:
                raise Clash(
                    f"this certificate is registered for {other.code} already ({other.id}); withdraw that entry first"
                )
            if CertificateKind.SEAL in (other.kind, change.kind):
                raise Clash(
                    f"this certificate is registered for {other.code} ({other.id}): a seal is one agency's;"
                    " to seal for another, register the right to: gateway registry seals entitle"
                )

    async def _certificates(self, *conditions: ColumnElement[bool]) -> list[RegisteredCertificate]:
        return await certificates(self._connection, self._log, *conditions)

    async def _rights(self, *conditions: ColumnElement[bool]) -> list[SealingRight]:
        return await rights(self._connection, self._log, *conditions)


async def load_register(
    connection: AsyncConnection, log: SqlBindingLog, code: str, fingerprints: Collection[str]
) -> SealRegister:
    """Return what is registered about documents of a code that these certificates signed."""
    concerned = or_(SEAL.c.code == code, SEAL.c.fingerprint.in_(list(fingerprints)))
    registered = await certificates(connection, log, concerned)
    return SealRegister(
        code=code,
        certificates=tuple(registered),
        rights=tuple(await rights(connection, log, SEALING_RIGHT.c.code == code)),
    )


async def certificates(
    connection: AsyncConnection, log: SqlBindingLog, *conditions: ColumnElement[bool]
) -> list[RegisteredCertificate]:
    """Return the confirmed certificates that meet the conditions, by code and age."""
    order = (SEAL.c.code, SEAL.c.created_at, SEAL.c.id)
    query = select(SEAL).where(*conditions).order_by(*order)
    rows = (await connection.execute(query)).all()
    return [
        value_of(RegisteredCertificate, row, kind=CertificateKind(row.kind))
        for row in await _confirm(connection, log, rows, APPROVALS[0])
    ]


async def rights(
    connection: AsyncConnection, log: SqlBindingLog, *conditions: ColumnElement[bool]
) -> list[SealingRight]:
    """Return the confirmed rights that meet the conditions, by code and age."""
    order = (SEALING_RIGHT.c.code, SEALING_RIGHT.c.created_at, SEALING_RIGHT.c.id)
    query = select(SEALING_RIGHT).where(*conditions).order_by(*order)
    rows = (await connection.execute(query)).all()
    return [value_of(SealingRight, row) for row in await _confirm(connection, log, rows, APPROVALS[1])]


async def _confirm(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]], kind: EventKind
) -> list[Row[Any]]:
    """Return the rows whose content is exactly what the events of their code say."""
    codes, stated = {row.code for row in rows}, dict[str, dict[str, str]]()
    if len(codes) > _FEW_CODES:
        stated = fold_seals(await log.of_kinds(connection, (*APPROVALS, *WITHDRAWALS)), kind)
    else:
        for code in codes:
            stated |= fold_seals(await log.of_subject(connection, seal_subject(code)), kind)
    return [row for row in rows if _facts_of(row) == stated.get(row.id)]


async def unconfirmed(connection: AsyncConnection, log: SqlBindingLog) -> list[tuple[str, str]]:
    """Return code and id of each row that differs from its events, which does not count, and of each row that is gone."""
    events = await log.of_kinds(connection, (*APPROVALS, *WITHDRAWALS))
    faults: list[tuple[str, str]] = []
    for table, kind in ((SEAL, APPROVALS[0]), (SEALING_RIGHT, APPROVALS[1])):
        rows = {row.id: row for row in (await connection.execute(select(table))).all()}
        stated = fold_seals(events, kind)
        faults += [(row.code, id) for id, row in rows.items() if _facts_of(row) != stated.get(id)]
        faults += [(facts["code"], id) for id, facts in stated.items() if id not in rows]
    return sorted(faults)


def fold_seals(events: Sequence[Event], kind: EventKind) -> dict[str, dict[str, str]]:
    """Compute the facts of each registered row from events, oldest first. An end never moves to a later time: one person
    may end a row, but making one takes two."""
    stated: dict[str, dict[str, str]] = {}
    for event in events:
        id = str(event.data.get("id", ""))
        if event.kind is kind:
            facts = {name: str(event.data.get(_event_field(name)) or "") for name in _FACTS[kind]}
            stated[id] = facts | {"state": ACTIVE}
        elif event.kind in WITHDRAWALS and id in stated:
            ends = [end for end in (stated[id]["valid_to"], str(event.data.get("valid_to", ""))) if end]
            stated[id] = stated[id] | {"valid_to": min(ends), "state": WITHDRAWN}
    return stated


def _event_field(column: str) -> str:
    """Return the field of an event that states a column; `kind` is what was registered."""
    return "what" if column == "kind" else column


def _facts_of(row: Row[Any]) -> dict[str, str]:
    """Return the facts of a row as events state them. The fingerprint is computed from the certificate."""
    columns = row._mapping
    is_seal = "fingerprint" in columns
    names = _FACTS[APPROVALS[0] if is_seal else APPROVALS[1]]
    facts = {name: _text(columns[name]) for name in names} | {"state": str(columns["state"])}
    if is_seal:
        der = certificate_of(row.certificate_pem)
        facts["fingerprint"] = "" if der is None else hashlib.sha256(der).hexdigest()
    return facts


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return aware(value).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value or "")
