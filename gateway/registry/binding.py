"""Binds exchange certificates to agency codes (K1). In: a certificate and the two people who vouch for it. Out: a
row that the verifier's candidates are read from. Refuses one key under two codes at one time, and more than four
certificates of one code at one time. It does not log anyone in: who proposes and approves was proved before."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.proof import Binding
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.ports import Clock
from gateway.registry.importing import AT_ONCE, alone
from gateway.registry.tables import aware, binding_table, stored

MOST_AT_ONCE = 4  # K1: the verifier tries no more candidates than this
ACTIVE, WITHDRAWN = "active", "withdrawn"
BINDING = binding_table()


async def bindings(connection: AsyncConnection, code: str) -> list[Binding]:
    """Every binding of exactly this code, withdrawn ones with the moment they ended (F10, K2)."""
    query = select(BINDING).where(BINDING.c.code == code).order_by(BINDING.c.created_at, BINDING.c.id)
    return [_to_binding(row) for row in await connection.execute(query)]


async def bind(
    writer: AsyncEngine,
    clock: Clock,
    code: str,
    certificate_der: bytes,
    valid_from: datetime | None,
    valid_to: datetime | None,
    proposed_by: str,
    approved_by: str,
) -> Binding:
    """The certificate speaks for exactly this code in that time. The same binding again changes nothing."""
    if proposed_by.strip().casefold() == approved_by.strip().casefold():
        raise Denied(
            f"binding a certificate to {code} needs two people, and {proposed_by!r} stands twice (K6)",
            code="GW-TWO-PEOPLE",
        )
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        raise Refused(
            "binding", f"the binding of {code} would end at {valid_to}, before it begins at {valid_from}"
        )
    certificate = _read(certificate_der, code)
    wanted = Binding(code=code, certificate_der=certificate_der, valid_from=valid_from, valid_to=valid_to)
    async with writer.begin() as connection:
        await alone(connection, "agency_binding")
        known = await _same(connection, code, fingerprint(certificate_der))
        if known is not None:
            return _unchanged(known, wanted)
        await _refuse_shared_key(connection, wanted, certificate)
        await _refuse_too_many(connection, wanted)
        await connection.execute(
            insert(BINDING).values(
                id=clock.new_id(),
                code=code,
                fingerprint=fingerprint(certificate_der),
                certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
                valid_from=None if valid_from is None else stored(valid_from),
                valid_to=None if valid_to is None else stored(valid_to),
                state=ACTIVE,
                proposed_by=proposed_by,
                approved_by=approved_by,
                created_at=stored(clock.now()),
            )
        )
    return wanted


async def unbind(writer: AsyncEngine, code: str, certificate_fingerprint: str, at: datetime) -> None:
    """The binding ends at that moment for good, or earlier where it ended earlier; one person may do it (K6). The
    row stays: what was signed before is still proved by it. NotFound when there is none."""
    async with writer.begin() as connection:
        await alone(connection, "agency_binding")
        row = await _same(connection, code, certificate_fingerprint)
        if row is None:
            raise NotFound(
                f"no certificate {certificate_fingerprint} is bound to {code}; list its certificates again"
            )
        ended = at if row.valid_to is None else min(at, aware(row.valid_to))
        statement = update(BINDING).where(BINDING.c.id == row.id)
        await connection.execute(statement.values(state=WITHDRAWN, valid_to=stored(ended)))


def fingerprint(certificate_der: bytes) -> str:
    """SHA-256 of the certificate, as people compare it."""
    return hashlib.sha256(certificate_der).hexdigest()


async def _refuse_shared_key(
    connection: AsyncConnection, wanted: Binding, certificate: x509.Certificate
) -> None:
    key = _key_digest(certificate)
    query = select(BINDING).where(BINDING.c.code != wanted.code, *_overlaps(wanted))
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
            for row in part:
                other = x509.load_pem_x509_certificate(row.certificate_pem.encode())
                if _key_digest(other) == key:
                    raise Clash(
                        f"the key of this certificate is bound to {row.code} already (certificate {row.fingerprint}):"
                        f" one key speaks for one code (K1); withdraw that binding or make {wanted.code} a new key"
                    )


async def _refuse_too_many(connection: AsyncConnection, wanted: Binding) -> None:
    query = select(BINDING.c.id).where(BINDING.c.code == wanted.code, *_overlaps(wanted))
    at_once = len((await connection.execute(query)).all())
    if at_once >= MOST_AT_ONCE:
        raise Clash(
            f"{wanted.code} has {at_once} certificates in that time, at most {MOST_AT_ONCE} are allowed (K1);"
            " withdraw one first"
        )


def _overlaps(wanted: Binding) -> list[ColumnElement[bool]]:
    """Rows in force at some moment of the wanted binding; an open end is for ever."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.valid_from is not None:
        conditions.append(or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > stored(wanted.valid_from)))
    if wanted.valid_to is not None:
        conditions.append(or_(BINDING.c.valid_from.is_(None), BINDING.c.valid_from < stored(wanted.valid_to)))
    return conditions


async def _same(connection: AsyncConnection, code: str, certificate_fingerprint: str) -> Row[Any] | None:
    query = select(BINDING).where(BINDING.c.code == code, BINDING.c.fingerprint == certificate_fingerprint)
    return (await connection.execute(query)).first()


def _unchanged(row: Row[Any], wanted: Binding) -> Binding:
    known = _to_binding(row)
    if row.state == ACTIVE and known == wanted:
        return known
    raise Clash(
        f"certificate {row.fingerprint} is {row.state} for {row.code} from {known.valid_from} to {known.valid_to};"
        " a binding is not rewritten: withdraw it, and bind a new certificate for another time"
    )


def _to_binding(row: Row[Any]) -> Binding:
    certificate = x509.load_pem_x509_certificate(row.certificate_pem.encode())
    return Binding(
        code=row.code,
        certificate_der=certificate.public_bytes(Encoding.DER),
        valid_from=None if row.valid_from is None else aware(row.valid_from),
        valid_to=None if row.valid_to is None else aware(row.valid_to),
    )


def _read(certificate_der: bytes, code: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(certificate_der)
    except ValueError as cause:
        raise Refused(
            "certificate",
            f"the certificate for {code} cannot be read ({cause}): expected X.509 in DER,"
            f" found {len(certificate_der)} bytes; export it again",
        ) from cause


def _key_digest(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()
