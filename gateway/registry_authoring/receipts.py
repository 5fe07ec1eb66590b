"""Receipts of signed lists: a node that took a list tells its issuer so, signed with an agency's exchange key. In: lists
that this node issues, receipts of other nodes, the list in force here. Out: an event for each issued list, the newest
receipt of each agency, the nodes that lack a list or a planned change, and the receipt that is due to our own issuer. A
receipt changes nothing by itself; people read it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.delegated import ListState
from gateway.domain.event import EventKind
from gateway.domain.proof import Binding
from gateway.domain.registry_reform import ReformKind, ReformState
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.ports.services import Clock, EnvelopeSigner
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.endings import reform_of
from gateway.registry.tables import AGENCY, FEED, IN_FORCE, LIST, RECEIPT, REFORM, failures_named, host_on
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.feed_file import FeedRefused, FeedSeal, Header, ReceiptLine
from gateway.registry_authoring.feed_judge import AHEAD, is_signed_by_bound
from gateway.registry_authoring.rows import lock_table
from gateway.store.row import value_of
from gateway.trust.key_material import RECEIPTS

MEDIA_TYPE = "application/octet-stream"
LONGEST_RECEIPT = 2 * feed_file.LONGEST_EDGE
ISSUED = "issued-lists"
"""Subject id of the events about lists that this node issued."""
MOST_TELLINGS = 20
"""Receipts of one list that are recorded for one agency: a few changes of state, and no more for whoever has its key."""
RETRY = timedelta(minutes=15)
MOST_CHANGES = 20
# A change of the organisation is shown until it must be reported.
_SHOWN_FOR = timedelta(days=15)
_NEVER = datetime.max.replace(tzinfo=UTC)
FORM, UNKNOWN_LIST, SIGNER, TIME = "RECEIPT-FORM", "RECEIPT-LIST", "RECEIPT-SIGNER", "RECEIPT-TIME"
MANY = "RECEIPT-MANY"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedList:
    """List that this node issued."""

    issuer: str
    sequence: int
    digest: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReceipt:
    """Newest receipt of one agency's node. `state` is what became of the list's certificates there."""

    code: str
    sequence: int
    state: str
    taken_at: datetime
    said_at: datetime
    received_at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStanding:
    """Node that the registry names, with the first of its codes and their number. `behind_since` is the time of the first
    list that it lacks; a node without a receipt may have lists that it never told of."""

    node: str
    code: str
    codes: int
    receipt: ListReceipt | None
    behind_since: datetime | None

    @property
    def sequence(self) -> int:
        return self.receipt.sequence if self.receipt else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedChange:
    """Change of the organisation that is to come, or came lately. `sequence` is the first list that has it; None where no
    list has it yet. `lacking` are the nodes of which no receipt says that they have it."""

    id: str
    kind: ReformKind
    decision: str
    effective_on: date
    sequence: int | None
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The newest issued list, and who has it. Nothing else where this node issued none."""

    issued: IssuedList | None = None
    nodes: Sequence[NodeStanding] = ()
    changes: Sequence[AwaitedChange] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReceipt:
    """Receipt that is due to our issuer."""

    issuer: str
    sequence: int
    digest: str
    state: ListState
    taken_at: datetime


def write_receipt(due: DueReceipt, signer: EnvelopeSigner, now: datetime, version: str) -> bytes:
    """Return the signed receipt. It may wait for a token: use the pool."""
    line = feed_file.encode(
        ReceiptLine(
            issuer=due.issuer,
            sequence=due.sequence,
            digest=due.digest,
            code=signer.agency_code,
            state=due.state,
            taken_at=due.taken_at,
            said_at=now,
            version=version,
        )
    )
    seal = FeedSeal(
        signature=base64.b64encode(signer.sign(RECEIPTS + line)).decode(),
        algorithm=signer.algorithm,  # type: ignore[arg-type]  # pydantic refuses any other
        certificate=hashlib.sha256(signer.certificate_der).hexdigest(),
    )
    return line + feed_file.encode(seal)


def read_receipt(raw: bytes) -> tuple[ReceiptLine, FeedSeal]:
    """Return the receipt and its seal, not yet verified. Clash for anything else."""
    first, separator, last = raw.partition(b"\n")
    if len(raw) > LONGEST_RECEIPT or not separator:
        raise Clash("a receipt is one line and its seal, in two lines", code=FORM)
    try:
        line = feed_file.decode(ReceiptLine, first + separator, "the receipt")
        return line, feed_file.decode(FeedSeal, last, "its seal")
    except FeedRefused as cause:
        raise Clash(str(cause), code=FORM) from cause


def check_seal(line: ReceiptLine, seal: FeedSeal, bindings: Sequence[Binding], now: datetime) -> None:
    """Raise Clash unless a certificate that is in force for the code signed the receipt."""
    try:
        if is_signed_by_bound(seal, RECEIPTS + feed_file.encode(line), bindings, now, "the receipt"):
            return
    except FeedRefused as cause:
        raise Clash(f"the signature of the receipt does not hold: {cause}", code=SIGNER) from cause
    raise Clash(
        f"the certificate {seal.certificate} is not in force for {line.code} here",
        code=SIGNER,
        hint="two people bind the agency's certificate; then its node tells again by itself",
    )


