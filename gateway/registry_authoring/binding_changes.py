"""Binds exchange certificates to codes, and ends bindings (K1). In: a certificate, a code and dates, with the two people
who vouch for them (K6), in a caller's transaction; or differences between table and events. Out: a row that packets are
judged by, and the event that confirms it; alerts. People are authenticated before this module is called."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE, WITHDRAWN, BindingDifference, EventKind
from gateway.domain.proof import Binding
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.log import action
from gateway.ports.services import Clock
from gateway.registry import lookup
from gateway.registry.binding import closed_at, fingerprint, key_digest, to_binding
from gateway.registry.binding_events import SqlBindingLog, certificate_of, confirm
from gateway.registry.lookup import ROWS_AT_ONCE
from gateway.registry.tables import BINDING
from gateway.registry_authoring.rows import lock_table

MOST_AT_ONCE = 4  # K1: the verifier tries no more candidates than this
_log = logging.getLogger(__name__)


class SqlBindings:
    """Bindings of certificates to codes in a caller's transaction; each change is made by one principal and recorded by
    an event."""

    def __init__(self, connection: AsyncConnection, clock: Clock, principal_id: str) -> None:
        self._connection, self._clock = connection, clock
        self._log, self._principal_id = SqlBindingLog(clock), principal_id

    async def bind(
        self,
        code: str,
        certificate_der: bytes,
        valid_from: datetime | None,
        valid_to: datetime | None,
        people: tuple[str, str],
        reasons: Mapping[str, object],
    ) -> None:
        """Bind the certificate to the code. Clash if it is bound with other dates, its key belongs to another code, or
        the code has too many (K1)."""
        if people[0].strip().casefold() == people[1].strip().casefold():
            raise Denied(
                f"binding a certificate to {code} needs two people, and {people[0]!r} stands twice (K6)",
                code="GW-TWO-PEOPLE",
            )
        certificate = _read(certificate_der, code)
        binding = Binding(
            code=code, certificate_der=certificate_der, valid_from=valid_from, valid_to=valid_to
        )
        _refuse_no_time(binding)
        await _refuse_without_code(self._connection, code)
        closed = await closed_at(self._connection, code)
        if closed is not None and closed <= self._clock.now():
            raise Clash(
                f"{code} is closed: no certificate speaks for it any more (K1)",
                hint="see what became of it with: gateway registry resolve",
            )
        await lock_table(self._connection, "agency_binding")
        if await self._stands(binding):
            return
        await _refuse_shared_key(self._connection, binding, certificate)
        await _refuse_too_many(self._connection, binding)
        await self._insert_row(binding, certificate, people)
        facts = _times(binding) | {"proposed_by": people[0], "approved_by": people[1], **reasons}
        await self._tell(EventKind.BINDING_APPROVED, code, fingerprint(certificate_der), facts)

    async def end(self, code: str, certificate_fingerprint: str, at: datetime) -> None:
        """End the binding at that moment, unless it ends earlier already. NotFound when it is not bound to the code."""
        await self._end(EventKind.BINDING_ENDING, code, certificate_fingerprint, at, {})

    async def withdraw(self, code: str, certificate_fingerprint: str, at: datetime, reason: str) -> None:
        """End the binding as `end` does, and mark it as withdrawn, so that it never comes into force again."""
        facts = {"reason": reason}
        await self._end(EventKind.BINDING_WITHDRAWN, code, certificate_fingerprint, at, facts)

    async def any_ever(self) -> bool:
        """Tell whether any certificate was ever bound here. Events count too, so that emptying the table does not make
        the node new again."""
        row = (await self._connection.execute(select(BINDING.c.id).limit(1))).first()
        return row is not None or bool(await self._log.list_all(self._connection))

    async def _stands(self, binding: Binding) -> bool:
        """Tell whether exactly this binding exists already. A row without an event is removed in favour of the approved
        one."""
        row = await _same(self._connection, binding.code, fingerprint(binding.certificate_der))
        if row is None:
            return False
        if await confirm(self._connection, self._log, [row]):
            _refuse_otherwise(row, binding)
            return True
        await self._connection.execute(BINDING.delete().where(BINDING.c.id == row.id))
        return False

    async def _insert_row(
        self, binding: Binding, certificate: x509.Certificate, people: tuple[str, str]
    ) -> None:
        await self._connection.execute(
            insert(BINDING).values(
                id=self._clock.new_id(),
                code=binding.code,
                fingerprint=fingerprint(binding.certificate_der),
                certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
                valid_from=binding.valid_from,
                valid_to=binding.valid_to,
                state=ACTIVE,
                proposed_by=people[0],
                approved_by=people[1],
                created_at=self._clock.now(),
            )
        )

    async def _end(
        self,
        kind: EventKind,
        code: str,
        certificate_fingerprint: str,
        at: datetime,
        facts: Mapping[str, object],
    ) -> None:
        await lock_table(self._connection, "agency_binding")
        row = await _same(self._connection, code, certificate_fingerprint)
        if row is None:
            raise NotFound(
                f"no certificate {certificate_fingerprint} is bound to {code}; list its certificates again"
            )
        ended = at if row.valid_to is None else min(at, row.valid_to)
        state = WITHDRAWN if kind is EventKind.BINDING_WITHDRAWN else row.state
        values = {"state": state, "valid_to": ended}
        await self._connection.execute(update(BINDING).where(BINDING.c.id == row.id).values(**values))
        all_facts = {"valid_to": ended.isoformat(), **facts}
        await self._tell(kind, code, certificate_fingerprint, all_facts)

    async def _tell(self, kind: EventKind, code: str, fingerprint: str, facts: Mapping[str, object]) -> None:
        data = {"code": code, "fingerprint": fingerprint, **facts}
        await self._log.tell(self._connection, kind, code, self._principal_id, data)


async def _refuse_without_code(connection: AsyncConnection, code: str) -> None:
    """Raise Clash for a body that waits for its code: it cannot send (R79)."""
    entry = await lookup.by_code(connection, code)
    if entry is not None and entry.has_no_code:
        raise Clash(
            f"{entry.name} has no code yet, so no certificate can speak for it",
            hint="give it its code with: gateway registry change plan recode",
        )


def _times(binding: Binding) -> dict[str, object]:
    return {
        "valid_from": None if binding.valid_from is None else binding.valid_from.isoformat(),
        "valid_to": None if binding.valid_to is None else binding.valid_to.isoformat(),
    }


def _refuse_no_time(binding: Binding) -> None:
    since, last = binding.valid_from, binding.valid_to
    if since is not None and last is not None and last <= since:
        raise Refused(
            "binding", f"the binding of {binding.code} would end at {last}, before it begins at {since}"
        )


async def _refuse_shared_key(
    connection: AsyncConnection, binding: Binding, certificate: x509.Certificate
) -> None:
    """Raise Clash where the key is bound to another code at an overlapping time."""
    key = key_digest(certificate)
    query = select(BINDING).where(BINDING.c.code != binding.code, *_overlaps(binding))
    async with connection.stream(query) as result:
        async for part in result.partitions(ROWS_AT_ONCE):
            for row in part:
                # A row without a readable certificate is not used for any code, and is reported elsewhere.
                other = certificate_of(row.certificate_pem)
                if other is not None and key_digest(x509.load_der_x509_certificate(other)) == key:
                    raise Clash(
                        f"the key of this certificate is bound to {row.code} already (certificate {row.fingerprint}):"
                        f" one key speaks for one code (K1); withdraw that binding or make {binding.code} a new key"
                    )


async def _refuse_too_many(connection: AsyncConnection, binding: Binding) -> None:
    """Raise Clash where the code has too many certificates at an overlapping time."""
    query = select(BINDING.c.id).where(BINDING.c.code == binding.code, *_overlaps(binding))
    at_once = len((await connection.execute(query)).all())
    if at_once >= MOST_AT_ONCE:
        raise Clash(
            f"{binding.code} has {at_once} certificates in that time, at most {MOST_AT_ONCE} are allowed (K1);"
            " withdraw one first"
        )


def _overlaps(binding: Binding) -> list[ColumnElement[bool]]:
    """Return conditions for rows whose time overlaps the binding's; no end means for ever."""
    conditions: list[ColumnElement[bool]] = []
    if binding.valid_from is not None:
        conditions.append(or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > binding.valid_from))
    if binding.valid_to is not None:
        conditions.append(or_(BINDING.c.valid_from.is_(None), BINDING.c.valid_from < binding.valid_to))
    return conditions


