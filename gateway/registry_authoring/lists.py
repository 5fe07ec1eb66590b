"""Keeps received lists of an issuer with the rows of their certificates, as evidence and as work. In: a verified feed, in
the transaction that applies it; or the outcome of a judgement. Out: lists with the rows that `trust` is the digest of, and
the signatures over it. It also records that two lists have one number."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.delegated import (
    EXCHANGE,
    Delegation,
    JudgedRow,
    ListedRow,
    ListState,
    RowStanding,
    fold_delegation,
    issuer_subject,
)
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.tables import LIST, PROPOSAL
from gateway.registry_authoring import feed_file, feed_judge
from gateway.registry_authoring.feed_file import (
    Ends,
    FeedKind,
    Header,
    OfficerLine,
    ProposalLine,
    TrustDigest,
    TrustLine,
)
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.store.row import value_of

DAMAGED = "TRUST-DAMAGED"
_AT_ONCE = 500
_LARGEST_CONTENT = 512 * feed_file.MOST_TRUST_ROWS  # a row without its certificate has at most 400 bytes
_OPEN = (ListState.OPEN, ListState.UNSIGNED, ListState.HELD)
_UNDECIDED = (ListState.NEW, ListState.WAITING)
_COLUMNS = [column for column in LIST.c if column.name != "content"]


class ListContent:
    """Rows of a list's certificates, compressed while they are read, and their digest."""

    def __init__(self) -> None:
        self._compressor, self._pieces, self._digest = zlib.compressobj(), list[bytes](), TrustDigest()

    def add(self, lines: Sequence[ProposalLine | TrustLine]) -> None:
        for line in lines:
            row = line if isinstance(line, TrustLine) else _as_trust(line)
            self._pieces.append(self._compressor.compress(self._digest.add(row)))

    def finish(self) -> tuple[bytes, str, int]:
        """Return the compressed rows, their digest and their number."""
        self._pieces.append(self._compressor.flush())
        return b"".join(self._pieces), self._digest.hexdigest(), self._digest.rows


def _as_trust(line: ProposalLine) -> TrustLine:
    """Return a row of form 1 as form 2 writes it."""
    return TrustLine.model_construct(
        trust=line.proposal,
        kind=EXCHANGE,
        sha256=line.sha256,
        valid_from=line.valid_from,
        valid_to=line.valid_to,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedList:
    """Received list with certificates, and what became of them."""

    issuer: str
    sequence: int
    digest: str
    trust: str
    size: int
    made_at: datetime
    received_at: datetime
    state: ListState
    due_at: datetime | None
    counts: Mapping[str, Any]
    header: str
    issuer_key: str
    officers: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.issuer} {self.sequence}"

    def signed_by(self, named: Sequence[str], now: datetime) -> tuple[str, ...]:
        """Return those of the named officers whose valid signatures came with the list."""
        times = (self.made_at, now)
        return feed_judge.valid_officers(
            self._signatures(), self.header.encode(), named, times, self.issuer_key
        )

    @property
    def officer_certificates(self) -> tuple[bytes, ...]:
        """Certificates whose signatures came with the list, as DER; nothing says yet whether they are an officer's."""
        return tuple(base64.b64decode(line.certificate) for line in self._signatures())

    def _signatures(self) -> list[OfficerLine]:
        return [feed_file.decode(OfficerLine, line.encode() + b"\n", "a signature") for line in self.officers]


