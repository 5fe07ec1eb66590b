"""Puts many bindings of one list in force at once (K1, bindings), and ends them at once. In: judged rows of a list, in the
transaction of a decision. Out: rows in the table, each with the proof that it is in the tree whose root one event names
(`domain.delegated`), so that ten thousand bindings need one event. It reads in parts, and computes in the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, case, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain.delegated import (
    BindingOrigin,
    Ground,
    JudgedRow,
    ListedCertificate,
    ListedRow,
    LocalBinding,
    RowStanding,
    batch_subject,
    prove,
)
from gateway.domain.event import ACTIVE, WITHDRAWN, Bound, EventKind
from gateway.domain.registry import RowSource
from gateway.domain.wall_clock import VIETNAM
from gateway.ports.services import Clock, Pool
from gateway.registry.binding import facts_of_lists, key_digest
from gateway.registry.binding_events import SqlBindingLog, certificate_of
from gateway.registry.tables import AGENCY, BINDING, PROPOSAL
from gateway.registry_authoring.binding_changes import SqlBindings
from gateway.registry_authoring.lists import ReceivedList
from gateway.registry_authoring.rows import lock_table
from gateway.store.events import NODE
from gateway.store.tables_node import EventRow
from gateway.trust.chain import usage_holds

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingSource:
    """Source of bindings in force, with their number: an origin without code and certificate, since its oldest one."""

    origin: BindingOrigin
    count: int


class SqlListed:
    """Bindings of lists, in a caller's transaction."""

    def __init__(self, connection: AsyncConnection, clock: Clock, pool: Pool, principal_id: str) -> None:
        self._connection, self._clock, self._pool = connection, clock, pool
        self._log, self._principal_id = SqlBindingLog(clock), principal_id

    async def load_ground(self, codes: Sequence[str]) -> Ground:
        """Return what is known of these codes, and every bound certificate."""
        ground = Ground(closes=await self._closes(codes))
        async with self._connection.stream(select(BINDING)) as result:
            async for part in result.partitions(_AT_ONCE):
                for bound in await self._pool.run(partial(_local_bindings, part)):
                    ground.add(bound)
        return ground

    async def load_certificates(
        self, rows: Sequence[ListedRow], issuer: str
    ) -> Mapping[str, ListedCertificate]:
        """Return what the certificates of these rows say, by SHA-256; those that the issuer's newest list no longer has are
        missing."""
        codes, fingerprints = sorted({row.code for row in rows}), {row.fingerprint for row in rows}
        certificates: dict[str, ListedCertificate] = {}
        columns = (PROPOSAL.c.fingerprint, PROPOSAL.c.certificate_pem)
        for start in range(0, len(codes), _AT_ONCE):
            mine = (PROPOSAL.c.code.in_(codes[start : start + _AT_ONCE]), PROPOSAL.c.issuer == issuer)
            stored = (await self._connection.execute(select(*columns).where(*mine))).all()
            listed_rows = [row for row in stored if row.fingerprint in fingerprints]
            read = await self._pool.run(partial(_read_certificates, listed_rows))
            signed = await self._signed_pdfs({certificate.key[:16] for certificate in read.values()})
            certificates |= {
                fingerprint: replace(certificate, signed_pdfs=certificate.key[:16] in signed)
                for fingerprint, certificate in read.items()
            }
        return certificates

    async def count_active(self) -> int:
        """Return the number of bindings that have not ended."""
        now = self._clock.now()
        live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > now)
        query = select(func.count()).where(BINDING.c.state == ACTIVE, live)
        return int((await self._connection.execute(query)).scalar_one())

    async def bind_all(
        self,
        judged: Sequence[JudgedRow],
        people: tuple[str, str],
        facts: Mapping[str, object],
    ) -> str:
        """Bind the ready rows, and record them as one event. Returns the id that the rows and the event share. Call
        `lock` before the rows are judged."""
        ready = [row.row for row in judged if row.standing is RowStanding.READY]
        bounds = [
            Bound(code=r.code, fingerprint=r.fingerprint, valid_from=r.valid_from, valid_to=r.valid_to)
            for r in ready
        ]
        root, proofs = await self._pool.run(partial(prove, bounds))
        batch = self._clock.new_id("bnd_")
        for start in range(0, len(ready), _AT_ONCE):
            part = list(zip(ready[start : start + _AT_ONCE], proofs[start : start + _AT_ONCE], strict=True))
            pems = await self._pems([row for row, _ in part])
            values = [self._values(row, pems[row.fingerprint], proof, batch, people) for row, proof in part]
            await self._connection.execute(insert(BINDING), values)
        data = {**facts, "root": root, "count": len(ready)}
        await self._log.note(
            self._connection, EventKind.LIST_BOUND, batch_subject(batch), self._principal_id, data
        )
        return batch

    async def end_all(self, judged: Sequence[JudgedRow], received: ReceivedList) -> int:
        """End the bindings whose end the list names; returns their number."""
        bindings = SqlBindings(self._connection, self._clock, self._principal_id)
        ending = [row.row for row in judged if row.standing is RowStanding.ENDS]
        for row in ending:
            if row.revoked_at is not None:
                reason = f"revoked in list {received.sequence} of {received.issuer}"
                await bindings.withdraw(row.code, row.fingerprint, row.revoked_at, reason)
            elif row.valid_to is not None:
                await bindings.end(row.code, row.fingerprint, row.valid_to)
        return len(ending)

    async def lock(self) -> None:
        """Lock the bindings against other writers until the transaction ends."""
        await lock_table(self._connection, "agency_binding")

    async def end_batch(self, batch: str, at: datetime, reason: str) -> int:
        """End every binding of a batch that has not ended, in one act and one event. Returns their number."""
        await self.lock()
        live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > at)
        query = select(func.count()).where(BINDING.c.list_id == batch, BINDING.c.state == ACTIVE, live)
        count = int((await self._connection.execute(query)).scalar_one())
        if count:
            await self._connection.execute(
                update(BINDING)
                .where(BINDING.c.list_id == batch)
                .values(
                    state=WITHDRAWN,
                    valid_to=case((live, literal(at, BINDING.c.valid_to.type)), else_=BINDING.c.valid_to),
                )
            )
            data = {"at": at.isoformat(), "reason": reason, "ended": count}
            await self._log.note(
                self._connection, EventKind.LIST_ENDED, batch_subject(batch), self._principal_id, data
            )
        return count

    async def sources(self) -> Sequence[BindingSource]:
        """Return the sources of the bindings in force, newest first: each pair of people, and each list."""
        now = self._clock.now()
        live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > now)
        columns = (BINDING.c.list_id, BINDING.c.proposed_by, BINDING.c.approved_by)
        first = func.min(BINDING.c.created_at)
        query = select(*columns, func.count().label("number"), first.label("first"))
        query = query.where(BINDING.c.state == ACTIVE, live).group_by(*columns).order_by(first.desc())
        rows = (await self._connection.execute(query)).all()
        facts = await facts_of_lists(self._connection, self._log, rows)
        return [
            BindingSource(
                origin=BindingOrigin(
                    since=row.first,
                    proposed_by=row.proposed_by,
                    approved_by=row.approved_by,
                    **facts.get(row.list_id or "", {}),
                ),
                count=row.number,
            )
            for row in rows
        ]

    async def _closes(self, codes: Sequence[str]) -> dict[str, datetime | None]:
        """Return when each known code closes; starter rows are no knowledge."""
        closes: dict[str, datetime | None] = {}
        for start in range(0, len(codes), _AT_ONCE):
            mine = (
                AGENCY.c.code.in_(codes[start : start + _AT_ONCE]),
                AGENCY.c.source != RowSource.STARTER.value,
            )
            for row in await self._connection.execute(select(AGENCY.c.code, AGENCY.c.valid_to).where(*mine)):
                last = row.valid_to
                closes[row.code] = last and datetime.combine(last + timedelta(days=1), time(), VIETNAM)
        return closes

    async def _signed_pdfs(self, keys: Collection[str]) -> set[str]:
        """Return those of these keys, by the beginning of their SHA-256, that signed PDFs for an agency here (R23a)."""
        kind = col(EventRow.kind) == EventKind.DOCUMENT_SIGNED.value
        of_keys = (col(EventRow.subject_id).in_(sorted(keys)), col(EventRow.agency_id) != NODE)
        query = select(col(EventRow.subject_id)).where(*of_keys, kind).distinct()
        return {row.subject_id for row in await self._connection.execute(query)}

    async def _pems(self, rows: Sequence[ListedRow]) -> dict[str, str]:
        """Return the certificates of these rows in PEM, made anew from the bytes that have the row's SHA-256."""
        codes, fingerprints = {row.code for row in rows}, {row.fingerprint for row in rows}
        query = select(PROPOSAL.c.certificate_pem).where(PROPOSAL.c.code.in_(sorted(codes)))
        stored = [row.certificate_pem for row in await self._connection.execute(query)]
        return await self._pool.run(partial(_by_fingerprint, stored, fingerprints))

    def _values(
        self, row: ListedRow, pem: str, proof: str, batch: str, people: tuple[str, str]
    ) -> dict[str, Any]:
        return {
            "id": self._clock.new_id(),
            "code": row.code,
            "fingerprint": row.fingerprint,
            "certificate_pem": pem,
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
            "state": ACTIVE,
            "proposed_by": people[0],
            "approved_by": people[1],
            "created_at": self._clock.now(),
            "list_id": batch,
            "proof": proof,
        }


