"""Sends files as documents through an open node and waits until the receiver's 01 is back. In: a node, a PDF. Out: the
accepted document, and later how long each leg took. Uses the same steps as a front door, so that nothing is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path

from bench.stage import RECEIVER, SENDER
from gateway.bootstrap import Node
from gateway.domain.account import AgencyScope
from gateway.domain.document import Draft, FileRole, OutgoingDocument, Recipient, RecipientRole, Signer
from gateway.domain.event import EventKind
from gateway.outgoing import accept, intake
from gateway.outgoing.order import Order

PATIENCE_S = 300.0
LOOK_S = 0.1  # how late an answer may be noticed; looking more often would cost what is to be measured
PIECE = 64 * 1024  # about what a socket gives at a time
AHEAD = 16 * PIECE  # read in one go: waiting for the disk is not what is measured
# What ends each leg of the way there and back, in order.
LEGS = {
    "accepted": EventKind.MESSAGE_ACCEPTED,
    "packed": EventKind.MESSAGE_QUEUED,
    "on the axis": EventKind.DELIVERY_SENT,
    "landed": EventKind.INBOX_LANDED,
    "admitted": EventKind.INBOX_RECEIVED,
    "01 back": EventKind.DELIVERY_STATUS,
}


class Failed(Exception):
    """A document did not come there and back."""


async def scope_of(node: Node, code: str = SENDER) -> AgencyScope:
    """A caller of that agency."""
    agency = await node.store.accounts.hosted_by_code(code)
    if agency is None:
        raise Failed(f"this node does not host {code}")
    return AgencyScope(agency_id=agency.id, principal_id="bench")


async def send(node: Node, scope: AgencyScope, paper: Path, number: str) -> OutgoingDocument:
    """The paper is accepted as the document of that number."""
    draft = Draft(
        number=number,
        symbol="TN-BENCH",
        issued_on=node.out.today(),
        type_name="Công văn",
        subject="V/v đo hiệu năng",
        signer=Signer(name="Người Ký Mẫu", title="Chủ tịch"),
        recipients=(Recipient(code=RECEIVER, role=RecipientRole.TO_ACT),),
        reply_required=False,
    )
    async with intake.tray(node.out) as tray:
        await tray.add("file", "van-ban.pdf", FileRole.LEAD, _chunks(node, paper))
        accepted = await accept.accept(node.out, scope, Order(draft=draft), tray)
    if accepted.document is None:
        raise Failed(f"document {number} was not accepted")
    return accepted.document


async def answered(node: Node, scope: AgencyScope, document: OutgoingDocument) -> None:
    """Returns once the receiver's 01 is recorded; `Failed` says where the document is stuck."""
    state = "accepted"
    try:
        async with asyncio.timeout(PATIENCE_S):
            while state != "delivered":
                await node.store.wait_events(LOOK_S)
                async with node.store.read(scope) as work:
                    state = (await work.deliveries.of(document.id))[0].state
                if state in ("failed", "rejected"):
                    raise Failed(f"{document.id} is {state}")
    except TimeoutError as late:
        counts = await node.store.counts()
        raise Failed(f"{document.id} is still {state} after {PATIENCE_S:.0f} s; rows: {counts}") from late


async def legs(node: Node, begun: datetime) -> dict[str, float]:
    """Seconds from `begun`, before the one document since then was sent, to the end of each leg. Only where one node is
    both sides."""
    ended: dict[str, float] = {}
    names = {kind: leg for leg, kind in LEGS.items()}
    while await node.store.number_events():
        pass
    after = 0
    while events := await node.store.events_after(None, after, 500):
        after = events[-1].node_seq or 0
        for event in events:
            leg = names.get(event.kind)
            if leg is not None and event.at >= begun and leg not in ended:
                ended[leg] = round((event.at - begun).total_seconds(), 4)
    return ended


async def _chunks(node: Node, paper: Path) -> AsyncIterator[bytes]:
    """The file as it would come in; the reading itself is not the node's and stays off its loop."""
    with paper.open("rb") as file:
        while read := await node.pool.run(partial(file.read, AHEAD)):
            for start in range(0, len(read), PIECE):
                yield read[start : start + PIECE]
