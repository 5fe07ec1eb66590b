"""Registers certificates that sign PDFs for agency codes, and rights to seal for another agency (R23). In: a change with
the two people who vouch for it, or a withdrawal by one, in a caller's transaction. Out: a row that documents are judged by,
and the event that confirms it. People are authenticated before this module is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Table, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE, WITHDRAWN, EventKind
from gateway.domain.seals import (
    CertificateKind,
    RegisteredCertificate,
    SealChange,
    SealingRight,
    SealingRightChange,
)
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound, Refused
from gateway.ports.services import Clock
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.seals import certificates, event_field, rights, seal_subject, text_of
from gateway.registry.tables import SEAL, SEALING_RIGHT
from gateway.registry_authoring.rows import lock_table


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
            "valid_from": change.valid_from,
            "valid_to": change.valid_to,
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
        for right in await rights(self._connection, self._log, SEALING_RIGHT.c.code == change.code):
            goes_on = right.valid_to is None or right.valid_to >= change.valid_from
            begins = change.valid_to is None or right.valid_from <= change.valid_to
            if right.acting_code == change.acting_code and goes_on and begins:
                raise Clash(
                    f"{change.acting_code} may seal for {change.code} already, by {right.act_number} ({right.id});"
                    " withdraw that right first"
                )
        values = {"id": self._clock.new_id("srt_"), **asdict(change)}
        await self._insert(SEALING_RIGHT, EventKind.SEALING_RIGHT_APPROVED, values, people, reasons)

    async def withdraw(self, id: str, at: datetime, reason: str) -> str:
        """End a registered certificate or a right at that moment, unless it ends earlier already; return its code. NotFound
        when there is none of this id."""
        await lock_table(self._connection, SEAL.name)
        for certificate in await certificates(self._connection, self._log, SEAL.c.id == id):
            end = min(at, certificate.valid_to)
            await self._end(SEAL, EventKind.SEAL_WITHDRAWN, certificate, end, reason)
            return certificate.code
        await lock_table(self._connection, SEALING_RIGHT.name)
        for right in await rights(self._connection, self._log, SEALING_RIGHT.c.id == id):
            last = local(at).date() - timedelta(days=1)
            last = last if right.valid_to is None else min(last, right.valid_to)
            await self._end(SEALING_RIGHT, EventKind.SEALING_RIGHT_WITHDRAWN, right, last, reason)
            return right.code
        raise NotFound(f"nothing is registered as {id}", hint="list it with: gateway registry seals list")

    async def list_certificates(self, code: str | None = None) -> Sequence[RegisteredCertificate]:
        """List registered certificates by code, of one code or all."""
        return await certificates(
            self._connection, self._log, *(() if code is None else (SEAL.c.code == code,))
        )

    async def list_rights(self, code: str | None = None) -> Sequence[SealingRight]:
        """List rights to seal, with a code those of and for it."""
        of_code = or_(SEALING_RIGHT.c.code == code, SEALING_RIGHT.c.acting_code == code)
        return await rights(self._connection, self._log, *(() if code is None else (of_code,)))

    async def _insert(
        self,
        table: Table,
        kind: EventKind,
        values: Mapping[str, Any],
        people: tuple[str, str],
        reasons: Mapping[str, object],
    ) -> None:
        facts = {"proposed_by": people[0], "approved_by": people[1]}
        now = self._clock.now()
        await self._connection.execute(insert(table).values(**values, **facts, state=ACTIVE, created_at=now))
        data = {
            event_field(name): text_of(value) for name, value in values.items() if name != "certificate_pem"
        }
        await self._tell(kind, str(values["code"]), data | facts | dict(reasons))

    async def _end(
        self,
        table: Table,
        kind: EventKind,
        row: RegisteredCertificate | SealingRight,
        end: datetime | date,
        reason: str,
    ) -> None:
        change = update(table).where(table.c.id == row.id).values(state=WITHDRAWN, valid_to=end)
        await self._connection.execute(change)
        data: dict[str, object] = {"id": row.id, "code": row.code, "valid_to": text_of(end), "reason": reason}
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
        for other in await certificates(
            self._connection, self._log, SEAL.c.fingerprint == change.fingerprint
        ):
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
