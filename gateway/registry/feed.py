"""The registry feed of this node: the `RegistryFeed` promise, and what operators do with feeds. In: a file, the room to
work in. Out: the registry in step with its issuer, or a kept refusal and the last good list still in force. Each call
is one transaction or none; a driver's error leaves as StoreFailure."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from gateway import log
from gateway.errors import NotFound, StoreFailure
from gateway.ports import EnvelopeSigner, FeedOutcome
from gateway.registry import binding, feed_apply, feed_file, feed_judge, snapshot
from gateway.registry.failures import failures_named
from gateway.registry.feed_form import FeedRefused, Header
from gateway.registry.feed_judge import AGENCY, PROPOSAL, FeedRoom
from gateway.registry.tables import aware

TRIES = 3  # when an import changes the registry under a feed that is being judged
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The list in force, and what stands around it."""

    issuer: str
    sequence: int
    digest: str
    kind: str
    made_at: datetime
    applied_at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A feed that was not taken. Issuer and number are its own words."""

    id: str
    at: datetime
    code: str
    reason: str
    issuer: str | None
    sequence: int | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A certificate that the issuer proposes for a code, not bound yet."""

    code: str
    fingerprint: str
    certificate_der: bytes
    valid_from: datetime | None
    valid_to: datetime | None
    issuer: str
    sequence: int