class SqlReceipts:
    """Receipts of the lists that this node issues, and of the list in force here. Each call is durable on return."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, clock: Clock) -> None:
        self._writer, self._reader, self._clock = writer, reader, clock
        self._log = SqlBindingLog(clock)

    async def note_issued(self, header: Header, by: str) -> None:
        """Record that this node issued a list: receipts of no other are taken."""
        facts = {"issuer": header.issuer, "sequence": header.sequence, "digest": header.digest}
        data = {**facts, "made_at": header.made_at.isoformat()}
        async with self._writer.begin() as connection:
            await self._log.note(connection, EventKind.LIST_ISSUED, ISSUED, by, data)

    async def take(self, raw: bytes, bindings_of: Callable[[str], Awaitable[Sequence[Binding]]]) -> bool:
        """Record a receipt; False where it says nothing new. Clash for one that is not of a list issued here, or not
        signed for its code. `bindings_of` returns the bindings of a code."""
        line, seal = read_receipt(raw)
        now = self._clock.now()
        if line.said_at > now + AHEAD or line.taken_at > line.said_at:
            raise Clash("the times of the receipt are still to come: compare the clocks", code=TIME)
        with failures_named():
            async with self._reader.connect() as connection:
                issued = await self._issued(connection)
        list_key = (line.issuer, line.sequence, line.digest)
        if list_key not in ((x.issuer, x.sequence, x.digest) for x in issued):
            raise Clash(f"no list {line.sequence} of that digest was issued here", code=UNKNOWN_LIST)
        check_seal(line, seal, await bindings_of(line.code), now)
        with failures_named():
            async with self._writer.begin() as connection:
                await lock_table(connection, RECEIPT.name)
                return await self._record(connection, line, seal, now)

    async def overview(self, own_node: str = "") -> Overview:
        """Return who has the newest issued list, and which planned changes are known where. `own_node` is left out."""
        with failures_named():
            async with self._reader.connect() as connection:
                lists = await self._issued(connection)
                if not lists:
                    return Overview()
                own_lists = [issued for issued in lists if issued.issuer == lists[-1].issuer]
                today = local(self._clock.now()).date()
                nodes = await _list_nodes(connection, own_lists, today, own_node)
                changes = await _list_changes(connection, own_lists, nodes, today)
        return Overview(issued=own_lists[-1], nodes=nodes, changes=changes)

    async def claim_due(self) -> DueReceipt | None:
        """Claim the receipt that is due to our issuer, of the list in force and the present state of its certificates; None
        where the issuer knows it, the list is not judged yet, or it was tried just now."""
        now = self._clock.now()
        same_list = and_(LIST.c.issuer == FEED.c.issuer, LIST.c.sequence == FEED.c.sequence)
        is_told = FEED.c.receipt_state.is_not_distinct_from(LIST.c.state)
        rested = or_(FEED.c.receipt_tried_at.is_(None), FEED.c.receipt_tried_at <= now - RETRY)
        query = (
            select(FEED, LIST.c.state)
            .join(LIST, same_list)
            .where(FEED.c.id == IN_FORCE, LIST.c.state != ListState.NEW, ~is_told, rested)
        )
        with failures_named():
            async with self._reader.connect() as connection:
                row = (await connection.execute(query)).first()
            if row is None:
                return None
            async with self._writer.begin() as connection:
                claim = update(FEED).where(FEED.c.id == IN_FORCE, FEED.c.sequence == row.sequence, rested)
                claimed = await connection.execute(claim.values(receipt_tried_at=now))
        if not claimed.rowcount:
            return None
        return value_of(DueReceipt, row, taken_at=row.applied_at)

    async def note_sent(self, due: DueReceipt, code: str) -> None:
        """Record that the issuer has the receipt."""
        facts = {"issuer": due.issuer, "code": code, "sequence": due.sequence, "state": due.state}
        values: dict[str, Any] = {
            "receipt_state": due.state,
            "receipt_at": self._clock.now(),
            "receipt_fault": None,
        }
        with failures_named():
            async with self._writer.begin() as connection:
                await connection.execute(_of_feed(due).values(values))
                subject = receipt_subject(code)
                await self._log.note(connection, EventKind.LIST_RECEIPT_SENT, subject, "node", facts)

    async def note_fault(self, due: DueReceipt, fault: str) -> None:
        """Record why the issuer was not told; it is tried again."""
        with failures_named():
            async with self._writer.begin() as connection:
                await connection.execute(_of_feed(due).values(receipt_fault=fault))

    async def _issued(self, connection: AsyncConnection) -> list[IssuedList]:
        """Return the lists that this node issued, oldest first."""
        events = await self._log.of_subject(connection, ISSUED)
        return [
            IssuedList(
                issuer=str(event.data["issuer"]),
                sequence=int(event.data["sequence"]),
                digest=str(event.data["digest"]),
                made_at=datetime.fromisoformat(str(event.data["made_at"])),
            )
            for event in events
        ]

    async def _record(
        self, connection: AsyncConnection, line: ReceiptLine, seal: FeedSeal, now: datetime
    ) -> bool:
        own_row = (RECEIPT.c.issuer == line.issuer, RECEIPT.c.code == line.code)
        row = (await connection.execute(select(RECEIPT).where(*own_row))).first()
        if row is not None and not _has_news(line, row):
            return False
        tellings = row.tellings + 1 if row is not None and row.sequence == line.sequence else 1
        if tellings > MOST_TELLINGS:
            raise Clash(f"{line.code} told of list {line.sequence} too often", code=MANY)
        facts = {"issuer": line.issuer, "code": line.code, "sequence": line.sequence, "digest": line.digest}
        facts |= {"state": line.state, "version": line.version, "fingerprint": seal.certificate}
        values = {
            **facts,
            "taken_at": line.taken_at,
            "said_at": line.said_at,
            "received_at": now,
            "tellings": tellings,
        }
        await connection.execute(delete(RECEIPT).where(*own_row))
        await connection.execute(insert(RECEIPT).values(values))
        data = {**facts, "taken_at": line.taken_at.isoformat()}
        subject = receipt_subject(line.code)
        await self._log.note(connection, EventKind.LIST_RECEIPT, subject, "node", data)
        return True


def receipt_subject(code: str) -> str:
    """Return the subject id of events about receipts that an agency's node signed."""
    return f"receipt:{code}"


