"""Puts a judged feed in force, and keeps what was refused. In: a stage on the registry that it was judged on. Out: one
transaction: rows, proposals, the number, the record of the change; all or nothing. A certificate binding is never
touched: what a feed says about certificates becomes a proposal for two people (K6)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import bindparam, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RegistryChange
from gateway.domain.wall_clock import local
from gateway.errors import StoreFailure
from gateway.ports import FeedOutcome
from gateway.registry.feed_form import FeedKind, FeedRefused, Header, ProposalLine
from gateway.registry.feed_judge import AGENCY, FEED, PROPOSAL, FeedRoom, Judged, Mark, mark_of
from gateway.registry.feed_stage import Gone, Stage, Written
from gateway.registry.feed_tables import IN_FORCE, refusal_table
from gateway.registry.importing import CODES_KEPT, alone, record_change, row_values
from gateway.registry.tables import stored

REFUSALS_KEPT = 200  # anybody on the axis can have a feed refused: the oldest give way
LONGEST_REASON = 2000
REFUSAL = refusal_table()
T = TypeVar("T")


@dataclass(slots=True)
class _Tally:
    """What was written, for the record."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("added", "changed", "closed"), 0))
    codes: dict[str, list[str]] = field(default_factory=lambda: {"added": [], "changed": [], "closed": []})

    def add(self, kind: str, code: str) -> None:
        self.counts[kind] += 1
        if len(self.codes[kind]) < CODES_KEPT:
            self.codes[kind].append(code)


async def apply(room: FeedRoom, judged: Judged, by: str) -> FeedOutcome:
    """The feed is in force. StoreFailure when the registry changed since it was judged: judge it again."""
    header, stage = judged.header, judged.stage
    if stage is None or judged.mark is None:
        return FeedOutcome(verdict="repeat", issuer=header.issuer, sequence=header.sequence)
    now, tally, change_id = room.clock.now(), _Tally(), room.clock.new_id()
    async with room.writer.begin() as connection:
        await alone(connection, "agency")
        await _refuse_moved_ground(connection, judged.mark)
        async for part in _parts(room, stage.changed):
            await _write(connection, room, part, now, tally)
        if header.kind is FeedKind.SNAPSHOT:
            await _close_gone(connection, room, stage, header, tally)
        proposed = await _propose(connection, room, stage, header)
        summary: dict[str, object] = {**tally.counts, "codes": tally.codes, "proposed": proposed}
        summary["feed"] = {"issuer": header.issuer, "sequence": header.sequence, "kind": str(header.kind)}
        await record_change(
            connection,
            RegistryChange(id=change_id, at=now, by=by, source_digest=Digest(header.digest), summary=summary),
        )
        await _put_in_force(connection, header, by, change_id, now)
    return FeedOutcome(
        verdict="applied",
        issuer=header.issuer,
        sequence=header.sequence,
        added=tally.counts["added"],
        changed=tally.counts["changed"],
        closed=tally.counts["closed"],
        proposed=proposed,
    )


async def keep_refusal(room: FeedRoom, refused: FeedRefused, header: Header | None, by: str) -> None:
    """The refusal is durable; of very many the newest stay."""
    values = {
        "id": room.clock.new_id(),
        "at": stored(room.clock.now()),
        "code": refused.code,
        "reason": str(refused)[:LONGEST_REASON],
        "issuer": header and header.issuer,
        "sequence": header and header.sequence,
        "by_principal": by,
    }
    newest = select(REFUSAL.c.id).order_by(REFUSAL.c.at.desc(), REFUSAL.c.id.desc()).limit(REFUSALS_KEPT)
    async with room.writer.begin() as connection:
        await connection.execute(insert(REFUSAL).values(values))
        await connection.execute(delete(REFUSAL).where(REFUSAL.c.id.not_in(newest)))


async def _refuse_moved_ground(connection: AsyncConnection, mark: Mark) -> None:
    if await mark_of(connection) != mark:
        raise StoreFailure(
            "the registry changed while the feed was judged; nothing was written: take it again"
        )