def _local_bindings(rows: Sequence[Row[Any]]) -> list[LocalBinding]:
    bound = []
    for row in rows:
        der = certificate_of(row.certificate_pem)
        # A row without a readable certificate is not used for any code, and is reported elsewhere.
        key = key_digest(x509.load_der_x509_certificate(der)) if der is not None else ""
        bound.append(
            LocalBinding(
                code=row.code,
                fingerprint=row.fingerprint,
                key=key,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
                is_withdrawn=row.state == WITHDRAWN,
                is_listed=row.list_id is not None,
            )
        )
    return bound


def _read_certificates(rows: Sequence[Any]) -> dict[str, ListedCertificate]:
    certificates = {}
    for row in rows:
        try:
            certificate = x509.load_pem_x509_certificate(row.certificate_pem.encode())
            der = certificate.public_bytes(Encoding.DER)
            if hashlib.sha256(der).hexdigest() != row.fingerprint:
                continue
            certificates[row.fingerprint] = ListedCertificate(
                key=key_digest(certificate),
                first=certificate.not_valid_before_utc,
                last=certificate.not_valid_after_utc,
                is_fit=usage_holds(certificate),
            )
        except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
            continue
    return certificates


def _by_fingerprint(stored: Sequence[str], fingerprints: Collection[str]) -> dict[str, str]:
    pems = {}
    for pem in stored:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        if digest in fingerprints:
            pems[digest] = certificate.public_bytes(Encoding.PEM).decode()
    return pems
