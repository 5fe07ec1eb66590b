"""Reads the certificates that sign PDFs, registered for agency codes, and the rights to seal for another agency (R23). In:
a code, fingerprints. Out: what documents are judged by. As with bindings, a row counts only if the events confirm it, so
that write access to the table alone registers nothing. What registers is in `registry_authoring.seal_changes`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE, WITHDRAWN, Event, EventKind
from gateway.domain.seals import (
    RegisteredCertificate,
    SealingRight,
    SealRegister,
)
from gateway.registry.binding_events import SqlBindingLog, certificate_of
from gateway.registry.tables import SEAL, SEALING_RIGHT, as_utc
from gateway.store.row import value_of

APPROVALS = (EventKind.SEAL_APPROVED, EventKind.SEALING_RIGHT_APPROVED)
WITHDRAWALS = (EventKind.SEAL_WITHDRAWN, EventKind.SEALING_RIGHT_WITHDRAWN)
# Beyond so many codes, all events of seals are read at once.
_FEW_CODES = 20
_FACTS = {
    EventKind.SEAL_APPROVED: (
        "id",
        "code",
        "kind",
        "fingerprint",
        "name",
        "position",
        "capacity",
        "valid_from",
        "valid_to",
    ),
    EventKind.SEALING_RIGHT_APPROVED: (
        "id",
        "code",
        "acting_code",
        "act_number",
        "act_date",
        "valid_from",
        "valid_to",
    ),
}


def seal_subject(code: str) -> str:
    """Return the subject id of events about a code's seals, persons and rights to seal for it."""
    return f"seal:{code}"


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
        value_of(RegisteredCertificate, row) for row in await _confirm(connection, log, rows, APPROVALS[0])
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
        for code in sorted(codes):
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
            facts = {name: str(event.data.get(event_field(name)) or "") for name in _FACTS[kind]}
            stated[id] = facts | {"state": ACTIVE}
        elif event.kind in WITHDRAWALS and id in stated:
            ends = [end for end in (stated[id]["valid_to"], str(event.data.get("valid_to", ""))) if end]
            stated[id] = stated[id] | {"valid_to": min(ends), "state": WITHDRAWN}
    return stated


def event_field(column: str) -> str:
    """Return the field of an event that states a column; `kind` is what was registered."""
    return "what" if column == "kind" else column


def _facts_of(row: Row[Any]) -> dict[str, str]:
    """Return the facts of a row as events state them. The fingerprint is computed from the certificate."""
    columns = row._mapping
    is_seal = "fingerprint" in columns
    names = _FACTS[APPROVALS[0] if is_seal else APPROVALS[1]]
    facts = {name: text_of(columns[name]) for name in names} | {"state": str(columns["state"])}
    if is_seal:
        der = certificate_of(row.certificate_pem)
        facts["fingerprint"] = "" if der is None else hashlib.sha256(der).hexdigest()
    return facts


def text_of(value: object) -> str:
    if isinstance(value, datetime):
        return as_utc(value).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value or "")