class SqlFeed:
    """One feed after the other: a later one waits for the earlier."""

    def __init__(self, room: FeedRoom) -> None:
        self._room = room
        self._turn = asyncio.Lock()

    async def accept(self, path: Path, by: str) -> FeedOutcome:
        """The feed is in force whole, or refused with the reason kept. StoreFailure: neither, take it again."""
        async with self._turn:
            try:
                with _failures_named():
                    return _told(await self._take(path, by), by)
            except FeedRefused as refused:
                with _failures_named():
                    header = await self._room.pool.run(partial(_said, path))
                    await feed_apply.keep_refusal(self._room, refused, header, by)
                return _told(_outcome(refused, header), by)

    async def check(self, path: Path) -> FeedOutcome:
        """What `accept` would say now; nothing is written, not even a refusal."""
        try:
            with _failures_named():
                async with feed_judge.judged(self._room, path) as found:
                    verdict = "repeat" if found.stage is None else "acceptable"
                    return FeedOutcome(
                        verdict=verdict, issuer=found.header.issuer, sequence=found.header.sequence
                    )
        except FeedRefused as refused:
            return _outcome(refused, await self._room.pool.run(partial(_said, path)))

    async def in_force(self) -> InForce | None:
        """The list in force; None before the first."""
        with _failures_named():
            async with self._room.reader.connect() as connection:
                row = await feed_judge.in_force(connection)
        if row is None:
            return None
        return InForce(
            issuer=row.issuer,
            sequence=row.sequence,
            digest=row.digest,
            kind=row.kind,
            made_at=aware(row.made_at),
            applied_at=aware(row.applied_at),
            by=row.by_principal,
        )

    async def refusals(self, limit: int = 20) -> Sequence[Refusal]:
        """Newest first."""
        table = feed_apply.REFUSAL
        query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
        with _failures_named():
            async with self._room.reader.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [
            Refusal(
                id=row.id,
                at=aware(row.at),
                code=row.code,
                reason=row.reason,
                issuer=row.issuer,
                sequence=row.sequence,
                by=row.by_principal,
            )
            for row in rows
        ]

    async def proposals(self, limit: int = 100, fingerprint: str | None = None) -> Sequence[Proposal]:
        """Those that nobody has bound yet, by code. One that was bound and withdrawn is not open again."""
        bound = binding.BINDING
        same = (bound.c.code == PROPOSAL.c.code) & (bound.c.fingerprint == PROPOSAL.c.fingerprint)
        query = select(PROPOSAL).where(~select(bound.c.id).where(same).exists())
        if fingerprint is not None:
            query = query.where(PROPOSAL.c.fingerprint == fingerprint)
        query = query.order_by(PROPOSAL.c.code, PROPOSAL.c.fingerprint).limit(limit)
        with _failures_named():
            async with self._room.reader.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [
            Proposal(
                code=row.code,
                fingerprint=row.fingerprint,
                certificate_der=_der(row.certificate_pem),
                valid_from=None if row.valid_from is None else aware(row.valid_from),
                valid_to=None if row.valid_to is None else aware(row.valid_to),
                issuer=row.issuer,
                sequence=row.sequence,
            )
            for row in rows
        ]

    async def proposal(self, code: str, fingerprint: str) -> Proposal:
        """The open proposal of this certificate for this code."""
        for each in await self.proposals(fingerprint=fingerprint.strip().lower()):
            if each.code == code.strip().upper():
                return each
        raise NotFound(
            f"no certificate {fingerprint} is proposed for {code}, or it was bound before",
            hint="list them with: gateway registry feed proposals",
        )

    async def export(
        self, target: Path, signer: EnvelopeSigner, *, sequence: int = 1, since: Path | None = None
    ) -> Header:
        """A signed snapshot; after an earlier one its number follows that one's."""
        with _failures_named():
            base = (await self._room.pool.run(partial(snapshot.whole, since))).header if since else None
            number = sequence if base is None else base.sequence + 1
            return await snapshot.write_snapshot(self._room, target, signer, number, base)

    async def export_changes(self, target: Path, signer: EnvelopeSigner, since: Path) -> Header:
        """The signed changes since an earlier snapshot. Whoever has that one gets to the same list by them."""
        between = snapshot.beside(target)
        try:
            await self.export(between, signer, since=since)
            work = partial(snapshot.write_changes, since, between, target, signer)
            with _failures_named():
                return await self._room.pool.run(work)
        finally:
            await self._room.pool.run(partial(between.unlink, missing_ok=True))

    async def hosts(self) -> Sequence[str]:
        """The nodes that the registry names."""
        query = select(AGENCY.c.host).where(AGENCY.c.host.is_not(None)).group_by(AGENCY.c.host)
        with _failures_named():
            async with self._room.reader.connect() as connection:
                return sorted((await connection.execute(query)).scalars())

    async def _take(self, path: Path, by: str) -> FeedOutcome:
        for _ in range(TRIES - 1):
            try:
                return await self._once(path, by)
            except StoreFailure as failure:
                log.action(_log, "feed.again", str(failure))
        return await self._once(path, by)

    async def _once(self, path: Path, by: str) -> FeedOutcome:
        async with feed_judge.judged(self._room, path) as found:
            return await feed_apply.apply(self._room, found, by)


@contextmanager
def _failures_named() -> Iterator[None]:
    """Also what happens to the files beside the database."""
    try:
        with failures_named():
            yield
    except (OSError, sqlite3.Error) as cause:
        raise StoreFailure(
            f"a file of the feed could not be read or written ({type(cause).__name__}: {cause}); nothing was changed:"
            " check the disk and the folder"
        ) from cause


def _said(path: Path) -> Header | None:
    """What the file says of itself, where that can be read at all."""
    try:
        return feed_file.ends(path).header
    except FeedRefused:
        return None


def _outcome(refused: FeedRefused, header: Header | None) -> FeedOutcome:
    return FeedOutcome(
        verdict="refused",
        code=refused.code,
        reason=str(refused),
        issuer=header.issuer if header else "",
        sequence=header.sequence if header else 0,
    )


def _told(outcome: FeedOutcome, by: str) -> FeedOutcome:
    log.action(
        _log,
        f"feed.{outcome.verdict}",
        outcome.reason,
        issuer=outcome.issuer,
        sequence=outcome.sequence,
        code=outcome.code,
        by=by,
    )
    return outcome


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