class SqlLists:
    """Received lists, and the trust in their issuers, in a caller's transaction."""

    def __init__(self, connection: AsyncConnection, log: SqlBindingLog) -> None:
        self._connection, self._log = connection, log

    async def delegation(self, issuer: str) -> Delegation:
        """Return the trust in an issuer, as its events tell it."""
        return fold_delegation(issuer, await self._log.of_subject(self._connection, issuer_subject(issuer)))

    async def issuers(self) -> Sequence[str]:
        """Return the issuers of received lists, or of policies, by name."""
        told = await self._log.of_kinds(self._connection, (EventKind.TRUST_DELEGATED,))
        rows = await self._connection.execute(select(LIST.c.issuer).distinct())
        return sorted({str(e.data["issuer"]) for e in told} | {row.issuer for row in rows})

    async def get(self, issuer: str, sequence: int) -> ReceivedList:
        """Return a list; NotFound where none of that number came."""
        query = select(*_COLUMNS).where(LIST.c.issuer == issuer, LIST.c.sequence == sequence)
        row = (await self._connection.execute(query)).first()
        if row is None:
            raise NotFound(
                f"no list {sequence} of {issuer} with certificates came here",
                hint="list them with: gateway registry trust lists",
            )
        return _to_list(row)

    async def undecided(self) -> Sequence[ReceivedList]:
        """Return lists that are new or wait, in the order in which they came."""
        return await self._lists(LIST.c.state.in_(_UNDECIDED), limit=None)

    async def newest(self, limit: int) -> Sequence[ReceivedList]:
        """Return lists, newest first."""
        query = select(*_COLUMNS).order_by(LIST.c.received_at.desc(), LIST.c.sequence.desc()).limit(limit)
        return [_to_list(row) for row in await self._connection.execute(query)]

    async def rows_of(self, received: ReceivedList) -> Sequence[ListedRow]:
        """Return the rows of a list. Clash where they are not those that the list named."""
        query = select(LIST.c.content).where(
            LIST.c.issuer == received.issuer, LIST.c.sequence == received.sequence
        )
        content = _unpack((await self._connection.execute(query)).scalar_one())
        named = Header.model_validate_json(received.header).trust or received.trust
        if hashlib.sha256(content).hexdigest() != named:
            raise Clash(
                f"the rows kept of list {received.name} are not those that it named: nothing of it comes into force",
                code=DAMAGED,
                hint="take a newer list of the issuer; somebody may have changed the database",
            )
        return [_to_row(line) for line in content.splitlines()]

    async def set_state(
        self,
        received: ReceivedList,
        state: ListState,
        counts: Mapping[str, object],
        due_at: datetime | None = None,
    ) -> None:
        values: dict[str, Any] = {"state": state, "due_at": due_at, "counts": json.dumps(counts)}
        same = (LIST.c.issuer == received.issuer, LIST.c.sequence == received.sequence)
        await self._connection.execute(update(LIST).where(*same).values(values))

    async def save_outcomes(self, judged: Sequence[JudgedRow]) -> None:
        """Store the outcome of each row beside its certificate, in place of those of the last judgement."""
        await self._connection.execute(
            update(PROPOSAL)
            .where(PROPOSAL.c.standing.is_not(None))
            .values(standing=None, reason=None, detail=None)
        )
        told = [row for row in judged if row.standing in (RowStanding.CONFLICT, RowStanding.HELD)]
        statement = (
            update(PROPOSAL)
            .where(PROPOSAL.c.code == bindparam("_code"), PROPOSAL.c.fingerprint == bindparam("_sha256"))
            .values(standing=bindparam("_standing"), reason=bindparam("_reason"), detail=bindparam("_detail"))
        )
        for start in range(0, len(told), _AT_ONCE):
            values = [_outcome(row) for row in told[start : start + _AT_ONCE]]
            await self._connection.execute(statement, values)

    async def end_waiting(self, issuer: str) -> None:
        """End every list of the issuer that waits, because its policy ended."""
        waiting = (LIST.c.issuer == issuer, LIST.c.state.in_((*_UNDECIDED, *_OPEN)))
        await self._connection.execute(update(LIST).where(*waiting).values(state=ListState.OPEN, due_at=None))

    async def requeue(self, issuer: str) -> None:
        """Let lists that wait and the issuer's newest list be judged again, because its policy changed."""
        newest = (
            select(LIST.c.sequence)
            .where(LIST.c.issuer == issuer)
            .order_by(LIST.c.sequence.desc())
            .limit(1)
            .scalar_subquery()
        )
        is_newest = and_(LIST.c.sequence == newest, LIST.c.state.in_(_OPEN))
        is_affected = or_(is_newest, LIST.c.state == ListState.WAITING)
        await self._connection.execute(
            update(LIST).where(LIST.c.issuer == issuer, is_affected).values(state=ListState.NEW)
        )

    async def _lists(self, *conditions: Any, limit: int | None) -> Sequence[ReceivedList]:
        query = select(*_COLUMNS).where(*conditions).order_by(LIST.c.received_at, LIST.c.sequence)
        return [_to_list(row) for row in await self._connection.execute(query.limit(limit))]