def _of_feed(due: DueReceipt) -> Any:
    return update(FEED).where(
        FEED.c.id == IN_FORCE, FEED.c.sequence == due.sequence, FEED.c.digest == due.digest
    )


def _has_news(line: ReceiptLine, row: Row[Any]) -> bool:
    """Tell whether the receipt is newer than the one of the row, and says something else. An old one that is played again
    changes nothing."""
    if (line.sequence, line.said_at) <= (row.sequence, row.said_at):
        return False
    return (line.sequence, line.digest, line.state) != (row.sequence, row.digest, row.state)


async def _list_nodes(
    connection: AsyncConnection, lists: Sequence[IssuedList], today: date, own_node: str
) -> list[NodeStanding]:
    """Return the nodes that the registry names, those that lack a list first, in the order in which it was issued. The
    receipt of a code that no node speaks for stands under the code."""
    is_open = or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= today)
    hosts = select(host_on(today).label("node"), AGENCY.c.code).where(is_open).subquery()
    counts = select(hosts.c.node, func.min(hosts.c.code).label("first"), func.count().label("codes"))
    node_rows = await connection.execute(counts.where(hosts.c.node.is_not(None)).group_by(hosts.c.node))
    joined = select(RECEIPT, hosts.c.node).join(hosts, hosts.c.code == RECEIPT.c.code, isouter=True)
    receipts: dict[str, ListReceipt] = {}
    for row in await connection.execute(joined.where(RECEIPT.c.issuer == lists[-1].issuer)):
        node, receipt = row.node or row.code, value_of(ListReceipt, row)
        previous = receipts.get(node)
        if previous is None or (previous.sequence, previous.said_at) < (receipt.sequence, receipt.said_at):
            receipts[node] = receipt
    codes = {row.node: (row.first, row.codes) for row in node_rows}
    standings = []
    for node in sorted({*codes, *receipts} - {own_node}):
        first_code, count = codes.get(node, (node, 1))
        standings.append(_standing(node, first_code, count, receipts.get(node), lists))
    return sorted(standings, key=lambda x: (x.behind_since or _NEVER, x.node))


def _standing(
    node: str, first_code: str, codes: int, receipt: ListReceipt | None, lists: Sequence[IssuedList]
) -> NodeStanding:
    newer = (x.made_at for x in lists if receipt is None or x.sequence > receipt.sequence)
    return NodeStanding(
        node=node,
        code=receipt.code if receipt else first_code,
        codes=codes,
        receipt=receipt,
        behind_since=next(newer, None),
    )


async def _list_changes(
    connection: AsyncConnection, lists: Sequence[IssuedList], nodes: Sequence[NodeStanding], today: date
) -> list[AwaitedChange]:
    """Return approved changes that are to come or came lately. The first list that was made after the approval has them."""
    query = (
        select(REFORM.c.id, REFORM.c.content, REFORM.c.effective_on, REFORM.c.approved_at)
        .where(REFORM.c.state == ReformState.APPROVED.value, REFORM.c.effective_on >= today - _SHOWN_FOR)
        .order_by(REFORM.c.effective_on, REFORM.c.id)
        .limit(MOST_CHANGES)
    )
    changes = []
    for row in await connection.execute(query):
        reform = reform_of(row.content)
        sequence = next((x.sequence for x in lists if x.made_at >= row.approved_at), None)
        lacking = tuple(x.node for x in nodes if sequence is None or x.sequence < sequence)
        changes.append(
            AwaitedChange(
                id=row.id,
                kind=reform.kind,
                decision=reform.decision.number,
                effective_on=row.effective_on,
                sequence=sequence,
                lacking=lacking,
            )
        )
    return changes