async def _same(connection: AsyncConnection, code: str, certificate_fingerprint: str) -> Row[Any] | None:
    query = select(BINDING).where(BINDING.c.code == code, BINDING.c.fingerprint == certificate_fingerprint)
    return (await connection.execute(query)).first()


def _refuse_otherwise(row: Row[Any], binding: Binding) -> None:
    """Raise Clash unless the row is active and has the same dates."""
    bound = to_binding(row)
    if row.state == ACTIVE and bound == binding:
        return
    raise Clash(
        f"certificate {row.fingerprint} is {row.state} for {row.code} from {bound.valid_from} to {bound.valid_to};"
        " a binding is not rewritten: withdraw it, and bind a new certificate for another time"
    )


def _read(certificate_der: bytes, code: str) -> x509.Certificate:
    """Read a certificate. Refused where it is unreadable or its kind of key is unknown, because it could not verify
    anything."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        key_digest(certificate)
        return certificate
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as cause:
        raise Refused(
            "certificate",
            f"the certificate for {code} cannot be read ({cause}): expected X.509 in DER,"
            f" found {len(certificate_der)} bytes; export it again",
        ) from cause


async def alert(connection: AsyncConnection, log: SqlBindingLog, diffs: Sequence[BindingDifference]) -> None:
    """Write an event for each difference that has none yet."""
    for diff in diffs:
        data = {"code": diff.code, "fingerprint": diff.fingerprint, "what": diff.kind, "detail": diff.detail}
        earlier = await log.list_for_code(connection, diff.code)
        if not any(e.kind is EventKind.BINDING_ORPHAN and data.items() <= e.data.items() for e in earlier):
            action(_log, "binding.untold", diff.detail, code=diff.code, fingerprint=diff.fingerprint)
            await log.tell(connection, EventKind.BINDING_ORPHAN, diff.code, "node", data)
