"""Reads the bindings of exchange certificates to agency codes (K1). In: codes, a moment. Out: the bindings that events
confirm: the verifier's candidates, and for people the certificates of the whole registry with what each rests on. What
binds and ends is in `registry_authoring.binding_changes`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.delegated import BindingOrigin, batch_subject
from gateway.domain.event import EventKind
from gateway.domain.proof import Binding
from gateway.domain.registry import RowSource
from gateway.domain.wall_clock import VIETNAM
from gateway.registry import lookup
from gateway.registry.binding_events import SqlBindingLog, certificate_of, confirm
from gateway.registry.lookup import ROWS_AT_ONCE
from gateway.registry.tables import BINDING
from gateway.store.row import value_of

if TYPE_CHECKING:
    from cryptography import x509


async def closed_at(connection: AsyncConnection, code: str) -> datetime | None:
    """Return when the code stops speaking for any agency: after its last day (R82, codes are never reused), by rows that
    may refuse. A key in use after that would sign for a body that no longer exists."""
    entry = await lookup.by_code(connection, code)
    if entry is None or entry.valid_to is None or entry.source is RowSource.STARTER:
        return None
    return datetime.combine(entry.valid_to + timedelta(days=1), time(), VIETNAM)


def _at_most(binding: Binding, end: datetime) -> Binding:
    last = end if binding.valid_to is None else min(end, binding.valid_to)
    return replace(binding, valid_to=last)


async def bindings(connection: AsyncConnection, log: SqlBindingLog, code: str) -> tuple[Binding, ...]:
    """Return every confirmed binding of exactly this code, withdrawn ones up to the moment they ended (F10, K2)."""
    confirmed = (await list_confirmed(connection, log, [code]))[code]
    closed = await closed_at(connection, code) if confirmed else None
    return confirmed if closed is None else tuple(_at_most(b, closed) for b in confirmed)


async def list_confirmed(
    connection: AsyncConnection, log: SqlBindingLog, codes: Collection[str]
) -> dict[str, tuple[Binding, ...]]:
    """Return, for each of these codes, the bindings that events confirm."""
    ordered, by_code = sorted(codes), dict[str, tuple[Binding, ...]](dict.fromkeys(codes, ()))
    for start in range(0, len(ordered), ROWS_AT_ONCE):
        query = select(BINDING).where(BINDING.c.code.in_(ordered[start : start + ROWS_AT_ONCE]))
        order = (BINDING.c.code, BINDING.c.created_at, BINDING.c.id)
        rows = (await connection.execute(query.order_by(*order))).all()
        for code, of_code in groupby(await confirm(connection, log, rows), key=lambda row: row.code):
            by_code[code] = tuple(to_binding(row) for row in of_code)
    return by_code


async def in_force(connection: AsyncConnection, log: SqlBindingLog, at: datetime) -> list[Binding]:
    """Return the confirmed bindings that packets are judged by at that moment, by code."""
    has_begun = or_(BINDING.c.valid_from.is_(None), BINDING.c.valid_from <= at)
    return [to_binding(row) for row in await _unended_rows(connection, log, at, has_begun)]


async def _unended_rows(
    connection: AsyncConnection, log: SqlBindingLog, at: datetime, *conditions: ColumnElement[bool]
) -> list[Row[Any]]:
    """Return the confirmed rows that have not ended, by code."""
    not_ended = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > at)
    query = select(BINDING).where(not_ended, *conditions).order_by(BINDING.c.code, BINDING.c.created_at)
    return await confirm(connection, log, (await connection.execute(query)).all())


def fingerprint(certificate_der: bytes) -> str:
    """Return the certificate's SHA-256, which people compare."""
    return hashlib.sha256(certificate_der).hexdigest()


def to_binding(row: Row[Any]) -> Binding:
    # `confirm` returns no unreadable one.
    return value_of(Binding, row, certificate_der=certificate_of(row.certificate_pem) or b"")


def key_digest(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One certificate that packets are judged by, now or later."""

    code: str
    fingerprint: str
    bound_at: datetime
    proposed_by: str
    approved_by: str


async def speakers(connection: AsyncConnection, log: SqlBindingLog, at: datetime) -> list[Speaker]:
    """List the certificates that packets are judged by at that moment or later, by code. One that begins later is listed
    too, because a restored database may have it although it was withdrawn since."""
    return [
        value_of(Speaker, row, bound_at=row.created_at) for row in await _unended_rows(connection, log, at)
    ]


async def origins(
    connection: AsyncConnection, log: SqlBindingLog, at: datetime, codes: Collection[str] | None = None
) -> Sequence[BindingOrigin]:
    """Return the confirmed bindings that have not ended, each with what it rests on, by code: of these codes, which may be
    as many as one statement takes, or of all."""
    of_codes = () if codes is None else (BINDING.c.code.in_(sorted(codes)),)
    rows = await _unended_rows(connection, log, at, *of_codes)
    facts = await facts_of_lists(connection, log, rows)
    return [
        BindingOrigin(
            code=row.code,
            fingerprint=row.fingerprint,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            since=row.created_at,
            proposed_by=row.proposed_by,
            approved_by=row.approved_by,
            proof=row.proof or "",
            **facts.get(row.list_id or "", {}),
        )
        for row in rows
    ]


async def batches_of(connection: AsyncConnection, codes: Collection[str]) -> Sequence[str]:
    """Return the batches with which certificates of these codes ever came into force."""
    mine = (BINDING.c.code.in_(sorted(codes)), BINDING.c.list_id.is_not(None))
    rows = await connection.execute(select(BINDING.c.list_id).where(*mine).distinct())
    return sorted(row.list_id for row in rows)


async def facts_of_lists(
    connection: AsyncConnection, log: SqlBindingLog, rows: Sequence[Row[Any]]
) -> dict[str, dict[str, Any]]:
    """Return what the events say of the lists that these rows came with, by their ids."""
    batches = {row.list_id for row in rows if row.list_id is not None}
    of_lists = await log.of_subjects(connection, {batch_subject(batch) for batch in batches})
    facts: dict[str, dict[str, Any]] = {}
    for batch in sorted(batches):
        for event in of_lists.get(batch_subject(batch), ()):
            if event.kind is EventKind.LIST_BOUND:
                facts[batch] = {
                    "batch": batch,
                    "issuer": event.data["issuer"],
                    "sequence": event.data["sequence"],
                    "trust": event.data["trust"],
                    "policy": event.data.get("policy"),
                    "officers": tuple(event.data.get("officers", ())),
                }
    return facts