async def _parts(room: FeedRoom, start: Callable[[], Iterator[T]]) -> Any:
    """An iterator of the stage, turned in the pool."""
    parts = start()
    while (part := await room.pool.run(partial(next, parts, None))) is not None:
        yield part


async def _write(
    connection: AsyncConnection, room: FeedRoom, part: Sequence[Written], now: datetime, tally: _Tally
) -> None:
    new, known = await room.pool.run(partial(_values, part, now))
    for row in part:
        tally.add("added" if row.is_new else "closed" if row.closes else "changed", row.line.code)
    if new:
        await connection.execute(insert(AGENCY), new)
    if known:
        columns = [name for name in known[0] if name != "_code"]
        statement = update(AGENCY).where(AGENCY.c.code == bindparam("_code"))
        await connection.execute(statement.values({name[1:]: bindparam(name) for name in columns}), known)


def _values(part: Sequence[Written], now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = [(row.is_new, row_values(row.line.record(), RowSource.SYNCED, now)) for row in part]
    known = [{f"_{name}": value for name, value in row.items()} for is_new, row in rows if not is_new]
    return [row for is_new, row in rows if is_new], known


async def _close_gone(
    connection: AsyncConnection, room: FeedRoom, stage: Stage, header: Header, tally: _Tally
) -> None:
    """A code is never deleted (R82): its last day is the one before the snapshot was made."""
    last_day = local(header.made_at).date() - timedelta(days=1)
    statement = (
        update(AGENCY)
        .where(AGENCY.c.code == bindparam("_code"))
        .values(
            valid_from=bindparam("_first"),
            valid_to=last_day,
            alias=case((bindparam("_keeps"), AGENCY.c.alias), else_=None),
            updated_at=stored(room.clock.now()),
        )
    )
    async for part in _parts(room, partial(stage.gone, last_day)):
        await connection.execute(statement, [_closing(row, last_day) for row in part])
        for row in part:
            tally.add("closed", row.code)


def _closing(row: Gone, last_day: date) -> dict[str, Any]:
    """A row that was still to begin begins and ends on that day: it never was in force."""
    first = row.valid_from and min(row.valid_from, last_day)
    return {"_code": row.code, "_first": first, "_keeps": row.keeps_alias}


async def _propose(connection: AsyncConnection, room: FeedRoom, stage: Stage, header: Header) -> int:
    """The proposals of a snapshot stand for all; changes add theirs. How many there were."""
    if header.kind is FeedKind.SNAPSHOT:
        await connection.execute(delete(PROPOSAL))
    count = 0
    async for part in _parts(room, stage.proposals):
        values = await room.pool.run(partial(_proposed, part, header, room.clock.now()))
        for each in values:
            same = (PROPOSAL.c.code == each["code"], PROPOSAL.c.fingerprint == each["fingerprint"])
            await connection.execute(delete(PROPOSAL).where(*same))
        await connection.execute(insert(PROPOSAL), values)
        count += len(part)
    return count


def _proposed(part: Sequence[ProposalLine], header: Header, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "code": line.proposal,
            "fingerprint": line.sha256,
            "certificate_pem": x509.load_der_x509_certificate(base64.b64decode(line.certificate))
            .public_bytes(Encoding.PEM)
            .decode(),
            "valid_from": line.valid_from and stored(line.valid_from),
            "valid_to": line.valid_to and stored(line.valid_to),
            "issuer": header.issuer,
            "sequence": header.sequence,
            "at": stored(now),
        }
        for line in part
    ]


async def _put_in_force(
    connection: AsyncConnection, header: Header, by: str, change_id: str, now: datetime
) -> None:
    await connection.execute(delete(FEED).where(FEED.c.id == IN_FORCE))
    await connection.execute(
        insert(FEED).values(
            id=IN_FORCE,
            issuer=header.issuer,
            sequence=header.sequence,
            digest=header.digest,
            kind=header.kind.value,
            made_at=stored(header.made_at),
            applied_at=stored(now),
            by_principal=by,
            change_id=change_id,
        )
    )
