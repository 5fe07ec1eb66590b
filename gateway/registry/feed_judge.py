"""Says whether a registry feed may come into force. In: a file, the issuers known here, the list in force, the registry.
Out: a `Judged` feed with its stage, or FeedRefused. Writes nothing. The order is: limits, signature and issuer, the
number, the bytes of the body, then what the rows say together."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.binding_history import ACTIVE
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import AgencyRecord
from gateway.ports import Clock, Pool
from gateway.registry import feed_file, feed_form, feed_signature
from gateway.registry.binding import BINDING, MOST_AT_ONCE
from gateway.registry.feed_file import Ends
from gateway.registry.feed_form import AgencyLine, FeedKind, FeedRefused, Header, ProposalLine
from gateway.registry.feed_stage import AT_ONCE, Stage
from gateway.registry.feed_tables import IN_FORCE, feed_table, proposal_table
from gateway.registry.tables import agency_table, change_table, stored

AHEAD = timedelta(minutes=10)  # how far an issuer's clock may run before ours
FIELDS = tuple(field.name for field in fields(AgencyRecord))
AGENCY, FEED, PROPOSAL, CHANGE = agency_table(), feed_table(), proposal_table(), change_table()


@dataclass(frozen=True, kw_only=True)
class FeedRoom:
    """What judging and applying work with."""

    writer: AsyncEngine
    reader: AsyncEngine
    clock: Clock
    pool: Pool
    issuers: Path
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The registry as it was looked at: every change of it adds a record, and a feed its number."""

    changes: int
    last: str | None
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A feed that may come into force on the registry of that mark. Without a stage it is a repeat."""

    header: Header
    mark: Mark | None = None
    stage: Stage | None = None


@asynccontextmanager
async def judged(room: FeedRoom, path: Path) -> AsyncIterator[Judged]:
    """FeedRefused says why not. The stage is gone when the context ends."""
    found = await room.pool.run(partial(_proved, room.issuers, path, room.clock.now()))
    async with room.reader.connect() as connection:
        is_new = await _is_new(connection, found.header)
    await room.pool.run(partial(feed_file.check_body, path, found))
    if not is_new:
        yield Judged(header=found.header)
        return
    whole = found.header.kind is FeedKind.SNAPSHOT
    stage = await room.pool.run(partial(Stage, room.scratch, whole=whole))
    try:
        await room.pool.run(partial(stage.put_feed, _keyed(feed_file.lines(path, found))))
        mark = await _lay_registry(room, stage, found.header)
        if mark is None:
            yield Judged(header=found.header)
            return
        await room.pool.run(partial(_refuse_contradictions, stage))
        yield Judged(header=found.header, mark=mark, stage=stage)
    finally:
        await room.pool.run(stage.close)


async def mark_of(connection: AsyncConnection) -> Mark:
    """Compared again in the transaction that writes."""
    count, last = (await connection.execute(select(func.count(), func.max(CHANGE.c.id)))).one()
    known = await in_force(connection)
    return Mark(changes=count, last=last, sequence=0 if known is None else known.sequence)


async def in_force(connection: AsyncConnection) -> Row[Any] | None:
    """The feed in force."""
    return (await connection.execute(select(FEED).where(FEED.c.id == IN_FORCE))).first()


def key_digest(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def record_of(row: Row[Any]) -> AgencyRecord:
    return AgencyRecord(**{name: getattr(row, name) for name in FIELDS})


def _proved(issuers: Path, path: Path, now: datetime) -> Ends:
    """The ends of the feed, signed by one of the issuers, not from the future."""
    found = feed_file.ends(path)
    feed_signature.check(feed_signature.issuers(issuers), found, now)
    if found.header.made_at > now + AHEAD:
        raise FeedRefused(
            f"made at {found.header.made_at.isoformat()}, which is still to come: compare the clocks",
            code="FEED-TIME",
        )
    return found


async def _is_new(connection: AsyncConnection, header: Header) -> bool:
    """Whether its number follows the one in force; False for the same list again."""
    known = await in_force(connection)
    if known is None:
        return _is_start(header)
    if known.issuer != header.issuer:
        raise FeedRefused(
            f"this node follows the issuer {known.issuer!r}, and this feed is of {header.issuer!r}",
            code="FEED-ISSUER",
        )
    if header.sequence < known.sequence:
        raise FeedRefused(
            f"number {header.sequence} is older than {known.sequence}, which is in force",
            code="FEED-ROLLED-BACK",
        )
    if header.sequence == known.sequence:
        if header.digest == known.digest:
            return False
        raise _conflict(header.sequence)
    if header.base == known.sequence and header.base_digest != known.digest:
        raise _conflict(known.sequence)
    if header.kind is FeedKind.CHANGES and header.base != known.sequence:
        raise _gap(header, known.sequence)
    return True


def _is_start(header: Header) -> bool:
    if header.kind is FeedKind.CHANGES:
        raise _gap(header, 0)
    return True


def _conflict(sequence: int) -> FeedRefused:
    return FeedRefused(
        f"another list than the one in force has the number {sequence}: its issuer gave it twice, or somebody has its key",
        code="FEED-CONFLICT",
        hint="ask the issuer by another channel; a new snapshot with a higher number and without a base goes on",
    )


def _gap(header: Header, ours: int) -> FeedRefused:
    return FeedRefused(
        f"changes from number {header.base} to {header.sequence}, and number {ours} is in force",
        code="FEED-GAP",
        hint="ask the issuer for a snapshot, or for the changes between",
    )


def _keyed(
    lines: Iterator[AgencyLine | ProposalLine],
) -> Iterator[tuple[AgencyLine | ProposalLine, str]]:
    for line in lines:
        yield line, _proposed_key(line) if isinstance(line, ProposalLine) else ""


def _proposed_key(line: ProposalLine) -> str:
    where = f"the certificate proposed for {line.proposal}"
    der = feed_form.unpacked(line.certificate, where)
    if hashlib.sha256(der).hexdigest() != line.sha256:
        raise FeedRefused(f"{where} has another SHA-256 than stated", code="FEED-ROWS")
    try:
        return key_digest(x509.load_der_x509_certificate(der))
    except (ValueError, TypeError, x509.InvalidVersion) as cause:
        raise FeedRefused(f"{where} cannot be read", code="FEED-ROWS") from cause


async def _lay_registry(room: FeedRoom, stage: Stage, header: Header) -> Mark | None:
    """One view of the registry; None when the same list came into force while the feed was read."""
    async with room.reader.connect() as connection:
        mark = await mark_of(connection)
        if not await _is_new(connection, header):
            return None
        await _lay_base(connection, room.pool, stage)
        await _lay_bound(connection, room, stage, whole=header.kind is FeedKind.SNAPSHOT)
    return mark


async def _lay_base(connection: AsyncConnection, pool: Pool, stage: Stage) -> None:
    columns = [AGENCY.c[name] for name in (*FIELDS, "source")]
    async with connection.stream(select(*columns)) as result:
        async for part in result.partitions(AT_ONCE):
            await pool.run(partial(_put_base, stage, part))


def _put_base(stage: Stage, rows: Iterable[Row[Any]]) -> None:
    stage.put_base(
        (feed_form.agency_line(record_of(row)), row.source == RowSource.SYNCED.value) for row in rows
    )


async def _lay_bound(connection: AsyncConnection, room: FeedRoom, stage: Stage, *, whole: bool) -> None:
    """Keys that speak for a code now or later, and what earlier changes proposed; a snapshot proposes anew."""
    live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > stored(room.clock.now()))
    asked = [select(BINDING.c.code, BINDING.c.certificate_pem).where(BINDING.c.state == ACTIVE, live)]
    if not whole:
        asked.append(select(PROPOSAL.c.code, PROPOSAL.c.certificate_pem))
    for query in asked:
        async with connection.stream(query) as result:
            async for part in result.partitions(AT_ONCE):
                await room.pool.run(partial(_put_bound, stage, part))


def _put_bound(stage: Stage, rows: Sequence[Any]) -> None:
    stage.put_bound(
        (row.code, key_digest(x509.load_pem_x509_certificate(row.certificate_pem.encode()))) for row in rows
    )


def _refuse_contradictions(stage: Stage) -> None:
    if problems := stage.problems(MOST_AT_ONCE):
        raise FeedRefused("; ".join(problems), code="FEED-ROWS")
    if moved := stage.moved():
        raise FeedRefused(
            f"{'; '.join(moved)}: one key speaks for one code (K1)",
            code="FEED-BINDING",
            hint="withdraw the binding here first, or the issuer proposes a new key",
        )