async def keep_list(
    connection: AsyncConnection,
    feed_ends: Ends,
    content: ListContent,
    issuer_key: str,
    by: str,
    now: datetime,
    held: int,
) -> None:
    """Store the certificates' rows of an applied feed; it is judged where it has any, or `held` rows. Earlier lists that a
    snapshot replaces keep their digest, and their rows only while these wait or are bound."""
    header = feed_ends.header
    rows, trust, count = content.finish()
    same = (LIST.c.issuer == header.issuer, LIST.c.sequence == header.sequence)
    await connection.execute(delete(LIST).where(*same))
    if header.kind is FeedKind.SNAPSHOT:
        replaced = (LIST.c.issuer == header.issuer, LIST.c.state.in_(_OPEN))
        values: dict[str, Any] = {"state": ListState.ENDED, "content": zlib.compress(b"")}
        await connection.execute(update(LIST).where(*replaced).values(values))
    await connection.execute(
        insert(LIST).values(
            issuer=header.issuer,
            sequence=header.sequence,
            digest=header.digest,
            header=feed_ends.header_line.decode(),
            issuer_key=issuer_key,
            officers=_officer_lines(feed_ends.officers),
            trust=trust,
            size=count,
            content=rows,
            made_at=header.made_at,
            received_at=now,
            by_principal=by,
            state=ListState.NEW if count or held else ListState.DONE,
            counts="{}",
        )
    )


async def add_signatures(room: FeedRoom, feed_ends: Ends) -> None:
    """Add officers' signatures that came with a repetition of a list which lacks them, so that it is judged again."""
    if not feed_ends.officers:
        return
    header = feed_ends.header
    same = (LIST.c.issuer == header.issuer, LIST.c.sequence == header.sequence, LIST.c.state.in_(_OPEN))
    async with room.writer.begin() as connection:
        row = (await connection.execute(select(LIST.c.officers, LIST.c.header).where(*same))).first()
        if row is None or row.header.encode() != feed_ends.header_line:
            return
        known = dict.fromkeys(row.officers.splitlines())
        lines = known | dict.fromkeys(_officer_lines(feed_ends.officers).splitlines())
        if len(known) < len(lines) <= 2 * feed_file.MOST_OFFICERS:
            values = {"officers": "\n".join(lines), "state": ListState.NEW}
            await connection.execute(update(LIST).where(*same).values(values))


async def tell_split(connection: AsyncConnection, room: FeedRoom, header: Header, by: str) -> None:
    """Record, once, that the issuer signed another list of a number; its policy is stopped by that (threat: split view)."""
    log, subject = SqlBindingLog(room.clock), issuer_subject(header.issuer)
    data = {"issuer": header.issuer, "sequence": header.sequence, "digest": header.digest}
    events = await log.of_subject(connection, subject)
    if not any(e.kind is EventKind.LIST_SPLIT and data.items() <= e.data.items() for e in events):
        await log.note(connection, EventKind.LIST_SPLIT, subject, by, data)


def _unpack(content: bytes) -> bytes:
    """Return the rows, as far as a list may have them; nothing of them where they are damaged."""
    try:
        return zlib.decompressobj().decompress(content, _LARGEST_CONTENT)
    except zlib.error:
        return b""


def _officer_lines(officers: Sequence[OfficerLine]) -> str:
    return "".join(feed_file.encode(line).decode() for line in officers)


def _to_list(row: Row[Any]) -> ReceivedList:
    return value_of(ReceivedList, row, officers=tuple(row.officers.splitlines()))


def _to_row(line: bytes) -> ListedRow:
    values = json.loads(line)
    moments = {
        name: datetime.fromisoformat(values[name])
        for name in ("valid_from", "valid_to", "revoked_at")
        if name in values
    }
    return ListedRow(code=values["trust"], kind=values["kind"], fingerprint=values["sha256"], **moments)


def _outcome(judged: JudgedRow) -> dict[str, Any]:
    return {
        "_code": judged.row.code,
        "_sha256": judged.row.fingerprint,
        "_standing": judged.standing,
        "_reason": judged.reason,
        "_detail": judged.detail,
    }
