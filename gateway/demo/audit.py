"""Looks at the node after the story, from its rows alone: what was sent, what arrived, what lies twice. In: an open node.
Out: counts, and the envelopes that crossed the axis as files. Reads only; knows nothing of what the story meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.bootstrap.node import Node
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Delivery, IncomingDocument, Kind, OutgoingDocument
from gateway.ports import OutboxItem

# Words of the kinds in file names.
KIND_WORDS = {
    Kind.DOCUMENT: "document",
    Kind.UPDATE: "update",
    Kind.RECALL: "recall",
    Kind.REPLACEMENT: "replacement",
    Kind.STATUS: "status",
}
# A delivery in one of these states has not left, so nobody can hold it.
_NOT_LEFT = frozenset({"queued", "sending", "failed", "cancelled", "paper"})
# Rows in one of these states still have somewhere to go.
_MOVING = ("job.waiting", "outbox.waiting", "inbox.landed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    documents: int
    deliveries: int
    by_state: dict[str, int]
    lost: int
    doubled: int


async def count(node: Node) -> Found:
    """Lost: a delivery that left, whose packet its receiver does not know. Doubled: one body admitted twice, or one
    arrival number given twice."""
    sent = [pair async for pair in _sent(node)]
    deliveries = [delivery for _, rows in sent for delivery in rows]
    lost = 0
    for document, rows in sent:
        for delivery in rows:
            lost += delivery.state not in _NOT_LEFT and not await _is_known(node, document, delivery)
    return Found(
        documents=len(sent),
        deliveries=len(deliveries),
        by_state=dict(sorted(Counter(delivery.state for delivery in deliveries).items())),
        lost=lost,
        doubled=await _doubled(node),
    )


async def is_quiet(node: Node) -> bool:
    """Whether nothing is on its way: no job, no outbox row, no landed packet, no parcel on the axis."""
    # Looked at twice, because a packet may slip from one place to the other between two looks.
    for _ in range(2):
        counts = await node.store.counts()
        axis = await node.axis.counts()
        if any(counts.get(name, 0) for name in _MOVING) or axis["waiting"] or axis["leased"]:
            return False
    return True


async def keep_envelopes(node: Node, folder: Path) -> int:
    """Every envelope that crossed the axis as NNN-KIND.edxml, in the order they were made; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row async for row in _crossed(node)]
    seen: set[str] = set()
    for agency, item in sorted(rows, key=lambda row: (row[1].created_at, row[1].id)):
        if item.packet_id in seen:
            continue
        seen.add(item.packet_id)
        async with node.store.read(_scope(agency)) as work:
            opener = await node.blobs.open(work, item.envelope_digest)
        path = folder / f"{len(seen):03}-{KIND_WORDS[item.kind]}.edxml"
        await node.pool.run(partial(_copy, opener, path))
    return len(seen)


def _copy(opener: Callable[[], BinaryIO], path: Path) -> None:
    with opener() as source:
        path.write_bytes(source.read())


async def _sent(node: Node) -> AsyncIterator[tuple[OutgoingDocument, Sequence[Delivery]]]:
    for agency in await node.store.hosted():
        cursor: str | None = None
        while True:
            async with node.store.read(_scope(agency)) as work:
                page = await work.outgoing.page(limit=100, cursor=cursor)
                rows = await work.deliveries.of_many([one.id for one in page.items])
            for document in page.items:
                yield document, rows.get(document.id, ())
            cursor = page.next_cursor
            if cursor is None:
                break


async def _is_known(node: Node, document: OutgoingDocument, delivery: Delivery) -> bool:
    receiver = await node.store.accounts.hosted_by_code(delivery.recipient.code)
    if receiver is None or document.body_digest is None:
        return False
    sender = document.document_id.split(",", 1)[0]
    async with node.store.read(_scope(receiver)) as work:
        return await work.identities.by_body(sender, document.body_digest) is not None


async def _doubled(node: Node) -> int:
    doubled = 0
    for agency in await node.store.hosted():
        documents = [one async for one in _incoming(node, agency)]
        bodies = Counter(one.body_digest for one in documents)
        numbers = Counter((one.register_year, one.register_no) for one in documents if one.register_no)
        doubled += sum(n - 1 for n in bodies.values()) + sum(n - 1 for n in numbers.values())
    return doubled


async def _incoming(node: Node, agency: HostedAgency) -> AsyncIterator[IncomingDocument]:
    cursor: str | None = None
    while True:
        async with node.store.read(_scope(agency)) as work:
            page = await work.incoming.page(limit=100, cursor=cursor)
        for document in page.items:
            yield document
        cursor = page.next_cursor
        if cursor is None:
            break


async def _crossed(node: Node) -> AsyncIterator[tuple[HostedAgency, OutboxItem]]:
    for agency in await node.store.hosted():
        cursor: str | None = None
        while True:
            async with node.store.read(_scope(agency)) as work:
                page = await work.outbox.page(limit=100, states=("sent",), cursor=cursor)
            for item in page.items:
                yield agency, item
            cursor = page.next_cursor
            if cursor is None:
                break


def _scope(agency: HostedAgency) -> AgencyScope:
    return AgencyScope(agency_id=agency.id, principal_id="demo")
